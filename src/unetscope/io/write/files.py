"""Write files whole or not at all: under a temporary name first, then renamed."""

from __future__ import annotations

import csv
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from unetscope.errors import OutputError
from unetscope.io._files import StrPath, is_store

__all__ = [
    "atomic",
    "atomic_folder",
    "output_folder",
    "refuse_existing",
    "to_plain",
    "write_csv",
    "write_json",
    "write_text",
]


# Names of files may hold bytes that are no text; JSON reads them again from their escapes.
_UNUSUAL = "backslashreplace"


@contextmanager
def atomic(path: StrPath, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary path to write to, and rename it to `path` when the block has succeeded.

    Parameters
    ----------
    path : path
        The file to write.
    overwrite : bool
        Whether a file of this name may be replaced. It stays as it was until the new one is complete.

    Yields
    ------
    Path
        A name in the same folder, removed again if anything fails.

    Raises
    ------
    OutputError
        If the file exists and may not be replaced, or the system refuses to write.
    """
    path = Path(path)
    _refuse_to_replace(path, overwrite=overwrite)
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: StrPath, *, overwrite: bool = False, within: Path | None = None) -> Iterator[Path]:
    """Give a temporary folder to fill, and rename it to `path` when the block has succeeded.

    Parameters
    ----------
    path : path
        The Zarr store to write.
    overwrite : bool
        Whether a Zarr store of this name may be replaced; any other file or folder stays. It is removed when
        the new one is complete.
    within : Path, optional
        A folder on the same file system for all that is not complete, if a process that is killed must leave
        nothing elsewhere.

    Yields
    ------
    Path
        An empty folder beside it, or in `within`, removed again if anything fails.

    Raises
    ------
    OutputError
        If there is something that may not be replaced, or the system refuses to write.
    """
    path = Path(path)
    if path.is_symlink() or (path.exists() and not is_store(path)):
        raise OutputError(
            f"{path} exists and is no Zarr store", expected="a new name", fix="choose another name"
        )
    refuse_existing(path, overwrite=overwrite)
    place = path.parent if within is None else within
    temporary, earlier = (place / f".{secrets.token_hex(8)}.part" for _ in range(2))
    try:
        temporary.mkdir()
        yield temporary
        if path.exists():
            path.rename(earlier)
        temporary.rename(path)
    except OSError as error:
        if earlier.exists() and not path.exists():
            earlier.rename(path)
        raise _cannot_write(path, error) from error
    finally:
        for folder in (temporary, earlier):
            shutil.rmtree(folder, ignore_errors=True)


def _refuse_to_replace(path: Path, *, overwrite: bool) -> None:
    if path.is_dir():
        raise OutputError(f"{path} is a folder", expected="a file name", fix="choose another name")
    refuse_existing(path, overwrite=overwrite)


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Make sure that nothing of this name is there, or that it may be replaced.

    Raises
    ------
    OutputError
        If it is there and stays.
    """
    if path.exists() and not overwrite:
        raise OutputError(
            f"{path} exists already",
            expected="a new name",
            fix="choose another name, or pass --overwrite (overwrite=True)",
        )


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path} cannot be written ({error.strerror or error})",
        expected="an existing folder with free space that you may write to",
        fix="choose another place",
    )


def _flush(path: Path) -> None:
    """Bring the content to the disk before the name: a crash then leaves the old file or the new one."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_json(path: StrPath, obj: Any, *, overwrite: bool = False) -> Path:
    """Write dictionaries, lists and numbers as JSON; NaN and infinities, which JSON lacks, become null.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    text = json.dumps(to_plain(obj), indent=2, ensure_ascii=False, allow_nan=False)
    return write_text(path, text + "\n", overwrite=overwrite)


def to_plain(obj: Any) -> Any:
    """Replace what `json` refuses: NumPy's numbers and arrays, paths, and numbers that are none."""
    if isinstance(obj, Mapping):
        return {str(key): to_plain(value) for key, value in obj.items()}
    if isinstance(obj, (np.ndarray, np.generic)):
        return to_plain(obj.tolist())
    if isinstance(obj, (list, tuple)):
        return [to_plain(value) for value in obj]
    if isinstance(obj, Path):
        return obj.as_posix()
    if isinstance(obj, float) and not np.isfinite(obj):
        return None
    return obj


def write_csv(
    path: StrPath, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, overwrite: bool = False
) -> Path:
    """Write a table with a heading, UTF-8, comma-separated; a value that a row lacks is left empty.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    with (
        atomic(path, overwrite=overwrite) as temporary,
        temporary.open("w", encoding="utf-8", errors=_UNUSUAL, newline="") as file,
    ):
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_text(path: StrPath, text: str, *, overwrite: bool = False) -> Path:
    """Write text as UTF-8.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    with atomic(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=_UNUSUAL, newline="\n")
    return path


def output_folder(path: StrPath, *, overwrite: bool = False, apart_from: Collection[str] = ()) -> Path:
    """Make a folder for results.

    Parameters
    ----------
    path : path
        The folder; parents are made too.
    overwrite : bool
        Whether a folder that holds something already may be used.
    apart_from : collection of str
        Names of files and folders that may be there in any case.

    Returns
    -------
    Path
        The folder, which can be written to.

    Raises
    ------
    OutputError
        If it is a file, holds something, or cannot be written to.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        filled = any(item.name not in apart_from for item in path.iterdir())
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OutputError(
            f"{path} cannot be used for results ({error.strerror or error})",
            expected="a folder that you may write to",
            fix="choose another folder",
        ) from error
    if filled and not overwrite:
        raise OutputError(
            f"{path} holds files already",
            expected="a new or empty folder",
            fix="choose another folder, or pass --overwrite (overwrite=True)",
        )
    return path
