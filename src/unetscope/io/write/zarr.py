"""Write labels as OME-Zarr, with coarser copies for viewers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import OutputError
from unetscope.io._files import StrPath, stem_of
from unetscope.io.image import Image
from unetscope.io.pictures.ome import NAMESPACE
from unetscope.io.write.files import atomic_folder

__all__ = ["write_zarr", "write_zarr_blocks"]

# What napari-ome-zarr, Fiji, ngio and zarr-python 2 all read; 0.5 needs Zarr 3, which some of them lack.
_VERSION = "0.4"
_PLANE_CHUNK, _VOLUME_CHUNK = 512, 64
_UNITS = {"mm": "millimeter", "µm": "micrometer"}


def write_zarr(
    path: StrPath, labels: Image, *, names: Mapping[int, str] | None = None, overwrite: bool = False
) -> Path:
    """Write a label image as an OME-Zarr 0.4 store.

    Coarser copies take every second pixel along each long axis, so that they hold no label that the finest
    one lacks. What OME-Zarr 0.4 has no words for, the place in the patient, is kept in an attribute of its
    own, which `read` knows.

    Parameters
    ----------
    path : path
        A folder name, customarily ending in ``.ome.zarr``.
    labels : Image
        Integers or bool, not negative; without a channel axis.
    names : mapping of int to str, optional
        What labels stand for.
    overwrite : bool
        Whether a Zarr store of this name may be replaced; nothing else is.

    Returns
    -------
    Path
        The store that was written.

    Raises
    ------
    OutputError
        If the labels are none, or the store cannot be written.
    """
    path = Path(path)
    data = np.asarray(labels.data)
    if data.dtype.kind not in "bui" or "C" in labels.axes or data.size == 0 or data.min() < 0:
        raise OutputError(
            f"the array of shape {data.shape} and type {data.dtype} for {path.name} is no mask",
            expected="integers from 0, without channels",
            fix="convert it to labels",
        )
    data = data.astype(np.uint8) if data.dtype.kind == "b" else data
    whole = tuple(slice(0, length) for length in data.shape)
    return write_zarr_blocks(
        path, replace(labels, data=data), [(whole, data)], names=names, overwrite=overwrite
    )


def write_zarr_blocks(
    path: StrPath,
    labels: Image,
    blocks: Iterable[tuple[tuple[slice, ...], NDArray[Any]]],
    *,
    names: Mapping[int, str] | None = None,
    overwrite: bool = False,
    within: Path | None = None,
) -> Path:
    """Write a label image as `write_zarr` does, of which only a part is in memory at a time.

    Parameters
    ----------
    path : path
    labels : Image
        For shape, type and place; its pixels are not read.
    blocks : iterable of (tuple of slice, ndarray)
        Parts that cover the image, and where they go.
    names, overwrite
        See `write_zarr`.
    within : Path, optional
        See `atomic_folder`.

    Returns
    -------
    Path
        The store that was written.

    Raises
    ------
    OutputError
        If the store cannot be written.
    """
    import zarr

    path = Path(path)
    shape, steps = labels.data.shape, _steps(labels.data.shape, labels.axes)
    with atomic_folder(path, overwrite=overwrite, within=within) as temporary:
        group = zarr.open_group(temporary, mode="w", zarr_format=2)
        group.attrs.update(_attributes(stem_of(path), labels, steps, names or {}))
        levels = [
            group.create_array(
                str(level),
                shape=(coarse := _coarse(shape, step)),
                dtype=labels.data.dtype,
                chunks=_chunks(coarse, labels.axes),
                chunk_key_encoding={"name": "v2", "separator": "/"},
                fill_value=0,
            )
            for level, step in enumerate(steps)
        ]
        for part, pixels in blocks:
            for array, step in zip(levels, steps, strict=True):
                _put(array, part, step, pixels)
    return path


def _put(array: Any, part: tuple[slice, ...], step: tuple[int, ...], pixels: NDArray[Any]) -> None:
    """The pixels of a part that a coarser copy takes, to where they go there."""
    first = [-(-axis.start // each) for axis, each in zip(part, step, strict=True)]
    taken = pixels[
        tuple(
            slice(begin * each - axis.start, None, each)
            for begin, axis, each in zip(first, part, step, strict=True)
        )
    ]
    if taken.size:
        array[
            tuple(slice(begin, begin + length) for begin, length in zip(first, taken.shape, strict=True))
        ] = taken


def _chunks(shape: Sequence[int], axes: str) -> tuple[int, ...]:
    side = _VOLUME_CHUNK if "Z" in axes else _PLANE_CHUNK
    return tuple(min(size, side) if axis in "ZYX" else 1 for axis, size in zip(axes, shape, strict=True))


def _steps(shape: Sequence[int], axes: str) -> list[tuple[int, ...]]:
    """Steps along the axes of ever coarser copies, until one is a single chunk."""
    steps = [(1,) * len(shape)]
    while True:
        coarse = _coarse(shape, steps[-1])
        long = [
            axis in "ZYX" and size > chunk
            for axis, size, chunk in zip(axes, coarse, _chunks(coarse, axes), strict=True)
        ]
        if not any(long):
            return steps
        steps.append(
            tuple(2 * step if halved else step for step, halved in zip(steps[-1], long, strict=True))
        )


def _coarse(shape: Sequence[int], step: Sequence[int]) -> tuple[int, ...]:
    return tuple(-(-length // each) for length, each in zip(shape, step, strict=True))


def _attributes(
    name: str, labels: Image, steps: Sequence[tuple[int, ...]], names: Mapping[int, str]
) -> dict[str, Any]:
    unit = {"unit": _UNITS[labels.units]} if labels.units in _UNITS else {}
    axes = [
        {"name": axis.lower(), "type": "space"} | unit if axis in "ZYX" else {"name": "t", "type": "time"}
        for axis in labels.axes
    ]
    others = len(labels.axes) - len(labels.spacing)
    spacing = np.array((1.0,) * others + labels.spacing)
    # Pixels are taken, not averaged: the first one of each level lies at the same place.
    origin = [0.0] * others + list(labels.origin)
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [
                {"type": "scale", "scale": (spacing * step).tolist()},
                {"type": "translation", "translation": origin},
            ],
        }
        for level, step in enumerate(steps)
    ]
    properties = [{"label-value": int(value), "name": str(names[value])} for value in sorted(names)]
    own: dict[str, Any] = {"axes": labels.axes}
    if labels.affine is not None:
        own["affine"] = labels.affine.tolist()
    return {
        "multiscales": [
            {"version": _VERSION, "name": name, "axes": axes, "datasets": datasets, "type": "nearest"}
        ],
        "image-label": {"version": _VERSION} | ({"properties": properties} if properties else {}),
        NAMESPACE: own,
    }
