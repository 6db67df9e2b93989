"""From foreground and cores to objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from unetscope.inference.instances import fill_holes, gather_objects, grow_objects, keep_large, vote_scatter
from unetscope.preprocess import object_distances


def disks(*centers: tuple[float, ...], radius: float, grid: tuple[int, ...]) -> np.ndarray:
    """Objects numbered in the order of their centers; each pixel belongs to the nearest."""
    place = np.stack(np.meshgrid(*map(np.arange, grid), indexing="ij"), axis=-1)
    distances = np.stack([np.linalg.norm(place - center, axis=-1) for center in centers])
    return np.where(distances.min(0) <= radius, distances.argmin(0) + 1, 0).astype(np.int32)


@pytest.mark.parametrize(
    ("centers", "grid"),
    [(((12, 10), (12, 25), (30, 18)), (44, 40)), (((10, 10, 9), (10, 10, 22)), (20, 20, 32))],
)
def test_touching_objects_are_told_apart(centers: tuple[tuple[int, ...], ...], grid: tuple[int, ...]) -> None:
    truth = disks(*centers, radius=8, grid=grid)
    assert ndimage.label(truth > 0)[1] < len(centers)
    found = grow_objects(truth > 0, object_distances(truth), seed=0.6)
    assert found.dtype == np.int32
    assert found.max() == len(centers)
    assert ((found > 0) == (truth > 0)).all()
    # Same objects, whatever their numbers.
    same = [(found == found[center]) & (truth == truth[center]) for center in centers]
    assert sum(part.sum() for part in same) >= 0.98 * (truth > 0).sum()


def offsets_of(truth: np.ndarray, rng: np.random.Generator, error: float = 0.0) -> np.ndarray:
    """To the center of each pixel's object, wrong by so many pixels on average; nonsense outside."""
    centers = np.array([np.argwhere(truth == number).mean(0) for number in range(1, truth.max() + 1)])
    offsets = centers[np.maximum(truth, 1) - 1] - np.moveaxis(np.indices(truth.shape), 0, -1)
    offsets += rng.normal(0, error, offsets.shape)
    offsets[truth == 0] = 100
    return np.moveaxis(offsets, -1, 0).astype(np.float32)


@pytest.mark.parametrize("error", [0.0, 1.0])
@pytest.mark.parametrize(
    ("centers", "grid"),
    [(((12, 10), (12, 25), (30, 18)), (44, 40)), (((10, 10, 9), (10, 10, 22)), (20, 20, 32))],
)
def test_pixels_that_point_to_one_place_are_an_object(
    centers: tuple[tuple[int, ...], ...], grid: tuple[int, ...], error: float
) -> None:
    truth = disks(*centers, radius=8, grid=grid)
    offsets = offsets_of(truth, np.random.default_rng(0), error)
    weights = np.ones(grid, np.float32)
    found = gather_objects(truth > 0, offsets, weights, seed=0.3, diameter=16)
    assert found.dtype == np.int32
    assert found.max() == len(centers)
    assert ((found > 0) == (truth > 0)).all()
    for number, center in enumerate(centers, start=1):
        assert (found[truth == number] == found[center]).mean() > (0.99 if error else 0.999)


@pytest.mark.parametrize("error", [0.0, 0.5, 2.0])
def test_votes_scatter_as_far_as_they_err(error: float) -> None:
    truth = disks((12, 10), (12, 30), (34, 18), radius=8, grid=(48, 42))
    offsets = offsets_of(truth, np.random.default_rng(0), error)
    # The mean length of errors that are normal along two axes.
    assert vote_scatter(truth, offsets) == pytest.approx(error * np.sqrt(np.pi / 2), rel=0.05, abs=1e-5)
    # Halves of objects point to the same places as the wholes.
    halves = truth + 3 * ((truth > 0) & (np.indices(truth.shape)[0] > 20))
    assert vote_scatter(halves, offsets) == pytest.approx(vote_scatter(truth, offsets), rel=0.05, abs=1e-5)


