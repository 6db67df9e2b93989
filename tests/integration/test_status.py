"""Whoever watches a run folder learns how the training is, and how it ended."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from unetscope import api
from unetscope.errors import TrainingError
from unetscope.recipe import Recipe, change
from unetscope.training import loop
from unetscope.training.run import Run

TINY = ("network.depth=1", "network.width=2", "training.epochs=2", "training.batch_size=2")
Disks = Callable[..., Path]


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The states that were written, without repetitions."""
    written: list[str] = []
    original = Run.write_status

    def write(self: Run, **facts: object) -> None:
        original(self, **facts)
        if self.status()["state"] not in written[-1:]:
            written.append(self.status()["state"])

    monkeypatch.setattr(Run, "write_status", write)
    return written


def _prepare(disks: Disks, tmp_path: Path) -> api.Training:
    recipe = change(Recipe(), TINY)
    return api.prepare_training(disks(), tmp_path / "run", recipe=recipe, device="cpu")


def test_a_training_that_ends(disks: Disks, tmp_path: Path, states: list[str]) -> None:
    data = disks()
    (data / "images" / "alone.png").write_bytes((data / "images" / "disk_00.png").read_bytes())
    training = api.prepare_training(data, tmp_path / "run", recipe=change(Recipe(), TINY), device="cpu")
    for record in training:
        assert training.run.status()["epoch"] == record.epoch
    training.finish()
    assert states == ["preparing", "training", "finished", "scoring", "finished"]
    status = training.run.status()
    assert (status["device"], status["pid"], status["message"]) == ("cpu", os.getpid(), "")
    assert "alone.png" in status["left_out"][0]
    assert status["warnings"] == []


def test_a_training_that_somebody_stops(disks: Disks, tmp_path: Path, states: list[str]) -> None:
    training = _prepare(disks, tmp_path)
    for _ in training:
        training.run.request_stop()
    training.finish()
    assert states == ["preparing", "training", "stopped", "scoring", "stopped"]
    for _ in api.prepare_resume(training.run.path, device="cpu"):
        pass
    assert states[-3:] == ["preparing", "training", "finished"]


def test_a_consumer_that_goes_away(disks: Disks, tmp_path: Path, states: list[str]) -> None:
    records = iter(_prepare(disks, tmp_path))
    next(records)
    records.close()
    assert states == ["preparing", "training", "stopped"]


def test_a_training_that_fails(
    disks: Disks, tmp_path: Path, states: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    training = _prepare(disks, tmp_path)
    monkeypatch.setattr(
        loop, "segmentation_loss", lambda *a, **k: torch.tensor(float("nan"), requires_grad=True)
    )
    with pytest.raises(TrainingError) as caught:
        list(training)
    assert states == ["preparing", "training", "failed"]
    assert training.run.status()["message"] == str(caught.value)
    monkeypatch.undo()


def test_scores_that_cannot_be_computed(
    disks: Disks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = _prepare(disks, tmp_path)
    list(training)

    def fail(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(api.training, "predict", fail)
    with pytest.raises(MemoryError):
        training.finish()
    status = training.run.status()
    assert status["state"] == "failed"
    assert "too little memory" in status["message"]
    assert training.run.model_path.exists()
