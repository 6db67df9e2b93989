"""What a network learns about objects that touch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unetscope.preprocess import median_diameter, object_distances, object_rims

SQUARES = np.zeros((7, 12), np.int32)
SQUARES[1:6, 1:6] = 4
SQUARES[1:6, 6:11] = 9


def test_rims_are_one_pixel_wide_on_both_sides_of_a_contact() -> None:
    rims = object_rims(SQUARES)
    inside = np.zeros_like(rims)
    inside[2:5, 2:5] = inside[2:5, 7:10] = True
    np.testing.assert_array_equal(rims, (SQUARES > 0) & ~inside)


def test_the_border_of_the_image_is_no_rim() -> None:
    assert not object_rims(np.ones((4, 5), np.int32)).any()
    half = np.zeros((4, 6), np.int32)
    half[:, :3] = 1
    np.testing.assert_array_equal(np.flatnonzero(object_rims(half).any(axis=0)), [2])


def test_distances_are_the_same_for_small_and_large_objects() -> None:
    mask = np.zeros((3, 20), np.int32)
    mask[1, 1:4], mask[1, 6:9] = 1, 2
    mask = np.repeat(mask, 3, axis=0)
    depth = object_distances(mask)
    # Three rows: the middle one is two pixels from the outside, the others one.
    np.testing.assert_array_equal(depth[:, 2], [0, 0, 0, 0.5, 1, 0.5, 0, 0, 0])
    np.testing.assert_array_equal(depth[:, 1:4], depth[:, 6:9])


def test_distances_between_objects_that_touch_are_low() -> None:
    depth = object_distances(SQUARES)
    np.testing.assert_allclose(depth[3, 1:11], np.array([1, 2, 3, 2, 1, 1, 2, 3, 2, 1]) / 3)


def test_distances_in_an_anisotropic_volume() -> None:
    mask = np.zeros((5, 9, 9), np.int32)
    mask[1:4, 1:8, 1:8] = 1
    # Slices lie four pixels apart, so only the plane limits the depth.
    depth = object_distances(mask, (4.0, 1.0, 1.0))
    np.testing.assert_allclose(depth[2, 4, 1:8], np.array([1, 2, 3, 4, 3, 2, 1]) / 4)


def test_an_object_that_is_cut_off_by_the_border_goes_on_there() -> None:
    mask = np.zeros((1, 6), np.int32)
    mask[0, :3] = 1
    np.testing.assert_allclose(object_distances(mask), [[1, 2 / 3, 1 / 3, 0, 0, 0]])
    np.testing.assert_array_equal(object_distances(np.ones((3, 3), np.int32)), np.ones((3, 3)))
    np.testing.assert_array_equal(object_distances(np.zeros((3, 3), np.int32)), np.zeros((3, 3)))


@given(hnp.arrays(np.int32, (5, 6), elements=st.integers(0, 3)))
def test_every_object_reaches_one(mask: np.ndarray) -> None:
    depth = object_distances(mask)
    assert ((depth > 0) == (mask > 0)).all()
    for number in np.unique(mask[mask > 0]):
        assert depth[mask == number].max() == 1


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (np.zeros((4, 4), np.int32), 0.0),
        # Of 1, 4 and 9 pixels.
        (
            np.array([[1, 0, 2, 2], [0, 0, 2, 2], [3, 3, 3, 0], [3, 3, 3, 0], [3, 3, 3, 0]]),
            4 / np.sqrt(np.pi),
        ),
        (np.ones((2, 2, 2), np.int32), (48 / np.pi) ** (1 / 3)),
    ],
)
def test_the_median_diameter_is_that_of_a_disk_or_ball(mask: np.ndarray, expected: float) -> None:
    assert median_diameter(mask) == pytest.approx(expected)
