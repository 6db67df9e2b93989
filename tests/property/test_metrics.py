from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unetscope.evaluation import (
    METRICS,
    Counts,
    Report,
    accuracy,
    count,
    count_classes,
    dice,
    f1,
    iou,
    mean_iou,
    measure,
    precision,
    recall,
    score_image,
    specificity,
)

SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, max_side=6)


@st.composite
def pairs(draw, elements):
    """A truth and a prediction of one shape."""
    shape = draw(SHAPES)
    return tuple(
        draw(hnp.arrays(np.asarray(elements).dtype, shape, elements=st.sampled_from(elements)))
        for _ in range(2)
    )


bools = pairs([False, True])
labels = pairs([0, 1, 2, 5])


@given(bools)
def test_scores_are_within_bounds(pair):
    counts = count(*pair)
    for score in (precision, recall, dice, iou, f1, accuracy, specificity):
        assert 0.0 <= score(counts) <= 1.0


@given(bools)
def test_counts_add_up_to_the_pixels(pair):
    counts = count(*pair)
    assert min(counts.tp, counts.fp, counts.fn, counts.tn) >= 0
    assert counts.total == pair[0].size


@given(bools)
def test_dice_is_f1_and_the_harmonic_mean_and_follows_from_iou(pair):
    counts = count(*pair)
    p, r, j = precision(counts), recall(counts), iou(counts)
    assert dice(counts) == f1(counts) == pytest.approx(2 * p * r / (p + r) if p + r else 0.0)
    assert dice(counts) == pytest.approx(2 * j / (1 + j))


@given(bools)
def test_swapping_swaps_precision_and_recall_only(pair):
    there, back = count(*pair), count(*reversed(pair))
    assert (precision(there), recall(there)) == (recall(back), precision(back))
    assert (dice(there), iou(there), accuracy(there)) == (dice(back), iou(back), accuracy(back))


@given(hnp.arrays(bool, SHAPES))
def test_a_perfect_prediction_scores_one(truth):
    counts = count(truth, truth)
    assert set(measure(counts).values()) == {1.0}
    assert specificity(counts) == 1.0


@given(bools, st.randoms(use_true_random=False))
def test_order_of_pixels_does_not_matter(pair, random):
    order = list(range(pair[0].size))
    random.shuffle(order)
    assert count(*(mask.ravel()[order] for mask in pair)) == count(*pair)


@given(bools, st.data())
def test_valid_and_other_pixels_are_all_pixels(pair, data):
    valid = data.draw(hnp.arrays(bool, pair[0].shape))
    assert count(*pair, valid=valid) + count(*pair, valid=~valid) == count(*pair)


@given(labels, st.sampled_from([None, 0, 5, 9]))
def test_classes_agree_with_counting_pixel_by_pixel(pair, ignore):
    classes = [0, 1, 2, 3]
    expected = dict.fromkeys(classes, Counts())
    for truth, predicted in zip(*(mask.ravel().tolist() for mask in pair), strict=True):
        if truth == ignore:
            continue
        for label in classes:
            expected[label] += Counts(
                tp=truth == label == predicted,
                fp=truth != label == predicted,
                fn=truth == label != predicted,
                tn=label not in (truth, predicted),
            )
    assert count_classes(*pair, classes, ignore) == expected


@given(labels)
def test_pooled_and_mean_of_one_image_are_the_image(pair):
    score = score_image("a", *pair, classes=[0, 1, 2, 5], surface=False)
    report = Report((score,))
    assert report.pooled == score.metrics
    assert report.mean == score.metrics
    assert set(report.std.values()) == {0.0}


@given(st.lists(bools, min_size=1, max_size=5))
def test_pooled_is_the_score_of_all_pixels_together(images):
    report = Report(tuple(score_image(str(i), *pair, surface=False) for i, pair in enumerate(images)))
    together = [np.concatenate([pair[side].ravel() for pair in images]) for side in (0, 1)]
    assert {metric: report.pooled[metric] for metric in METRICS} == pytest.approx(
        {metric: measure(count(*together))[metric] for metric in METRICS}
    )


@given(labels)
def test_mean_iou_is_over_the_labels_that_occur(pair):
    counts = count_classes(*pair, [0, 1, 2, 5, 7])
    present = set(np.unique(pair).tolist())
    assert mean_iou(counts) == pytest.approx(np.mean([iou(counts[label]) for label in present]))


@given(bools, st.integers(1, 255), st.integers(1, 255))
def test_the_value_of_one_object_does_not_matter(pair, truth_value, value):
    coded = score_image("a", pair[0] * np.uint8(truth_value), pair[1] * np.uint8(value))
    assert coded.to_dict() == pytest.approx(score_image("a", *pair).to_dict(), nan_ok=True)
