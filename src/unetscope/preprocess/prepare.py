"""What training and prediction both do to an image before the network sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.io.image import Image
from unetscope.preprocess.geometry import GridTransform, scaled_grid
from unetscope.preprocess.normalize import Scaling, fit, fit_dataset
from unetscope.recipe.recipe import Preprocess

__all__ = ["Preparation", "placed"]

# Luminance of linear RGB, ITU-R BT.709-6, item 3.2.
_LUMINANCE = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True)
class Preparation:
    """Color, normalize, resize, crop: the same for training and prediction.

    Attributes
    ----------
    settings : Preprocess
        From the recipe.
    scaling : Scaling or None
        Statistics of the training set, where the recipe asks for them.
    """

    settings: Preprocess
    scaling: Scaling | None = None

    @classmethod
    def fit(cls, settings: Preprocess, images: Iterable[Image]) -> Preparation:
        """The preparation for a training set; reads the images only if their statistics are needed.

        Raises
        ------
        InputError
            If an image cannot be prepared.
        """
        if not settings.normalize.needs_dataset:
            return cls(settings)
        return cls(
            settings, fit_dataset((_channels(image, settings) for image in images), settings.normalize)
        )

    def transform(self, grid: tuple[int, ...], *, diameter: float | None = None) -> GridTransform:
        """The way from the grid of a frame to the network's and back.

        Parameters
        ----------
        grid : tuple of int
        diameter : float, optional
            Of the frame's objects, pixels, where the recipe brings all objects to one size; without it they
            are left as they are.
        """
        size: tuple[int, ...] | None = self.settings.resize
        if self.settings.diameter is not None and diameter:
            size = scaled_grid(grid, self.settings.diameter / diameter)
        return GridTransform.plan(grid, size=size, crop=self.settings.crop)

    def normalized(self, image: Image) -> NDArray[np.float32]:
        """The image with a channel axis in front, normalized on its own grid.

        Returns
        -------
        (C, *grid) float32 ndarray

        Raises
        ------
        InputError
            Naming the image, for NaN pixels, a missing window, or a time series.
        """
        with _naming(image):
            data = _channels(image, self.settings)
            return self._scaling_for(data, image).apply(data)

    def scaling_of(self, image: Image) -> Scaling:
        """What `normalized` applies to this image.

        Raises
        ------
        InputError
            Naming the image, as there.
        """
        with _naming(image):
            return self._scaling_for(_channels(image, self.settings), image)

    def _scaling_for(self, data: NDArray[Any], image: Image) -> Scaling:
        if self.scaling is not None:
            return self.scaling
        return fit(data, self.settings.normalize, window=image.source.window)


def placed(image: Image, transform: GridTransform) -> Image:
    """Give an image whose frames were transformed its place: every pixel stays where it was in the world.

    Parameters
    ----------
    image : Image
        The data after the transform, with the place from before.
    transform : GridTransform
        Of each frame.

    Returns
    -------
    Image
        With spacing, origin and affine of the new grid.
    """
    if transform.original == transform.resized == transform.cropped:
        return image
    outer = len(image.spacing) - len(transform.original)
    steps = np.array((1.0,) * outer + transform.step)
    start = np.array((0.0,) * outer + transform.start)
    moved = replace(
        image,
        spacing=tuple((steps * image.spacing).tolist()),
        origin=tuple((start * image.spacing + image.origin).tolist()),
    )
    if image.affine is None:
        return moved
    affine = image.affine.copy()
    kept = slice(3 - len(steps), 3)
    affine[:, 3] += affine[:, kept] @ start
    affine[:, kept] *= steps
    return replace(moved, affine=affine)


@contextmanager
def _naming(image: Image) -> Iterator[None]:
    """Name the image in errors."""
    try:
        yield
    except InputError as error:
        if image.name in error.found:
            raise
        raise InputError(f"{image.name}: {error.found}", expected=error.expected, fix=error.fix) from error


def _channels(image: Image, settings: Preprocess) -> NDArray[Any]:
    data = image.channel_first()
    if settings.color == "gray" and image.is_rgb:
        return np.tensordot(np.array(_LUMINANCE), data, axes=1)[np.newaxis]
    return data
