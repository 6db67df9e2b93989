from __future__ import annotations

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.evaluation.overlay import OUTCOMES, outcome_labels, slice_to_look_at

TRUTH = np.array([0, 0, 1, 1, 2, 2])
PREDICTED = np.array([0, 1, 1, 0, 1, 2])


def test_every_pixel_has_its_outcome():
    names = ["background", *OUTCOMES]
    outcomes = [names[value] for value in outcome_labels(TRUTH, PREDICTED)]
    expected = ["background", "false positive", "correct", "false negative", "wrong class", "correct"]
    assert outcomes == expected


@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 2, 3), (3, 1, 1, 2)])
def test_any_dimension(shape):
    outcomes = outcome_labels(TRUTH.reshape(shape), PREDICTED.reshape(shape))
    assert outcomes.dtype == np.uint8
    assert np.array_equal(outcomes.ravel(), outcome_labels(TRUTH, PREDICTED))


def test_ignored_pixels_have_no_outcome():
    assert outcome_labels(TRUTH, PREDICTED, ignore=2).tolist() == [0, 2, 1, 3, 0, 0]
    # The one object is still the same, whatever the value of what is ignored.
    assert outcome_labels(np.array([255, 9]), np.array([1, 1]), ignore=9).tolist() == [1, 0]


def test_one_object_is_the_same_whatever_its_value():
    truth, predicted = np.array([0, 255, 255]), np.array([0, 1, 0])
    assert outcome_labels(truth, predicted).tolist() == [0, 1, 3]
    assert outcome_labels(truth, predicted, classes=(0, 1, 255)).tolist() == [0, 4, 3]


def test_other_shapes_are_refused():
    with pytest.raises(InputError, match="shapes"):
        outcome_labels(TRUTH, PREDICTED[:3])


def test_the_slice_with_the_most_mistakes_is_worth_a_look():
    outcomes = np.zeros((4, 2, 3), np.uint8)
    outcomes[1] = 1
    assert slice_to_look_at(outcomes) == 1
    outcomes[2, 0, :2] = 2, 3
    outcomes[3, 0, 0] = 4
    assert slice_to_look_at(outcomes) == 2
