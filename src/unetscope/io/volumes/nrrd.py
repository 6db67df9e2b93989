"""Read NRRD: the stored values in the order of the file, and their place in the patient."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import ReadError
from unetscope.io._files import canonical, reading
from unetscope.io._limits import require_memory
from unetscope.io._units import to_length
from unetscope.io.grid import geometry_of, is_regular
from unetscope.io.image import Image, Source
from unetscope.io.volumes._stored import DAMAGE, Stored, missing_library

__all__ = ["read_nrrd"]

_LONGEST_HEADER = 2**22
_TYPES = {
    "i1": {"signed char", "int8", "int8_t"},
    "u1": {"uchar", "unsigned char", "uint8", "uint8_t"},
    "i2": {"short", "short int", "signed short", "signed short int", "int16", "int16_t"},
    "u2": {"ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"},
    "i4": {"int", "signed int", "int32", "int32_t"},
    "u4": {"uint", "unsigned int", "uint32", "uint32_t"},
    "i8": {"longlong", "long long", "long long int", "signed long long", "int64", "int64_t"},
    "u8": {"ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"},
    "f4": {"float"},
    "f8": {"double"},
}
_ENDIANS: dict[str, Literal["<", ">"]] = {"little": "<", "big": ">"}
_COMPRESSIONS = {"raw": "", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
_TEXTS = {"txt", "text", "ascii"}
# From the axes of each anatomical space to left, posterior, superior.
_SPACES = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}
_SEGMENT = re.compile(r"Segment(\d{1,6})_(Name|LabelValue|Layer)")


def read_nrrd(path: Path, *, lazy: bool = False) -> Image:
    """Read NRRD: ``.nrrd``, or ``.nhdr`` with its pixels in one other file of the same folder.

    The spatial axes of the file become columns, rows and slices, in that order; nothing is flipped, since the
    affine says where each axis leads. A single slice is a plane. Lists, vectors and colors become channels.

    Parameters
    ----------
    path : Path
        The file; of two, the header.
    lazy : bool
        Leave the pixels of large uncompressed files on disk.

    Returns
    -------
    Image
        Placed in the patient, in mm, where the file names an anatomical space; else with its spacing only. In
        segmentations of 3D Slicer ``source.tags["segments"]`` lists layer, label and name of each segment,
        and ``source.tags["labels"]`` takes labels to names if there is one layer only.

    Raises
    ------
    ReadError
        If pynrrd is missing, or the file is damaged, too large, of types or axes that make no image, or asks
        for pixels from another folder.
    """
    with reading(path, "an NRRD volume", DAMAGE), np.errstate(over="raise", invalid="raise"):
        header, end = _read_header(path)
        axes = _axes(path, header)
        stored = _stored(path, header, axes, end)
        is_text = header["encoding"] in _TEXTS
        data, order = _read_text(stored) if is_text else stored.read(lazy=lazy)
        place, notes = _place(header, axes)
        tags = _segments(header, data.shape[order.index("C")] if "C" in order else 1)
        is_rgb = ("rgb-color", 3) in zip(header["kinds"], header["sizes"], strict=True)
    return Image(
        data,
        order,
        **place,
        channels=("red", "green", "blue") if is_rgb else (),
        source=Source(path, "nrrd", tags=tags, notes=notes),
    )


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Read the fields, with words in lower case and kinds for all axes, and tell where the header ends."""
    try:
        import nrrd
    except ImportError as error:
        raise missing_library(path, "pynrrd") from error
    lines = []
    with path.open("rb") as file:
        while (line := file.readline(_LONGEST_HEADER)).strip():
            # Names of segments are in UTF-8, which pynrrd does not expect.
            lines.append(line.decode("utf-8", "replace"))
            if file.tell() > _LONGEST_HEADER:
                raise ValueError("its header does not end")
        end = file.tell()
    try:
        header = dict(nrrd.read_header(lines))
    except (nrrd.NRRDError, StopIteration) as error:
        raise ValueError(str(error) or "it begins with an empty line") from error
    for field in ("type", "encoding", "sizes"):
        if field not in header:
            raise ValueError(f"its header lacks the field {field}")
    header["sizes"] = [int(size) for size in header["sizes"]]
    header["kinds"] = [kind.lower() for kind in header.get("kinds", ["???"] * len(header["sizes"]))]
    return header | {name: header[name].lower() for name in ("type", "encoding")}, end


