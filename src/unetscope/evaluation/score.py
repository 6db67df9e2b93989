"""Score the prediction of one image against its truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.evaluation.matching import ObjectCounts
from unetscope.evaluation.metrics import METRICS, Counts, check_masks, count_classes, macro, measure
from unetscope.evaluation.objects import InstanceCounts, object_scores
from unetscope.evaluation.surface import surface_distances

__all__ = ["ImageScore", "align_labels", "score_image"]


@dataclass(frozen=True)
class ImageScore:
    """What evaluation found for one image.

    `precision`, `recall`, `dice`, `iou` and `f1` are means over the foreground classes that occur in
    truth or prediction of this image (1.0 if none does), which for one class is simply its score.

    Attributes
    ----------
    name : str
        The image, as tables call it.
    counts : mapping of int to Counts
        One for each label, with the background (0).
    hausdorff95, mean_surface_distance : float or None
        Mean over the same classes, in `units`; NaN where a class is in only one of the masks, so that
        its distance is undefined; None if distances were not measured.
    units : str
        ``"mm"``, ``"µm"``, … or ``"pixel"``.
    recoded : bool
        Whether truth and prediction mark the one object with different values.
    objects : InstanceCounts or ObjectCounts or None
        Everything that is counted of objects; of reports that an earlier version wrote only those found,
        invented and missed at an intersection over union of 0.5; None if the masks do not number their
        objects.
    """

    name: str
    counts: Mapping[int, Counts]
    hausdorff95: float | None = None
    mean_surface_distance: float | None = None
    units: str = "pixel"
    recoded: bool = field(default=False, repr=False)
    objects: InstanceCounts | ObjectCounts | None = None

    @cached_property
    def metrics(self) -> dict[str, float]:
        """`METRICS`, accuracy, mean IoU and mean Dice of the image, each in [0, 1]; see `macro`."""
        return macro(self.counts)

    @cached_property
    def per_class(self) -> dict[int, dict[str, float]]:
        """`METRICS` and ``"accuracy"`` of each label against the rest, with the background (0)."""
        return {label: measure(counts) for label, counts in self.counts.items()}

    @property
    def classes(self) -> tuple[int, ...]:
        """Foreground labels that occur in truth or prediction."""
        return tuple(label for label, counts in self.counts.items() if label != 0 and counts.occurs)

    @property
    def precision(self) -> float:
        """Share of the predicted pixels that are right."""
        return self.metrics["precision"]

    @property
    def recall(self) -> float:
        """Share of the true pixels that are found."""
        return self.metrics["recall"]

    @property
    def dice(self) -> float:
        """Sørensen–Dice coefficient."""
        return self.metrics["dice"]

    @property
    def iou(self) -> float:
        """Intersection over union."""
        return self.metrics["iou"]

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; equal to `dice`."""
        return self.metrics["f1"]

    @property
    def accuracy(self) -> float:
        """Share of all pixels whose label is right."""
        return self.metrics["accuracy"]

    @property
    def mean_iou(self) -> float:
        """Mean intersection over union of the labels that occur, with the background."""
        return self.metrics["mean_iou"]

    def to_dict(self) -> dict[str, Any]:
        """Name, `METRICS`, accuracy, scores of objects if there are any, and distances: a row of a table."""
        scores = {metric: self.metrics[metric] for metric in (*METRICS, "accuracy")}
        distances = {
            "hausdorff95": self.hausdorff95,
            "mean_surface_distance": self.mean_surface_distance,
        }
        objects = {} if self.objects is None else object_scores(self.objects)
        return {"name": self.name, **scores, **objects, **distances}


