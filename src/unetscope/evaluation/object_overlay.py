"""What became of each object, in colors that color-blind readers can tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.evaluation.objects import Relations
from unetscope.evaluation.overlaps import find_overlaps
from unetscope.evaluation.overlay import CLASSES, rgb
from unetscope.preprocess import separate_objects

__all__ = ["OBJECT_OUTCOMES", "object_outcomes", "paint_objects"]

OBJECT_OUTCOMES: dict[str, str] = {
    "found": "#009E73",
    "false": "#D55E00",
    "missed": "#56B4E9",
    "merged": "#F0E442",
    "split": "#CC79A7",
}
"""Outcome of an object and its color, from the palette of `unetscope.evaluation.overlay.OUTCOMES`.

In the order of the values of `object_outcomes`: a predicted object that matches a true one, one that matches
none, a true object that none matches, a predicted object that is several true ones, and one that is a part of
a true one.
"""

_FOUND, _FALSE, _MISSED, _MERGED, _SPLIT = range(1, len(OBJECT_OUTCOMES) + 1)
_GRAY = "#999999"


def object_outcomes(
    truth: NDArray[Any], predicted: NDArray[Any], *, valid: NDArray[np.bool_] | None = None
) -> NDArray[np.uint8]:
    """Say what became of each object.

    Parameters
    ----------
    truth, predicted : ndarray of int, any shape
        One value per object; 0 is the background.
    valid : ndarray of bool, optional
        Which pixels count; all unless given.

    Returns
    -------
    ndarray of uint8
        1, 2, … for the `OBJECT_OUTCOMES` in their order, and 0 where there is no object, and on a line
        between two that touch.

    Raises
    ------
    InputError
        If the shapes differ or values are not integer.

    Notes
    -----
    Objects match at an intersection over union of 0.5; merges and splits are those of
    `unetscope.evaluation.objects`, and show before anything else that a predicted object is. Of a true
    object only what no predicted one covers is seen, and that only if it is missed: not found, not split,
    and in no merge. Where it meets a predicted object the smaller of the two is in front, so that both are
    seen.
    """
    overlaps = find_overlaps(truth, predicted, valid)
    true_outcomes, outcomes = _of_objects(Relations(overlaps))
    # The last entry, which -1 takes, is that of the background.
    behind = np.append(true_outcomes, 0)[overlaps.true_runs]
    front = np.append(outcomes, 0)[overlaps.runs]
    true_area = np.append(overlaps.true_areas, 0)[overlaps.true_runs]
    area = np.append(overlaps.areas, 0)[overlaps.runs]
    swapped = (front == 0) | ((behind != 0) & (true_area < area))
    runs = np.where(swapped, behind, front).astype(np.uint8)
    painted = np.repeat(runs, overlaps.lengths).reshape(truth.shape)
    painted[separate_objects(predicted) & (painted != _MISSED)] = 0
    painted[separate_objects(truth) & (painted == _MISSED)] = 0
    return painted


def _of_objects(related: Relations) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Outcomes of true objects, `_MISSED` or 0, and of predicted ones."""
    overlaps = related.overlaps
    rows, columns = overlaps.rows, overlaps.columns
    true_outcomes = np.full(overlaps.true_areas.size, _MISSED)
    true_outcomes[rows[related.matches]] = 0
    true_outcomes[related.splits] = 0
    true_outcomes[rows[related.covers & related.merges[columns]]] = 0
    outcomes = np.full(overlaps.areas.size, _FALSE)
    outcomes[columns[related.matches]] = _FOUND
    outcomes[columns[related.inside & related.splits[rows]]] = _SPLIT
    outcomes[related.merges] = _MERGED
    return true_outcomes, outcomes


def paint_objects(truth: NDArray[Any], predicted: NDArray[Any]) -> NDArray[np.float32]:
    """Paint each predicted object in the color of the true one that it covers most.

    Where two true objects have become one, one color is missing. An object that covers none is gray, and
    black lines part those that touch. The truth itself is painted by giving it twice.

    Parameters
    ----------
    truth, predicted : (Y, X) ndarray of int
        One value per object; 0 is the background.

    Returns
    -------
    (Y, X, 3) ndarray of float32 in [0, 1]

    Raises
    ------
    InputError
        If the shapes differ or values are not integer.
    """
    overlaps = find_overlaps(truth, predicted)
    colors = np.full(overlaps.areas.size + 1, len(CLASSES))
    colors[-1] = len(CLASSES) + 1
    # The last assignment counts: that of the true object with most pixels in common, of these the first.
    order = np.lexsort((-overlaps.rows, overlaps.common))
    colors[overlaps.columns[order]] = overlaps.rows[order] % len(CLASSES)
    palette = np.array([*map(rgb, CLASSES), rgb(_GRAY), rgb("#000000")], np.float32)
    painted = np.repeat(palette[colors[overlaps.runs]], overlaps.lengths, axis=0)
    painted = painted.reshape(*predicted.shape, 3)
    painted[separate_objects(predicted)] = 0
    return painted
