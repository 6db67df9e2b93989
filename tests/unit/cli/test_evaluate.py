from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from unetscope.io import write_mask

Call = Callable[..., Any]
SCORES = {"precision", "recall", "dice", "iou", "f1"}


@pytest.fixture
def predicted(tmp_path: Path, heart: SimpleNamespace) -> Path:
    """Made-up predictions of the truth of `heart`: one that is right and one that finds nothing."""
    folder = tmp_path / "predicted"
    folder.mkdir()
    (folder / "SAMPLE-B_0001.png").write_bytes((heart.truth / "SAMPLE-B_0001.png").read_bytes())
    write_mask(folder / "SAMPLE-B_0003.png", np.zeros((128, 128), np.uint8))
    return folder


def test_the_table_has_images_and_summary(heart: SimpleNamespace, predicted: Path, unetscope: Call) -> None:
    code, out, err = unetscope("evaluate", predicted, heart.truth)
    assert (code, err) == (0, "")
    table, _, _ = out.partition("\n\n")
    rows = {line.split()[0]: line.split()[1:6] for line in table.splitlines()}
    assert rows["SAMPLE-B_0001.png"] == ["1.0000"] * 5
    assert rows["SAMPLE-B_0003.png"] == ["0.0000"] * 5
    assert rows["Mean"] == ["0.5000"] * 5


def test_json_has_all_scores(
    heart: SimpleNamespace, predicted: Path, unetscope: Call, tmp_path: Path
) -> None:
    code, *_ = unetscope("evaluate", predicted, heart.truth, "--json", tmp_path / "scores.json")
    assert code == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    for summary in ("mean", "std", "pooled"):
        assert set(scores[summary]) >= SCORES
    assert [image["name"] for image in scores["images"]] == ["SAMPLE-B_0001.png", "SAMPLE-B_0003.png"]
    assert all(set(image) >= SCORES for image in scores["images"])
    assert scores["mean"]["dice"] == scores["std"]["dice"] == 0.5
    assert scores["images"][1]["hausdorff95"] is None


def test_a_report_is_written(
    heart: SimpleNamespace, predicted: Path, unetscope: Call, tmp_path: Path
) -> None:
    code, _, err = unetscope("evaluate", predicted, heart.truth, "--out", tmp_path / "report")
    assert code == 0
    assert err == f"report: {tmp_path / 'report' / 'report.md'}\n"
    assert (tmp_path / "report" / "report.md").is_file()


def test_earlier_files_are_replaced_on_request_only(
    heart: SimpleNamespace, predicted: Path, unetscope: Call, tmp_path: Path
) -> None:
    file = tmp_path / "scores.json"
    file.write_text("mine")
    assert unetscope("evaluate", predicted, heart.truth, "--json", file).code == 7
    assert file.read_text() == "mine"
    assert unetscope("evaluate", predicted, heart.truth, "--json", file, "--overwrite").code == 0
    assert file.read_text() != "mine"


def test_what_has_no_partner_is_said(heart: SimpleNamespace, predicted: Path, unetscope: Call) -> None:
    (predicted / "SAMPLE-B_0003.png").unlink()
    code, out, err = unetscope("evaluate", predicted, heart.truth)
    assert code == 0
    assert "over 1 image " in out
    assert err.startswith("left out: SAMPLE-B_0003.png: ")


def test_two_files(heart: SimpleNamespace, predicted: Path, unetscope: Call) -> None:
    name = "SAMPLE-B_0001.png"
    assert "1.0000" in unetscope("evaluate", predicted / name, heart.truth / name).out


def test_objects_are_compared_as_foreground(unetscope: Call, tmp_path: Path) -> None:
    truth = np.zeros((8, 8), np.uint8)
    truth[:3, :3], truth[5:, 5:] = 1, 2
    write_mask(tmp_path / "truth.png", truth)
    write_mask(tmp_path / "predicted.png", np.where(truth > 0, truth + 7, 0))
    command = ("evaluate", tmp_path / "predicted.png", tmp_path / "truth.png", "--json", tmp_path / "s.json")
    unetscope(*command, "--objects")
    assert json.loads((tmp_path / "s.json").read_text())["mean"]["dice"] == 1


def test_strokes_are_truth_where_they_are_painted(unetscope: Call, tmp_path: Path) -> None:
    strokes = np.zeros((8, 8), np.uint8)
    strokes[0], strokes[4] = 1, 2
    predicted = np.zeros((8, 8), np.uint8)
    # Half of the object is found; what lies beside the strokes is neither right nor wrong.
    predicted[4, :4], predicted[6] = 2, 2
    for name, mask in (("a", strokes), ("b", np.zeros((8, 8), np.uint8))):
        (tmp_path / "truth").mkdir(exist_ok=True)
        (tmp_path / "predicted").mkdir(exist_ok=True)
        write_mask(tmp_path / "truth" / f"{name}.png", mask)
        write_mask(tmp_path / "predicted" / f"{name}.png", predicted)
    command = ("evaluate", tmp_path / "predicted", tmp_path / "truth", "--json", tmp_path / "s.json")
    code, _, err = unetscope(*command, "--ignore", "0", "--background", "1")
    assert (code, err) == (0, "left out: b.png: nothing is labeled\n")
    scores = json.loads((tmp_path / "s.json").read_text())
    assert [image["name"] for image in scores["images"]] == ["a.png"]
    assert scores["mean"]["precision"] == 1
    assert scores["mean"]["recall"] == 0.5


def test_nothing_painted_is_no_truth(unetscope: Call, tmp_path: Path) -> None:
    write_mask(tmp_path / "a.png", np.zeros((8, 8), np.uint8))
    command = ("evaluate", tmp_path / "a.png", tmp_path / "a.png", "--ignore", "0")
    code, _, err = unetscope(*command, "--background", "1")
    assert code == 3
    assert "all pixels of the 1 masks have the ignored value 0" in err
    code, _, err = unetscope(*command)
    assert code == 4
    assert "background and ignore are both 0" in err
