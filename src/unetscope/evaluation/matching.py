"""Objects of a prediction against objects of the truth, matched by how much they overlap.

A predicted and a true object match if their intersection over union reaches a threshold; every object
matches at most one other. Objects are counted as pixels are in `unetscope.evaluation.metrics`: a match is
a true positive, a predicted object without one a false positive, a true object without one a false negative.

====================  ======================================  =========================================
score                 definition                              also called
====================  ======================================  =========================================
precision             TP / (TP + FP)
recall                TP / (TP + FN)
f1                    2 TP / (2 TP + FP + FN)                 recognition quality
average precision     TP / (TP + FP + FN)                     AP, accuracy (StarDist), Jaccard index
segmentation quality  Σ IoU of the matches / TP               mean matched IoU
panoptic quality      Σ IoU of the matches /                  f1 × segmentation quality
                      (TP + FP / 2 + FN / 2)
====================  ======================================  =========================================

Average precision is what the Data Science Bowl 2018 (Caicedo et al. 2019, doi:10.1038/s41592-019-0612-7),
StarDist (Schmidt et al. 2018, doi:10.1007/978-3-030-00934-2_30) and Cellpose (Stringer et al. 2021,
doi:10.1038/s41592-020-01018-x) call so; it is not the area under a curve of precision and recall, for which
objects would need a confidence. Panoptic quality is that of Kirillov et al. 2019
(doi:10.1109/CVPR.2019.00963), for a single class. Where a fraction is 0/0, the rule of
`unetscope.evaluation.metrics` holds: 1.0 where there is no object in truth and prediction, 0.0 otherwise.
What is measured beyond matches is in `unetscope.evaluation.objects`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from unetscope.errors import InputError
from unetscope.evaluation.overlaps import Overlaps, find_overlaps

__all__ = ["ObjectCounts", "best_pairs", "counts_at", "match_objects"]


@dataclass(frozen=True)
class ObjectCounts:
    """Objects found, invented and missed; can be added, also with `sum`.

    Attributes
    ----------
    tp, fp, fn : int
        Matches, predicted objects without a match, true objects without a match.
    iou_sum : float
        Sum of the intersection over union of all matches.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    iou_sum: float = 0.0

    def __add__(self, other: ObjectCounts) -> ObjectCounts:
        return ObjectCounts(
            self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.iou_sum + other.iou_sum
        )

    def __radd__(self, start: int) -> ObjectCounts:
        """Let `sum` begin at its default of 0."""
        return self if start == 0 else NotImplemented

    @property
    def true(self) -> int:
        """Number of objects in the truth."""
        return self.tp + self.fn

    @property
    def predicted(self) -> int:
        """Number of objects in the prediction."""
        return self.tp + self.fp

    @property
    def count_error(self) -> int:
        """How many more objects were predicted than there are; negative if fewer."""
        return self.predicted - self.true

    @property
    def precision(self) -> float:
        """Share of the predicted objects that are right, in [0, 1]."""
        return self._ratio(self.tp, self.predicted)

    @property
    def recall(self) -> float:
        """Share of the true objects that are found, in [0, 1]."""
        return self._ratio(self.tp, self.true)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, in [0, 1]."""
        return self._ratio(2 * self.tp, self.true + self.predicted)

    @property
    def average_precision(self) -> float:
        """Matches by all objects, found, invented or missed, in [0, 1]; F1 / (2 - F1)."""
        return self._ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def segmentation_quality(self) -> float:
        """Mean intersection over union of the matches, in [0, 1]."""
        return self._ratio(self.iou_sum, self.tp)

    @property
    def panoptic_quality(self) -> float:
        """F1 times segmentation quality, in [0, 1]."""
        return self._ratio(2 * self.iou_sum, self.true + self.predicted)

    def _ratio(self, part: float, whole: int) -> float:
        if whole == 0:
            return float(self.true + self.predicted == 0)
        return part / whole


def match_objects(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    *,
    threshold: float = 0.5,
    valid: NDArray[np.bool_] | None = None,
) -> ObjectCounts:
    """Match the objects of one image.

    Parameters
    ----------
    truth, predicted : ndarray of int, any shape
        One value per object, in any order; 0 is the background.
    threshold : float
        Intersection over union from which on two objects match, in (0, 1].
    valid : ndarray of bool, optional
        Which pixels count; all unless given. An object without such a pixel is none.

    Returns
    -------
    ObjectCounts

    Raises
    ------
    InputError
        If the shapes differ, values are not integer, or the threshold is out of range.

    Notes
    -----
    Of all ways to match, one with the most matches is taken, and of those one with the largest sum of
    IoU. Above a threshold of 0.5 there is only one way.
    """
    if not 0 < threshold <= 1:
        raise InputError(
            f"the threshold for matching objects is {threshold:g}",
            expected="an intersection over union above 0 and up to 1",
            fix="correct it",
        )
    return counts_at(find_overlaps(truth, predicted, valid), threshold)


def counts_at(overlaps: Overlaps, threshold: float) -> ObjectCounts:
    """Count matches among objects whose overlaps are known, as `match_objects` does."""
    iou = overlaps.iou[best_pairs(overlaps, threshold)]
    tp = iou.size
    return ObjectCounts(tp, overlaps.areas.size - tp, overlaps.true_areas.size - tp, float(iou.sum()))


def best_pairs(overlaps: Overlaps, threshold: float) -> NDArray[np.intp]:
    """Choose the pairs that match.

    Parameters
    ----------
    overlaps : Overlaps
    threshold : float
        Intersection over union from which on two objects match, in (0, 1].

    Returns
    -------
    (M,) ndarray of int
        Places of the chosen pairs in `overlaps`; no object is in two of them.
    """
    near = np.flatnonzero(overlaps.iou >= threshold)
    rows, columns = overlaps.rows[near], overlaps.columns[near]
    # Nearly all objects have one candidate. The others fall into small groups that do not meet, so that no
    # table of all objects by all objects is needed.
    single = (np.bincount(rows)[rows] == 1) & (np.bincount(columns)[columns] == 1)
    rows, columns, contested = rows[~single], columns[~single], near[~single]
    count = max(rows.max(initial=-1), columns.max(initial=-1)) + 1
    meet = coo_array((np.ones(rows.size, bool), (rows, columns + count)), shape=(2 * count, 2 * count))
    group = connected_components(meet, directed=False)[1][rows]
    order = np.argsort(group, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    chosen = [_assign(overlaps, contested[part]) for part in parts if part.size]
    return np.concatenate([near[single], *chosen])


def _assign(overlaps: Overlaps, pairs: NDArray[np.intp]) -> NDArray[np.intp]:
    """The best of these pairs of which no two share an object."""
    true, row = np.unique(overlaps.rows[pairs], return_inverse=True)
    found, column = np.unique(overlaps.columns[pairs], return_inverse=True)
    # One match more outweighs every sum of IoU.
    gain = np.zeros((true.size, found.size))
    gain[row, column] = min(gain.shape) + 1 + overlaps.iou[pairs]
    place = np.full(gain.shape, -1, np.intp)
    place[row, column] = pairs
    chosen = place[linear_sum_assignment(gain, maximize=True)]
    return chosen[chosen >= 0]
