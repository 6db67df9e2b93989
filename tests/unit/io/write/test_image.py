"""Images as OME-TIFF: what is written is what is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tifffile

from unetscope.errors import OutputError, ReadError
from unetscope.io import Image, Source, read, write_image

RANDOM = np.random.default_rng(0)
RGB = ("red", "green", "blue")


def assert_same(one: Image, other: Image) -> None:
    np.testing.assert_array_equal(one.data, other.data)
    assert one.data.dtype == other.data.dtype
    for name in ("axes", "spacing", "origin", "units", "channels"):
        assert getattr(one, name) == getattr(other, name), name
    assert (one.source.window, one.source.group) == (other.source.window, other.source.group)
    assert (one.affine is None) == (other.affine is None)
    if one.affine is not None:
        np.testing.assert_array_equal(one.affine, other.affine)


def values(shape: tuple[int, ...], dtype: Any = np.uint16) -> Any:
    return RANDOM.integers(0, 120, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("YX", (5, 7)),
        ("CYX", (2, 5, 7)),
        ("ZYX", (1, 5, 7)),
        ("TYX", (4, 5, 1)),
        ("CZYX", (2, 3, 5, 7)),
        ("TCZYX", (2, 1, 3, 5, 7)),
    ],
)
def test_values_axes_and_place_come_back(tmp_path, axes, shape, dtype):
    spatial = len([axis for axis in axes if axis in "ZYX"])
    image = Image(
        values(shape, dtype),
        axes,
        (2.5, 0.5, 0.1)[-spatial:],
        (1 / 3, -20.0, 1e-9)[-spatial:],
        units="µm",
        channels=("DAPI & co", "<β-tubulin>")[: shape[axes.index("C")]] if "C" in axes else (),
        source=Source(window=(0.1, 1200.0), group="slide 'ä' <7>"),
    )
    assert_same(read(write_image(tmp_path / "a.ome.tif", image)), image)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(
    ("axes", "shape"), [("CYX", (3, 5, 7)), ("TCYX", (2, 3, 5, 7)), ("CZYX", (3, 4, 1, 7))]
)
def test_colors_stay_colors(tmp_path, axes, shape, dtype):
    image = Image(values(shape, dtype), axes, channels=RGB)
    path = write_image(tmp_path / "a.ome.tif", image)
    assert_same(read(path), image)
    with tifffile.TiffFile(path) as file:
        assert file.pages.first.photometric == tifffile.PHOTOMETRIC.RGB


def test_place_in_the_patient_and_unknown_units_come_back(tmp_path):
    affine = np.array([[0, 0.5, 0, -31.7], [0, 0, 0.5, 1 / 7], [3, 0, 0, 9], [0, 0, 0, 1]])
    placed = Image(values((2, 5, 7), np.int16), "ZYX", (3, 0.5, 0.5), (9, 1, -2), "mm", affine=affine)
    assert_same(read(write_image(tmp_path / "a.ome.tif", placed)), placed)
    unknown = Image(values((2, 5, 7)), "ZYX", (3.0, 1.0, 1.0))
    assert_same(read(write_image(tmp_path / "b.ome.tif", unknown)), unknown)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (np.array([[True, False]]), "u1"),
        (np.array([[0.5, -2]], "f2"), "f4"),
        (np.array([[-5, 70_000]], "i8"), "i4"),
        (np.array([[7, 2**32 - 1]], "u8"), "u4"),
    ],
)
def test_types_that_tiff_lacks_keep_their_values(tmp_path, given, stored):
    image = read(write_image(tmp_path / "a.ome.tif", Image(given, "YX")))
    np.testing.assert_array_equal(image.data, given)
    assert image.data.dtype == stored


@pytest.mark.parametrize(
    "given", [np.array([[0, 2**33]]), np.ones((1, 1), complex), np.zeros((0, 4), np.uint8)]
)
def test_what_does_not_fit_is_refused_and_nothing_is_left(tmp_path, given):
    with pytest.raises(OutputError, match="fits no OME-TIFF"):
        write_image(tmp_path / "a.ome.tif", Image(given, "YX"))
    assert not list(tmp_path.iterdir())


def test_only_ome_tiff_and_never_over_a_file(tmp_path):
    image = Image(values((5, 7)), "YX")
    with pytest.raises(OutputError, match=r"expected \.ome\.tif"):
        write_image(tmp_path / "a.tif", image)
    write_image(tmp_path / "a.ome.tif", image)
    with pytest.raises(OutputError, match="exists already"):
        write_image(tmp_path / "a.ome.tif", image)
    brighter = replace(image, data=image.data + 1)
    assert_same(read(write_image(tmp_path / "a.ome.tif", brighter, overwrite=True)), brighter)


def test_names_that_xml_cannot_hold_lose_those_letters(tmp_path):
    image = Image(values((1, 5, 7)), "CYX", channels=("a\x00b\udc80",), source=Source(group="p\x01"))
    back = read(write_image(tmp_path / "a.ome.tif", image))
    assert (back.channels, back.source.group) == (("a b",), "p ")


@pytest.mark.parametrize("origin", ["nan 1", "one two"])
def test_a_damaged_note_is_damage(tmp_path, origin):
    note = {"Namespace": "unetscope", "axes": "YX", "origin": origin}
    tifffile.imwrite(tmp_path / "a.ome.tif", values((5, 7)), metadata={"axes": "YX", "MapAnnotation": note})
    with pytest.raises(ReadError, match=r"a\.ome\.tif"):
        read(tmp_path / "a.ome.tif")


def test_a_dicom_slice_keeps_all_that_it_knows(tmp_path, samples):
    image = read(samples / "heart" / "training" / "SAMPLE-A_0003.dcm")
    assert image.affine is not None
    assert image.source.group
    assert_same(read(write_image(tmp_path / "a.ome.tif", image)), image)
