"""The run folder: written whole, read with care."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unetscope.errors import InputError, ModelError, OutputError
from unetscope.network import UNet
from unetscope.recipe import Recipe
from unetscope.training.folder import COPIES, LOG
from unetscope.training.loop import EpochRecord, TrainingState
from unetscope.training.run import DataEntry, FollowedRun, Run, file_hash, has_begun
from unetscope.training.team import Team

MakeRecipe = Callable[..., Recipe]
RECORD = EpochRecord(1, 0.5, 0.1, None, None, 0.5, 1e-3, 2.0, 10.0, best=True)


@pytest.fixture
def run(tmp_path: Path, recipe: MakeRecipe) -> Run:
    files = {}
    for name in ("image", "mask"):
        files[name] = tmp_path / f"{name}.png"
        files[name].write_bytes(name.encode())
    entry = DataEntry(
        "cell", "a", "training", *map(str, files.values()), *(file_hash(f) for f in files.values())
    )
    return Run.create(tmp_path / "run", recipe("optimizer.kind=adam"), [entry])


def _state(run: Run, *, epoch: int = 0) -> TrainingState:
    state = TrainingState(run.recipe, UNet(run.recipe.network, 1, 1))
    state.epoch = epoch
    return state


def test_a_new_run_can_be_opened(run: Run) -> None:
    opened = Run.open(run.path)
    assert opened.recipe == run.recipe
    assert opened.data == run.data
    assert opened.history() == []
    assert not opened.stop_requested
    versions = json.loads((run.path / "versions.json").read_text())
    assert {"python", "torch", "unetscope", "machine"} <= set(versions)


def test_a_filled_folder_is_refused_unless_allowed(run: Run) -> None:
    old = ("status.json", "history.jsonl", "checkpoint.pt", "model.safetensors", "metrics.json", "curves.png")
    for name in (*old, "preview.npz", "pause", "stop"):
        (run.path / name).write_text("old")
    with pytest.raises(OutputError, match="holds files already"):
        Run.create(run.path, run.recipe, run.data)
    again = Run.create(run.path, run.recipe, run.data, overwrite=True)
    assert sorted(f.name for f in again.path.iterdir()) == ["data.json", "recipe.yaml", "versions.json"]


def test_another_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a run folder"):
        Run.open(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"name": "a"}]'])
def test_damaged_data(run: Run, text: str) -> None:
    (run.path / "data.json").write_text(text)
    with pytest.raises(ModelError, match=r"data\.json is damaged"):
        _ = run.data


def test_a_mask_is_not_read_with_anything_else(run: Run) -> None:
    path = run.path / "data.json"
    entries = json.loads(path.read_text())
    path.write_text(json.dumps([entry | {"reading": {"objects": True}} for entry in entries]))
    assert all(entry.reading == {"objects": True} for entry in run.data)
    path.write_text(json.dumps([entry | {"reading": {"on": "elsewhere"}} for entry in entries]))
    with pytest.raises(ModelError, match=r"data\.json is damaged"):
        _ = run.data


def test_the_history_grows(run: Run) -> None:
    run.append(RECORD)
    run.append(replace(RECORD, epoch=2, val_dice=0.5))
    assert [r["epoch"] for r in run.history()] == [1, 2]
    assert run.history()[1]["val_dice"] == 0.5
    assert EpochRecord(**run.history()[0]) == RECORD


def test_a_line_that_was_being_written_does_not_count(run: Run) -> None:
    run.append(RECORD)
    with (run.path / "history.jsonl").open("a") as file:
        file.write('{"epoch": 2, "train_lo')
    assert [r["epoch"] for r in run.history()] == [1]


def test_a_damaged_history(run: Run) -> None:
    (run.path / "history.jsonl").write_text("hello\n")
    with pytest.raises(ModelError, match=r"history\.jsonl is damaged"):
        run.history()


def test_a_history_that_cannot_be_written(run: Run) -> None:
    (run.path / "history.jsonl").mkdir()
    with pytest.raises(OutputError, match=r"history\.jsonl cannot be written"):
        run.append(RECORD)


def test_stop_is_a_request(run: Run) -> None:
    run.request_stop()
    assert run.stop_requested
    run.clear_requests()
    run.clear_requests()
    assert not run.stop_requested


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_dataset_of_the_viewer_may_be_there_before(
    run: Run, tmp_path: Path, recipe: MakeRecipe, overwrite: bool
) -> None:
    path = tmp_path / "begun"
    (path / COPIES).mkdir(parents=True)
    files = (path / LOG, path / COPIES / "pairs.csv", path / COPIES / "layer.ome.tif")
    for file in files:
        file.write_text("the viewer's")
    Run.create(path, recipe(), run.data, overwrite=overwrite)
    assert {file.read_text() for file in files} == {"the viewer's"}
    (path / "notes.txt").touch()
    with pytest.raises(OutputError, match="holds files already"):
        Run.create(path, recipe(), run.data)


def test_a_checkpoint_brings_everything_back(tmp_path: Path, run: Run, recipe: MakeRecipe) -> None:
    made = Run.create(tmp_path / "other", recipe("training.averaging=0.9"), run.data)
    state = _state(made, epoch=7)
    state.steps, state.seconds, state.best, state.waited, state.parts = 70, 3.5, 0.8, 2, 4
    state.plateau.factor, state.plateau.waited = 0.1, 3
    state.network(torch.randn(2, 1, 8, 8)).sum().backward()
    state.optimizer.step()
    made.save_checkpoint(state)
    loaded = _state(made)
    assert made.load_checkpoint(loaded)
    before, after = state.state_dict(), loaded.state_dict()
    assert after["numbers"] == before["numbers"]
    assert after["plateau"] == before["plateau"]
    for part in ("network", "averaged"):
        for name, value in before[part].items():
            assert torch.equal(after[part][name], value)
    for index, values in before["optimizer"]["state"].items():
        for name, value in values.items():
            assert torch.equal(after["optimizer"]["state"][index][name], value)


def test_what_the_checkpoint_does_not_know_is_forgotten(run: Run) -> None:
    run.save_checkpoint(_state(run, epoch=2))
    for epoch in (1, 2, 3, 4):
        run.append(replace(RECORD, epoch=epoch))
    run.load_checkpoint(_state(run))
    assert [r["epoch"] for r in run.history()] == [1, 2]


def test_without_a_checkpoint_the_run_begins_anew(run: Run) -> None:
    run.append(RECORD)
    state = _state(run)
    assert not run.load_checkpoint(state)
    assert state.epoch == 0
    assert run.history() == []


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02}q\x00.", bytes(range(256)) * 9])
def test_a_foreign_checkpoint(run: Run, content: bytes) -> None:
    (run.path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(ModelError, match=r"checkpoint\.pt is damaged"):
        run.load_checkpoint(_state(run))


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_truncated_checkpoint(run: Run, kept: float) -> None:
    run.save_checkpoint(_state(run))
    path = run.path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(ModelError, match=r"checkpoint\.pt is damaged"):
        run.load_checkpoint(_state(run))


def test_a_checkpoint_of_another_network(tmp_path: Path, run: Run, recipe: MakeRecipe) -> None:
    wider = Run.create(tmp_path / "wide", recipe("network.width=3"), run.data)
    wider.save_checkpoint(_state(wider))
    (run.path / "checkpoint.pt").write_bytes((wider.path / "checkpoint.pt").read_bytes())
    with pytest.raises(ModelError, match=r"checkpoint\.pt is damaged"):
        run.load_checkpoint(_state(run))


def test_a_checkpoint_is_never_run_as_code(run: Run) -> None:
    torch.save({"network": Path("x")}, run.path / "checkpoint.pt")
    with pytest.raises(ModelError, match=r"checkpoint\.pt is damaged"):
        run.load_checkpoint(_state(run))


def test_a_full_disk_leaves_the_earlier_checkpoint(run: Run) -> None:
    resource = pytest.importorskip("resource")
    run.save_checkpoint(_state(run, epoch=1))
    earlier = sorted(f.name for f in run.path.iterdir())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"checkpoint\.pt cannot be written"):
            run.save_checkpoint(_state(run, epoch=2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    state = _state(run)
    run.load_checkpoint(state)
    assert state.epoch == 1
    assert sorted({*earlier, "history.jsonl"}) == sorted(f.name for f in run.path.iterdir())


def test_unchanged_data_pass(run: Run) -> None:
    run.check_data()


@pytest.mark.parametrize("name", ["image.png", "mask.png"])
@pytest.mark.parametrize("gone", [True, False])
def test_changed_data_are_named(run: Run, name: str, gone: bool) -> None:
    path = run.path.parent / name
    if gone:
        path.unlink()
    else:
        path.write_bytes(b"other")
    with pytest.raises(InputError, match=rf"{name} is missing or has changed"):
        run.check_data()


def test_a_folder_is_known_by_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    for name in ("b.dcm", "a.dcm", ".hidden"):
        (folder / name).write_text(name)
    before = file_hash(folder)
    (folder / ".hidden").write_text("the desktop's")
    assert file_hash(folder) == before
    (folder / "b.dcm").write_text("other")
    assert file_hash(folder) != before


def test_a_team_knows_the_run_that_it_has_begun(
    tmp_path: Path, run: Run, recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "other"
    team = Team(launchers=("7 here 100", "7 there 100"))
    assert not has_begun(path, team)
    Run.create(path, recipe(), run.data, team=team)
    # This process itself has begun it; another training would have to be told to replace it.
    assert not has_begun(path, team)
    with pytest.raises(OutputError, match="holds files already"):
        Run.create(path, recipe(), run.data, team=team)
    monkeypatch.setattr("unetscope.training.run.os.getpid", lambda: 1)
    again = Team(launchers=("7 there 100", "7 elsewhere 100"))
    assert has_begun(path, again)
    assert not has_begun(path, Team(launchers=("8 there 100",)))
    assert not has_begun(path, Team())
    # Killed while it began: begun anew, without being told to.
    (path / "versions.json").unlink()
    assert not has_begun(path, again)
    Run.create(path, recipe(), run.data, team=again)


def test_who_follows_writes_nothing(run: Run) -> None:
    run.save_checkpoint(_state(run, epoch=2))
    run.append(replace(RECORD, epoch=3))
    run.request_stop()
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    followed, state = FollowedRun.open(run.path), _state(run)
    assert followed.load_checkpoint(state)
    assert state.epoch == 2
    followed.append(RECORD)
    followed.save_checkpoint(state)
    followed.write_metrics({})
    followed.write_status(state="training")
    followed.clear_requests()
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before


def test_other_images_than_those_of_the_run(run: Run) -> None:
    run.check_same(run.data)
    others = [replace(run.data[0], image_sha256="0"), *run.data[1:]]
    with pytest.raises(InputError, match="not those that the run"):
        run.check_same(others)
