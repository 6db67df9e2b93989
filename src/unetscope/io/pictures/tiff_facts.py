"""What the metadata of a TIFF file say of sizes and channels, whoever wrote it."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from unetscope.io._units import print_default, to_length
from unetscope.io.pictures.ome import NAMESPACE, kept_facts, ome_images, root_of

__all__ = ["Kept", "TiffFacts", "facts_of"]

_NUMBERS = ("spacing", "origin", "affine", "window")
_Sizes = dict[str, tuple[float, str]]
_UM_PER_MM = 1000.0


@dataclass(frozen=True)
class Kept:
    """What `write_image` noted for us; empty or None where it did not. See `Image` and `Source`."""

    spacing: tuple[float, ...] = ()
    origin: tuple[float, ...] = ()
    affine: NDArray[np.float64] | None = None
    window: tuple[float, float] | None = None
    group: str | None = None


@dataclass(frozen=True)
class TiffFacts:
    """What is known beside the pixels.

    Attributes
    ----------
    sizes : dict
        From ``"Z"``, ``"Y"`` and ``"X"`` to the pixel's size and its unit, as far as known.
    channels : tuple of str
        Names of the channels; empty if unknown.
    axes : str
        Those that the image was written with, where some of them may have length 1; empty if unknown.
    notes : tuple of str
        For `Source.notes`.
    kept : Kept
        Facts that only our own files hold.
    """

    sizes: _Sizes = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    axes: str = ""
    notes: tuple[str, ...] = ()
    kept: Kept = Kept()

    def spacing_of(self, axes: str) -> tuple[tuple[float, ...], str]:
        """Spacing along the spatial axes and its unit, if known for all of them; else 1 pixel."""
        spatial = [axis for axis in axes if axis in "ZYX"]
        if any(axis not in self.sizes for axis in spatial):
            return self.kept.spacing if len(self.kept.spacing) == len(spatial) else (), "pixel"
        units = {self.sizes[axis][1] for axis in spatial}
        if units == {"mm"}:
            return tuple(self.sizes[axis][0] for axis in spatial), "mm"
        return tuple(_micrometers(*self.sizes[axis]) for axis in spatial), "µm"


def facts_of(file: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: Path) -> TiffFacts:
    """Read the metadata of the program or instrument that wrote the file, else the resolution tags."""
    if file.is_ome:
        return _ome(file, series, path)
    for vendor in (_lsm, _stk, _micromanager, _aperio, _fei, _zeiss_sem):
        if (facts := vendor(file)) is not None:
            return facts
    return _tags(file, series.keyframe)


def _ome(file: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: Path) -> TiffFacts:
    root, _ = root_of(file.ome_metadata or "", path)
    images = ome_images(root)
    # Images without pages of their own have no series.
    if len(images) != len(file.series):
        return TiffFacts(notes=("Its OME metadata describe other images than it holds and are not used.",))
    image = images[file.series.index(series)]
    told = kept_facts(root)
    return TiffFacts(image.sizes, image.channels, told.get("axes", ""), kept=_kept(told))


def _kept(told: Mapping[str, str]) -> Kept:
    """Read the numbers of `write_image`; what is none is damage (ValueError)."""
    numbers = {name: tuple(map(float, told.get(name, "").split())) for name in _NUMBERS}
    if not all(map(math.isfinite, itertools.chain(*numbers.values()))):
        raise ValueError("a number in its annotation is none")
    center_width = numbers["window"]
    return Kept(
        numbers["spacing"],
        numbers["origin"],
        np.reshape(numbers["affine"], (4, 4)) if numbers["affine"] else None,
        (center_width[0], center_width[1]) if center_width else None,
        told.get("group"),
    )


def _lsm(file: tifffile.TiffFile) -> TiffFacts | None:
    if not file.is_lsm:
        return None
    told = file.lsm_metadata or {}
    sizes = {axis: (told.get(f"VoxelSize{axis}", 0), "m") for axis in "ZYX"}
    return TiffFacts(_lengths(sizes), _names((told.get("ChannelColors") or {}).get("ColorNames")))


def _stk(file: tifffile.TiffFile) -> TiffFacts | None:
    if not file.is_stk:
        return None
    told = file.stk_metadata or {}
    unit = str(told.get("CalibrationUnits", ""))
    steps = {float(step) for step in told.get("ZDistance", ())}
    sizes = {
        # Between slices at uneven distances there is no one distance.
        "Z": (steps.pop() if len(steps) == 1 else 0, unit),
        "Y": (told.get("YCalibration", 0), unit),
        "X": (told.get("XCalibration", 0), unit),
    }
    return TiffFacts(_lengths(sizes))


def _micromanager(file: tifffile.TiffFile) -> TiffFacts | None:
    told = (file.micromanager_metadata or {}).get("Summary") if file.is_micromanager else None
    if not told:
        return None
    pixel, step = told.get("PixelSize_um"), told.get("z-step_um")
    # The stage may have moved down.
    upward = abs(step) if isinstance(step, (int, float)) else None
    sizes = {"Z": (upward, "µm"), "Y": (pixel, "µm"), "X": (pixel, "µm")}
    return TiffFacts(_lengths(sizes), _names(told.get("ChNames")))


def _aperio(file: tifffile.TiffFile) -> TiffFacts | None:
    if not file.is_svs:
        return None
    found = re.search(r"\bMPP\s*=\s*(\d+\.?\d*)", file.pages.first.description)
    size = (float(found[1]) if found else 0, "µm")
    return TiffFacts(_lengths({"Y": size, "X": size}))


def _fei(file: tifffile.TiffFile) -> TiffFacts | None:
    told = file.fei_metadata if file.is_fei else None
    scan = (told or {}).get("EScan") or (told or {}).get("Scan")
    if not scan:
        return None
    sizes = {"Y": (scan.get("PixelHeight", 0), "m"), "X": (scan.get("PixelWidth", 0), "m")}
    return TiffFacts(_lengths(sizes))


def _zeiss_sem(file: tifffile.TiffFile) -> TiffFacts | None:
    told = file.sem_metadata if file.is_sem else None
    entry = (told or {}).get("ap_image_pixel_size") or (told or {}).get("ap_pixel_size")
    if not entry or len(entry) != 3:
        return None
    _, size, unit = entry
    return TiffFacts(_lengths({"Y": (size, unit), "X": (size, unit)}))


def _tags(file: tifffile.TiffFile, page: tifffile.TiffPage) -> TiffFacts:
    """From the resolution tags, with the unit and slice distance of ImageJ's or our own description."""
    shaped = file.shaped_metadata[0] if file.shaped_metadata else {}
    told = file.imagej_metadata or shaped
    unit = str(told.get("unit") or _resolution_unit(page))
    sizes: dict[str, tuple[Any, str]] = {}
    for axis, tag in (("Y", "YResolution"), ("X", "XResolution")):
        pixels, units = page.tags[tag].value if tag in page.tags else (0, 1)
        sizes[axis] = (units / pixels if pixels > 0 else 0, unit)
    lengths = _lengths(sizes)
    # ImageJ takes over the unit of such a default, and leaves the slice distance out where it is 1.
    if unit.lower() in {"inch", "cm", "centimeter"} and len(lengths) == 2:
        plane = (lengths["Y"][0], lengths["X"][0])
        if note := print_default(plane, lengths["Y"][1]):
            return TiffFacts(axes=_kept_axes(told), notes=(note,))
    distance = told.get("spacing", 1.0 if file.is_imagej else 0.0)
    return TiffFacts(lengths | _lengths({"Z": (distance, unit)}), axes=_kept_axes(told))


def _kept_axes(told: dict[str, Any]) -> str:
    return str(told.get(NAMESPACE, ""))


def _resolution_unit(page: tifffile.TiffPage) -> str:
    tag = page.tags.get("ResolutionUnit")
    return str(tifffile.RESUNIT(tag.value).name) if tag is not None else ""


def _lengths(sizes: dict[str, tuple[Any, str]]) -> _Sizes:
    """Convert sizes to µm or mm; those that are no lengths are left out."""
    lengths = {}
    for axis, (size, unit) in sizes.items():
        if (length := to_length(size, unit)) is not None:
            lengths[axis] = length
    return lengths


def _micrometers(size: float, unit: str) -> float:
    return size * _UM_PER_MM if unit == "mm" else size


def _names(names: Any) -> tuple[str, ...]:
    given = tuple(str(name).strip() for name in names or ())
    return given if all(given) else ()
