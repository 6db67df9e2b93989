"""What a run writes down about its data, and how it obeys those who watch it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from unetscope.api import load_model
from unetscope.errors import InputError
from unetscope.io.image import Image, Source
from unetscope.recipe import Recipe
from unetscope.training import session
from unetscope.training.dataset import Batch, Batches, Example
from unetscope.training.folder import RunFolder
from unetscope.training.loop import EpochRecord
from unetscope.training.run import Run, file_hash
from unetscope.training.session import describe_data, fit

MakeRecipe = Callable[..., Recipe]
MakeExamples = Callable[..., list[Example]]
Start = Callable[[str], Iterator[EpochRecord]]


def test_roles_follow_the_split(recipe: MakeRecipe, examples: MakeExamples) -> None:
    entries = describe_data(examples(5), recipe("split={validation: 0.4, choose: last}"))
    assert [entry.role for entry in entries] == ["training"] * 3 + ["validation"] * 2
    assert [entry.name for entry in entries] == [f"disk {i}" for i in range(5)]


def test_given_roles_are_kept(recipe: MakeRecipe, examples: MakeExamples) -> None:
    roles = ("test", "", "validation", "training", "")
    given = [replace(one, split=role) for one, role in zip(examples(5), roles, strict=True)]
    entries = describe_data(given, recipe("split.validation=0.4"))
    assert [entry.role for entry in entries] == ["test", "training", "validation", "training", "training"]


def test_test_images_take_no_part(recipe: MakeRecipe, examples: MakeExamples, tmp_path: Path) -> None:
    """Training on a dataset with an impossible test image is training without it."""
    settings, pairs = recipe("split={validation: 0.4, choose: last}"), examples(4)
    odd = np.full((16, 16), np.nan, np.float32)
    test = replace(pairs[0], name="odd", group="odd", split="test", image=Image(odd, "YX"))
    losses = []
    for name, data in (("without", pairs), ("with", [test, *pairs])):
        run = Run.create(tmp_path / name, settings, describe_data(data, settings))
        losses.append([(r.train_loss, r.val_loss) for r in fit(run, data, device=torch.device("cpu"))])
    assert losses[0] == losses[1]


def test_arrays_are_known_by_their_pixels(recipe: MakeRecipe, examples: MakeExamples) -> None:
    first, again, other = (describe_data(examples(2, seed=s), recipe()) for s in (0, 0, 1))
    assert first == again
    assert first[0].image == first[0].mask == ""
    assert first[0].image_sha256 != other[0].image_sha256
    assert first[0].image_sha256 != first[1].image_sha256


@pytest.mark.parametrize("changed", [False, True])
def test_a_series_in_a_folder_can_be_found_again(
    recipe: MakeRecipe, examples: MakeExamples, tmp_path: Path, changed: bool
) -> None:
    series = tmp_path / "series"
    series.mkdir()
    (series / "1.dcm").write_bytes(b"first slice")
    pairs = [
        replace(
            example,
            image=replace(example.image, source=Source(series)),
            mask=replace(example.mask, source=Source(series / "1.dcm")),
        )
        for example in examples(2)
    ]
    entries = describe_data(pairs, recipe())
    assert entries[0].image == str(series.resolve())
    assert entries[0].image_sha256 == file_hash(series)
    run = Run.create(tmp_path / "run", recipe(), entries)
    if not changed:
        run.check_data()
        return
    (series / "2.dcm").write_bytes(b"second slice")
    with pytest.raises(InputError, match="series is missing or has changed"):
        run.check_data()


def _tiny_number() -> float:
    return (torch.tensor(1e-40) * 1).item()


@pytest.mark.parametrize("stopped", [False, True])
def test_denormal_numbers_are_flushed_only_while_training(
    recipe: MakeRecipe, examples: MakeExamples, tmp_path: Path, stopped: bool
) -> None:
    pairs, settings = examples(3), recipe()
    run = Run.create(tmp_path / "run", settings, describe_data(pairs, settings))
    assert _tiny_number() != 0
    epochs = fit(run, pairs, device=torch.device("cpu"))
    next(epochs)
    assert _tiny_number() == 0
    if stopped:
        epochs.close()
    else:
        assert len(list(epochs)) == 1
    assert _tiny_number() != 0


@pytest.fixture
def started(recipe: MakeRecipe, examples: MakeExamples, tmp_path: Path) -> Start:
    """Begins a training of four epochs in a folder, or goes on there."""

    def start(name: str) -> Iterator[EpochRecord]:
        pairs, settings, run = examples(4), recipe("training.epochs=4"), Run(tmp_path / name)
        if not run.path.exists():
            Run.create(run.path, settings, describe_data(pairs, settings))
        return fit(run, pairs, device=torch.device("cpu"))

    return start


def _same_end(first: Path, second: Path) -> None:
    states = [torch.load(run / "checkpoint.pt", weights_only=True)["network"] for run in (first, second)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("within", [False, True])
def test_a_pause_changes_nothing_but_the_time(
    started: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    within: bool,
) -> None:
    whole = list(started("whole"))
    folder, paused = RunFolder(tmp_path / "paused"), []
    began = time.perf_counter()

    def sleep(seconds: float) -> None:
        paused.append(folder.status()["state"])
        assert within or (folder.path / "checkpoint.pt").exists()
        time.sleep(0.3)
        folder.clear_pause()

    monkeypatch.setattr(session, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    if within:
        monkeypatch.setattr(session, "_SECONDS_OF_GRACE", 0.0)
        epochs = started("paused")
        folder.request_pause()
        records = [next(epochs)]
    else:
        epochs = started("paused")
        records = [next(epochs)]
        folder.request_pause()
    records.extend(epochs)
    assert paused == ["paused"]
    assert folder.status()["state"] == "training"
    assert records[-1].seconds < time.perf_counter() - began - 0.3
    assert [r.train_loss for r in records] == [r.train_loss for r in whole]
    _same_end(folder.path, tmp_path / "whole")


@pytest.mark.parametrize("pause", [False, True])
def test_stop_ends_even_a_paused_training(
    started: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pause: bool,
) -> None:
    folder = RunFolder(tmp_path / "run")
    epochs = started("run")
    next(epochs)
    if pause:
        folder.request_pause()
        monkeypatch.setattr(session.time, "sleep", lambda _: folder.request_stop())
    else:
        folder.request_stop()
    assert list(epochs) == []
    assert len(folder.history()) == 1


def test_an_epoch_that_takes_long_is_not_waited_for(
    started: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path / "run")
    monkeypatch.setattr(session, "_SECONDS_OF_GRACE", 0.0)
    monkeypatch.setattr(session, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    epochs = started("run")
    next(epochs)
    batches = Batches.epoch

    def epoch(self: Batches, number: int) -> Iterator[Batch]:
        for position, batch in enumerate(batches(self, number)):
            if position == 1:
                folder.request_stop()
            yield batch

    monkeypatch.setattr(Batches, "epoch", epoch)
    assert list(epochs) == []
    assert [record["epoch"] for record in folder.history()] == [1]
    monkeypatch.undo()
    folder.clear_requests()
    assert [record.epoch for record in started("run")] == [2, 3, 4]
    assert len(list(started("whole"))) == 4
    _same_end(folder.path, tmp_path / "whole")


def test_whoever_reads_of_a_best_epoch_finds_its_model(
    started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []
    append = Run.append

    def looked_at(run: Run, record: EpochRecord) -> None:
        if record.best:
            scores = load_model(run.model_path).provenance["scores"]
            found.append(scores["epoch"] == record.epoch)
        append(run, record)

    monkeypatch.setattr(Run, "append", looked_at)
    list(started("run"))
    assert found
    assert all(found)
