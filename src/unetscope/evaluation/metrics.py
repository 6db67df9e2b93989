"""Pixel counts, and the scores that are made of them.

Everything starts from four counts of one class against the rest: true positives (TP), false positives
(FP), false negatives (FN) and true negatives (TN). Counts can be added over images, so the same functions
score one image or a whole data set.

===========  ==========================  ============================================
score        definition                  also called
===========  ==========================  ============================================
precision    TP / (TP + FP)              positive predictive value
recall       TP / (TP + FN)              sensitivity
dice         2 TP / (2 TP + FP + FN)     Sørensen–Dice coefficient
iou          TP / (TP + FP + FN)         Jaccard index
f1           2 TP / (2 TP + FP + FN)     harmonic mean of precision and recall
specificity  TN / (TN + FP)              recall of everything that is not the object
accuracy     (TP + TN) / all             share of right pixels
===========  ==========================  ============================================

Where the fraction is 0/0, software differs: some leaves the image out, some gives 0, 1 or NaN. Here:

==================================  ===================================
object in truth and prediction      precision, recall, dice, iou, f1
==================================  ===================================
in neither                          1.0
in exactly one                      0.0
in both, without common pixel       0.0
==================================  ===================================

An image without the object that is predicted to be empty is right, and leaving it out of the mean, or
counting it as wrong, would punish the model for it. No score is ever NaN, and dice equals f1 always.
Specificity follows the same rule for everything that is not the object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError

__all__ = [
    "METRICS",
    "Counts",
    "accuracy",
    "check_masks",
    "count",
    "count_classes",
    "dice",
    "f1",
    "iou",
    "macro",
    "mean_iou",
    "measure",
    "precision",
    "recall",
    "specificity",
]

METRICS: tuple[str, ...] = ("precision", "recall", "dice", "iou", "f1")
"""The overlap scores of every table, in this order."""


@dataclass(frozen=True)
class Counts:
    """Pixels of one class against the rest; can be added, also with `sum`.

    Attributes
    ----------
    tp, fp, fn, tn : int
        True positives, false positives, false negatives and true negatives.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    def __radd__(self, start: int) -> Counts:
        """Let `sum` begin at its default of 0."""
        return self if start == 0 else NotImplemented

    @property
    def total(self) -> int:
        """Number of pixels."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def occurs(self) -> bool:
        """Whether the class is in the truth or in the prediction."""
        return self.tp + self.fp + self.fn > 0


def check_masks(truth: NDArray[Any], predicted: NDArray[Any], name: str = "the image") -> None:
    """Refuse two arrays that cannot be compared pixel by pixel.

    Parameters
    ----------
    truth, predicted : ndarray
        Label arrays.
    name : str
        What the message calls them.

    Raises
    ------
    InputError
        If shapes differ, the arrays are empty, or values are neither integer nor bool.
    """
    if truth.shape != predicted.shape:
        raise InputError(
            f"truth and prediction of {name} have shapes {truth.shape} and {predicted.shape}",
            expected="one shape",
            fix="bring the prediction back to the grid of the truth",
        )
    if truth.size == 0:
        raise InputError(
            f"the masks of {name} have shape {truth.shape}",
            expected="at least one pixel",
            fix="check the files",
        )
    for role, mask in (("truth", truth), ("prediction", predicted)):
        if mask.dtype.kind not in "biu":
            raise InputError(
                f"the {role} of {name} holds {mask.dtype} values",
                expected="integer labels",
                fix="round or threshold it first",
            )


def count(
    truth: NDArray[np.bool_], predicted: NDArray[np.bool_], valid: NDArray[np.bool_] | None = None
) -> Counts:
    """Count the pixels of one class.

    Parameters
    ----------
    truth, predicted : ndarray of bool, any shape
        Where the class is, and where it is predicted to be.
    valid : ndarray of bool, optional
        Which pixels count; all unless given.

    Returns
    -------
    Counts
        They add up to the number of (valid) pixels.

    Raises
    ------
    InputError
        If the shapes differ or an array is not bool.
    """
    arrays = [truth, predicted] if valid is None else [truth, predicted, valid]
    if len({array.shape for array in arrays}) > 1 or any(array.dtype != np.bool_ for array in arrays):
        found = " and ".join(f"{array.dtype} of shape {array.shape}" for array in arrays)
        raise InputError(
            f"the arrays to count are {found}",
            expected="bool arrays of one shape",
            fix="compare labels first",
        )
    if valid is not None:
        truth, predicted = truth[valid], predicted[valid]
    tp = int(np.count_nonzero(truth & predicted))
    fp = int(np.count_nonzero(predicted)) - tp
    fn = int(np.count_nonzero(truth)) - tp
    return Counts(tp, fp, fn, truth.size - tp - fp - fn)


def count_classes(
    truth: NDArray[Any], predicted: NDArray[Any], classes: Sequence[int], ignore: int | None = None
) -> dict[int, Counts]:
    """Count the pixels of each class against all others.

    Parameters
    ----------
    truth, predicted : ndarray of int, any shape
        Labels.
    classes : sequence of int
        Labels to count; 0, the background, is one only if it is listed.
    ignore : int, optional
        Pixels with this label in `truth` are not counted at all.

    Returns
    -------
    dict of int to Counts
        In the order of `classes`.

    Raises
    ------
    InputError
        If the shapes differ or values are not integer.

    Notes
    -----
    One comparison per class is several times faster than a joint histogram up to a dozen classes, which
    is more than semantic masks usually have.
    """
    check_masks(truth, predicted)
    if ignore is not None:
        valid = truth != ignore
        truth, predicted = truth[valid], predicted[valid]
    return {label: count(truth == label, predicted == label) for label in classes}


def _ratio(part: int, whole: int, *, mistakes: int) -> float:
    """Divide; 0/0 is right (1.0) if nothing was mistaken and wrong (0.0) otherwise."""
    if whole == 0:
        return float(mistakes == 0)
    return part / whole


def precision(counts: Counts) -> float:
    """Share of the predicted pixels that are right, in [0, 1]."""
    return _ratio(counts.tp, counts.tp + counts.fp, mistakes=counts.fn)


def recall(counts: Counts) -> float:
    """Share of the true pixels that are found, in [0, 1]."""
    return _ratio(counts.tp, counts.tp + counts.fn, mistakes=counts.fp)


def dice(counts: Counts) -> float:
    """Sørensen–Dice coefficient, in [0, 1] (Dice 1945, doi:10.2307/1932409)."""
    return _ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn, mistakes=0)


def iou(counts: Counts) -> float:
    """Intersection over union, the Jaccard index, in [0, 1]."""
    return _ratio(counts.tp, counts.tp + counts.fp + counts.fn, mistakes=0)


def f1(counts: Counts) -> float:
    """Harmonic mean of precision and recall, in [0, 1]; for pixels the same fraction as `dice`."""
    return dice(counts)


def specificity(counts: Counts) -> float:
    """Share of the pixels outside the object that are predicted to be outside, in [0, 1]."""
    return _ratio(counts.tn, counts.tn + counts.fp, mistakes=counts.fn)


def accuracy(counts: Counts) -> float:
    """Share of all pixels that are right, in [0, 1]; high for small objects even if they are missed."""
    return _ratio(counts.tp + counts.tn, counts.total, mistakes=0)


def measure(counts: Counts) -> dict[str, float]:
    """Scores of one class: all of `METRICS`, and ``"accuracy"``."""
    return {
        "precision": precision(counts),
        "recall": recall(counts),
        "dice": dice(counts),
        "iou": iou(counts),
        "f1": f1(counts),
        "accuracy": accuracy(counts),
    }


def mean_iou(counts_by_class: Mapping[int, Counts]) -> float:
    """Mean intersection over union of the classes that occur in truth or prediction.

    Parameters
    ----------
    counts_by_class : mapping of int to Counts
        With the background (0), which is a class like the others here.

    Returns
    -------
    float
        In [0, 1]; 1.0 where no class occurs.
    """
    return _mean([iou(counts) for counts in counts_by_class.values() if counts.occurs])


def macro(counts_by_class: Mapping[int, Counts]) -> dict[str, float]:
    """Scores of all classes together, each class with the same weight.

    Parameters
    ----------
    counts_by_class : mapping of int to Counts
        Counts over the same pixels for every label that occurs, with the background (0).

    Returns
    -------
    dict of str to float
        `METRICS`, each the mean over the foreground classes that occur in truth or prediction (1.0 if
        none does); ``"accuracy"``, the share of pixels whose label is right; ``"mean_iou"`` and
        ``"mean_dice"``, with the background.
    """
    present = [measure(counts) for label, counts in counts_by_class.items() if label != 0 and counts.occurs]
    scores = {metric: _mean([values[metric] for values in present]) for metric in METRICS}
    right = sum(counts.tp for counts in counts_by_class.values())
    total = next(iter(counts_by_class.values())).total
    with_background = [dice(counts) for counts in counts_by_class.values() if counts.occurs]
    return {
        **scores,
        "accuracy": right / total,
        "mean_iou": mean_iou(counts_by_class),
        "mean_dice": _mean(with_background),
    }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 1.0
