from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from unetscope.errors import InputError
from unetscope.preprocess import (
    IGNORED,
    class_values,
    is_labeled,
    separate_objects,
    to_classes,
    true_labels,
)
from unetscope.recipe.recipe import Target

BINARY = Target()
INSTANCES = Target(kind="instances", separate="gap")
STROKES = Target(ignore=0, background=1)
STROKES_OF_CLASSES = Target(kind="multiclass", ignore=0, background=1)


def squares(second, *, dtype=np.uint16):
    """Two 3×3 objects, numbered 1 and 2, the second at an offset."""
    mask = np.zeros((8, 10), dtype)
    mask[1:4, 1:4] = 1
    row, column = second
    mask[row : row + 3, column : column + 3] = 2
    return mask


@pytest.mark.parametrize(
    ("labels", "target", "expected"),
    [
        ([0, 255], BINARY, (0, 255)),
        ([0, 1], BINARY, (0, 1)),
        ([0, 3, 7], BINARY, (0, 1)),
        (range(256), Target(threshold=127), (0, 1)),
        ([0, 100, 255], Target(threshold=127), (0, 255)),
        ([0, 1, 255], Target(ignore=255), (0, 1)),
        ([0, 255], INSTANCES, (0, 1)),
        (range(30), INSTANCES, (0, 1)),
        ([2, 0, 1], Target(kind="multiclass"), (0, 1, 2)),
        ([0, 1, 2, 255], Target(kind="multiclass", ignore=255), (0, 1, 2)),
        ([0, 85, 170], Target(kind="multiclass", values=(170, 0, 85)), (170, 0, 85)),
        ([0, 1], Target(kind="multiclass", values=(0, 1, 2)), (0, 1, 2)),
        ([0, 1, 2], STROKES, (0, 2)),
        ([0, 1, 2, 3], STROKES, (0, 1)),
        ([0, 1, 2, 3], STROKES_OF_CLASSES, (0, 2, 3)),
        ([0, 1, 2], Target(kind="multiclass", ignore=0, background=1, values=(1, 3, 2)), (0, 3, 2)),
        ([1, 2, 3], Target(ignore=3, background=2), (0, 1)),
    ],
)
def test_the_mask_value_of_each_class(labels, target, expected):
    values = class_values(labels, target)
    assert values == expected
    assert all(type(value) is int for value in values)


@pytest.mark.parametrize(
    ("labels", "target", "found"),
    [
        ([0], BINARY, "[0]"),
        ([255], BINARY, "[255]"),
        ([], BINARY, "[]"),
        ([1, 2], INSTANCES, "[1, 2]"),
        ([0, 100], Target(threshold=127), "[0, 100]"),
        ([0, 255], Target(ignore=255), "[0]"),
        ([4], Target(kind="multiclass"), "[4]"),
    ],
)
def test_masks_without_two_classes(labels, target, found):
    with pytest.raises(InputError) as caught:
        class_values(np.array(labels, np.uint8), target)
    assert str(caught.value) == (
        f"the masks hold only the values {found}; expected background and at least one class: "
        "check the masks, target.threshold and target.values."
    )


@pytest.mark.parametrize(
    ("labels", "target", "found"),
    [
        ([0, 2], STROKES, "[2]"),
        ([0, 2, 3], STROKES_OF_CLASSES, "[2, 3]"),
        ([0, 1], STROKES_OF_CLASSES, "[1]"),
    ],
)
def test_strokes_without_background_or_objects(labels, target, found):
    with pytest.raises(InputError) as caught:
        class_values(labels, target)
    assert str(caught.value).startswith(
        f"the masks hold only the values {found}; expected background (1) and at least one class"
    )


@pytest.mark.parametrize(
    ("mask", "target", "expected"),
    [
        ([0, 255], BINARY, [0, 1]),
        ([0, 1], BINARY, [0, 1]),
        ([False, True], BINARY, [0, 1]),
        ([0, 1, 127, 128, 255], Target(threshold=127), [0, 0, 0, 1, 1]),
        ([0, 1, 2], Target(threshold=1.5), [0, 0, 1]),
        ([0, 1, 255], Target(ignore=255), [0, 1, IGNORED]),
        ([0, 1, 2], STROKES, [IGNORED, 0, 1]),
        ([0, 1, 2, 3], Target(ignore=3, background=2), [0, 1, 0, IGNORED]),
    ],
)
def test_binary_masks(mask, target, expected):
    classes = to_classes(np.array(mask), target, (0, 1))
    assert classes.tolist() == expected
    assert classes.dtype == np.int16


@pytest.mark.parametrize(
    ("separate", "expected"),
    [
        ("gap", [[1, 0, 1, 1, 1, IGNORED, 0]] * 3),
        ("boundary", [[1, 2, 2, 1, 2, IGNORED, 0]] * 3),
        ("distance", [[1, 1, 1, 1, 1, IGNORED, 0]] * 3),
    ],
)
def test_objects_told_apart(separate, expected):
    mask = np.array([[3, 3, 5, 5, 5, 9, 0]] * 3, np.uint16)
    target = Target(kind="instances", separate=separate, ignore=9)
    assert to_classes(mask, target, (0, 1)).tolist() == expected


