from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import dask.array as da
import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.io.image import Image, Source

NAMED = Source(Path("folder/a.tif"))


def zeros(axes):
    return np.zeros(tuple({"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}[axis] for axis in axes))


def test_what_is_not_given():
    image = Image(zeros("TCZYX"), "TCZYX")
    assert image.spacing == (1.0, 1.0, 1.0)
    assert image.origin == (0.0, 0.0, 0.0)
    assert image.units == "pixel"
    assert image.channels == ("channel 0", "channel 1", "channel 2")
    assert image.source == Source()
    assert image.name == "the array"


@pytest.mark.parametrize(
    ("axes", "spatial", "grid"),
    [
        ("YX", "YX", (5, 6)),
        ("CYX", "YX", (5, 6)),
        ("TYX", "YX", (5, 6)),
        ("ZYX", "ZYX", (4, 5, 6)),
        ("TCZYX", "ZYX", (4, 5, 6)),
    ],
)
def test_the_grid(axes, spatial, grid):
    image = Image(zeros(axes), axes)
    assert (image.spatial_axes, image.grid) == (spatial, grid)


@pytest.mark.parametrize("axes", ["XY", "YXC", "CTYX", "YYX", "ZY", "QYX", "", "zyx"])
def test_axes_that_are_none(axes):
    with pytest.raises(InputError) as caught:
        Image(np.zeros((2,) * len(axes)), axes, source=NAMED)
    assert str(caught.value) == (
        f"the axes of a.tif are {axes!r}; expected letters of 'TCZYX' in that order, ending in 'YX': "
        "name the axes of the array."
    )


def test_too_few_axes():
    with pytest.raises(InputError) as caught:
        Image(np.zeros((2, 3, 4)), "YX")
    assert str(caught.value) == (
        "the array has shape (2, 3, 4); expected 2 axes (YX): name the axes of the array."
    )


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"spacing": (1.0,)}, "a.tif has 1 spacings and 2 origins; expected 2 of each, for YX"),
        ({"origin": (1.0, 2.0, 3.0)}, "a.tif has 2 spacings and 3 origins; expected 2 of each, for YX"),
        ({"spacing": (1.0, 0.0)}, "a.tif has spacing (1.0, 0.0); expected positive distances"),
        ({"spacing": (1.0, -2.0)}, "a.tif has spacing (1.0, -2.0); expected positive distances"),
        ({"spacing": (1.0, float("nan"))}, "a.tif has spacing (1.0, nan); expected positive distances"),
        ({"spacing": (1.0, float("inf"))}, "a.tif has spacing (1.0, inf); expected positive distances"),
        ({"channels": ("a",)}, "a.tif has 0 channels but 1 channel names; expected one name per channel"),
    ],
)
def test_geometry_that_does_not_fit(given, found):
    with pytest.raises(InputError) as caught:
        Image(zeros("YX"), "YX", source=NAMED, **given)
    assert str(caught.value).startswith(f"{found}: ")


def test_channel_names_that_do_not_fit():
    with pytest.raises(
        InputError, match="the array has 3 channels but 2 channel names; expected one name per"
    ):
        Image(zeros("CYX"), "CYX", channels=("a", "b"))


def test_only_red_green_and_blue_are_rgb():
    assert Image(zeros("CYX"), "CYX", channels=("red", "green", "blue")).is_rgb
    assert not Image(zeros("CYX"), "CYX").is_rgb
    assert not Image(zeros("YX"), "YX").is_rgb


@pytest.mark.parametrize(
    ("axes", "shape"), [("YX", (1, 5, 6)), ("CYX", (3, 5, 6)), ("ZYX", (1, 4, 5, 6)), ("CZYX", (3, 4, 5, 6))]
)
def test_channel_first(axes, shape):
    image = Image(zeros(axes), axes)
    assert image.channel_first().shape == shape
    assert np.shares_memory(image.channel_first(), image.data)


