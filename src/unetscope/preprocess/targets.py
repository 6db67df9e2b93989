"""Masks to classes: by threshold, by a list of values, or one object per value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.preprocess.objects import object_rims, separate_objects
from unetscope.recipe.recipe import Target

__all__ = ["IGNORED", "class_values", "is_labeled", "to_classes", "true_labels"]

IGNORED = -1
"""Label, and class index, of pixels that nobody labeled: no loss, no score."""


def true_labels(mask: NDArray[Any], target: Target) -> NDArray[Any]:
    """What a mask says, in the values of predictions: 0 is background whatever the mask has for it.

    Parameters
    ----------
    mask : integer ndarray
        As read.
    target : Target

    Returns
    -------
    integer ndarray of the same shape
        0 where background is, `IGNORED` where nobody labeled, the mask's own value elsewhere. The mask
        itself where it says all this already.

    Raises
    ------
    InputError
        If 0 is neither background nor ignored, and so would be one class more.
    """
    if target.ignore is None and target.background == 0:
        return mask
    if target.kind == "multiclass" and 0 not in (target.background, target.ignore) and (mask == 0).any():
        raise InputError(
            f"the mask holds the value 0, but its background is {target.background}",
            expected="0 only where nobody labeled",
            fix="set target.ignore=0, or target.background=0",
        )
    signed = np.int64 if mask.dtype == np.uint64 else np.result_type(mask.dtype, np.int8)
    labels = np.where(mask == target.background, 0, mask).astype(signed)
    if target.ignore is not None:
        labels[mask == target.ignore] = IGNORED
    return labels


def is_labeled(mask: NDArray[Any], target: Target) -> bool:
    """Whether anything in a mask, as read, is labeled."""
    return target.ignore is None or bool((mask != target.ignore).any())


def class_values(labels: Sequence[int], target: Target) -> tuple[int, ...]:
    """The label that predictions hold for each class index, background first.

    Parameters
    ----------
    labels : sequence of int
        All values that occur in the training masks, as read.
    target : Target

    Returns
    -------
    tuple of int
        For binary and instances ``(0, value)``, where value is the masks' own if there is only one,
        otherwise 1. Predictions are written with these values, so that they compare with `true_labels`.

    Raises
    ------
    InputError
        If the masks hold fewer than two classes.
    """
    found = sorted(_labels_in(labels, target))
    if target.kind == "multiclass":
        values = tuple(found if target.values is None else _labels_in(target.values, target))
        complete = len(values) > 1 and (target.background == 0 or 0 in values)
    else:
        objects = [value for value in found if value > target.threshold]
        values = (0, objects[0] if len(objects) == 1 and target.kind == "binary" else 1)
        complete = 0 < len(objects) < len(found)
    if not complete:
        background = f"background ({target.background})" if target.background else "background"
        raise InputError(
            f"the masks hold only the values {sorted({int(label) for label in labels} - {target.ignore})}",
            expected=f"{background} and at least one class",
            fix="check the masks, target.threshold and target.values",
        )
    return values


def to_classes(mask: NDArray[Any], target: Target, values: Sequence[int]) -> NDArray[np.int16]:
    """Turn a mask into class indices.

    Parameters
    ----------
    mask : integer ndarray
        As read.
    target : Target
    values : sequence of int
        Label of each class, from `class_values`.

    Returns
    -------
    int16 ndarray of the same shape
        0 is background; `IGNORED` where nobody labeled. Told apart by boundaries, 1 is inside an object and
        2 its rim.

    Raises
    ------
    InputError
        If a multi-class mask holds a value that is no class.
    """
    labels = true_labels(mask, target)
    if target.kind == "multiclass":
        classes = np.full(mask.shape, IGNORED - 1, dtype=np.int16)
        for index, value in enumerate(values):
            classes[labels == value] = index
    elif target.by_boundary:
        classes = (labels > 0).astype(np.int16) + object_rims(np.maximum(labels, 0))
    else:
        classes = (labels > target.threshold).astype(np.int16)
        if target.by_gap:
            # A region that nobody labeled is below 0, and no object to keep a gap to.
            classes[separate_objects(labels)] = 0
    if target.ignore is not None:
        classes[labels == IGNORED] = IGNORED
    strangers = np.unique(mask[classes < IGNORED])
    if strangers.size:
        raise InputError(
            f"the mask holds the values {strangers[:5].tolist()}",
            expected=f"only {list(values)}",
            fix="set target.values, or correct the mask",
        )
    return classes


def _labels_in(values: Sequence[int], target: Target) -> list[int]:
    labels = true_labels(np.array(values, np.int64), target).tolist()
    return [label for label in dict.fromkeys(labels) if label != IGNORED]
