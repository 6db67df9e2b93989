"""Write results whole or not at all: under a temporary name first, then renamed."""

from __future__ import annotations

import csv
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import OutputError
from unetscope.io._files import StrPath
from unetscope.io.image import AXES

__all__ = [
    "atomic",
    "output_folder",
    "to_plain",
    "write_csv",
    "write_float",
    "write_json",
    "write_mask",
    "write_text",
]

_TIFF = {".tif", ".tiff"}
# The order in which ImageJ wants its axes.
_IMAGEJ_AXES = "TZCYX"
_IMAGEJ_TYPES = {"uint8", "uint16", "float32"}
_IMAGEJ_BYTES = 2**31
_UNITS = {"µm": "um"}


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
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error})",
            expected="an existing folder with free space that you may write to",
            fix="choose another place",
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _refuse_to_replace(path: Path, *, overwrite: bool) -> None:
    if path.is_dir():
        raise OutputError(f"{path} is a folder", expected="a file name", fix="choose another name")
    if path.exists() and not overwrite:
        raise OutputError(
            f"{path} exists already",
            expected="a new name",
            fix="choose another name, or pass --overwrite (overwrite=True)",
        )


def _flush(path: Path) -> None:
    """Bring the content to the disk before the name: a crash then leaves the old file or the new one."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_mask(
    path: StrPath,
    labels: NDArray[Any],
    *,
    spacing: Sequence[float] | None = None,
    units: str = "pixel",
    overwrite: bool = False,
) -> Path:
    """Write labels as PNG or TIFF, by the suffix, in the smallest unsigned type that holds them.

    Parameters
    ----------
    path : path
        A name ending in ``.png`` (2D, up to 65535; keeps no spacing), ``.tif`` or ``.tiff``.
    labels : ndarray
        (Y, X), (Z, Y, X) or (T, Z, Y, X), integer or bool, not negative, below 2³².
    spacing : sequence of float, optional
        Along the spatial axes of `labels`, in `units`. Kept by TIFF only.
    units : str
        Unit of `spacing`: ``"mm"``, ``"µm"`` or ``"pixel"``.
    overwrite : bool
        Whether a file of this name may be replaced.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    OutputError
        If the labels do not fit the format, the suffix is another, or the file cannot be written.
    """
    path = Path(path)
    labels = _smallest(path, np.asarray(labels))
    suffix = path.suffix.lower()
    if suffix in _TIFF:
        axes = "TZYX"[-labels.ndim :]
        return _write_tiff(path, labels, axes, spacing, units, overwrite=overwrite)
    if suffix != ".png":
        raise OutputError(
            f"{path.name} ends in {suffix or 'no suffix'}",
            expected=".png, .tif or .tiff",
            fix="choose one of these",
        )
    if labels.ndim != 2 or labels.dtype.itemsize > 2:
        raise OutputError(
            f"labels of shape {labels.shape} up to {labels.max()} do not fit {path.name}",
            expected="for PNG, two dimensions and labels up to 65535",
            fix="write TIFF (.tif)",
        )
    import imagecodecs

    with atomic(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(imagecodecs.png_encode(labels))
    return path


def _smallest(path: Path, labels: NDArray[Any]) -> NDArray[Any]:
    whole = labels.dtype.kind in "bui" and labels.size > 0 and 2 <= labels.ndim <= 4
    if not whole or labels.min() < 0 or labels.max() >= 2**32:
        raise OutputError(
            f"the array of shape {labels.shape} and type {labels.dtype} for {path.name} is no mask",
            expected="two to four axes of integers from 0 to 4294967295",
            fix="convert it to labels",
        )
    largest = int(labels.max())
    dtype = next(t for t in (np.uint8, np.uint16, np.uint32) if largest <= np.iinfo(t).max)
    return np.ascontiguousarray(labels, dtype)


def write_float(
    path: StrPath,
    array: NDArray[Any],
    *,
    axes: str,
    spacing: Sequence[float] | None = None,
    units: str = "pixel",
    overwrite: bool = False,
) -> Path:
    """Write real numbers, such as probabilities, as a TIFF of float32.

    Parameters
    ----------
    path : path
        A name ending in ``.tif`` or ``.tiff``.
    array : ndarray
        One axis per letter of `axes`.
    axes : str
        A subsequence of ``"TCZYX"``, as in `Image`.
    spacing : sequence of float, optional
        Along the spatial axes, in `units`.
    units : str
        Unit of `spacing`: ``"mm"``, ``"µm"`` or ``"pixel"``.
    overwrite : bool
        Whether a file of this name may be replaced.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    OutputError
        If the axes do not fit the array, the suffix is another, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _TIFF:
        raise OutputError(
            f"{path.name} cannot hold real numbers", expected=".tif or .tiff", fix="choose one of these"
        )
    if len(axes) != array.ndim or set(axes) - set(AXES) or array.size == 0:
        raise OutputError(
            f"the array for {path.name} has shape {array.shape} and axes {axes!r}",
            expected="one letter of TCZYX per axis, none of length 0",
            fix="name the axes of the array",
        )
    return _write_tiff(path, np.asarray(array, np.float32), axes, spacing, units, overwrite=overwrite)


def _write_tiff(
    path: Path,
    array: NDArray[Any],
    axes: str,
    spacing: Sequence[float] | None,
    units: str,
    *,
    overwrite: bool,
) -> Path:
    """Write what ImageJ opens with its axes and spacing; others, such as uint32, with the same tags."""
    import tifffile

    ordered = "".join(axis for axis in _IMAGEJ_AXES if axis in axes)
    metadata: dict[str, Any] = {"axes": ordered}
    options: dict[str, Any] = {}
    spatial = [axis for axis in axes if axis in "ZYX"]
    if spacing is not None and len(spacing) != len(spatial):
        raise OutputError(
            f"the spacing for {path.name} is {tuple(spacing)}",
            expected=f"{len(spatial)} numbers, along {''.join(spatial)}",
            fix="give one per spatial axis",
        )
    if spacing is not None and units != "pixel":
        along = dict(zip(spatial, spacing, strict=True))
        options["resolution"] = (1 / along["X"], 1 / along["Y"])
        metadata["unit"] = _UNITS.get(units, units)
        if "Z" in along:
            metadata["spacing"] = float(along["Z"])
    with atomic(path, overwrite=overwrite) as temporary:
        tifffile.imwrite(
            temporary,
            array.transpose([axes.index(axis) for axis in ordered]),
            imagej=_suits_imagej(array),
            photometric="minisblack",
            compression="zlib",
            metadata=metadata,
            resolutionunit="none",
            **options,
        )
    return path


def _suits_imagej(array: NDArray[Any]) -> bool:
    # tifffile takes a last axis of length 1 for samples in ImageJ's layout, and cannot read it back.
    return array.dtype.name in _IMAGEJ_TYPES and array.nbytes < _IMAGEJ_BYTES and array.shape[-1] > 1


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
        temporary.open("w", encoding="utf-8", newline="") as file,
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
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return path


def output_folder(path: StrPath, *, overwrite: bool = False) -> Path:
    """Make a folder for results.

    Parameters
    ----------
    path : path
        The folder; parents are made too.
    overwrite : bool
        Whether a folder that holds something already may be used.

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
        filled = any(path.iterdir())
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