def test_multiclass_masks():
    mask = np.array([[0, 85], [170, 255]], np.uint8)
    target = Target(kind="multiclass", ignore=255)
    values = class_values(np.unique(mask), target)
    assert to_classes(mask, target, values).tolist() == [[0, 1], [2, IGNORED]]
    assert to_classes(mask, target, (85, 170, 0)).tolist() == [[2, 0], [1, IGNORED]]


@pytest.mark.parametrize("ignore", [None, 255, -1])
def test_a_value_that_is_no_class(ignore):
    target = Target(kind="multiclass", values=(0, 1), ignore=ignore)
    mask = np.array([0, 1, 7, 9, 9], np.uint8)
    with pytest.raises(InputError) as caught:
        to_classes(mask, target, (0, 1))
    assert str(caught.value) == (
        "the mask holds the values [7, 9]; expected only [0, 1]: set target.values, or correct the mask."
    )


def test_objects_that_do_not_touch_stay_whole():
    mask = squares((1, 5))
    assert not separate_objects(mask).any()
    np.testing.assert_array_equal(to_classes(mask, INSTANCES, (0, 1)), mask > 0)


@pytest.mark.parametrize(("second", "gap"), [((1, 4), 3), ((4, 1), 3), ((2, 4), 2), ((3, 4), 1)])
def test_touching_objects_are_told_apart_by_a_gap_one_pixel_wide(second, gap):
    mask = squares(second)
    touching = separate_objects(mask)
    assert touching.sum() == gap
    assert set(mask[touching].tolist()) == {1}
    classes = to_classes(mask, INSTANCES, (0, 1))
    assert classes.sum() == 18 - gap
    assert ndimage.label(classes)[1] == 2


def test_objects_that_meet_at_a_corner_need_no_gap():
    # Predicted objects connect through faces only.
    mask = squares((4, 4))
    assert not separate_objects(mask).any()
    assert ndimage.label(to_classes(mask, INSTANCES, (0, 1)))[1] == 2


def test_touching_objects_in_three_dimensions():
    mask = np.zeros((6, 5, 5), np.int32)
    mask[1:3, 1:4, 1:4] = 7
    mask[3:5, 1:4, 1:4] = 4
    touching = separate_objects(mask)
    assert np.argwhere(touching)[:, 0].tolist() == [3] * 9
    assert ndimage.label(to_classes(mask, INSTANCES, (0, 1)))[1] == 2


def test_many_touching_objects_are_all_told_apart():
    mask = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((4, 4), int))
    parts, count = ndimage.label(to_classes(mask, INSTANCES, (0, 1)))
    assert count == 16
    assert all(len(np.unique(mask[parts == part])) == 1 for part in range(1, 17))


@pytest.mark.parametrize("ignored", [2, 9])
def test_no_gap_is_left_toward_pixels_that_nobody_labeled(ignored):
    mask = np.array([[0, 3, 3, ignored, ignored, 5, 5, 0]])
    classes = to_classes(mask, Target(kind="instances", separate="gap", ignore=ignored), (0, 1))
    assert classes.tolist() == [[0, 1, 1, IGNORED, IGNORED, 1, 1, 0]]


def test_the_mask_itself_is_left_alone():
    mask = squares((1, 4))
    before = mask.copy()
    to_classes(mask, Target(kind="instances", separate="gap", ignore=2), (0, 1))
    np.testing.assert_array_equal(mask, before)


# --- true labels ---


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target(), [0, 1, 2, 200]),
        (Target(ignore=2), [0, 1, IGNORED, 200]),
        (STROKES, [IGNORED, 0, 2, 200]),
        (STROKES_OF_CLASSES, [IGNORED, 0, 2, 200]),
        (Target(ignore=200, background=1), [0, 0, 2, IGNORED]),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.uint64])
def test_background_is_0_and_unlabeled_is_no_class_whatever_the_mask_has(target, expected, dtype):
    labels = true_labels(np.array([0, 1, 2, 200], dtype), target)
    assert labels.dtype.kind in "iu"
    assert labels.tolist() == expected


def test_a_mask_that_needs_no_change_is_not_copied():
    mask = squares((1, 4))
    assert true_labels(mask, Target(kind="multiclass")) is mask


def test_large_labels_stay_what_they_are():
    mask = np.array([0, 1, 2**32 - 1], np.uint32)
    assert true_labels(mask, STROKES).tolist() == [IGNORED, 0, 2**32 - 1]


def test_0_must_not_be_one_class_more():
    with pytest.raises(InputError) as caught:
        true_labels(np.array([0, 1, 2]), Target(kind="multiclass", background=1))
    assert str(caught.value) == (
        "the mask holds the value 0, but its background is 1; expected 0 only where nobody labeled: "
        "set target.ignore=0, or target.background=0."
    )


def test_strokes_of_objects_keep_a_gap_to_each_other_and_none_to_the_background():
    mask = np.array([[0, 1, 1, 2, 2, 3, 3, 0]])
    classes = to_classes(mask, Target(kind="instances", separate="gap", ignore=0, background=1), (0, 1))
    assert classes.tolist() == [[IGNORED, 0, 0, 1, 0, 1, 1, IGNORED]]


@pytest.mark.parametrize(
    ("mask", "target", "labeled"),
    [([0, 0], Target(), True), ([0, 0], STROKES, False), ([0, 1], STROKES, True), ([], STROKES, False)],
)
def test_whether_anything_is_labeled(mask, target, labeled):
    assert is_labeled(np.array(mask, np.uint8), target) is labeled
