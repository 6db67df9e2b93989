"""From a foreground map to one label per object."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.preprocess.objects import ball_volume

__all__ = [
    "fill_holes",
    "gather_objects",
    "grow_objects",
    "keep_large",
    "label_objects",
    "remove_small",
    "vote_scatter",
]

# Lets the height of a core decide which of its maxima are one object's, not the noise of single pixels.
_SMOOTHING = 1.0
# Pixels do not point to quite the same place. This part of a typical diameter is the standard deviation with
# which their votes are spread.
_SPREAD = 0.15
# Beyond so many standard deviations a vote counts nothing.
_REACH = 3.0


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


def grow_objects(
    foreground: NDArray[np.bool_], cores: NDArray[np.float32], *, seed: float
) -> NDArray[np.int32]:
    """One object around every core, and one for every part of the foreground that has none.

    Parameters
    ----------
    foreground : (*grid) bool ndarray
    cores : (*grid) float32 ndarray
        How deep inside its object each pixel lies, in [0, 1].
    seed : float
        Connected parts of the foreground where the core is at or above this are the beginnings of objects.

    Returns
    -------
    (*grid) int32 ndarray
        1, 2, …; 0 is background.

    Notes
    -----
    Watershed of the cores, flooded from the seeds (Vincent and Soille 1991, doi:10.1109/34.87344).
    """
    from scipy import ndimage
    from skimage.segmentation import watershed

    heights = ndimage.gaussian_filter(cores, _SMOOTHING)
    seeds, count = ndimage.label(foreground & (heights >= seed), output=np.int32)
    parts, _ = ndimage.label(foreground, output=np.int32)
    seeded = np.zeros(parts.max(initial=0) + 1, dtype=bool)
    seeded[parts[seeds > 0]] = True
    alone = (parts > 0) & ~seeded[parts]
    seeds[alone] = count + parts[alone]
    grown = watershed(-heights, seeds, mask=foreground)
    return keep_large(grown, 1)


def gather_objects(
    foreground: NDArray[np.bool_],
    offsets: NDArray[np.float32],
    weights: NDArray[np.float32],
    *,
    seed: float,
    diameter: float,
) -> NDArray[np.int32]:
    """One object of all pixels that point to the same place.

    Parameters
    ----------
    foreground : (*grid) bool ndarray
    offsets : (D, *grid) float32 ndarray
        How far it is along each axis to the center of a pixel's object, pixels.
    weights : (*grid) float32 ndarray
        How much a pixel's vote counts, in [0, 1].
    seed : float
        Places that get at least this part of the votes that a typical object has are centers.
    diameter : float
        Of a typical object, pixels.

    Returns
    -------
    (*grid) int32 ndarray
        1, 2, …; 0 is background. Without any center, the connected parts of the foreground.

    Notes
    -----
    Every pixel of the foreground votes for where it points to, maxima of the smoothed votes are the centers,
    and each pixel belongs to the one next to where it points: the grouping of Panoptic-DeepLab (Cheng et al.
    2020, arXiv:1911.10194), with votes instead of a map of centers.
    """
    from scipy import ndimage
    from scipy.spatial import KDTree

    shape = foreground.shape
    inside = np.flatnonzero(foreground)
    places = np.unravel_index(inside, shape)
    pointed = np.ravel_multi_index(
        tuple(
            np.clip(np.rint(place + offset.ravel()[inside]), 0, length - 1).astype(np.intp)
            for place, offset, length in zip(places, offsets, shape, strict=True)
        ),
        shape,
    )
    votes = np.bincount(pointed, weights=weights.ravel()[inside], minlength=foreground.size)
    spread = diameter * _SPREAD
    density = ndimage.gaussian_filter(votes.reshape(shape).astype(np.float32), spread, truncate=_REACH)
    # As many votes as pixels: what a typical object would have if all of it pointed to one place.
    typical = ball_volume(diameter, foreground.ndim) / (np.sqrt(2 * np.pi) * spread) ** foreground.ndim
    highest = ndimage.maximum_filter(density, size=2 * max(round(spread), 1) + 1)
    centers = (density == highest) & (density >= seed * typical)
    seeds, count = ndimage.label(centers, np.ones((3,) * foreground.ndim), output=np.int32)
    if not count:
        return label_objects(foreground)
    # Few places are pointed to, so that looking for the center next to each takes less than a distance map.
    reached = np.zeros(foreground.size, dtype=bool)
    reached[pointed] = True
    ends = np.flatnonzero(reached)
    sources = np.nonzero(seeds)
    _, nearest = KDTree(np.stack(sources, axis=1)).query(np.stack(np.unravel_index(ends, shape), axis=1))
    owners = np.zeros(foreground.size, np.int32)
    owners[ends] = seeds[sources][nearest]
    objects = np.zeros(foreground.size, np.int32)
    objects[inside] = keep_large(owners[pointed], 1)
    return objects.reshape(shape)


def vote_scatter(objects: NDArray[np.integer[Any]], offsets: NDArray[np.float32]) -> float:
    """How much the pixels of an object disagree on where its center is.

    Parameters
    ----------
    objects : (*grid) integer ndarray
        Numbered; 0 is background.
    offsets : (D, *grid) float32 ndarray
        As for `gather_objects`; without any, nobody votes.

    Returns
    -------
    float
        Mean distance, pixels, over all pixels of objects, between where a pixel points to and where those of
        its object do in the mean. 0 without votes.
    """
    inside = np.nonzero(objects)
    owners = objects[inside]
    sizes = np.maximum(np.bincount(owners), 1)
    squares = np.zeros(len(owners))
    for place, offset in zip(inside, offsets, strict=False):
        pointed = place + offset[inside]
        squares += (pointed - (np.bincount(owners, pointed) / sizes)[owners]) ** 2
    return float(np.sqrt(squares).mean()) if len(owners) else 0.0


def fill_holes(objects: NDArray[np.int32]) -> NDArray[np.int32]:
    """Fill background that one object encloses.

    Parameters
    ----------
    objects : (*grid) int32 ndarray
        Numbered; 0 is background.

    Returns
    -------
    (*grid) int32 ndarray
        A hole that touches two objects, or the border, stays.
    """
    from scipy import ndimage

    holes, count = ndimage.label(objects == 0, output=np.int32)
    filled = np.ones(count + 1, dtype=bool)
    filled[0] = False
    for axis in range(objects.ndim):
        for end in (0, -1):
            filled[np.take(holes, end, axis=axis)] = False
    if not filled.any():
        return objects
    # Which objects the pixels of a hole have for neighbors, as one number for each pair.
    most = int(objects.max()) + 1
    beside = []
    for axis in range(objects.ndim):
        ahead = np.moveaxis(holes, axis, 0), np.moveaxis(objects, axis, 0)
        for one, other in ((slice(1, None), slice(-1)), (slice(-1), slice(1, None))):
            hole, owner = ahead[0][one], ahead[1][other]
            touching = filled[hole] & (owner > 0)
            beside.append(np.unique(hole[touching].astype(np.int64) * most + owner[touching]))
    hole, owner = np.divmod(np.unique(np.concatenate(beside)), most)
    filled &= np.bincount(hole, minlength=count + 1) == 1
    owners = np.zeros(count + 1, np.int32)
    owners[hole] = owner
    return np.where(filled[holes], owners[holes], objects)


def keep_large(objects: NDArray[np.int32], minimum_size: int) -> NDArray[np.int32]:
    """Remove objects of fewer pixels than `minimum_size`, and number the others from 1 on.

    Parameters
    ----------
    objects : (*grid) int32 ndarray
    minimum_size : int
        In pixels.

    Returns
    -------
    (*grid) int32 ndarray
    """
    kept = np.bincount(objects.ravel(), minlength=1) >= max(minimum_size, 1)
    kept[0] = False
    return np.where(kept, np.cumsum(kept), 0).astype(np.int32)[objects]


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
