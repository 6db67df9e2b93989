from __future__ import annotations

import numpy as np
import pytest

from unetscope.preprocess import GridTransform, center_crop, center_paste, resize


def ramp(*shape):
    return np.arange(np.prod(shape)).reshape(shape)


def report_crop(image, width, height):
    """The center crop of the left-ventricle report."""
    y, x = image.shape
    start_x, start_y = x // 2 - (width // 2), y // 2 - (height // 2)
    return image[start_y : start_y + height, start_x : start_x + width]


@pytest.mark.parametrize("shape", [(256, 256), (9, 12), (10, 11)])
@pytest.mark.parametrize("size", [(8, 8), (7, 4), (5, 9)])
def test_center_crop_is_the_report_s(shape, size):
    image = ramp(*shape)
    np.testing.assert_array_equal(center_crop(image, size), report_crop(image, size[1], size[0]))


@pytest.mark.parametrize(
    ("length", "size", "expected"),
    [
        (4, 2, [1, 2]),
        (5, 2, [1, 2]),
        (4, 3, [1, 2, 3]),
        (5, 3, [1, 2, 3]),
        (3, 4, [-1, 0, 1, 2]),
        (2, 4, [-1, 0, 1, -1]),
        (2, 5, [-1, 0, 1, -1, -1]),
        (3, 6, [-1, -1, 0, 1, 2, -1]),
    ],
)
def test_center_crop_of_even_and_odd_lengths(length, size, expected):
    assert center_crop(np.arange(length), (size,), fill=-1).tolist() == expected


def test_center_crop_pads_with_the_edge_unless_told():
    assert center_crop(np.array([3, 7]), (5,)).tolist() == [3, 3, 7, 7, 7]
    assert center_crop(np.array([3, 7]), (5,), fill=0).tolist() == [0, 3, 7, 0, 0]


def test_center_crop_cuts_one_axis_and_pads_another():
    result = center_crop(ramp(2, 5), (4, 3), fill=99)
    assert result.tolist() == [[99] * 3, [1, 2, 3], [6, 7, 8], [99] * 3]


def test_center_crop_keeps_leading_axes_and_type():
    result = center_crop(np.zeros((2, 3, 8, 8), np.int16), (4, 6))
    assert result.shape == (2, 3, 4, 6)
    assert result.dtype == np.int16


def test_center_crop_copies_nothing_when_nothing_is_padded():
    image = ramp(6, 6)
    assert np.shares_memory(center_crop(image, (4, 4)), image)


def test_center_paste_puts_the_center_back():
    image = ramp(5, 6)
    back = center_paste(center_crop(image, (3, 2)), (5, 6), fill=-1)
    expected = np.full((5, 6), -1)
    expected[1:4, 2:4] = image[1:4, 2:4]
    np.testing.assert_array_equal(back, expected)


def test_center_paste_cuts_padding_off_again():
    image = ramp(2, 3, 4)
    np.testing.assert_array_equal(center_paste(center_crop(image, (7, 9)), (3, 4), fill=-1), image)


def test_resize_of_labels_takes_the_nearest_pixel():
    labels = np.array([[1, 2], [3, 4]], np.uint16)
    doubled = resize(labels, (4, 4), labels=True)
    assert doubled.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert doubled.dtype == np.uint16
    assert resize(np.arange(6), (3,), labels=True).tolist() == [1, 3, 5]
    assert resize(np.arange(6), (2,), labels=True).tolist() == [1, 4]
    assert resize(np.arange(3), (7,), labels=True).tolist() == [0, 0, 1, 1, 1, 2, 2]


def test_resize_of_images_is_linear_and_float32():
    result = resize(np.array([[0, 10, 20, 30]], np.uint8), (1, 8))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[0], [0, 2.5, 7.5, 12.5, 17.5, 22.5, 27.5, 30], atol=1e-5)


def test_resize_smooths_before_it_shrinks():
    stripes = np.tile([0.0, 0.0, 0.0, 1.0], 16)[np.newaxis].repeat(64, axis=0)
    small = resize(stripes, (16, 16))
    assert 0.2 < small[:, 2:-2].min() <= small[:, 2:-2].max() < 0.3


def test_resize_keeps_each_channel_to_itself():
    image = np.stack([np.zeros((6, 7, 8)), np.ones((6, 7, 8))])
    result = resize(image, (3, 9, 5))
    assert result.shape == (2, 3, 9, 5)
    np.testing.assert_allclose(result[0], 0)
    np.testing.assert_allclose(result[1], 1, atol=1e-6)


def test_resize_to_the_same_size_changes_only_the_type():
    image = ramp(4, 5).astype(np.uint8)
    assert resize(image, (4, 5), labels=True) is image
    np.testing.assert_array_equal(resize(image, (4, 5)), image.astype(np.float32))


def test_resized_image_and_labels_stay_on_each_other():
    labels = np.zeros((40, 60), np.uint8)
    labels[10:20, 30:50] = 1
    image = resize(labels.astype(float), (20, 90))
    np.testing.assert_array_equal(image > 0.5, resize(labels, (20, 90), labels=True) == 1)


@pytest.mark.parametrize(
    ("size", "crop", "resized", "cropped"),
    [
        (None, None, (10, 12), (10, 12)),
        ((5, 6), None, (5, 6), (5, 6)),
        (None, (4, 4), (10, 12), (4, 4)),
        ((5, 6), (4, 4), (5, 6), (4, 4)),
    ],
)
def test_the_plan_of_a_transform(size, crop, resized, cropped):
    assert GridTransform.plan([10, 12], size=size, crop=crop) == GridTransform((10, 12), resized, cropped)


def test_a_transform_of_nothing_changes_nothing():
    transform = GridTransform.plan((4, 5), size=None, crop=None)
    image, labels = ramp(2, 4, 5).astype(np.float32), ramp(4, 5)
    np.testing.assert_array_equal(transform.image_back(transform.image(image)), image)
    np.testing.assert_array_equal(transform.mask_back(transform.mask(labels, fill=9)), labels)


def test_a_transform_fills_what_it_does_not_know():
    transform = GridTransform.plan((6, 6), size=None, crop=(4, 8))
    labels = np.ones((6, 6), np.int16)
    inside = transform.mask(labels, fill=-1)
    assert inside.shape == (4, 8)
    assert (inside[:, [0, -1]] == -1).all()
    assert (inside[:, 1:-1] == 1).all()
    back = transform.mask_back(inside, fill=5)
    assert (back[[0, -1]] == 5).all()
    assert (back[1:-1] == 1).all()
    values = transform.image_back(np.ones((1, 4, 8), np.float32), fill=0.25)
    assert values.dtype == np.float32
    assert (values[:, [0, -1]] == 0.25).all()
    assert transform.image(np.full((1, 6, 6), 7)).min() == 7


def test_an_object_comes_back_to_where_it_was():
    transform = GridTransform.plan((100, 120), size=(50, 60), crop=(32, 32))
    labels = np.zeros((100, 120), np.uint8)
    labels[40:60, 44:70] = 3
    back = transform.mask_back(transform.mask(labels, fill=0))
    np.testing.assert_array_equal(back, labels)
