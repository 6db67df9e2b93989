"""Models that come along, on the command line: listed, shown, and found by name wherever one is wanted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from unetscope.api import Training
from unetscope.model_about import About
from unetscope.training.folder import RunFolder

Call = Callable[..., Any]


@pytest.fixture
def none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version without models."""
    monkeypatch.setattr("unetscope.api.models.SHIPPED", tmp_path / "nothing")


def test_they_are_listed(shipped: Path, unetscope: Call) -> None:
    code, out, _ = unetscope("models")
    assert code == 0
    assert out.startswith("spots            Bright disks on a dark ground, a label for each\n")
    assert "objects of about 8 px, gray, 0.0 MB, data CC0" in out
    assert "AP 0.5 0.500, F1 1.000 on 4 held-out images (more disks)" in out


def test_the_list_as_json(shipped: Path, unetscope: Call) -> None:
    (found,) = json.loads(unetscope("models", "--json").out)
    assert found["name"] == "spots"
    assert (found["diameter"], found["channels"], found["licenses"]) == (8, ["gray"], ["CC0"])
    assert found["bytes"] == (shipped / "spots.safetensors").stat().st_size
    assert found["held_out"][0]["scores"] == {"AP 0.5": 0.5, "F1": 1.0}


@pytest.mark.usefixtures("none")
def test_none_are_listed_where_there_is_none(unetscope: Call) -> None:
    assert unetscope("models").out == "This version comes without models.\n"
    assert json.loads(unetscope("models", "--json").out) == []


def test_the_whole_story_is_shown(shipped: Path, story: About, unetscope: Call) -> None:
    code, out, _ = unetscope("models", "--show", "spots")
    assert code == 0
    assert out.startswith("# Bright spots\n")
    assert "- Object diameter: 8 px, brought to 8 px\n" in out
    assert "## Limits\n\n- It finds nothing dark.\n" in out
    assert json.loads(unetscope("models", "--show", "spots", "--json").out) == story.to_dict()


def test_a_model_without_a_story(trained: Path, unetscope: Call) -> None:
    for extra in ((), ("--json",)):
        code, out, err = unetscope("models", "--show", trained, *extra)
        assert (code, out) == (5, "")
        assert "has no story" in err


@pytest.mark.parametrize(
    "command",
    [
        ("models", "--show", "spotz"),
        ("predict", "spotz", "image.png", "--out", "out"),
        ("info", "spotz"),
        ("train", "{data}", "--out", "{tmp}/run", "--from", "spotz"),
        ("plan", "{data}", "--from", "spotz"),
    ],
)
def test_an_unknown_name_is_answered_with_those_that_there_are(
    shipped: Path, heart: SimpleNamespace, tmp_path: Path, unetscope: Call, command: tuple[str, ...]
) -> None:
    code, out, err = unetscope(*(word.format(data=heart.training, tmp=tmp_path) for word in command))
    assert code in (3, 5)
    assert out == ""
    assert err.count("\n") == 1
    assert "spots" in err.replace("spotz", "")


def test_info_tells_the_story(shipped: Path, story: About, unetscope: Call) -> None:
    out = unetscope("info", "spots").out
    for line in (
        "title                Bright spots",
        "learned from         Disks (CC0): Drawn by a test.",
        "object diameter      8 px, brought to 8 px",
        "scores 1             AP 0.5 0.500, F1 1.000 on 4 held-out images (more disks)",
        "limit 2              It was never shown a cell.",
    ):
        assert f"{line}\n" in out
    assert "'title'" not in out
    card = json.loads(unetscope("info", "spots", "--json").out)
    assert card["about"] == story.to_dict()


def test_a_name_predicts(shipped: Path, four_disks: Path, unetscope: Call, tmp_path: Path) -> None:
    command = ("predict", "spots", four_disks, "--device", "cpu", "--json", "--out")
    (found,) = json.loads(unetscope(*command, tmp_path / "a").out)["images"]
    assert found["diameter"] == pytest.approx(16, abs=1.5)
    labels = np.asarray(Pillow.open(tmp_path / "a" / found["labels"]))
    assert labels.max() == 4
    assert labels.shape == tifffile.imread(four_disks).shape
    (found,) = json.loads(unetscope(*command, tmp_path / "b", "--diameter", 14).out)["images"]
    assert found["diameter"] == 14


def test_a_diameter_below_zero(shipped: Path, four_disks: Path, unetscope: Call, tmp_path: Path) -> None:
    code, _, err = unetscope("predict", "spots", four_disks, "--out", tmp_path / "o", "--diameter=-1")
    assert code == 3
    assert "expected pixels, above 0" in err


def test_a_diameter_for_a_model_of_any_size(
    trained_objects: Path, four_disks: Path, unetscope: Call, tmp_path: Path
) -> None:
    code, _, err = unetscope("predict", trained_objects, four_disks, "--out", tmp_path / "o", "--diameter", 9)
    assert code == 3
    assert "the diameter 9 has no meaning" in err


def test_training_goes_on_from_a_model(
    trained: Path, heart: SimpleNamespace, unetscope: Call, tmp_path: Path
) -> None:
    command = ("train", heart.training, "--out", tmp_path / "run", "--from", trained, "--epochs", 1)
    code, _, err = unetscope(*command, "--set", "training.samples=4", "--device", "cpu")
    assert code == 0
    assert err.startswith("auto, from run: 2 images to train on")
    start = RunFolder.open(tmp_path / "run").start
    assert start is not None
    for path in (tmp_path / "run", tmp_path / "run" / "model.safetensors"):
        assert f"began with           {start}\n" in unetscope("info", path).out
    assert json.loads(unetscope("info", tmp_path / "run", "--json").out)["began with"] == str(start)


def test_the_plan_for_going_on(
    trained: Path, heart: SimpleNamespace, unetscope: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    planned = json.loads(
        unetscope("plan", heart.training, "--from", trained, "--device", "cpu", "--json").out
    )
    assert any("weights of a model" in reason for reason in planned["reasons"])
    assert planned["recipe"]["network"]["width"] == 2
    monkeypatch.setattr(Training, "__iter__", lambda self: iter(()))
    unetscope("train", heart.training, "--out", tmp_path / "run", "--from", trained, "--device", "cpu")
    assert RunFolder.open(tmp_path / "run").recipe.to_dict() == planned["recipe"]
    # What training would refuse, the plan refuses.
    code, _, err = unetscope("plan", heart.training, "--from", trained, "--set", "network.width=3")
    assert code == 4
    assert "network.width is 3" in err
