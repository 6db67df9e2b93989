"""TIFF as we write it: for ImageJ, for OME readers, and for ourselves."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from unetscope.errors import OutputError
from unetscope.io import Image, read, write_float, write_mask
from unetscope.io.write.tiff import write_tiff

RANDOM = np.random.default_rng(0)
SHAPES = [
    ("YX", (5, 7)),
    ("ZYX", (3, 5, 7)),
    ("ZYX", (1, 5, 7)),
    ("TYX", (1, 5, 7)),
    ("CYX", (1, 5, 7)),
    ("CYX", (3, 5, 7)),
    ("TZYX", (1, 1, 5, 7)),
    ("TZYX", (2, 1, 5, 7)),
    ("TCZYX", (2, 3, 1, 5, 7)),
    ("CZYX", (1, 4, 5, 1)),
]


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "A.OME.TIFF"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.float32])
@pytest.mark.parametrize(("axes", "shape"), SHAPES)
def test_all_comes_back(tmp_path, axes, shape, dtype, name):
    values = RANDOM.integers(0, 255, shape).astype(dtype)
    spacing = (2.5, 0.5, 0.25)[-len([axis for axis in axes if axis in "ZYX"]) :]
    image = read(write_tiff(tmp_path / name, Image(values, axes, spacing, units="µm"), overwrite=False))
    assert (image.axes, image.data.dtype, image.units) == (axes, dtype, "µm")
    assert image.spacing == pytest.approx(spacing)
    np.testing.assert_array_equal(image.data, values)
    assert image.source.notes == ()


def test_ome_says_what_others_need(tmp_path):
    values = RANDOM.integers(0, 255, (4, 5, 7)).astype(np.uint16)
    image = Image(values, "ZYX", (2, 0.5, 0.25), units="mm")
    path = write_tiff(tmp_path / "a.ome.tif", image, overwrite=False)
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        assert not file.is_imagej
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        np.testing.assert_array_equal(file.asarray(), values)
    sizes = {axis: (pixels[f"PhysicalSize{axis}"], pixels[f"PhysicalSize{axis}Unit"]) for axis in "ZYX"}
    assert sizes == {"Z": (2, "mm"), "Y": (0.5, "mm"), "X": (0.25, "mm")}


def test_pixels_have_no_unit(tmp_path):
    values = Image(np.zeros((3, 4), np.uint8), "YX", (2, 2))
    image = read(write_tiff(tmp_path / "a.tif", values, overwrite=False))
    assert (image.spacing, image.units) == ((1, 1), "pixel")


def test_tiff_is_compressed_and_speaks_imagej(tmp_path):
    write_mask(tmp_path / "a.tif", np.zeros((8, 256, 256), bool), spacing=(2, 0.5, 0.5), units="µm")
    assert (tmp_path / "a.tif").stat().st_size < 20_000
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert (
            file.imagej_metadata["slices"],
            file.imagej_metadata["spacing"],
            file.imagej_metadata["unit"],
        ) == (8, 2, "um")


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