def _axes(path: Path, header: Mapping[str, Any]) -> str:
    """Name the axes of the file, fastest first."""
    kinds, vectors = header["kinds"], header.get("space directions")
    names = header.get("labels") or [""] * len(kinds)
    placed = [None] * len(kinds) if vectors is None else np.isfinite(vectors).all(axis=1)
    axes = "".join(
        _role(kind, name, placed=in_space) for kind, name, in_space in zip(kinds, names, placed, strict=True)
    )
    spatial = axes.count("S")
    if not 2 <= spatial <= 3 or axes.replace("S", "") not in {"", "C", "T"}:
        raise ReadError(
            f"{path.name} has axes of the kinds {', '.join(kinds)}",
            expected="two or three axes in space, and besides them a list or the time",
            fix="save one image, for example with 3D Slicer",
        )
    for letter in "XYZ"[:spatial]:
        axes = axes.replace("S", letter, 1)
    return axes


def _role(kind: str, name: str, *, placed: bool | None) -> str:
    """``S`` for space, ``T`` for time, ``C`` for channels, ``!`` for what makes no image."""
    if kind == "complex":
        return "!"
    if placed or (placed is None and kind in {"domain", "space", "none", "???"}):
        return "S"
    # A sequence of 3D Slicer is a list of frames.
    return "T" if kind == "time" or (kind == "list" and name.lower() in {"time", "frame"}) else "C"


def _stored(path: Path, header: Mapping[str, Any], axes: str, end: int) -> Stored:
    code = next((code for code, names in _TYPES.items() if header["type"] in names), None)
    encoding = header["encoding"]
    if code is None or encoding not in _COMPRESSIONS.keys() | _TEXTS:
        raise ReadError(
            f"{path.name} holds values of type {header['type'][:40]} in the encoding {encoding[:40]}",
            expected="integers or real numbers, raw, gzip, bzip2 or text",
            fix="save it again, for example with 3D Slicer",
        )
    dtype = np.dtype(code)
    if dtype.itemsize > 1 and encoding not in _TEXTS:
        if (order := header.get("endian", "").lower()) not in _ENDIANS:
            raise ValueError("its header does not say the order of bytes")
        dtype = dtype.newbyteorder(_ENDIANS[order])
    kept = [(axis, n) for axis, n in zip(axes, header["sizes"], strict=True) if axis in "XY" or n != 1][::-1]
    shape = tuple(n for _, n in kept)
    file, start = _pixel_file(path, header, end)
    skip = int(header.get("byte skip", header.get("byteskip", 0)))
    if skip == -1 and encoding == "raw":
        start, skip = max(file.stat().st_size - math.prod(shape) * dtype.itemsize, 0), 0
    names = "".join(axis for axis, _ in kept)
    return Stored(file, dtype, names, shape, _COMPRESSIONS.get(encoding, ""), start, skip)


def _pixel_file(path: Path, header: Mapping[str, Any], end: int) -> tuple[Path, int]:
    """Tell which file holds the pixels, and where they begin in it."""
    name = header.get("data file", header.get("datafile"))
    if name is None:
        return path, _after_lines(path, header, end)
    if name.upper().startswith("LIST") or "%" in name:
        raise ReadError(
            f"{path.name} has its pixels in several files",
            expected="one file of pixels",
            fix="save it as .nrrd, for example with 3D Slicer",
        )
    file = path.parent / name
    if file.resolve().parent != path.parent.resolve():
        raise ReadError(
            f"{path.name} asks for pixels from another folder",
            expected="a file beside it",
            fix="put both into one folder, and the bare name into the header",
        )
    return file, _after_lines(file, header, 0)


def _after_lines(file: Path, header: Mapping[str, Any], start: int) -> int:
    lines = int(header.get("line skip", header.get("lineskip", 0)))
    with file.open("rb") as stream:
        stream.seek(start)
        for _ in range(lines):
            if not stream.readline(_LONGEST_HEADER):
                break
        return stream.tell()


