"""Where the frames of segmentation objects and slides lie: in a stack of planes, or as tiles of planes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from unetscope.errors import InputError, ReadError
from unetscope.io.dicom.header import frame_count, items, macro, number, numbers
from unetscope.io.grid import affine_of, geometry_of

__all__ = ["Placing", "placing_of"]

# Positions are written with as few as two decimals.
_SAME_DEPTH_MM = 0.02
_SAME_DIRECTION = 1e-3
_IRREGULAR = 0.05  # of the distance between slices
_SIDEWAYS = 0.5  # pixels
_MICROMETERS = 1e-3  # in mm


@dataclass(frozen=True, eq=False)
class Placing:
    """A regular grid, and the place of each frame on it.

    Attributes
    ----------
    grid : (int, int, int)
        Slices, rows and columns of the whole.
    places : (frames, 4) int64 ndarray
        Channel, slice, row and column of the first pixel of each frame.
    spacing, origin : (3,) tuple of float
        Along slices, rows and columns, in `units`.
    units : str
        ``"mm"`` or ``"pixel"``.
    affine : (4, 4) ndarray or None
        Place in the patient; None on slides, which have a frame of reference of their own.
    notes : tuple of str
        What a person should know.
    """

    grid: tuple[int, int, int]
    places: NDArray[np.int64]
    spacing: tuple[float, ...] = (1.0, 1.0, 1.0)
    origin: tuple[float, ...] = (0.0, 0.0, 0.0)
    units: str = "pixel"
    affine: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()


def placing_of(path: Path, header: Dataset, channels: int, channel_of: Callable[[int], int]) -> Placing:
    """Find the place of each frame.

    Parameters
    ----------
    path : Path
    header : Dataset
    channels : int
        Number of segments or optical paths.
    channel_of : callable
        Gives the channel of a frame, both counted from 0. Not asked where the order of the frames tells it
        (TILED_FULL, PS3.3 C.7.6.17.3).

    Raises
    ------
    ReadError
        If the header contradicts itself.
    InputError
        If the frames lie on no regular grid, or two of a channel at the same place.
    """
    if "TotalPixelMatrixColumns" in header and "TotalPixelMatrixRows" in header:
        if header.get("DimensionOrganizationType") == "TILED_FULL":
            return _ordered_tiles(path, header, channels)
        return _placed_tiles(path, header, channel_of)
    count = frame_count(header)
    frames = np.array([channel_of(i) for i in range(count)], np.int64)
    positions = [
        numbers(macro(header, "PlanePositionSequence", i), "ImagePositionPatient") for i in range(count)
    ]
    if all(len(position) == 3 for position in positions):
        placing = _stack(path, header, frames, np.array(positions))
    elif not any(positions):
        placing = _counted(path, header, frames)
    else:
        raise ReadError(
            f"{path.name} gives the position of some of its frames only",
            expected="the position of all, or of none",
            fix="export it again",
        )
    if len(np.unique(placing.places, axis=0)) < count:
        raise InputError(
            f"{path.name} holds several frames of one segment at the same place",
            expected="one frame per segment and slice",
            fix="export each time point into a file of its own",
        )
    return placing


def _stack(
    path: Path, header: Dataset, channels: NDArray[np.int64], positions: NDArray[np.float64]
) -> Placing:
    """Place frames on slices at equal distances, sorted along their normal."""
    row, column = _directions(path, header)
    measures = macro(header, "PixelMeasuresSequence")
    spacing = numbers(measures, "PixelSpacing")
    depths = positions @ np.cross(row, column)
    distance = _slice_distance(path, depths, number(measures, "SpacingBetweenSlices"))
    planes = np.rint((depths - depths.min()) / (distance or 1.0)).astype(np.int64)
    grid = (int(planes.max()) + 1, int(header.Rows), int(header.Columns))
    places = np.column_stack([channels, planes, np.zeros((len(planes), 2), np.int64)])
    if len(spacing) != 2 or min(spacing) <= 0:
        return Placing(grid, places, notes=("The distance between pixels is unknown",))
    first, last = positions[planes.argmin()], positions[planes.argmax()]
    if distance is None:
        stated = number(measures, "SpacingBetweenSlices") or number(measures, "SliceThickness")
        step = np.cross(row, column) * (abs(stated or 0.0) or 1.0)
    else:
        step = (last - first) / planes.max()
    shifts = np.linalg.norm(positions - (first + np.outer(planes, step)), axis=1)
    if shifts.max() > max(_SIDEWAYS * min(spacing), _SAME_DEPTH_MM):
        raise InputError(
            f"{path.name} holds frames that lie up to {shifts.max():.3g} mm beside the line of the others",
            expected="slices one behind the other",
            fix="resample the segmentation onto its images, for example in 3D Slicer",
        )
    affine = affine_of(tuple(first), tuple(row), tuple(column), spacing, tuple(step))
    return Placing(grid, places, *geometry_of(affine, "ZYX"), "mm", affine)


def _directions(path: Path, header: Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the unit directions of rows and columns that all frames have."""
    frames = range(frame_count(header))
    if items(header.get("SharedFunctionalGroupsSequence", [Dataset()])[0], "PlaneOrientationSequence"):
        frames = range(1)
    found = [numbers(macro(header, "PlaneOrientationSequence", i), "ImageOrientationPatient") for i in frames]
    if any(len(each) != 6 for each in found):
        raise ReadError(
            f"{path.name} gives the position of its frames without their orientation",
            expected="both",
            fix="export it again",
        )
    if np.ptp(found, axis=0).max() > _SAME_DIRECTION:
        raise InputError(
            f"{path.name} holds frames of different orientation",
            expected="parallel slices",
            fix="export each orientation into a file of its own",
        )
    row, column = np.reshape(found[0], (2, 3))
    return row / np.linalg.norm(row), column / np.linalg.norm(column)


