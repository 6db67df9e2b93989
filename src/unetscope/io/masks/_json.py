"""JSON from strangers: of bounded size, and one sentence for whatever is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError, ReadError
from unetscope.io._files import reading

__all__ = ["coordinates", "malformed", "read_json", "read_text"]

_MOST_BYTES = 128 * 2**20
_FARTHEST = 1e7
_DAMAGE = (ValueError, RecursionError)


def read_text(path: Path, kind: str) -> str:
    """Read a text file of at most 128 MB.

    Raises
    ------
    ReadError
        If it is missing, larger, or not UTF-8.
    """
    with reading(path, kind, (UnicodeDecodeError,)):
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise ReadError(
                f"{path.name} has {size / 2**20:.0f} MB",
                expected=f"{kind} of at most {_MOST_BYTES // 2**20} MB",
                fix="split it",
            )
        return path.read_text(encoding="utf-8-sig")


def read_json(path: Path, kind: str) -> Any:
    """Read a JSON file of bounded size and depth.

    Raises
    ------
    ReadError
        If it is missing, too large, too deep or not JSON.
    """
    text = read_text(path, kind)
    with reading(path, kind, _DAMAGE):
        return json.loads(text)


def coordinates(path: Path, values: Any) -> NDArray[np.float64]:
    """Turn a list of numbers, or a list of such lists, into an array of usable coordinates.

    Raises
    ------
    InputError
        If these are no numbers, or not between ±10⁷.
    """
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise malformed(path, "coordinates that are no numbers") from error
    # Not below the bound, rather than above it: NaN must not pass.
    if not (np.abs(array) <= _FARTHEST).all():
        raise malformed(path, "coordinates that lie nowhere on an image")
    return array


def malformed(path: Path, what: str) -> InputError:
    """Say that a file of polygons is not what it should be."""
    return InputError(
        f"{path.name} holds {what}",
        expected="outlines as the drawing program exports them",
        fix="export it again",
    )
