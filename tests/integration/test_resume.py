"""Training that was interrupted ends as if it had not been."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from unetscope import api
from unetscope.errors import InputError, ModelError, OutputError, TrainingError
from unetscope.io.image import Image
from unetscope.model import Model
from unetscope.recipe import Recipe, change
from unetscope.training import loop, session
from unetscope.training.loop import EpochRecord
from unetscope.training.run import Run
from unetscope.training.validate import Validation

MakeDisks = Callable[..., Path]
TINY = (
    "network.depth=1",
    "network.width=2",
    "training.epochs=5",
    "training.batch_size=2",
    "augmentation={rotation: 30, elastic: 2, flip: [X], noise: 0.1}",
)
VARIANTS = {
    "adamw": (),
    "adam, cosine, average": ("optimizer.kind=adam", "schedule.kind=cosine", "training.averaging=0.9"),
    "sgd, one-cycle, batch": ("optimizer.kind=sgd", "schedule.kind=one-cycle", "network.norm=batch"),
    "rmsprop, plateau": ("optimizer.kind=rmsprop", "schedule={kind: plateau, patience: 0, factor: 0.5}"),
    "dropout, patches": ("network.dropout=0.3", "training.patch=[8, 8]", "training.samples=7"),
    "average, batch, valid": ("training.averaging=0.5", "network.norm=batch", "network.padding=valid"),
    "patience": ("training.patience=3", "optimizer.learning_rate=1e-6", "training.epochs=9"),
    "border weights": ("loss.border={}", "loss.kind=bce"),
}


def _recipe(*settings: str) -> Recipe:
    return change(Recipe(), [*TINY, *settings])


def _prepare(data: Path, out: Path, *settings: str) -> api.Training:
    return api.prepare_training(data, out, recipe=_recipe(*settings), device="cpu")


def _history(run: Run) -> list[dict[str, Any]]:
    clocks = ("seconds", "images_per_second")
    return [{name: value for name, value in r.items() if name not in clocks} for r in run.history()]


def _same_end(first: Run, second: Run) -> None:
    assert _history(first) == _history(second)
    weights = [load_file(run.model_path) for run in (first, second)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    states = [torch.load(run.path / "checkpoint.pt", weights_only=True) for run in (first, second)]
    for part in ("network", "averaged"):
        for name, value in (states[0][part] or {}).items():
            assert torch.equal(value, states[1][part][name])
    for index, values in states[0]["optimizer"]["state"].items():
        for name, value in values.items():
            assert torch.equal(
                torch.as_tensor(value), torch.as_tensor(states[1]["optimizer"]["state"][index][name])
            )
    numbers = [{k: v for k, v in s["numbers"].items() if k != "seconds"} for s in states]
    assert numbers[0] == numbers[1]
    assert Model.load(first.model_path).threshold == Model.load(second.model_path).threshold


def _whole(data: Path, out: Path, *settings: str) -> Run:
    training = _prepare(data, out, *settings)
    for _ in training:
        pass
    return training.run


@pytest.mark.parametrize("variant", VARIANTS)
def test_closed_and_resumed(disks: MakeDisks, tmp_path: Path, variant: str) -> None:
    data, settings = disks(), VARIANTS[variant]
    whole = _whole(data, tmp_path / "whole", *settings)
    training = _prepare(data, tmp_path / "parts", *settings)
    for epochs in (1, 2):
        records = iter(training)
        assert len(list(itertools.islice(records, epochs))) == epochs
        records.close()
        training = api.prepare_resume(training.run.path, device="cpu")
    for _ in training:
        pass
    assert len(whole.history()) > 3
    _same_end(whole, training.run)


def test_stopped_by_the_stop_file_and_resumed(disks: MakeDisks, tmp_path: Path) -> None:
    data = disks()
    whole = _whole(data, tmp_path / "whole")
    training = _prepare(data, tmp_path / "parts")
    seen = []
    for record in training:
        seen.append(record.epoch)
        if record.epoch == 2:
            (training.run.path / "stop").touch()
    assert seen == [1, 2]
    resumed = api.prepare_resume(training.run.path, device="cpu")
    assert [record.epoch for record in resumed] == [3, 4, 5]
    _same_end(whole, resumed.run)


@pytest.mark.parametrize("earlier", [True, False])
def test_killed_after_the_last_checkpoint(disks: MakeDisks, tmp_path: Path, earlier: bool) -> None:
    """What was written after the checkpoint is done again, and listed once."""
    data = disks()
    whole = _whole(data, tmp_path / "whole")
    training = _prepare(data, tmp_path / "parts")
    path = training.run.path
    next(records := iter(training))
    records.close()
    shutil.copy(path / "checkpoint.pt", tmp_path / "old.pt")
    records = iter(api.prepare_resume(path, device="cpu"))
    assert len(list(itertools.islice(records, 2))) == 2
    records.close()
    (path / "checkpoint.pt").unlink()
    if earlier:
        shutil.copy(tmp_path / "old.pt", path / "checkpoint.pt")
    resumed = api.prepare_resume(path, device="cpu")
    for _ in resumed:
        pass
    assert [r["epoch"] for r in resumed.run.history()] == [1, 2, 3, 4, 5]
    _same_end(whole, resumed.run)


def test_checkpoints_are_written_on_the_way(
    disks: MakeDisks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    training = _prepare(disks(), tmp_path / "run")
    records = iter(training)
    for expected in (1, 2):
        next(records)
        state = torch.load(training.run.path / "checkpoint.pt", weights_only=True)
        assert state["numbers"]["epoch"] == expected
    records.close()


def test_a_finished_run_has_nothing_left(disks: MakeDisks, tmp_path: Path) -> None:
    whole = _whole(disks(), tmp_path / "run")
    before = whole.model_path.read_bytes()
    assert list(api.prepare_resume(whole.path, device="cpu")) == []
    assert whole.model_path.read_bytes() == before
    assert len(whole.history()) == 5


def test_the_same_recipe_trains_the_same_twice(disks: MakeDisks, tmp_path: Path) -> None:
    data = disks()
    _same_end(_whole(data, tmp_path / "a"), _whole(data, tmp_path / "b"))
    other = _whole(data, tmp_path / "c", "seed=1")
    assert _history(other) != _history(Run.open(tmp_path / "a"))


def test_a_nan_keeps_the_earlier_model(
    disks: MakeDisks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = _prepare(disks(), tmp_path / "run")
    records = iter(training)
    first = next(records)
    monkeypatch.setattr(
        loop, "segmentation_loss", lambda *a, **k: torch.tensor(float("nan"), requires_grad=True)
    )
    with pytest.raises(TrainingError, match="epoch 2"):
        next(records)
    assert [r["epoch"] for r in training.run.history()] == [1]
    assert Model.load(training.run.model_path).provenance["scores"]["epoch"] == first.epoch
    monkeypatch.undo()
    resumed = api.prepare_resume(training.run.path, device="cpu")
    assert [r["epoch"] for r in resumed.run.history()] == [1]
    for _ in resumed:
        pass
    _same_end(_whole(tmp_path / "data", tmp_path / "whole"), resumed.run)


def test_the_model_is_of_the_best_epoch(
    disks: MakeDisks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter([0.1, 0.6, 0.3, 0.6, 0.2, 0.9])
    judged = []

    def validate(network: torch.nn.Module, *arguments: object) -> Validation:
        judged.append({name: value.clone() for name, value in network.state_dict().items()})
        return Validation(1.0, next(told), 0.35)

    monkeypatch.setattr(loop, "validate", validate)
    run = _whole(disks(), tmp_path / "run", "training.patience=3", "training.epochs=50")
    assert len(run.history()) == 5
    assert [r["best"] for r in run.history()] == [True, True, False, False, False]
    model = Model.load(run.model_path)
    assert model.provenance["scores"]["epoch"] == 2
    assert model.threshold == 0.35
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, judged[1][name])
    assert not torch.equal(judged[1]["head.weight"], judged[-1]["head.weight"])


def test_a_full_disk_stops_with_a_sentence(
    disks: MakeDisks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = _prepare(disks(), tmp_path / "run")
    records = iter(training)
    next(records)
    earlier = training.run.model_path.read_bytes()

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="No space left"):
        list(records)
    assert training.run.model_path.read_bytes() == earlier
    assert not [f for f in training.run.path.iterdir() if f.name.endswith(".part")]


def test_changed_images_are_not_trained_on(disks: MakeDisks, tmp_path: Path) -> None:
    data = disks()
    training = _prepare(data, tmp_path / "run")
    next(records := iter(training))
    records.close()
    image = data / "images" / "disk_03.png"
    image.write_bytes((data / "images" / "disk_04.png").read_bytes())
    with pytest.raises(InputError, match=r"disk_03\.png is missing or has changed"):
        api.prepare_resume(training.run.path)


def test_arrays_cannot_be_read_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mask = np.zeros((8, 8), np.uint8)
    mask[2:5, 2:5] = 1
    pairs = [(Image(rng.random((8, 8)), "YX"), Image(mask, "YX")) for _ in range(3)]
    run = api.train(pairs, tmp_path / "run", recipe=_recipe("training.epochs=1"), device="cpu")
    with pytest.raises(InputError, match="trained on arrays"):
        api.prepare_resume(run.path)


def test_a_damaged_checkpoint_is_one_sentence(disks: MakeDisks, tmp_path: Path) -> None:
    whole = _whole(disks(), tmp_path / "run")
    (whole.path / "checkpoint.pt").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match=r"checkpoint\.pt is damaged"):
        list(api.prepare_resume(whole.path))


def test_records_and_history_agree(disks: MakeDisks, tmp_path: Path) -> None:
    training = _prepare(disks(), tmp_path / "run", "split.validation=0.3")
    records = list(training)
    assert [EpochRecord(**r) for r in training.run.history()] == records
    roles = [entry.role for entry in training.run.data]
    assert roles.count("validation") == 2
    model = Model.load(training.run.model_path)
    assert model.values == (0, 255)
    assert model.provenance["validation images"] == 2
    assert str(tmp_path) not in json.dumps(dict(model.provenance))