def _slice_distance(path: Path, depths: NDArray[np.float64], stated: float | None) -> float | None:
    """Find the distance of which all distances between slices are multiples; None for one slice.

    Slices without any pixel of a segment are usually left out, so that the gaps say less than the header.
    """
    gaps = np.diff(np.sort(depths))
    gaps = gaps[gaps > _SAME_DEPTH_MM]
    if not len(gaps):
        return None
    for distance in filter(None, (abs(stated or 0.0), float(gaps.min()))):
        counts = np.rint(gaps / distance)
        # Rounding of the stated distance adds up over a gap, that of the positions does not.
        if (counts > 0).all() and (abs(gaps - counts * distance) <= _IRREGULAR * distance).all():
            return float(gaps.sum() / counts.sum())
    raise InputError(
        f"{path.name} holds slices at distances from {gaps.min():.3g} to {gaps.max():.3g} mm, "
        "which are no multiples of one",
        expected="equal distances between slices",
        fix="resample the segmentation onto its images, for example in 3D Slicer",
    )


def _counted(path: Path, header: Dataset, channels: NDArray[np.int64]) -> Placing:
    """Place frames that have no position by the number of the frame that they were drawn on.

    Where there is one frame per channel, all lie on one plane.
    """
    planes = np.zeros(len(channels), np.int64)
    if len(np.unique(channels)) < len(channels):
        planes[:] = [_source_frame(path, header, i) - 1 for i in range(len(channels))]
    grid = (int(planes.max()) + 1, int(header.Rows), int(header.Columns))
    places = np.column_stack([channels, planes, np.zeros((len(planes), 2), np.int64)])
    spacing = numbers(macro(header, "PixelMeasuresSequence"), "PixelSpacing")
    if grid[0] > 1 or len(spacing) != 2 or min(spacing) <= 0:
        return Placing(grid, places)
    return Placing(grid, places, (1.0, *spacing), units="mm")


def _source_frame(path: Path, header: Dataset, frame: int) -> int:
    for derivation in items(header, "DerivationImageSequence", frame):
        for source in derivation.get("SourceImageSequence") or []:
            named = number(source, "ReferencedFrameNumber")
            if named is not None and named >= 1:
                return int(named)
    raise InputError(
        f"{path.name} holds several frames per segment without their positions",
        expected="positions, or numbers of the frames of the image",
        fix="export the segmentation with its geometry",
    )


