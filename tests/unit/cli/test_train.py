from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from unetscope.api import Training
from unetscope.recipe import change, read_recipe, to_yaml
from unetscope.recipe.presets import preset
from unetscope.training import session
from unetscope.training.folder import RunFolder

Call = Callable[..., Any]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `train` begin the run folder, and train nothing."""
    monkeypatch.setattr(Training, "__iter__", lambda self: iter(()))


def test_training_tells_epochs_scores_and_the_model(
    heart: SimpleNamespace, settings: list[str], unetscope: Call, tmp_path: Path
) -> None:
    code, out, err = unetscope("train", heart.training, "--out", tmp_path / "run", *settings)
    assert code == 0
    assert err.startswith("auto: 2 images to train on, 2 to validate, 1 epoch ")
    assert "epoch    1" in err
    assert "Mean ± std over 2 images" in out
    assert out.splitlines()[-1] == f"model: {tmp_path / 'run' / 'model.safetensors'}"
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_the_same_seed_trains_the_same_model(
    heart: SimpleNamespace, settings: list[str], unetscope: Call, tmp_path: Path
) -> None:
    scores = {}
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        # In epochs: with a time budget the learning rate follows the clock.
        command = ("train", heart.training, "--out", tmp_path / out, "--seed", seed, "--device", "cpu")
        command += ("--epochs", 1)
        card = json.loads(unetscope(*command, "--json", *settings).out)
        scores[out] = card["validation loss"]
    assert scores["a"] == scores["b"] != scores["c"]


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ([], {}),
        (["--epochs", "7"], {"training.epochs": 7, "training.minutes": None}),
        (["--minutes", "2.5"], {"training.epochs": None, "training.minutes": 2.5}),
        (["--minutes", "2", "--epochs", "7"], {"training.epochs": 7, "training.minutes": 2}),
        (["--seed", "5"], {"seed": 5}),
        (["--set", "network.width=4", "network.depth=2"], {"network.width": 4, "network.depth": 2}),
        (["--set", "network.width=4", "--set", "network.depth=2"], {"network.width": 4, "network.depth": 2}),
        (["--epochs", "7", "--set", "training.epochs=8"], {"training.epochs": 8}),
        (["--set", "training.patch=[32, 32]"], {"training.patch": [32, 32]}),
    ],
)
def test_options_change_the_recipe(
    options: list[str], changes: dict[str, Any], heart: SimpleNamespace, unetscope: Call, tmp_path: Path
) -> None:
    command = ("train", heart.training, "--out", tmp_path / "run", "--preset", "left-ventricle")
    assert unetscope(*command, *options).code == 0
    assert read_recipe(tmp_path / "run" / "recipe.yaml") == change(preset("left-ventricle"), changes)


@pytest.mark.usefixtures("started")
def test_a_recipe_file_is_used(heart: SimpleNamespace, unetscope: Call, tmp_path: Path) -> None:
    recipe = change(preset("cell-semantic"), {"name": "mine"})
    (tmp_path / "mine.yaml").write_text(to_yaml(recipe), encoding="utf-8")
    unetscope("train", heart.training, "--out", tmp_path / "run", "--recipe", tmp_path / "mine.yaml")
    assert read_recipe(tmp_path / "run" / "recipe.yaml") == recipe


def test_preset_and_recipe_exclude_each_other(
    heart: SimpleNamespace, unetscope: Call, tmp_path: Path
) -> None:
    command = ("train", heart.training, "--out", tmp_path / "run", "--preset", "auto", "--recipe", "r.yaml")
    assert unetscope(*command).code == 4
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("options", [["--epochs", "0"], ["--minutes", "0"], ["--seed", "-1"]])
def test_impossible_numbers_are_named(
    options: list[str], heart: SimpleNamespace, unetscope: Call, tmp_path: Path
) -> None:
    code, _, err = unetscope("train", heart.training, "--out", tmp_path / "run", *options)
    assert code == 4
    assert f"{options[0].strip('-')} is {options[1]}" in err


@pytest.mark.usefixtures("started")
def test_masks_may_lie_elsewhere(heart: SimpleNamespace, unetscope: Call, tmp_path: Path) -> None:
    code, _, err = unetscope("train", heart.test, "--masks", heart.truth, "--out", tmp_path / "run")
    assert code == 0
    assert err.startswith("auto: 2 images to train on, 0 to validate")


@pytest.mark.usefixtures("started")
def test_test_images_are_counted(heart: SimpleNamespace, unetscope: Call, tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    unetscope("pairs", heart.training, "--out", table)
    heading, *rows = table.read_text().splitlines()
    groups = {row.split(",")[2] for row in rows}
    roles = dict(zip(sorted(groups), ("training", "test"), strict=True))
    lines = [f"{heading},split", *(f"{row},{roles[row.split(',')[2]]}" for row in rows)]
    table.write_text("\n".join(lines))
    command = ("train", table, "--out", tmp_path / "run", "--set", "split.validation=0")
    code, _, err = unetscope(*command)
    assert code == 0
    assert err.startswith("auto: 2 images to train on, 0 to validate, 2 left for a test, ")
    card = json.loads(unetscope("info", tmp_path / "run", "--json").out)
    assert card["test images"] == 2


def test_what_is_left_out_is_said(
    heart: SimpleNamespace, settings: list[str], unetscope: Call, tmp_path: Path
) -> None:
    data = shutil.copytree(heart.training, tmp_path / "data")
    (data / "SAMPLE-A_0003.png").unlink()
    code, _, err = unetscope("train", data, "--out", tmp_path / "run", *settings)
    assert code == 0
    assert "left out: SAMPLE-A_0003.dcm: " in err


def test_flattering_splits_are_warned_about(
    heart: SimpleNamespace, settings: list[str], unetscope: Call, tmp_path: Path
) -> None:
    command = ("train", heart.training, "--out", tmp_path / "run", *settings, "split.group=file")
    assert "careful: slices of" in unetscope(*command).err


def interrupt_after(epochs: int) -> Callable[[Training], Any]:
    original = Training.__iter__

    def interrupted(self: Training) -> Any:
        for done, record in enumerate(original(self), start=1):
            if done > epochs:
                raise KeyboardInterrupt
            yield record

    return interrupted


def test_an_interrupted_training_keeps_its_model_and_goes_on(
    heart: SimpleNamespace,
    settings: list[str],
    unetscope: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Training, "__iter__", interrupt_after(1))
        code, out, err = unetscope(
            "train", heart.training, "--out", tmp_path / "run", *settings, "training.epochs=3"
        )
    assert code == 0
    assert "the best model so far is kept" in err
    assert "model: " in out
    code, out, err = unetscope("resume", tmp_path / "run")
    assert code == 0
    history = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in history] == [1, 2, 3]


def test_an_interruption_before_the_first_epoch_promises_no_model(
    heart: SimpleNamespace,
    settings: list[str],
    unetscope: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(self: Training) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Training, "__iter__", interrupted)
    code, out, err = unetscope("train", heart.training, "--out", tmp_path / "run", *settings)
    assert (code, out) == (130, "")
    assert "is kept" not in err


def test_a_finished_run_is_scored_again(trained: Path, unetscope: Call, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    code, out, _ = unetscope("resume", run)
    assert code == 0
    assert "Mean ± std over 2 images" in out
    assert (run / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()


def test_a_current_prediction_is_kept_on_request(
    heart: SimpleNamespace, settings: list[str], unetscope: Call, tmp_path: Path
) -> None:
    unetscope("train", heart.training, "--out", tmp_path / "run", "--previews", *settings)
    preview = RunFolder(tmp_path / "run").preview()
    assert preview is not None
    assert preview.name in {path.name for path in heart.training.iterdir()}


def test_stopped_before_there_is_a_model(
    heart: SimpleNamespace,
    settings: list[str],
    unetscope: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session._Requests, "go_on", lambda self: False)
    code, out, err = unetscope("train", heart.training, "--out", tmp_path / "run", *settings)
    assert (code, out) == (0, "")
    assert "there is no model yet" in err
