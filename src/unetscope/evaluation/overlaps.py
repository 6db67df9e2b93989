"""Which objects of a truth and a prediction have pixels in common, and how many."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.evaluation.metrics import check_masks

__all__ = ["Overlaps", "find_overlaps"]


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Objects of two masks and all pairs of them that overlap, counted once for every measure.

    Objects are numbered 0, 1, … in the order in which they appear in the masks, whatever their values.

    Attributes
    ----------
    true_areas : (T,) ndarray of int
        Number of pixels of each true object.
    areas : (P,) ndarray of int
        Number of pixels of each predicted object.
    rows, columns : (N,) ndarray of int
        The true and the predicted object of each pair, sorted by both.
    common : (N,) ndarray of int
        Number of pixels that the two of a pair have in common.
    true_runs, runs : (R,) ndarray of int
        True and predicted object of each run of equal pixels, -1 for the background; the masks are these
        runs in C order.
    lengths : (R,) ndarray of int
        Number of pixels of each run.
    """

    true_areas: NDArray[np.int64]
    areas: NDArray[np.int64]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    common: NDArray[np.int64]
    true_runs: NDArray[np.intp]
    runs: NDArray[np.intp]
    lengths: NDArray[np.intp]

    @cached_property
    def union(self) -> NDArray[np.int64]:
        """Number of pixels that are in either object of each pair, (N,)."""
        union: NDArray[np.int64] = self.true_areas[self.rows] + self.areas[self.columns] - self.common
        return union

    @cached_property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair, (N,) in (0, 1]."""
        iou: NDArray[np.float64] = self.common / self.union
        return iou


def find_overlaps(
    truth: NDArray[Any], predicted: NDArray[Any], valid: NDArray[np.bool_] | None = None
) -> Overlaps:
    """Find all pairs of objects that overlap.

    Parameters
    ----------
    truth, predicted : ndarray of int, any shape
        One value per object, in any order; 0 is the background.
    valid : ndarray of bool, optional
        Which pixels count; all unless given. An object without such a pixel is none.

    Raises
    ------
    InputError
        If the shapes differ or values are not integer.

    Notes
    -----
    Neighbors along the last axis mostly belong to the same objects, so that runs of equal pixels are
    sorted instead of pixels: 2048 × 2048 pixels take about a tenth of a second.
    """
    check_masks(truth, predicted)
    if valid is not None:
        truth, predicted = np.where(valid, truth, 0), np.where(valid, predicted, 0)
    truth, predicted = truth.ravel(), predicted.ravel()
    changes = np.flatnonzero((truth[1:] != truth[:-1]) | (predicted[1:] != predicted[:-1]))
    starts = np.concatenate([[0], changes + 1])
    lengths = np.diff(starts, append=truth.size)
    true_runs, true_areas = _numbered(truth[starts], lengths)
    runs, areas = _numbered(predicted[starts], lengths)
    both = (true_runs >= 0) & (runs >= 0)
    pairs, place = np.unique(true_runs[both] * areas.size + runs[both], return_inverse=True)
    rows, columns = np.divmod(pairs, max(areas.size, 1))
    common = _summed(place, lengths[both], pairs.size)
    return Overlaps(true_areas, areas, rows, columns, common, true_runs, runs, lengths)


def _numbered(values: NDArray[Any], lengths: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Number the objects of runs as they appear, -1 for the background; and their areas."""
    inside = values != 0
    ids, first, place = np.unique(values[inside], return_index=True, return_inverse=True)
    rank = np.empty(ids.size, np.intp)
    rank[np.argsort(first)] = np.arange(ids.size)
    numbers = np.full(values.shape, -1, np.intp)
    numbers[inside] = rank[place]
    return numbers, _summed(numbers[inside], lengths[inside], ids.size)


def _summed(places: NDArray[np.intp], lengths: NDArray[np.intp], size: int) -> NDArray[np.int64]:
    # Sums of float64 are exact up to 2⁵³ pixels.
    return np.bincount(places, weights=lengths, minlength=size).astype(np.int64)
