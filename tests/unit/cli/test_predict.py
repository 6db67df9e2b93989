from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from unetscope.io import read_mask

Call = Callable[..., Any]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_predicted(
    heart: SimpleNamespace, trained: Path, unetscope: Call, tmp_path: Path
) -> None:
    code, out, err = unetscope("predict", trained, heart.test, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert out.startswith(f"2 predictions in {tmp_path / 'out'}, ")
    assert names(tmp_path / "out") == ["SAMPLE-B_0001.png", "SAMPLE-B_0003.png", "predictions.json"]


def test_a_file_is_predicted_by_a_model_file(
    heart: SimpleNamespace, trained: Path, unetscope: Call, tmp_path: Path
) -> None:
    image = heart.test / "SAMPLE-B_0003.dcm"
    code, out, _ = unetscope(
        "predict", trained / "model.safetensors", image, "--out", tmp_path / "new" / "out"
    )
    assert code == 0
    assert out.startswith("1 prediction in ")
    assert names(tmp_path / "new" / "out") == ["SAMPLE-B_0003.png", "predictions.json"]


def test_probabilities_and_threshold(
    heart: SimpleNamespace, trained: Path, unetscope: Call, tmp_path: Path
) -> None:
    areas = {}
    for threshold in ("0.01", "0.99"):
        out = tmp_path / threshold
        unetscope("predict", trained, heart.test, "--out", out, "--probabilities", "--threshold", threshold)
        areas[threshold] = np.count_nonzero(read_mask(out / "SAMPLE-B_0001.png").data)
        assert (out / "SAMPLE-B_0001_probabilities.tif").is_file()
    assert areas["0.01"] > areas["0.99"]


def test_json_tells_what_the_index_tells(
    heart: SimpleNamespace, trained: Path, unetscope: Call, tmp_path: Path
) -> None:
    code, out, _ = unetscope("predict", trained, heart.test, "--out", tmp_path / "out", "--json")
    result = json.loads(out)
    assert code == 0
    assert result["out"] == str(tmp_path / "out")
    assert result["images"] == json.loads((tmp_path / "out" / "predictions.json").read_text())


def test_earlier_results_are_replaced_on_request_only(
    heart: SimpleNamespace, trained: Path, unetscope: Call, tmp_path: Path
) -> None:
    command = ("predict", trained, heart.test, "--out", tmp_path / "out")
    assert unetscope(*command).code == 0
    assert unetscope(*command).code == 7
    assert unetscope(*command, "--overwrite").code == 0
