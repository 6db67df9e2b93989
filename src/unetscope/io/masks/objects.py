"""Masks as one file per object: a folder of pictures that becomes one image of numbered objects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from unetscope.errors import InputError
from unetscope.io._files import is_image_file
from unetscope.io._names import is_clutter, natural
from unetscope.io.image import Image, Source
from unetscope.io.masks.canvas import Canvas, listed
from unetscope.io.masks.values import as_labels, read_file

__all__ = ["read_objects"]


def read_objects(folder: Path) -> Image:
    """Combine a folder of masks, each of which marks one object, into one image.

    Parameters
    ----------
    folder : Path
        One file per object, such as ``masks/`` of the Data Science Bowl 2018.

    Returns
    -------
    Image
        Objects numbered from 1 in natural order of the files' names. Where they overlap the earlier keeps
        the pixels, and a note says how many.

    Raises
    ------
    InputError
        If the folder holds no image, a file marks several objects or has another size, or an object lies
        wholly below earlier ones.
    """
    paths = sorted(
        (path for path in folder.iterdir() if path.is_file() and not is_clutter(path)), key=natural
    )
    objects = [path for path in paths if is_image_file(path)]
    if not objects:
        raise InputError(
            f"{folder} holds no images", expected="one mask file per object", fix="choose another folder"
        )
    first = as_labels(read_file(objects[0]))
    canvas = Canvas(f"{folder.name}/", first.data.shape)
    for number, path in enumerate(objects, start=1):
        mask = first if number == 1 else as_labels(read_file(path))
        _check(mask, first)
        canvas.add(path.name, np.nonzero(mask.data), number)
    data, notes = canvas.finish()
    if others := [path.name for path in paths if path not in objects]:
        notes += (f"In {folder.name}/, {listed(others)} is no image and was left out.",)
    source = Source(folder, "objects", files=tuple(objects), notes=notes)
    return replace(first, data=data, source=source)


def _check(mask: Image, first: Image) -> None:
    if mask.data.shape != first.data.shape:
        raise InputError(
            f"{mask.name} has {mask.grid} pixels and {first.name} {first.grid}",
            expected="files of one size, one per object of an image",
            fix="put the objects of each image into a folder of their own",
        )
    values = np.unique(mask.data)
    marked = values[values > 0]
    if len(marked) > 1:
        raise InputError(
            f"{mask.name} marks {len(marked)} objects with the values {marked[:3].tolist()}",
            expected="one object per file",
            fix="give the one file that holds all objects as the mask",
        )
