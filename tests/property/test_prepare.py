"""Whatever is resized and cropped, everything stays where it was in the world."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unetscope import api
from unetscope.io import Image
from unetscope.io.grid import geometry_of
from unetscope.recipe.recipe import Normalize, Preprocess

AS_IT_IS = Normalize(method="none")
SPACINGS = st.floats(0.2, 5)
ORIGINS = st.floats(-50, 50)


def tuples(elements, count):
    return st.tuples(*[elements] * count)


@st.composite
def cases(draw):
    """A plane or volume whose values grow along its axes, and how to prepare it."""
    dimensions = draw(st.sampled_from([2, 3]))
    axes = "ZYX"[-dimensions:]
    lengths = st.integers(18, 40 if dimensions == 2 else 22)
    grid = draw(tuples(lengths, dimensions))
    spacing, origin = draw(tuples(SPACINGS, dimensions)), draw(tuples(ORIGINS, dimensions))
    slope = np.array(draw(tuples(st.floats(-3, 3), dimensions)))
    places = [o + s * np.arange(n) for n, s, o in zip(grid, spacing, origin, strict=True)]
    image = Image(value_at(slope, places), axes, spacing, origin, "mm")
    sizes = st.none() | tuples(lengths, dimensions)
    return image, slope, Preprocess(normalize=AS_IT_IS, resize=draw(sizes), crop=draw(sizes))


def value_at(slope, places):
    grids = np.meshgrid(*places, indexing="ij")
    return np.tensordot(slope, np.stack(grids), axes=1)


def places_of(image):
    return [o + s * np.arange(n) for n, s, o in zip(image.grid, image.spacing, image.origin, strict=True)]


@given(cases())
def test_values_stay_at_their_place(case):
    image, slope, settings = case
    prepared = api.prepare(image, settings)
    places = places_of(prepared)
    inside = np.ones(prepared.grid, bool)
    for axis, (own, new) in enumerate(zip(places_of(image), places, strict=True)):
        # Near the border, interpolation and smoothing meet what is no longer there.
        margin = 0 if settings.resize is None else 0.3 * (own[-1] - own[0])
        near = (new >= own[0] + margin - 1e-9) & (new <= own[-1] - margin + 1e-9)
        inside &= np.expand_dims(near, [i for i in range(len(places)) if i != axis])
    wrong = np.abs(prepared.data - value_at(slope, places))[inside]
    assert inside.any()
    assert wrong.max() < 1e-3 * max(1, np.abs(image.data).max())


@given(cases(), st.integers(0, 2**32 - 1))
def test_the_affine_moves_with_the_grid(case, seed):
    image, _, settings = case
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = rotation * rng.uniform(0.3, 3, 3)
    affine[:3, 3] = rng.uniform(-100, 100, 3)
    spacing, origin = geometry_of(affine, image.axes)
    placed = Image(image.data, image.axes, spacing, origin, "mm", affine=affine)
    prepared = api.prepare(placed, settings)
    along, start = geometry_of(prepared.affine, image.axes)
    np.testing.assert_allclose(prepared.spacing, along, rtol=1e-9)
    np.testing.assert_allclose(prepared.origin, start, atol=1e-9)
    # The same point, counted in pixels of both grids.
    kept = slice(3 - len(image.grid), 3)
    new, old = np.eye(4)[3], np.eye(4)[3]
    new[kept] = rng.uniform(0, 10, len(image.grid))
    steps = np.divide(prepared.spacing, spacing)
    old[kept] = np.subtract(prepared.origin, origin) / spacing + new[kept] * steps
    np.testing.assert_allclose(prepared.affine @ new, affine @ old, atol=1e-6)


@given(cases())
def test_nothing_to_do_leaves_the_place_untouched(case):
    image, _, _ = case
    prepared = api.prepare(image, Preprocess(normalize=AS_IT_IS))
    assert (prepared.spacing, prepared.origin, prepared.grid) == (image.spacing, image.origin, image.grid)
