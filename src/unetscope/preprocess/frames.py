"""An image as the frames that a 2D or 3D network sees one at a time, and frames back to an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.io.image import AXES, Image

__all__ = ["join_frames", "outer_axes", "place_part", "split_frames"]


def outer_axes(image: Image, dimensions: int) -> str:
    """The axes that frames are counted along: time, and slices for a 2D network.

    Raises
    ------
    InputError
        If a 3D network is to see an image without slices.
    """
    if dimensions == 3 and "Z" not in image.axes:
        raise InputError(
            f"{image.name} has the axes {image.axes}",
            expected="a volume for a 3D network",
            fix="read the whole series, or use a 2D network",
        )
    return "".join(axis for axis in image.axes if axis in ("T" if dimensions == 3 else "TZ"))


def split_frames(image: Image, dimensions: int) -> list[Image]:
    """Split an image into frames without time axis, and without slice axis for a 2D network.

    Parameters
    ----------
    image : Image
    dimensions : int
        2 or 3.

    Returns
    -------
    list of Image
        In the order of the outer axes, slices fastest; the image itself if it is one frame.
    """
    outer = outer_axes(image, dimensions)
    if not outer:
        return [image]
    first = outer[0]
    parts = (image.take(first, i) for i in range(image.data.shape[image.axes.index(first)]))
    return [frame for part in parts for frame in split_frames(part, dimensions)]


def join_frames(frames: Sequence[NDArray[Any]], image: Image, dimensions: int) -> NDArray[Any]:
    """Stack per-frame maps to the image's shape: the inverse of `split_frames`.

    Parameters
    ----------
    frames : sequence of (K, *frame grid) ndarray
        One per frame, in the order of `split_frames`.
    image : Image
        The image that was split.
    dimensions : int
        As for `split_frames`.

    Returns
    -------
    (K, *grid) ndarray, or (T, K, *grid) for a time series
    """
    outer = outer_axes(image, dimensions)
    lengths = [image.data.shape[image.axes.index(axis)] for axis in outer]
    # One frame is not copied: it may be most of the memory.
    stacked = np.stack(frames) if len(frames) > 1 else frames[0]
    stacked = stacked.reshape(*lengths, *frames[0].shape)
    # Frames are counted T, Z; the channel goes between them.
    return np.moveaxis(stacked, len(outer), int("T" in outer))


def place_part(part: Image, image: Image, at: Mapping[str, int]) -> Image:
    """A result for a part of an image at its place in the whole, and zero elsewhere.

    Parameters
    ----------
    part : Image
        On the grid of what `Image.take` gave, for one axis after another.
    image : Image
        The whole.
    at : mapping of str to int
        Axis → position of the part along it.

    Returns
    -------
    Image
        The axes of the part and those of `at`, on the grid of `image`.
    """
    axes = "".join(axis for axis in AXES if axis in part.axes or axis in at)
    lengths = [
        image.data.shape[image.axes.index(axis)] if axis in at else part.data.shape[part.axes.index(axis)]
        for axis in axes
    ]
    data = np.zeros(lengths, dtype=part.data.dtype)
    data[tuple(at.get(axis, slice(None)) for axis in axes)] = part.data
    return replace(image, data=data, axes=axes, channels=part.channels, levels=())
