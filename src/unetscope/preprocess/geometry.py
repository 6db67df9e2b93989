"""Resize and center crop, and the exact way back to the original grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GridTransform", "center_crop", "center_paste", "resize", "scaled_grid"]


def center_crop(data: NDArray[Any], size: Sequence[int], *, fill: float | None = None) -> NDArray[Any]:
    """Cut the center out of the last axes, padding where the array is smaller.

    Parameters
    ----------
    data : (..., *grid) ndarray
    size : sequence of int
        Wanted lengths of the last axes.
    fill : float, optional
        Value of padded pixels; the nearest edge pixel when left out.

    Returns
    -------
    (..., *size) ndarray of the same dtype

    Notes
    -----
    The first kept pixel of an axis of length n is ``n // 2 - size // 2``, as is usual for images.
    """
    lead = data.ndim - len(size)
    cuts: list[slice] = [slice(None)] * lead
    pads = [(0, 0)] * lead
    for length, wanted in zip(data.shape[lead:], size, strict=True):
        start = length // 2 - wanted // 2
        cuts.append(slice(max(start, 0), max(start, 0) + min(length, wanted)))
        before = max(-start, 0)
        pads.append((before, max(wanted - length - before, 0)))
    cut = data[tuple(cuts)]
    if not any(before or after for before, after in pads):
        return cut
    if fill is None:
        return np.pad(cut, pads, mode="edge")
    return np.pad(cut, pads, mode="constant", constant_values=fill)


def center_paste(data: NDArray[Any], size: Sequence[int], *, fill: float) -> NDArray[Any]:
    """Undo `center_crop`: put the center back into a larger array, or cut the padding off again.

    Parameters
    ----------
    data : (..., *cropped) ndarray
    size : sequence of int
        Lengths of the last axes before `center_crop`.
    fill : float
        Value of the pixels that were cut off.

    Returns
    -------
    (..., *size) ndarray of the same dtype
        The array itself if it has this size already.
    """
    lead = data.ndim - len(size)
    if data.shape[lead:] == tuple(size):
        return data
    whole = np.full((*data.shape[:lead], *size), fill, dtype=data.dtype)
    here: list[slice] = [slice(None)] * lead
    there: list[slice] = [slice(None)] * lead
    for length, cropped in zip(size, data.shape[lead:], strict=True):
        start = length // 2 - cropped // 2
        kept = min(length, cropped)
        here.append(slice(max(start, 0), max(start, 0) + kept))
        there.append(slice(max(-start, 0), max(-start, 0) + kept))
    whole[tuple(here)] = data[tuple(there)]
    return whole


def resize(data: NDArray[Any], size: Sequence[int], *, labels: bool = False) -> NDArray[Any]:
    """Resize the last axes.

    Parameters
    ----------
    data : (..., *grid) ndarray
    size : sequence of int
        Wanted lengths of the last axes.
    labels : bool
        Masks take the nearest pixel; images are interpolated linearly, smoothed first when they shrink.

    Returns
    -------
    (..., *size) ndarray
        Of the same dtype for labels, otherwise float32.
    """
    lead = data.ndim - len(size)
    if data.shape[lead:] == tuple(size):
        return data if labels else data.astype(np.float32, copy=False)
    if labels:
        index = [
            np.minimum((np.arange(wanted) + 0.5) * length // wanted, length - 1).astype(np.intp)
            for length, wanted in zip(data.shape[lead:], size, strict=True)
        ]
        return data[(..., *np.ix_(*index))]
    from skimage.transform import resize as skimage_resize

    flat = data.reshape(-1, *data.shape[lead:]).astype(np.float32, copy=False)
    shrinks = any(wanted < length for length, wanted in zip(data.shape[lead:], size, strict=True))
    parts = [
        skimage_resize(part, tuple(size), order=1, mode="edge", anti_aliasing=shrinks, preserve_range=True)
        for part in flat
    ]
    return np.stack(parts).reshape(*data.shape[:lead], *size).astype(np.float32, copy=False)


def scaled_grid(grid: Sequence[int], factor: float) -> tuple[int, ...]:
    """The lengths of a grid times a factor, in whole pixels, each at least 1."""
    return tuple(max(round(length * factor), 1) for length in grid)


@dataclass(frozen=True)
class GridTransform:
    """Original grid → resized → center crop, and back.

    Attributes
    ----------
    original : tuple of int
        The image's own grid.
    resized, cropped : tuple of int
        The grid after each step; equal to the one before where the step does nothing.
    """

    original: tuple[int, ...]
    resized: tuple[int, ...]
    cropped: tuple[int, ...]

    @classmethod
    def plan(
        cls, grid: Sequence[int], *, size: Sequence[int] | None, crop: Sequence[int] | None
    ) -> GridTransform:
        """The transform of an image with this grid.

        Parameters
        ----------
        grid : sequence of int
            The image's grid.
        size, crop : sequence of int, optional
            Grid to resize to, then to crop to; None leaves the grid as it is.
        """
        original = tuple(grid)
        resized = original if size is None else tuple(size)
        return cls(original, resized, resized if crop is None else tuple(crop))

    @property
    def step(self) -> tuple[float, ...]:
        """Distance between neighbors of the new grid, in pixels of the original."""
        return tuple(n / wanted for n, wanted in zip(self.original, self.resized, strict=True))

    @property
    def start(self) -> tuple[float, ...]:
        """Center of the new grid's first pixel, in pixels of the original; below 0 where it is padding."""
        first = (n // 2 - kept // 2 for n, kept in zip(self.resized, self.cropped, strict=True))
        # Pixels are areas: resizing keeps the border of the first one, not its center.
        return tuple((step - 1) / 2 + index * step for index, step in zip(first, self.step, strict=True))

    def image(self, data: NDArray[Any]) -> NDArray[np.float32]:
        """(..., *original) values to (..., *cropped) float32; padding repeats the edge."""
        return center_crop(resize(data, self.resized), self.cropped)

    def mask(self, labels: NDArray[Any], *, fill: int) -> NDArray[Any]:
        """(..., *original) labels to (..., *cropped), of the same dtype; padding takes `fill`."""
        return center_crop(resize(labels, self.resized, labels=True), self.cropped, fill=fill)

    def image_back(self, data: NDArray[Any], *, fill: float = 0.0) -> NDArray[np.float32]:
        """(..., *cropped) values to (..., *original) float32; what was cut off takes `fill`."""
        return resize(center_paste(data, self.resized, fill=fill), self.original)

    def mask_back(self, labels: NDArray[Any], *, fill: int = 0) -> NDArray[Any]:
        """(..., *cropped) labels to (..., *original); what was cut off takes `fill`."""
        return resize(center_paste(labels, self.resized, fill=fill), self.original, labels=True)
