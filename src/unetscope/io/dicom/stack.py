"""Pixels of arranged planes into one image, at once or plane by plane when they are looked at."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from unetscope.io._limits import is_large, require_memory
from unetscope.io.dicom.arrange import Arrangement
from unetscope.io.dicom.decode import decoding, open_dicom
from unetscope.io.dicom.plane import Plane
from unetscope.io.dicom.single import Frames
from unetscope.io.dicom.source import source_of
from unetscope.io.dicom.values import RGB, pixel_values
from unetscope.io.image import Image, Source

__all__ = ["read_stack"]


def read_stack(arrangement: Arrangement, *, header: Dataset | None = None, lazy: bool = False) -> Image:
    """Read the pixels of arranged planes.

    Values are those of `pixel_values`; where planes have different types, because only some are rescaled,
    all get the wider one. Window, group and tags are those of the first plane.

    Parameters
    ----------
    arrangement : Arrangement
    header : Dataset, optional
        Of the first plane's file, from `open_dicom` with ``header_only``; it is read unless given.
    lazy : bool
        Leave large stacks on disk: the data are then a dask array with one chunk per plane.

    Returns
    -------
    Image
        ``"YX"`` with the axes of time, color and slices that there are.

    Raises
    ------
    ReadError
        If a file is damaged or gone, the stack is too large for the memory, or no decoder is installed.
    """
    first, shape, dtype = arrangement.first, arrangement.shape, arrangement.dtype
    with decoding(first.path):
        header = header or open_dicom(first.path, header_only=True)
        source = _source(arrangement, header)
    if lazy and is_large(shape, dtype):
        data = _on_disk(arrangement, header)
    else:
        require_memory(source.path or first.path, shape, dtype)
        data = _in_memory(arrangement)
    return Image(
        data.reshape(shape),
        arrangement.axes,
        arrangement.spacing,
        arrangement.origin,
        arrangement.units,
        RGB if first.color else (),
        source,
        arrangement.affine,
    )


def _source(arrangement: Arrangement, header: Dataset) -> Source:
    source = source_of(header, arrangement.first.path)
    files = tuple(dict.fromkeys(plane.path for plane in arrangement.in_order()))
    notes = (*source.notes, *arrangement.notes)
    if len(files) == 1:
        return replace(source, notes=notes)
    folder = Path(os.path.commonpath({file.parent for file in files}))
    return replace(source, path=folder, files=files, notes=notes)


def _full_shape(arrangement: Arrangement) -> tuple[int, ...]:
    """Lengths of all five axes, TCZYX."""
    channels = 3 if arrangement.first.color else 1
    return (len(arrangement.planes), channels, len(arrangement.planes[0]), *arrangement.first.shape)


def _in_memory(arrangement: Arrangement) -> NDArray[Any]:
    """Read all planes into one array of TCZYX, opening each file once."""
    # Without threads, which were not faster: pydicom holds Python's lock nearly all the time.
    data = np.empty(_full_shape(arrangement), arrangement.dtype)
    table = enumerate(arrangement.planes)
    places = [(plane, data[t, :, z]) for t, row in table for z, plane in enumerate(row)]
    places.sort(key=lambda place: place[0].path)
    for path, group in groupby(places, key=lambda place: place[0].path):
        with decoding(path):
            _fill(path, list(group))
    return data


def _fill(path: Path, places: list[tuple[Plane, NDArray[Any]]]) -> None:
    """Read the planes of one file to their places."""
    native = places[0][0].native
    values = native.read(path) if native is not None else pixel_values(open_dicom(path), path)
    for plane, place in places:
        pixels = values if plane.frame is None else values[plane.frame]
        np.copyto(place, _channels_first(pixels, plane), casting="same_kind")


def _channels_first(pixels: NDArray[Any], plane: Plane) -> NDArray[Any]:
    return np.moveaxis(pixels, -1, 0) if plane.color else pixels[np.newaxis]


def _on_disk(arrangement: Arrangement, header: Dataset) -> Any:
    """Build a dask array of TCZYX that opens one file per plane, when the plane is asked for."""
    from dask.array import map_blocks

    dtype = arrangement.dtype
    times, channels, slices, rows, columns = _full_shape(arrangement)
    # What the header says of many frames is long, and the same for all of them.
    frames = None if arrangement.first.frame is None else Frames(arrangement.first.path, header)

    def plane_at(block_id: tuple[int, ...]) -> NDArray[Any]:
        plane = arrangement.planes[block_id[0]][block_id[2]]
        with decoding(plane.path):
            if plane.native is not None:
                pixels = plane.native.read(plane.path)
            elif frames is not None and frames.path == plane.path:
                pixels = frames[plane.frame or 0]
            else:
                pixels = pixel_values(open_dicom(plane.path), plane.path, frame=plane.frame)
        return _channels_first(pixels, plane).astype(dtype, copy=False)[np.newaxis, :, np.newaxis]

    return map_blocks(
        plane_at,
        chunks=((1,) * times, (channels,), (1,) * slices, (rows,), (columns,)),
        dtype=dtype,
        meta=np.empty((0,) * 5, dtype),
        name=f"dicom-{uuid4().hex}",
    )
