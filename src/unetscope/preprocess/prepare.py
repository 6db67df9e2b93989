"""What training and prediction both do to an image before the network sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.io.image import Image
from unetscope.preprocess.geometry import GridTransform
from unetscope.preprocess.normalize import Scaling, fit, fit_dataset
from unetscope.recipe.recipe import Preprocess

__all__ = ["Preparation"]

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
        normalize = settings.normalize
        if normalize.scope != "dataset" or normalize.method in ("window", "none"):
            return cls(settings)
        return cls(settings, fit_dataset((_channels(image, settings) for image in images), normalize))

    def transform(self, grid: tuple[int, ...]) -> GridTransform:
        """The way from the grid of a frame to the network's and back."""
        return GridTransform.plan(grid, size=self.settings.resize, crop=self.settings.crop)

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
        try:
            data = _channels(image, self.settings)
            scaling = self.scaling
            if scaling is None:
                scaling = fit(data, self.settings.normalize, window=image.source.window)
            return scaling.apply(data)
        except InputError as error:
            if image.name in error.found:
                raise
            raise InputError(
                f"{image.name}: {error.found}", expected=error.expected, fix=error.fix
            ) from error


def _channels(image: Image, settings: Preprocess) -> NDArray[Any]:
    data = image.channel_first()
    if settings.color == "gray" and image.is_rgb:
        return np.tensordot(np.array(_LUMINANCE), data, axes=1)[np.newaxis]
    return data
