"""The fingerprint of a dataset: the few facts from which a recipe can be planned."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError

__all__ = ["Fingerprint", "take_fingerprint"]

# Objects of this many images tell enough about their size.
_IMAGES_FOR_OBJECTS = 20
# Objects of which so much is cut off look all alike, and like their halo.
_MOST = 0.8


class _Grid(Protocol):
    """What is needed of an image."""

    @property
    def data(self) -> NDArray[Any]: ...
    @property
    def axes(self) -> str: ...
    @property
    def grid(self) -> tuple[int, ...]: ...
    @property
    def spacing(self) -> tuple[float, ...]: ...
    @property
    def units(self) -> str: ...
    @property
    def is_rgb(self) -> bool: ...


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """Facts about a dataset.

    Attributes
    ----------
    images : int
        How many images.
    groups : int
        How many groups (patients, slides, …) they belong to.
    channels : int
        Of every image.
    gray_in_color : bool
        Color images whose channels are all equal.
    dtype : str
    smallest, largest, median : tuple of int
        Grids, axis by axis.
    spacing : tuple of float
        Median, along the same axes.
    units : str
    labels : tuple of int
        All labels in the masks.
    labeled : float
        Part of all mask pixels that is labeled.
    foreground : float
        Part of the labeled pixels that is not 0.
    object_diameter : float
        Median over connected objects of the diameter of a disk (ball) of the same size, pixels.
    objects_per_image : float
        Median number of connected objects.
    reach : tuple of float
        How far objects reach from the center along each axis, as a part of half the side: 1 is the border.
    extreme : float
        Part of the images with objects in which most object pixels, four fifths of them, are darker than the
        5th or brighter than the 95th percentile of the image.
    numbered : bool
        Whether the masks number their objects, rather than name classes.
    validating : int
        How many images are given to validate, and not left to the split.
    """

    images: int
    groups: int
    channels: int
    gray_in_color: bool
    dtype: str
    smallest: tuple[int, ...]
    largest: tuple[int, ...]
    median: tuple[int, ...]
    spacing: tuple[float, ...]
    units: str
    labels: tuple[int, ...]
    labeled: float
    foreground: float
    object_diameter: float
    objects_per_image: float
    reach: tuple[float, ...]
    extreme: float
    numbered: bool
    validating: int = 0

    def of_slices(self) -> Fingerprint:
        """The same facts about the slices of volumes."""
        along = ("smallest", "largest", "median", "spacing", "reach")
        return dataclasses.replace(self, **{name: getattr(self, name)[-2:] for name in along})


def take_fingerprint(
    pairs: Iterable[tuple[_Grid, _Grid]], *, groups: int, validating: int = 0
) -> Fingerprint:
    """Look at all images and masks of a dataset.

    Parameters
    ----------
    pairs : iterable of (image, mask)
        Masks with 0 for background and values below 0 where nobody labeled.
    groups, validating : int
        How many groups they belong to, and how many are given to validate.

    Raises
    ------
    InputError
        If there is no pair, or images differ in channels or number of axes.
    """
    seen = [
        _Facts.of(image, mask, with_objects=i < _IMAGES_FOR_OBJECTS) for i, (image, mask) in enumerate(pairs)
    ]
    if not seen:
        raise InputError("there is no image with a mask", expected="at least one", fix="add images and masks")
    kinds = sorted({(facts.channels, len(facts.grid)) for facts in seen})
    if len(kinds) > 1:
        raise InputError(
            "the images differ: "
            + ", ".join(f"{channels} channel(s) in {axes} dimensions" for channels, axes in kinds),
            expected="one kind of image",
            fix="keep one kind in the dataset, or convert them",
        )
    grids = np.array([facts.grid for facts in seen])
    labeled, foreground = (sum(getattr(f, name) for f in seen) for name in ("labeled", "foreground"))
    diameters = np.concatenate([facts.diameters for facts in seen])
    counted = [len(facts.diameters) / facts.frames for facts in seen[:_IMAGES_FOR_OBJECTS]]
    return Fingerprint(
        images=len(seen),
        groups=groups,
        channels=seen[0].channels,
        gray_in_color=all(facts.gray_in_color for facts in seen),
        dtype=seen[0].dtype,
        smallest=tuple(int(n) for n in grids.min(axis=0)),
        largest=tuple(int(n) for n in grids.max(axis=0)),
        median=tuple(int(n) for n in np.median(grids, axis=0)),
        spacing=tuple(float(s) for s in np.median([facts.spacing for facts in seen], axis=0)),
        units=seen[0].units,
        labels=tuple(sorted({label for facts in seen for label in facts.labels})),
        labeled=float(labeled / grids.prod(axis=1).sum()),
        foreground=float(foreground / max(labeled, 1)),
        object_diameter=float(np.median(diameters)) if len(diameters) else 0.0,
        objects_per_image=float(np.median(counted)),
        reach=tuple(float(part) for part in np.max([facts.reach for facts in seen], axis=0)),
        extreme=float(np.mean([float(facts.extreme) for facts in seen if facts.foreground] or [0.0])),
        numbered=_is_numbered(seen),
        validating=validating,
    )


@dataclasses.dataclass(frozen=True)
class _Facts:
    """The same for one image; pixels are counted per frame of a time series."""

    frames: int
    channels: int
    gray_in_color: bool
    dtype: str
    grid: tuple[int, ...]
    spacing: tuple[float, ...]
    units: str
    labels: tuple[int, ...]
    labeled: float
    foreground: float
    diameters: NDArray[np.float64]
    reach: tuple[float, ...]
    extreme: bool
    compact: bool

    @classmethod
    def of(cls, image: _Grid, mask: _Grid, *, with_objects: bool) -> _Facts:
        data = image.data
        objects = np.maximum(mask.data, 0)
        frames = objects.reshape(-1, *mask.grid)
        values = np.unique(mask.data)
        numbers = sum(np.count_nonzero(np.unique(frame) > 0) for frame in frames) if with_objects else 0
        sizes = np.concatenate([_object_sizes(frame) for frame in frames if with_objects] or [np.zeros(0)])
        power = 1 / len(image.grid)
        unit_ball = np.pi / 4 if len(image.grid) == 2 else np.pi / 6
        return cls(
            frames=len(frames),
            channels=data.shape[image.axes.index("C")] if "C" in image.axes else 1,
            gray_in_color=image.is_rgb and _channels_equal(data, image.axes),
            dtype=str(data.dtype),
            grid=image.grid,
            spacing=image.spacing,
            units=image.units,
            labels=tuple(int(value) for value in values if value >= 0),
            labeled=int((mask.data >= 0).sum()) / len(frames),
            foreground=int((objects != 0).sum()) / len(frames),
            diameters=(sizes / unit_ball) ** power,
            reach=tuple(_reach(frames, axis) for axis in range(1, frames.ndim)),
            extreme=_is_extreme(data, image.axes, objects != 0),
            compact=with_objects and len(sizes) <= 1.5 * numbers,
        )


def _channels_equal(data: NDArray[Any], axes: str) -> bool:
    channels = np.moveaxis(data, axes.index("C"), 0)
    return bool((channels == channels[0]).all())


def _is_extreme(data: NDArray[Any], axes: str, objects: NDArray[np.bool_]) -> bool:
    """Whether most object pixels are outside the 5th to 95th percentile, of the mean over channels."""
    gray = data.mean(axis=axes.index("C")) if "C" in axes else data.astype(np.float32)
    if gray.shape != objects.shape or not objects.any():
        return False
    low, high = np.percentile(gray, [5, 95])
    values = gray[objects]
    return bool(((values < low) | (values > high)).mean() > _MOST)


def _object_sizes(mask: NDArray[Any]) -> NDArray[np.float64]:
    """Pixels of each connected part of one value."""
    from skimage.measure import label

    return np.bincount(label(mask, background=0, connectivity=1).ravel())[1:].astype(np.float64)


def _reach(mask: NDArray[Any], axis: int) -> float:
    """Distance of the farthest object pixel's far edge from the center, as a part of half the side."""
    length = mask.shape[axis]
    others = tuple(other for other in range(mask.ndim) if other != axis)
    positions = np.flatnonzero((mask != 0).any(axis=others))
    if not len(positions):
        return 0.0
    return float(max(length - 2 * positions[0], 2 * (positions[-1] + 1) - length) / length)


def _is_numbered(seen: list[_Facts]) -> bool:
    """Masks number objects if they hold many values, each about one connected part, and not always the same.

    Organs are connected, too, but each has its value in all images.
    """
    looked = seen[:_IMAGES_FOR_OBJECTS]
    many = np.median([len(facts.labels) for facts in looked]) > 4 or len({len(f.labels) for f in looked}) > 3
    differ = len({facts.labels for facts in looked}) > len(looked) / 4
    return bool(many and differ and np.mean([facts.compact for facts in looked]) > 0.5)
