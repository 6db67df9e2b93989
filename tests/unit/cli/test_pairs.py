"""`unetscope pairs`: what belongs together, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

Call = Callable[..., Any]


@pytest.fixture
def painted(tmp_path: Path) -> Path:
    """Two images with masks in red on white, and an image whose mask has a slip of the pen in its name."""
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    mask = np.full((8, 8, 3), 255, np.uint8)
    mask[:2] = 255, 0, 0
    for image, name in (("scan_1", "scan_1"), ("scan_2", "scan_2"), ("scan_3", "scan-3")):
        Pillow.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "data/images" / f"{image}.png")
        Pillow.fromarray(mask).save(tmp_path / "data/masks" / f"{name}.png")
    return tmp_path / "data"


def test_pairs_are_listed_with_reasons(heart: SimpleNamespace, unetscope: Call) -> None:
    code, out, err = unetscope("pairs", heart.training)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:2] == ["4 pairs in 2 groups, 4 usable.", "- same name beside the image: 4 pairs"]
    assert lines[2].startswith("ok  SAMPLE-A_0003.dcm ← SAMPLE-A_0003.png  [patient-")
    assert lines[2].endswith("labels 0, 255")
    assert len(lines) == 6


def test_the_split_of_a_table_is_shown(heart: SimpleNamespace, unetscope: Call, tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    unetscope("pairs", heart.training, "--out", table)
    heading, *rows = table.read_text().splitlines()
    roles = ["test", "", "validation", "train"]
    lines = [f"{heading},split", *(f"{row},{role}" for row, role in zip(rows, roles, strict=True))]
    table.write_text("\n".join(lines))
    _, out, _ = unetscope("pairs", table)
    shown = [line.split("  ")[2] for line in out.splitlines() if line.startswith("ok ")]
    assert [line.partition(", ")[2] for line in shown] == ["test]", "", "validation]", "training]"]
    pairs = json.loads(unetscope("pairs", table, "--json").out)["pairs"]
    assert [pair["split"] for pair in pairs] == ["test", "", "validation", "training"]


def test_problems_and_suggestions_are_told(painted: Path, unetscope: Call) -> None:
    code, out, err = unetscope("pairs", painted)
    assert code == 3
    assert "2 pairs in 2 groups, 0 usable." in out
    assert "none of them is black" in out
    assert "images/scan_3.png: no mask has its name; did you mean masks/scan-3.png?" in out
    assert "no image has a usable mask" in err


def test_colors_are_given_shown_and_kept_in_the_table(painted: Path, unetscope: Call, tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    colors = ("--colors", "#ffffff=0", "#ff0000=4")
    code, out, err = unetscope("pairs", painted, "--out", table, *colors)
    assert code == 0
    assert "Colors: #ffffff is 0, #ff0000 is 4" in out
    assert str(table) in err
    shown = json.loads(unetscope("pairs", table, "--json").out)
    assert shown["colors"] == {"#ffffff": 0, "#ff0000": 4}
    assert [(pair["labels"], pair["usable"]) for pair in shown["pairs"]] == [([0, 4], True)] * 2
    assert unetscope("pairs", painted, "--out", table, *colors).code == 7


@pytest.mark.parametrize("text", ["#ffffff", "=1", "#ffffff=x"])
def test_a_color_without_a_label(painted: Path, unetscope: Call, text: str) -> None:
    code, _, err = unetscope("pairs", painted, "--colors", text)
    assert code == 4
    assert "gives no label" in err


def test_a_color_that_is_none(painted: Path, unetscope: Call) -> None:
    code, _, err = unetscope("pairs", painted, "--colors", "reddish=1")
    assert code == 3
    assert "'reddish' is no color" in err


def test_masks_elsewhere(heart: SimpleNamespace, unetscope: Call) -> None:
    found = json.loads(unetscope("pairs", heart.test, "--masks", heart.truth, "--json").out)
    assert [Path(pair["mask"]).parent for pair in found["pairs"]] == [heart.truth] * 2
