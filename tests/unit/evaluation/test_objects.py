from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.evaluation import (
    IOU_THRESHOLDS,
    OBJECT_METRICS,
    InstanceCounts,
    ObjectCounts,
    count_objects,
    match_objects,
)
from unetscope.evaluation.objects import connected_objects, object_scores, pool_objects

NOTHING = np.zeros((4, 6), int)


def line(text):
    """One row of pixels, a digit for each; dots are background."""
    return np.array([[0 if letter == "." else int(letter) for letter in text]])


# --- by hand ---


def test_a_case_by_hand():
    """IoU: object 1 of 10 pixels 8/10, object 2 of 4 pixels 2/6, object 3 missed; one is false."""
    truth = line("1111111111..2222..33......")
    predicted = line("66666666......7777......88")
    counts = count_objects(truth, predicted)
    assert (counts.true, counts.predicted, counts.count_error) == (3, 3, 0)
    assert counts.tp == (1, 1, 1, 1, 1, 1, 1, 0, 0, 0)
    assert counts.iou_sum == pytest.approx((0.8,) * 7 + (0,) * 3)
    assert counts.at() == ObjectCounts(1, 2, 2, 0.8)
    assert counts.at().average_precision == 1 / 5
    assert counts.at().f1 == 2 / 6
    assert counts.mean_ap == pytest.approx(7 / 10 * 1 / 5)
    assert counts.at().panoptic_quality == pytest.approx(0.8 / 3)
    # 8 + 2 common pixels; 10 + 6 of the pairs, 2 of the missed and 2 of the false object.
    assert (counts.common, counts.united, counts.aji) == (10, 20, 0.5)
    # Exactly half of object 2 is not more than half of it.
    assert counts.seg == pytest.approx(0.8 / 3)
    assert (counts.merges, counts.splits) == (0, 0)


def test_thresholds_belong_to_the_matches():
    """11 of 20 pixels and 19 of 20 are 0.55 and 0.95 to the last bit."""
    for found in (11, 19):
        counts = count_objects(line("1" * 20), line("1" * found + "." * (20 - found)))
        assert sum(counts.tp) == (2 if found == 11 else 10)


def test_f1_and_average_precision_say_the_same():
    counts = ObjectCounts(tp=7, fp=2, fn=5)
    assert counts.average_precision == 7 / 14
    assert counts.average_precision == pytest.approx(counts.f1 / (2 - counts.f1))


def test_one_object_for_two_is_a_merge():
    counts = count_objects(line("1111222."), line("55555555"))
    assert (counts.merges, counts.splits, counts.tp[0]) == (1, 0, 1)
    # Both true objects choose the one predicted object: 4 + 3 common pixels by 8 + 8.
    assert counts.aji == 7 / 16
    # It covers both, with IoU 4/8 and 3/8.
    assert counts.seg == pytest.approx((4 / 8 + 3 / 8) / 2)


def test_two_objects_for_one_are_a_split_even_if_one_matches():
    counts = count_objects(line("1111111111"), line("5555553333"))
    assert (counts.merges, counts.splits, counts.tp[0]) == (0, 1, 1)
    # The best one is chosen; the other is in the denominator.
    assert counts.aji == 6 / 14
    assert counts.seg == 0.6


def test_half_is_not_more_than_half():
    assert count_objects(line("11..22"), line(".5555.")).merges == 0
    assert count_objects(line(".1111."), line("55..66")).splits == 0
    assert count_objects(line("11..22"), line("55555.")).merges == 0
    assert count_objects(line("111222"), line(".5555.")).merges == 1
    assert count_objects(line(".1111."), line("555666")).splits == 1


def test_touching_the_neighbor_is_no_merge_and_no_split():
    counts = count_objects(line("1111122222"), line("5555555666"))
    assert (counts.merges, counts.splits, counts.tp[0]) == (0, 0, 2)


@pytest.mark.parametrize(("speck", "parts"), [(9, 0), (10, 1)])
def test_a_speck_makes_no_split_and_no_merge(speck, parts):
    """Less than a tenth of 100 pixels, together: one piece, or specks of one pixel."""
    whole, pieces = np.ones((1, 100), int), np.ones((1, 100), int)
    pieces[0, :speck] = 2
    specks = np.ones((1, 100), int)
    specks[0, : 2 * speck : 2] = np.arange(2, 2 + speck)
    for several in (pieces, specks):
        assert count_objects(whole, several).splits == parts
        assert count_objects(several, whole).merges == parts


def test_many_pieces_are_one_split_and_a_clump_is_one_merge():
    """Each is less than a tenth of the whole, all of them together are not."""
    whole, pieces = np.ones((6, 100), int), np.repeat(np.arange(1, 31), 20).reshape(6, 100)
    assert (count_objects(whole, pieces).splits, count_objects(whole, pieces).merges) == (1, 0)
    assert (count_objects(pieces, whole).splits, count_objects(pieces, whole).merges) == (0, 1)


