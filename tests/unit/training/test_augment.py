"""Augmentation: exact where nothing moves, aligned where everything does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from unetscope.recipe.recipe import Augmentation
from unetscope.training import augment
from unetscope.training.augment import Placement, change_values, place

STRONG = Augmentation(
    rotation=180,
    zoom=0.3,
    stretch=0.2,
    shift=0.2,
    shear=20,
    elastic=3,
    elastic_spacing=12,
    flip=("Z", "Y", "X"),
)


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def resample(
    arrays: Sequence[NDArray[np.float32]],
    placements: Sequence[Placement],
    size: Sequence[int],
    *,
    labels: int,
) -> torch.Tensor:
    tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
    return augment.resample(tensors, placements, size, labels=labels)


def _array(*shape: int) -> NDArray[np.float32]:
    return _rng().random(shape).astype(np.float32)


def _at(
    matrix: object = None, *, center: object = (9.5, 9.5), flips: tuple[bool, ...] = (False, False)
) -> Placement:
    matrix = np.eye(len(flips)) if matrix is None else np.asarray(matrix, dtype=float)
    return Placement(np.asarray(center, dtype=float), matrix, flips)


def _disk(size: int, radius: float, center: tuple[float, ...]) -> NDArray[np.float32]:
    grids = np.meshgrid(*[np.arange(size)] * len(center), indexing="ij")
    return (sum((g - c) ** 2 for g, c in zip(grids, center, strict=True)) < radius**2).astype(np.float32)


@pytest.mark.parametrize("size", [(20, 20), (7, 8), (8, 7), (1, 20)])
def test_nothing_asked_for_is_a_cut(size: tuple[int, int]) -> None:
    array = _array(2, 20, 20)
    middle = np.full(2, 9.5)
    placement = place(middle, size, Augmentation(), _rng())
    assert placement.is_exact
    result = resample([array], [placement], size, labels=1)
    first = [int(np.floor(9.5 - (length - 1) / 2 + 0.5)) for length in size]
    cut = array[:, first[0] : first[0] + size[0], first[1] : first[1] + size[1]]
    np.testing.assert_array_equal(result[0], cut)


def test_beyond_the_border_the_image_is_mirrored() -> None:
    array = _array(1, 5, 6)
    result = resample([array], [_at(center=(2, 2.5))], (15, 20), labels=0)
    np.testing.assert_array_equal(result[0], np.pad(array, [(0, 0), (5, 5), (7, 7)], mode="reflect"))
    one = resample([array[:, :1]], [_at(center=(0, 2.5))], (3, 6), labels=0)
    np.testing.assert_array_equal(one[0], np.repeat(array[:, :1], 3, axis=1))


@pytest.mark.parametrize("flips", [(True, False), (False, True), (True, True), (True, False, True)])
def test_flips_are_exact(flips: tuple[bool, ...]) -> None:
    array = _array(2, *[6] * len(flips))
    result = resample([array], [_at(center=[2.5] * len(flips), flips=flips)], array.shape[1:], labels=1)
    np.testing.assert_array_equal(result[0], np.flip(array, [i + 1 for i, f in enumerate(flips) if f]))


def test_half_of_the_samples_are_flipped() -> None:
    rng = _rng()
    drawn = [place(np.zeros(3), (4, 4, 4), Augmentation(flip=("X",)), rng) for _ in range(400)]
    assert all(p.flips[:2] == (False, False) for p in drawn)
    assert 160 < sum(p.flips[2] for p in drawn) < 240


@pytest.mark.parametrize("size", [(20, 20), (11, 14)])
def test_a_transform_by_nothing_changes_nothing(size: tuple[int, int]) -> None:
    """Interpolating at the pixels themselves, with an elastic grid of zeros."""
    array = _array(3, 20, 20)
    center = np.asarray(size) / 2 - 0.5
    still = Placement(center, np.eye(2), (False, False), np.zeros((2, 3, 3), np.float32))
    assert not still.is_exact
    result = resample([array], [still], size, labels=1)
    np.testing.assert_allclose(result[0], array[:, : size[0], : size[1]], atol=1e-5)


def test_a_quarter_turn_is_exact() -> None:
    array = _array(2, 20, 20)
    turned = resample([array], [_at([[0, -1], [1, 0]])], (20, 20), labels=1)[0]
    np.testing.assert_allclose(turned, np.rot90(array, -1, axes=(1, 2)), atol=1e-5)


def test_the_seed_decides() -> None:
    array = _array(2, 20, 20)

    def draw(seed: int) -> torch.Tensor:
        return resample([array], [place(np.full(2, 9.5), (16, 16), STRONG, _rng(seed))], (16, 16), labels=1)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([2, 3]))
def test_labels_get_no_new_values(seed: int, dimensions: int) -> None:
    labels = _rng(seed).choice([-1, 0, 1, 7], size=(1, *[14] * dimensions)).astype(np.float32)
    placement = place(np.full(dimensions, 6.5), [12] * dimensions, STRONG, _rng(seed))
    result = resample([np.concatenate([labels, labels])], [placement], [12] * dimensions, labels=1)
    assert set(result[0, 1].unique().tolist()) <= {-1, 0, 1, 7}
    assert len(result[0, 0].unique()) > 4


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([2, 3]))
def test_image_and_mask_stay_together(seed: int, dimensions: int) -> None:
    size, middle = (48, 23.5) if dimensions == 2 else (24, 11.5)
    disk = _disk(size, size / 4, (middle,) * dimensions)
    shape = [size] * dimensions
    placement = place(np.full(dimensions, middle), shape, STRONG, _rng(seed))
    image, mask = resample([np.stack([disk, disk])], [placement], shape, labels=1)[0]
    assert torch.equal(mask, mask.round())
    # Linear interpolation differs from the nearest pixel by less than a pixel's step.
    border = (image > 0.01) & (image < 0.99)
    assert torch.equal((image >= 0.5)[~border], (mask >= 0.5)[~border])
    assert ((image >= 0.5) != (mask >= 0.5)).sum() <= 0.3 * border.sum()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([2, 3]), st.sampled_from([0.0, 0.5, 1.0]))
def test_a_batch_is_its_samples(seed: int, dimensions: int, probability: float) -> None:
    """Of images of two sizes, some of them smaller than the samples, and some samples that are only cut."""
    rng = _rng(seed)
    mixed = STRONG.model_copy(update={"probability": probability})
    arrays = [rng.random((2, *[side] * dimensions)).astype(np.float32) for side in (30, 9, 30, 9, 30)]
    size = [16, 12, 10][:dimensions]
    placements = [place(rng.uniform(0, np.array(a.shape[1:])), size, mixed, rng) for a in arrays]
    batch = resample(arrays, placements, size, labels=1)
    assert batch.is_contiguous()
    for sample, array, where in zip(batch, arrays, placements, strict=True):
        alone = resample([array], [where], size, labels=1)[0]
        if where.is_exact:
            assert torch.equal(sample, alone)
        torch.testing.assert_close(sample[0], alone[0], atol=1e-4, rtol=0)
        # Halfway between two pixels, rounding decides.
        assert (sample[1] != alone[1]).float().mean() < 0.01


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([(40, 30), (7, 50), (1, 9), (14, 12, 16), (3, 20, 1)]))
def test_samples_are_those_of_scipy(seed: int, shape: tuple[int, ...]) -> None:
    """Also beyond the border, once and several times over; and whatever whole numbers labels are."""
    rng, size = _rng(seed), [12, 10, 14][: len(shape)]
    image = rng.random(shape).astype(np.float32)
    ids = rng.integers(0, 2**24, shape).astype(np.float32)
    still = STRONG.model_copy(update={"elastic": 0.0, "shift": 0.8})
    where = place(rng.uniform(0, np.array(shape)), size, still, rng)
    found = resample([np.stack([image, ids])], [where], size, labels=1)[0].numpy()
    signs = np.where(where.flips, -1, 1)
    axes = [sign * (np.arange(n) - (n - 1) / 2) for n, sign in zip(size, signs, strict=True)]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"))
    places = where.center.reshape(-1, *[1] * len(size)) + np.tensordot(where.matrix, offsets, axes=1)
    expected = ndimage.map_coordinates(image, places, order=1, mode="mirror")
    np.testing.assert_allclose(found[0], expected, atol=1e-4)
    nearest = ndimage.map_coordinates(ids, places, order=0, mode="mirror")
    assert (found[1] != nearest).mean() < 0.01
    assert np.isin(found[1], ids).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_every_sample_pixel_comes_from_its_place(seed: int) -> None:
    """In an image of its own coordinates, a sample shows where it was taken."""
    coordinates = np.stack(np.meshgrid(np.arange(200.0), np.arange(200.0), indexing="ij")).astype(np.float32)
    elastic = Augmentation(elastic=6, elastic_spacing=8, rotation=30)
    placement = place(np.array([99.0, 101.0]), (24, 24), elastic, _rng(seed))
    sample = resample([coordinates], [replace(placement, elastic=None)], (24, 24), labels=0)[0].numpy()
    axis = np.arange(24) - 11.5
    offsets = np.stack(np.meshgrid(axis, axis, indexing="ij"))
    expected = placement.center[:, None, None] + np.tensordot(placement.matrix, offsets, axes=1)
    np.testing.assert_allclose(sample, expected, atol=1e-3)
    bent = resample([coordinates], [placement], (24, 24), labels=0)[0].numpy()
    # The displaced points lie on the corners of the sample.
    corners = (slice(None), slice(None, None, 23), slice(None, None, 23))
    displaced = expected[corners] + placement.elastic[:, ::3, ::3]
    np.testing.assert_allclose(bent[corners], displaced, atol=1e-3)


def test_a_displacement_that_overshoots_is_not_cut_off() -> None:
    """Bicubic interpolation goes beyond the numbers it is given."""
    coordinates = np.stack(np.meshgrid(np.arange(99.0), np.arange(99.0), indexing="ij")).astype(np.float32)
    elastic = np.zeros((2, 4, 6), np.float32)
    elastic[0] = 20 * np.array([1, 1, 1, 1, -1, -1])
    placement = Placement(np.array([49.0, 49.0]), np.eye(2), (False, False), elastic)
    rows = resample([coordinates], [placement], (9, 61), labels=0)[0, 0]
    assert rows.max() > 53 + 20 + 1
    torch.testing.assert_close(rows - rows[:1], torch.arange(9.0)[:, None].expand(9, 61), atol=1e-3, rtol=0)


def _size_of(placement: Placement, size: int = 60) -> NDArray[np.int_]:
    """Rows and columns that a centered square of 20 pixels covers in the sample."""
    array = np.zeros((1, size, size), np.float32)
    array[:, 20:40, 20:40] = 1
    mask = resample([array], [placement], (size, size), labels=1)[0, 0] > 0
    return np.array([mask.any(dim=1).sum(), mask.any(dim=0).sum()])


def test_zoom_makes_objects_larger() -> None:
    rng = _rng()
    for _ in range(20):
        placement = place(np.full(2, 29.5), (60, 60), Augmentation(zoom=0.4), rng)
        scale = 1 / placement.matrix[0, 0]
        assert 0.6 <= scale <= 1.4
        np.testing.assert_array_equal(placement.matrix, np.eye(2) / scale)
        np.testing.assert_allclose(_size_of(placement), 20 * scale, atol=1.01)


def test_stretch_is_along_each_axis() -> None:
    placement = place(np.full(2, 29.5), (60, 60), Augmentation(stretch=0.5), _rng(1))
    scale = 1 / np.diag(placement.matrix)
    assert abs(scale[0] - scale[1]) > 0.1
    np.testing.assert_allclose(_size_of(placement), 20 * scale, atol=1.01)


def test_shift_moves_the_window() -> None:
    rng, shifts = _rng(), []
    for _ in range(200):
        placement = place(np.full(2, 29.5), (60, 40), Augmentation(shift=0.1), rng)
        shifts.append(placement.center - 29.5)
        array = _disk(60, 6, (29.5, 29.5))[None]
        sample = resample([array], [placement], (60, 60), labels=1)[0, 0]
        center = torch.stack([i.float().mean() for i in sample.nonzero(as_tuple=True)]).numpy()
        np.testing.assert_allclose(center, 29.5 - shifts[-1], atol=0.51)
    low, high = np.min(shifts, axis=0), np.max(shifts, axis=0)
    assert (-6 <= low[0] < -5, -4 <= low[1] < -3.3) == (True, True)
    assert (5 < high[0] <= 6, 3.3 < high[1] <= 4) == (True, True)


def test_shear_moves_columns_along_with_rows() -> None:
    placement = place(np.full(2, 29.5), (60, 60), Augmentation(shear=40), _rng(2))
    rows, columns = _size_of(placement)
    tangent = abs(placement.matrix[0, 1])
    assert tangent > 0.2
    assert placement.matrix[1, 0] == 0
    assert columns == 20
    assert rows == pytest.approx(20 + 20 * tangent, abs=2)


def test_rotation_keeps_sizes() -> None:
    for seed in range(10):
        matrix = place(np.zeros(2), (9, 9), Augmentation(rotation=30), _rng(seed)).matrix
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(2), atol=1e-12)
        assert np.arccos(matrix[0, 0]) <= np.radians(30) + 1e-9


def test_volumes_rotate_in_the_plane() -> None:
    matrix = place(np.zeros(3), (5, 9, 9), Augmentation(rotation=90), _rng()).matrix
    np.testing.assert_array_equal(matrix[0], [1, 0, 0])
    np.testing.assert_array_equal(matrix[:, 0], [1, 0, 0])
    assert matrix[1, 2] != 0


def test_probability_is_the_part_that_is_touched() -> None:
    rng = _rng()
    some = Augmentation(rotation=90, probability=0.3)
    touched = [not place(np.zeros(2), (9, 9), some, rng).is_exact for _ in range(500)]
    assert 0.23 < np.mean(touched) < 0.37


def test_samples_of_different_images_share_a_batch() -> None:
    arrays = [_array(1, 20, 20), _array(1, 33, 9)]
    result = resample(arrays, [_at(), _at(center=(16, 4))], (8, 8), labels=0)
    np.testing.assert_array_equal(result[0, 0], arrays[0][0, 6:14, 6:14])
    np.testing.assert_array_equal(result[1, 0], arrays[1][0, 13:21, 1:9])


def _values(seed: int = 0) -> torch.Tensor:
    return torch.rand((64, 2, 8, 8), generator=torch.Generator().manual_seed(seed))


def _changed(images: torch.Tensor, seed: int = 5, **amounts: float) -> torch.Tensor:
    return change_values(images, Augmentation(**amounts), torch.Generator().manual_seed(seed))


def test_values_stay_without_settings() -> None:
    assert torch.equal(_changed(_values()), _values())


def test_brightness_is_bounded_and_one_number_per_sample() -> None:
    difference = _changed(_values(), brightness=0.2) - _values()
    assert difference.flatten(1).std(dim=1).max() < 1e-6
    assert 0.17 < difference.abs().max() <= 0.2 + 1e-6
    assert difference.min() < -0.1 < 0.1 < difference.max()


def test_contrast_is_bounded_and_keeps_the_mean() -> None:
    before, after = _values(), _changed(_values(), contrast=0.3)
    torch.testing.assert_close(after.mean((1, 2, 3)), before.mean((1, 2, 3)), atol=1e-5, rtol=0)
    ratio = after.flatten(1).std(dim=1) / before.flatten(1).std(dim=1)
    assert 0.7 - 1e-4 < ratio.min() < 0.75
    assert 1.25 < ratio.max() < 1.3 + 1e-4


def test_gamma_keeps_order_and_range() -> None:
    before, after = _values() * 3 - 1, _changed(_values() * 3 - 1, gamma=0.5)
    for a, b in zip(before, after, strict=True):
        assert b.min().item() == pytest.approx(a.min().item(), abs=1e-5)
        assert b.max().item() == pytest.approx(a.max().item(), abs=1e-5)
        assert (b.flatten()[a.flatten().argsort()].diff() >= -1e-6).all()
    assert (after - before).abs().max() > 0.1
    flat = torch.full((1, 1, 4, 4), 0.3)
    torch.testing.assert_close(_changed(flat, gamma=0.5), flat)


def test_noise_has_its_own_strength_in_every_sample() -> None:
    deviations = (_changed(_values(), noise=0.1) - _values()).flatten(1).std(dim=1)
    assert deviations.max() < 0.12
    assert deviations.min() < 0.02


def test_about_half_of_the_samples_get_no_noise() -> None:
    images = torch.zeros(400, 1, 4, 4)
    untouched = (_changed(images, noise=0.1) == 0).flatten(1).all(dim=1)
    assert 0.4 < untouched.float().mean() < 0.6


def test_the_generator_decides_on_values() -> None:
    amounts = {"noise": 0.1, "gamma": 0.2, "contrast": 0.2, "brightness": 0.1}
    assert torch.equal(_changed(_values(), **amounts), _changed(_values(), **amounts))
    assert not torch.equal(_changed(_values(), **amounts), _changed(_values(), 6, **amounts))
