"""Read NIfTI: the stored values in the order of the file, and their place in the patient."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import ReadError
from unetscope.io._files import canonical, reading
from unetscope.io.grid import FLIP_LPS_RAS, geometry_of, is_regular, reorder
from unetscope.io.image import Image, Source
from unetscope.io.volumes._stored import DAMAGE, Stored, missing_library, opened

__all__ = ["read_nifti"]

_HEADER_BYTES = {b"n+1\0": 348, b"ni1\0": 348, b"n+2\0": 540, b"ni2\0": 540}
# Codes of the header's field xyzt_units: its lowest three bits are lengths, the next three times or spectra.
_MILLIMETERS = {1: 1e3, 2: 1.0, 3: 1e-3}
_SECONDS = {8: 1.0, 16: 1e-3, 24: 1e-6}
_SPECTRAL = {32, 40, 48}
# Fastest first, as the file counts them.
_FILE_AXES = "XYZTC"
_SAME_MM = 1e-2


def read_nifti(path: Path, *, lazy: bool = False) -> Image:
    """Read NIfTI-1 or -2: ``.nii``, ``.nii.gz``, or a pair of ``.hdr`` and ``.img``.

    The axes of the file become columns, rows, slices, time and channels, in that order; nothing is flipped,
    since the affine says where each axis leads. A single slice is a plane. Stored values are scaled by slope
    and intercept where these change anything, to floating point.

    Parameters
    ----------
    path : Path
        The file; of a pair, the header.
    lazy : bool
        Leave the pixels of large uncompressed files on disk.

    Returns
    -------
    Image
        The sform places it in the patient, else the qform, in mm; without either, only the spacing is known.
        ``source.tags["time_spacing"]`` is the time between time points in seconds, if known.

    Raises
    ------
    ReadError
        If nibabel is missing, or the file is damaged, complex, of more than five axes, or too large.
    """
    try:
        import nibabel
    except ImportError as error:
        raise missing_library(path, "nibabel") from error
    damage = (*DAMAGE, nibabel.spatialimages.HeaderDataError)
    with reading(path, "a NIfTI volume", damage), np.errstate(over="raise", invalid="raise"):
        header, file = _read_header(path)
        stored = _stored(path, header, file)
        data, axes, alpha = _values(stored, header, lazy=lazy)
        affine, notes = _place(header, damage)
        tags, time_notes = _time(header) if "T" in axes else ({}, ())
    return Image(
        data,
        axes,
        **(_size(header, axes) if affine is None else _geometry(affine, axes)),
        channels=("red", "green", "blue") if stored.dtype.fields else (),
        source=Source(path, "nifti", tags=tags | alpha, notes=notes + time_notes),
    )


def _read_header(path: Path) -> tuple[Any, Path]:
    """Read the header, and tell which file holds the pixels."""
    from nibabel import Nifti1Header, Nifti2Header

    with opened(path, _compression(path)) as file:
        block = file.read(540)
    magic = next((m for m in (block[344:348], block[4:8]) if m in _HEADER_BYTES), None)
    if magic is None or len(block) < _HEADER_BYTES[magic]:
        raise ValueError("what it holds has no NIfTI header")
    kind = Nifti1Header if magic[2:3] == b"1" else Nifti2Header
    header = kind(block[: _HEADER_BYTES[magic]], check=False)
    return header, path if magic[1:2] == b"+" else _pixel_file(path)


def _compression(path: Path) -> str:
    with path.open("rb") as file:
        return "gzip" if file.read(2) == b"\x1f\x8b" else ""


def _pixel_file(path: Path) -> Path:
    for suffix in (".img", ".img.gz", ".IMG"):
        if (file := path.with_suffix(suffix)).is_file():
            return file
    raise ReadError(
        f"{path.name} is a header without its pixels",
        expected=f"{path.with_suffix('.img').name} beside it",
        fix="copy both files",
    )


def _stored(path: Path, header: Any, file: Path) -> Stored:
    lengths = [int(length) for length in header.get_data_shape()]
    dtype = np.dtype(header.get_data_dtype())
    if not dtype.fields and (dtype.kind not in "iuf" or dtype.itemsize > 8):
        raise ReadError(
            f"{path.name} holds values of type {dtype.name}",
            expected="integers, real numbers or RGB",
            fix="convert it, for example to float32",
        )
    axes = _FILE_AXES.replace("C", "?") if dtype.fields else _FILE_AXES
    if len(lengths) < 2 or any(n != 1 for n in lengths[len(axes.rstrip("?")) :]):
        raise ReadError(
            f"{path.name} has {len(lengths)} axes",
            expected="two to five: columns, rows, slices, time, channels",
            fix="take a part of it",
        )
    if int(header["xyzt_units"]) & 56 in _SPECTRAL and len(lengths) == 4:
        axes = "XYZC"
    kept = [(axis, n) for axis, n in zip(axes, lengths, strict=False) if axis in "XY" or n != 1][::-1]
    # Zero means: right after the header.
    first = header.single_vox_offset if file == path else 0
    skip = int(header["vox_offset"]) or first
    if skip < first:
        raise ValueError(f"its pixels would begin at byte {skip}, within the header")
    shape = tuple(n for _, n in kept)
    return Stored(file, dtype, "".join(axis for axis, _ in kept), shape, _compression(file), skip=skip)


def _values(stored: Stored, header: Any, *, lazy: bool) -> tuple[Any, str, dict[str, str]]:
    """Read the values, their axes, and whether any opacity was left out."""
    if stored.dtype.fields:
        pixels, axes = stored.read()
        opaque = "A" not in pixels.dtype.names or (pixels["A"] == 255).all()
        alpha = {} if opaque else {"alpha": "dropped"}
        colors = np.stack([pixels[name] for name in "RGB"])
        return *canonical(colors, "C" + axes), alpha
    slope, intercept = header.get_slope_inter()
    if slope is None or (slope, intercept) == (1, 0):
        return *stored.read(lazy=lazy), {}
    return *stored.read(partial(_scaled, slope=slope, intercept=intercept), lazy=lazy), {}


def _scaled(stored: NDArray[Any], *, slope: float, intercept: float) -> NDArray[Any]:
    # 32-bit integers keep their digits in float64 only.
    values = stored.astype(np.result_type(stored.dtype.newbyteorder("="), np.float32))
    values *= slope
    values += intercept
    return values


def _place(
    header: Any, damage: tuple[type[Exception], ...]
) -> tuple[NDArray[np.float64] | None, tuple[str, ...]]:
    """Give the affine in LPS and mm, and what is odd about it."""
    forms: dict[str, NDArray[np.float64]] = {}
    notes = []
    # The standard reads a handedness of 0 as 1.
    if header["pixdim"][0] not in {-1, 1}:
        header["pixdim"][0] = 1
    for name, get in (("sform", header.get_sform), ("qform", header.get_qform)):
        if header[f"{name}_code"] <= 0:
            continue
        with suppress(*damage):
            form = np.asarray(get(), np.float64)
            if is_regular(form):
                forms[name] = form
        if name not in forms:
            notes.append(f"The {name} of the header is damaged and was left out.")
    if not forms:
        return None, tuple(notes)
    scale = _MILLIMETERS.get(int(header["xyzt_units"]) & 7, 1.0)
    chosen = next(iter(forms.values()))
    if len(forms) == 2 and (apart := _apart(header, forms["sform"], forms["qform"]) * scale) > _SAME_MM:
        notes.append(f"The header's sform and qform lie up to {apart:.3g} mm apart; the sform was taken.")
    affine = reorder(FLIP_LPS_RAS @ chosen, (2, 1, 0))
    affine[:3] *= scale
    return affine, tuple(notes)


def _apart(header: Any, one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Farthest distance of a corner of the grid from itself."""
    last = np.array([*header.get_data_shape()[:3], 1, 1])[:3] - 1
    corners = np.column_stack([np.array([*np.ndindex(2, 2, 2)]) * last, np.ones(8)])
    return float(np.linalg.norm(corners @ (one - other).T, axis=1).max())


