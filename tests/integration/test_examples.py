"""Every example runs as a user would run it, and writes to the given folder only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unetscope.io import read, read_mask
from unetscope.training.folder import RunFolder

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# napari and its plugin engine warn of themselves when they are imported.
STRICT = ("-W", "error", "-W", "ignore::DeprecationWarning")
HAS_SCREEN = os.environ.get("QT_QPA_PLATFORM", "") != "offscreen" and bool(
    os.environ.get("DISPLAY") or os.name == "nt"
)
needs_screen = pytest.mark.skipif(
    not HAS_SCREEN, reason="there is no screen: run under xvfb-run, see CONTRIBUTING.md"
)


def run(name: str, *arguments: str | Path, cwd: Path) -> str:
    """Run an example in an empty folder; return what it prints."""
    return python("-W", "error", EXAMPLES / name, *arguments, "--out", "results", cwd=cwd)


def run_viewer(name: str, *arguments: str, cwd: Path) -> str:
    """The same for one that opens a viewer, and closes it at the end."""
    return python(*STRICT, EXAMPLES / name, *arguments, "--close", "--out", "results", cwd=cwd)


def python(*arguments: str | Path, cwd: Path) -> str:
    settings = cwd.with_name(f"{cwd.name} settings") / "settings.yaml"
    env = os.environ | {
        "PYTHONIOENCODING": "utf-8",
        "OMP_NUM_THREADS": "1",
        "NAPARI_CONFIG": str(settings),
    }
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, encoding="utf-8", env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [path.name for path in cwd.iterdir()] == ["results"]
    return done.stdout


def test_all_examples_are_tested() -> None:
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == {
        "compare_recipes.py",
        "convert_labels.py",
        "drive_widgets.py",
        "from_arrays.py",
        "headless_layers.py",
        "notebook_style.py",
        "read_dicom.py",
        "train_and_predict.py",
        "viewer_train_predict.py",
    }


def test_train_and_predict(tmp_path: Path) -> None:
    out = run("train_and_predict.py", "--minutes", "0.01", cwd=tmp_path)
    assert "over 16 images" in out
    assert (tmp_path / "results" / "model.safetensors").is_file()


def test_compare_recipes(tmp_path: Path) -> None:
    out = run("compare_recipes.py", "--minutes", "0.01", "--seeds", "0", "1", cwd=tmp_path)
    assert "4 of 4: twice as wide, seed 1" in out
    assert "2 seeds, 16 images" in out
    assert (tmp_path / "results" / "report.html").is_file()


def test_from_arrays(tmp_path: Path) -> None:
    out = run("from_arrays.py", "--images", "3", "--epochs", "1", cwd=tmp_path)
    assert "new image" in out
    labels = read_mask(tmp_path / "results" / "labels.tif")
    assert (labels.data.shape, labels.spacing, labels.units) == ((64, 64), (0.5, 0.5), "µm")


def test_headless_layers(tmp_path: Path) -> None:
    pytest.importorskip("napari")
    out = python(*STRICT, EXAMPLES / "headless_layers.py", "--epochs", "1", "--out", "results", cwd=tmp_path)
    assert "[  0. 100.  50.] µm" in out
    labels = read_mask(tmp_path / "results" / "prediction.ome.tif")
    assert (labels.axes, labels.data.shape, labels.units) == ("ZYX", (8, 48, 48), "µm")
    assert (labels.spacing, labels.origin) == ((2, 0.5, 0.5), (0, 100, 50))


@needs_screen
def test_viewer_train_predict(tmp_path: Path) -> None:
    pytest.importorskip("napari")
    out = run_viewer("viewer_train_predict.py", "--minutes", "0.01", cwd=tmp_path)
    assert "epoch 1" in out
    results = tmp_path / "results"
    assert len(np.unique(read(results / "viewer.png").data)) > 50
    for number in range(1, 7):
        labels = read_mask(results / f"slice_{number:02}.tif")
        assert (labels.data.shape, labels.spacing, labels.units) == ((160, 160), (0.5, 0.5), "µm")
    # Layers keep their names in the tables of the run.
    assert {entry.name for entry in RunFolder.open(results / "run").data} == {
        f"slice_{number:02}" for number in range(3, 7)
    }


@needs_screen
def test_drive_widgets(tmp_path: Path) -> None:
    pytest.importorskip("napari")
    out = run_viewer("drive_widgets.py", "--minutes", "0.01", cwd=tmp_path)
    assert "on 16 validation images" in out
    assert "Segmented SAMPLE-B_0008" in out
    labels = read_mask(tmp_path / "results" / "labels.tif")
    assert (labels.data.shape, labels.units) == ((128, 128), "mm")
    assert labels.spacing == pytest.approx((1.4, 1.4))


def test_notebook_style(tmp_path: Path) -> None:
    pytest.importorskip("napari")
    text = (EXAMPLES / "notebook_style.py").read_text(encoding="utf-8")
    before, minutes, after = text.partition("\nMINUTES = 1.0\n")
    assert minutes
    # The last cell shows its layers where a viewer is open.
    opened = (
        ("viewer = napari.Viewer()", "print([*viewer.layers])\nviewer.close()") if HAS_SCREEN else ("", "")
    )
    cells = "\n".join([before, opened[0], "MINUTES = 0.01", after, opened[1]])
    out = python(*STRICT, "-c", cells, cwd=tmp_path)
    assert "All images are 128×128 pixels" in out
    assert "SAMPLE-B_0008.png" in out
    assert (tmp_path / "results" / "case.png").is_file()
    assert not HAS_SCREEN or "<Labels layer 'prediction'" in out


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
