"""What makes measured values of stored ones: rescale, real-world values, doses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from unetscope.io.dicom.header import frame_groups, holds, items, macro, number, text
from unetscope.io.dicom.luts import Table

__all__ = ["Line", "Mapping", "mapping_of"]


@dataclass(frozen=True)
class Line:
    """Slope · value + intercept.

    Attributes
    ----------
    slope, intercept : float
    """

    slope: float = 1.0
    intercept: float = 0.0

    def __call__(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Map values, to float64, or to float32 where that is as exact and takes half the time."""
        dtype = np.float32 if self._is_exact(stored.dtype) else np.float64
        values = np.multiply(stored, self.slope, dtype=dtype)
        values += self.intercept
        return values

    def _is_exact(self, dtype: np.dtype[Any]) -> bool:
        """Whether all values are integers that float32 holds."""
        whole = self.slope.is_integer() and self.intercept.is_integer()
        largest = abs(self.slope) * 2**16 + abs(self.intercept)
        return whole and largest < 2**24 and dtype.kind in "iu" and dtype.itemsize <= 2


_SAME = Line()
# Of DICOM or of UCUM, which is without the signs that names of persons have.
_UNIT = re.compile(r"[A-Za-z0-9_%/*.'{}()\[\]-]{1,16}")


@dataclass(frozen=True)
class Mapping:
    """How the stored values of an image of gray become measured ones.

    Attributes
    ----------
    frames : tuple of (Line or Table)
        One for each frame, or one for all.
    is_rescale : bool
        Whether this is the modality rescale, for whose output display windows are stated (PS3.3 C.11.2.1.2).
    units : str or None
        Of the measured values, as the file names them.
    """

    frames: tuple[Line | Table, ...]
    is_rescale: bool = True
    units: str | None = None

    @cached_property
    def changes(self) -> bool:
        """Whether measured values differ from stored ones."""
        return any(mapped != _SAME for mapped in self.frames)

    def at(self, frame: int) -> Line | Table:
        """Give the mapping of one frame."""
        return self.frames[frame if len(self.frames) > 1 else 0]


def mapping_of(dataset: Dataset) -> Mapping:
    """Find what maps the stored values of a dataset; see `pixel_values`."""
    # Kept with the dataset: a long image asks for every frame, and each answer needs all of them.
    if "_mapping" not in vars(dataset):
        vars(dataset)["_mapping"] = _find_mapping(dataset)
    found: Mapping = vars(dataset)["_mapping"]
    return found


def _find_mapping(dataset: Dataset) -> Mapping:
    scaling = number(dataset, "DoseGridScaling")
    if scaling is not None:
        return Mapping((Line(scaling),), is_rescale=False, units=_unit(dataset, "DoseUnits"))
    frames = range(len(frame_groups(dataset)) or 1)
    rescale = Mapping(tuple(_rescale(dataset, frame) for frame in frames), units=_rescale_units(dataset))
    return rescale if rescale.changes else _real_world(dataset, frames) or rescale


def _rescale(dataset: Dataset, frame: int) -> Line:
    item = macro(dataset, "PixelValueTransformationSequence", frame)
    return _line(item, "RescaleSlope", "RescaleIntercept")


def _line(item: Dataset, slope_name: str, intercept_name: str) -> Line:
    slope, intercept = number(item, slope_name), number(item, intercept_name)
    return Line(1.0 if slope is None else slope, intercept or 0.0)


def _rescale_units(dataset: Dataset) -> str | None:
    item = macro(dataset, "PixelValueTransformationSequence")
    stated = _unit(item, "RescaleType") or _unit(dataset, "Units")
    # US stands for "unspecified".
    return None if stated == "US" else stated


def _unit(item: Dataset, name: str) -> str | None:
    """Name of a unit; None where there is none, or something else stands in its place."""
    stated = text(item, name)
    return stated if _UNIT.fullmatch(stated) else None


def _real_world(dataset: Dataset, frames: range) -> Mapping | None:
    """Take the real-world value mapping if there is no choice between several measures."""
    if text(dataset, "PhotometricInterpretation") != "MONOCHROME2" or holds(dataset, "ModalityLUTSequence"):
        return None
    found = [items(dataset, "RealWorldValueMappingSequence", frame) for frame in frames]
    if any(len(mappings) != 1 for mappings in found):
        return None
    code = next(iter(found[0][0].get("MeasurementUnitsCodeSequence") or []), Dataset())
    maps = tuple(_real_world_values(mappings[0]) for mappings in found)
    return Mapping(maps, is_rescale=False, units=_unit(code, "CodeValue"))


def _real_world_values(item: Dataset) -> Line | Table:
    if "RealWorldValueLUTData" not in item:
        return _line(item, "RealWorldValueSlope", "RealWorldValueIntercept")
    entries = np.atleast_1d(np.asarray(item.RealWorldValueLUTData, np.float64))
    return Table(int(item.RealWorldValueFirstValueMapped), entries, 0)
