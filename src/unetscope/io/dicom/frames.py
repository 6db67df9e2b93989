"""Planes of a file: place and time of each frame, from whichever module of the standard tells them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset

from unetscope.errors import ReadError
from unetscope.io.dicom.header import frame_count, frame_groups, items, macro, number, numbers, text, texts
from unetscope.io.dicom.layout import layout_of
from unetscope.io.dicom.native import native_of
from unetscope.io.dicom.plane import Plane
from unetscope.io.dicom.values import values_dtype

__all__ = ["planes_of", "spacing_of"]

_Vector = tuple[float, ...]

_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d)?([0-5]\d|60)?(\.\d+)?")
_MOST_FRAMES = 100_000
_CENTIMETERS = 3
_TWO_DIMENSIONAL = 1
_DETECTOR_SPACINGS = ("ImagerPixelSpacing", "NominalScannedPixelSpacing")

_CLASSIC_CLOCKS = (
    "TemporalPositionIndex",
    "TemporalPositionIdentifier",
    "TriggerTime",
    "FrameReferenceTime",
    "EchoTime",
    "DiffusionBValue",
    "InversionTime",
    "FlipAngle",
    "AcquisitionNumber",
    "InstanceNumber",
)
# Clock, functional group, attribute in it (PS3.3 C.7.6.16.2, C.8.13.5).
_FRAME_CLOCKS = (
    ("TemporalPositionIndex", "FrameContentSequence", "TemporalPositionIndex"),
    ("NominalCardiacTriggerDelayTime", "CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    ("EchoTime", "MREchoSequence", "EffectiveEchoTime"),
    ("DiffusionBValue", "MRDiffusionSequence", "DiffusionBValue"),
    ("InversionTime", "MRModifierSequence", "InversionTimes"),
    ("FlipAngle", "MRTimingAndRelatedParametersSequence", "FlipAngle"),
    ("AcquisitionNumber", "FrameContentSequence", "FrameAcquisitionNumber"),
)
# Vectors of nuclear medicine (PS3.3 C.8.4.8): which time, and which other acquisition, a frame belongs to.
_TIME_VECTORS = ("PhaseVector", "TimeSlotVector", "TimeSliceVector")
_KIND_VECTORS = ("EnergyWindowVector", "DetectorVector", "RRIntervalVector")
_FRAME_TYPES = (
    "MRImageFrameTypeSequence",
    "CTImageFrameTypeSequence",
    "PETFrameTypeSequence",
    "XRay3DFrameTypeSequence",
    "ParametricMapFrameTypeSequence",
)


def planes_of(path: Path, header: Dataset) -> list[Plane]:
    """Describe each frame of a file.

    Parameters
    ----------
    path : Path
    header : Dataset
        From `open_dicom`; its pixels are not needed.

    Returns
    -------
    list of Plane
        In the order of the file. Frames get their place and time from the functional groups of enhanced
        files (PS3.3 C.7.6.16), from the vectors of nuclear medicine (C.8.4.8, C.8.4.15), of dose grids
        (C.8.8.3.2) and of secondary capture (C.8.6.4), or from their frame time (C.7.6.5).

    Raises
    ------
    ReadError
        If the number of frames cannot be right.
    """
    count = frame_count(header)
    _require_possible(path, header, count)
    layout = layout_of(header)
    common: dict[str, Any] = {
        "path": path,
        "shape": (layout.rows, layout.columns),
        "dtype": values_dtype(header),
        "color": layout.is_color,
        "uid": text(header, "SOPInstanceUID"),
        "native": native_of(header),
    }
    if frame_groups(header):
        return [_enhanced_plane(header, frame, common) for frame in range(count)]
    first = _classic_plane(header, common)
    return [first] if count == 1 else list(_classic_frames(header, first, count))


def _require_possible(path: Path, header: Dataset, count: int) -> None:
    described = len(frame_groups(header))
    if not 1 <= count <= _MOST_FRAMES or described not in {0, count}:
        raise ReadError(
            f"{path.name} has {count} frames, of which its header describes {described}",
            expected=f"at most {_MOST_FRAMES:,} frames and all or none described",
            fix="export it again",
        )


def spacing_of(header: Dataset, frame: int = 0) -> tuple[float, float] | None:
    """Distance between rows and between columns in mm, None where unknown.

    Taken from Pixel Spacing (PS3.3 10.7.1.3); else from the spacing at the detector, which is not corrected
    for magnification; else from the regions of an ultrasound image that are in centimeters, if all agree.
    """
    measures = macro(header, "PixelMeasuresSequence", frame)
    for place, name in ((measures, "PixelSpacing"), *((header, name) for name in _DETECTOR_SPACINGS)):
        value = numbers(place, name)
        # Zeros stand for "not calibrated" in files of projection radiography.
        if len(value) == 2 and min(value) > 0:
            return value[0], value[1]
    return _ultrasound_spacing(header)


def _ultrasound_spacing(header: Dataset) -> tuple[float, float] | None:
    """Find the spacing of the two-dimensional regions (PS3.3 C.8.5.5)."""
    found = {
        tuple(abs(number(region, f"PhysicalDelta{axis}") or 0.0) * 10 for axis in "YX")
        for region in header.get("SequenceOfUltrasoundRegions") or []
        if region.get("RegionSpatialFormat") == _TWO_DIMENSIONAL
        and region.get("PhysicalUnitsXDirection") == region.get("PhysicalUnitsYDirection") == _CENTIMETERS
    }
    down, across = found.pop() if len(found) == 1 else (0.0, 0.0)
    return (down, across) if down > 0 and across > 0 else None


def _kind(header: Dataset) -> tuple[object, ...]:
    # Not the frame of reference: anonymizers give each file its own.
    names = ("SeriesInstanceUID", "SamplesPerPixel", "PhotometricInterpretation")
    return tuple(text(header, name) for name in names)


def _classic_plane(header: Dataset, common: dict[str, Any]) -> Plane:
    clocks = {name: number(header, name) for name in _CLASSIC_CLOCKS}
    whole = _seconds_of(text(header, "AcquisitionDateTime"))
    clocks |= {
        "AcquisitionTime": whole or _moment(header, "Acquisition"),
        "ContentTime": _moment(header, "Content"),
    }
    return Plane(
        frame=None,
        kind=_kind(header),
        spacing=spacing_of(header),
        thickness=_thickness(header),
        position=_triple(header, "ImagePositionPatient"),
        orientation=_six(header, "ImageOrientationPatient"),
        clocks={name: value for name, value in clocks.items() if value is not None},
        image_type=texts(header, "ImageType"),
        **common,
    )


def _enhanced_plane(header: Dataset, frame: int, common: dict[str, Any]) -> Plane:
    clocks = {
        clock: number(macro(header, group, frame), name)
        for clock, group, name in _FRAME_CLOCKS
        if items(header, group, frame)
    }
    content = macro(header, "FrameContentSequence", frame)
    clocks["AcquisitionTime"] = _seconds_of(text(content, "FrameAcquisitionDateTime"))
    clocks["ContentTime"] = _seconds_of(text(content, "FrameReferenceDateTime"))
    clocks["InstanceNumber"] = frame + 1.0
    types = next((group for group in _FRAME_TYPES if items(header, group, frame)), "")
    one = frame_count(header) == 1
    return Plane(
        frame=None if one else frame,
        kind=(*_kind(header), text(content, "StackID")),
        spacing=spacing_of(header, frame),
        thickness=_thickness(macro(header, "PixelMeasuresSequence", frame)),
        position=_triple(macro(header, "PlanePositionSequence", frame), "ImagePositionPatient"),
        orientation=_six(macro(header, "PlaneOrientationSequence", frame), "ImageOrientationPatient"),
        clocks={name: value for name, value in clocks.items() if value is not None},
        image_type=texts(macro(header, types, frame), "FrameType") if types else texts(header, "ImageType"),
        **common,
    )


def _classic_frames(header: Dataset, first: Plane, count: int) -> Iterator[Plane]:
    """Describe the frames of a file without functional groups."""
    positions, orientation = _frame_positions(header, first, count)
    times = _frame_times(header, count)
    slots = _time_slots(header, count)
    kinds = [_integers(header, name, count) for name in _KIND_VECTORS]
    for frame in range(count):
        clocks = {"InstanceNumber": frame + 1.0}
        if times:
            clocks["FrameTime"] = times[frame]
        if slots:
            clocks["TemporalPositionIndex"] = slots[frame]
        yield Plane(
            first.path,
            frame,
            (*first.kind, *(vector[frame] for vector in kinds if vector)),
            first.shape,
            first.dtype,
            first.color,
            first.spacing,
            first.thickness,
            positions[frame] if positions else None,
            orientation if positions else None,
            clocks,
            first.image_type,
            first.uid,
        )


def _frame_positions(
    header: Dataset, first: Plane, count: int
) -> tuple[list[tuple[float, float, float]], _Vector | None]:
    """Find positions and direction of frames that lie one behind the other; no positions where not told."""
    # Nuclear medicine tells them for each detector (PS3.3 C.8.4.11); reconstructions have one.
    detectors = header.get("DetectorInformationSequence") or [header]
    position = first.position or _triple(detectors[0], "ImagePositionPatient")
    orientation = first.orientation or _six(detectors[0], "ImageOrientationPatient")
    offsets = _offsets(header, position, count)
    if position is None or orientation is None or offsets is None:
        return [], None
    normal = np.cross(orientation[:3], orientation[3:])
    placed = np.asarray(position) + np.outer(offsets, normal)
    return [(float(x), float(y), float(z)) for x, y, z in placed], orientation


def _offsets(header: Dataset, position: _Vector | None, count: int) -> Sequence[float] | None:
    """Distances of the frames from the first one along the normal, mm."""
    grid = numbers(header, "GridFrameOffsetVector")
    if len(grid) == count:
        # They count from the first frame, or are absolute and begin with its z (PS3.3 C.8.8.3.2).
        absolute = grid[0] != 0 and position is not None and abs(grid[0] - position[2]) < 1e-3
        return [offset - grid[0] for offset in grid] if absolute or grid[0] == 0 else None
    locations = numbers(header, "SliceLocationVector")
    if len(locations) == count:
        return [location - locations[0] for location in locations]
    slices = _integers(header, "SliceVector", count)
    # The sign is the direction (PS3.3 C.8.4.15).
    distance = number(header, "SpacingBetweenSlices") or number(header, "SliceThickness")
    if slices and distance:
        return [(index - 1) * distance for index in slices]
    return None


def _frame_times(header: Dataset, count: int) -> list[float]:
    """Milliseconds since the first frame; empty where the file gives no frame time (PS3.3 C.7.6.5)."""
    steps = numbers(header, "FrameTimeVector")
    if len(steps) == count:
        return list(accumulate(steps))
    if (step := number(header, "FrameTime")) is not None:
        # 0 says that the frames follow each other, and not how fast.
        return [frame * (step or 1.0) for frame in range(count)]
    return []


def _time_slots(header: Dataset, count: int) -> list[float]:
    """Number the time of each frame by all vectors that tell it; empty without one that varies."""
    vectors = [vector for name in _TIME_VECTORS if (vector := _integers(header, name, count))]
    moments = list(zip(*vectors, strict=True))
    order = {moment: place + 1.0 for place, moment in enumerate(sorted(set(moments)))}
    return [order[moment] for moment in moments] if len(order) > 1 else []


def _integers(header: Dataset, name: str, count: int) -> list[int]:
    values = numbers(header, name)
    return [int(value) for value in values] if len(values) == count else []


def _thickness(measures: Dataset) -> float | None:
    stated = (abs(number(measures, name) or 0.0) for name in ("SpacingBetweenSlices", "SliceThickness"))
    return next((distance for distance in stated if distance > 0), None)


def _triple(place: Dataset, name: str) -> tuple[float, float, float] | None:
    values = numbers(place, name)
    return (values[0], values[1], values[2]) if len(values) == 3 else None


def _six(place: Dataset, name: str) -> _Vector | None:
    values = numbers(place, name)
    return values if len(values) == 6 else None


def _moment(header: Dataset, what: str) -> float | None:
    """Seconds of the date and time of an event; without a date, of its day."""
    return _seconds(text(header, f"{what}Date") or "00010101", text(header, f"{what}Time"))


def _seconds(day: str, time: str) -> float | None:
    """Seconds that a date and a time stand for (PS3.5 6.2, DA and TM); None where one is absent or odd."""
    match = _TIME.match(time)
    try:
        days = date(int(day[:4]), int(day[4:6]), int(day[6:8])).toordinal()
    except ValueError:
        return None
    if match is None:
        return None
    hour, minute, second, fraction = (float(part or 0) for part in match.groups())
    return days * 86400 + hour * 3600 + minute * 60 + second + fraction


def _seconds_of(stamp: str) -> float | None:
    """Seconds that a date with its time (DT) stands for."""
    return _seconds(stamp[:8], stamp[8:])