def _ordered_tiles(path: Path, header: Dataset, channels: int) -> Placing:
    """Place tiles that cover everything, in the order of rows, planes and channels (C.7.6.17.3)."""
    grid = (int(header.get("TotalPixelMatrixFocalPlanes") or 1), *_matrix(header))
    down, across = (-(-grid[1] // int(header.Rows)), -(-grid[2] // int(header.Columns)))
    shape = (channels, grid[0], down, across)
    count, whole = frame_count(header), channels * grid[0] * down * across
    if count != whole:
        raise ReadError(
            f"{path.name} holds {count} tiles",
            expected=f"{whole}: {down} × {across} for each of {channels} channels and {grid[0]} planes",
            fix="export it again, as one file",
        )
    places = np.indices(shape, np.int64).reshape(4, -1).T
    places *= [1, 1, int(header.Rows), int(header.Columns)]
    measures = macro(header, "PixelMeasuresSequence")
    distance = number(measures, "SpacingBetweenSlices") if grid[0] > 1 else None
    return _on_slide(header, grid, places, distance)


def _placed_tiles(path: Path, header: Dataset, channel_of: Callable[[int], int]) -> Placing:
    """Place tiles by the position that each of them states (C.8.12.6.1)."""
    frames = [macro(header, "PlanePositionSlideSequence", i) for i in range(frame_count(header))]
    corners = [
        (
            number(frame, "RowPositionInTotalImagePixelMatrix"),
            number(frame, "ColumnPositionInTotalImagePixelMatrix"),
        )
        for frame in frames
    ]
    if any(None in corner for corner in corners):
        raise ReadError(
            f"{path.name} holds tiles without their position",
            expected="row and column of each tile",
            fix="export it again",
        )
    heights = [number(frame, "ZOffsetInSlideCoordinateSystem") or 0.0 for frame in frames]
    levels, planes = np.unique(np.round(heights, 3), return_inverse=True)
    distance = None
    if len(levels) > 1:
        distance = float(np.median(np.diff(levels)))
        if (abs(np.diff(levels) - distance) > _IRREGULAR * distance).any():
            raise InputError(
                f"{path.name} holds focal planes at unequal distances",
                expected="equal distances between planes",
                fix="export one plane",
            )
    channels = [channel_of(i) for i in range(len(frames))]
    places = np.column_stack([channels, planes, np.array(corners, np.int64) - 1])
    grid = (len(levels), *_matrix(header))
    return _on_slide(header, grid, places, None if distance is None else distance * _MICROMETERS)


def _matrix(header: Dataset) -> tuple[int, int]:
    return int(header.TotalPixelMatrixRows), int(header.TotalPixelMatrixColumns)


def _on_slide(
    header: Dataset, grid: tuple[int, int, int], places: NDArray[np.int64], distance: float | None
) -> Placing:
    """Add spacing and origin, which the total pixel matrix has on the slide (C.8.12.4)."""
    spacing = numbers(macro(header, "PixelMeasuresSequence"), "PixelSpacing")
    if len(spacing) != 2 or min(spacing) <= 0:
        return Placing(grid, places, notes=("The distance between pixels is unknown",))
    if grid[0] > 1 and not distance:
        return Placing(grid, places, notes=("The distance between focal planes is unknown",))
    origin = (header.get("TotalPixelMatrixOriginSequence") or [Dataset()])[0]
    offsets = [number(origin, f"{axis}OffsetInSlideCoordinateSystem") for axis in "XY"]
    orientation = numbers(header, "ImageOrientationSlide")
    if None in offsets or len(orientation) != 6:
        return Placing(grid, places, (distance or 1.0, *spacing), units="mm")
    position = (offsets[0] or 0.0, offsets[1] or 0.0, 0.0)
    affine = affine_of(position, orientation[:3], orientation[3:], spacing)
    _, (_, top, left) = geometry_of(affine, "ZYX")
    return Placing(grid, places, (distance or 1.0, *spacing), (0.0, top, left), "mm")
