from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from unetscope.errors import InputError
from unetscope.inference import predict_image
from unetscope.model import Model
from unetscope.recipe import Recipe
from unetscope.training import preview
from unetscope.training.dataset import Example
from unetscope.training.loop import EpochRecord
from unetscope.training.preview import preview_writer
from unetscope.training.run import Run
from unetscope.training.session import describe_data, fit

CPU = torch.device("cpu")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still."""
    fake = SimpleNamespace(now=0.0)
    monkeypatch.setattr(preview, "time", SimpleNamespace(monotonic=lambda: fake.now))
    return fake


@pytest.fixture
def trained(
    recipe: Callable[..., Recipe], examples: Callable[..., list[Example]], tmp_path: Path
) -> tuple[Run, list[Example], EpochRecord]:
    """A run, its examples, and the record of its last epoch, as if that had been the best."""
    pairs, settings = examples(4), recipe()
    run = Run.create(tmp_path / "run", settings, describe_data(pairs, settings))
    records = list(fit(run, pairs, device=CPU))
    return run, pairs, replace(records[-1], best=True)


def test_the_first_validation_image_is_predicted(trained: tuple[Run, list[Example], EpochRecord]) -> None:
    run, examples, record = trained
    with preview_writer(run, examples, device=CPU) as note:
        note(record)
        written = run.preview()
    [position] = [i for i, entry in enumerate(run.data) if entry.role == "validation"]
    assert (written.name, written.epoch) == (examples[position].name, record.epoch)
    expected = predict_image(Model.load(run.model_path), examples[position].image).labels
    np.testing.assert_array_equal(written.labels.data, expected.data)


def test_it_is_made_now_and_then_and_at_the_end(
    trained: tuple[Run, list[Example], EpochRecord], clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, examples, record = trained

    def predict_slowly(*arguments: object) -> object:
        clock.now += 2
        return predict_image(*arguments)

    monkeypatch.setattr(preview, "predict_image", predict_slowly)
    with preview_writer(run, examples, device=CPU) as note:
        for clock.now, epoch, best, shown in [
            (0, 1, True, 1),
            (21, 2, True, 1),
            # 10 × the 2 seconds of the last one have passed, and there is a better model.
            (23, 3, False, 2),
            (99, 4, False, 2),
            (100, 5, True, 5),
            (101, 6, True, 5),
        ]:
            note(replace(record, epoch=epoch, best=best))
            assert run.preview().epoch == shown
    assert run.preview().epoch == 6


def test_what_cannot_be_predicted_stops_nobody(
    trained: tuple[Run, list[Example], EpochRecord],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run, examples, record = trained

    def refuse(*arguments: object) -> None:
        raise InputError("too large")

    monkeypatch.setattr(preview, "predict_image", refuse)
    with preview_writer(run, examples, device=CPU) as note:
        note(record)
    assert run.preview() is None
    assert "too large" in caplog.text
