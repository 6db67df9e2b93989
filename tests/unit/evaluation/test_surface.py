from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.evaluation import surface_distances


def surface_points(mask, spacing):
    """Positions of the pixels that have a neighbor outside, found pixel by pixel."""
    points = []
    for index in np.argwhere(mask):
        for axis, step in itertools.product(range(mask.ndim), (-1, 1)):
            neighbor = index.copy()
            neighbor[axis] += step
            inside = np.all(neighbor >= 0) and np.all(neighbor < mask.shape)
            if not inside or not mask[tuple(neighbor)]:
                points.append(index * np.asarray(spacing))
                break
    return np.array(points)


def brute_force(truth, predicted, spacing):
    a, b = surface_points(truth, spacing), surface_points(predicted, spacing)
    distances = np.linalg.norm(a[:, None] - b[None], axis=-1)
    to_b, to_a = distances.min(axis=1), distances.min(axis=0)
    return max(np.percentile(to_a, 95), np.percentile(to_b, 95)), np.concatenate([to_a, to_b]).mean()


@pytest.mark.parametrize(
    ("shape", "spacing"), [((14, 17), (1.0, 1.0)), ((14, 17), (2.5, 0.7)), ((7, 9, 8), (3.0, 0.5, 1.2))]
)
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_brute_force(shape, spacing, seed):
    rng = np.random.default_rng(seed)
    truth, predicted = (rng.random(shape) < density for density in (0.6, 0.1))
    expected = brute_force(truth, predicted, spacing)
    assert surface_distances(truth, predicted, spacing) == pytest.approx(expected)
    assert surface_distances(predicted, truth, spacing) == pytest.approx(expected)


def test_shifted_square_in_physical_units():
    truth = np.zeros((20, 20), bool)
    truth[5:10, 5:10] = True
    shifted = np.roll(truth, 3, axis=0)
    hausdorff_95, mean = surface_distances(truth, shifted, (2.0, 1.0))
    assert hausdorff_95 == 6.0
    assert 0 < mean < 6.0


def test_only_the_95th_percentile_ignores_a_stray_pixel():
    truth = np.zeros((60, 60), bool)
    truth[5:30, 5:30] = True
    predicted = truth.copy()
    predicted[59, 59] = True
    hausdorff_95, mean = surface_distances(truth, predicted, (1.0, 1.0))
    assert hausdorff_95 == 0.0
    assert mean == pytest.approx(math.hypot(30, 30) / (96 + 97))


def test_larger_direction_counts():
    truth = np.zeros((1, 40), bool)
    truth[0, 0] = True
    predicted = truth.copy()
    predicted[0, 20:40] = True
    hausdorff_95, _ = surface_distances(truth, predicted, (1.0, 1.0))
    assert hausdorff_95 == pytest.approx(np.percentile([0, *range(20, 40)], 95))


def test_same_masks_and_empty_masks():
    full, empty = np.ones((4, 5), bool), np.zeros((4, 5), bool)
    assert surface_distances(full, full, (1.0, 1.0)) == (0.0, 0.0)
    assert surface_distances(empty, empty, (1.0, 1.0)) == (0.0, 0.0)
    for pair in ((full, empty), (empty, full)):
        assert all(math.isnan(distance) for distance in surface_distances(*pair, (1.0, 1.0)))


@pytest.mark.parametrize("spacing", [(1.0,), (1.0, 0.0), (1.0, math.inf)])
def test_spacing_must_fit(spacing):
    mask = np.ones((3, 3), bool)
    with pytest.raises(InputError, match="one positive distance per axis"):
        surface_distances(mask, mask, spacing)


def test_shapes_must_agree():
    with pytest.raises(InputError, match=r"shapes \(3, 3\) and \(3, 4\)"):
        surface_distances(np.ones((3, 3), bool), np.ones((3, 4), bool), (1.0, 1.0))
