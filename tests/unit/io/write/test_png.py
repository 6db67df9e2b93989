"""PNG: planes of labels, with the size of their pixels where it can be said."""

from __future__ import annotations

import numpy as np
import png
import pytest

from unetscope.errors import OutputError
from unetscope.io import Image, read, write_mask

MASK = np.array([[0, 1, 2], [3, 4, 300]])


@pytest.mark.parametrize(("largest", "bits"), [(1, 8), (255, 8), (256, 16), (65535, 16)])
def test_pypng_reads_the_same(tmp_path, largest, bits):
    labels = np.array([[0, 1], [largest, 0], [0, 1]])
    path = write_mask(tmp_path / "a.png", Image(labels, "YX", (0.25, 0.5), units="mm"))
    columns, rows, values, info = png.Reader(bytes=path.read_bytes()).read()
    np.testing.assert_array_equal(np.vstack(list(values)), labels)
    assert (columns, rows, info["bitdepth"], info["greyscale"]) == (2, 3, bits, True)
    physical = info["physical"]
    assert (physical.x, physical.y, physical.unit_is_meter) == (2000, 4000, True)


@pytest.mark.parametrize(
    ("spacing", "units"), [((1.367188, 1.367188), "mm"), ((0.65, 0.325), "µm"), ((0.001, 2), "mm")]
)
def test_spacing_comes_back(tmp_path, spacing, units):
    image = read(write_mask(tmp_path / "a.png", Image(MASK, "YX", spacing, units=units)))
    assert image.units == "µm"
    expected = [size * (1000 if units == "mm" else 1) for size in spacing]
    assert image.spacing == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("spacing", "units"), [((1, 1), "pixel"), ((4.8, 4.8), "mm"), ((1, 7.77), "mm"), ((1e-5, 1e-5), "µm")]
)
def test_spacing_that_cannot_be_said_is_left_out(tmp_path, spacing, units):
    path = write_mask(tmp_path / "a.png", Image(MASK, "YX", spacing, units=units))
    assert b"pHYs" not in path.read_bytes()
    assert (read(path).spacing, read(path).units) == ((1, 1), "pixel")


@pytest.mark.parametrize("labels", [np.array([[70000]]), np.zeros((2, 3, 4), int), np.zeros((1, 3, 4), int)])
def test_labels_that_do_not_fit(tmp_path, labels):
    with pytest.raises(OutputError, match=r"do not fit a\.png.*TIFF"):
        write_mask(tmp_path / "a.png", labels)
    assert list(tmp_path.iterdir()) == []
