"""Where an image lies in the patient: affine matrices, spacing and origin, and one grid on another.

An affine takes (slice, row, column, 1) in pixels to (x, y, z, 1) in mm, LPS; see `Image.affine`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.io.image import Image

__all__ = ["FLIP_LPS_RAS", "affine_of", "geometry_of", "is_regular", "labels_on", "reorder", "tilt_of"]

FLIP_LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From the left, it leads from DICOM's axes (left, posterior, superior) to NIfTI's (right, anterior,
superior), and back."""

# What headers round away: relative in the distance between pixels, and in pixels at the corners of a grid.
_SAME_STEP = 1e-3
_SAME_PLACE = 0.1
# Volume of the box between three directions of length 1, below which they are taken to lie in one plane.
_FLAT = 1e-3
_FIX = "resample the labels onto the image, for example in 3D Slicer"


def affine_of(
    position: Sequence[float],
    row: Sequence[float],
    column: Sequence[float],
    spacing: Sequence[float],
    step: Sequence[float] | None = None,
) -> NDArray[np.float64]:
    """Build the affine of a stack of planes (DICOM PS3.3 C.7.6.2.1.1).

    Parameters
    ----------
    position : (3,) float
        Center of the first pixel of the first plane, mm (Image Position (Patient)).
    row, column : (3,) float
        Unit directions in which the column index and the row index grow: the first and the last three numbers
        of Image Orientation (Patient).
    spacing : (2,) float
        Distance between rows and between columns, mm.
    step : (3,) float, optional
        From one plane to the next, mm. Without it the normal of the plane, 1 mm long.

    Returns
    -------
    (4, 4) float64 ndarray
    """
    across, down = np.asarray(row, float), np.asarray(column, float)
    affine = np.eye(4)
    affine[:3, 0] = np.cross(across, down) if step is None else step
    affine[:3, 1] = down * spacing[0]
    affine[:3, 2] = across * spacing[1]
    affine[:3, 3] = position
    return affine


