from __future__ import annotations

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.io.image import Image
from unetscope.recipe.fingerprint import take_fingerprint

RGB = ("red", "green", "blue")


def blank(*grid, spacing=(), units="pixel"):
    axes = "ZYX"[-len(grid) :]
    return Image(np.zeros(grid, np.uint16), axes, spacing, units=units)


def mask(*grid, boxes=(), dtype=np.uint8):
    """Labels, with a box for each (value, slices)."""
    data = np.zeros(grid, dtype)
    for value, where in boxes:
        data[where] = value
    return Image(data, "ZYX"[-len(grid) :])


def numbered(count, *, side=4):
    """A row of `count` objects with numbers of their own."""
    boxes = [(i + 1, np.s_[2 : 2 + side, i * (side + 1) : i * (side + 1) + side]) for i in range(count)]
    return mask(10, 60, boxes=boxes)


def of_masks(*masks):
    return take_fingerprint([(blank(*m.grid), m) for m in masks], groups=1)


def test_the_facts_of_two_images():
    pairs = [
        (blank(10, 20, spacing=(1.0, 2.0), units="mm"), mask(10, 20, boxes=[(255, np.s_[2:4, 5:10])])),
        (blank(30, 20, spacing=(3.0, 2.0), units="mm"), mask(30, 20)),
    ]
    facts = take_fingerprint(iter(pairs), groups=2)
    assert (facts.images, facts.groups, facts.channels) == (2, 2, 1)
    assert (facts.dtype, facts.units, facts.gray_in_color) == ("uint16", "mm", False)
    assert (facts.smallest, facts.median, facts.largest) == ((10, 20), (20, 20), (30, 20))
    assert facts.spacing == (2.0, 2.0)
    assert facts.labels == (0, 255)
    assert facts.foreground == 10 / 800
    assert facts.object_diameter == pytest.approx(2 * np.sqrt(10 / np.pi))
    assert facts.objects_per_image == 0.5
    assert facts.reach == (0.6, 0.5)
    assert facts.numbered is False


def test_the_diameter_of_balls_in_three_dimensions():
    facts = of_masks(mask(9, 9, 9, boxes=[(1, np.s_[2:5, 2:5, 2:5])]))
    assert facts.object_diameter == pytest.approx((27 * 6 / np.pi) ** (1 / 3))
    assert facts.reach == pytest.approx((5 / 9,) * 3)


def test_a_disk_has_its_own_diameter():
    rows, columns = np.ogrid[-20:21, -20:21]
    disk = Image((rows**2 + columns**2 <= 15**2).astype(np.uint8), "YX")
    assert of_masks(disk).object_diameter == pytest.approx(30, abs=0.5)


@pytest.mark.parametrize(
    ("where", "reach"),
    [
        (np.s_[5, 5], (0.2, 0.2)),
        (np.s_[4:6, 4:6], (0.2, 0.2)),
        (np.s_[0, 5], (1.0, 0.2)),
        (np.s_[5, 9], (0.2, 1.0)),
        (np.s_[2:5, 3:9], (0.6, 0.8)),
    ],
)
def test_how_far_objects_reach_from_the_center(where, reach):
    assert of_masks(mask(10, 10, boxes=[(1, where)])).reach == reach


def test_the_farthest_object_of_all_images_counts():
    facts = of_masks(mask(10, 10, boxes=[(1, np.s_[5, 9])]), mask(10, 10, boxes=[(1, np.s_[0, 5])]))
    assert facts.reach == (1.0, 1.0)


def test_masks_without_objects():
    facts = of_masks(mask(8, 8))
    assert (facts.labels, facts.foreground, facts.object_diameter) == ((0,), 0, 0)
    assert (facts.objects_per_image, facts.reach) == (0, (0, 0))


@pytest.mark.parametrize(
    ("masks", "expected"),
    [
        ([numbered(8)], True),
        ([numbered(2), numbered(3), numbered(4), numbered(7)], True),
        ([numbered(1)], False),
        ([numbered(3), numbered(3)], False),
        ([numbered(0), numbered(8), numbered(9)], True),
    ],
)
def test_whether_masks_number_their_objects(masks, expected):
    assert of_masks(*masks).numbered is expected


def test_scattered_values_are_classes():
    noise = np.random.default_rng(0).integers(0, 8, (40, 40)).astype(np.uint8)
    assert of_masks(Image(noise, "YX")).numbered is False


