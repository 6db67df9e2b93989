"""Bad input: one sentence on standard error, the exit code of its kind, and nothing is lost."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Picture

Call = Callable[..., Any]
INPUT, RECIPE, MODEL, TRAINING, OUTPUT = 3, 4, 5, 6, 7


@pytest.fixture
def refused(unetscope: Call) -> Callable[..., None]:
    """Call a command that must fail with an exit code and a sentence that holds some words."""

    def call(code: int, words: str, *arguments: object) -> None:
        outcome = unetscope(*arguments)
        last = outcome.err.splitlines()[-1]
        assert outcome.code == code, outcome
        assert last.startswith("unetscope: ")
        assert last.endswith(".")
        assert words in last
        assert "Traceback" not in outcome.err
        assert "model: " not in outcome.out

    return call


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One pair of 32×32 pixels in images/ and masks/."""
    folder = tmp_path / "data"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32), dtype=np.uint8)
    Picture.fromarray(pixels).save(folder / "images" / "a.png")
    mask = np.zeros((32, 32), np.uint8)
    mask[8:20, 8:20] = 255
    Picture.fromarray(mask).save(folder / "masks" / "a.png")
    return folder


def truncate(data: Path) -> None:
    path = data / "images" / "a.png"
    path.write_bytes(path.read_bytes()[:200])


def replace_by_text(data: Path) -> None:
    (data / "images" / "a.png").write_text("no picture")


def shrink_mask(data: Path) -> None:
    Picture.fromarray(np.eye(16, dtype=np.uint8)).save(data / "masks" / "a.png")


def empty_mask(data: Path) -> None:
    Picture.fromarray(np.zeros((32, 32), np.uint8)).save(data / "masks" / "a.png")


def color_mask(data: Path) -> None:
    colors = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    Picture.fromarray(colors).save(data / "masks" / "a.png")


def put_nan(data: Path) -> None:
    (data / "images" / "a.png").unlink()
    pixels = np.ones((32, 32), np.float32)
    pixels[3, 4] = np.nan
    tifffile.imwrite(data / "images" / "a.tif", pixels)


def remove_images(data: Path) -> None:
    (data / "images" / "a.png").unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (truncate, "a.png cannot be read"),
        (replace_by_text, "a.png does not begin like any known kind of image"),
        (shrink_mask, "the image has 32 by 32 pixels and the mask 16 by 16"),
        (empty_mask, "nothing but background"),
        (color_mask, "colo"),
        (put_nan, "1 pixels of the image are no finite numbers"),
        (remove_images, "no images"),
        (shutil.rmtree, "is not a folder"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "train"])
def test_unusable_data(
    *, command: str, spoil: Callable[[Path], None], words: str, data: Path, refused: Call, tmp_path: Path
) -> None:
    spoil(data)
    options = ["--out", tmp_path / "run"] if command == "train" else []
    refused(INPUT, words, command, data, *options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (truncate, "a.png cannot be read"),
        (replace_by_text, "a.png does not begin like any known kind of image"),
        (put_nan, "1 of 1024 pixels are NaN or infinite"),
        (remove_images, "holds no images"),
        (shutil.rmtree, "does not exist"),
    ],
)
def test_unusable_images_to_predict(
    *, spoil: Callable[[Path], None], words: str, data: Path, trained: Path, refused: Call, tmp_path: Path
) -> None:
    spoil(data)
    refused(INPUT, words, "predict", trained, data / "images", "--out", tmp_path / "out")


def test_images_with_other_channels(data: Path, trained: Path, refused: Call, tmp_path: Path) -> None:
    colors = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    Picture.fromarray(colors).save(data / "images" / "a.png")
    words = "a.png has 3 channels (red, green, blue); expected 1 (gray)"
    refused(INPUT, words, "predict", trained, data / "images" / "a.png", "--out", tmp_path / "out")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (shrink_mask, "the image has 16 by 16 pixels and the mask 32 by 32"),
        (color_mask, "colo"),
        (lambda data: (data / "masks" / "a.png").write_bytes(b""), "a.png is empty"),
        (lambda data: (data / "masks" / "a.png").rename(data / "masks" / "b.png"), "same name"),
        (lambda data: shutil.rmtree(data / "masks"), "masks"),
    ],
)
def test_unusable_predictions_to_evaluate(
    spoil: Callable[[Path], None], words: str, data: Path, refused: Call, tmp_path: Path
) -> None:
    shutil.copytree(data / "masks", tmp_path / "truth")
    spoil(data)
    refused(INPUT, words, "evaluate", data / "masks", tmp_path / "truth")


# --- models and runs ---


