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
    return [folder / name for entry, name in names.items() if not entry.is_dir()]


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
    taken: dict[tuple[str, ...], bool] = {}
    for entry in entries:
        parts = _checked_parts(archive, entry)
        key = tuple(map(_on_any_system, parts))
        above = [key[:depth] for depth in range(1, len(key))]
        # A file must not be there twice, nor be a folder as well; a folder may be named again and again.
        if taken.get(key, entry.is_dir()) is not entry.is_dir() or (key in taken and not entry.is_dir()):
            raise _refused(archive, f"holds {entry.filename!r} twice", "names that differ on every system")
        if not all(taken.get(folder, True) for folder in above):
            raise _refused(
                archive, f"holds {entry.filename!r} inside of a file", "names that differ on every system"
            )
        taken |= dict.fromkeys(above, True) | {key: entry.is_dir()}
        names[entry] = Path(*parts)
    if not any(not entry.is_dir() for entry in names):
        raise _refused(archive, "holds no files", "at least one")
    return names


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
    # Some writers on Windows put its own separator.
    parts = entry.filename.replace("\\", "/").removesuffix("/").split("/")
    plain = all(part not in {"", ".", ".."} and _is_plain(part) for part in parts)
    if not plain or len(parts) > _MOST_FOLDERS:
        raise _refused(
            archive,
            f"holds a file named {entry.filename[:100]!r}",
            "names that stay inside the folder and are plain on every system",
        )
    return parts


def _is_plain(part: str) -> bool:
    # A colon is a drive or a hidden stream on Windows.
    return ":" not in part and all(ord(letter) >= 32 and letter != "\x7f" for letter in part)


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
    (target if entry.is_dir() else target.parent).mkdir(parents=True, exist_ok=True)
    if entry.is_dir():
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
