"""Writing: whole or not at all, and the same when read again."""

from __future__ import annotations

import errno
import json
import math
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unetscope.errors import OutputError
from unetscope.io import (
    atomic,
    output_folder,
    read,
    read_mask,
    write_csv,
    write_float,
    write_json,
    write_mask,
    write_text,
)

MASK = np.array([[0, 1, 2], [3, 4, 300]])


@settings(max_examples=60, deadline=None)
@given(
    labels=hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.int32, np.int64]),
        hnp.array_shapes(min_dims=2, max_dims=3, max_side=6),
        elements=st.integers(0, 127),
    ),
    largest=st.sampled_from([1, 255, 256, 65535]),
)
def test_tiff_and_png_round_trip(labels, largest):
    labels = labels.astype(np.int64)
    labels.flat[0] = largest
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".tif", ".png")[: 2 if labels.ndim == 2 else 1]:
            mask = read_mask(write_mask(Path(folder) / f"a{suffix}", labels))
            # One slice is one page to a TIFF: the values and the plane are the same.
            np.testing.assert_array_equal(mask.data.reshape(labels.shape), labels)
            assert mask.data.dtype == (np.uint8 if largest < 256 else np.uint16)


@settings(max_examples=20, deadline=None)
@given(
    spacing=st.tuples(*[st.floats(1e-3, 1e3)] * 3),
    units=st.sampled_from(["mm", "µm"]),
    largest=st.sampled_from([9, 999, 10**6]),
)
def test_spacing_round_trip(spacing, units, largest):
    labels = np.zeros((2, 3, 4), np.int64)
    labels[0, 0, 0] = largest
    with tempfile.TemporaryDirectory() as folder:
        mask = read_mask(write_mask(Path(folder) / "a.tif", labels, spacing=spacing, units=units))
    np.testing.assert_array_equal(mask.data, labels)
    assert mask.spacing == pytest.approx(spacing, rel=1e-5)
    assert mask.units == units


def test_tiff_is_compressed_and_speaks_imagej(tmp_path):
    write_mask(tmp_path / "a.tif", np.zeros((8, 256, 256), bool), spacing=(2, 0.5, 0.5), units="µm")
    assert (tmp_path / "a.tif").stat().st_size < 20_000
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert (
            file.imagej_metadata["slices"],
            file.imagej_metadata["spacing"],
            file.imagej_metadata["unit"],
        ) == (8, 2, "um")


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (4, 4), (3, 5, 3), (4, 5, 4)])
def test_a_narrow_mask_is_no_color_picture(tmp_path, shape):
    labels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    mask = read_mask(write_mask(tmp_path / "a.tif", labels))
    np.testing.assert_array_equal(mask.data, labels)


def test_labels_that_do_not_fit(tmp_path):
    for labels in (np.array([[70000]]), np.zeros((2, 3, 4), int)):
        with pytest.raises(OutputError, match=r"do not fit a\.png.*TIFF"):
            write_mask(tmp_path / "a.png", labels)
    for labels in (
        np.array([[-1]]),
        np.array([[0.5]]),
        np.array([1]),
        np.array([[2**32]]),
        np.zeros((0, 4), int),
    ):
        with pytest.raises(OutputError, match=r"for a\.tif is no mask"):
            write_mask(tmp_path / "a.tif", labels)
    with pytest.raises(OutputError, match=r"a\.jpg ends in \.jpg"):
        write_mask(tmp_path / "a.jpg", MASK)
    with pytest.raises(OutputError, match=r"expected 2 numbers, along YX"):
        write_mask(tmp_path / "a.tif", MASK, spacing=(1, 2, 3), units="mm")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("axes", ["YX", "CYX", "ZYX", "CZYX"])
def test_float_round_trip(tmp_path, axes):
    array = np.random.default_rng(0).random((2, 3, 4, 5)[4 - len(axes) :])
    spacing = (3.0, 0.5, 0.25) if "Z" in axes else (0.5, 0.25)
    path = write_float(tmp_path / "p.tif", array, axes=axes, spacing=spacing, units="mm")
    image = read(path)
    assert (image.axes, image.data.dtype, image.units) == (axes, np.float32, "mm")
    assert image.spacing == pytest.approx(spacing)
    np.testing.assert_array_equal(image.data, array.astype(np.float32))


def test_float_needs_tiff_and_axes(tmp_path):
    with pytest.raises(OutputError, match=r"p\.png cannot hold real numbers"):
        write_float(tmp_path / "p.png", np.zeros((2, 2)), axes="YX")
    for axes in ("ZYX", "SX"):
        with pytest.raises(OutputError, match="axes"):
            write_float(tmp_path / "p.tif", np.zeros((2, 2)), axes=axes)


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
