"""Where images lie, and labels on the grid of another image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.io import Image, Source
from unetscope.io.grid import affine_of, geometry_of, is_regular, labels_on, reorder, tilt_of

SAGITTAL = affine_of((10, 20, 30), (0, 1, 0), (0, 0, -1), (0.5, 0.25), (3, 0, 0))


def place(data, affine, name="a.nrrd", axes=""):
    axes = axes or "TZYX"[-np.ndim(data) :]
    spacing, origin = geometry_of(affine, axes.lstrip("TC"))
    return Image(
        np.asarray(data), axes, spacing, origin, "mm", source=Source(Path("folder", name)), affine=affine
    )


@pytest.fixture
def labels():
    data = np.zeros((4, 6, 5), np.uint8)
    data[1, 2, 3], data[2, 3, 1], data[2, 3, 2] = 1, 2, 7
    return place(data, SAGITTAL, "labels.nrrd")


@pytest.fixture
def image():
    return place(np.zeros((4, 6, 5), np.float32), SAGITTAL, "image.dcm")


def test_affine_of_a_stack():
    # DICOM PS3.3 C.7.6.2.1.1: position + column spacing × column × row direction + …
    slice_, row, column = 2, 3, 1
    place = SAGITTAL @ [slice_, row, column, 1]
    np.testing.assert_allclose(place, [10 + 3 * slice_, 20 + 0.25 * column, 30 - 0.5 * row, 1])


def test_without_a_step_the_normal_is_one_millimeter():
    affine = affine_of((0, 0, 0), (1, 0, 0), (0, 1, 0), (2, 3))
    np.testing.assert_array_equal(affine[:3, 0], [0, 0, 1])


def test_geometry_is_that_of_the_own_axes():
    spacing, origin = geometry_of(SAGITTAL, "ZYX")
    assert spacing == (3, 0.5, 0.25)
    assert origin == (10, -30, 20)
    assert geometry_of(SAGITTAL, "YX") == ((0.5, 0.25), (-30, 20))


def test_slices_against_the_normal_have_positive_spacing():
    against = SAGITTAL.copy()
    against[:, 0] *= -1
    assert geometry_of(against, "ZYX") == ((3, 0.5, 0.25), (-10, -30, 20))


def test_a_tilted_stack_has_the_distance_along_the_normal():
    tilted = affine_of((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1), (0, 3, 4))
    assert geometry_of(tilted, "ZYX")[0] == pytest.approx((4, 1, 1))
    assert tilt_of(tilted) == pytest.approx(np.degrees(np.arctan2(3, 4)))
    assert tilt_of(SAGITTAL) == 0


def test_rows_and_columns_that_are_not_upright_do_not_change_the_distance_of_slices():
    skewed = affine_of((0, 0, 0), (1, 0, 0), (0.6, 0.8, 0), (1, 1), (0, 0, 5))
    assert geometry_of(skewed, "ZYX")[0] == pytest.approx((5, 1, 1))


def test_regular_affines():
    flat = SAGITTAL.copy()
    flat[:3, 1] = flat[:3, 0]
    empty = SAGITTAL.copy()
    empty[:3, 2] = 0
    unknown = SAGITTAL.copy()
    unknown[0, 3] = np.nan
    endless = SAGITTAL * 1e300
    found = [is_regular(affine) for affine in (SAGITTAL, flat, empty, unknown, endless)]
    assert found == [True, False, False, False, False]


def test_equal_grids_stay_as_they_are(labels, image):
    put = labels_on(labels, image)
    np.testing.assert_array_equal(put.data, labels.data)
    assert (put.data.dtype, put.source, put.axes) == (np.uint8, labels.source, "ZYX")
    assert put.data.flags.c_contiguous


def test_axes_in_another_order_and_direction(labels, image):
    turned = reorder(SAGITTAL, (2, 0, 1))
    turned[:3, 3] += 5 * turned[:3, 2]
    turned[:3, 2] *= -1
    other = place(labels.data.transpose(2, 0, 1)[:, :, ::-1], turned, "labels.nii")
    put = labels_on(other, image)
    np.testing.assert_array_equal(put.data, labels.data)
    np.testing.assert_array_equal(put.affine, image.affine)
    assert (put.spacing, put.origin, put.units, put.name) == (
        image.spacing,
        image.origin,
        "mm",
        "labels.nii",
    )
    assert put.source.notes == ("labels.nii was transposed and flipped to lie on image.dcm.",)


def test_a_part_of_the_image_is_padded(labels, image):
    part = replace(labels, data=labels.data[1:3, 2:4], affine=SAGITTAL @ shift(1, 2, 0))
    put = labels_on(part, image)
    np.testing.assert_array_equal(put.data, labels.data)
    assert put.source.notes == ("labels.nrrd was padded to lie on image.dcm.",)


def test_more_than_the_image_is_cropped(labels, image):
    small = replace(image, data=image.data[1:3, 2:4, 1:], affine=SAGITTAL @ shift(1, 2, 1))
    put = labels_on(labels, small)
    np.testing.assert_array_equal(put.data, labels.data[1:3, 2:4, 1:])
    assert put.source.notes == ("labels.nrrd was cropped to lie on image.dcm.",)


def test_labels_outside_of_the_image_are_counted(labels, image):
    small = replace(image, data=image.data[:2])
    with pytest.raises(InputError, match=r"2 labeled pixels of labels.nrrd lie outside of image.dcm"):
        labels_on(labels, small)
    elsewhere = replace(image, affine=SAGITTAL @ shift(100, 0, 0))
    with pytest.raises(InputError, match="3 labeled pixels"):
        labels_on(labels, elsewhere)


def test_a_plane_takes_its_slice(labels, image):
    # The step of a plane is its normal: here it leads the other way, and is not 3 mm long.
    plane = image.take("Z", 2)
    plane.affine[:3, 0] = [-1, 0, 0]
    put = labels_on(labels, plane)
    assert (put.axes, put.spacing) == ("YX", (0.5, 0.25))
    np.testing.assert_array_equal(put.data, labels.data[2])
    np.testing.assert_array_equal(put.affine, plane.affine)


def test_a_plane_beside_all_slices_has_no_labels(labels, image):
    plane = replace(image.take("Z", 0), affine=SAGITTAL @ shift(9, 0, 0))
    assert not labels_on(labels, plane).data.any()


def test_a_plane_between_slices_is_refused(labels, image):
    plane = replace(image.take("Z", 0), affine=SAGITTAL @ shift(1.5, 0, 0))
    with pytest.raises(InputError, match=r"lie up to 0\.5 of a pixel beside"):
        labels_on(labels, plane)


def test_a_slice_of_a_tilted_stack(labels):
    tilted = affine_of((0, 0, 0), (1, 0, 0), (0, 1, 0), (0.7, 0.7), (0, 1.1, 3))
    stack = replace(labels, affine=tilted)
    # What the header of one file says: its place, and the upright normal.
    plane = affine_of(tilted[:3, 3] + 2 * tilted[:3, 0], (1, 0, 0), (0, 1, 0), (0.7, 0.7))
    put = labels_on(stack, place(np.zeros((6, 5)), plane))
    np.testing.assert_array_equal(put.data, labels.data[2])


def test_labels_of_one_plane_on_a_stack(labels, image):
    put = labels_on(labels.take("Z", 2), image)
    np.testing.assert_array_equal(put.data[2], labels.data[2])
    assert not np.delete(put.data, 2, axis=0).any()


def test_planes_on_planes(labels, image):
    put = labels_on(labels.take("Z", 1), image.take("Z", 1))
    np.testing.assert_array_equal(put.data, labels.data[1])
    with pytest.raises(InputError, match="1 labeled pixels"):
        labels_on(labels.take("Z", 1), image.take("Z", 3))


def test_time_points_stay(labels, image):
    series = place(np.stack([labels.data, 2 * labels.data])[:, :, ::-1], SAGITTAL @ mirror(1, 6), axes="TZYX")
    put = labels_on(series, image)
    assert put.axes == "TZYX"
    np.testing.assert_array_equal(put.data[1], 2 * labels.data)


def test_another_spacing_is_named(labels, image):
    coarse = replace(image, affine=SAGITTAL @ np.diag([1, 2, 2, 1]))
    with pytest.raises(
        InputError,
        match=r"labels.nrrd measure 3 × 0.5 × 0.25 mm and those of image.dcm 3 × 1 × 0.5 mm.*Slicer",
    ):
        labels_on(labels, coarse)


def test_another_orientation_is_named(labels, image):
    angle = np.radians(10)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    with pytest.raises(InputError, match=r"labels.nrrd is turned by 10° against image.dcm.*Slicer"):
        labels_on(labels, replace(image, affine=turn @ SAGITTAL))


def test_half_a_pixel_is_refused_and_rounding_is_not(labels, image):
    with pytest.raises(InputError, match=r"lie up to 0\.5 of a pixel beside"):
        labels_on(labels, replace(image, affine=SAGITTAL @ shift(0, 0.5, 0)))
    rounded = SAGITTAL.astype(np.float32).astype(float) * (1 + 1e-6)
    put = labels_on(labels, replace(image, affine=rounded @ shift(0, 0.02, 0)))
    np.testing.assert_array_equal(put.data, labels.data)


def test_small_differences_add_up_over_a_large_grid():
    data = np.zeros((1, 1, 2000), np.uint8)
    stretched = SAGITTAL @ np.diag([1, 1, 1.0005, 1])
    with pytest.raises(InputError, match="of a pixel beside"):
        labels_on(place(data, stretched), place(data, SAGITTAL))


def test_without_a_place_grids_must_be_equal(labels, image):
    nowhere = [replace(one, affine=None) for one in (labels, image)]
    put = labels_on(*nowhere)
    np.testing.assert_array_equal(put.data, labels.data)
    assert put.source.notes == ()
    assert put.affine is None
    with pytest.raises(InputError, match=r"labels.nrrd has 4 × 6 × 5 pixels and image.dcm 3 × 6 × 5"):
        labels_on(nowhere[0], replace(nowhere[1], data=image.data[1:]))


def test_one_place_of_two_is_noted(labels, image):
    put = labels_on(replace(labels, affine=None), image)
    assert put.source.notes == ("labels.nrrd does not know its place: pixels were matched by their order.",)
    np.testing.assert_array_equal(put.affine, image.affine)
    put = labels_on(labels, replace(image, affine=None))
    assert put.source.notes == ("image.dcm does not know its place: pixels were matched by their order.",)
    with pytest.raises(InputError, match="both know their place"):
        labels_on(replace(labels, affine=None), image.take("Z", 0))


def test_a_place_that_makes_no_sense(labels, image):
    flat = SAGITTAL.copy()
    flat[:3, 1] = flat[:3, 2]
    with pytest.raises(InputError, match=r"image.dcm states a place whose axes do not span the space"):
        labels_on(labels, replace(image, affine=flat))


def test_a_stack_of_one_is_a_plane():
    plane = Image(np.zeros((2, 3)), "YX")
    put = labels_on(Image(np.ones((1, 2, 3), np.uint8), "ZYX"), plane)
    assert (put.axes, put.data.shape) == ("YX", (2, 3))


def shift(*pixels):
    """A matrix that leads from indices of a part to those of the whole."""
    matrix = np.eye(4)
    matrix[:3, 3] = pixels
    return matrix


def mirror(axis, length):
    """A matrix that leads from indices counted backward to those counted forward."""
    matrix = np.eye(4)
    matrix[axis, axis] = -1
    matrix[axis, 3] = length - 1
    return matrix
