"""Objects that keep their number from one time point, or slice, to the next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["link_frames"]

# Below this, objects only brush against each other.
_LEAST_IOU = 0.1


def link_frames(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give an object the number of the one that it overlaps most with in the frame before.

    Parameters
    ----------
    labels : (N, *grid) int32 ndarray
        Time points or slices, in each of which one number means one object; 0 is background.

    Returns
    -------
    (N, *grid) int32 ndarray
        Every number means one object in all frames. Pairs are made from the largest intersection over union
        down to 0.1, each object in one pair at most; of a cell that divides, one daughter keeps the number.
        Objects without a partner get numbers that were not used before, also where one was missed for a
        while.
    """
    linked = np.zeros_like(labels)
    used = 0
    for place, current in enumerate(labels):
        count = int(current.max(initial=0))
        numbers = np.zeros(count + 1, dtype=np.int32)
        if place:
            for before, now in _pairs(linked[place - 1], current):
                numbers[now] = before
        present = np.bincount(current.ravel(), minlength=count + 1) > 0
        present[0] = False
        new = present & (numbers == 0)
        numbers[new] = used + np.arange(1, new.sum() + 1)
        used += int(new.sum())
        linked[place] = numbers[current]
    return linked


def _pairs(before: NDArray[np.int32], now: NDArray[np.int32]) -> list[tuple[int, int]]:
    """Numbers of the same objects in two frames."""
    both = (before > 0) & (now > 0)
    pairs, common = np.unique(np.stack([before[both], now[both]]), axis=1, return_counts=True)
    earlier, later = pairs
    areas = np.bincount(before.ravel())[earlier] + np.bincount(now.ravel())[later]
    iou = common / (areas - common)
    free_before, free_now = set(earlier.tolist()), set(later.tolist())
    chosen = []
    for index in np.argsort(-iou, kind="stable"):
        pair = int(earlier[index]), int(later[index])
        if iou[index] < _LEAST_IOU:
            break
        if pair[0] in free_before and pair[1] in free_now:
            free_before.remove(pair[0])
            free_now.remove(pair[1])
            chosen.append(pair)
    return chosen
