"""Unpack ZIP archives of strangers: all of it into one new folder, or nothing."""

from __future__ import annotations

import shutil
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unetscope.errors import OutputError, ReadError
from unetscope.io._files import StrPath, reading

__all__ = ["unpack"]

_MOST_FILES = 100_000
_MOST_FOLDERS = 32
# Masks compress a thousandfold, so that alone is no sign of a bomb; filling the disk with it is.
_BOMB_RATIO = 200
_HARMLESS_BYTES = 2 * 2**30
_CHUNK = 2**20
_KIND = "a ZIP archive"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_DAMAGE = (EOFError, NotImplementedError, UnicodeError, ValueError, zipfile.BadZipFile, zlib.error)


def unpack(archive: StrPath, folder: StrPath) -> list[Path]:
    """Unpack a ZIP archive into a new folder.

    Nothing in the archive is trusted. Names must stay inside the folder and differ on every system; links
    and devices are refused; sizes are counted while they are written, whatever the archive says. Archives
    inside the archive stay packed. The folder appears when all files are complete, and not at all if
    anything is refused.

    Parameters
    ----------
    archive : path
        The ZIP file; its entries stored or deflated, and not encrypted.
    folder : path
        A folder that does not exist yet or is empty; parents are made.

    Returns
    -------
    list of Path
        The files, in the order of the archive.

    Raises
    ------
    ReadError
        If the archive is damaged, encrypted, larger than the space for it, or holds what is refused.
    OutputError
        If the folder holds something already, or cannot be written.
    """
    archive, folder = Path(archive), Path(folder)
    if not archive.is_file():
        raise ReadError(f"{archive} is no file", expected="a ZIP archive", fix="check the path")
    with reading(archive, _KIND, _DAMAGE):
        content = zipfile.ZipFile(archive)
    with content, _writing(folder):
        names = _checked_names(archive, content)
        with _new_folder(folder) as temporary:
            _require_space(archive, list(names), temporary)
            for entry, name in names.items():
                _extract(archive, content, entry, temporary / name)
    return [folder / name for entry, name in names.items() if not _is_folder(entry)]


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror or error})",
            expected="a folder with free space that you may write to",
            fix="choose another folder",
        ) from error


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder beside `folder`, and rename it to that when the block has succeeded."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise OutputError(
            f"{folder} exists already and is not empty", expected="a new folder", fix="choose another folder"
        )
    temporary = Path(tempfile.mkdtemp(prefix=".", suffix=".part", dir=folder.parent))
    try:
        yield temporary
        # mkdtemp keeps others out, which is right only while the files are incomplete.
        temporary.chmod(folder.parent.stat().st_mode & 0o777)
        if folder.exists():
            folder.rmdir()
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _checked_names(archive: Path, content: zipfile.ZipFile) -> dict[zipfile.ZipInfo, Path]:
    """Where each entry goes, relative to the folder."""
    entries = content.infolist()
    if len(entries) > _MOST_FILES:
        raise _refused(archive, f"holds {len(entries)} files", f"at most {_MOST_FILES}")
    names: dict[zipfile.ZipInfo, Path] = {}
    files: set[tuple[str, ...]] = set()
    folders: set[tuple[str, ...]] = set()
    for entry in entries:
        parts = _checked_parts(archive, entry)
        key = tuple(map(_on_any_system, parts))
        folders.update(key[:depth] for depth in range(1, len(key) + _is_folder(entry)))
        if key in files and not _is_folder(entry):
            raise _refused(archive, f"holds {entry.filename!r} twice", "names that differ on every system")
        if not _is_folder(entry):
            files.add(key)
        names[entry] = Path(*parts)
    if not files:
        raise _refused(archive, "holds no files", "at least one")
    if both := files & folders:
        name = "/".join(min(both))
        raise _refused(archive, f"holds a file and a folder {name!r}", "names that differ on every system")
    return names


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    # Some writers on Windows put its own separator.
    return entry.filename.endswith(("/", "\\"))


def _checked_parts(archive: Path, entry: zipfile.ZipInfo) -> list[str]:
    """Split the name of an entry into folders and file, all of them plain."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise _refused(archive, f"holds {entry.filename!r}, a link or device", "files and folders only")
    if entry.flag_bits & _ENCRYPTED:
        raise _refused(archive, "is encrypted", "an archive without a password")
    if entry.compress_type not in _METHODS:
        # Those of bzip2 and LZMA give millions of bytes for one, at once.
        raise _refused(archive, f"is compressed by method {entry.compress_type}", "deflate, the usual one")
    parts = entry.filename.replace("\\", "/").removesuffix("/").split("/")
    if not all(map(_is_plain, parts)) or len(parts) > _MOST_FOLDERS:
        raise _refused(
            archive,
            f"holds a file named {entry.filename[:100]!r}",
            "names that stay inside the folder and are plain on every system",
        )
    return parts


def _is_plain(part: str) -> bool:
    # A colon is a drive or a hidden stream on Windows, which also ignores dots and blanks at the end.
    return (
        part.rstrip(". ") != ""
        and ":" not in part
        and all(ord(letter) >= 32 and letter != "\x7f" for letter in part)
    )


def _on_any_system(part: str) -> str:
    """Make names equal that are one file on some system: on macOS by Unicode, on Windows by ends and case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold()).rstrip(". ")


def _require_space(archive: Path, entries: list[zipfile.ZipInfo], folder: Path) -> None:
    packed, total = archive.stat().st_size, sum(entry.file_size for entry in entries)
    if sum(entry.compress_size for entry in entries) > packed:
        raise _refused(archive, "holds files that share their data", "each file on its own")
    free = shutil.disk_usage(folder).free // 2
    if total > free or (total > _HARMLESS_BYTES and total > _BOMB_RATIO * packed):
        raise _refused(
            archive,
            f"has {packed / 1e6:.1f} MB and unpacks to {total / 1e9:.1f} GB",
            f"at most {_BOMB_RATIO} times its size and half of the free space",
        )


def _extract(archive: Path, content: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    (target if _is_folder(entry) else target.parent).mkdir(parents=True, exist_ok=True)
    if _is_folder(entry):
        return
    written = 0
    with target.open("xb") as file:
        for chunk in _chunks(archive, content, entry):
            written += len(chunk)
            if written > entry.file_size:
                break
            file.write(chunk)
    if written != entry.file_size:
        raise _refused(archive, f"holds {entry.filename!r} in another size than it says", "an undamaged file")


def _chunks(archive: Path, content: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    with reading(archive, _KIND, _DAMAGE), content.open(entry) as data:
        while chunk := data.read(_CHUNK):
            yield chunk


def _refused(archive: Path, found: str, expected: str) -> ReadError:
    return ReadError(f"{archive.name} {found}", expected=expected, fix="unpack it by hand, or get another")
