"""Every example runs as a user would run it, and writes to the given folder only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unetscope.io import read, read_mask

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name: str, *arguments: str | Path, cwd: Path) -> str:
    """Run an example in an empty folder; return what it prints."""
    command = [sys.executable, "-W", "error", EXAMPLES / name, *arguments, "--out", "results"]
    env = os.environ | {"PYTHONIOENCODING": "utf-8", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=cwd, capture_output=True, encoding="utf-8", env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [path.name for path in cwd.iterdir()] == ["results"]
    return done.stdout


def test_all_examples_are_tested() -> None:
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == {"convert_labels.py", "from_arrays.py", "read_dicom.py", "train_and_predict.py"}


def test_train_and_predict(tmp_path: Path) -> None:
    out = run("train_and_predict.py", "--minutes", "0.01", cwd=tmp_path)
    assert "over 16 images" in out
    assert (tmp_path / "results" / "model.safetensors").is_file()


def test_from_arrays(tmp_path: Path) -> None:
    out = run("from_arrays.py", "--images", "3", "--epochs", "1", cwd=tmp_path)
    assert "new image" in out
    labels = read_mask(tmp_path / "results" / "labels.tif")
    assert (labels.data.shape, labels.spacing, labels.units) == ((64, 64), (0.5, 0.5), "µm")


def test_convert_labels(tmp_path: Path) -> None:
    out = run("convert_labels.py", cwd=tmp_path)
    assert out.count("read again: the same labels on 128 × 128 pixels") == 5


def test_read_dicom(tmp_path: Path) -> None:
    out = run("read_dicom.py", cwd=tmp_path)
    assert "Y: 128 pixels, 1.4 mm apart" in out
    normalized = read(tmp_path / "results" / "normalized.tif")
    assert (normalized.data.min(), normalized.data.max()) == (0, 1)
    assert normalized.spacing == pytest.approx((1.4, 1.4))
    assert normalized.data.dtype == np.float32


def test_read_dicom_series(real_data: Path, tmp_path: Path) -> None:
    out = run("read_dicom.py", real_data / "dicom-series", cwd=tmp_path)
    assert "axes TZYX" in out
