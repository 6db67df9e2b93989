"""Find the DICOM images below a folder, and read their headers."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import UID

from unetscope.errors import InputError, ReadError
from unetscope.io._files import SUFFIXES, is_folder, suffix_of
from unetscope.io.dicom.decode import decoding, is_dicom, open_dicom, pixel_element
from unetscope.io.dicom.frames import planes_of
from unetscope.io.dicom.header import code, holds, number, text
from unetscope.io.dicom.plane import Plane

__all__ = ["MOST_FILES", "Found", "Scan", "scan_files", "scan_folder"]

MOST_FILES = 200_000
"""With more files below it a folder is refused: somebody chose the whole disk."""

_DEEPEST = 50
_THREADS = 8
_CHUNK = 32


@dataclass(frozen=True)
class Found:
    """One file with an image, as its header describes it.

    Attributes
    ----------
    path : Path
        The file.
    planes : tuple of Plane
        One per frame; none for a slide in tiles.
    series : (str, str)
        PatientID and SeriesInstanceUID, to be compared and never shown or kept: some anonymizers give the
        series of several patients one UID.
    modality : str
        Modality; ``"DICOM"`` where the header gives none.
    number : int or None
        SeriesNumber.
    matrix : (int, int) or None
        Rows and columns of a whole slide, of which the file holds tiles.
    """

    path: Path
    planes: tuple[Plane, ...]
    series: tuple[str, str] = field(repr=False)
    modality: str
    number: int | None = None
    matrix: tuple[int, int] | None = None


@dataclass(frozen=True)
class Scan:
    """What a folder or a list of files holds.

    Attributes
    ----------
    found : list of Found
        The images, in the order of their paths.
    damaged : dict of Path to ReadError
        What should be DICOM and cannot be read, and folders that cannot be entered.
    """

    found: list[Found] = field(default_factory=list)
    damaged: dict[Path, ReadError] = field(default_factory=dict)


def scan_folder(folder: Path) -> Scan:
    """Read the headers of all DICOM images below a folder.

    Hidden files and folders, links to folders and files of other kinds are passed over, and so are DICOM
    files that are no images of their own: segmentations, doses, reports, directories.

    Raises
    ------
    ReadError
        If the folder itself cannot be entered.
    InputError
        If there are more files than `MOST_FILES`.
    """
    if not is_folder(folder):
        raise ReadError(f"{folder} is not a folder", expected="a folder of DICOM files", fix="check the path")
    damaged: dict[Path, ReadError] = {}
    files: list[Path] = []
    for path in _walk(folder, damaged):
        if len(files) == MOST_FILES:
            raise InputError(
                f"{folder} holds more than {MOST_FILES:,} files",
                expected="the folder of one study",
                fix="choose a folder further down",
            )
        files.append(path)
    if folder in damaged:
        raise damaged[folder]
    # Others may be anything: only a name of DICOM is a promise.
    promised = {path for path in files if SUFFIXES.get(suffix_of(path)) == "dicom"}
    scan = scan_files(files, promised)
    return Scan(scan.found, damaged | scan.damaged)


def scan_files(files: Sequence[Path], promised: Collection[Path]) -> Scan:
    """Read the headers of those of the files that are DICOM images.

    Parameters
    ----------
    files : sequence of Path
    promised : collection of Path
        Those that are reported as damaged if they are something else than DICOM.
    """
    scan = Scan()
    for path, problem in zip(files, _problems(files), strict=True):
        if problem is not None:
            if path in promised:
                scan.damaged[path] = problem
            continue
        try:
            if found := _found(path):
                scan.found.append(found)
        except ReadError as error:
            scan.damaged[path] = error
    return scan


def _walk(folder: Path, damaged: dict[Path, ReadError]) -> Iterator[Path]:
    """Give all files below a folder that may be DICOM, sorted within each folder."""

    def note(error: OSError) -> None:
        path = Path(error.filename)
        damaged[path] = ReadError(f"{path} cannot be entered ({error.strerror})", fix="check its permissions")

    # Links are not followed, so that a folder linked into itself ends.
    for name, folders, files in os.walk(folder, onerror=note):
        place = Path(name)
        folders[:] = sorted(inner for inner in folders if not inner.startswith(".") and not _is_store(inner))
        if len(place.parts) - len(folder.parts) >= _DEEPEST and folders:
            damaged[place] = ReadError(
                f"{place} holds folders more than {_DEEPEST} deep", fix="choose a folder further down"
            )
            folders.clear()
        for file in sorted(files):
            if not file.startswith(".") and SUFFIXES.get(suffix_of(Path(file)), "dicom") == "dicom":
                yield place / file


def _is_store(folder: str) -> bool:
    return SUFFIXES.get(suffix_of(Path(folder))) == "zarr"


def _problems(files: Sequence[Path]) -> list[ReadError | None]:
    """Look at the first bytes of files, several at a time.

    On a network that takes most of the time, and brings the headers into the system's cache. They are parsed
    one by one afterwards: Python runs one thread at a time, and several that parse took twice as long.
    """
    chunks = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(chain.from_iterable(pool.map(lambda chunk: [_problem(path) for path in chunk], chunks)))


def _problem(path: Path) -> ReadError | None:
    """Why a file is not DICOM, if it is not; from its first bytes."""
    try:
        # Opening a pipe would wait for somebody to write into it.
        if path.is_file() and is_dicom(path):
            return None
    except ReadError as error:
        return error
    return ReadError(f"{path.name} is not a DICOM file", fix="export or copy it again")


def _found(path: Path) -> Found | None:
    with decoding(path):
        header = open_dicom(path, header_only=True)
        if not _is_image(header, path):
            return None
        modality = code(header, "Modality") or "DICOM"
        series = text(header, "PatientID"), text(header, "SeriesInstanceUID")
        order = number(header, "SeriesNumber")
        which = None if order is None else int(order)
        if holds(header, "TotalPixelMatrixColumns"):
            matrix = (int(header.TotalPixelMatrixRows), int(header.TotalPixelMatrixColumns))
            return Found(path, (), series, modality, which, matrix)
        return Found(path, tuple(planes_of(path, header)), series, modality, which)


def _is_image(header: Dataset, path: Path) -> bool:
    """Whether a file holds an image of its own, and not one that only means something on top of others."""
    if holds(header, "SegmentSequence") or text(header, "Modality") == "RTDOSE":
        return False
    if holds(header, "Rows") and pixel_element(header) is not None:
        return True
    stated = header.file_meta.get("MediaStorageSOPClassUID") or header.get("SOPClassUID") or ""
    if not stated or "ImageStorage" in UID(stated).keyword:
        raise ReadError(
            f"{path.name} ends before its pixels",
            expected="a complete, undamaged file",
            fix="export or copy it again",
        )
    return False