def test_labels_of_images_beyond_those_whose_objects_are_measured_count():
    facts = of_masks(*[numbered(1)] * 30, mask(10, 60, boxes=[(9, np.s_[0, 0])]))
    assert facts.labels == (0, 1, 9)
    assert facts.reach[1] == 1.0
    assert facts.objects_per_image == 1


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("CYX", (3, 6, 7)), ("CZYX", (3, 4, 6, 7)), ("TCYX", (2, 3, 6, 7)), ("TCZYX", (2, 3, 4, 6, 7))],
)
@pytest.mark.parametrize("different", [None, 0, 1, 2])
def test_whether_color_images_are_gray(axes, shape, different):
    single = np.random.default_rng(0).integers(0, 255, shape).take([0], axis=axes.index("C"))
    data = np.repeat(single, 3, axis=axes.index("C"))
    if different is not None:
        data[(slice(None),) * axes.index("C") + (different, ..., 0, 0)] += 1
    image = Image(data, axes, channels=RGB)
    facts = take_fingerprint([(image, mask(*image.grid))], groups=1)
    assert facts.channels == 3
    assert facts.gray_in_color is (different is None)


def test_equal_channels_that_are_no_colors_are_not_gray():
    image = Image(np.zeros((3, 6, 7)), "CYX")
    assert take_fingerprint([(image, mask(6, 7))], groups=1).gray_in_color is False


def test_one_colored_image_is_enough():
    gray = Image(np.zeros((3, 6, 7)), "CYX", channels=RGB)
    color = Image(np.arange(126.0).reshape(3, 6, 7), "CYX", channels=RGB)
    assert take_fingerprint([(gray, mask(6, 7)), (color, mask(6, 7))], groups=1).gray_in_color is False


@pytest.mark.parametrize(
    ("where", "extreme"),
    [
        (np.s_[0, :4], True),
        (np.s_[9, 6:], True),
        (np.s_[0, :6], True),
        (np.s_[0, :7], False),
        (np.s_[4:6], False),
        (np.s_[:], False),
    ],
)
@pytest.mark.parametrize("channels", [None, 3])
def test_images_whose_objects_are_extremely_dark_or_bright(where, extreme, channels):
    # 100 different values: the outermost 5 on either side are beyond the percentiles.
    ramp = np.arange(100, dtype=np.uint16).reshape(10, 10)
    image = Image(ramp, "YX") if channels is None else Image(np.stack([ramp] * channels), "CYX")
    facts = take_fingerprint([(image, mask(10, 10, boxes=[(1, where)]))], groups=1)
    assert facts.extreme == extreme


def test_how_many_images_have_extreme_objects():
    ramp = Image(np.arange(100).reshape(10, 10), "YX")
    masks = [mask(10, 10, boxes=boxes) for boxes in ([(1, np.s_[0, :4])], [(1, np.s_[4:6])], [])]
    assert take_fingerprint([(ramp, each) for each in masks], groups=1).extreme == 0.5
    assert take_fingerprint([(ramp, masks[2])], groups=1).extreme == 0.0


def test_only_labeled_pixels_count():
    strokes = np.full((10, 10), -1, np.int16)
    strokes[0], strokes[4, 2:6], strokes[9, 9] = 0, 2, 3
    facts = of_masks(Image(strokes, "YX"))
    assert facts.labels == (0, 2, 3)
    assert facts.labeled == 0.15
    assert facts.foreground == pytest.approx(5 / 15)
    assert facts.objects_per_image == 2


def test_no_pairs():
    with pytest.raises(InputError) as caught:
        take_fingerprint([], groups=0)
    assert str(caught.value) == "there is no image with a mask; expected at least one: add images and masks."


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (Image(np.zeros((3, 8, 8)), "CYX"), "1 channel(s) in 2 dimensions, 3 channel(s) in 2 dimensions"),
        (blank(4, 8, 8), "1 channel(s) in 2 dimensions, 1 channel(s) in 3 dimensions"),
    ],
)
def test_images_of_different_kinds(other, found):
    with pytest.raises(InputError) as caught:
        take_fingerprint([(blank(8, 8), mask(8, 8)), (other, mask(*other.grid))], groups=2)
    assert str(caught.value) == (
        f"the images differ: {found}; expected one kind of image: "
        "keep one kind in the dataset, or convert them."
    )
