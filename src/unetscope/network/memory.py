"""Memory that is kept for the next step, or the next layer, instead of given back to the system."""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
from collections.abc import Iterator

__all__ = ["kept_memory"]

# Parameters of glibc's mallopt(3), and what they are by default.
_TRIM_THRESHOLD, _TRIM_DEFAULT, _NEVER = -1, 128 * 1024, -1
_MMAP_MAX, _MMAP_DEFAULT = -4, 65536


# How many contexts there are now, in all threads: what glibc does holds for all of them.
_contexts = 0
_counting = threading.Lock()


@contextlib.contextmanager
def kept_memory() -> Iterator[None]:
    """Let this process keep the memory that it frees, until the end of the outermost context.

    Every training step, and every layer and strip of a prediction, allocates and frees the same large arrays.
    By default they are asked of the system anew each time, which fills every page with zeros first; on a CPU
    that takes about a tenth of a step. Where the C library is not glibc, nothing is changed.
    """
    _count(+1)
    try:
        yield
    finally:
        _count(-1)


def _count(change: int) -> None:
    global _contexts
    library = _glibc()
    with _counting:
        before, _contexts = _contexts, _contexts + change
        if library is None or (before > 0) == (_contexts > 0):
            return
        library.mallopt(_MMAP_MAX, 0 if _contexts else _MMAP_DEFAULT)
        library.mallopt(_TRIM_THRESHOLD, _NEVER if _contexts else _TRIM_DEFAULT)
        if not _contexts:
            library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