def _read_text(stored: Stored) -> tuple[NDArray[Any], str]:
    count = math.prod(stored.shape)
    # A number takes a byte at least.
    require_memory(stored.path, stored.shape, np.uint8, expansion=1)
    require_memory(stored.path, stored.shape, stored.dtype)
    with stored.path.open("rb") as file:
        file.seek(stored.start + stored.skip)
        words = file.read().replace(b",", b" ").split(maxsplit=count)[:count]
    if len(words) < count:
        raise EOFError(f"it ends after {len(words)} of {count} pixels")
    number = float if stored.dtype.kind == "f" else int
    values = np.array([number(word) for word in words], stored.dtype)
    return canonical(values.reshape(stored.shape), stored.axes)


def _place(header: Mapping[str, Any], axes: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give the fields of an `Image` that say where it lies, and what is odd about them."""
    spatial = [axes.index(axis) for axis in "ZYX" if axis in axes]
    shown = "YX" if len(spatial) == 2 or header["sizes"][spatial[0]] == 1 else "ZYX"
    unit = _unit(header, spatial)
    length = (1.0, "mm" if _is_anatomical(header) else "pixel") if unit == "" else to_length(1.0, unit)
    notes = [] if length else [f"The header measures lengths in {unit}, which is no unit of length."]
    scale, units = length or (1.0, "pixel")
    if _is_anatomical(header) and "space origin" not in header:
        notes.append("The header does not say where the first pixel lies, only how far pixels are apart.")
    if _is_anatomical(header) and not notes:
        affine = _affine(header, spatial, scale * (1e-3 if units == "µm" else 1.0))
        spacing, origin = geometry_of(affine, shown)
        return {"spacing": spacing, "origin": origin, "units": "mm", "affine": affine}, ()
    if "space directions" in header:
        sizes = np.linalg.norm(header["space directions"][spatial], axis=1)
    else:
        sizes = np.asarray(header.get("spacings", np.ones(len(axes))), float)[spatial]
    kept = [float(size) * scale for size in sizes[-len(shown) :]]
    if not all(math.isfinite(size) and size > 0 for size in kept):
        return {}, tuple(notes)
    return {"spacing": tuple(kept), "units": units}, tuple(notes)


def _is_anatomical(header: Mapping[str, Any]) -> bool:
    return header.get("space", "").lower() in _SPACES and "space directions" in header


def _unit(header: Mapping[str, Any], spatial: list[int]) -> str:
    """Name the unit of length, in the singular; empty if the file does not say."""
    names = header.get("space units") or [header["units"][i] for i in spatial if "units" in header]
    name = next((name for name in names if name.strip()), "").strip().lower()
    return name.removesuffix("s") if len(name) > 2 else name


def _affine(header: Mapping[str, Any], spatial: list[int], millimeters: float) -> NDArray[np.float64]:
    to_lps = np.array(_SPACES[header["space"].lower()]) * millimeters
    rows = header["space directions"][spatial] * to_lps
    if len(rows) == 2:
        normal = np.cross(rows[1], rows[0])
        rows = np.vstack([normal / np.linalg.norm(normal), rows])
    affine = np.eye(4)
    affine[:3, :3] = rows.T
    affine[:3, 3] = header["space origin"] * to_lps
    if not is_regular(affine):
        raise ValueError("its space directions do not span the space")
    return affine


def _segments(header: Mapping[str, Any], layers: int) -> dict[str, Any]:
    """List the segments of 3D Slicer: layer, label and name of each."""
    found: dict[int, dict[str, str]] = {}
    for key, value in header.items():
        if match := _SEGMENT.fullmatch(key):
            found.setdefault(int(match[1]), {})[match[2]] = value
    if not found:
        return {}
    segments = []
    for i, facts in sorted(found.items()):
        # Before labels shared layers, each segment had its own.
        layer = int(facts.get("Layer", i if layers > 1 else 0))
        segments.append((layer, int(facts.get("LabelValue", 1)), facts.get("Name", f"Segment_{i + 1}")))
    tags: dict[str, Any] = {"segments": tuple(segments)}
    if layers == 1:
        tags["labels"] = {label: name for _, label, name in segments}
    return tags
