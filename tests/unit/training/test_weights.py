"""Border weights against the formula, evaluated over all objects."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from unetscope.preprocess import IGNORED
from unetscope.recipe.recipe import BorderWeights
from unetscope.training.weights import border_term, class_term, weight_map


def _by_definition(objects: NDArray[np.int_], w0: float, sigma: float) -> NDArray[np.float64]:
    pixels = np.argwhere(np.ones_like(objects, dtype=bool))
    numbers = [number for number in np.unique(objects) if number != 0]
    if len(numbers) < 2:
        return np.zeros(objects.shape)
    distances = np.sort([cdist(pixels, np.argwhere(objects == n)).min(axis=1) for n in numbers], axis=0)
    return (w0 * np.exp(-((distances[0] + distances[1]) ** 2) / (2 * sigma**2))).reshape(objects.shape)


def test_a_gap_of_three_pixels() -> None:
    objects = np.array([[1, 0, 0, 0, 2]])
    # d1 + d2 is 4 in the gap, and 0 + 4 on the rims.
    expected = 10 * math.exp(-16 / (2 * 25))
    np.testing.assert_allclose(border_term(objects, w0=10, sigma=5), np.full((1, 5), expected), rtol=1e-6)


def test_the_formula_with_its_class_term() -> None:
    objects = np.array([[1, 0, 2, 0, 0, 0]])
    classes = (objects > 0).astype(np.int16)
    # Two of six pixels are objects: w_c is 6/(2·2) there and 6/(2·4) elsewhere.
    frequency = np.array([[1.5, 0.75, 1.5, 0.75, 0.75, 0.75]])
    sums = np.array([[2, 2, 2, 1 + 3, 2 + 4, 3 + 5]])
    expected = frequency + 3 * np.exp(-(sums**2) / (2 * 2**2))
    result = weight_map(objects, classes, BorderWeights(w0=3, sigma=2))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-5)
    without = weight_map(objects, classes, BorderWeights(w0=3, sigma=2, balance=False))
    np.testing.assert_allclose(without, expected - frequency + 1, rtol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([(1, 30), (13, 17), (40, 40), (5, 6, 7)]),
    st.integers(0, 6),
    st.sampled_from([0.3, 1.0, 5.0, 40.0]),
)
def test_agrees_with_the_definition(seed: int, grid: tuple[int, ...], count: int, sigma: float) -> None:
    rng = np.random.default_rng(seed)
    objects = np.zeros(grid, dtype=int)
    for number in rng.permutation(200)[:count] + 1:
        corner = [rng.integers(0, length) for length in grid]
        objects[tuple(slice(c, c + rng.integers(1, 6)) for c in corner)] = number
    result = border_term(objects, w0=10, sigma=sigma)
    np.testing.assert_allclose(result, _by_definition(objects, 10, sigma), atol=1e-5)


def test_no_background_at_all() -> None:
    objects = np.array([[1, 1, 2, 2]])
    np.testing.assert_allclose(border_term(objects, w0=1, sigma=1), _by_definition(objects, 1, 1), atol=1e-6)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_objects_have_no_border(count: int) -> None:
    objects = np.zeros((9, 9), dtype=int)
    objects[2:4, 2:4] = count
    assert not border_term(objects, w0=10, sigma=5).any()


def test_objects_out_of_reach_have_no_border() -> None:
    objects = np.zeros((4, 100), dtype=int)
    objects[:, 0], objects[:, -1] = 1, 2
    assert border_term(objects, w0=10, sigma=5).max() < 1e-5


@given(st.integers(0, 10**6), st.integers(1, 4), st.booleans())
def test_the_class_term_weighs_classes_alike_and_one_on_average(seed: int, count: int, ignored: bool) -> None:
    rng = np.random.default_rng(seed)
    classes = rng.choice(count, size=(7, 9), p=rng.dirichlet(np.ones(count))).astype(np.int16)
    if ignored:
        classes[:2] = IGNORED
    weights = class_term(classes)
    labeled = classes != IGNORED
    assert (weights[~labeled] == 0).all()
    assert weights[labeled].mean() == pytest.approx(1, rel=1e-5)
    sums = [weights[classes == c].sum() for c in np.unique(classes[labeled])]
    assert sums == pytest.approx([sums[0]] * len(sums), rel=1e-5)


def test_the_class_term_of_nothing_labeled() -> None:
    assert not class_term(np.full((3, 3), IGNORED, dtype=np.int16)).any()
