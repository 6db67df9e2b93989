"""The numbers of a volume as they lie in its file: never more of them than the header announced."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import ReadError
from unetscope.io._files import canonical
from unetscope.io._limits import DEFLATE, is_large, require_memory
from unetscope.io.image import AXES

__all__ = ["DAMAGE", "Stored", "missing_library", "native", "opened"]

DAMAGE = (
    EOFError,
    FloatingPointError,
    IndexError,
    KeyError,
    OverflowError,
    ValueError,
    zlib.error,
)
"""What decompression, NumPy and parsers of headers raise on damaged files."""

# How much a byte of the file can stand for; bzip2 knows no bound worth the name.
_EXPANSION = {"": 1, "gzip": DEFLATE, "bzip2": None}
# Getting to a place in a compressed file takes unpacking all that is before.
_LAST_SKIP = 2**26
_CHUNK = 2**22

Convert = Callable[[NDArray[Any]], NDArray[Any]]


def native(values: NDArray[Any]) -> NDArray[Any]:
    """Give the same values in the byte order of this machine."""
    return values.astype(values.dtype.newbyteorder("="), copy=False)


@contextmanager
def opened(path: Path, compression: str = "", start: int = 0) -> Iterator[BufferedIOBase]:
    """Open what begins at byte `start` of a file, unpacked.

    Parameters
    ----------
    path : Path
        The file.
    compression : str
        ``"gzip"``, ``"bzip2"`` or, for none, ``""``.
    start : int
        Where it begins.
    """
    with path.open("rb") as file:
        file.seek(start)
        if compression == "gzip":
            yield gzip.GzipFile(fileobj=file)
        elif compression == "bzip2":
            yield bz2.BZ2File(file)
        else:
            yield file


@dataclass(frozen=True)
class Stored:
    """Where the numbers of a volume lie.

    Attributes
    ----------
    path : Path
        The file.
    dtype : dtype
        Their type in the file.
    axes, shape : str, tuple of int
        Their axes, the slowest first; the last two are rows and columns, or channels after them.
    compression : str
        ``"gzip"``, ``"bzip2"`` or, for none, ``""``.
    start, skip : int
        Where their stream begins in the file, and where they begin in the unpacked stream.
    """

    path: Path
    dtype: np.dtype[Any]
    axes: str
    shape: tuple[int, ...]
    compression: str = ""
    start: int = 0
    skip: int = 0

    def read(self, convert: Convert = native, *, lazy: bool = False) -> tuple[Any, str]:
        """Read the values, with their axes in the order of `AXES`.

        Parameters
        ----------
        convert : callable
            Makes values of stored numbers, one by one.
        lazy : bool
            Leave large uncompressed data on disk: one chunk of a dask array per plane.

        Raises
        ------
        ReadError
            If they cannot fit into the file or the memory.
        EOFError
            If the file ends before its last number.
        """
        if self.skip < 0 or (self.compression and self.skip > _LAST_SKIP):
            raise ValueError(f"its pixels would begin at byte {self.skip}")
        values = convert(np.zeros(0, self.dtype)).dtype
        if lazy and not self.compression and is_large(self.shape, values):
            order = sorted(range(len(self.axes)), key=lambda i: AXES.index(self.axes[i]))
            return self._lazy(convert, values).transpose(order), "".join(self.axes[i] for i in order)
        require_memory(self.path, self.shape, self.dtype, expansion=_EXPANSION[self.compression])
        require_memory(self.path, self.shape, values)
        with opened(self.path, self.compression, self.start) as file:
            file.seek(self.skip + (0 if self.compression else self.start))
            numbers = np.empty(self.shape, self.dtype)
            _fill(numbers, file)
        return canonical(convert(numbers), self.axes)

    def _lazy(self, convert: Convert, values: np.dtype[Any]) -> Any:
        import dask.array

        offset = self.start + self.skip
        stored = np.memmap(self.path, self.dtype, mode="r", offset=offset, shape=self.shape)
        chunks = [length if axis in "YX" else 1 for axis, length in zip(self.axes, self.shape, strict=True)]
        return dask.array.from_array(stored, chunks=chunks, name=False).map_blocks(convert, dtype=values)


def _fill(numbers: NDArray[Any], file: BufferedIOBase) -> None:
    room = numbers.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(room):
        count = file.readinto(room[done : done + _CHUNK])
        if not count:
            raise EOFError(f"it ends after {done} of {len(room)} bytes of pixels")
        done += count
    # The checksum of compressed data is compared when their end is reached.
    file.read(1)


def missing_library(path: Path, library: str) -> ReadError:
    """Say which library a file needs and how to get it."""
    return ReadError(
        f"{path.name} needs {library}, which is not installed",
        expected="the extra for medical volumes",
        fix='run pip install "unetscope[volumes]"',
    )
