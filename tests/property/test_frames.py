"""Splitting into frames and joining are inverse, for every order of axes that an image can have."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unetscope.io.image import Image
from unetscope.preprocess import join_frames, split_frames


@st.composite
def images(draw, channels=True):
    axes = "".join(axis for axis in ("T", "C" if channels else "", "Z") if draw(st.booleans())) + "YX"
    shape = tuple(draw(st.integers(1, 4)) for _ in axes)
    return Image(np.arange(np.prod(shape)).reshape(shape), axes)


def dimensions(draw, image):
    return draw(st.sampled_from([2, 3] if "Z" in image.axes else [2]))


@given(images(), st.data())
def test_joining_undoes_splitting(image, data):
    wanted = dimensions(data.draw, image)
    frames = split_frames(image, wanted)
    joined = join_frames([frame.channel_first() for frame in frames], image, wanted)
    if "C" not in image.axes:
        joined = joined.squeeze(1 if "T" in image.axes else 0)
    np.testing.assert_array_equal(joined, image.data)


@given(images(), st.data())
def test_frames_hold_every_pixel_once(image, data):
    wanted = dimensions(data.draw, image)
    frames = split_frames(image, wanted)
    assert all(len(frame.spatial_axes) == wanted and "T" not in frame.axes for frame in frames)
    values = np.concatenate([frame.data.ravel() for frame in frames])
    assert sorted(values.tolist()) == list(range(image.data.size))
