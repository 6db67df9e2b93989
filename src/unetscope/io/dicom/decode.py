"""Open DICOM files of every encoding, and turn what goes wrong into one sentence."""

from __future__ import annotations

import hashlib
import logging
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pydicom import Dataset, dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels import get_decoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from unetscope.errors import ReadError
from unetscope.io._files import kind_of, reading
from unetscope.io._limits import DEFLATE

__all__ = [
    "PIXELS",
    "PixelElement",
    "decoding",
    "is_dicom",
    "open_dicom",
    "patient_group",
    "pixel_element",
    "require_decoder",
]

PIXELS = {0x7FE00010: "PixelData", 0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData"}
"""The elements of which an image has exactly one."""

_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
_DEFERRED_BYTES = 64 * 2**10
_QUOTED = re.compile(r"b?'.*'|b?\".*\"", re.DOTALL)
_META_BYTES = 4096
_PREAMBLE = 128
_MARK = b"DICM"
# (0002,0010) Transfer Syntax UID, as it stands in the file.
_DEFLATED = b"\x02\x00\x10\x00UI\x16\x00" + DeflatedExplicitVRLittleEndian.encode()
_PIXEL_VRS = {b"OB", b"OW", b"OF", b"OD", b"UN"}
_MOST_INFLATED = 2 * 2**30


class _DamageError(Exception):
    """What pydicom says without the values that it quotes: they may be of the patient."""


class PixelElement(NamedTuple):
    """Where a file holds its pixels.

    Attributes
    ----------
    keyword : str
        One of `PIXELS`.
    vr : str
        ``"OB"``, ``"OW"``, ``"OF"`` or ``"OD"``; empty where the encoding is implicit.
    offset : int or None
        Where the value begins in the file; None where it is in memory, or the file deflated as a whole.
    length : int
        Bytes of the value in the file, as the file states it; 2³² − 1 where compressed frames follow.
    """

    keyword: str
    vr: str = ""
    offset: int | None = None
    length: int = 0


class _Quiet:
    """Silence the warnings and the log of pydicom, which quote headers, while any thread is inside.

    `warnings.catch_warnings` alone restores the filters of whichever thread leaves last.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()
        self._log = logging.getLogger("pydicom")
        self._level = self._log.level

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore", UserWarning)
                self._level = self._log.level
                self._log.setLevel(logging.CRITICAL + 1)
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._log.setLevel(self._level)
                self._filters.__exit__(None, None, None)


_quiet = _Quiet()


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn what pydicom raises into `ReadError`, and keep its remarks on odd headers to itself.

    Scanners write identifiers, dates and numbers that break the standard's letter without harm to the
    pixels; pydicom warns of each, whenever it is looked at. Threads may decode at the same time.
    """
    with reading(path, "DICOM", (_DamageError,)), _quiet:
        try:
            yield
        except _DAMAGE as error:
            raise _DamageError(_QUOTED.sub("…", str(error)) or type(error).__name__) from error


def is_dicom(path: Path) -> bool:
    """Tell from the first bytes whether a regular file is DICOM; raises ReadError as `kind_of` does."""
    # First what nearly all files are that this is asked of.
    with suppress(OSError), path.open("rb", buffering=0) as file:
        if _is_marked(file.read(_PREAMBLE + len(_MARK))):
            return True
    return kind_of(path) == "dicom"


def open_dicom(path: Path, *, header_only: bool = False) -> Dataset:
    """Read a file's header, and its pixel data unless told otherwise.

    Files without preamble and meta information, as before there was a file format, are read too if they
    begin with a data element; their encoding is found from its first bytes.

    Parameters
    ----------
    path : Path
    header_only : bool
        Stop before the pixels, and leave elements above 64 KB in the file until they are asked for.

    Returns
    -------
    Dataset
        With a transfer syntax in its `file_meta`, whatever the file says.

    Raises
    ------
    ReadError
        If the file would inflate beyond all measure.
    """
    with path.open("rb") as file:
        head = file.read(_META_BYTES)
        deflated = _DEFLATED in head
        if deflated and path.stat().st_size * DEFLATE > _MOST_INFLATED:
            _refuse_bomb(file, head, path)
        file.seek(0)
        dataset = dcmread(
            file,
            stop_before_pixels=header_only,
            # Where the whole file is deflated, there is no place in it to come back to.
            defer_size=_DEFERRED_BYTES if header_only and not deflated else None,
            force=not _is_marked(head) and kind_of(path) == "dicom",
        )
        if "TransferSyntaxUID" not in dataset.file_meta:
            dataset.file_meta.TransferSyntaxUID = _found_syntax(dataset)
        if header_only:
            dataset.pixel_element = _deflated_pixels(dataset) if deflated else _find_pixels(file, dataset)
    return dataset


def pixel_element(dataset: Dataset) -> PixelElement | None:
    """Which element holds the pixels of a dataset that `open_dicom` returned; None if there are none."""
    # Asked several times for each of thousands of headers: this way first.
    if found := vars(dataset).get("pixel_element"):
        return found
    return next((PixelElement(keyword) for keyword in PIXELS.values() if keyword in dataset), None)


def _is_marked(head: bytes) -> bool:
    return head[_PREAMBLE:].startswith(_MARK)


def _find_pixels(file: BinaryIO, dataset: Dataset) -> PixelElement | None:
    """Look at the element where the reading of the header stopped."""
    _, little = dataset.original_encoding
    at = file.tell()
    start = file.read(12)
    group, element = struct.unpack("<HH" if little else ">HH", start[:4]) if len(start) >= 8 else (0, 0)
    keyword = PIXELS.get(group << 16 | element)
    if keyword is None:
        return None
    # An explicit VR is followed by two reserved bytes and four of length, an implicit one by the length only:
    # there some files are implicit against their own word. As a length the letters would be odd, which
    # lengths are not.
    explicit = start[4:6] in _PIXEL_VRS
    length = int.from_bytes(start[8:] if explicit else start[4:8], "little" if little else "big")
    vr = start[4:6].decode() if explicit else ""
    return PixelElement(keyword, vr, at + (12 if explicit else 8), length)


def _deflated_pixels(dataset: Dataset) -> PixelElement | None:
    """Infer the element from the header: what follows lay in memory that pydicom has given up."""
    if "Rows" not in dataset:
        return None
    if "BitsStored" in dataset:
        return PixelElement("PixelData")
    return PixelElement("DoubleFloatPixelData" if dataset.get("BitsAllocated") == 64 else "FloatPixelData")


def _refuse_bomb(file: BinaryIO, head: bytes, path: Path) -> None:
    """Inflate a deflated file piece by piece without keeping it: pydicom would do so at once."""
    # (0002,0000) holds the length of what follows it before the deflated part (PS3.10 7.1).
    length = int.from_bytes(head[140:144], "little")
    file.seek(144 + length)
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    size = 0
    while packed := file.read(2**16):
        while packed and size <= _MOST_INFLATED:
            size += len(inflate.decompress(packed, 2**24))
            packed = inflate.unconsumed_tail
    if size > _MOST_INFLATED:
        raise ReadError(
            f"{path.name} is deflated and would inflate to more than {_MOST_INFLATED / 2**30:.0f} GB",
            expected="an image",
            fix="export it uncompressed (Explicit VR Little Endian)",
        )


def _found_syntax(dataset: Dataset) -> str:
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def require_decoder(dataset: Dataset, path: Path) -> None:
    """Refuse pixels that nothing here can decode.

    Raises
    ------
    ReadError
        Naming the extra to install, if there is one for this transfer syntax.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError as error:
        # In a damaged header other elements run into it, and names of patients are among them.
        name = syntax if syntax.is_valid else "of a damaged header"
        raise ReadError(
            f"{path.name} has the transfer syntax {name}, which no decoder reads",
            expected="a syntax of pixel data",
            fix="export it uncompressed (Explicit VR Little Endian)",
        ) from error
    if not available:
        raise ReadError(
            f"{path.name} is compressed as {syntax.name} and no decoder for it is installed",
            fix='run pip install "unetscope[dicom]"',
        )


def patient_group(dataset: Dataset) -> str | None:
    """Name the patient without telling who it is.

    The first 12 hexadecimal digits of the SHA-256 of PatientID, after IssuerOfPatientID and a
    backslash (which no value can contain) where there is an issuer; None without a PatientID.
    """
    patient = str(dataset.get("PatientID") or "").strip()
    issuer = str(dataset.get("IssuerOfPatientID") or "").strip()
    if not patient:
        return None
    text = f"{issuer}\\{patient}" if issuer else patient
    return f"patient-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
