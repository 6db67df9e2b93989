"""The odd files, and the table of what is expected of each; nothing here knows unetscope.

Values are compared by a fingerprint: the SHA-256 of their little-endian bytes in C order, in the axes and the
type that the table gives. That is exact for rescaled values too: all compute slope · value + intercept in
double precision and round once, to float32.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray

from ...conftest import REAL_DATA

__all__ = ["TABLE", "fingerprint", "load", "odd_files", "versions"]

TABLE = Path(__file__).with_name("expected.json")


def odd_files() -> dict[str, Path]:
    """List all files that are there, by the folder of their collection and the path within it.

    ``dicom-odd`` and ``png-odd`` are real data, ``pydicom`` lies in the installed package.
    """
    installed = Path(pydicom.__file__).parent / "data"
    roots = {
        "dicom-odd": REAL_DATA / "dicom-odd",
        "png-odd": REAL_DATA / "png-odd",
        "pydicom/charset_files": installed / "charset_files",
        "pydicom/palettes": installed / "palettes",
        "pydicom/test_files": installed / "test_files",
    }
    return {
        f"{name}/{path.relative_to(root).as_posix()}": path
        for name, root in roots.items()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }


def load() -> dict[str, dict[str, Any]]:
    """Read the table: what is expected of each file."""
    lines: dict[str, dict[str, Any]] = json.loads(TABLE.read_text("utf-8"))["files"]
    return lines


def versions() -> dict[str, str]:
    """Read which versions of the other libraries the table was made with."""
    numbers: dict[str, str] = json.loads(TABLE.read_text("utf-8"))["versions"]
    return numbers


def fingerprint(data: NDArray[Any]) -> str:
    """First 32 hexadecimal digits of the SHA-256 of the little-endian bytes in C order."""
    little = np.ascontiguousarray(data.astype(data.dtype.newbyteorder("<"), copy=False))
    return hashlib.sha256(little.tobytes()).hexdigest()[:32]
