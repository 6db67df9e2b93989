"""Validation: the prediction and the metrics that users run, on the images kept out of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unetscope.evaluation.metrics import Counts, count_classes, dice
from unetscope.inference import Labeling, labels_from, object_maps
from unetscope.inference.tiling import predict_logits
from unetscope.network import UNet, activate, for_inference
from unetscope.preprocess import IGNORED
from unetscope.recipe import Recipe
from unetscope.training.dataset import Batch, Sample
from unetscope.training.losses import segmentation_loss

__all__ = ["Validation", "tune_threshold", "validate"]

_THRESHOLDS = np.round(np.arange(0.1, 0.91, 0.05), 2)


@dataclass(frozen=True)
class Validation:
    """How a network does on the validation images.

    Attributes
    ----------
    loss : float
        Mean over images.
    dice : float
        Mean over images; for several classes, of the mean over those that occur in the image. Of strokes,
        which are too few in an image to judge it, one Dice over the labeled pixels of all images.
    threshold : float
        The recipe's, or the one with the best such Dice on these images.
    """

    loss: float
    dice: float
    threshold: float


def validate(network: UNet, samples: Sequence[Sample], recipe: Recipe) -> Validation:
    """Judge a network.

    Parameters
    ----------
    network : UNet
        In evaluation mode.
    samples : sequence of Sample
        At least one.
    recipe : Recipe

    Returns
    -------
    Validation
        Dice at the threshold that the recipe fixes, or at 0.5 where it is tuned.
    """
    fixed = recipe.prediction.threshold
    threshold = 0.5 if fixed == "auto" else fixed
    losses, counts, maps, targets = [], [], [], []
    network = for_inference(network)
    for sample in samples:
        logits = predict_logits(network, sample.image)
        losses.append(_loss(logits, sample, recipe, network.unit))
        probabilities = activate(network, logits).numpy()
        if recipe.target.kind != "multiclass":
            probabilities = object_maps(probabilities, recipe.target)[:1]
        maps.append(probabilities[0])
        counts.append(_counts(probabilities, sample, threshold))
        targets.append(sample.target)
    if recipe.target.sparse:
        counts = [{index: sum((each[index] for each in counts), Counts()) for index in counts[0]}]
        maps, targets = ([np.concatenate([each.ravel() for each in parts])] for parts in (maps, targets))
    if fixed == "auto" and recipe.target.kind != "multiclass":
        threshold = tune_threshold(maps, targets)
    return Validation(float(np.mean(losses)), float(np.mean([_dice(each) for each in counts])), threshold)


def tune_threshold(maps: Sequence[NDArray[np.float32]], targets: Sequence[NDArray[np.float32]]) -> float:
    """The threshold with the best mean Dice over images, among 0.10, 0.15, …, 0.90.

    Parameters
    ----------
    maps : sequence of (*grid) float32 ndarray
        Probabilities of being an object.
    targets : sequence of (*grid) ndarray
        Class indices.

    Returns
    -------
    float
        The one nearest to 0.5 where several are equally good.
    """
    scores = np.zeros(len(_THRESHOLDS))
    for probabilities, target in zip(maps, targets, strict=True):
        labeled = target != IGNORED
        # How many thresholds a pixel passes; counting them once serves all thresholds.
        passed = np.searchsorted(_THRESHOLDS, probabilities[labeled], side="right")
        truth = target[labeled] > 0
        bins = len(_THRESHOLDS) + 1
        true, false = (np.bincount(passed[part], minlength=bins) for part in (truth, ~truth))
        tp = true[::-1].cumsum()[::-1][1:]
        fp = false[::-1].cumsum()[::-1][1:]
        total = int(truth.sum())
        scores += [
            dice(Counts(tp=int(t), fp=int(f), fn=total - int(t), tn=0)) for t, f in zip(tp, fp, strict=True)
        ]
    best = np.flatnonzero(scores >= scores.max() - 1e-9)
    return float(_THRESHOLDS[best[np.abs(_THRESHOLDS[best] - 0.5).argmin()]])


def _loss(logits: Tensor, sample: Sample, recipe: Recipe, unit: Tensor) -> float:
    rest = torch.from_numpy(sample.array[sample.channels :])[None]
    batch = Batch.of(torch.from_numpy(sample.image)[None], rest, recipe, unit, objects=sample.objects)
    return float(segmentation_loss(logits[None], batch.targets, recipe.loss, **batch.maps))


def _counts(probabilities: NDArray[np.float32], sample: Sample, threshold: float) -> dict[int, Counts]:
    kind: Literal["binary", "multiclass"] = "binary" if len(probabilities) == 1 else "multiclass"
    values = range(max(len(probabilities), 2))
    predicted = labels_from(probabilities, Labeling(kind, tuple(values), threshold))
    truth = sample.target.astype(np.int16)
    # Inside or rim, both are the object.
    return count_classes(np.minimum(truth, values[-1]), predicted, values[1:], ignore=IGNORED)


def _dice(counts: Mapping[int, Counts]) -> float:
    present = [dice(of_class) for of_class in counts.values() if of_class.occurs]
    return float(np.mean(present)) if present else 1.0