def test_a_predicted_object_counts_twice_in_the_aggregated_jaccard_index():
    """As algorithm 1 of Kumar et al. says: it is not taken away once it is used."""
    counts = count_objects(line("111122223333"), line("444444444444"))
    assert (counts.common, counts.united) == (12, 3 * 12)
    # As if the others were missed.
    assert counts.aji == count_objects(line("111122223333"), line("4444........")).aji == 1 / 3


def test_the_best_overlap_is_that_of_the_highest_iou():
    """Object 5 has 4 common pixels and an IoU of 4/14, object 6 has 3 and 3/7; 5 is left over."""
    counts = count_objects(line("1111111......."), line("66655555555555"))
    assert (counts.common, counts.united) == (3, 7 + 11)


def test_equal_overlaps_are_told_apart_by_place_and_not_by_number():
    truth = line("11112222")
    for names in (("5", "7"), ("7", "5")):
        predicted = line("..{0}{0}{1}{1}..".format(*names))
        assert count_objects(truth, predicted).united == 8
    for names in ("5789", "9875", "7598"):
        predicted = line("{0}{0}{1}{1}{2}{2}{3}{3}".format(*names))
        assert count_objects(truth, predicted) == count_objects(truth, line("55667788"))


def test_in_three_dimensions():
    truth, predicted = np.zeros((3, 4, 5), int), np.zeros((3, 4, 5), int)
    truth[:, :2], truth[:, 3] = 1, 2
    predicted[:2, :2], predicted[2] = 7, 9
    counts = count_objects(truth, predicted)
    # 30 and 15 pixels; 7 has 20 of the first, 9 of 20 pixels has 10 of the first and 5 of the second.
    assert counts.tp == (1, 1, 1, 1, 0, 0, 0, 0, 0, 0)
    assert (counts.common, counts.united) == (20 + 5, 30 + (15 + 20 - 5))
    assert counts.seg == pytest.approx(2 / 3 / 2)


def test_pixels_that_do_not_count_belong_to_no_object():
    truth, predicted = line("1111.2222.33"), line("5555.6666666")
    valid = line("111111100000") > 0
    counts = count_objects(truth, predicted, valid=valid)
    assert counts == count_objects(truth[:, :7], predicted[:, :7])
    assert (counts.true, counts.predicted, counts.tp[-1], counts.aji) == (2, 2, 2, 1.0)
    assert count_objects(truth, predicted, valid=np.zeros_like(valid)) == InstanceCounts()


@pytest.mark.parametrize(
    ("truth", "predicted", "score"),
    [(NOTHING, NOTHING, 1.0), (NOTHING, NOTHING + 1, 0.0), (NOTHING + 1, NOTHING, 0.0)],
)
def test_nothing_out_of_nothing_is_right(truth, predicted, score):
    scores = object_scores(count_objects(truth, predicted))
    counted = ("true_objects", "predicted_objects", "count_error", "merges", "splits")
    assert {value for key, value in scores.items() if key not in counted} == {score}


def test_scores_of_no_common_pixel_are_zero():
    counts = count_objects(line("11....22"), line("..3344.."))
    assert (counts.aji, counts.seg, counts.mean_ap, counts.united) == (0, 0, 0, 8)


# --- sums ---


def test_counts_add_up():
    one = InstanceCounts(3, 4, tuple(range(10)), tuple(i / 2 for i in range(10)), 5, 6, 0.5, 1, 2)
    total = sum([one, one, InstanceCounts()])
    assert (total.true, total.predicted, total.common, total.united) == (6, 8, 10, 12)
    assert (total.covered, total.merges, total.splits) == (1.0, 2, 4)
    assert total.tp == tuple(range(0, 20, 2))
    assert total.at(0.95).iou_sum == 9


def test_without_all_counts_only_the_matches_of_half_are_pooled():
    whole = count_objects(line("11.22"), line("33.44"))
    old = ObjectCounts(1, 2, 3, 0.75)
    assert pool_objects([whole, old]) == ObjectCounts(3, 2, 3, 2.75)
    assert pool_objects([whole, whole]) == whole + whole
    assert set(object_scores(old)) < set(object_scores(whole)) == set(OBJECT_METRICS)


def test_other_thresholds_and_damaged_counts_are_refused():
    with pytest.raises(InputError, match=r"matching objects is 0\.52; expected one of 0\.5, 0\.55, .* 0\.95"):
        InstanceCounts().at(0.52)
    with pytest.raises(InputError, match="tp of the objects has 1 values; expected 10"):
        InstanceCounts(tp=(1,))
    with pytest.raises(InputError, match="shapes"):
        count_objects(NOTHING, NOTHING.T)


