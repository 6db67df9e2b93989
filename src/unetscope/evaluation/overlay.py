"""Paint where prediction and truth agree and differ, in colors that color-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.evaluation.metrics import check_masks
from unetscope.evaluation.score import align_labels

__all__ = ["OUTCOMES", "overlay", "rgb"]

OUTCOMES: dict[str, str] = {
    "correct": "#009E73",
    "false positive": "#D55E00",
    "false negative": "#56B4E9",
    "wrong class": "#F0E442",
}
"""Outcome of a pixel and its color, from the palette of Okabe and Ito (2008), jfly.uni-koeln.de/color."""

_OPACITY = 0.6


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
        All labels of the data set. Unless several are given, masks with one nonzero value each show the
        same object, whatever the values, as in `unetscope.evaluation.score_image`.

    Returns
    -------
    (Y, X, 3) ndarray of float32 in [0, 1]
        The `OUTCOMES`: object found, object where there is none, object missed, object of another class.

    Raises
    ------
    InputError
        If the shapes differ or values are not integer.
    """
    check_masks(truth, predicted)
    predicted = align_labels(truth, predicted, classes)
    there, claimed = truth != 0, predicted != 0
    where = {
        "correct": there & (truth == predicted),
        "false positive": ~there & claimed,
        "false negative": there & ~claimed,
        "wrong class": there & claimed & (truth != predicted),
    }
    opacity = 1.0 if image is None else _OPACITY
    painted = np.zeros((*truth.shape, 3), np.float32) if image is None else image.astype(np.float32)
    for outcome, mask in where.items():
        painted[mask] = (1 - opacity) * painted[mask] + opacity * rgb(OUTCOMES[outcome])
    return painted


def rgb(color: str) -> NDArray[np.float32]:
    """Turn ``"#RRGGBB"`` into (3,) float32 in [0, 1]."""
    return np.array([*bytes.fromhex(color[1:])], np.float32) / np.float32(255)
