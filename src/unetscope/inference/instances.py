"""From a foreground map to one label per object."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["label_objects", "remove_small"]


def label_objects(foreground: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number the connected parts of a foreground, 1, 2, …; parts connect through faces, not corners.

    Parameters
    ----------
    foreground : (*grid) bool ndarray

    Returns
    -------
    (*grid) int32 ndarray
    """
    from scipy import ndimage

    labels, _ = ndimage.label(foreground, output=np.int32)
    return labels


def remove_small(labels: NDArray[Any], minimum_size: int) -> NDArray[Any]:
    """Set connected parts of one label with fewer pixels than `minimum_size` to background.

    Parameters
    ----------
    labels : (*grid) integer ndarray
        Classes or objects; 0 is background.
    minimum_size : int
        In pixels; 0 and 1 change nothing.

    Returns
    -------
    (*grid) ndarray of the same dtype
    """
    from skimage.measure import label

    if minimum_size <= 1:
        return labels
    parts = label(labels, background=0, connectivity=1)
    small = np.bincount(parts.ravel()) < minimum_size
    small[0] = False
    return np.where(small[parts], 0, labels).astype(labels.dtype)
