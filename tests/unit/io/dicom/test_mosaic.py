"""Frames put together: every pixel where it belongs, in memory and on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unetscope.errors import ReadError
from unetscope.io.dicom import mosaic
from unetscope.io.dicom.mosaic import Mosaic

SHAPE = (4, 2, 9, 13)
RANDOM = np.random.default_rng(11)
FRAMES = RANDOM.integers(1, 200, (12, 2, 4, 5), np.uint8)
# Some reach beyond the edges, some lie over each other.
PLACES = np.column_stack(
    [
        RANDOM.choice([0, 2], 12),
        RANDOM.integers(0, 2, 12),
        RANDOM.integers(-2, 8, 12),
        RANDOM.integers(-2, 12, 12),
    ]
)


def made(places=PLACES, shape=SHAPE, fill=(7, 9)) -> Mosaic:
    return Mosaic(
        Path("a.dcm"), shape, np.dtype(np.uint8), places, (2, 4, 5), lambda i: FRAMES[i], np.array(fill)
    )


def pasted() -> np.ndarray:
    whole = np.empty((4, 2, 9 + 20, 13 + 20), np.uint8)
    whole[[0, 2]], whole[[1, 3]] = 7, 9
    for (channel, plane, row, column), frame in zip(PLACES, FRAMES, strict=True):
        whole[channel : channel + 2, plane, row + 10 : row + 14, column + 10 : column + 15] = frame
    return whole[:, :, 10:19, 10:23]


def test_frames_lie_at_their_places():
    np.testing.assert_array_equal(made().read(), pasted())


@pytest.mark.parametrize("block", [1, 6, 100])
def test_blocks_on_disk_are_the_same(monkeypatch, block):
    monkeypatch.setattr(mosaic, "is_large", lambda shape, dtype: True)
    monkeypatch.setattr(mosaic, "_BLOCK", block)
    data = made().read(lazy=True)
    assert data.chunks[0] == (2, 2)
    np.testing.assert_array_equal(data.compute(), pasted())


def test_small_mosaics_are_read_at_once():
    assert isinstance(made().read(lazy=True), np.ndarray)


@pytest.mark.parametrize(("frames", "missing"), [(6, False), (5, True)])
def test_missing_places(frames, missing):
    places = np.array([(0, 0, row, column) for row in (0, 4) for column in (0, 5, 10)])
    assert made(places[:frames], (2, 1, 8, 13)).missing() is missing


def test_sizes_that_cannot_be_are_refused():
    for lazy in (True, False):
        with pytest.raises(ReadError, match=r"a\.dcm"):
            made(shape=(2, 1, 2**31, 2**31)).read(lazy=lazy)


def test_large_and_empty_takes_no_time():
    data = made(PLACES[:0], (2, 1_000_000, 9, 13), (0, 0)).read()
    assert not data[:, [0, 500_000, 999_999]].any()