def test_parts_of_a_mask_without_numbers_are_objects():
    assert connected_objects(line("55.55")).tolist() == [[1, 1, 0, 2, 2]]
    assert connected_objects(line("55.55") > 0).max() == 2
    numbered = line("55.66")
    assert connected_objects(numbered) is numbered
    assert not connected_objects(NOTHING).any()


# --- against others ---


def lattice(shift, radius):
    """Disks in cells of 16 × 15 pixels, numbered line by line, (96, 120)."""
    y, x = np.indices((96, 120)) + np.reshape(shift, (2, 1, 1))
    (row, y), (column, x) = np.divmod(y, 16), np.divmod(x, 15)
    return np.where((y - 8) ** 2 + (x - 7) ** 2 <= radius**2, 10 * row + column + 1, 0)


def example(number):
    """Disks and their prediction: shifted, some merged, split or missed, and specks of noise."""
    truth = lattice((3 * number, 5), 8)
    predicted = lattice((3 * number + 1, 5 + number), 8 - number)
    y, x = np.indices(truth.shape)
    predicted[predicted % 7 == 3] -= 1
    predicted[(predicted % 9 == 5) & (x % 15 < 8)] += 500
    predicted[predicted % 11 == 1] = 0
    predicted[(y % 13 == 0) & (x % 17 == 0)] = 900
    predicted[(y % 29 < 3) & (x % 31 < 4)] += 2000
    return truth, predicted


def test_as_stardist_matches():
    """Numbers of stardist 0.9.2: `matching` of each image, `matching_dataset` of all (float32)."""
    counts = [count_objects(*example(number)) for number in range(3)]
    assert [each.tp for each in counts] == [
        (38, 34, 34, 34, 33, 32, 26, 15, 0, 0),
        (41, 40, 38, 36, 28, 6, 6, 0, 0, 0),
        (32, 26, 9, 6, 6, 5, 1, 1, 0, 0),
    ]
    assert [(each.true, each.predicted) for each in counts] == [(54, 74), (63, 73), (63, 69)]
    quality = [each.at().panoptic_quality for each in counts]
    assert quality == pytest.approx([0.4720495, 0.4283692, 0.2933806], abs=1e-6)
    pooled = sum(counts)
    precision = [0.389473684, 0.337837838, 0.257142857, 0.2375, 0.203647416, 0.121813031]
    precision += [0.090909091, 0.042105263, 0, 0]
    f1 = [0.560606061, 0.505050505, 0.409090909, 0.383838384, 0.338383838, 0.217171717]
    f1 += [0.166666667, 0.080808081, 0, 0]
    found = [pooled.at(threshold) for threshold in IOU_THRESHOLDS]
    assert [each.average_precision for each in found] == pytest.approx(precision, abs=1e-9)
    assert [each.f1 for each in found] == pytest.approx(f1, abs=1e-9)
    assert pooled.at().panoptic_quality == pytest.approx(0.3974918, abs=1e-6)


def test_as_the_cell_tracking_challenge_measures():
    """SEG, and predicted objects that more than one true object is matched to, of py-ctcmetrics 1.3.3."""
    counts = [count_objects(*example(number)) for number in range(3)]
    expected = [0.647296229923, 0.53616960887, 0.377910869132]
    assert [each.seg for each in counts] == pytest.approx(expected, abs=1e-12)
    assert sum(counts).seg == pytest.approx(0.5141170362775634)
    assert [each.merges for each in counts] == [7, 7, 5]


def test_as_hovernet_aggregates():
    """The aggregated Jaccard index of HoVer-Net's `get_fast_aji`, which is that of the MoNuSeg challenge."""
    indices = [count_objects(*example(number)).aji for number in range(3)]
    assert indices == pytest.approx([0.577395385217, 0.50868905011, 0.406241688093], abs=1e-12)


@pytest.mark.parametrize("number", range(3))
def test_thresholds_are_those_of_single_matchings(number):
    truth, predicted = example(number)
    counts = count_objects(truth, predicted)
    for threshold in IOU_THRESHOLDS:
        expected = match_objects(truth, predicted, threshold=threshold)
        assert replace(expected, iou_sum=0) == replace(counts.at(threshold), iou_sum=0)
        assert counts.at(threshold).iou_sum == pytest.approx(expected.iou_sum)


def test_many_objects_need_no_table_of_all_by_all():
    truth = np.arange(1, 100_001).reshape(250, 400)
    counts = count_objects(truth, np.repeat(truth, 2, axis=1)[:, 1:401])
    assert counts.true == 100_000
    assert math.isclose(counts.aji, counts.common / counts.united)