def _geometry(affine: NDArray[np.float64], axes: str) -> dict[str, Any]:
    spacing, origin = geometry_of(affine, "ZYX" if "Z" in axes else "YX")
    return {"spacing": spacing, "origin": origin, "units": "mm", "affine": affine}


def _size(header: Any, axes: str) -> dict[str, Any]:
    sizes = np.abs(np.asarray(header["pixdim"][1:4], np.float64))[::-1]
    kept = [float(size) for axis, size in zip("ZYX", sizes, strict=True) if axis in axes]
    if not all(np.isfinite(size) and size > 0 for size in kept):
        return {}
    code = int(header["xyzt_units"]) & 7
    if code == 0 and all(size == 1 for size in kept):
        return {}
    if code == 3:
        return {"spacing": tuple(kept), "units": "µm"}
    return {"spacing": tuple(size * _MILLIMETERS.get(code, 1.0) for size in kept), "units": "mm"}


def _time(header: Any) -> tuple[dict[str, float], tuple[str, ...]]:
    unit = _SECONDS.get(int(header["xyzt_units"]) & 56)
    step = float(header["pixdim"][4])
    if unit is None or not np.isfinite(step) or step <= 0:
        return {}, ("The header does not say how much time lies between the points of the fourth axis.",)
    return {"time_spacing": step * unit}, ()
