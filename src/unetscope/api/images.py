"""Images as the network sees them, and what was done to their values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.io import Image
from unetscope.preprocess import Preparation, Scaling, join_frames, split_frames
from unetscope.preprocess.prepare import placed
from unetscope.recipe.recipe import Normalize, Preprocess

__all__ = ["Histogram", "Preview", "histogram", "normalize", "prepare", "preview"]

# Enough for a smooth curve of 256 bins.
_SAMPLES = 1_000_000


class Histogram(NamedTuple):
    """How often values occur: ``counts[i]`` of them from ``edges[i]`` to ``edges[i + 1]``."""

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Preview:
    """What preprocessing does to an image.

    Attributes
    ----------
    image : Image
        As `prepare` gives it.
    limits : (frames, channels, 2) float64 ndarray
        The pixel values that become 0 and 1, for each frame that the network sees; one channel where all
        share them.
    before, after : Histogram
        Of the values.
    extremes : (float, float)
        The smallest and the largest value before.
    """

    image: Image
    limits: NDArray[np.float64]
    before: Histogram
    after: Histogram
    extremes: tuple[float, float]

    def describe(self, settings: Normalize) -> str:
        """What becomes 0 and 1, in words: "5th percentile 12 → 0, 95th percentile 843 → 1".

        Parameters
        ----------
        settings : Normalize
            Those it was made with.
        """
        low, high = _names_of_limits(settings, self.extremes, self.limits)
        if settings.method == "none":
            return "Values stay as they are."
        ends = [f"{name}{_span(values)} → {end}" for end, (name, values) in enumerate((low, high))]
        each = " and ".join(
            f"each of {count} {what}"
            for axis, (count, what) in enumerate(zip(self.limits.shape, ("frames", "channels"), strict=False))
            if np.ptp(self.limits, axis=axis).any()
        )
        return (f"In {each} by itself: " if each else "") + ", ".join(ends) + "."


def normalize(image: Image, settings: Normalize | None = None) -> Image:
    """Normalize an image as training would; in a time series, each point by itself.

    Parameters
    ----------
    image : Image
    settings : Normalize, optional
        5th to 95th percentile become 0 and 1, clipped, unless given.

    Returns
    -------
    Image
        float32, on the same grid.

    Raises
    ------
    InputError
        For NaN pixels, or settings that need statistics of a training set.
    """
    settings = Normalize() if settings is None else settings
    return prepare(image, Preprocess(normalize=settings), dimensions=len(image.spatial_axes))


def prepare(
    image: Image,
    settings: Preprocess | None = None,
    *,
    dimensions: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Image:
    """Prepare an image as the network sees it: color, normalize, resize, crop.

    Parameters
    ----------
    image : Image
    settings : Preprocess, optional
        The defaults of the recipe unless given.
    dimensions : int, optional
        Of the network: 2 takes every slice of a volume by itself, 3 the volume. Unless given, that of the
        sizes in `settings`, else that of the image.
    progress : callable, optional
        Called with the part that is done, from 0 to 1; what it raises stops the work.

    Returns
    -------
    Image
        float32. Spacing, origin and affine are those of the new grid, so that everything stays where it was
        in the world. A color image that becomes gray has no channel axis.

    Raises
    ------
    InputError
        For NaN pixels, settings that need statistics of a training set, or sizes of other dimensions.
    """
    settings = Preprocess() if settings is None else settings
    prepared, _ = _prepare(image, settings, dimensions, progress or _ignore)
    return prepared


def preview(
    image: Image,
    settings: Preprocess,
    *,
    dimensions: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Preview:
    """Prepare an image and tell what became of its values.

    Parameters
    ----------
    image, settings, dimensions, progress
        As for `prepare`.

    Raises
    ------
    InputError
        As `prepare` does.
    """
    image = image.load()
    prepared, scalings = _prepare(image, settings, dimensions, progress or _ignore)
    limits = np.array([scaling.limits for scaling in scalings])
    extremes = float(image.data.min()), float(image.data.max())
    return Preview(prepared, limits, histogram(image), histogram(prepared), extremes)


def histogram(image: Image, *, bins: int = 256) -> Histogram:
    """Count the values of an image.

    Parameters
    ----------
    image : Image
        Of a large image, every so many pixels are counted. NaN and infinite values are left out.
    bins : int
        How many, at most: whole numbers that lie close together get one each.

    Returns
    -------
    Histogram
        From the smallest to the largest value.
    """
    values = np.asarray(image.data).ravel()
    if np.issubdtype(values.dtype, np.inexact):
        values = values[np.isfinite(values)]
    if not values.size:
        return Histogram(np.linspace(0.0, 1.0, bins + 1), np.zeros(bins, np.int64))
    low, high = float(values.min()), float(values.max())
    # An odd stride does not fall on the same columns of every row.
    sample = values[:: values.size // _SAMPLES | 1].astype(np.float64)
    if not np.issubdtype(values.dtype, np.inexact) and high - low < bins:
        low, high, bins = low - 0.5, high + 0.5, int(high - low) + 1
    counts, edges = np.histogram(sample, bins, (low, high))
    return Histogram(edges, counts.astype(np.int64))


def _prepare(
    image: Image, settings: Preprocess, dimensions: int | None, progress: Callable[[float], None]
) -> tuple[Image, list[Scaling]]:
    """The prepared image, and the scaling of each of its frames."""
    dimensions = _dimensions_of(image, settings, dimensions)
    preparation = Preparation(settings)
    frames = split_frames(image, dimensions)
    transform = preparation.transform(frames[0].grid)
    parts, scalings = [], []
    for index, frame in enumerate(map(Image.load, frames)):
        progress(index / len(frames))
        scalings.append(preparation.scaling_of(frame))
        parts.append(transform.image(replace(preparation, scaling=scalings[-1]).normalized(frame)))
    data = join_frames(parts, image, dimensions)
    channels = image.channels
    if len(parts[0]) != len(channels):
        data, channels = data.squeeze(1 if "T" in image.axes else 0), ()
    axes = image.axes if channels else image.axes.replace("C", "")
    # The window was for the values as they were.
    source = replace(image.source, window=None)
    prepared = replace(image, data=data, axes=axes, channels=channels, source=source, levels=())
    return placed(prepared, transform), scalings


def _dimensions_of(image: Image, settings: Preprocess, dimensions: int | None) -> int:
    """Dimensions of a frame."""
    sizes = {name: size for name in ("resize", "crop") if (size := getattr(settings, name)) is not None}
    if dimensions is None:
        dimensions = len(next(iter(sizes.values()), image.spatial_axes))
    for name, size in sizes.items():
        if len(size) != dimensions:
            raise InputError(
                f"{image.name}: preprocess.{name} has {len(size)} numbers",
                expected=f"{dimensions}, one for each dimension",
                fix="correct it",
            )
    return dimensions


def _names_of_limits(
    settings: Normalize, extremes: tuple[float, float], limits: NDArray[np.float64]
) -> tuple[tuple[str, NDArray[np.float64]], tuple[str, NDArray[np.float64]]]:
    """What the values are that become 0 and 1, and these values."""
    low, high = limits[..., 0], limits[..., 1]
    match settings.method:
        # Where the percentiles say nothing, normalization takes the extremes instead.
        case "percentile" if (low != extremes[0]).any() or (high != extremes[1]).any():
            return (f"{_ordinal(settings.low)} percentile ", low), (
                f"{_ordinal(settings.high)} percentile ",
                high,
            )
        case "percentile" | "minmax":
            return ("minimum ", low), ("maximum ", high)
        case "zscore":
            return ("mean ", low), ("mean plus standard deviation ", high)
        case _:
            return ("window from ", low), ("to ", high)


def _ordinal(number: float) -> str:
    """``5th``, ``99.5th``, ``2nd``."""
    text = f"{number:g}"
    teens = text[-2:] in ("11", "12", "13")
    return text + {"1": "st", "2": "nd", "3": "rd"}.get("" if teens or "." in text else text[-1], "th")


def _span(values: NDArray[np.float64]) -> str:
    """One number, or the smallest and the largest."""
    first, last = f"{values.min():.4g}", f"{values.max():.4g}"
    return first if first == last else f"{first} to {last}"


def _ignore(_: float) -> None:
    """Nobody wants to know."""
