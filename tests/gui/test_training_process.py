"""Training in a process of its own: it is started, watched, paused, stopped, lost, and gone on with."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import pytest

from unetscope._napari.train.process import TrainingProcess
from unetscope.api import load_model, read_card, train
from unetscope.errors import ModelError, TrainingError
from unetscope.io import find_pairs
from unetscope.io.write import write_text
from unetscope.recipe import Recipe, change, to_yaml
from unetscope.training.folder import RunFolder

TINY = ("network.depth=1", "network.width=2", "training.samples=4", "training.batch_size=2")
# Far more than a test waits for: it ends because somebody ends it.
ENDLESS = ("training.epochs=100000",)
PATIENCE = 240_000  # ms: on a busy machine a process of low priority waits long


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of four small images with a square in each."""
    rng = np.random.default_rng(0)
    for i in range(4):
        mask = np.zeros((32, 32), np.uint8)
        mask[8 + i : 18 + i, 6:20] = 255
        image = (60 + mask * 0.4 + rng.normal(0, 10, mask.shape)).astype(np.uint8)
        for name, array in (("images", image), ("masks", mask)):
            (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(array).save(tmp_path / "data" / name / f"square_{i}.png")
    return find_pairs(tmp_path / "data").to_csv(tmp_path / "pairs.csv")


@pytest.fixture
def process(qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A process, and what it told."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    training = TrainingProcess()
    told = SimpleNamespace(training=training, states=[], epochs=[], previews=[], failures=[], ends=[])
    training.status_changed.connect(lambda status: told.states.append(status["state"]))
    training.recorded.connect(lambda records: told.epochs.extend(record["epoch"] for record in records))
    training.previewed.connect(told.previews.append)
    training.failed.connect(told.failures.append)
    training.ended.connect(told.ends.append)
    yield told
    training.close()


def _recipe(*settings: str) -> Recipe:
    return change(Recipe(), [*TINY, *settings])


def _states(process: SimpleNamespace) -> list[str]:
    """Without repetitions: a state is told again with every epoch."""
    return [s for i, s in enumerate(process.states) if i == 0 or process.states[i - 1] != s]


def _wait(qtbot: Any, process: SimpleNamespace, *, epochs: int) -> None:
    qtbot.waitUntil(lambda: len(process.epochs) >= epochs or bool(process.failures), timeout=PATIENCE)
    assert process.failures == []


def test_a_training_is_watched_to_its_end(
    qtbot: Any, process: SimpleNamespace, table: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with qtbot.waitSignal(process.training.ended, timeout=PATIENCE):
        process.training.start(table, run, _recipe("training.epochs=3"), device="cpu")
        assert process.training.running
        with pytest.raises(TrainingError, match="running already"):
            process.training.resume(run)
    assert not process.training.running
    assert process.failures == []
    assert process.ends == ["finished"]
    assert process.epochs == [1, 2, 3]
    assert _states(process)[0] == "preparing"
    assert _states(process)[-1] == "finished"
    assert RunFolder.open(run).recipe == _recipe("training.epochs=3")
    shown = process.previews[-1]
    assert shown.labels.data.shape == shown.labels.grid
    assert shown.labels.source.path.name == shown.name
    assert "epoch    3" in (run / "log.txt").read_text(encoding="utf-8")
    assert load_model(run, device="cpu").recipe == _recipe("training.epochs=3")


def test_a_training_begins_with_a_model(
    qtbot: Any, process: SimpleNamespace, table: Path, tmp_path: Path
) -> None:
    first, run = (
        train(table, tmp_path / "first", recipe=_recipe("training.epochs=1"), device="cpu"),
        tmp_path / "run",
    )
    with qtbot.waitSignal(process.training.ended, timeout=PATIENCE):
        recipe = _recipe("training.epochs=1")
        process.training.start(table, run, recipe, start=first.model_path, device="cpu", previews=False)
    assert process.failures == []
    start = RunFolder.open(run).start
    assert start is not None
    assert start.name == "first"
    assert read_card(run).start == start


def test_pause_go_on_stop_and_resume(
    qtbot: Any, process: SimpleNamespace, table: Path, tmp_path: Path
) -> None:
    run, training = tmp_path / "run", process.training
    training.start(table, run, _recipe(*ENDLESS), device="cpu", previews=False)
    _wait(qtbot, process, epochs=1)
    training.pause()
    qtbot.waitUntil(lambda: process.states[-1] == "paused", timeout=PATIENCE)
    done = RunFolder(run).history()
    assert (run / "checkpoint.pt").exists()
    training.go_on()
    _wait(qtbot, process, epochs=len(done) + 1)
    with qtbot.waitSignal(training.ended, timeout=PATIENCE):
        training.stop()
    assert process.ends == ["stopped"]
    assert (run / "curves.png").exists()
    stopped = len(RunFolder(run).history())
    training.resume(run, device="cpu", previews=False)
    _wait(qtbot, process, epochs=2 * stopped + 1)
    assert process.epochs[stopped : 2 * stopped + 1] == [*range(1, stopped + 2)]
    training.close()
    assert not training.running
    status = RunFolder(run).status()
    assert status["state"] == "stopped", status


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_a_killed_process_leaves_its_model(
    qtbot: Any, process: SimpleNamespace, table: Path, tmp_path: Path
) -> None:
    run, training = tmp_path / "run", process.training
    training.start(table, run, _recipe(*ENDLESS), device="cpu", previews=False)
    _wait(qtbot, process, epochs=1)
    with qtbot.waitSignal(training.ended, timeout=PATIENCE):
        os.kill(RunFolder(run).status()["pid"], 9)
    assert process.ends == ["failed"]
    assert "ended from outside" in process.failures[0]
    assert f"is in {run}" in process.failures[0]
    assert RunFolder(run).status()["state"] == "failed"
    load_model(run, device="cpu")


def test_without_its_parent_the_child_ends(
    qtbot: Any, process: SimpleNamespace, table: Path, tmp_path: Path
) -> None:
    run, training = tmp_path / "run", process.training
    training.start(table, run, _recipe(*ENDLESS), device="cpu", previews=False)
    _wait(qtbot, process, epochs=1)
    # As when the viewer crashes.
    training._child._process.stdin.close()
    qtbot.waitUntil(lambda: bool(process.ends), timeout=PATIENCE)
    assert process.ends == ["stopped"]
    status = RunFolder(run).status()
    assert status["state"] == "stopped", status
    load_model(run, device="cpu")


def test_a_deleted_object_takes_its_child_along(
    qtbot: Any, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    training = TrainingProcess()
    training.start(table, tmp_path / "run", _recipe(*ENDLESS), device="cpu", previews=False)
    child = training._child
    training.deleteLater()
    qtbot.waitUntil(lambda: not child.running, timeout=PATIENCE)


def test_the_user_may_end_it_at_once(
    qtbot: Any, process: SimpleNamespace, table: Path, tmp_path: Path
) -> None:
    run, training = tmp_path / "run", process.training
    training.start(table, run, _recipe(*ENDLESS), device="cpu", previews=False)
    _wait(qtbot, process, epochs=1)
    with qtbot.waitSignal(training.ended, timeout=PATIENCE):
        training.kill()
    assert (process.ends, process.failures) == (["stopped"], [])
    assert not list(run.glob(".*.part"))


def test_what_cannot_begin_is_said_and_leaves_an_earlier_run(
    qtbot: Any, process: SimpleNamespace, table: Path, tmp_path: Path
) -> None:
    run, training = tmp_path / "run", process.training
    run.mkdir()
    (run / "recipe.yaml").write_text("of an earlier run")
    (run / "log.txt").write_text("unetscope: of an earlier run\n")
    with qtbot.waitSignal(training.ended, timeout=PATIENCE):
        training.start(table, run, _recipe(), device="cpu")
    assert process.ends == ["failed"]
    assert "holds files already" in process.failures[0]
    assert (run / "recipe.yaml").read_text() == "of an earlier run"
    assert not (run / "status.json").exists()


@pytest.fixture
def elsewhere(tmp_path: Path) -> RunFolder:
    """A run that trains on another machine, as far as one can see."""
    folder = RunFolder(tmp_path / "elsewhere")
    folder.path.mkdir()
    (folder.path / "recipe.yaml").write_text(to_yaml(Recipe()))
    (folder.path / "data.json").write_text("[]")
    folder.write_status(state="training", message="")
    return folder


def _append(folder: RunFolder, *epochs: int) -> None:
    with folder.history_path.open("a") as file:
        file.writelines(json.dumps({"epoch": epoch}) + "\n" for epoch in epochs)


@pytest.mark.parametrize(("outcome", "message"), [("finished", ""), ("failed", "The loss became nan.")])
def test_a_run_of_somebody_else_is_watched(
    qtbot: Any, process: SimpleNamespace, elsewhere: RunFolder, outcome: str, message: str
) -> None:
    _append(elsewhere, 1, 2)
    process.training.watch(elsewhere.path)
    qtbot.waitUntil(lambda: process.epochs == [1, 2])
    _append(elsewhere, 3)
    qtbot.waitUntil(lambda: process.epochs == [1, 2, 3])
    assert not process.training.running
    process.training.pause()
    assert elsewhere.pause_requested
    with qtbot.waitSignal(process.training.ended):
        elsewhere.write_status(state=outcome, message=message)
    assert process.states == ["training", outcome]
    assert (process.failures, process.ends) == ([message] if message else [], [outcome])


def test_a_run_that_is_resumed_elsewhere_tells_its_epochs_again(
    qtbot: Any, process: SimpleNamespace, elsewhere: RunFolder
) -> None:
    _append(elsewhere, 1, 2)
    process.training.watch(elsewhere.path)
    qtbot.waitUntil(lambda: process.epochs == [1, 2])
    write_text(elsewhere.history_path, '{"epoch": 1}\n', overwrite=True)
    _append(elsewhere, 2, 3)
    qtbot.waitUntil(lambda: process.epochs == [1, 2, 1, 2, 3])


def test_a_damaged_history_ends_the_watching(
    qtbot: Any, process: SimpleNamespace, elsewhere: RunFolder
) -> None:
    elsewhere.history_path.write_text("nonsense\n")
    with qtbot.waitSignal(process.training.ended):
        process.training.watch(elsewhere.path)
    assert "history.jsonl is damaged" in process.failures[0]


def test_what_is_no_run_is_not_watched(process: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a run folder"):
        process.training.watch(tmp_path)
    with pytest.raises(TrainingError, match="no training"):
        process.training.pause()
