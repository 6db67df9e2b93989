"""Where an image lies in the patient: affine matrices, spacing and origin, and one grid on another.

An affine takes (slice, row, column, 1) in pixels to (x, y, z, 1) in mm, LPS; see `Image.affine`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLIP_LPS_RAS", "affine_of", "geometry_of", "reorder", "tilt_of"]

FLIP_LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From the left, it leads from DICOM's axes (left, posterior, superior) to NIfTI's (right, anterior,
superior), and back."""


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
    # Slices may be counted against the normal; then the axis of the image is the other way round.
    normal *= np.sign(normal @ directions[:, 0]) or 1.0
    spacing = (float(normal @ directions[:, 0]), float(lengths[1]), float(lengths[2]))
    origin = tuple(float(axis @ affine[:3, 3]) for axis in (normal, down, across))
    kept = slice(3 - len(spatial_axes), None)
    return spacing[kept], origin[kept]


def tilt_of(affine: NDArray[np.float64]) -> float:
    """Angle between the normal of the planes and the way from plane to plane, in degrees; 0 if upright."""
    step, down, across = affine[:3, :3].T
    normal = np.cross(across, down)
    cosine = abs(normal @ step) / (np.linalg.norm(normal) * np.linalg.norm(step))
    return float(np.degrees(np.arccos(min(cosine, 1.0))))


def reorder(affine: NDArray[np.float64], order: Sequence[int]) -> NDArray[np.float64]:
    """Give the affine of an array whose three spatial axes were transposed by `order`."""
    return affine[:, [*order, 3]]
