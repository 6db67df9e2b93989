"""How a trained network's maps become objects, settled on images that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.evaluation.objects import InstanceCounts, count_objects
from unetscope.inference import Labeling, Prediction

__all__ = ["smallest_object", "tune_labeling"]

_THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_SEEDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
# Predicted pixels that are labeled again and again, so that this takes seconds, not minutes.
_PIXELS = 4_000_000
_ROUNDS = 2


def tune_labeling(
    predictions: Sequence[Prediction],
    truths: Sequence[NDArray[Any]],
    labeling: Labeling,
    *,
    keep_threshold: bool = False,
) -> Labeling:
    """The threshold and the seed that find most objects.

    Parameters
    ----------
    predictions : sequence of Prediction
        Of validation images, with guides.
    truths : sequence of (*grid) integer ndarray
        One value per object; 0 is background, below 0 nobody labeled.
    labeling : Labeling
        Where to begin.
    keep_threshold : bool
        Whether only the seed is to be tuned.

    Returns
    -------
    Labeling
        With the best mean AP of all objects together. Threshold and seed are varied in turn, which takes a
        third of the time of all combinations.
    """
    chosen = list(_some(predictions, truths))
    scores = {labeling: _score(chosen, labeling)}
    for _ in range(_ROUNDS):
        tried = [replace(labeling, seed=seed) for seed in _SEEDS]
        labeling = _best(tried, chosen, scores)
        if not keep_threshold:
            tried = [replace(labeling, threshold=threshold) for threshold in _THRESHOLDS]
            labeling = _best(tried, chosen, scores)
    return labeling


def smallest_object(masks: Iterable[NDArray[Any]]) -> int:
    """The size below which a predicted part is no object: half of what all but 2 % of the true ones have.

    Parameters
    ----------
    masks : iterable of integer ndarray
        One value per object, 0 is background.

    Returns
    -------
    int
        In pixels.
    """
    sizes = [np.unique(mask[mask > 0], return_counts=True)[1] for mask in masks]
    joined = np.concatenate(sizes) if sizes else np.zeros(0)
    return int(np.percentile(joined, 2) / 2) if joined.size else 0


def _some(
    predictions: Sequence[Prediction], truths: Sequence[NDArray[Any]]
) -> Iterable[tuple[Prediction, NDArray[Any]]]:
    pixels = 0
    for prediction, truth in zip(predictions, truths, strict=True):
        pixels += truth.size
        if pixels > _PIXELS and pixels > truth.size:
            return
        yield prediction, truth


def _best(
    tried: Sequence[Labeling],
    pairs: Sequence[tuple[Prediction, NDArray[Any]]],
    scores: dict[Labeling, float],
) -> Labeling:
    """The best of all that were ever tried; nothing is scored twice."""
    for labeling in tried:
        if labeling not in scores:
            scores[labeling] = _score(pairs, labeling)
    return max(scores, key=lambda each: scores[each])


def _score(pairs: Sequence[tuple[Prediction, NDArray[Any]]], labeling: Labeling) -> float:
    counts = [
        count_objects(np.maximum(truth, 0), prediction.labeled(labeling).labels.data, valid=truth >= 0)
        for prediction, truth in pairs
    ]
    return sum(counts, InstanceCounts()).mean_ap
