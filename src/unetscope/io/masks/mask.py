"""Read masks: integer labels on the spatial axes, or a sentence that says why a file is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.io._files import StrPath, kind_of
from unetscope.io.image import Image
from unetscope.io.reader import read

__all__ = ["read_mask"]


def read_mask(path: StrPath) -> Image:
    """Read a label image.

    A palette PNG, GIF or BMP gives its indices; a picture in RGB with equal channels gives that
    channel; whole floating-point numbers become integers.

    Returns
    -------
    Image
        ``"YX"`` or ``"ZYX"``, an integer dtype, 0 is background; values as stored (often 0 and 255).

    Raises
    ------
    ReadError
        If the file cannot be read.
    InputError
        If its values are no labels: JPEG, several colors, transparency, fractions, NaN, negative
        numbers, a time series, or several channels.
    """
    path = Path(path)
    kind = "folder" if path.is_dir() else kind_of(path)
    if kind == "jpeg":
        raise InputError(
            f"{path.name} is a JPEG file, whose compression smears labels",
            expected="a mask saved without loss",
            fix="save the mask as PNG",
        )
    if kind in {"png", "gif", "bmp"}:
        from unetscope.io.pictures.picture import read_picture

        image = read_picture(path, indices=True)
    else:
        image = read(path)
    if image.source.tags.get("alpha") == "dropped":
        raise InputError(
            f"{image.name} has transparent pixels, which may be part of the labels",
            expected="one value per class, all opaque",
            fix="flatten the mask onto the background value",
        )
    if "T" in image.axes:
        raise InputError(
            f"{path.name} is a time series",
            expected="a mask on rows and columns, or slices too",
            fix="save one time point",
        )
    if "C" in image.axes:
        image = _one_channel(image)
    return replace(image, data=_labels(image.data, path))


def _one_channel(image: Image) -> Image:
    channels = np.moveaxis(image.data, image.axes.index("C"), -1)
    if (channels != channels[..., :1]).any():
        if image.is_rgb:
            colors = len(np.unique(channels.reshape(-1, 3), axis=0))
            raise InputError(
                f"{image.name} has {colors} different colors",
                expected="one grey value or palette index per class",
                fix="color-coded masks: convert to one value per class",
            )
        raise InputError(
            f"{image.name} has {channels.shape[-1]} different channels",
            expected="one channel of labels",
            fix="save the channel with the labels",
        )
    return image.with_data(np.ascontiguousarray(channels[..., 0]), axes=image.spatial_axes)


def _labels(values: NDArray[Any], path: Path) -> NDArray[Any]:
    if values.dtype.kind == "f":
        whole = (values == np.rint(values)) & (values < 2**32)
        if not whole.all():
            raise InputError(
                f"{path.name} has {np.count_nonzero(~whole)} pixels that are "
                "fractions, too large or not numbers",
                expected="whole numbers as labels",
                fix="threshold or convert the mask to integers",
            )
    if values.size and values.min() < 0:
        raise InputError(
            f"{path.name} has negative labels down to {values.min():g}",
            expected="0 for background and positive labels",
            fix="renumber the labels",
        )
    if values.dtype.kind == "f":
        return values.astype(np.min_scalar_type(int(values.max(initial=0))))
    return values
