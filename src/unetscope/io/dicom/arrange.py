"""Planes into time points and slices: sorted in space and time, checked, placed in the patient.

Works on what headers say (`Plane`) and reads no file. Where the planes make no regular stack the reason is
an `InputError`; nothing is left out, interpolated or guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.io.dicom.plane import CLOCKS, Plane
from unetscope.io.dicom.split import depths_of, group_by_depth, is_placed, same_place_mm, split_stacks
from unetscope.io.grid import affine_of, geometry_of, tilt_of

__all__ = ["Arrangement", "arrange"]

# Positions are written with as few as two decimals.
_ROUNDING_MM = 0.02
_IRREGULAR = 0.01
_SIDEWAYS = 0.5  # pixels
# These run on from slice to slice, so that they order the planes at a position but do not name a time point.
_RUNNING = ("AcquisitionTime", "ContentTime", "AcquisitionNumber", "InstanceNumber")
# These are the same for all slices of a time point; a trigger time is not.
_STEADY = (
    "TemporalPositionIndex",
    "TemporalPositionIdentifier",
    "EchoTime",
    "DiffusionBValue",
    "InversionTime",
    "FlipAngle",
)


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Planes in the order of an image, and where the image lies.

    Attributes
    ----------
    planes : tuple of tuple of Plane
        One row per time point, in each the planes from the first slice to the last.
    spacing, origin : tuple of float
        Along the spatial axes, in `units`.
    units : str
        ``"mm"``, or ``"pixel"`` where a distance is unknown.
    affine : (4, 4) float64 ndarray or None
        See `Image.affine`; None where a position, orientation or spacing is unknown.
    clock : str or None
        What the time points differ in: ``"trigger time"``, ``"echo time"``, …; None for one time point.
    notes : tuple of str
        One sentence each, without names and identifiers of patients.
    """

    planes: tuple[tuple[Plane, ...], ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    units: str
    affine: NDArray[np.float64] | None = None
    clock: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def axes(self) -> str:
        """Axes of the image: ``"YX"`` with the axes of time, color and slices that it has."""
        present = {"T": len(self.planes) > 1, "C": self.first.color, "Z": len(self.planes[0]) > 1}
        return "".join(axis for axis, there in present.items() if there) + "YX"

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of elements along each of `axes`."""
        rows, columns = self.first.shape
        lengths = {"T": len(self.planes), "C": 3, "Z": len(self.planes[0]), "Y": rows, "X": columns}
        return tuple(lengths[axis] for axis in self.axes)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type that holds the values of all planes: theirs, or a wider one where only some are rescaled."""
        return np.result_type(*{plane.dtype for plane in self.in_order()})

    @property
    def first(self) -> Plane:
        """The first slice of the first time point."""
        return self.planes[0][0]

    def in_order(self) -> Iterator[Plane]:
        """All planes, slice after slice and then time point after time point."""
        return (plane for row in self.planes for plane in row)


def arrange(planes: Sequence[Plane]) -> Arrangement:
    """Sort planes of one kind into time points and slices.

    Slices are sorted along their normal, the direction of a row × that of a column: column, row and slice
    index make a right-handed system. Planes at the same place are time points, told apart by the first of
    `CLOCKS` that differs at every position. Files without positions are sorted by InstanceNumber, frames
    without positions by a clock if they have one, else as they lie in their file.

    Parameters
    ----------
    planes : sequence of Plane
        At least one; of one kind (see `split_stacks`).

    Raises
    ------
    InputError
        If they are of several kinds, sizes or orientations, slices are missing or shifted sideways,
        positions repeat unevenly, or nothing tells planes at the same place apart.
    """
    _require_one_kind(planes)
    planes, notes = _without_copies(planes)
    if not is_placed(planes[0]):
        return _arrange_by_number(planes, notes)
    places = _places(planes)
    _require_even(places)
    rows, clock = _in_time(places)
    if clock:
        notes += (f"The {len(rows)} time points are told apart by {clock}",)
    _require_line(rows[0])
    return _placed(rows, clock, notes)


def _require_one_kind(planes: Sequence[Plane]) -> None:
    stacks = split_stacks(planes)
    if len(stacks) > 1:
        raise InputError(
            f"{_names(stacks[0][0][0], stacks[1][0][0])} differ in {' and '.join(stacks[1][1])}",
            expected="planes of one stack",
            fix="read them as several series",
        )


def _names(one: Plane, other: Plane) -> str:
    """Name two planes: by their files, or by their frames in one file."""
    if one.path == other.path:
        return f"{one.path.name}: frames {_number(one)} and {_number(other)}"
    return f"{one.path.name} and {other.path.name}"


def _number(plane: Plane) -> int:
    return (plane.frame or 0) + 1


def _without_copies(planes: Sequence[Plane]) -> tuple[list[Plane], tuple[str, ...]]:
    kept: dict[Hashable, Plane] = {}
    for i, plane in enumerate(planes):
        # Some exporters give all files the same UID; then place or time tells that they are not copies.
        said = (plane.uid, plane.frame, plane.position, tuple(sorted(plane.clocks.items())))
        kept.setdefault(said if plane.uid else i, plane)
    left_out = len(planes) - len(kept)
    if not left_out:
        return list(planes), ()
    noun = "file that is a copy" if left_out == 1 else "files that are copies"
    return list(kept.values()), (f"Left out: {left_out} {noun} of another",)


def _arrange_by_number(planes: list[Plane], notes: tuple[str, ...]) -> Arrangement:
    """Order planes without positions."""
    first = planes[0]
    rows, clock = [planes], None
    if len(planes) > 1 and all(plane.frame is not None for plane in planes):
        in_file = sorted(planes, key=lambda plane: (plane.path, plane.frame))
        clock = next((name for name in CLOCKS if name not in _RUNNING and _tells_apart(name, in_file)), None)
        rows = [[plane] for plane in _sorted_by(clock, in_file)] if clock else [in_file]
    elif len(planes) > 1:
        rows = [_by_instance_number(planes)]
        notes += ("The files give no positions of their slices, which are in the order of their numbers",)
    spacing: tuple[float, ...] = first.spacing or ()
    if spacing and len(rows[0]) > 1:
        spacing = (first.thickness, *spacing) if first.thickness else ()
    units = "mm" if spacing else "pixel"
    spacing = spacing or (1.0,) * (3 if len(rows[0]) > 1 else 2)
    origin = (0.0,) * len(spacing)
    table = tuple(tuple(row) for row in rows)
    return Arrangement(table, spacing, origin, units, clock=clock and CLOCKS[clock], notes=notes)


def _by_instance_number(planes: list[Plane]) -> list[Plane]:
    if not _tells_apart("InstanceNumber", planes):
        raise InputError(
            f"{_names(*planes[:2])} have neither slice positions nor distinct instance numbers",
            expected="one of them, to sort the slices by",
            fix="export the series again with its geometry",
        )
    return _sorted_by("InstanceNumber", planes)


def _tells_apart(clock: str, planes: Sequence[Plane]) -> bool:
    times = {plane.clocks.get(clock) for plane in planes}
    return None not in times and len(times) == len(planes)


def _sorted_by(clock: str, planes: Sequence[Plane]) -> list[Plane]:
    return sorted(planes, key=lambda plane: plane.clocks[clock])


def _places(planes: Sequence[Plane]) -> list[list[Plane]]:
    places = group_by_depth(planes)
    tolerance = same_place_mm(planes[0])
    for place in places:
        positions = np.array([plane.position for plane in place], float)
        shifts = np.linalg.norm(positions - positions[0], axis=1)
        # The depth alone is compared above: neighboring stations of a table lie side by side.
        if shifts.max() > 2 * tolerance:
            odd = place[int(shifts.argmax())]
            raise InputError(
                f"{_names(place[0], odd)} lie in one plane, but {shifts.max():.3g} mm apart sideways",
                expected="slices of one stack",
                fix="put each stack into its own folder",
            )
    return places


def _require_even(places: list[list[Plane]]) -> None:
    counts = Counter(len(place) for place in places)
    if len(counts) == 1:
        return
    found = " and ".join(f"{number} with {_planes(size)}" for size, number in sorted(counts.items()))
    rare = min(counts, key=lambda size: (counts[size], size))
    odd = next(place for place in places if len(place) == rare)[0]
    raise InputError(
        f"{_name_of(odd)} belongs to a series of {len(places)} slice positions, {found}",
        expected="equally many at every position",
        fix="complete the series, or put each time point into its own folder",
    )


def _planes(count: int) -> str:
    return "1 plane" if count == 1 else f"{count} planes"


def _name_of(plane: Plane) -> str:
    return plane.path.name if plane.frame is None else f"frame {_number(plane)} of {plane.path.name}"


def _in_time(places: list[list[Plane]]) -> tuple[list[list[Plane]], str | None]:
    """Part the planes at each position into time points by the first clock that tells them all apart."""
    if len(places[0]) == 1:
        return [[place[0] for place in places]], None
    varying = [name for name in CLOCKS if name not in _RUNNING and _varies(name, places)]
    # Two together tell time points × echoes apart, where neither alone does.
    candidates = [*((name,) for name in varying), tuple(varying), *((name,) for name in _RUNNING)]
    for names in candidates:
        rows = _rows_by(names, places)
        if rows is not None and all(_is_steady(name, rows) for name in _STEADY if name in varying):
            return rows, " and ".join(dict.fromkeys(CLOCKS[name] for name in names))
    raise InputError(
        f"{_names(*places[0][:2])} lie at the same place, one of {len(places)} with "
        f"{_planes(len(places[0]))} each",
        expected="trigger times, echo times or instance numbers that tell them apart",
        fix="remove files that are there twice, or put each time point into its own folder",
    )


def _varies(name: str, places: list[list[Plane]]) -> bool:
    return all(
        None not in (times := {plane.clocks.get(name) for plane in place}) and len(times) > 1
        for place in places
    )


def _rows_by(names: tuple[str, ...], places: list[list[Plane]]) -> list[list[Plane]] | None:
    """Sort each position by these clocks; None unless they tell all its planes apart."""
    columns = []
    for place in places:
        if any(name not in plane.clocks for name in names for plane in place):
            return None
        times = {tuple(plane.clocks[name] for name in names): plane for plane in place}
        if len(times) < len(place):
            return None
        columns.append([times[time] for time in sorted(times)])
    return [list(row) for row in zip(*columns, strict=True)]


def _is_steady(name: str, rows: list[list[Plane]]) -> bool:
    return all(len({plane.clocks[name] for plane in row}) == 1 for row in rows)


def _require_line(stack: list[Plane]) -> None:
    """Refuse slices that are missing, unequally far apart, or shifted sideways."""
    if len(stack) < 3:
        return
    positions = np.array([plane.position for plane in stack], float)
    distances = np.diff(depths_of(stack))
    usual = float(np.median(distances))
    odd = int(np.argmax(np.abs(distances - usual)))
    allowed = max(_IRREGULAR * usual, min(_ROUNDING_MM, 0.1 * usual))
    if abs(distances[odd] - usual) > allowed:
        what = "slices are missing between" if distances[odd] > 1.5 * usual else "slices lie unevenly:"
        raise InputError(
            f"{what} {_names(*stack[odd : odd + 2])}, which are {distances[odd]:.3g} mm apart "
            f"and other neighbors {usual:.3g} mm",
            expected="equal distances between slices",
            fix="complete the series",
        )
    line = np.linspace(positions[0], positions[-1], len(stack))
    shifts = np.linalg.norm(positions - line, axis=1)
    odd = int(shifts.argmax())
    if shifts[odd] > max(_SIDEWAYS * min(stack[0].spacing or (1.0,)), _ROUNDING_MM):
        raise InputError(
            f"{_name_of(stack[odd])} lies {shifts[odd]:.3g} mm beside the line of the other slices",
            expected="slices one behind the other",
            fix="put each stack into its own folder",
        )


def _placed(rows: list[list[Plane]], clock: str | None, notes: tuple[str, ...]) -> Arrangement:
    table = tuple(tuple(row) for row in rows)
    stack, first = rows[0], rows[0][0]
    axes = "ZYX" if len(stack) > 1 else "YX"
    if first.spacing is None:
        notes += ("The distance between pixels is unknown",)
        return Arrangement(table, (1.0,) * len(axes), (0.0,) * len(axes), "pixel", clock=clock, notes=notes)
    row, column = first.directions()
    start, end = np.array([first.position, stack[-1].position], float)
    step = np.cross(row, column) * (first.thickness or 1.0)
    if len(stack) > 1:
        step = (end - start) / (len(stack) - 1)
    affine = affine_of(start.tolist(), row.tolist(), column.tolist(), first.spacing, step.tolist())
    if tilted := _tilt_note(affine, len(stack)):
        notes += (tilted,)
    spacing, origin = geometry_of(affine, axes)
    return Arrangement(table, spacing, origin, "mm", affine, clock, notes)


def _tilt_note(affine: NDArray[np.float64], slices: int) -> str:
    """Say that the slices are shifted against each other, if by more than rounding of their positions."""
    angle = tilt_of(affine)
    step, pixel = affine[:3, 0], np.linalg.norm(affine[:3, 1:3], axis=0).min()
    shift = (slices - 1) * np.linalg.norm(step) * np.sin(np.radians(angle))
    if slices == 1 or shift < _SIDEWAYS * pixel:
        return ""
    return f"The slices are tilted by {angle:.1f}° against the way from slice to slice (gantry tilt)"
