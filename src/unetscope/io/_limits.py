"""How much memory a file may ask for, before any of it is taken."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from unetscope.errors import ReadError

__all__ = [
    "DEFLATE",
    "LAZY_BYTES",
    "PACKBITS",
    "available_memory",
    "is_large",
    "require_content",
    "require_memory",
]

LAZY_BYTES = 256 * 2**20
"""Images above this size stay on disk where a reader is asked to be lazy."""

DEFLATE = 1032
"""The most bytes that one byte of a deflate stream (PNG, gzip, ZIP) can stand for."""

PACKBITS = 64
"""The same of PackBits and of RLE in DICOM, where two bytes are a run of up to 128."""

_MOST_BYTES = 64 * 2**30
_UNKNOWN_MEMORY = 8 * 2**30
_SYSTEM_MEMORY = Path("/proc/meminfo")
_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
_CONTAINER_USED = Path("/sys/fs/cgroup/memory.current")
_CONTAINER_PARTS = Path("/sys/fs/cgroup/memory.stat")


def is_large(shape: Sequence[int], dtype: DTypeLike) -> bool:
    """Whether an array of this shape is left on disk by a lazy reader."""
    return _bytes_of(shape, dtype) > LAZY_BYTES


def require_memory(
    path: Path, shape: Sequence[int], dtype: DTypeLike, *, expansion: float | None = None
) -> None:
    """Refuse an array that this machine cannot hold, or that its file cannot honestly contain.

    Half of the memory that is free may be taken: decoding and everything after it need copies.

    Parameters
    ----------
    path : Path
        The file that claims to hold the array.
    shape : sequence of int
        Size of the decoded array as the header says.
    dtype : dtype
        Type of the decoded array.
    expansion : float, optional
        The most decoded bytes that one byte of the file can stand for: 1 where nothing is compressed,
        `DEFLATE` in PNG and gzip. Without it a file may claim any size that fits into memory.

    Raises
    ------
    ReadError
        If the shape is empty, the file too small for it, or the decoded array too large.
    """
    require_content(path, shape, dtype, expansion)
    needed, most = _bytes_of(shape, dtype), min(available_memory() // 2, _MOST_BYTES)
    if needed > most:
        raise ReadError(
            f"{path.name} would take {needed / 2**30:.1f} GB of memory for its {_size(shape)} pixels",
            expected=f"at most {most / 2**30:.1f} GB, half of what is free",
            fix="close other programs, or cut out a part of it",
        )


def require_content(path: Path, shape: Sequence[int], dtype: DTypeLike, expansion: float | None) -> None:
    """Refuse an array that its file cannot honestly contain; as in `require_memory`.

    Raises
    ------
    ReadError
        If the shape is empty, or the file too small for it.
    """
    if any(int(length) < 1 for length in shape):
        raise ReadError(
            f"{path.name} says that it holds {_size(shape)} pixels",
            expected="at least one pixel",
            fix="export or copy it again",
        )
    needed = _bytes_of(shape, dtype)
    if expansion is not None and needed > expansion * (stored := path.stat().st_size):
        raise ReadError(
            f"{path.name} says that it holds {_size(shape)} pixels, which do not fit into its {stored} bytes",
            expected="a complete, undamaged file",
            fix="export or copy it again",
        )


def _bytes_of(shape: Sequence[int], dtype: DTypeLike) -> int:
    # Plain integers do not overflow, NumPy's of a header do.
    return math.prod(int(length) for length in shape) * np.dtype(dtype).itemsize


def _size(shape: Sequence[int]) -> str:
    return " × ".join(str(int(length)) for length in shape)


def available_memory() -> int:
    """Bytes that this process can still take without pushing others out; a cautious guess where unknown."""
    free = _free_memory()
    try:
        # A container may take less than its machine has; "max" means that it may not.
        limit = int(_CONTAINER_LIMIT.read_text(encoding="ascii"))
        used = int(_CONTAINER_USED.read_text(encoding="ascii"))
        # What is used counts files that are only kept because nobody needs their place.
        parts = dict(line.split() for line in _CONTAINER_PARTS.read_text(encoding="ascii").splitlines())
        return max(0, min(free, limit - used + int(parts["inactive_file"])))
    except (OSError, ValueError, KeyError):
        return free


if sys.platform == "win32":

    def _free_memory() -> int:
        import ctypes

        class Status(ctypes.Structure):
            # MEMORYSTATUSEX of the Windows API: two 32-bit and seven 64-bit numbers.
            _fields_ = (
                ("size", ctypes.c_uint32),
                ("load", ctypes.c_uint32),
                ("total", ctypes.c_uint64),
                ("available", ctypes.c_uint64),
                ("rest", ctypes.c_uint64 * 5),
            )

        status = Status(size=ctypes.sizeof(Status))
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            return _UNKNOWN_MEMORY
        return status.available

else:

    def _free_memory() -> int:
        try:
            lines = _SYSTEM_MEMORY.read_text(encoding="ascii").splitlines()
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
        except (OSError, StopIteration):
            pass
        try:
            # macOS does not say cheaply what is free, and frees what it has used as cache.
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError):
            return _UNKNOWN_MEMORY
