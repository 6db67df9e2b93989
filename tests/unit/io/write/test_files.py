"""Files: whole or not at all, and an earlier one only replaced when told."""

from __future__ import annotations

import errno
import json
import math
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from unetscope.errors import OutputError
from unetscope.io import atomic, output_folder, write_csv, write_float, write_json, write_mask, write_text

MASK = np.array([[0, 1, 2], [3, 4, 300]])


def test_json(tmp_path):
    obj = {
        "b": np.float32(0.5),
        "a": [np.int64(3), math.nan, math.inf, None, True],
        "µ": np.arange(2),
        "p": Path("x/y"),
        1: (2,),
    }
    path = write_json(tmp_path / "a.json", obj)
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == {"b": 0.5, "a": [3, None, None, None, True], "µ": [0, 1], "p": "x/y", "1": [2]}
    assert text.startswith('{\n  "b": 0.5')
    assert "µ" in text


def test_csv_and_text(tmp_path):
    path = write_csv(tmp_path / "a.csv", [{"a": 1, "b": "x,y"}, {"a": None}], ["a", "b"])
    assert path.read_bytes() == b'a,b\n1,"x,y"\n,\n'
    assert write_text(tmp_path / "a.txt", "µ\n").read_bytes() == "µ\n".encode()


WRITERS = {
    "a.png": lambda path, **kw: write_mask(path, MASK, **kw),
    "a.tif": lambda path, **kw: write_mask(path, MASK, **kw),
    "a.nii.gz": lambda path, **kw: write_mask(path, MASK, **kw),
    "a.seg.nrrd": lambda path, **kw: write_mask(path, MASK, **kw),
    "p.tif": lambda path, **kw: write_float(path, MASK, axes="YX", **kw),
    "a.json": lambda path, **kw: write_json(path, {}, **kw),
    "a.csv": lambda path, **kw: write_csv(path, [], ["a"], **kw),
    "a.txt": lambda path, **kw: write_text(path, "new", **kw),
}


@pytest.mark.parametrize("name", WRITERS)
def test_an_earlier_file_is_replaced_only_on_demand(tmp_path, name):
    path = tmp_path / name
    path.write_text("earlier")
    with pytest.raises(OutputError, match=f"{name} exists already"):
        WRITERS[name](path)
    assert path.read_text() == "earlier"
    WRITERS[name](path, overwrite=True)
    assert path.read_bytes() != b"earlier"
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_the_earlier_file(tmp_path, monkeypatch, name):
    path = tmp_path / name
    path.write_text("earlier")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=f"{name} cannot be written .No space left on device"):
        WRITERS[name](path, overwrite=True)
    assert path.read_text() == "earlier"
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_any_failure_leaves_the_earlier_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("earlier")

    def fail_halfway():
        with atomic(path, overwrite=True) as temporary:
            assert temporary.parent == tmp_path
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_no_place_to_write(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "missing/a.txt", tmp_path / "file/a.txt"):
        with pytest.raises(OutputError, match=r"cannot be written.*choose another place"):
            write_text(path, "x")
    with pytest.raises(OutputError, match="is a folder"):
        write_text(tmp_path, "x", overwrite=True)


def test_files_have_ordinary_permissions(tmp_path):
    (tmp_path / "plain").touch()
    path = write_text(tmp_path / "a.txt", "x")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_output_folder(tmp_path):
    folder = output_folder(tmp_path / "new/results")
    assert list(folder.iterdir()) == []
    assert output_folder(folder) == folder
    (folder / "a.txt").touch()
    with pytest.raises(OutputError, match="holds files already"):
        output_folder(folder)
    assert output_folder(folder, overwrite=True) == folder
    with pytest.raises(OutputError, match="cannot be used for results"):
        output_folder(folder / "a.txt")


def test_output_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def denied(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", denied)
    with pytest.raises(OutputError, match="Permission denied"):
        output_folder(tmp_path)
