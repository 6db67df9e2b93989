"""Pixel weights that press on the gaps between objects (Ronneberger et al. 2015, equation 2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unetscope.preprocess import IGNORED
from unetscope.recipe.recipe import BorderWeights

__all__ = ["border_term", "class_term", "weight_map"]

# Beyond this many sigma the border term is below 1e-7 of w0 and is left out.
_REACH = 5.7


def weight_map(
    objects: NDArray[Any], classes: NDArray[np.int16], settings: BorderWeights
) -> NDArray[np.float32]:
    """The weight of every pixel in the cross entropy.

    ``w(x) = w_c(x) + w_0 · exp(−(d1(x) + d2(x))² / 2σ²)``

    Parameters
    ----------
    objects : (*grid) integer ndarray
        One value per object, 0 is background.
    classes : (*grid) int16 ndarray
        Class indices of the same grid, for the class term.
    settings : BorderWeights

    Returns
    -------
    (*grid) float32 ndarray
    """
    weights = class_term(classes) if settings.balance else np.ones(objects.shape, dtype=np.float32)
    return weights + border_term(objects, w0=settings.w0, sigma=settings.sigma)


def class_term(classes: NDArray[np.int16]) -> NDArray[np.float32]:
    """w_c: the inverse of each class's frequency, scaled so that its mean over labeled pixels is 1.

    Parameters
    ----------
    classes : (*grid) int16 ndarray

    Returns
    -------
    (*grid) float32 ndarray
        0 where nobody labeled.
    """
    present, position, counts = np.unique(classes, return_inverse=True, return_counts=True)
    labeled = present != IGNORED
    total = counts[labeled].sum()
    weight = np.where(labeled, total / (max(labeled.sum(), 1) * counts), 0.0)
    return weight[position].reshape(classes.shape).astype(np.float32)


def border_term(objects: NDArray[Any], *, w0: float, sigma: float) -> NDArray[np.float32]:
    """w_0 · exp(−(d1 + d2)² / 2σ²), with d1 and d2 the distances to the nearest two objects.

    Parameters
    ----------
    objects : (*grid) integer ndarray
        One value per object, 0 is background.
    w0, sigma : float
        Height and reach (pixels).

    Returns
    -------
    (*grid) float32 ndarray
        0 where fewer than two objects are within reach. A distance is 0 inside its object, so that the
        rim of an object next to another one weighs more, too.
    """
    nearest = np.full(objects.shape, np.inf, dtype=np.float32)
    second = nearest.copy()
    reach = int(np.ceil(_REACH * sigma))
    dense = np.unique(objects, return_inverse=True)[1].reshape(objects.shape) + int(not (objects == 0).any())
    for number, box in enumerate(ndimage.find_objects(dense), start=1):
        window = tuple(
            slice(max(part.start - reach, 0), min(part.stop + reach, length))
            for part, length in zip(box, objects.shape, strict=True)
        )
        distance = ndimage.distance_transform_edt(dense[window] != number).astype(np.float32)
        first = nearest[window]
        second[window] = np.minimum(second[window], np.maximum(first, distance))
        nearest[window] = np.minimum(first, distance)
    return (w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))).astype(np.float32)
