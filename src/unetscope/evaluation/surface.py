"""Distances between the surfaces of two masks, in physical units.

The surface of a mask is the set of its pixels with a neighbor outside along an axis (the mask minus its
erosion with 4 neighbors in 2D, 6 in 3D; outside the image is outside the mask). From every surface pixel
of one mask the Euclidean distance to the nearest surface pixel of the other is taken, in both directions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from unetscope.errors import InputError

__all__ = ["surface_distances"]


def surface_distances(
    truth: NDArray[np.bool_], predicted: NDArray[np.bool_], spacing: tuple[float, ...]
) -> tuple[float, float]:
    """Hausdorff distance at 95 % and mean distance between two surfaces.

    Parameters
    ----------
    truth, predicted : (Y, X) or (Z, Y, X) ndarray of bool
        The object, and where it is predicted to be.
    spacing : tuple of float
        Distance between neighbors along each axis.

    Returns
    -------
    hausdorff_95 : float
        The larger of the two directed 95th percentiles, in the units of `spacing`. Other software takes
        one percentile of both directions pooled, which is smaller as a rule.
    mean_surface_distance : float
        Mean over the surface pixels of both masks (average symmetric surface distance), same units.

    Both are 0.0 if both masks are empty, and NaN if exactly one is: there is no distance to nothing, and
    any number in its place would be an invention. Leave NaN out of means and say how many there were.

    Raises
    ------
    InputError
        If the shapes differ, or `spacing` is not one positive distance per axis.
    """
    _check(truth, predicted, spacing)
    if not truth.any() and not predicted.any():
        return 0.0, 0.0
    if not truth.any() or not predicted.any():
        return float("nan"), float("nan")
    # Neither mask reaches beyond the box, so no surface and no distance changes by leaving out the rest.
    box = _bounding_box(truth | predicted)
    truth, predicted = _surface(truth[box]), _surface(predicted[box])
    to_truth = ndimage.distance_transform_edt(~truth, sampling=spacing)[predicted]
    to_predicted = ndimage.distance_transform_edt(~predicted, sampling=spacing)[truth]
    hausdorff_95 = max(np.percentile(to_truth, 95), np.percentile(to_predicted, 95))
    return float(hausdorff_95), float(np.concatenate([to_truth, to_predicted]).mean())


def _check(truth: NDArray[Any], predicted: NDArray[Any], spacing: tuple[float, ...]) -> None:
    if truth.shape != predicted.shape:
        raise InputError(
            f"truth and prediction have shapes {truth.shape} and {predicted.shape}",
            expected="one shape",
            fix="bring the prediction back to the grid of the truth",
        )
    if len(spacing) != truth.ndim or not all(np.isfinite(step) and step > 0 for step in spacing):
        raise InputError(
            f"the spacing is {tuple(spacing)} for a mask of {truth.ndim} axes",
            expected="one positive distance per axis",
            fix="correct the spacing",
        )


def _bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    box: tuple[slice, ...] = ndimage.find_objects(mask.astype(np.uint8))[0]
    return box


def _surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    surface: NDArray[np.bool_] = mask & ~ndimage.binary_erosion(mask)
    return surface
