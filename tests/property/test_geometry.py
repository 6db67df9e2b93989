"""Any image, any size: what is cropped, padded or resized comes back to its own grid."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unetscope.preprocess import GridTransform, center_crop, center_paste, resize

FILL = -7


@st.composite
def labels_and_size(draw, longest=13, *, odd=False):
    """An array of labels in 2D or 3D, perhaps with leading axes, and a size for its last axes."""
    dimensions = draw(st.sampled_from([2, 3]))
    length = st.sampled_from(range(1, longest + 1, 2 if odd else 1))
    lengths = st.lists(length, min_size=dimensions, max_size=dimensions).map(tuple)
    lead = draw(st.sampled_from([(), (2,), (2, 3)]))
    shape = (*lead, *draw(lengths))
    return draw(hnp.arrays(np.int16, shape, elements=st.integers(0, 5))), draw(lengths)


def kept(length, size):
    """Which pixels of an axis a center crop keeps."""
    start = length // 2 - size // 2
    return np.array([start <= i < start + size for i in range(length)])


@given(labels_and_size())
def test_a_crop_comes_back_inside_and_is_filled_outside(case):
    data, size = case
    grid = data.shape[-len(size) :]
    cropped = center_crop(data, size)
    assert cropped.shape == (*data.shape[: -len(size)], *size)
    assert cropped.dtype == data.dtype
    back = center_paste(cropped, grid, fill=FILL)
    inside = np.ones(grid, bool)
    for axis, (n, s) in enumerate(zip(grid, size, strict=True)):
        inside &= np.expand_dims(kept(n, s), [i for i in range(len(grid)) if i != axis])
    np.testing.assert_array_equal(back, np.where(inside, data, FILL))


@given(labels_and_size())
def test_padding_takes_the_fill_or_values_of_the_image(case):
    data, size = case
    filled = center_crop(data, size, fill=FILL)
    edged = center_crop(data, size)
    assert (edged >= 0).all()
    np.testing.assert_array_equal(np.where(filled == FILL, edged, filled), edged)
    grid = data.shape[-len(size) :]
    padded = any(wanted > length for wanted, length in zip(size, grid, strict=True))
    assert bool((filled == FILL).any()) is padded


@given(labels_and_size())
def test_a_crop_to_the_same_size_changes_nothing(case):
    data, size = case
    grid = data.shape[-len(size) :]
    np.testing.assert_array_equal(center_crop(data, grid), data)
    np.testing.assert_array_equal(center_paste(data, grid, fill=FILL), data)


@given(labels_and_size())
def test_resized_labels_get_no_new_values(case):
    data, size = case
    resized = resize(data, size, labels=True)
    assert resized.shape == (*data.shape[: -len(size)], *size)
    assert resized.dtype == data.dtype
    assert set(np.unique(resized)) <= set(np.unique(data))


@given(labels_and_size(), st.integers(1, 4))
def test_labels_that_grew_by_a_whole_factor_come_back(case, factor):
    data, size = case
    grid = data.shape[-len(size) :]
    grown = resize(data, [factor * length for length in grid], labels=True)
    np.testing.assert_array_equal(resize(grown, grid, labels=True), data)


@given(labels_and_size(odd=True))
def test_resizing_labels_mirrors(case):
    """Nearest pixels are taken without a drift to one side; with odd lengths no two are equally near."""
    data, size = case
    axes = tuple(range(-len(size), 0))
    mirrored = np.flip(resize(np.flip(data, axes), size, labels=True), axes)
    np.testing.assert_array_equal(mirrored, resize(data, size, labels=True))


@given(labels_and_size(longest=8))
def test_resized_images_stay_within_their_range(case):
    data, size = case
    resized = resize(data, size)
    assert resized.dtype == np.float32
    assert resized.shape == (*data.shape[: -len(size)], *size)
    assert data.min() - 1e-4 <= resized.min() <= resized.max() <= data.max() + 1e-4


@st.composite
def transforms(draw, dimensions):
    lengths = st.lists(st.integers(1, 9), min_size=dimensions, max_size=dimensions).map(tuple)
    size, crop = draw(st.none() | lengths), draw(st.none() | lengths)
    return GridTransform.plan(draw(lengths), size=size, crop=crop)


@given(st.sampled_from([2, 3]).flatmap(transforms), st.data())
def test_a_transform_always_comes_back_to_the_grid(transform, data):
    labels = data.draw(hnp.arrays(np.uint8, transform.original, elements=st.integers(0, 5)))
    inside = transform.mask(labels, fill=9)
    assert inside.shape == transform.cropped
    back = transform.mask_back(inside, fill=8)
    assert back.shape == transform.original
    assert back.dtype == labels.dtype
    # 9 is padding, which is cut off again.
    assert set(np.unique(back)) <= {*np.unique(labels), 8}
    image = transform.image(labels[np.newaxis])
    assert image.shape == (1, *transform.cropped)
    assert transform.image_back(image).shape == (1, *transform.original)
    if transform.original == transform.resized == transform.cropped:
        np.testing.assert_array_equal(back, labels)
        np.testing.assert_array_equal(transform.image_back(image)[0], labels)
