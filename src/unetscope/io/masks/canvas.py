"""A label image that is filled object by object, and what happens where objects overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError

__all__ = ["Canvas", "Pixels", "listed", "polygon_pixels", "ranges"]

Pixels = tuple[NDArray[np.intp], ...]
"""One array of indices per axis."""

_NAMED = 3
# No drawing covers its image so often; a file that does would keep us busy for days.
_MOST_LAYERS = 64
_MOST_CROSSINGS = 50_000_000


class Canvas:
    """Labels that grow object by object; a pixel stays with the object that took it first.

    Parameters
    ----------
    name : str
        What is drawn, for messages and notes.
    grid : tuple of int
        Lengths of the spatial axes.
    """

    def __init__(self, name: str, grid: tuple[int, ...]) -> None:
        self._name = name
        self._labels = np.zeros(grid, np.uint32)
        self._drawn = 0
        self._overlapping = 0
        self._hidden: list[str] = []
        self._empty: list[str] = []

    def add(self, name: str, pixels: Pixels, value: int) -> None:
        """Give those of the pixels that are free to an object.

        Objects of one value may cover each other: they are parts of one class.

        Raises
        ------
        InputError
            If the objects cover the image more often than any drawing does.
        """
        there = self._labels[pixels]
        self._drawn += there.size
        if self._drawn > _MOST_LAYERS * self._labels.size:
            raise InputError(
                f"the objects of {self._name} cover the whole image more than {_MOST_LAYERS} times",
                expected="objects that lie beside each other",
                fix="remove the copies",
            )
        taken = int(np.count_nonzero((there != 0) & (there != value)))
        self._overlapping += taken
        if not there.size:
            self._empty.append(name)
        elif taken == there.size:
            self._hidden.append(name)
        self._labels[pixels] = np.where(there == 0, value, there)

    def finish(self) -> tuple[NDArray[Any], tuple[str, ...]]:
        """Return the labels, in the smallest unsigned type, and what is worth a note.

        Raises
        ------
        InputError
            If an object lies wholly below earlier ones, and would be lost.
        """
        if self._hidden:
            raise InputError(
                f"in {self._name}, {listed(self._hidden)} lies wholly below earlier objects",
                expected="objects that can be seen",
                fix="remove what is there twice, or change the order",
            )
        notes = []
        if self._overlapping:
            pixels = "1 pixel" if self._overlapping == 1 else f"{self._overlapping} pixels"
            notes.append(f"{pixels} of {self._name} in several objects went to the earliest of them.")
        if self._empty:
            notes.append(f"In {self._name}, {listed(self._empty)} covers no pixel.")
        smallest = np.min_scalar_type(int(self._labels.max(initial=0)))
        return self._labels.astype(smallest), tuple(notes)


def polygon_pixels(rings: Sequence[NDArray[np.float64]], grid: tuple[int, ...]) -> Pixels:
    """Find the pixels whose centers lie inside of a polygon, which may have holes and several parts.

    Row by row, these are the pixels from the first to the second crossing of the border, from the third to
    the fourth, … (even-odd rule). A center on the border is inside on the left and above, outside on the
    right and below: neighbors that share a border share no pixel. The time grows with the length of the
    border, not with vertices times area.

    Parameters
    ----------
    rings : sequence of (N, 2) float64 ndarray
        Closed lines of (x, y), where pixel (r, c) has its center at x = c, y = r.
    grid : (int, int)
        Rows and columns.

    Returns
    -------
    rows, columns : intp ndarray

    Raises
    ------
    InputError
        If the border crosses rows of pixels fifty million times.
    """
    height, width = grid
    start = np.concatenate(rings)
    stop = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    upright = (start[:, 1] <= stop[:, 1])[:, np.newaxis]
    low, high = np.where(upright, start, stop), np.where(upright, stop, start)
    first = np.clip(np.ceil(low[:, 1]), 0, height).astype(np.intp)
    counts = np.clip(np.ceil(high[:, 1]), 0, height).astype(np.intp) - first
    if counts.sum() > _MOST_CROSSINGS:
        raise InputError(
            f"an outline of {len(start)} points crosses rows of pixels {counts.sum()} times",
            expected="the outline of an object",
            fix="simplify the outline",
        )
    edge = np.repeat(np.arange(len(start)), counts)
    rows = first[edge] + ranges(counts)
    rise = (high - low)[edge]
    x = low[edge, 0] + (rows - low[edge, 1]) * rise[:, 0] / rise[:, 1]
    order = np.lexsort((x, rows))
    rows, columns = rows[order], np.clip(np.ceil(x[order]), 0, width).astype(np.intp)
    lengths = columns[1::2] - columns[::2]
    return np.repeat(rows[::2], lengths), np.repeat(columns[::2], lengths) + ranges(lengths)


def listed(names: Sequence[str]) -> str:
    """Name the first three, and say how many there are beyond."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def ranges(lengths: NDArray[np.intp]) -> NDArray[np.intp]:
    """Count 0, 1, … again and again, to each of the lengths."""
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
