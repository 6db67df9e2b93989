"""Normalization: pixel values to numbers that a network likes, as one linear map per channel.

Every method is an offset, a factor and perhaps a clip, so that what training did can be stored in a
model as a few numbers and repeated exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.recipe.recipe import Normalize

__all__ = ["Scaling", "fit", "fit_dataset", "normalize"]

# Percentiles of a training set are taken over this many evenly spaced pixels of each image.
_PIXELS_PER_IMAGE = 200_000


@dataclass(frozen=True)
class Scaling:
    """A linear map per channel: ``(value - offset) * factor``, clipped to [0, 1] on request.

    Attributes
    ----------
    offset, factor : tuple of float
        One number per channel, or a single one for all.
    clip : bool
        Whether results are clipped to [0, 1].
    """

    offset: tuple[float, ...]
    factor: tuple[float, ...]
    clip: bool

    @property
    def limits(self) -> tuple[tuple[float, float], ...]:
        """The values that become 0 and 1, for each channel."""
        return tuple((low, low + 1 / factor) for low, factor in zip(self.offset, self.factor, strict=True))

    def apply(self, data: NDArray[Any]) -> NDArray[np.float32]:
        """Normalize an array.

        Parameters
        ----------
        data : (C, ...) ndarray

        Returns
        -------
        (C, ...) float32 ndarray

        Raises
        ------
        InputError
            If the array has another number of channels.
        """
        if len(self.offset) not in (1, len(data)):
            raise InputError(
                f"the image has {len(data)} channels",
                expected=f"{len(self.offset)}, as the training images had",
                fix="convert it to their kind",
            )
        shape = (-1,) + (1,) * (data.ndim - 1)
        # In double precision: 32-bit integers and large offsets do not survive float32.
        scaled = (data - np.reshape(self.offset, shape)) * np.reshape(self.factor, shape)
        if self.clip:
            np.clip(scaled, 0.0, 1.0, out=scaled)
        return scaled.astype(np.float32)


def normalize(
    data: NDArray[Any], settings: Normalize, *, window: tuple[float, float] | None = None
) -> NDArray[np.float32]:
    """Normalize one image by its own statistics.

    Parameters
    ----------
    data : (C, ...) ndarray
        Pixel values, finite.
    settings : Normalize
        Method and numbers; a scope of ``dataset`` needs `fit_dataset` instead.
    window : (float, float), optional
        Center and width of the image's own display window, for the method ``window``.

    Returns
    -------
    (C, ...) float32 ndarray
        In [0, 1] for percentile and window (when clipping) and for minmax.

    Raises
    ------
    InputError
        For NaN or infinite values, a window that is nowhere given, or a scope of ``dataset``.
    """
    return fit(data, settings, window=window).apply(data)


def fit(data: NDArray[Any], settings: Normalize, *, window: tuple[float, float] | None = None) -> Scaling:
    """The scaling that `normalize` applies to this image; see there."""
    _require_finite(data)
    if settings.method == "window":
        return _window(settings, window)
    if settings.needs_dataset:
        raise InputError(
            "one image is to be normalized by the statistics of a training set",
            expected="the scaling of that set",
            fix="use a trained model, or set preprocess.normalize.scope=image",
        )
    if settings.scope == "image":
        return _join([_fit_values(data.ravel(), settings)])
    return _join([_fit_values(channel.ravel(), settings) for channel in data])


def fit_dataset(images: Iterable[NDArray[Any]], settings: Normalize) -> Scaling:
    """The scaling from the statistics of a training set, one per channel.

    Parameters
    ----------
    images : iterable of (C, ...) ndarray
        All with the same number of channels.
    settings : Normalize

    Raises
    ------
    InputError
        If there is no image, or one has NaN or infinite values or another number of channels.
    """
    pooled = [_pooled(data, settings) for data in images]
    if not pooled:
        raise InputError("there is no training image", expected="at least one", fix="add images")
    counts = sorted({len(part) for part in pooled})
    if len(counts) > 1:
        raise InputError(
            f"the training images have {counts} channels",
            expected="the same number in all",
            fix="convert them to the same kind, or set preprocess.color=gray",
        )
    return _join([_fit_values(values, settings) for values in np.concatenate(pooled, axis=1)])


def _pooled(data: NDArray[Any], settings: Normalize) -> NDArray[Any]:
    """The (C, n) values of an image that count in the statistics of the training set."""
    _require_finite(data)
    flat = data.reshape(len(data), -1)
    if settings.method == "minmax":
        # A sample of the pixels would miss the extremes.
        return np.stack([flat.min(axis=1), flat.max(axis=1)], axis=1)
    return flat[:, :: max(1, flat.shape[1] // _PIXELS_PER_IMAGE)]


def _fit_values(values: NDArray[Any], settings: Normalize) -> Scaling:
    if values.dtype == bool:
        # NumPy has no percentiles of Booleans.
        values = values.astype(np.uint8)
    match settings.method:
        case "percentile":
            low, high = (float(value) for value in np.percentile(values, [settings.low, settings.high]))
            if low == high:
                # Where nearly all pixels are equal, as in fluorescence with few cells, the percentiles
                # say nothing about the objects.
                return _span(float(values.min()), float(values.max()), clip=settings.clip)
            return _span(low, high, clip=settings.clip)
        case "minmax":
            return _span(float(values.min()), float(values.max()), clip=False)
        case "zscore":
            # Rounding gives some constant images a tiny deviation, by which nothing should be divided.
            constant = bool(values.min() == values.max())
            deviation = 1.0 if constant else float(values.std(dtype=np.float64))
            return Scaling((float(values.mean(dtype=np.float64)),), (1.0 / deviation,), clip=False)
        case _:
            return Scaling((0.0,), (1.0,), clip=False)


def _span(low: float, high: float, *, clip: bool) -> Scaling:
    # A constant image becomes 0 everywhere.
    return Scaling((low,), (1.0 / ((high - low) or 1.0),), clip=clip)


def _window(settings: Normalize, window: tuple[float, float] | None) -> Scaling:
    """DICOM PS3.3 C.11.2.1.2: the linear VOI LUT function."""
    if settings.center is not None and settings.width is not None:
        window = settings.center, settings.width
    if window is None:
        raise InputError(
            "an image without a display window is to be normalized by its window",
            expected="a DICOM window",
            fix="set preprocess.normalize.center and width, or choose another method",
        )
    center, width = window
    if width <= 1:
        raise InputError(f"the display window is {width:g} wide", expected="more than 1", fix="give a window")
    low = center - 0.5 - (width - 1) / 2
    return _span(low, low + width - 1, clip=settings.clip)


def _join(scalings: list[Scaling]) -> Scaling:
    return Scaling(
        tuple(scaling.offset[0] for scaling in scalings),
        tuple(scaling.factor[0] for scaling in scalings),
        scalings[0].clip,
    )


def _require_finite(data: NDArray[Any]) -> None:
    if data.size == 0:
        raise InputError(f"the image is empty (shape {data.shape})", expected="pixels", fix="leave it out")
    if not np.issubdtype(data.dtype, np.inexact):
        return
    broken = int(data.size - np.isfinite(data).sum())
    if broken:
        raise InputError(
            f"{broken} of {data.size} pixels are NaN or infinite",
            expected="finite values",
            fix="replace them or leave the image out",
        )
