"""TIFF as we write it: for ImageJ, for OME readers, and for ourselves."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from unetscope.io import read
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
    image = read(write_tiff(tmp_path / name, values, axes, spacing, "µm", overwrite=False))
    assert (image.axes, image.data.dtype, image.units) == (axes, dtype, "µm")
    assert image.spacing == pytest.approx(spacing)
    np.testing.assert_array_equal(image.data, values)
    assert image.source.notes == ()


def test_ome_says_what_others_need(tmp_path):
    values = RANDOM.integers(0, 255, (4, 5, 7)).astype(np.uint16)
    path = write_tiff(tmp_path / "a.ome.tif", values, "ZYX", (2, 0.5, 0.25), "mm", overwrite=False)
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        assert not file.is_imagej
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        np.testing.assert_array_equal(file.asarray(), values)
    sizes = {axis: (pixels[f"PhysicalSize{axis}"], pixels[f"PhysicalSize{axis}Unit"]) for axis in "ZYX"}
    assert sizes == {"Z": (2, "mm"), "Y": (0.5, "mm"), "X": (0.25, "mm")}


def test_pixels_have_no_unit(tmp_path):
    for name in ("a.tif", "a.ome.tif"):
        image = read(
            write_tiff(tmp_path / name, np.zeros((3, 4), np.uint8), "YX", (2, 2), "pixel", overwrite=False)
        )
        assert (image.spacing, image.units) == ((1, 1), "pixel")
