"""Any lattice-preserving change of a label image is undone on the grid of its image."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from unetscope.io import Image
from unetscope.io.grid import geometry_of, labels_on

LENGTHS = st.tuples(*[st.integers(1, 5)] * 3)
ANGLES = st.tuples(*[st.floats(-180, 180)] * 3)
SPACINGS = st.tuples(*[st.floats(0.05, 20)] * 3)
POSITIONS = st.tuples(*[st.floats(-500, 500)] * 3)


@given(
    shape=LENGTHS,
    angles=ANGLES,
    spacing=SPACINGS,
    position=POSITIONS,
    order=st.permutations(range(3)),
    flips=st.tuples(*[st.booleans()] * 3),
    pads=st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 3),
    seed=st.integers(0, 99),
)
def test_moved_labels_come_back(*, shape, angles, spacing, position, order, flips, pads, seed):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * spacing
    affine[:3, 3] = position
    data = np.random.default_rng(seed).integers(0, 9, shape, np.uint8)

    # Padding, flipping and reordering, with the matrix from new indices to old ones beside it.
    moved, back = np.pad(data, pads), np.eye(4)
    back[:3, 3] = [-before for before, _ in pads]
    for axis in np.flatnonzero(flips):
        back[:, 3] += back[:, axis] * (moved.shape[axis] - 1)
        back[:, axis] *= -1
        moved = np.flip(moved, axis)
    moved, back = moved.transpose(order), back[:, [*order, 3]]

    image = Image(np.zeros(shape), "ZYX", affine=affine)
    put = labels_on(Image(moved, "ZYX", affine=affine @ back), image)
    np.testing.assert_array_equal(put.data, data)


@given(angles=ANGLES, spacing=SPACINGS, position=POSITIONS)
def test_geometry_of_a_turned_grid(angles, spacing, position):
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    affine[:3, 3] = position
    distances, origin = geometry_of(affine, "ZYX")
    np.testing.assert_allclose(distances, spacing)
    # Coordinates along the own axes say the same as those in the patient.
    np.testing.assert_allclose(turn @ origin, position, atol=1e-6)
