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

__all__ = [
    "KINDS",
    "SUFFIXES",
    "StrPath",
    "bare_name",
    "canonical",
    "exists",
    "is_folder",
    "is_image_file",
    "is_store",
    "kind_by_name",
    "kind_of",
    "reading",
    "stem_of",
    "suffix_of",
]

StrPath = str | os.PathLike[str]

KINDS = "a DICOM, PNG, JPEG, GIF, BMP, TIFF, OME-Zarr, NIfTI or NRRD file"

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
    ".ome.tif": "tiff",
    ".ome.tiff": "tiff",
    ".zarr": "zarr",
    ".ome.zarr": "zarr",
    ".nii": "nifti",
    ".nii.gz": "nifti",
    ".nrrd": "nrrd",
    ".nhdr": "nrrd",
    ".seg.nrrd": "nrrd",
}
"""Known endings of names, in lower case, and the kind that each promises."""

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
    b"NRRD0": "nrrd",
    b"PK\x03\x04": "zip",
}
_GZIP = b"\x1f\x8b"
_DICOM_PREAMBLE = 128
_NIFTI_HEADER = 348
_ZARR_FILES = ("zarr.json", ".zattrs", ".zgroup", ".zarray")


def kind_of(path: Path) -> str:
    """Tell what a file is from its first bytes; a name can lie.

    Returns
    -------
    str
        One of the kinds in `SUFFIXES`, or ``"zip"``; ``"zarr"`` for a folder that is a Zarr store.

    Raises
    ------
    ReadError
        If the file is missing, empty, not readable, or of another kind.
    """
    if not exists(path):
        raise ReadError(f"{path} does not exist", expected=KINDS, fix="check the path")
    if path.is_dir():
        if is_store(path):
            return "zarr"
        raise ReadError(f"{path} is a folder", expected=KINDS, fix="name one of its files")
    if not path.is_file():
        # Opening a pipe would wait for somebody to write into it.
        raise ReadError(f"{path.name} is no file but a pipe or device", expected=KINDS, fix="check the path")
    with reading(path, "an image"), path.open("rb") as file:
        head = file.read(_NIFTI_HEADER)
    if not head:
        raise ReadError(f"{path.name} is empty", expected=KINDS, fix="export or copy it again")
    kind = _recognize(head)
    if kind is None and head.startswith(_GZIP) and suffix_of(path) == ".nii.gz":
        kind = "nifti"
    if kind is None:
        raise ReadError(
            f"{path.name} does not begin like any known kind of image",
            expected=KINDS,
            fix="convert it to one of these",
        )
    return kind


def is_store(path: Path) -> bool:
    """Whether a folder is a Zarr store, whatever its name."""
    return any((path / name).is_file() for name in _ZARR_FILES)


def _recognize(head: bytes) -> str | None:
    # DICOM first: its preamble is free, and some writers put a TIFF header there.
    if head[_DICOM_PREAMBLE : _DICOM_PREAMBLE + 4] == b"DICM":
        return "dicom"
    if kind := next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None):
        return kind
    if head[344:348] in {b"n+1\0", b"ni1\0"} or head[4:8] in {b"n+2\0", b"ni2\0"}:
        return "nifti"
    return "dicom" if _is_bare_dicom(head) else None


def _is_bare_dicom(head: bytes) -> bool:
    """Whether a file begins with a data element of DICOM at once, as before there was a file format.

    That is an element of group 2 or 8, little or big endian, with a VR of two capitals or a short length.
    """
    for order in ("little", "big"):
        group, element = (int.from_bytes(head[i : i + 2], order) for i in (0, 2))
        length = int.from_bytes(head[4:8], order)
        explicit = head[4:6].isalpha() and head[4:6].isupper()
        if group in {0x0002, 0x0008} and element < 0x0100 and (explicit or length < 0x0100):
            return len(head) >= 8
    return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder of this name; also of one that is too long for any."""
    try:
        return path.is_dir()
    except OSError:
        return False


def exists(path: Path) -> bool:
    """Whether there is something of this name; also of one that is too long for any."""
    try:
        return path.exists()
    except OSError:
        return False


def suffix_of(path: Path) -> str:
    """Longest known ending of a name, in lower case: ``.nii.gz`` of ``A.nii.gz``; else the plain suffix."""
    name = path.name.lower()
    known = (suffix for suffix in SUFFIXES if name.endswith(suffix) and name != suffix)
    return max(known, key=len, default=path.suffix.lower())


def stem_of(path: Path) -> str:
    """Lower the name and take the endings of images away: ``x`` for ``X.dcm.png`` and ``X.nii.gz``."""
    name = path.name.lower()
    while (suffix := suffix_of(Path(name))) in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def bare_name(path: Path) -> str:
    """Take the ending of an image away from a name: ``A`` for ``A.dcm``, ``A.nii.gz`` and ``A.ome.zarr``."""
    return path.name[: len(path.name) - len(suffix_of(path))]


def is_image_file(path: StrPath) -> bool:
    """Whether a file looks like an image: by a known suffix, or as DICOM without a suffix.

    Names such as ``1.2.840.113619`` count as names without a suffix. A Zarr store counts, though a folder.
    """
    path = Path(path)
    kind = SUFFIXES.get(suffix_of(path))
    if kind == "zarr":
        return path.is_dir()
    if kind is not None:
        return path.is_file()
    suffix = path.suffix
    if suffix and not suffix[1:].isdigit():
        return False
    try:
        return path.is_file() and kind_of(path) == "dicom"
    except ReadError:
        return False


def kind_by_name(path: Path) -> str:
    """Tell what the suffix promises; DICOM for a name without a known suffix."""
    return SUFFIXES.get(suffix_of(path), "dicom")


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
