"""Frames that are parts of larger planes: put together, at once or block by block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import ReadError
from unetscope.io._limits import is_large, require_memory
from unetscope.io.dicom.decode import decoding

__all__ = ["Mosaic"]

_BLOCK = 1024
"""Rows and columns that a block on disk has at least, if the plane is that large."""

_MOST_BLOCKS = 100_000


@dataclass(frozen=True, eq=False)
class Mosaic:
    """Frames and their places in an array of channels, slices, rows and columns.

    Attributes
    ----------
    path : Path
        The file.
    shape : (int, int, int, int)
        Channels, slices, rows and columns of the whole.
    dtype : dtype
        Of the values that `decode` gives.
    places : (frames, 4) int64 ndarray
        First channel, slice, row and column of each frame. Frames may reach beyond the whole; what does is
        cut off.
    tile : (int, int, int)
        Channels, rows and columns of a frame.
    decode : callable
        Gives a frame, by its index, as (channels, rows, columns).
    fill : (channels of a frame,) ndarray
        Value of each channel where no frame lies.
    """

    path: Path
    shape: tuple[int, int, int, int]
    dtype: np.dtype[Any]
    places: NDArray[np.int64]
    tile: tuple[int, int, int]
    decode: Callable[[int], NDArray[Any]]
    fill: NDArray[Any]

    def read(self, *, lazy: bool = False) -> NDArray[Any]:
        """Put the frames together: (channels, slices, rows, columns).

        With `lazy`, a large mosaic is a dask array of blocks of whole frames, each read when it is looked at.

        Raises
        ------
        ReadError
            If a frame is damaged, or the whole is too large for the memory.
        """
        if lazy and is_large(self.shape, self.dtype):
            return self._on_disk()
        require_memory(self.path, self.shape, self.dtype)
        # Zeros take no memory until they are written to: a small file may claim a large, empty plane.
        data = np.zeros(self.shape, self.dtype)
        channels = self.tile[0]
        if self.fill.any():
            data.reshape(-1, channels, *self.shape[1:])[:] = self.fill[:, np.newaxis, np.newaxis, np.newaxis]
        for channel, plane in np.unique(self.places[:, :2], axis=0):
            corner = (channel, plane, 0, 0)
            data[channel : channel + channels, plane] = self._block(corner, self.shape[2:])
        return data

    def missing(self) -> bool:
        """Whether there are places where no frame lies, as far as frames do not overlap."""
        whole = np.array(self.shape)
        beyond = self.places[:, 2:] + self.tile[1:]
        seen = np.clip(np.minimum(beyond, whole[2:]) - np.maximum(self.places[:, 2:], 0), 0, None)
        return int(seen.prod(axis=1).sum()) * self.tile[0] < int(whole.prod())

    def _block(self, corner: tuple[int, ...], size: tuple[int, ...]) -> NDArray[Any]:
        """Read rows and columns of one plane, all channels of a frame."""
        channel, plane, row, column = corner
        block = np.empty((self.tile[0], *size), self.dtype)
        block[:] = self.fill[:, np.newaxis, np.newaxis]
        first, last = np.array([row, column]), np.array([row, column]) + size
        here = (self.places[:, 0] == channel) & (self.places[:, 1] == plane)
        here &= ((self.places[:, 2:] < last) & (self.places[:, 2:] + self.tile[1:] > first)).all(axis=1)
        with decoding(self.path):
            for frame in np.flatnonzero(here):
                start = self.places[frame, 2:] - first
                top, left = np.maximum(start, 0)
                bottom, right = np.minimum(start + self.tile[1:], size)
                pixels = self.decode(int(frame))[:, : bottom - start[0], : right - start[1]]
                block[:, top:bottom, left:right] = pixels[:, top - start[0] :, left - start[1] :]
        return block

    def _on_disk(self) -> Any:
        from dask.array import map_blocks

        channels, slices, *plane = self.shape
        steps = [-(-_BLOCK // length) * length for length in self.tile[1:]]
        if channels * slices * -(-plane[0] // steps[0]) * -(-plane[1] // steps[1]) > _MOST_BLOCKS:
            raise ReadError(
                f"{self.path.name} says that it holds {plane[0]} × {plane[1]} pixels in {slices} slices "
                f"and {channels} channels",
                expected=f"at most {_MOST_BLOCKS} blocks of {_BLOCK} × {_BLOCK}",
                fix="cut out a part of it",
            )
        rows, columns = (_parts(length, step) for length, step in zip(plane, steps, strict=True))

        def block_at(block_id: tuple[int, ...]) -> NDArray[Any]:
            channel, z, row, column = block_id
            corner = (channel * self.tile[0], z, row * steps[0], column * steps[1])
            return self._block(corner, (rows[row], columns[column]))[:, np.newaxis]

        return map_blocks(
            block_at,
            chunks=(_parts(channels, self.tile[0]), (1,) * slices, rows, columns),
            dtype=self.dtype,
            meta=np.empty((0,) * 4, self.dtype),
            name=f"mosaic-{uuid4().hex}",
        )


def _parts(length: int, step: int) -> tuple[int, ...]:
    """Lengths of the parts that `length` is cut into."""
    return tuple(min(step, length - start) for start in range(0, length, step))