def score_image(
    name: str,
    truth: NDArray[Any],
    predicted: NDArray[Any],
    *,
    classes: Sequence[int] | None = None,
    spacing: tuple[float, ...] | None = None,
    units: str = "pixel",
    ignore: int | None = None,
    surface: bool = True,
) -> ImageScore:
    """Score one prediction.

    Parameters
    ----------
    name : str
        The image, as tables and messages call it.
    truth, predicted : (Y, X) or (Z, Y, X) ndarray of int or bool
        Labels; 0 is the background.
    classes : sequence of int, optional
        All labels of the data set, with or without 0; those found in the two masks unless given. Give
        them for a data set of several classes: only then is an image that holds one class in the truth
        and another in the prediction known to be wrong (see Notes).
    spacing : tuple of float, optional
        Distance between neighbors along each axis, in `units`; 1 pixel unless given.
    units : str
        Units of `spacing`.
    ignore : int, optional
        Pixels with this label in `truth` do not count; for distances they are background in both masks.
    surface : bool
        Whether to measure distances between surfaces too.

    Raises
    ------
    InputError
        If shapes differ, values are not integer, a label is not in `classes`, or no pixel counts.

    Notes
    -----
    One object is compared as nonzero against zero if each mask has at most one nonzero value and
    `classes` does not name several: {0, 1} and {0, 255} are then the same coding. The object is called
    by the one class given, else by its value in the truth, else in the prediction, else 1.
    """
    check_masks(truth, predicted, name)
    valid = _valid(name, truth, ignore)
    truth, predicted = np.where(valid, truth, 0), np.where(valid, predicted, 0)
    truth, predicted, labels, recoded = _compare_as(name, truth, predicted, classes)
    counts = count_classes(truth[valid], predicted[valid], labels)
    score = ImageScore(name, counts, units=units, recoded=recoded)
    if not surface:
        return score
    spacing = (1.0,) * truth.ndim if spacing is None else spacing
    distances = [surface_distances(truth == label, predicted == label, spacing) for label in score.classes]
    hausdorff95, mean_distance = np.mean(distances or [(0.0, 0.0)], axis=0)
    return ImageScore(name, counts, float(hausdorff95), float(mean_distance), units, recoded)


def align_labels(
    truth: NDArray[Any], predicted: NDArray[Any], classes: Sequence[int] | None = None
) -> NDArray[Any]:
    """Give the prediction the value of the truth if each marks one object only, whatever the value.

    Parameters
    ----------
    truth, predicted : ndarray of int or bool
        Labels of one shape.
    classes : sequence of int, optional
        All labels of the data set, as for `score_image`.

    Returns
    -------
    ndarray
        `predicted`, with its one nonzero value replaced by that of `truth`; unchanged if either mask
        has several nonzero values or none, or `classes` names several.
    """
    if classes is not None and len(set(classes) - {0}) > 1:
        return predicted
    true_values, values = _foreground(truth), _foreground(predicted)
    if len(true_values) != 1 or len(values) != 1 or true_values == values:
        return predicted
    return np.where(predicted != 0, truth.dtype.type(true_values[0]), truth.dtype.type(0))


def _foreground(labels: NDArray[Any]) -> list[int]:
    return [int(value) for value in np.unique(labels) if value != 0]


def _valid(name: str, truth: NDArray[Any], ignore: int | None) -> NDArray[np.bool_]:
    valid: NDArray[np.bool_] = np.ones(truth.shape, bool) if ignore is None else truth != ignore
    if not valid.any():
        raise InputError(
            f"every pixel of the truth of {name} has the ignored label {ignore}",
            expected="pixels that count",
            fix="leave the image out",
        )
    return valid


def _compare_as(
    name: str, truth: NDArray[Any], predicted: NDArray[Any], classes: Sequence[int] | None
) -> tuple[NDArray[Any], NDArray[Any], list[int], bool]:
    """Decide between one object and labels: (truth, predicted, labels to count, whether recoded)."""
    true_values, values = _foreground(truth), _foreground(predicted)
    found = sorted({*true_values, *values})
    wanted = found if classes is None else sorted({int(label) for label in classes} - {0})
    if len(true_values) <= 1 and len(values) <= 1 and (classes is None or len(wanted) == 1):
        label = (wanted if classes is not None else [*true_values, *values, 1])[0]
        return (truth != 0) * label, (predicted != 0) * label, [0, label], len(found) == 2
    unknown = sorted(set(found) - set(wanted))
    if unknown:
        raise InputError(
            f"the masks of {name} hold the labels {', '.join(map(str, unknown))}",
            expected=f"only the classes {', '.join(map(str, [0, *wanted]))}",
            fix="correct the masks, or name all classes",
        )
    return truth, predicted, [0, *wanted], False
