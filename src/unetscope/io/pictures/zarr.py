"""Read OME-Zarr 0.4 and 0.5: the finest scale, its grid, and on request the coarser ones, left on disk."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaozarrs
import zarr
from numpy.typing import NDArray

from unetscope.errors import ReadError
from unetscope.io._files import reading
from unetscope.io._limits import is_large
from unetscope.io.image import AXES, Image, Source
from unetscope.io.pictures.lazy import in_order
from unetscope.io.pictures.ome import NAMESPACE
from unetscope.io.pictures.zarr_arrays import DAMAGE, KIND, check_array, chunks_note, in_memory, on_disk
from unetscope.io.pictures.zarr_grid import ZarrGrid, grid_of

__all__ = ["read_zarr"]

_MODELS: dict[str, Any] = {"0.4": yaozarrs.v04.Multiscale, "0.5": yaozarrs.v05.Multiscale}
_SHOWN = 5


def read_zarr(path: Path, *, lazy: bool = False) -> Image:
    """Read an OME-Zarr image, label image, or a plain array whose dimensions are named.

    Axes of length 1 are left out, since many programs write all five, unless this package wrote the store.
    ``source.tags["labels"]`` has the names of labels where the store gives any.

    Parameters
    ----------
    path : Path
        Folder of the image: a store, or a group in it such as ``image.zarr/labels/nuclei``. A collection
        (bioformats2raw, a well, a group of labels) with one image in it stands for that image.
    lazy : bool
        Leave the pixels of large images on disk, with the coarser scales as `Image.levels`.

    Returns
    -------
    Image
        The finest scale, axes in the order ``TCZYX``. Spacing and origin in µm or mm from the scales and
        translations; in pixels where there is no unit.

    Raises
    ------
    ReadError
        If the store is damaged, of another version, too large for the memory, a plate or collection of
        several images, or holds something else than numbers.
    """
    with reading(path, KIND, DAMAGE), warnings.catch_warnings():
        # zarr and yaozarrs warn of departures from the standard that are no obstacle to reading.
        warnings.simplefilter("ignore")
        node = zarr.open(path, mode="r", use_consolidated=False)
        if isinstance(node, zarr.Array):
            return _read_array(path, node, lazy=lazy)
        attributes: dict[str, Any] = dict(node.attrs)
        ome: dict[str, Any] = attributes.get("ome", attributes)
        if "multiscales" in ome:
            return _read_multiscale(path, node, ome, lazy=lazy)
        return read_zarr(_only_image(path, node, ome), lazy=lazy)


def _read_array(path: Path, array: zarr.Array[Any], *, lazy: bool) -> Image:
    names = [str(name).upper() for name in getattr(array.metadata, "dimension_names", None) or ()]
    if not names or set(names) - set(AXES) or len(set(names)) < len(names) or not {"Y", "X"} <= set(names):
        raise ReadError(
            f"{path.name} is a Zarr array without names of its axes",
            expected="an OME-Zarr image, or dimensions named t, c, z, y and x",
            fix="save it as OME-Zarr",
        )
    return _image(path, [array], ZarrGrid.of_pixels("".join(names)), {}, lazy=lazy)


def _read_multiscale(path: Path, group: zarr.Group, ome: dict[str, Any], *, lazy: bool) -> Image:
    described = ome["multiscales"][0]
    version = str(ome.get("version", described.get("version", "0.4")))
    if version not in _MODELS:
        raise ReadError(
            f"{path.name} is OME-Zarr {version}",
            expected="version 0.4 or 0.5",
            fix="convert it to one of these",
        )
    multiscale = _MODELS[version].model_validate(described)
    grid = grid_of(multiscale, path)
    arrays = []
    for dataset in multiscale.datasets if lazy else multiscale.datasets[:1]:
        array = group[dataset.path]
        if not isinstance(array, zarr.Array) or array.ndim != len(grid.axes):
            raise ValueError(f"{dataset.path} is no array of {len(grid.axes)} axes")
        arrays.append(array)
    own: Any = group.attrs.get(NAMESPACE, {})
    return _image(path, arrays, grid, ome | {NAMESPACE: own}, lazy=lazy)


def _image(
    path: Path, arrays: list[zarr.Array[Any]], grid: ZarrGrid, told: Mapping[str, Any], *, lazy: bool
) -> Image:
    finest, own = arrays[0], told.get(NAMESPACE, {})
    for array in arrays:
        check_array(path, array)
    lazy = lazy and is_large(finest.shape, finest.dtype)
    loaded = [on_disk(path, array) for array in arrays] if lazy else [in_memory(path, finest)]
    whole = str(own.get("axes", "")) + "YX"
    kept = [size > 1 or axis in whole for axis, size in zip(grid.axes, finest.shape, strict=True)]
    index = tuple(slice(None) if keep else 0 for keep in kept)
    axes = "".join(axis for axis, keep in zip(grid.axes, kept, strict=True) if keep)
    ordered = [in_order(data[index], axes) for data in loaded]
    data, axes = ordered[0]
    spacing, origin, units, notes = grid.geometry(axes)
    names = _label_names(told)
    if (pyramids := len(told.get("multiscales", ()))) > 1:
        notes += (f"It describes {pyramids} pyramids, of which this is the first.",)
    # Of labels, chunks of nothing but background are usually left out.
    notes += () if "image-label" in told else chunks_note(finest)
    return Image(
        data,
        axes,
        spacing,
        origin,
        units,
        channels=_channel_names(told, data.shape[axes.index("C")]) if "C" in axes else (),
        source=Source(path, "zarr", tags={"labels": names} if names else {}, notes=notes),
        affine=_affine(own),
        levels=tuple(level for level, _ in ordered[1:]),
    )


def _only_image(path: Path, group: zarr.Group, ome: Mapping[str, Any]) -> Path:
    """Find the one image of a collection."""
    if "plate" in ome:
        what, images = "a plate", [str(well["path"]) for well in ome["plate"]["wells"]]
        if images:
            # Even a plate of one well may have several fields.
            raise _collection(path, what, "wells", images)
    if "well" in ome:
        what, images = "a well", [str(image["path"]) for image in ome["well"]["images"]]
    elif "labels" in ome:
        what, images = "a group of label images", [str(name) for name in ome["labels"]]
    elif "bioformats2raw.layout" in ome:
        what, images = "a collection of images", _series(group)
    else:
        what, images = "a Zarr group without OME metadata", sorted(group.group_keys())
        raise _collection(path, what, "groups", images)
    if len(images) != 1:
        raise _collection(path, what, "images", images)
    child = path / images[0]
    if not child.resolve().is_relative_to(path.resolve()) or child.resolve() == path.resolve():
        raise ReadError(
            f"{path.name} refers to a folder outside of it",
            expected="images inside the store",
            fix="name the folder of the image",
        )
    return child


def _series(group: zarr.Group) -> list[str]:
    """Images of a bioformats2raw store: listed in its group OME, else numbered from 0."""
    if "OME" in group:
        attributes: dict[str, Any] = dict(group["OME"].attrs)
        if listed := attributes.get("ome", attributes).get("series"):
            return [str(name) for name in listed]
    return sorted((name for name in group.group_keys() if name.isdecimal()), key=int)


def _collection(path: Path, what: str, parts: str, names: list[str]) -> ReadError:
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return ReadError(
        f"{path.name} is {what} with {len(names)} {parts}" + (f" ({shown})" if shown else ""),
        expected="one image",
        fix=f"name the folder of one image in it, such as {path.name}/{names[0]}"
        if names
        else "check the path",
    )


def _affine(own: Mapping[str, Any]) -> NDArray[np.float64] | None:
    if "affine" not in own:
        return None
    affine = np.asarray(own["affine"], np.float64)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise ValueError("its affine is no matrix of 4 by 4")
    return affine


def _channel_names(told: Mapping[str, Any], count: int) -> tuple[str, ...]:
    """Names that OMERO's rendering settings give; empty unless every channel has one."""
    channels = told.get("omero", {}).get("channels", ())
    names = tuple(str(channel.get("label") or "") for channel in channels)
    return names if len(names) == count and all(names) else ()


def _label_names(told: Mapping[str, Any]) -> dict[int, str]:
    properties = told.get("image-label", {}).get("properties") or ()
    return {int(one["label-value"]): str(one["name"]) for one in properties if "name" in one}
