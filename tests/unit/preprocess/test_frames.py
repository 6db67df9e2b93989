from __future__ import annotations

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.io.image import Image
from unetscope.preprocess import join_frames, split_frames
from unetscope.preprocess.frames import outer_axes, place_part

LENGTHS = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}


def image(axes):
    shape = [LENGTHS[axis] for axis in axes]
    spatial = sum(axis in "ZYX" for axis in axes)
    return Image(
        np.arange(np.prod(shape)).reshape(shape),
        axes,
        (3.0, 2.0, 1.0)[-spatial:],
        (7.0, 8.0, 9.0)[-spatial:],
        "mm",
    )


@pytest.mark.parametrize(
    ("axes", "dimensions", "outer", "inner", "count"),
    [
        ("YX", 2, "", "YX", 1),
        ("CYX", 2, "", "CYX", 1),
        ("ZYX", 2, "Z", "YX", 4),
        ("CZYX", 2, "Z", "CYX", 4),
        ("TYX", 2, "T", "YX", 2),
        ("TCZYX", 2, "TZ", "CYX", 8),
        ("ZYX", 3, "", "ZYX", 1),
        ("CZYX", 3, "", "CZYX", 1),
        ("TZYX", 3, "T", "ZYX", 2),
        ("TCZYX", 3, "T", "CZYX", 2),
    ],
)
def test_frames_keep_the_inner_axes(axes, dimensions, outer, inner, count):
    whole = image(axes)
    frames = split_frames(whole, dimensions)
    assert outer_axes(whole, dimensions) == outer
    assert len(frames) == count
    for frame in frames:
        assert frame.axes == inner
        assert frame.spacing == (3.0, 2.0, 1.0)[-dimensions:]
        assert frame.origin == (7.0, 8.0, 9.0)[-dimensions:]
        assert (frame.units, frame.channels, frame.source) == ("mm", whole.channels, whole.source)


def test_slices_are_counted_fastest():
    whole = image("TCZYX")
    frames = split_frames(whole, 2)
    for t in range(2):
        for z in range(4):
            np.testing.assert_array_equal(frames[4 * t + z].data, whole.data[t, :, z])


def test_one_frame_is_the_image_itself():
    whole = image("CYX")
    assert split_frames(whole, 2) == [whole]


@pytest.mark.parametrize("axes", ["YX", "CYX", "TYX", "TCYX"])
def test_a_3d_network_needs_slices(axes):
    for function in (outer_axes, split_frames):
        with pytest.raises(InputError) as caught:
            function(image(axes), 3)
        assert str(caught.value) == (
            f"the array has the axes {axes}; expected a volume for a 3D network: "
            "read the whole series, or use a 2D network."
        )


@pytest.mark.parametrize(
    ("axes", "dimensions", "shape"),
    [
        ("YX", 2, (9, 5, 6)),
        ("CZYX", 2, (9, 4, 5, 6)),
        ("TYX", 2, (2, 9, 5, 6)),
        ("TCZYX", 2, (2, 9, 4, 5, 6)),
        ("ZYX", 3, (9, 4, 5, 6)),
        ("TCZYX", 3, (2, 9, 4, 5, 6)),
    ],
)
def test_joined_maps_have_their_channel_after_time(axes, dimensions, shape):
    whole = image(axes)
    maps = [np.zeros((9, *frame.grid)) for frame in split_frames(whole, dimensions)]
    assert join_frames(maps, whole, dimensions).shape == shape


def test_a_part_is_put_where_it_was_taken():
    whole = image("TCZYX")
    part = whole.take("T", 1).take("Z", 2)
    placed = place_part(part, whole, {"T": 1, "Z": 2})
    assert placed.axes == "TCZYX"
    assert (placed.spacing, placed.origin, placed.channels) == (whole.spacing, whole.origin, whole.channels)
    np.testing.assert_array_equal(placed.data[1, :, 2], whole.data[1, :, 2])
    placed.data[1, :, 2] = 0
    assert not placed.data.any()


def test_classes_come_before_the_slice_that_was_taken():
    whole = image("TZYX")
    plane = whole.take("T", 0).take("Z", 3)
    maps = Image(np.ones((2, 5, 6), np.float32), "CYX", (2.0, 1.0), (8.0, 9.0), "mm", ("a", "b"))
    placed = place_part(maps, whole, {"T": 0, "Z": 3})
    assert (placed.axes, placed.data.shape, placed.channels) == ("TCZYX", (2, 2, 4, 5, 6), ("a", "b"))
    assert placed.data.sum() == maps.data.sum() == placed.data[0, :, 3].sum()
    assert place_part(plane, whole, {"T": 0, "Z": 3}).data.shape == whole.data.shape
