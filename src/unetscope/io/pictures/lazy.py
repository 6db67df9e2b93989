"""Arrays that stay on disk and read what is asked for, chunk by chunk."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import DTypeLike, NDArray

from unetscope.io._files import canonical, reading
from unetscope.io.image import AXES

__all__ = ["OnDisk", "in_order"]

# Dask lists all chunks before it reads the first one.
_MOST_PIECES = 1_000_000


class OnDisk:
    """An array in a file, opened when pixels are first asked for, also in another process.

    Parameters
    ----------
    path : Path
        The file, for messages.
    kind : str
        What it is read as, with its article.
    damage : tuple of exception types
        What its decoder raises on damaged data.
    opener : callable
        Gives an array to take regions from, and a function that closes its file. It can be pickled.
    shape, dtype
        Of the array.
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        damage: tuple[type[Exception], ...],
        opener: Callable[[], tuple[Any, Callable[[], None]]],
        *,
        shape: Sequence[int],
        dtype: DTypeLike,
    ) -> None:
        self.shape = tuple(shape)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(dtype)
        self._told = (path, kind, damage)
        self._opener = opener
        self._array: Any = None

    def __getitem__(self, region: Any) -> NDArray[Any]:
        with reading(*self._told):
            if self._array is None:
                self._array, close = self._opener()
                weakref.finalize(self, close)
            return np.asarray(self._array[region])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_array": None}

    def as_dask(self, chunks: Sequence[int]) -> da.Array:
        """Wrap it as a dask array with chunks of this shape."""
        pieces = math.prod(-(-size // chunk) for size, chunk in zip(self.shape, chunks, strict=True))
        if pieces > _MOST_PIECES:
            raise ValueError(f"it would come in {pieces} pieces")
        # One read at a time: the chunks share an open file.
        return da.from_array(self, chunks=tuple(chunks), name=False, lock=True, asarray=False, fancy=False)


def in_order(data: Any, axes: str) -> tuple[Any, str]:
    """Put the axes into the order of `AXES`: `canonical` in memory, a view of what lies on disk."""
    if isinstance(data, np.ndarray):
        return canonical(data, axes)
    order = sorted(range(len(axes)), key=lambda i: AXES.index(axes[i]))
    native = data.astype(data.dtype.newbyteorder("="))
    return native.transpose(order), "".join(axes[i] for i in order)