def test_nobody_votes() -> None:
    truth = disks((12, 10), radius=8, grid=(24, 24))
    assert vote_scatter(truth, np.empty((0, 24, 24), np.float32)) == 0
    assert vote_scatter(np.zeros_like(truth), np.ones((2, 24, 24), np.float32)) == 0


def test_few_votes_or_light_ones_make_no_center() -> None:
    truth = disks((10, 10), (10, 26), radius=8, grid=(20, 36))
    small = (truth == 2) & (np.indices(truth.shape)[1] > 29)
    truth[(truth == 2) & ~small] = 0
    offsets = offsets_of(truth, np.random.default_rng(0))
    weights = np.ones(truth.shape, np.float32)
    share = small.sum() / (truth == 1).sum()
    for seed, count in ((0.6 * share, 2), (1.5 * share, 1)):
        assert gather_objects(truth > 0, offsets, weights, seed=seed, diameter=16).max() == count
    weights[small] = 0.1
    assert gather_objects(truth > 0, offsets, weights, seed=0.6 * share, diameter=16).max() == 1
    # Without any center, objects are the connected parts.
    assert gather_objects(truth > 0, offsets, weights, seed=9.0, diameter=16).max() == 2
    assert gather_objects(truth < 0, offsets, weights, seed=0.5, diameter=16).max() == 0


def test_a_part_without_a_core_is_an_object() -> None:
    truth = disks((8, 8), (8, 30), radius=5, grid=(18, 40))
    cores = object_distances(truth)
    cores[:, 20:] *= 0.3
    found = grow_objects(truth > 0, cores, seed=0.6)
    assert found.max() == 2


def test_nothing_to_grow() -> None:
    nothing = np.zeros((4, 4))
    assert grow_objects(nothing > 0, nothing.astype(np.float32), seed=0.5).max() == 0
    # Cores outside of the foreground are none.
    assert grow_objects(nothing > 0, np.ones((4, 4), np.float32), seed=0.5).max() == 0


def test_holes_are_filled_by_the_object_around_them() -> None:
    objects = np.array(
        [
            [1, 1, 1, 2, 2, 2, 0],
            [1, 0, 1, 2, 0, 2, 0],
            [1, 1, 1, 2, 2, 2, 0],
            [3, 3, 3, 2, 3, 3, 3],
            [3, 0, 3, 0, 3, 0, 3],
            [3, 0, 3, 3, 3, 3, 3],
        ],
        np.int32,
    )
    filled = objects.copy()
    filled[1, 1], filled[1, 4], filled[4, 5] = 1, 2, 3
    # Between two objects, and open to the border, holes stay.
    np.testing.assert_array_equal(fill_holes(objects), filled)
    assert filled[4, 3] == 0
    assert filled[4, 1] == 0


@given(hnp.arrays(np.int32, (6, 7), elements=st.integers(0, 2)))
def test_filling_agrees_with_scipy_where_one_object_is_alone(objects: np.ndarray) -> None:
    alone = (objects == 1).astype(np.int32)
    np.testing.assert_array_equal(fill_holes(alone) > 0, ndimage.binary_fill_holes(alone))
    filled = fill_holes(objects)
    np.testing.assert_array_equal(filled[objects > 0], objects[objects > 0])


def test_small_objects_are_removed_and_the_others_counted_anew() -> None:
    objects = np.array([[1, 2, 2, 3, 3, 3, 5, 5, 5]], np.int32)
    np.testing.assert_array_equal(keep_large(objects, 3), [[0, 0, 0, 1, 1, 1, 2, 2, 2]])
    np.testing.assert_array_equal(keep_large(objects, 0), [[1, 2, 2, 3, 3, 3, 4, 4, 4]])
    assert keep_large(np.zeros((2, 2), np.int32), 5).max() == 0
