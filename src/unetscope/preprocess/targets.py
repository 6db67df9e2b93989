"""Masks to classes: by threshold, by a list of values, or one object per value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.recipe.recipe import Target

__all__ = ["IGNORED", "class_values", "separate_objects", "to_classes"]

IGNORED = -1
"""Class index of pixels without a label: no loss, no score."""


def class_values(labels: Sequence[int], target: Target) -> tuple[int, ...]:
    """The mask value that each class index stands for, background first.

    Parameters
    ----------
    labels : sequence of int
        All values that occur in the training masks.
    target : Target

    Returns
    -------
    tuple of int
        For binary and instances ``(0, value)``, where value is the masks' own if there is only one,
        otherwise 1. Predictions are written with these values, so that they compare with the masks.

    Raises
    ------
    InputError
        If the masks hold fewer than two classes.
    """
    found = sorted({int(value) for value in labels} - {target.ignore})
    if target.kind == "multiclass":
        values = target.values if target.values is not None else tuple(found)
    else:
        objects = [value for value in found if value > target.threshold]
        values = (0, objects[0] if len(objects) == 1 and target.kind == "binary" else 1)
        if not objects or len(objects) == len(found):
            values = ()
    if len(values) < 2:
        raise InputError(
            f"the masks hold only the values {found}",
            expected="background and at least one class",
            fix="check the masks, target.threshold and target.values",
        )
    return values


def to_classes(mask: NDArray[Any], target: Target, values: Sequence[int]) -> NDArray[np.int16]:
    """Turn a mask into class indices.

    Parameters
    ----------
    mask : integer ndarray
    target : Target
    values : sequence of int
        Mask value of each class, from `class_values`.

    Returns
    -------
    int16 ndarray of the same shape
        0 is background; `IGNORED` where nobody labeled.

    Raises
    ------
    InputError
        If a multi-class mask holds a value that is no class.
    """
    if target.kind == "multiclass":
        classes = np.full(mask.shape, IGNORED - 1, dtype=np.int16)
        for index, value in enumerate(values):
            classes[mask == value] = index
    else:
        classes = (mask > target.threshold).astype(np.int16)
        if target.kind == "instances":
            # A region that nobody labeled is no object to keep a gap to.
            classes[separate_objects(np.where(mask == target.ignore, 0, mask))] = 0
    if target.ignore is not None:
        classes[mask == target.ignore] = IGNORED
    strangers = np.unique(mask[classes < IGNORED])
    if strangers.size:
        raise InputError(
            f"the mask holds the values {strangers[:5].tolist()}",
            expected=f"only {list(values)}",
            fix="set target.values, or correct the mask",
        )
    return classes


def separate_objects(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels where two different objects touch, so that a gap can be left between them.

    Parameters
    ----------
    mask : integer ndarray
        One value per object, 0 is background.

    Returns
    -------
    bool ndarray of the same shape
        True for object pixels with a face neighbor of a higher-numbered object: one side of each contact,
        which makes gaps one pixel wide.
    """
    touching = np.zeros(mask.shape, dtype=bool)
    for axis in range(mask.ndim):
        near = np.moveaxis(mask, axis, 0)
        out = np.moveaxis(touching, axis, 0)
        contact = (near[1:] != near[:-1]) & (near[1:] > 0) & (near[:-1] > 0)
        out[:-1] |= contact & (near[:-1] < near[1:])
        out[1:] |= contact & (near[1:] < near[:-1])
    return touching
