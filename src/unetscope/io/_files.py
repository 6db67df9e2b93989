"""What all readers share: which kind a file is, and one sentence for whatever a decoder raises."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import ReadError
from unetscope.io.image import AXES

__all__ = ["KINDS", "SUFFIXES", "StrPath", "canonical", "is_image_file", "kind_by_name", "kind_of", "reading"]

StrPath = str | os.PathLike[str]

KINDS = "a DICOM, PNG, JPEG, GIF, BMP or TIFF file"

SUFFIXES = {
    ".dcm": "dicom",
    ".dicom": "dicom",
    ".ima": "dicom",
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".gif": "gif",
    ".bmp": "bmp",
    ".tif": "tiff",
    ".tiff": "tiff",
}
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"BM": "bmp",
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
    b"II+\x00": "tiff",
    b"MM\x00+": "tiff",
}
_DICOM_PREAMBLE = 128


def kind_of(path: Path) -> str:
    """Tell what a file is from its first bytes; a name can lie.

    Returns
    -------
    str
        ``"dicom"``, ``"png"``, ``"jpeg"``, ``"gif"``, ``"bmp"`` or ``"tiff"``.

    Raises
    ------
    ReadError
        If the file is missing, empty, not readable, or of another kind.
    """
    if not path.exists():
        raise ReadError(f"{path} does not exist", expected=KINDS, fix="check the path")
    with reading(path, "an image"), path.open("rb") as file:
        head = file.read(_DICOM_PREAMBLE + 4)
    if not head:
        raise ReadError(f"{path.name} is empty", expected=KINDS, fix="export or copy it again")
    kind = _recognize(head)
    if kind is None:
        raise ReadError(
            f"{path.name} does not begin like any known kind of image",
            expected=KINDS,
            fix="convert it to one of these",
        )
    return kind


def _recognize(head: bytes) -> str | None:
    # DICOM first: its preamble is free, and some writers put a TIFF header there.
    if head[_DICOM_PREAMBLE:] == b"DICM":
        return "dicom"
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)


def is_image_file(path: StrPath) -> bool:
    """Whether a file looks like an image: by a known suffix, or as DICOM without a suffix.

    Names such as ``1.2.840.113619`` count as names without a suffix.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return path.is_file()
    if suffix and not suffix[1:].isdigit():
        return False
    try:
        return path.is_file() and kind_of(path) == "dicom"
    except ReadError:
        return False


def kind_by_name(path: Path) -> str:
    """Tell what the suffix promises; DICOM for a name without a known suffix."""
    return SUFFIXES.get(path.suffix.lower(), "dicom")


@contextmanager
def reading(path: Path, kind: str, damage: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn what the system or a decoder raises into one `ReadError` that names the file.

    Parameters
    ----------
    path : Path
        The file being read.
    kind : str
        What it is read as, with its article: ``"a PNG image"``.
    damage : tuple of exception types
        What the decoder raises on damaged data, besides OSError.
    """
    caught: tuple[type[Exception], ...] = (OSError, MemoryError, *damage)
    try:
        yield
    except caught as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise ReadError(
            f"{path.name} cannot be read as {kind} ({lines[0][:160].rstrip('.')})",
            expected="a complete, undamaged file",
            fix="export or copy it again",
        ) from error


def canonical(data: NDArray[Any], axes: str) -> tuple[NDArray[Any], str]:
    """Put the axes into the order of `AXES`, in memory too, and bytes into native order."""
    order = sorted(range(len(axes)), key=lambda i: AXES.index(axes[i]))
    native = data.astype(data.dtype.newbyteorder("="), copy=False)
    return np.ascontiguousarray(native.transpose(order)), "".join(axes[i] for i in order)
