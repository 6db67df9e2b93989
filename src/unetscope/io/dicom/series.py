"""Put the files of a DICOM series into one stack: grouped, sorted in space and time, checked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from unetscope.errors import InputError, ReadError
from unetscope.io._files import canonical, is_image_file, kind_by_name
from unetscope.io.dicom.file import (
    RGB,
    decoding,
    is_color,
    open_dicom,
    pixel_values,
    plane_spacing,
    read_dicom,
    slice_distance,
    source_of,
)
from unetscope.io.image import Image

__all__ = ["Slice", "find_series", "read_dicom_series", "read_stack"]

_SAME_POSITION_MM = 1e-3
_SAME_DIRECTION = 1e-3
_IRREGULAR = 0.01
_TIMES = ("TriggerTime", "TemporalPositionIdentifier", "AcquisitionTime", "InstanceNumber")


@dataclass(frozen=True)
class Slice:
    """One file of a series: where it is, and its header without pixels."""

    path: Path
    header: Dataset


@dataclass(frozen=True)
class Series:
    """The slices of one series."""

    slices: list[Slice]

    def read(self, *, lazy: bool = False) -> Image:
        """Read the pixels."""
        return read_stack(self.slices)


def read_dicom_series(folder: Path) -> list[Image]:
    """Read all DICOM series in a folder, in the order of their first files' names.

    Files belong together that share SeriesInstanceUID, shape, pixel spacing and orientation. Slices are
    sorted along their normal; the slice spacing is the median distance of neighboring positions.
    Positions that all occur equally often are a time series. Files without positions are sorted by
    InstanceNumber, with the spacing that the header states.

    Returns
    -------
    list of Image
        ``"YX"``, ``"ZYX"``, ``"TYX"`` or ``"TZYX"``, with a channel axis for RGB; spacing in mm.

    Raises
    ------
    ReadError
        If the folder is missing or holds no DICOM image, or a file is damaged.
    InputError
        If slices are missing within a series, or positions repeat unevenly.
    """
    return [series.read() for series in find_series(folder)]


def find_series(folder: Path) -> list[Series]:
    """Group the DICOM images of a folder into series, reading headers only."""
    if not folder.is_dir():
        raise ReadError(f"{folder} is not a folder", expected="a folder of DICOM files", fix="check the path")
    series: list[list[Slice]] = []
    for item in _slices(folder):
        home = next((group for group in series if _belong_together(group[0], item)), None)
        if home is None:
            series.append([item])
        else:
            home.append(item)
    if not series:
        raise ReadError(
            f"{folder} holds no DICOM images",
            expected="the files of a DICOM series",
            fix="give another folder, or one image file",
        )
    return [Series(group) for group in series]


def _slices(folder: Path) -> list[Slice]:
    slices = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not is_image_file(path) or kind_by_name(path) != "dicom":
            continue
        with decoding(path):
            header = open_dicom(path, header_only=True)
            # DICOMDIR, structured reports and the like lie among the images of a study.
            if "Rows" in header:
                slices.append(Slice(path, header))
    return slices


def _belong_together(first: Slice, second: Slice) -> bool:
    a, b = first.header, second.header
    names = ("SeriesInstanceUID", "Rows", "Columns", "SamplesPerPixel", "PixelSpacing")
    if any(a.get(name) != b.get(name) for name in names):
        return False
    if (a.get("NumberOfFrames") or 1) > 1 or (b.get("NumberOfFrames") or 1) > 1:
        return False
    one, other = a.get("ImageOrientationPatient"), b.get("ImageOrientationPatient")
    if not one or not other:
        return bool(one) == bool(other)
    return np.allclose(np.array(one, float), np.array(other, float), rtol=0, atol=_SAME_DIRECTION)


def read_stack(series: list[Slice]) -> Image:
    """Read the pixels of one series.

    Raises
    ------
    ReadError
        If a file is damaged.
    InputError
        If the slices make no regular stack.
    """
    first = series[0]
    if len(series) == 1:
        return read_dicom(first.path)
    with decoding(first.path):
        phases, distance = _arrange(series)
        spacing, units = plane_spacing(first.header)
    values = np.stack([np.stack([_values(item) for item in phase]) for phase in phases])
    color = is_color(first.header)
    data, axes = canonical(values, "TZYXC" if color else "TZYX")
    if len(phases) == 1:
        data, axes = data[0], axes.replace("T", "")
    if len(phases[0]) == 1:
        data, axes = data.squeeze(axes.index("Z")), axes.replace("Z", "")
    elif distance is None or units != "mm":
        spacing, units = (1.0, 1.0, 1.0), "pixel"
    else:
        spacing = (distance, *spacing)
    with decoding(phases[0][0].path):
        source = source_of(phases[0][0].header, first.path.parent)
    return Image(data, axes, spacing, units=units, channels=RGB if color else (), source=source)


def _values(item: Slice) -> NDArray[Any]:
    with decoding(item.path):
        return pixel_values(open_dicom(item.path), item.path)


def _arrange(series: list[Slice]) -> tuple[list[list[Slice]], float | None]:
    """Sort a series into time points × slices, with the distance between slices in mm if known."""
    needed = ("ImagePositionPatient", "ImageOrientationPatient")
    if not all(item.header.get(name) for item in series for name in needed):
        return [_by_instance_number(series)], slice_distance(series[0].header)
    places = _by_position(series)
    stacks = [[item for _, item in place] for place in places]
    counts = Counter(len(stack) for stack in stacks)
    if len(counts) > 1:
        found = " and ".join(f"{places} with {files} files" for files, places in sorted(counts.items()))
        raise InputError(
            f"the series of {series[0].path} has {len(stacks)} slice positions, {found}",
            expected="equally many files at every position",
            fix="complete the series, or put each time point into its own folder",
        )
    positions = [place[0][0] for place in places]
    distance = _distance(positions, stacks) if len(stacks) > 1 else None
    in_time = _by_time(stacks) if len(stacks[0]) > 1 else stacks
    return [list(phase) for phase in zip(*in_time, strict=True)], distance


def _by_instance_number(series: list[Slice]) -> list[Slice]:
    numbers = [item.header.get("InstanceNumber") for item in series]
    if None in numbers or len(set(numbers)) < len(numbers):
        raise InputError(
            f"the series of {series[0].path} has no slice positions and no distinct instance numbers",
            expected="one of them, to sort the slices by",
            fix="export the series again with its geometry",
        )
    return sorted(series, key=lambda item: int(item.header.InstanceNumber))


def _by_position(series: list[Slice]) -> list[list[tuple[float, Slice]]]:
    """Sort along the slice normal and collect the slices that lie at the same place."""
    row, column = np.array(series[0].header.ImageOrientationPatient, float).reshape(2, 3)
    # One normal for all: scanners round the directions of each file differently.
    normal = np.cross(row, column)
    placed = [
        (float(np.dot(np.array(item.header.ImagePositionPatient, float), normal)), item) for item in series
    ]
    placed.sort(key=lambda pair: pair[0])
    places = [[placed[0]]]
    for before, after in pairwise(placed):
        if after[0] - before[0] > _SAME_POSITION_MM:
            places.append([])
        places[-1].append(after)
    return places


def _distance(positions: list[float], stacks: list[list[Slice]]) -> float:
    """Take the median distance of neighbors, if all agree with it."""
    distances = np.diff(positions)
    median = float(np.median(distances))
    odd = int(np.argmax(np.abs(distances - median)))
    if abs(distances[odd] - median) > _IRREGULAR * median:
        before, after = stacks[odd][0].path, stacks[odd + 1][0].path
        raise InputError(
            f"slices are missing between {before.name} and {after.name} in {before.parent}: "
            f"they are {distances[odd]:.3g} mm apart and other neighbors {median:.3g} mm",
            expected="equal distances between slices",
            fix="complete the series",
        )
    return median


def _by_time(stacks: list[list[Slice]]) -> list[list[Slice]]:
    """Sort the files at each position by the first clock that tells all of them apart."""
    files = len(stacks[0])
    for name in _TIMES:
        times = [[item.header.get(name) for item in stack] for stack in stacks]
        if all(None not in row and len(set(row)) == files for row in times):
            return [sorted(stack, key=lambda item: float(item.header[name].value)) for stack in stacks]
    raise InputError(
        f"the series of {stacks[0][0].path} has {files} files at each of {len(stacks)} positions",
        expected="trigger times, acquisition times or instance numbers that tell them apart",
        fix="remove files that are there twice, or put each time point into its own folder",
    )
