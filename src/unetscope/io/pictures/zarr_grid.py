"""Where an OME-Zarr image lies: its axes, scales and translations as spacing and origin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unetscope.errors import ReadError
from unetscope.io._units import to_length
from unetscope.io.image import AXES

__all__ = ["ZarrGrid", "grid_of"]

_UM_PER_MM = 1000.0


@dataclass(frozen=True)
class ZarrGrid:
    """Axes of the stored arrays, and along each of them, in that order, its scale, translation and unit."""

    axes: str
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    units: tuple[str, ...]

    @classmethod
    def of_pixels(cls, axes: str) -> ZarrGrid:
        """Give the grid of an array of which nothing but its axes is known."""
        return cls(axes, (1.0,) * len(axes), (0.0,) * len(axes), ("",) * len(axes))

    def geometry(self, axes: str) -> tuple[tuple[float, ...], tuple[float, ...], str, tuple[str, ...]]:
        """Spacing, origin and their unit along the spatial ones of `axes`, and notes on them."""
        spatial = [self.axes.index(axis) for axis in axes if axis in "ZYX"]
        scale = tuple(self.scale[i] for i in spatial)
        translation = tuple(self.translation[i] for i in spatial)
        lengths = [length for i in spatial if (length := to_length(1.0, self.units[i]))]
        if len(lengths) < len(spatial):
            named = sorted({self.units[i] for i in spatial} - {""})
            notes = (f"Its lengths in {', '.join(named)} are taken for pixels.",) if named else ()
            return scale, translation, "pixel", notes
        units = "mm" if {unit for _, unit in lengths} == {"mm"} else "µm"
        factors = [size * (_UM_PER_MM if unit != units else 1.0) for size, unit in lengths]
        return (
            tuple(size * factor for size, factor in zip(scale, factors, strict=True)),
            tuple(shift * factor for shift, factor in zip(translation, factors, strict=True)),
            units,
            (),
        )


def grid_of(multiscale: Any, path: Path) -> ZarrGrid:
    """Join the transformations of the finest array and those of the whole pyramid.

    Parameters
    ----------
    multiscale : yaozarrs.v04.Multiscale or yaozarrs.v05.Multiscale
    path : Path
        The store, for the message.

    Raises
    ------
    ReadError
        If an axis has a name of its own.
    """
    axes = "".join(
        {"time": "T", "channel": "C"}.get(axis.type, axis.name.upper()) for axis in multiscale.axes
    )
    if set(axes) - set(AXES) or len(set(axes)) < len(axes) or not {"Y", "X"} <= set(axes):
        raise ReadError(
            f"{path.name} has the axes {', '.join(axis.name for axis in multiscale.axes)}",
            expected="time, channel, z, y and x, each at most once",
            fix="name the axes so",
        )
    scale, translation = np.ones(len(axes)), np.zeros(len(axes))
    first = multiscale.datasets[0].coordinateTransformations
    for step in (*first, *(multiscale.coordinateTransformations or ())):
        if step.type == "scale":
            scale, translation = scale * step.scale, translation * step.scale
        else:
            translation = translation + step.translation
    units = tuple(axis.unit or "" for axis in multiscale.axes)
    return ZarrGrid(axes, tuple(scale.tolist()), tuple(translation.tolist()), units)
