"""Contacts and offsets to centers, made from the numbers of objects."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from unetscope.training.centers import center_offsets, contacts

PLANE = torch.tensor(
    [
        [1, 1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 2, 2, 2],
        [0, 0, 0, 0, 0, 0, 0],
    ]
).float()


def test_contacts_are_where_two_objects_are_near() -> None:
    # Both are at most two pixels away only from these, to the right of one and to the left of the other.
    expected = torch.zeros(4, 7, dtype=torch.bool)
    expected[0:4, 2:4] = True
    assert torch.equal(contacts(PLANE[None])[0], expected)
    assert not contacts((PLANE[None] > 0).float()).any()
    assert not contacts(torch.zeros(1, 4, 4)).any()
    # What nobody labeled is no object.
    assert not contacts(torch.where(PLANE == 2, -1, PLANE)[None]).any()


@pytest.mark.parametrize("shape", [(2, 9, 12), (2, 5, 6, 7)])
def test_contacts_are_those_of_all_pairs_of_pixels(shape: tuple[int, ...]) -> None:
    objects = np.random.default_rng(3).choice([0, 1, 2, 3], p=[0.85, 0.05, 0.05, 0.05], size=shape)
    found = contacts(torch.from_numpy(objects.astype(np.float32))).numpy()
    for sample, where in zip(objects, found, strict=True):
        for place in np.ndindex(sample.shape):
            around = sample[tuple(slice(max(at - 2, 0), at + 3) for at in place)]
            assert where[place] == (len(set(around[around > 0].tolist())) > 1)


def test_offsets_end_at_centers() -> None:
    offsets = center_offsets(PLANE[None], 2)
    assert offsets.dtype == torch.float32
    assert offsets.shape == (1, 2, 4, 7)
    assert offsets[0, :, 0, 0].tolist() == [0.5, 0.5]
    assert offsets[0, :, 1, 0].tolist() == [-0.5, 0.5]
    assert offsets[0, :, 2, 4].tolist() == [0, 1]
    assert offsets[0, :, 2, 6].tolist() == [0, -1]
    assert offsets[0, :, 3].abs().sum() == 0


@given(
    hnp.arrays(np.int16, hnp.array_shapes(min_dims=3, max_dims=4, max_side=7), elements=st.integers(-1, 4))
)
def test_offsets_agree_with_scipy_in_any_dimension(objects: np.ndarray) -> None:
    found = center_offsets(torch.from_numpy(objects).float(), 4).numpy()
    for sample, offsets in zip(objects, found, strict=True):
        places = np.indices(sample.shape)
        for number in np.unique(sample):
            inside = sample == number
            center = np.array(ndimage.center_of_mass(inside)) if number > 0 else None
            for axis in range(sample.ndim):
                expected = 0 if center is None else center[axis] - places[axis][inside]
                np.testing.assert_allclose(offsets[axis][inside], expected, atol=1e-4)
