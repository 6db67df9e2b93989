"""Pixels of a mask, and labels made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.io._files import is_folder, kind_of
from unetscope.io.image import Image
from unetscope.io.masks.colors import Colors, as_colors, labels_from_colors
from unetscope.io.masks.segmentation import is_segmentation
from unetscope.io.reader import read

__all__ = ["as_labels", "read_file"]

_PICTURES = {"png", "gif", "bmp"}


def read_file(path: Path) -> Image:
    """Read the pixels of one file, before anything is made of colors and numbers.

    Raises
    ------
    ReadError
        If the file cannot be read.
    InputError
        If it can be no mask: JPEG, or with transparent pixels.
    """
    kind = "folder" if is_folder(path) else kind_of(path)
    if kind == "jpeg":
        raise InputError(
            f"{path.name} is a JPEG file, whose compression smears labels",
            expected="a mask saved without loss",
            fix="save the mask as PNG",
        )
    if kind in _PICTURES:
        from unetscope.io.pictures.picture import read_picture

        image = read_picture(path, indices=True)
    elif kind == "dicom" and is_segmentation(path):
        from unetscope.io.dicom.segmentation import read_segmentation_labels

        image = read_segmentation_labels(path)
    elif kind == "nrrd":
        from unetscope.io.volumes.segments import read_nrrd_labels

        image = read_nrrd_labels(path)
    else:
        image = read(path)
    if image.source.tags.get("alpha") == "dropped":
        raise InputError(
            f"{image.name} has transparent pixels, which may be part of the labels",
            expected="one value per class, all opaque",
            fix="flatten the mask onto the background value",
        )
    return image


def as_labels(image: Image, colors: Colors | None = None) -> Image:
    """Make labels of the pixels that `read_file` gives.

    Raises
    ------
    InputError
        As `read_mask`.
    """
    if image.is_rgb and colors:
        return labels_from_colors(image, as_colors(colors))
    if "C" in image.axes:
        image = _one_channel(image)
    return replace(image, data=_whole_numbers(image.data, image.name))


def _one_channel(image: Image) -> Image:
    channels = np.moveaxis(image.data, image.axes.index("C"), -1)
    if (channels != channels[..., :1]).any():
        if image.is_rgb:
            count = len(np.unique(channels.reshape(-1, 3), axis=0))
            raise InputError(
                f"{image.name} has {count} different colors",
                expected="one grey value or palette index per class",
                fix="say what the colors stand for (colors=), or convert to one value per class",
            )
        raise InputError(
            f"{image.name} has {channels.shape[-1]} different channels",
            expected="one channel of labels",
            fix="save the channel with the labels",
        )
    return image.with_data(np.ascontiguousarray(channels[..., 0]), axes=image.axes.replace("C", ""))


def _whole_numbers(values: NDArray[Any], name: str) -> NDArray[Any]:
    if values.dtype.kind == "f":
        whole = (values == np.rint(values)) & (values < np.float64(2**32))
        if not whole.all():
            raise InputError(
                f"{name} has {np.count_nonzero(~whole)} pixels that are fractions, too large or not numbers",
                expected="whole numbers as labels",
                fix="threshold or convert the mask to integers",
            )
    if values.size and values.min() < 0:
        raise InputError(
            f"{name} has negative labels down to {values.min():g}",
            expected="0 for background and positive labels",
            fix="renumber the labels",
        )
    if values.dtype.kind == "f":
        return values.astype(np.min_scalar_type(int(values.max(initial=0))))
    return values
