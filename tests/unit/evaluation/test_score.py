from __future__ import annotations

import math

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.evaluation import METRICS, Counts, score_image


def square(value=1, shift=0, dtype=np.uint8):
    mask = np.zeros((10, 12), dtype)
    mask[2:6, 2 + shift : 6 + shift] = value
    return mask


def test_one_object():
    score = score_image("a.png", square(), square(shift=2), spacing=(0.5, 2.0), units="mm")
    assert score.counts[1] == Counts(tp=8, fp=8, fn=8, tn=96)
    assert (score.precision, score.recall, score.dice, score.iou, score.f1) == (0.5, 0.5, 0.5, 1 / 3, 0.5)
    assert score.accuracy == 104 / 120
    assert score.mean_iou == pytest.approx((8 / 24 + 96 / 112) / 2)
    assert score.hausdorff95 == pytest.approx(2 * 2.0)
    assert score.units == "mm"
    assert list(score.to_dict()) == ["name", *METRICS, "accuracy", "hausdorff95", "mean_surface_distance"]


@pytest.mark.parametrize(("truth_value", "value"), [(1, 1), (255, 1), (1, 255), (True, 255), (7, 3)])
def test_one_object_has_any_value(truth_value, value):
    truth = square(truth_value, dtype=bool if truth_value is True else np.uint8)
    score = score_image("a.png", truth, square(value, shift=1))
    assert score.dice == 0.75
    assert list(score.counts) == [0, int(truth_value)]
    assert score.recoded is (int(truth_value) != value)


def test_an_object_missing_from_the_truth_has_the_value_of_the_prediction():
    score = score_image("a.png", np.zeros((10, 12), int), square(255))
    assert list(score.counts) == [0, 255]
    assert score.dice == 0.0
    assert math.isnan(score.hausdorff95)


def test_nothing_there_and_nothing_predicted_is_right():
    score = score_image("a.png", np.zeros((4, 4), int), np.zeros((4, 4), int))
    assert score.counts == {0: Counts(tp=16), 1: Counts(tn=16)}
    assert (score.dice, score.accuracy, score.hausdorff95, score.mean_surface_distance) == (1, 1, 0, 0)


def test_several_classes_are_compared_by_value():
    truth = np.array([[0, 1, 1, 2], [0, 1, 1, 2]])
    predicted = np.array([[0, 1, 1, 1], [0, 1, 1, 2]])
    score = score_image("a.png", truth, predicted)
    assert score.per_class[1]["dice"] == 8 / 9
    assert score.per_class[2]["dice"] == 2 / 3
    assert score.dice == pytest.approx((8 / 9 + 2 / 3) / 2)
    assert score.accuracy == 7 / 8


def test_named_classes_tell_one_class_from_another():
    assert score_image("a.png", square(1), square(2)).dice == 1.0
    assert score_image("a.png", square(1), square(2), classes=[0, 1, 2]).dice == 0.0


def test_one_named_class_gives_its_name_to_the_object():
    score = score_image("a.png", square(255), square(1), classes=[0, 3])
    assert score.classes == (3,)
    assert score.dice == 1.0


def test_a_class_that_does_not_occur_does_not_lower_the_mean():
    score = score_image("a.png", square(1), square(1), classes=[0, 1, 2])
    assert score.dice == 1.0
    assert score.hausdorff95 == 0.0


def test_distance_is_undefined_if_a_class_is_missed():
    truth = square(1)
    truth[8, 8] = 2
    score = score_image("a.png", truth, square(1), classes=[1, 2])
    assert math.isnan(score.hausdorff95)
    assert math.isnan(score.mean_surface_distance)


def test_labels_outside_the_classes_are_refused():
    with pytest.raises(InputError, match=r"a\.png hold the labels 3; expected only the classes 0, 1, 2"):
        score_image("a.png", square(1), square(3), classes=[1, 2])


def test_ignored_pixels_do_not_count():
    truth, predicted = square(1), square(1)
    truth[0], predicted[0] = 9, 1
    score = score_image("a.png", truth, predicted, ignore=9)
    assert score.counts[1] == Counts(tp=16, tn=120 - 12 - 16)
    assert (score.dice, score.hausdorff95) == (1.0, 0.0)
    with pytest.raises(InputError, match=r"every pixel of the truth of a\.png has the ignored label 9"):
        score_image("a.png", np.full((2, 2), 9), np.zeros((2, 2), int), ignore=9)


def test_distances_are_measured_on_request_only():
    score = score_image("a.png", square(), square(), surface=False)
    assert score.hausdorff95 is None
    assert score.mean_surface_distance is None


def test_three_dimensions():
    truth = np.zeros((4, 6, 6), np.uint8)
    truth[1, 2:4, 2:4] = 1
    score = score_image("a.tif", truth, np.roll(truth, 1, axis=0), spacing=(3.0, 1.0, 1.0), units="µm")
    assert (score.dice, score.hausdorff95, score.mean_surface_distance) == (0.0, 3.0, 3.0)


def test_shape_and_type_errors_name_the_image():
    with pytest.raises(InputError, match=r"truth and prediction of a\.png have shapes"):
        score_image("a.png", np.zeros((2, 3), int), np.zeros((3, 2), int))
    with pytest.raises(InputError, match=r"the prediction of a\.png holds float64"):
        score_image("a.png", np.zeros((2, 2), int), np.zeros((2, 2)))
    with pytest.raises(InputError, match="at least one pixel"):
        score_image("a.png", np.zeros((0, 3), int), np.zeros((0, 3), int))
