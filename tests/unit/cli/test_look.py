"""Commands that only look: presets, plan, info."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from unetscope.recipe import Recipe, from_yaml
from unetscope.recipe.presets import PRESETS, preset

Call = Callable[..., Any]


# --- presets ---


def test_presets_are_listed_with_auto_first(unetscope: Call) -> None:
    code, out, err = unetscope("presets")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["auto", *PRESETS]


def test_presets_as_json(unetscope: Call) -> None:
    assert list(json.loads(unetscope("presets", "--json").out)) == list(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_shown_preset_is_a_recipe_file(name: str, unetscope: Call) -> None:
    code, out, err = unetscope("presets", "--show", name)
    assert code == 0
    assert from_yaml(out) == preset(name)
    assert err.strip()
    plain = json.loads(unetscope("presets", "--show", name, "--json").out)
    assert Recipe.model_validate(plain) == preset(name)


def test_all_settings_with_their_defaults(unetscope: Call) -> None:
    assert from_yaml(unetscope("presets", "--show", "default").out) == Recipe()


def test_auto_has_no_fixed_recipe(unetscope: Call) -> None:
    code, out, err = unetscope("presets", "--show", "auto")
    assert (code, out) == (4, "")
    assert "unetscope plan" in err


def test_a_misspelled_preset(unetscope: Call) -> None:
    code, _, err = unetscope("presets", "--show", "left-ventrical")
    assert code == 4
    assert "'left-ventricle'" in err


# --- plan ---


def test_a_plan_gives_facts_reasons_and_a_recipe(heart: SimpleNamespace, unetscope: Call) -> None:
    code, out, err = unetscope("plan", heart.training, "--minutes", 3)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "4 images with masks in 2 groups."
    assert lines[1].startswith("- ")
    recipe = from_yaml(out.partition("as a file:\n\n")[2])
    assert recipe.training.minutes == 3


def test_a_plan_as_json(heart: SimpleNamespace, unetscope: Call) -> None:
    planned = json.loads(unetscope("plan", heart.training, "--json").out)
    assert set(planned) == {"recipe", "reasons"}
    assert Recipe.model_validate(planned["recipe"]).name == "auto"


def test_a_plan_heeds_how_masks_are_read(heart: SimpleNamespace, unetscope: Call) -> None:
    command = (
        "plan",
        heart.training,
        "--json",
        "--set",
        "target.ignore=0",
        "target.background=255",
        "seed=7",
    )
    code, _, err = unetscope(*command)
    assert code == 3
    assert "hold only the values [255]" in err
    planned = json.loads(
        unetscope("plan", heart.training, "--json", "--set", "target.ignore=9", "seed=7").out
    )
    assert planned["recipe"]["target"]["ignore"] == 9
    assert planned["recipe"]["seed"] == 7


def test_a_plan_names_what_is_left_out(heart: SimpleNamespace, unetscope: Call, tmp_path: Path) -> None:
    data = shutil.copytree(heart.training, tmp_path / "data")
    (data / "SAMPLE-A_0003.png").unlink()
    assert "  left out: SAMPLE-A_0003.dcm: " in unetscope("plan", data).out


# --- info ---


def test_a_run_is_described(trained: Path, unetscope: Call) -> None:
    code, out, err = unetscope("info", trained)
    assert (code, err) == (0, "")
    card = dict(line.split(maxsplit=1) for line in out.splitlines() if not line.startswith("t"))
    assert card["segments"] == "binary, mask values [0, 255]"
    assert card["epochs"] == "1"
    assert "training images      2" in out


def test_a_model_is_described(trained: Path, unetscope: Call) -> None:
    card = json.loads(unetscope("info", trained / "model.safetensors", "--json").out)
    assert card["input"] == "2D, channels: gray"
    assert card["training images"] == 2
    assert Recipe.model_validate(card["recipe"]).network.width == 2
    assert 0 <= card["validation dice"] <= 1


def test_a_run_without_a_model_is_described_too(trained: Path, unetscope: Call, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    (run / "model.safetensors").unlink()
    code, out, _ = unetscope("info", run)
    assert code == 0
    assert not any(line.startswith("model ") for line in out.splitlines())