def test_a_time_series_has_no_one_array():
    with pytest.raises(InputError) as caught:
        Image(zeros("TCYX"), "TCYX", source=NAMED).channel_first()
    assert str(caught.value) == "a.tif is a time series of 2 points; expected one image: take one time point."


def test_other_values_on_the_same_grid():
    image = Image(zeros("CYX"), "CYX", (2.0, 3.0), (4.0, 5.0), "mm", ("a", "b", "c"), NAMED)
    other = image.with_data(np.ones((3, 5, 6)))
    assert other.data.min() == 1
    assert (other.axes, other.channels) == ("CYX", ("a", "b", "c"))
    single = image.with_data(np.ones((5, 6), int), axes="YX")
    assert (single.axes, single.channels) == ("YX", ())
    for result in (other, single):
        assert (result.spacing, result.origin, result.units, result.source) == ((2, 3), (4, 5), "mm", NAMED)
    assert single.with_data(np.ones((2, 5, 6)), axes="CYX").channels == ("channel 0", "channel 1")


def test_an_image_is_frozen_and_only_equal_to_itself():
    image = Image(zeros("YX"), "YX")
    with pytest.raises(FrozenInstanceError):
        image.units = "mm"
    assert image in [Image(zeros("YX"), "YX"), image]
    assert image != Image(zeros("YX"), "YX")


def placed() -> Image:
    """Two time points of three channels and four slices, 2 mm apart along z from z = 10."""
    affine = np.array([[0, 0, 0.5, 1], [0, 0.5, 0, 2], [2, 0, 0, 10], [0, 0, 0, 1]], float)
    data = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6)
    return Image(data, "TCZYX", (2.0, 0.5, 0.5), (10.0, 2.0, 1.0), "mm", ("a", "b", "c"), NAMED, affine)


def test_a_slice_keeps_its_place():
    plane = placed().take("Z", 3)
    assert (plane.axes, plane.spacing, plane.origin) == ("TCYX", (0.5, 0.5), (2.0, 1.0))
    assert plane.affine[:3, 3].tolist() == [1, 2, 16]
    np.testing.assert_array_equal(plane.data, placed().data[:, :, 3])


def test_the_last_slice_lies_where_it_lies_from_either_end():
    np.testing.assert_array_equal(placed().take("Z", -1).affine, placed().take("Z", 3).affine)


@pytest.mark.parametrize(("axis", "channels"), [("T", ("a", "b", "c")), ("C", ())])
def test_a_time_point_or_channel_stays_a_volume(axis, channels):
    part = placed().take(axis, 1)
    assert (part.axes, part.channels) == ("TCZYX".replace(axis, ""), channels)
    assert (part.spacing, part.origin) == (placed().spacing, placed().origin)
    np.testing.assert_array_equal(part.affine, placed().affine)
    np.testing.assert_array_equal(part.data, placed().data.take(1, axis="TCZYX".index(axis)))


def test_loading_leaves_the_coarser_copies():
    image = replace(Image(da.ones((4, 4)), "YX", (2.0, 3.0)), levels=(da.ones((2, 2)),))
    loaded = image.load()
    assert type(loaded.data) is np.ndarray
    assert (loaded.levels, loaded.spacing) == ((), (2.0, 3.0))


def test_an_affine_is_a_matrix_of_four_by_four():
    with pytest.raises(InputError, match=r"a\.tif has an affine of shape \(3, 3\)"):
        Image(zeros("YX"), "YX", source=NAMED, affine=np.eye(3))


@pytest.mark.parametrize(
    ("axis", "kept"),
    [("T", "4567"), ("Z", "15"), ("C", "01234567")],
)
def test_a_part_of_a_series_lies_in_its_own_files(axis, kept):
    files = tuple(map(Path, "01234567"))
    image = replace(placed(), source=replace(NAMED, files=files))
    assert image.take(axis, 1).source.files == tuple(map(Path, kept))


def test_a_part_of_a_file_of_many_frames_lies_in_that_file():
    image = replace(placed(), source=replace(NAMED, files=(Path("a"), Path("b"))))
    assert image.take("T", 1).source.files == (Path("a"), Path("b"))
