"""The one image type: an array with named axes, physical spacing, and where it came from."""

from __future__ import annotations

import math
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
    files : tuple of Path
        The files of a series, those of the first time point first and in the order of its slices; empty for
        one file.
    notes : tuple of str
        What a person should know about the image and no reason to refuse it, one sentence each.
    """

    path: Path | None = None
    format: str = "array"
    group: str | None = None
    window: tuple[float, float] | None = None
    tags: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Image:
    """An array with named axes, physical spacing and units, channel names and its source.

    Attributes
    ----------
    data : ndarray
        The pixel values, one axis per letter of `axes`. A dask array of the same shape where a reader was
        asked to leave large images on disk; `load` reads it.
    axes : str
        A subsequence of ``"TCZYX"`` (time, channel, slice, row, column), ending in ``"YX"``.
    spacing : tuple of float
        Distance between neighbors along each spatial axis, in the order of `axes`: (row, column) or
        (slice, row, column), in `units`.
    origin : tuple of float
        Position of the first pixel's center along the same axes, in `units`. Where `affine` is known it is
        that position seen along the image's own axes, so that series of one orientation overlay.
    units : str
        ``"mm"``, ``"µm"``, … or ``"pixel"`` where the file says nothing.
    channels : tuple of str
        One name per channel; empty without a channel axis.
    source : Source
        Where the image came from.
    affine : (4, 4) float64 ndarray or None
        Place in the patient: takes (slice, row, column, 1) in pixels to (x, y, z, 1) in mm, where x grows to
        the patient's left, y to the back and z to the head (LPS, as in DICOM PS3.3 C.7.6.2.1.1). None where
        the file does not say. A plane has it too; its first column is then the normal of length 1 mm or
        the slice's thickness. Spacing and origin follow from it; see `unetscope.io.grid`.
    levels : tuple of array
        Coarser copies of `data` with the same axes, finest first, of images stored as a pyramid.

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
    affine: NDArray[np.float64] | None = None
    levels: tuple[NDArray[Any], ...] = ()

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
        if self.affine is not None and np.shape(self.affine) != (4, 4):
            raise InputError(
                f"{self.name} has an affine of shape {np.shape(self.affine)}",
                expected="a matrix of 4 by 4",
                fix="give the matrix from (slice, row, column, 1) to (x, y, z, 1)",
            )
        if len(self.channels) != count:
            raise InputError(
                f"{self.name} has {count} channels but {len(self.channels)} channel names",
                expected="one name per channel",
                fix="correct the names",
            )

    @property
    def name(self) -> str:
        """The file's name, for tables and messages; without a file the tag ``name`` of the source."""
        if self.source.path is not None:
            return self.source.path.name
        return str(self.source.tags.get("name", "the array"))

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
        return replace(self, data=data, axes=axes, channels=channels, levels=())

    def load(self) -> Image:
        """The same image with its pixels in memory, without the coarser copies."""
        return replace(self, data=np.asarray(self.data), levels=())

    def time_points(self) -> list[Image]:
        """The images of a time series one by one, or this image alone."""
        return [self.take("T", i) for i in range(len(self.data))] if "T" in self.axes else [self]

    def take(self, axis: str, index: int) -> Image:
        """One time point, one channel or one slice, at its own place.

        Parameters
        ----------
        axis : str
            ``"T"``, ``"C"`` or ``"Z"``, one that the image has.
        index : int
            Position along it; negative counts from the end.
        """
        position = self.axes.index(axis)
        index = range(self.data.shape[position])[index]
        data = self.data[(slice(None),) * position + (index,)]
        channels = self.channels if axis != "C" else ()
        part: dict[str, Any] = {
            "data": data,
            "axes": self.axes.replace(axis, ""),
            "channels": channels,
            "levels": (),
        }
        if axis == "Z":
            part |= {"spacing": self.spacing[1:], "origin": self.origin[1:]}
        if axis == "Z" and self.affine is not None:
            part["affine"] = self.affine.copy()
            part["affine"][:, 3] += index * self.affine[:, 0]
        return replace(self, source=replace(self.source, files=self._files_at(axis, index)), **part)

    def _files_at(self, axis: str, index: int) -> tuple[Path, ...]:
        """The files of one time point or slice, where each plane has a file of its own."""
        counts = [self.data.shape[self.axes.index(a)] if a in self.axes else 1 for a in "TZ"]
        files = self.source.files
        if axis == "C" or len(files) != math.prod(counts):
            return files
        times, slices = np.indices(counts).reshape(2, -1)
        kept = (times if axis == "T" else slices) == index
        return tuple(file for file, keep in zip(files, kept, strict=True) if keep)
