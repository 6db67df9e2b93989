"""DICOMDIR: the table of contents of a disc (DICOM PS3.3 annex F, PS3.10 section 8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from pydicom.filereader import read_file_meta_info
from pydicom.multival import MultiValue

from unetscope.errors import ReadError
from unetscope.io.dicom.decode import decoding, open_dicom
from unetscope.io.dicom.scan import MOST_FILES

__all__ = ["files_of", "is_dicomdir"]

_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
# The standard allows 8 letters, file systems 255 bytes.
_LONGEST = 60
_MOST_BYTES = 256 * 2**20


def is_dicomdir(path: Path) -> bool:
    """Whether a DICOM file is a directory of others, whatever its name."""
    try:
        with decoding(path):
            meta = read_file_meta_info(path)
            return meta.get("MediaStorageSOPClassUID") == _STORAGE_DIRECTORY
    except ReadError:
        return False


def files_of(path: Path) -> list[Path]:
    """List the image files to which a DICOMDIR refers.

    All records of the table that are in use count. They are taken one after the other and not by their
    links, which nothing here needs, so that links in a circle or out of the file do no harm.

    Returns
    -------
    list of Path
        In the order of the table, each once; all of them exist, in the folder of the DICOMDIR or below.

    Raises
    ------
    ReadError
        If the DICOMDIR is damaged or absurdly large, a file is missing, or one lies outside its folder.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise ReadError(
            f"{path.name} has {path.stat().st_size / 2**20:.0f} MB",
            expected=f"a table of contents of at most {_MOST_BYTES // 2**20} MB",
            fix="read the folder itself",
        )
    names = _referenced(path)
    if not names:
        raise ReadError(
            f"{path.name} lists no images", expected="a DICOMDIR with images", fix="read the folder"
        )
    folder = path.parent
    listing = cache(_listing)
    files = {name: _find(folder, name, listing) for name in names}
    missing = [name for name, file in files.items() if file is None]
    if missing:
        raise ReadError(
            f"{len(missing)} of the {len(files)} images that {path.name} lists are missing, "
            f"the first of them {'/'.join(missing[0])}",
            expected="the complete disc",
            fix="copy it again, or read the folder itself",
        )
    found = [file for file in files.values() if file is not None]
    for file in found:
        if not file.resolve().is_relative_to(folder.resolve()):
            raise _outside(path, file.name)
    return found


def _referenced(path: Path) -> list[tuple[str, ...]]:
    """Names of the image files below the folder of the DICOMDIR, part by part."""
    with decoding(path):
        records = open_dicom(path).get("DirectoryRecordSequence") or []
        if len(records) > MOST_FILES:
            raise ReadError(f"{path.name} has {len(records)} records", fix="read the folder itself")
        found = []
        for record in records:
            name = record.get("ReferencedFileID")
            # 0 means that the record is no longer in use.
            if name and record.get("DirectoryRecordType") == "IMAGE" and record.get("RecordInUseFlag") != 0:
                found.append(tuple(map(str, name)) if isinstance(name, MultiValue) else (str(name),))
    for parts in found:
        if any(_leaves(part) for part in parts):
            raise _outside(path, "/".join(parts))
    return list(dict.fromkeys(found))


def _leaves(part: str) -> bool:
    """Whether one part of a name is more than the name of a file or folder: a path, a drive, the parent."""
    return part in {"", ".", ".."} or any(sign in part for sign in "/\\:\0") or len(part) > _LONGEST


def _outside(path: Path, name: str) -> ReadError:
    # In damaged files other elements run into the name, those of the patient among them.
    plain = len(name) <= _LONGEST and name.isprintable()
    return ReadError(
        f"{path.name} refers to {repr(name) if plain else 'a name'}, which is no file in its own folder",
        expected="files of the same disc",
        fix="read the folder itself if you trust the disc",
    )


def _listing(folder: Path) -> dict[str, Path]:
    return {path.name.casefold(): path for path in sorted(folder.iterdir())} if folder.is_dir() else {}


def _find(folder: Path, parts: Sequence[str], listing: Callable[[Path], dict[str, Path]]) -> Path | None:
    """Find a file by its name, in small letters too: that is how some systems show discs."""
    place = folder
    for part in parts:
        exact = place / part
        found = exact if exact.exists() else listing(place).get(part.casefold())
        if found is None:
            return None
        place = found
    return place if place.is_file() else None
