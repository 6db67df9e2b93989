from __future__ import annotations

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.evaluation import (
    METRICS,
    Counts,
    accuracy,
    count,
    count_classes,
    f1,
    macro,
    mean_iou,
    measure,
    specificity,
)

BOTH_EMPTY = Counts(tn=9)
ONLY_TRUTH = Counts(fn=4, tn=5)
ONLY_PREDICTED = Counts(fp=4, tn=5)
DISJOINT = Counts(fp=2, fn=3, tn=4)


def test_counts_of_a_hand_made_mask():
    truth = np.array([[1, 1, 0], [1, 0, 0]], bool)
    predicted = np.array([[1, 0, 1], [1, 0, 0]], bool)
    assert count(truth, predicted) == Counts(tp=2, fp=1, fn=1, tn=2)
    assert count(truth, predicted, valid=np.array([[1, 1, 0], [0, 1, 0]], bool)) == Counts(1, 0, 1, 1)


def test_scores_of_hand_made_counts():
    counts = Counts(tp=6, fp=2, fn=4, tn=8)
    assert measure(counts) == {
        "precision": 6 / 8,
        "recall": 6 / 10,
        "dice": 12 / 18,
        "iou": 6 / 12,
        "f1": 12 / 18,
        "accuracy": 14 / 20,
    }
    assert f1(counts) == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))
    assert specificity(counts) == 8 / 10


def test_counts_add_up_with_plus_and_sum():
    parts = [Counts(1, 2, 3, 4), Counts(10, 20, 30, 40)]
    assert parts[0] + parts[1] == sum(parts) == Counts(11, 22, 33, 44)
    assert Counts(1, 2, 3, 4).total == 10


@pytest.mark.parametrize(
    ("counts", "score"), [(BOTH_EMPTY, 1.0), (ONLY_TRUTH, 0.0), (ONLY_PREDICTED, 0.0), (DISJOINT, 0.0)]
)
def test_empty_masks_have_defined_scores(counts, score):
    scores = measure(counts)
    assert [scores[metric] for metric in METRICS] == [score] * 5


@pytest.mark.parametrize(
    ("counts", "score"), [(Counts(tp=9), 1.0), (Counts(tp=5, fn=4), 0.0), (Counts(tp=5, fp=4), 0.0)]
)
def test_specificity_without_background_follows_the_same_rule(counts, score):
    assert specificity(counts) == score


def test_accuracy_counts_background():
    assert accuracy(BOTH_EMPTY) == 1.0
    assert accuracy(ONLY_TRUTH) == 5 / 9


def test_classes_are_counted_against_all_others():
    truth = np.array([[0, 1, 2], [2, 2, 7]])
    predicted = np.array([[0, 2, 2], [1, 2, 0]])
    assert count_classes(truth, predicted, [0, 1, 2, 5]) == {
        0: Counts(tp=1, fp=1, fn=0, tn=4),
        1: Counts(tp=0, fp=1, fn=1, tn=4),
        2: Counts(tp=2, fp=1, fn=1, tn=2),
        5: Counts(tn=6),
    }
    assert count_classes(truth, predicted, [2], ignore=7) == {2: Counts(2, 1, 1, 1)}


def test_macro_is_over_foreground_classes_that_occur():
    counts = {
        0: Counts(tp=4, fp=2, fn=2, tn=2),
        1: Counts(tp=2, tn=8),
        2: Counts(fp=2, fn=2, tn=6),
        3: Counts(tn=10),
    }
    scores = macro(counts)
    assert scores["dice"] == (1.0 + 0.0) / 2
    assert scores["accuracy"] == 6 / 10
    assert scores["mean_iou"] == mean_iou(counts) == pytest.approx((4 / 8 + 1 + 0) / 3)


def test_mean_iou_where_nothing_occurs():
    assert mean_iou({1: BOTH_EMPTY}) == 1.0


def test_shapes_must_agree():
    with pytest.raises(InputError, match=r"shapes \(2, 3\) and \(3, 2\)"):
        count_classes(np.zeros((2, 3), int), np.zeros((3, 2), int), [1])
    with pytest.raises(InputError, match="bool arrays of one shape"):
        count(np.zeros((2, 3), bool), np.zeros((3, 2), bool))


def test_labels_are_not_taken_for_bool():
    with pytest.raises(InputError, match="uint8"):
        count(np.full((2, 2), 2, np.uint8), np.ones((2, 2), bool))


def test_probabilities_are_not_taken_for_labels():
    with pytest.raises(InputError, match="the prediction of the image holds float32"):
        count_classes(np.zeros((2, 2), int), np.zeros((2, 2), np.float32), [1])


def test_mean_dice_counts_the_background_as_a_class() -> None:
    truth, predicted = np.array([[0, 0, 0, 1, 1, 2]]), np.array([[0, 0, 1, 1, 1, 0]])
    # Class 0: 2·2/(3+3), class 1: 2·2/(2+3), class 2: found nowhere.
    values = macro(count_classes(truth, predicted, [0, 1, 2, 3]))
    assert values["mean_dice"] == pytest.approx((4 / 6 + 4 / 5 + 0) / 3)
    assert values["dice"] == pytest.approx((4 / 5 + 0) / 2)
