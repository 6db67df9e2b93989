"""What holds of scores of objects for all masks, and what the definitions say word by word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unetscope.evaluation import IOU_THRESHOLDS, InstanceCounts, Report, count_objects, score_image
from unetscope.evaluation.object_overlay import OBJECT_OUTCOMES, object_outcomes
from unetscope.evaluation.objects import SPECK, object_scores

SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, max_side=8)
_COUNTS = ("true_objects", "predicted_objects", "count_error", "merges", "splits")


@st.composite
def pairs(draw):
    """A truth and a prediction of one shape, in which objects are often in one piece."""
    shape = draw(SHAPES)
    blocks = tuple(-(-side // 2) for side in shape)

    def mask():
        values = draw(hnp.arrays(np.int16, blocks, elements=st.integers(0, 5)))
        for axis in range(values.ndim):
            values = values.repeat(2, axis=axis)
        values = values[tuple(map(slice, shape))]
        noise = draw(hnp.arrays(np.int16, shape, elements=st.integers(0, 12)))
        return np.where(noise > 7, noise - 7, values)

    return mask(), mask()


def pixels(mask) -> list[frozenset[int]]:
    """The objects of a mask as sets of pixels, in the order of their first ones."""
    values = mask.ravel().tolist()
    return [
        frozenset(i for i, other in enumerate(values) if other == value)
        for value in dict.fromkeys(values)
        if value
    ]


def jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    return len(one & other) / len(one | other)


def parts_of(whole: frozenset[int], parts: list[frozenset[int]]) -> Iterator[int]:
    """Sizes of what the parts that are more than half inside have in common with the whole."""
    return (len(part & whole) for part in parts if 2 * len(part & whole) > len(part))


def consists_of_several(whole: frozenset[int], parts: list[frozenset[int]]) -> bool:
    sizes = sorted(parts_of(whole, parts))
    return sum(sizes[:-1]) / len(whole) >= SPECK


@given(pairs())
def test_the_definitions_word_by_word(pair):
    true, found = map(pixels, pair)
    common = united = 0
    unused = set(found)
    for one in true:
        met = [other for other in found if one & other]
        best = max(met, key=lambda other: (jaccard(one, other), len(one & other)), default=None)
        common += len(one & best) if best else 0
        united += len(one | best) if best else len(one)
        unused -= {best}
    united += sum(map(len, unused))
    covered = [jaccard(one, other) for one in true for other in found if 2 * len(one & other) > len(one)]
    counts = count_objects(*pair)
    assert (counts.true, counts.predicted) == (len(true), len(found))
    assert (counts.common, counts.united) == (common, united)
    assert counts.covered == pytest.approx(sum(covered))
    assert counts.merges == sum(consists_of_several(other, true) for other in found)
    assert counts.splits == sum(consists_of_several(one, found) for one in true)


@given(pairs())
def test_scores_are_within_bounds_and_fall_with_the_threshold(pair):
    counts = count_objects(*pair)
    shares = {key: value for key, value in object_scores(counts).items() if key not in _COUNTS}
    assert all(0 <= value <= 1 for value in shares.values())
    matches = [counts.at(threshold) for threshold in IOU_THRESHOLDS]
    for scores in ([each.average_precision for each in matches], [each.f1 for each in matches], counts.tp):
        assert list(scores) == sorted(scores, reverse=True)
    # The sum of ten may be rounded.
    assert matches[-1].average_precision - 1e-9 <= counts.mean_ap <= matches[0].average_precision + 1e-9
    assert counts.at().average_precision <= counts.at().f1
    assert counts.merges <= counts.predicted
    assert counts.splits <= counts.true


@given(pairs())
def test_exchanged_masks_exchange_merges_and_splits(pair):
    there, back = count_objects(*pair), count_objects(*reversed(pair))
    assert (there.merges, there.splits) == (back.splits, back.merges)
    assert there.tp == back.tp
    assert there.iou_sum == pytest.approx(back.iou_sum)
    assert there.count_error == -back.count_error
    assert [there.at(t).average_precision for t in IOU_THRESHOLDS] == [
        back.at(t).average_precision for t in IOU_THRESHOLDS
    ]


@given(pairs(), st.permutations(range(1, 7)), st.permutations(range(1, 7)))
def test_numbers_do_not_matter(pair, first, second):
    renumbered = [np.array([0, *order])[mask] for mask, order in zip(pair, (first, second), strict=True)]
    one, other = count_objects(*pair), count_objects(*renumbered)
    assert object_scores(one) == pytest.approx(object_scores(other))
    assert (one.common, one.united) == (other.common, other.united)


@given(pairs())
def test_a_perfect_prediction_scores_one(pair):
    truth = pair[0]
    counts = count_objects(truth, truth * 3)
    shares = {value for key, value in object_scores(counts).items() if key not in _COUNTS}
    assert shares == {1.0}
    assert (counts.merges, counts.splits, counts.count_error) == (0, 0, 0)


@given(st.lists(pairs(), min_size=1, max_size=4))
def test_pooled_is_the_score_of_all_objects_together(images):
    """Side by side, with numbers of their own, they are one image."""
    scores, together = [], ([], [])
    for number, pair in enumerate(images):
        score = score_image(str(number), pair[0] > 0, pair[1] > 0, surface=False)
        scores.append(replace(score, objects=count_objects(*pair)))
        for side, mask in zip(together, pair, strict=True):
            side.append(np.where(mask.ravel() > 0, mask.ravel() + 10 * number, 0))
    whole = count_objects(*map(np.concatenate, together))
    pooled = Report(tuple(scores)).pooled
    assert {key: pooled[key] for key in object_scores(whole)} == pytest.approx(object_scores(whole))
    assert sum((score.objects for score in scores), InstanceCounts()).tp == whole.tp


@given(pairs(), st.data())
def test_pixels_that_do_not_count_are_background(pair, data):
    valid = data.draw(hnp.arrays(bool, pair[0].shape))
    assert count_objects(*pair, valid=valid) == count_objects(*(np.where(valid, mask, 0) for mask in pair))


@given(pairs())
def test_the_picture_shows_what_is_counted(pair):
    truth, predicted = pair
    counts, outcomes = count_objects(truth, predicted), object_outcomes(truth, predicted)
    names = [None, *OBJECT_OUTCOMES]
    seen = {names[value] for value in np.unique(outcomes)} - {None}
    assert not outcomes[(truth == 0) & (predicted == 0)].any()
    # Where there is neither merge nor split, what is seen is found, false or missed.
    assert ("merged" in seen) <= (counts.merges > 0)
    assert ("split" in seen) <= (counts.splits > 0)
    assert ("found" in seen) <= (counts.tp[0] > 0)
    assert ("false" in seen) <= (counts.at().fp > 0)
    assert ("missed" in seen) <= (counts.at().fn > 0)
