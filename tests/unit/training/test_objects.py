"""How maps become objects is settled by what finds most of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from unetscope.inference import Labeling, Prediction
from unetscope.io.image import Image
from unetscope.preprocess import object_distances
from unetscope.training.objects import smallest_object, tune_labeling

SQUARES = np.zeros((20, 33), np.int32)
SQUARES[4:16, 3:15], SQUARES[4:16, 15:27] = 1, 2
LABELING = Labeling("instances", (0, 1), 0.5, seed=0.5)


def predicted(cores: np.ndarray, probabilities: np.ndarray, labeling: Labeling = LABELING) -> Prediction:
    maps = Image(probabilities.astype(np.float32), "YX")
    nothing = maps.with_data(np.zeros(maps.data.shape, np.int32))
    return Prediction(nothing, maps, labeling, Image(cores[np.newaxis].astype(np.float32), "CYX")).labeled(
        labeling
    )


def test_a_seed_that_tells_two_objects_apart_is_found() -> None:
    # Between the two the core is as high as 0.65, so that lower seeds join them.
    cores = np.where(SQUARES > 0, 0.65 + 0.35 * object_distances(SQUARES), 0)
    prediction = predicted(cores, SQUARES > 0)
    assert prediction.labels.data.max() == 1
    tuned = tune_labeling([prediction], [SQUARES], LABELING)
    assert tuned.seed in (0.8, 0.9)
    assert prediction.labeled(tuned).labels.data.max() == 2
    # What is as good as it was stays.
    assert tuned.threshold == 0.5


def test_a_threshold_that_outlines_objects_is_found_unless_it_is_fixed() -> None:
    # A halo of three pixels with a probability of 0.65.
    halo = np.pad(np.ones((18, 30)), ((1, 1), (0, 3)))
    prediction = predicted(object_distances(SQUARES), np.where(SQUARES > 0, 0.95, 0.65 * halo))
    assert tune_labeling([prediction], [SQUARES], LABELING).threshold == 0.7
    assert tune_labeling([prediction], [SQUARES], LABELING, keep_threshold=True).threshold == 0.5


def test_what_nobody_labeled_does_not_count() -> None:
    prediction = predicted(object_distances(SQUARES), SQUARES > 0)
    strict = replace(LABELING, minimum_size=7)
    unlabeled = np.where(SQUARES == 2, -1, SQUARES)
    assert tune_labeling([prediction], [unlabeled], strict) == strict


@pytest.mark.parametrize(
    ("masks", "expected"),
    [([], 0), ([np.zeros((3, 3), int)], 0), ([SQUARES], 72), ([np.repeat(np.arange(101), 100)], 50)],
)
def test_the_smallest_object_is_half_of_a_small_one(masks: list[np.ndarray], expected: int) -> None:
    assert smallest_object(masks) == expected