def cut(run: Path) -> Path:
    model = run / "model.safetensors"
    model.write_bytes(model.read_bytes()[: model.stat().st_size // 2])
    return model


def text(run: Path) -> Path:
    (run / "model.txt").write_text("no model")
    return run / "model.txt"


def missing(run: Path) -> Path:
    return run / "other.safetensors"


def without_model(run: Path) -> Path:
    (run / "model.safetensors").unlink()
    return run


def no_run(run: Path) -> Path:
    (run / "recipe.yaml").unlink()
    return run


@pytest.mark.parametrize("spoil", [cut, text, missing, without_model, no_run])
def test_unusable_models(
    spoil: Callable[[Path], Path], data: Path, trained: Path, refused: Call, tmp_path: Path
) -> None:
    model = spoil(shutil.copytree(trained, tmp_path / "run"))
    refused(MODEL, str(model), "predict", model, data / "images", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["data.json", "history.jsonl", "checkpoint.pt"])
def test_damaged_runs_cannot_be_resumed(name: str, trained: Path, refused: Call, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    (run / name).write_bytes(b"damaged\n")
    refused(MODEL, f"{name} is damaged", "resume", run)
    assert (run / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()


def test_runs_whose_images_are_gone_cannot_be_resumed(trained: Path, refused: Call, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    entries = json.loads((run / "data.json").read_text())
    entries[0]["image"] = str(tmp_path / "gone.dcm")
    (run / "data.json").write_text(json.dumps(entries))
    refused(INPUT, "gone.dcm is missing or has changed", "resume", run)


# --- recipes ---


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "network.dept=3"], "unknown key 'network.dept' in the settings; expected 'network.depth'"),
        (["--set", "network.depth=deep"], "network.depth is 'deep'"),
        (["--set", "network.depth"], "has no '='"),
        (["--preset", "left-ventricel"], "expected 'left-ventricle'"),
        (["--recipe", "missing.yaml"], "missing.yaml cannot be read"),
    ],
)
def test_unusable_recipes(
    options: list[str], words: str, heart: SimpleNamespace, refused: Call, tmp_path: Path
) -> None:
    refused(RECIPE, words, "train", heart.training, "--out", tmp_path / "run", *options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", ["network: {dept: 3}", "- a\n- b", "a: [", "network: 3"])
def test_unusable_recipe_files(content: str, heart: SimpleNamespace, refused: Call, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    refused(RECIPE, "mine.yaml", "train", heart.training, "--out", tmp_path / "run", "--recipe", file)


def test_a_device_that_is_not_there(heart: SimpleNamespace, refused: Call, tmp_path: Path) -> None:
    for preset in ("auto", "left-ventricle"):
        command = ("train", heart.training, "--out", tmp_path / "run", "--preset", preset)
        refused(TRAINING, "'nowhere'", *command, "--device", "nowhere")
    assert not (tmp_path / "run").exists()


# --- output ---


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_file_in_the_place_of_the_folder(
    place: str, heart: SimpleNamespace, trained: Path, refused: Call, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    out = tmp_path / place
    refused(OUTPUT, str(out), "train", heart.training, "--out", out)
    refused(OUTPUT, str(out), "predict", trained, heart.test, "--out", out)
    refused(OUTPUT, str(out), "evaluate", heart.truth, heart.truth, "--out", out)
    refused(OUTPUT, str(out), "demo", "--out", out)
    assert (tmp_path / "file").read_text() == "mine"


def test_results_of_others_are_not_overwritten(
    heart: SimpleNamespace, trained: Path, refused: Call, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    words = "holds files already"
    refused(OUTPUT, words, "train", heart.training, "--out", tmp_path)
    refused(OUTPUT, words, "predict", trained, heart.test, "--out", tmp_path)
    refused(OUTPUT, words, "evaluate", heart.truth, heart.truth, "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    """Let the renaming of a file fail as on a full disk."""
    original = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        yield


@pytest.mark.parametrize(
    "name", ["recipe.yaml", "data.json", "model.safetensors", "checkpoint.pt", "metrics.json"]
)
def test_a_full_disk_while_training(
    *,
    name: str,
    heart: SimpleNamespace,
    settings: list[str],
    refused: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "run"
    with full_disk(monkeypatch, name):
        words = f"{name} cannot be written (No space left on device)"
        refused(OUTPUT, words, "train", heart.training, "--out", out, *settings)
    assert not (out / name).exists()
    assert not list(out.glob(".*"))


@pytest.mark.parametrize("name", ["SAMPLE-B_0003.png", "SAMPLE-B_0003_probabilities.tif", "predictions.json"])
def test_a_full_disk_while_predicting(
    *,
    name: str,
    heart: SimpleNamespace,
    trained: Path,
    refused: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    command = ("predict", trained, heart.test, "--out", out, "--probabilities")
    with full_disk(monkeypatch, name):
        refused(OUTPUT, f"{name} cannot be written (No space left on device)", *command)
    assert (out / "SAMPLE-B_0001.png").is_file()
    assert not (out / name).exists()
    assert not list(out.glob(".*"))


def test_a_full_disk_keeps_the_earlier_result(
    *,
    heart: SimpleNamespace,
    trained: Path,
    unetscope: Call,
    refused: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = ("predict", trained, heart.test, "--out", tmp_path / "out", "--overwrite")
    assert unetscope(*command).code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.png")}
    with full_disk(monkeypatch, "SAMPLE-B_0003.png"):
        refused(OUTPUT, "SAMPLE-B_0003.png cannot be written", *command, "--threshold", "0.01")
    after = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.png")}
    assert after["SAMPLE-B_0003.png"] == before["SAMPLE-B_0003.png"]


@pytest.mark.parametrize("name", ["scores.json", "scores.csv", "scores.png", "report.md"])
def test_a_full_disk_while_reporting(
    name: str, heart: SimpleNamespace, refused: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "report"
    with full_disk(monkeypatch, name):
        refused(OUTPUT, f"{name} cannot be written", "evaluate", heart.truth, heart.truth, "--out", out)
    assert not (out / name).exists()
