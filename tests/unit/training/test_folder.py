"""The run folder for those who watch it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unetscope.errors import ModelError, OutputError
from unetscope.io.image import Image, Source
from unetscope.training.folder import Preview, RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def test_watching_needs_no_torch() -> None:
    code = (
        "import sys, unetscope.training.folder, unetscope.training.budget; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_status_keeps_what_is_not_changed(folder: RunFolder) -> None:
    assert folder.status() == {}
    folder.write_status(state="preparing", device="cpu", left_out=("a.png: empty",))
    folder.write_status(state="training", epoch=1)
    assert folder.status() == {"state": "training", "device": "cpu", "left_out": ["a.png: empty"], "epoch": 1}


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_a_damaged_status_says_nothing(folder: RunFolder, content: str) -> None:
    folder.status_path.write_text(content)
    assert folder.status() == {}


def test_a_status_that_cannot_be_written_stops_nobody(folder: RunFolder) -> None:
    folder.status_path.mkdir()
    folder.write_status(state="training")
    assert folder.status() == {}


def test_the_history_is_read_on_from_where_it_was(folder: RunFolder) -> None:
    assert folder.history_from(0) == ([], 0)
    folder.history_path.write_text('{"epoch": 1}\n{"epo')
    records, offset = folder.history_from(0)
    assert [record["epoch"] for record in records] == [1]
    with folder.history_path.open("a") as file:
        file.write('ch": 2}\n')
    assert folder.history_from(offset) == ([{"epoch": 2}], folder.history_path.stat().st_size)
    assert folder.history() == [{"epoch": 1}, {"epoch": 2}]


@pytest.mark.parametrize(
    "labels",
    [
        Image(np.eye(3, 4, dtype=np.uint8), "YX"),
        Image(
            np.arange(24, dtype=np.int32).reshape(2, 3, 4),
            "ZYX",
            spacing=(2.0, 0.5, 0.25),
            origin=(1.0, -2.0, 3.0),
            units="mm",
            source=Source(path=Path("images") / "a.dcm"),
            affine=np.diag([1.0, 2.0, 3.0, 1.0]),
        ),
    ],
)
def test_a_preview_comes_back_on_its_grid(folder: RunFolder, labels: Image) -> None:
    assert folder.preview() is None
    folder.write_preview(Preview("a.dcm", 7, labels))
    read = folder.preview()
    assert read is not None
    assert (read.name, read.epoch) == ("a.dcm", 7)
    np.testing.assert_array_equal(read.labels.data, labels.data)
    assert read.labels.data.dtype == labels.data.dtype
    for fact in ("axes", "spacing", "origin", "units"):
        assert getattr(read.labels, fact) == getattr(labels, fact)
    assert read.labels.source.path == labels.source.path
    if labels.affine is None:
        assert read.labels.affine is None
    else:
        np.testing.assert_array_equal(read.labels.affine, labels.affine)


def _pickled(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, labels=np.array([{}], dtype=object), facts=np.array("{}"))


def _of_another_shape(path: Path) -> None:
    facts = {"name": "a", "epoch": 1, "path": None, "affine": None, "axes": "ZYX"}
    with path.open("wb") as file:
        np.savez(file, labels=np.zeros((2, 2)), facts=np.array(json.dumps(facts)))


def _without_facts(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, labels=np.zeros((2, 2)), facts=np.array("{}"))


@pytest.mark.parametrize(
    "damage", [lambda path: path.write_bytes(b"hello"), _pickled, _of_another_shape, _without_facts]
)
def test_a_damaged_preview(folder: RunFolder, damage: Callable[[Path], object]) -> None:
    damage(folder.preview_path)
    with pytest.raises(ModelError, match=r"preview\.npz is damaged"):
        folder.preview()


def test_requests(folder: RunFolder) -> None:
    folder.request_pause()
    assert (folder.pause_requested, folder.stop_requested) == (True, False)
    folder.clear_pause()
    folder.clear_pause()
    folder.request_stop()
    assert (folder.pause_requested, folder.stop_requested) == (False, True)


def test_a_request_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="stop cannot be written"):
        RunFolder(tmp_path / "gone").request_stop()
