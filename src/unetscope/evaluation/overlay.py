"""Where prediction and truth agree and differ, in colors that color-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.evaluation.metrics import check_masks
from unetscope.evaluation.score import align_labels

__all__ = ["CLASSES", "OUTCOMES", "outcome_labels", "overlay", "paint", "rgb", "slice_to_look_at"]

OUTCOMES: dict[str, str] = {
    "correct": "#009E73",
    "false positive": "#D55E00",
    "false negative": "#56B4E9",
    "wrong class": "#F0E442",
}
"""Outcome of a pixel and its color, from the palette of Okabe and Ito (2008), jfly.uni-koeln.de/color.

In the order of the values of `outcome_labels`: object found, object where there is none, object missed,
object of another class.
"""

CLASSES = ("#E69F00", "#CC79A7", "#0072B2", "#F0E442", "#56B4E9", "#009E73", "#D55E00")
"""Colors of foreground classes, or of objects, in the order of their labels, repeated when there are more.

First come those that do not mean anything in `OUTCOMES`.
"""

_OPACITY = 0.6


def outcome_labels(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    *,
    classes: Sequence[int] | None = None,
    ignore: int | None = None,
) -> NDArray[np.uint8]:
    """Say what became of each pixel.

    Parameters
    ----------
    truth, predicted : ndarray of int or bool, any shape
        Labels; 0 is the background.
    classes : sequence of int, optional
        All labels of the data set. Unless several are given, masks with one nonzero value each show the
        same object, whatever the values, as in `unetscope.evaluation.score_image`.
    ignore : int, optional
        Pixels with this label in `truth` have no outcome.

    Returns
    -------
    ndarray of uint8
        0 where both masks are background, and 1, 2, … for the `OUTCOMES` in their order.

    Raises
    ------
    InputError
        If the shapes differ or values are not integer.
    """
    check_masks(truth, predicted)
    known = np.ones(truth.shape, bool) if ignore is None else truth != ignore
    truth, predicted = np.where(known, truth, 0), np.where(known, predicted, 0)
    predicted = align_labels(truth, predicted, classes)
    there, claimed = truth != 0, predicted != 0
    # In the order of OUTCOMES.
    where = (
        there & (truth == predicted),
        ~there & claimed,
        there & ~claimed,
        there & claimed & (truth != predicted),
    )
    return np.select(where, np.arange(1, len(where) + 1, dtype=np.uint8), np.uint8(0))


def slice_to_look_at(outcomes: NDArray[np.uint8]) -> int:
    """Where along its first axis a stack of outcomes is worth a look.

    Parameters
    ----------
    outcomes : (Z, Y, X) ndarray of uint8
        From `outcome_labels` or `unetscope.evaluation.object_overlay.object_outcomes`.

    Returns
    -------
    int
        The slice with the most mistakes; without any mistake the one with the most object.
    """
    around = tuple(range(1, outcomes.ndim))
    mistakes = np.count_nonzero(outcomes > 1, axis=around)
    found = np.count_nonzero(outcomes, axis=around)
    return int(np.argmax(mistakes if mistakes.any() else found))


def overlay(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    image: NDArray[np.floating] | None = None,
    *,
    classes: Sequence[int] | None = None,
) -> NDArray[np.float32]:
    """Color each pixel by the outcome of its prediction.

    Parameters
    ----------
    truth, predicted : (Y, X) ndarray of int or bool
        Labels; 0 is the background.
    image : (Y, X, 3) ndarray of float in [0, 1], optional
        Shines through the colors, and is seen alone where both masks are background; black unless given.
    classes : sequence of int, optional
        All labels of the data set, as for `outcome_labels`.

    Returns
    -------
    (Y, X, 3) ndarray of float32 in [0, 1]
        The colors of `OUTCOMES`.

    Raises
    ------
    InputError
        If the shapes differ or values are not integer.
    """
    return paint(outcome_labels(truth, predicted, classes=classes), OUTCOMES.values(), image)


def paint(
    outcomes: NDArray[np.uint8], colors: Iterable[str], image: NDArray[np.floating] | None = None
) -> NDArray[np.float32]:
    """Color pixels by their outcomes.

    Parameters
    ----------
    outcomes : (Y, X) ndarray of uint8
        0 for nothing, and 1, 2, … for the colors in their order.
    colors : iterable of str
        ``"#RRGGBB"``.
    image : (Y, X, 3) ndarray of float in [0, 1], optional
        Shines through the colors, and is seen alone where there is no outcome; black unless given.

    Returns
    -------
    (Y, X, 3) ndarray of float32 in [0, 1]
    """
    opacity = 1.0 if image is None else _OPACITY
    painted = np.zeros((*outcomes.shape, 3), np.float32) if image is None else image.astype(np.float32)
    for value, color in enumerate(colors, start=1):
        mask = outcomes == value
        painted[mask] = (1 - opacity) * painted[mask] + opacity * rgb(color)
    return painted


def rgb(color: str) -> NDArray[np.float32]:
    """Turn ``"#RRGGBB"`` into (3,) float32 in [0, 1]."""
    return np.array([*bytes.fromhex(color[1:])], np.float32) / np.float32(255)