def geometry_of(
    affine: NDArray[np.float64], spatial_axes: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Spacing and origin, in mm, of an image with this affine.

    Distances are those between neighboring planes, rows and columns. Along slices that is the distance along
    the normal, also where a tilted gantry shifts the slices against each other.

    Parameters
    ----------
    affine : (4, 4) ndarray
    spatial_axes : str
        ``"YX"`` or ``"ZYX"``.

    Returns
    -------
    spacing, origin : tuple of float
        Along `spatial_axes`; the origin is the first pixel's position on the image's own axes.
    """
    directions = affine[:3, :3]
    lengths = np.linalg.norm(directions, axis=0)
    down, across = directions[:, 1] / lengths[1], directions[:, 2] / lengths[2]
    normal = np.cross(across, down)
    normal /= np.linalg.norm(normal)
    # Slices may be counted against the normal; then the axis of the image is the other way round.
    normal *= np.sign(normal @ directions[:, 0]) or 1.0
    spacing = [float(normal @ directions[:, 0]), float(lengths[1]), float(lengths[2])]
    origin = [float(axis @ affine[:3, 3]) for axis in (normal, down, across)]
    kept = slice(3 - len(spatial_axes), None)
    return tuple(spacing[kept]), tuple(origin[kept])


def tilt_of(affine: NDArray[np.float64]) -> float:
    """Angle between the normal of the planes and the way from plane to plane, in degrees; 0 if upright."""
    step, down, across = affine[:3, :3].T
    normal = np.cross(across, down)
    cosine = abs(normal @ step) / (np.linalg.norm(normal) * np.linalg.norm(step))
    return float(np.degrees(np.arccos(min(cosine, 1.0))))


def is_regular(affine: NDArray[np.float64]) -> bool:
    """Whether all entries are finite and the three axes lead in directions of their own."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite([*affine.flat, *lengths]).all() or not lengths.all():
        return False
    return bool(abs(np.linalg.det(affine[:3, :3] / lengths)) > _FLAT)


def reorder(affine: NDArray[np.float64], order: Sequence[int]) -> NDArray[np.float64]:
    """Give the affine of an array whose three spatial axes were transposed by `order`."""
    return affine[:, [*order, 3]]


def labels_on(labels: Image, image: Image) -> Image:
    """Put labels on the grid of an image by moving whole pixels; nothing is interpolated.

    The two grids must be one lattice: equal but for flips, the order of the axes, cropping and padding. What
    the labels do not cover becomes 0. An image of one plane takes the slice of the labels that lies in it.

    Parameters
    ----------
    labels : Image
        Labels that know their place (`Image.affine`), or that lie on the grid of the image already.
    image : Image
        Where to put them.

    Returns
    -------
    Image
        The labels with their own source and further axes, on the spatial axes, spacing and place of the
        image; a note says what was moved.

    Raises
    ------
    InputError
        If spacing or orientation differ, the lattices lie a part of a pixel apart, or pixels with a label
        lie outside of the image; without a known place, if the numbers of pixels differ.
    """
    labels = labels.load()
    if labels.affine is None or image.affine is None:
        data, notes = _by_index(labels, image)
    else:
        data, notes = _by_place(labels, image)
    lead = labels.axes.removesuffix(labels.spatial_axes)
    return replace(
        labels,
        data=np.ascontiguousarray(data).reshape(data.shape[: len(lead)] + image.grid),
        axes=lead + image.spatial_axes,
        spacing=image.spacing,
        origin=image.origin,
        units=image.units,
        affine=image.affine,
        source=replace(labels.source, notes=labels.source.notes + notes),
    )


def _by_index(labels: Image, image: Image) -> tuple[NDArray[Any], tuple[str, ...]]:
    if _volume(labels.grid) != _volume(image.grid):
        raise InputError(
            f"{labels.name} has {_times(labels.grid)} pixels and {image.name} {_times(image.grid)}",
            expected="equal grids, or files that both know their place in the patient",
            fix="save the labels on the grid of the image",
        )
    if labels.affine is None and image.affine is None:
        return labels.data, ()
    silent = labels if labels.affine is None else image
    return labels.data, (f"{silent.name} does not know its place: pixels were matched by their order.",)


def _by_place(labels: Image, image: Image) -> tuple[NDArray[Any], tuple[str, ...]]:
    steps, shift = _whole_pixels(labels, image)
    lead = len(labels.axes) - len(labels.spatial_axes)
    order, signs = np.abs(steps).argmax(axis=1), steps.sum(axis=1)
    data = labels.data.reshape(labels.data.shape[:lead] + _volume(labels.grid))
    data = data.transpose([*range(lead), *(lead + order)])
    data = np.flip(data, tuple(lead + axis for axis in range(3) if signs[axis] < 0))
    start = shift - np.where(signs < 0, np.array(data.shape[lead:]) - 1, 0)
    moved, words = _crop_and_pad(data, start, labels, image)
    words = ["transposed"] * (order.tolist() != [0, 1, 2]) + ["flipped"] * bool((signs < 0).any()) + words
    return moved, (f"{labels.name} was {' and '.join(words)} to lie on {image.name}.",) if words else ()


def _crop_and_pad(
    data: NDArray[Any], start: NDArray[np.int64], labels: Image, image: Image
) -> tuple[NDArray[Any], list[str]]:
    """Lay the last three axes into the image's grid, where the first pixel comes to index `start`."""
    size, room = data.shape[-3:], _volume(image.grid)
    first = [int(np.clip(a, 0, r)) for a, r in zip(start, room, strict=True)]
    stop = [int(np.clip(a + n, 0, r)) for a, n, r in zip(start, size, room, strict=True)]
    inner: list[Any] = [slice(a - s, b - s) for a, b, s in zip(first, stop, start, strict=True)]
    inside = data[..., inner[0], inner[1], inner[2]]
    # Of a stack of labels, a plane asks for its own slice; the others belong to other images.
    one_of_many = labels.spatial_axes == "ZYX" and image.spatial_axes == "YX"
    asked = data[..., inner[0], :, :] if one_of_many else data
    if outside := np.count_nonzero(asked) - np.count_nonzero(inside):
        raise InputError(
            f"{outside} labeled pixels of {labels.name} lie outside of {image.name}",
            expected="labels drawn on this image",
            fix="check that the two belong together",
        )
    moved = np.zeros(data.shape[:-3] + room, data.dtype)
    z, y, x = map(slice, first, stop)
    moved[..., z, y, x] = inside
    return moved, ["cropped"] * (inside.size < data.size) + ["padded"] * (inside.size < moved.size)


def _whole_pixels(labels: Image, image: Image) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """From indices of the labels to those of the image: steps, a matrix of 0, 1 and -1, and the shift."""
    one, other = _affine(labels), _affine(image)
    # How far it is to the next slice, a plane cannot tell; it takes the other's word.
    if image.spatial_axes == "YX":
        other[:3, 0] = _way_out_of(other, one)
    if labels.spatial_axes == "YX":
        one[:3, 0] = _way_out_of(one, other)
    between = np.linalg.solve(other, one)[:3]
    steps = np.rint(between[:, :3])
    is_turn = (np.abs(steps).sum(axis=0) == 1).all() and (np.abs(steps).sum(axis=1) == 1).all()
    if not is_turn or np.abs(between[:, :3] - steps).max() > _SAME_STEP:
        raise _another_lattice(labels, image, one, other)
    corners = np.array([*np.ndindex(2, 2, 2)]) * (np.array(_volume(labels.grid)) - 1)
    shifts = corners @ (between[:, :3] - steps).T + between[:, 3]
    shift = np.rint(shifts.mean(axis=0))
    if (apart := np.abs(shifts - shift).max()) > _SAME_PLACE:
        raise InputError(
            f"the pixels of {labels.name} lie up to {apart:.2g} of a pixel beside those of {image.name}",
            expected="labels drawn on this image",
            fix=_FIX,
        )
    return steps.astype(np.int64), shift.astype(np.int64)


def _affine(image: Image) -> NDArray[np.float64]:
    affine = np.array(image.affine, np.float64)
    if not is_regular(affine):
        raise InputError(
            f"{image.name} states a place whose axes do not span the space",
            expected="rows, columns and slices in directions of their own",
            fix="export it again",
        )
    return affine


def _way_out_of(plane: NDArray[np.float64], volume: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the axis of the volume, from slice to slice, that leads most directly out of the plane."""
    normal = np.cross(plane[:3, 1], plane[:3, 2])
    axes = volume[:3, :3]
    return axes[:, np.abs(normal @ axes / np.linalg.norm(axes, axis=0)).argmax()]


def _another_lattice(
    labels: Image, image: Image, one: NDArray[np.float64], other: NDArray[np.float64]
) -> InputError:
    steps, others = (np.linalg.norm(affine[:3, :3], axis=0) for affine in (one, other))
    cosines = np.abs((one[:3, :3] / steps).T @ (other[:3, :3] / others))
    partner = cosines.argmax(axis=0)
    if np.abs(steps[partner] / others - 1).max() > _SAME_STEP:
        found = (
            f"the pixels of {labels.name} measure {_times(steps[partner])} mm "
            f"and those of {image.name} {_times(others)} mm"
        )
    else:
        angle = np.degrees(np.arccos(min(cosines.max(axis=0).min(), 1.0)))
        found = f"{labels.name} is turned by {angle:.2g}° against {image.name}"
    return InputError(found, expected="labels drawn on this image", fix=_FIX)


def _volume(grid: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (3 - len(grid)) + grid


def _times(numbers: Sequence[float] | NDArray[np.float64]) -> str:
    return " × ".join(f"{number:.5g}" for number in numbers)
