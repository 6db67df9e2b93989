"""What a network learns about objects that touch: gaps, rims, and the depth inside each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["ball_volume", "median_diameter", "object_distances", "object_rims", "separate_objects"]


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


def object_rims(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """The outermost pixels of every object: those with a face or corner neighbor that is not of it.

    Parameters
    ----------
    mask : integer ndarray
        One value per object, 0 is background.

    Returns
    -------
    bool ndarray of the same shape
        The border of the array is no neighbor: an object that is cut off there has no rim.
    """
    box = (3,) * mask.ndim
    lowest = ndimage.minimum_filter(mask, size=box, mode="nearest")
    highest = ndimage.maximum_filter(mask, size=box, mode="nearest")
    return (mask > 0) & (lowest != highest)


def object_distances(mask: NDArray[Any], spacing: tuple[float, ...] | None = None) -> NDArray[np.float32]:
    """How deep inside its object each pixel lies: the distance to its outside over the largest in it.

    Parameters
    ----------
    mask : (*grid) integer ndarray
        One value per object, 0 is background.
    spacing : tuple of float, optional
        Distance between neighbors along each axis; 1 unless given.

    Returns
    -------
    (*grid) float32 ndarray
        0 outside, just above 0 at the rim, 1 in the middle, whatever the size of the object. The border
        of the array is no outside.
    """
    depth = np.zeros(mask.shape, np.float32)
    dense = np.unique(mask, return_inverse=True)[1].reshape(mask.shape) + int(not (mask == 0).any())
    for number, box in enumerate(ndimage.find_objects(dense), start=1):
        # One pixel around, so that the outside is seen; none beyond the border.
        window = tuple(
            slice(max(part.start - 1, 0), min(part.stop + 1, length))
            for part, length in zip(box, mask.shape, strict=True)
        )
        inside = dense[window] == number
        if inside.all():
            depth[window] = 1.0
            continue
        distance = ndimage.distance_transform_edt(inside, sampling=spacing)
        depth[window][inside] = (distance / distance.max())[inside]
    return depth


def median_diameter(mask: NDArray[Any]) -> float:
    """Median over objects of the diameter of a disk, in 3D a ball, of the same size.

    Parameters
    ----------
    mask : (*grid) integer ndarray
        One value per object, 0 is background.

    Returns
    -------
    float
        In pixels; 0 without objects.
    """
    sizes = np.unique(mask[mask > 0], return_counts=True)[1]
    if not sizes.size:
        return 0.0
    return float(np.median((sizes / ball_volume(1.0, mask.ndim)) ** (1 / mask.ndim)))


def ball_volume(diameter: float, dimensions: int) -> float:
    """The pixels of a disk, or the voxels of a ball, of this diameter."""
    return (np.pi / 4 if dimensions == 2 else np.pi / 6) * float(diameter**dimensions)
