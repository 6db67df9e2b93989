"""The one image type: an array with named axes, physical spacing, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError

__all__ = ["AXES", "Image", "Source"]

AXES = "TCZYX"
"""All axis names, in the only order in which an image holds them."""

_SPATIAL = "ZYX"


@dataclass(frozen=True)
class Source:
    """Where an image came from.

    Attributes
    ----------
    path : Path or None
        The file or folder; None for an array that never was a file.
    format : str
        ``"dicom"``, ``"png"``, ``"tiff"``, … or ``"array"``.
    group : str or None
        What must not be split between training and validation, as far as the file tells: for DICOM a
        hash of the patient identifier, never the identifier itself.
    window : (float, float) or None
        Center and width of the display window (DICOM VOI LUT), in the units of the pixel values.
    tags : mapping
        Other facts of the format that later steps need (no names, no identifiers of patients).
    """

    path: Path | None = None
    format: str = "array"
    group: str | None = None
    window: tuple[float, float] | None = None
    tags: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Image:
    """An array with named axes, physical spacing and units, channel names and its source.

    Attributes
    ----------
    data : ndarray
        The pixel values, one axis per letter of `axes`.
    axes : str
        A subsequence of ``"TCZYX"`` (time, channel, slice, row, column), ending in ``"YX"``.
    spacing : tuple of float
        Distance between neighbors along each spatial axis, in the order of `axes`: (row, column) or
        (slice, row, column), in `units`.
    origin : tuple of float
        Position of the first pixel's center along the same axes, in `units`.
    units : str
        ``"mm"``, ``"µm"``, … or ``"pixel"`` where the file says nothing.
    channels : tuple of str
        One name per channel; empty without a channel axis.
    source : Source
        Where the image came from.

    Raises
    ------
    InputError
        If axes, spacing, origin or channel names do not fit the array.
    """

    data: NDArray[Any]
    axes: str
    spacing: tuple[float, ...] = ()
    origin: tuple[float, ...] = ()
    units: str = "pixel"
    channels: tuple[str, ...] = ()
    source: Source = field(default_factory=Source)

    def __post_init__(self) -> None:
        order = [AXES.find(axis) for axis in self.axes]
        if -1 in order or sorted(set(order)) != order or not self.axes.endswith("YX"):
            raise InputError(
                f"the axes of {self.name} are {self.axes!r}",
                expected="letters of 'TCZYX' in that order, ending in 'YX'",
                fix="name the axes of the array",
            )
        if self.data.ndim != len(self.axes):
            raise InputError(
                f"{self.name} has shape {self.data.shape}",
                expected=f"{len(self.axes)} axes ({self.axes})",
                fix="name the axes of the array",
            )
        spatial = len(self.spatial_axes)
        if not self.spacing:
            object.__setattr__(self, "spacing", (1.0,) * spatial)
        if not self.origin:
            object.__setattr__(self, "origin", (0.0,) * spatial)
        if not self.channels and "C" in self.axes:
            count = self.data.shape[self.axes.index("C")]
            object.__setattr__(self, "channels", tuple(f"channel {i}" for i in range(count)))
        self._check_lengths(spatial)

    def _check_lengths(self, spatial: int) -> None:
        if len(self.spacing) != spatial or len(self.origin) != spatial:
            raise InputError(
                f"{self.name} has {len(self.spacing)} spacings and {len(self.origin)} origins",
                expected=f"{spatial} of each, for {self.spatial_axes}",
                fix="give one number per spatial axis",
            )
        if not all(np.isfinite(s) and s > 0 for s in self.spacing):
            raise InputError(
                f"{self.name} has spacing {self.spacing}",
                expected="positive distances",
                fix="correct the spacing",
            )
        count = self.data.shape[self.axes.index("C")] if "C" in self.axes else 0
        if len(self.channels) != count:
            raise InputError(
                f"{self.name} has {count} channels but {len(self.channels)} channel names",
                expected="one name per channel",
                fix="correct the names",
            )

    @property
    def name(self) -> str:
        """The file's name, for tables and messages."""
        return self.source.path.name if self.source.path is not None else "the array"

    @property
    def spatial_axes(self) -> str:
        """``"YX"`` or ``"ZYX"``."""
        return "".join(axis for axis in self.axes if axis in _SPATIAL)

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of pixels along the spatial axes."""
        return self.data.shape[len(self.axes) - len(self.spatial_axes) :]

    @property
    def is_rgb(self) -> bool:
        """Whether the channels are red, green and blue."""
        return self.channels == ("red", "green", "blue")

    def channel_first(self) -> NDArray[Any]:
        """The array with a channel axis in front: (C, Y, X) or (C, Z, Y, X).

        Raises
        ------
        InputError
            If the image is a time series; take one time point first.
        """
        if "T" in self.axes:
            raise InputError(
                f"{self.name} is a time series of {self.data.shape[0]} points",
                expected="one image",
                fix="take one time point",
            )
        return self.data if "C" in self.axes else self.data[np.newaxis]

    def with_data(self, data: NDArray[Any], *, axes: str | None = None) -> Image:
        """The same grid with other values.

        Parameters
        ----------
        data : ndarray
            New values on the same spatial grid.
        axes : str, optional
            Axes of `data`; those of this image unless given.
        """
        axes = self.axes if axes is None else axes
        channels = self.channels if "C" in axes and "C" in self.axes else ()
        return replace(self, data=data, axes=axes, channels=channels)
