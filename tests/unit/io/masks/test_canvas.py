"""Objects on one label image, and polygons by the centers of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import polygon

from unetscope.errors import InputError
from unetscope.io.masks import canvas as module
from unetscope.io.masks.canvas import Canvas, polygon_pixels

SQUARE = np.array([[1.0, 1], [4, 1], [4, 3], [1, 3]])
RIGHT, DOWN = np.array([3, 0]), np.array([0, 2])


def drawn(*rings, grid=(6, 7)):
    inside = np.zeros(grid, int)
    np.add.at(inside, polygon_pixels(rings, grid), 1)
    assert inside.max(initial=0) <= 1
    return inside.astype(bool)


def test_centers_on_the_border_belong_to_one_side():
    np.testing.assert_array_equal(
        np.argwhere(drawn(SQUARE)), [[1, 1], [1, 2], [1, 3], [2, 1], [2, 2], [2, 3]]
    )
    neighbors = drawn(SQUARE) | drawn(SQUARE + RIGHT) | drawn(SQUARE + DOWN) | drawn(SQUARE + RIGHT + DOWN)
    assert neighbors.sum() == 4 * drawn(SQUARE).sum()


def test_holes_and_parts():
    outer = np.array([[-0.5, -0.5], [5.5, -0.5], [5.5, 4.5], [-0.5, 4.5]])
    expected = np.zeros((6, 7), bool)
    expected[:5, :6] = True
    expected[1:3, 1:4] = False
    np.testing.assert_array_equal(drawn(outer, SQUARE), expected)
    assert drawn(SQUARE, SQUARE + DOWN).sum() == 12


def test_outside_is_cut_off():
    np.testing.assert_array_equal(
        drawn(np.array([[-100.0, -100], [200, -100], [200, 100], [-100, 100]])), True
    )
    assert not drawn(SQUARE + 50).any()
    assert not drawn(SQUARE - 50).any()


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.floats(-2, 14), st.floats(-2, 12)), min_size=3, max_size=9))
def test_the_same_pixels_as_scikit_image(points):
    # Shifted, so that no center comes to lie on the border, where the two choose differently.
    ring = np.round(np.array(points), 1) + np.array([0.037, 0.0523])
    rows, columns = polygon(ring[:, 1], ring[:, 0], (11, 13))
    expected = np.zeros((11, 13), bool)
    expected[rows, columns] = True
    np.testing.assert_array_equal(drawn(ring, grid=(11, 13)), expected)


def test_direction_and_start_do_not_matter():
    ring = np.random.default_rng(3).uniform(0, 30, (12, 2))
    first = drawn(ring, grid=(30, 30))
    np.testing.assert_array_equal(drawn(ring[::-1], grid=(30, 30)), first)
    np.testing.assert_array_equal(drawn(np.roll(ring, 5, axis=0), grid=(30, 30)), first)


def test_an_endless_outline_is_refused(monkeypatch):
    monkeypatch.setattr(module, "_MOST_CROSSINGS", 100)
    zigzag = np.column_stack([np.arange(60), np.arange(60) % 2 * 50.0])
    with pytest.raises(InputError, match="60 points crosses rows of pixels"):
        polygon_pixels([zigzag], (50, 50))


def pixels(*flat):
    return np.unravel_index(np.array(flat, np.intp), (2, 3))


def test_overlapping_pixels_stay_with_the_earlier_object():
    canvas = Canvas("a.json", (2, 3))
    canvas.add("one", pixels(0, 1), 1)
    canvas.add("two", pixels(1, 2, 3), 300)
    data, notes = canvas.finish()
    np.testing.assert_array_equal(data, [[1, 1, 300], [300, 0, 0]])
    assert data.dtype == np.uint16
    assert notes == ("1 pixel of a.json in several objects went to the earliest of them.",)


def test_hidden_and_empty_objects():
    canvas = Canvas("a.json", (2, 3))
    canvas.add("one", pixels(0, 1), 1)
    canvas.add("two", pixels(), 2)
    assert canvas.finish()[1] == ("In a.json, two covers no pixel.",)
    canvas.add("three", pixels(1), 3)
    with pytest.raises(InputError, match=r"in a\.json, three lies wholly below earlier objects"):
        canvas.finish()


def test_parts_of_a_class_may_cover_each_other():
    canvas = Canvas("a.json", (2, 3))
    canvas.add("one", pixels(0, 1), 1)
    canvas.add("two", pixels(1), 1)
    assert canvas.finish()[1] == ()


def test_endless_copies_are_refused():
    canvas = Canvas("a.json", (2, 3))
    for i in range(64):
        canvas.add(str(i), pixels(0, 1, 2, 3, 4, 5), i + 1)
    with pytest.raises(InputError, match="more than 64 times"):
        canvas.add("65", pixels(0), 65)
