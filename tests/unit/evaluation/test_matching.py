from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from unetscope.errors import InputError
from unetscope.evaluation import ObjectCounts, match_objects

EMPTY = np.zeros((4, 6), int)


def test_objects_match_whatever_their_numbers():
    truth = np.array([[1, 1, 0, 2, 2, 2]])
    predicted = np.array([[9, 9, 0, 4, 4, 4]])
    assert match_objects(truth, predicted) == ObjectCounts(tp=2, iou_sum=2.0)


def test_scores_of_a_case_by_hand():
    """IoU: first object 3/4, second 1/3 (too little), third missed; two predicted objects without match."""
    truth = np.array([[1, 1, 1, 1, 0, 2, 2, 0, 3]])
    predicted = np.array([[5, 5, 5, 0, 6, 0, 7, 7, 0]])
    counts = match_objects(truth, predicted)
    assert counts == ObjectCounts(tp=1, fp=2, fn=2, iou_sum=0.75)
    assert (counts.true, counts.predicted, counts.count_error) == (3, 3, 0)
    assert counts.precision == counts.recall == counts.f1 == 1 / 3
    assert counts.segmentation_quality == 0.75
    # 0.75 / (1 + 2/2 + 2/2)
    assert counts.panoptic_quality == 0.25


def test_panoptic_quality_is_f1_times_segmentation_quality():
    counts = ObjectCounts(tp=7, fp=2, fn=5, iou_sum=5.6)
    assert counts.panoptic_quality == pytest.approx(counts.f1 * counts.segmentation_quality)
    assert counts.count_error == -3


def test_the_threshold_belongs_to_the_matches():
    truth, predicted = np.array([[1, 1, 0]]), np.array([[1, 0, 0]])
    assert match_objects(truth, predicted).tp == 1
    assert match_objects(truth, predicted, threshold=0.51).tp == 0


def test_two_halves_of_an_object_are_one_match():
    """Both reach 0.5, and each object may be matched once."""
    counts = match_objects(np.array([[1, 1]]), np.array([[1, 2]]))
    assert counts == ObjectCounts(tp=1, fp=1, iou_sum=0.5)


def test_more_matches_win_over_a_better_one():
    """True 1 could take either prediction, true 2 only the first: IoU 3/5, 1/4 and 1/4."""
    truth = np.array([[1, 1, 1, 1, 2]])
    predicted = np.array([[5, 5, 5, 6, 5]])
    counts = match_objects(truth, predicted, threshold=0.1)
    assert (counts.tp, counts.iou_sum) == (2, pytest.approx(1 / 4 + 1 / 4))


@pytest.mark.parametrize(
    ("truth", "predicted", "score"), [(EMPTY, EMPTY, 1.0), (EMPTY, EMPTY + 1, 0.0), (EMPTY + 1, EMPTY, 0.0)]
)
def test_nothing_out_of_nothing_is_right(truth, predicted, score):
    counts = match_objects(truth, predicted)
    scores = (counts.precision, counts.recall, counts.f1, counts.segmentation_quality)
    assert {*scores, counts.panoptic_quality} == {score}


def test_counts_add_up_over_images():
    total = sum([ObjectCounts(1, 2, 3, 0.5), ObjectCounts(4, 5, 6, 3.5)])
    assert total == ObjectCounts(5, 7, 9, 4.0)


def test_pixels_that_do_not_count_make_no_objects():
    truth, predicted = np.array([[1, 1, 0, 2]]), np.array([[3, 3, 3, 4]])
    valid = np.array([[True, True, False, False]])
    assert match_objects(truth, predicted, valid=valid) == ObjectCounts(tp=1, iou_sum=1.0)


@pytest.mark.parametrize("threshold", [0.0, -0.5, 1.5, math.nan])
def test_the_threshold_is_an_iou(threshold):
    with pytest.raises(InputError, match="above 0 and up to 1"):
        match_objects(EMPTY, EMPTY, threshold=threshold)


def test_masks_of_other_shapes_are_refused():
    with pytest.raises(InputError, match="shapes"):
        match_objects(EMPTY, EMPTY.T)


masks = arrays(np.int16, (5, 6), elements=st.integers(0, 4))


@given(masks, masks, st.sampled_from([0.05, 0.2, 0.5, 0.7]))
def test_no_other_matching_is_better(truth, predicted, threshold):
    """Against a table of all objects by all objects, as StarDist's matching solves it."""
    true, found = (np.unique(mask[mask != 0]) for mask in (truth, predicted))
    iou = np.array(
        [
            [np.sum((truth == a) & (predicted == b)) / np.sum((truth == a) | (predicted == b)) for b in found]
            for a in true
        ]
    ).reshape(len(true), len(found))
    candidates = iou >= threshold
    fewest = max(min(iou.shape), 1)
    chosen = linear_sum_assignment(candidates + iou * candidates / (2 * fewest), maximize=True)
    tp = int(candidates[chosen].sum())
    counts = match_objects(truth, predicted, threshold=threshold)
    assert (counts.tp, counts.fp, counts.fn) == (tp, len(found) - tp, len(true) - tp)
    assert counts.iou_sum == pytest.approx(iou[chosen][candidates[chosen]].sum())


def test_a_hundred_thousand_objects_need_no_table_of_all_by_all():
    truth = np.arange(1, 100_001).reshape(250, 400)
    assert match_objects(truth, truth[::-1, ::-1]).f1 == 1.0
    assert match_objects(truth, np.repeat(truth, 2, axis=1)[:, 1:401], threshold=0.1).true == 100_000
