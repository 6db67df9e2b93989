"""How much memory a file may ask for, before any of it is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from unetscope.errors import ReadError

__all__ = ["LAZY_BYTES", "is_large", "require_memory"]

_MOST_BYTES = 8 * 2**30
LAZY_BYTES = 256 * 2**20
"""Images above this size stay on disk where a reader is asked to be lazy."""


def is_large(shape: Sequence[int], dtype: DTypeLike) -> bool:
    """Whether an array of this shape is left on disk by a lazy reader."""
    return math.prod(shape) * np.dtype(dtype).itemsize > LAZY_BYTES


def require_memory(path: Path, shape: Sequence[int], dtype: DTypeLike) -> None:
    """Refuse an array that this machine cannot hold, or that its file cannot honestly contain.

    Raises
    ------
    ReadError
        If the decoded array is too large.
    """
    needed = math.prod(shape) * np.dtype(dtype).itemsize
    if needed > _MOST_BYTES:
        raise ReadError(
            f"{path.name} would take {needed / 2**30:.1f} GB of memory",
            expected=f"at most {_MOST_BYTES / 2**30:.0f} GB",
            fix="cut out a part of it",
        )
