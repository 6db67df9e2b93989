"""Read masks: integer labels on the grid of their image, or a sentence that says why a file is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from unetscope.errors import InputError, ReadError
from unetscope.io._files import StrPath, is_folder, is_image_file, kind_by_name
from unetscope.io._names import is_clutter
from unetscope.io.grid import labels_on
from unetscope.io.image import Image
from unetscope.io.masks.colors import Colors
from unetscope.io.masks.objects import read_objects
from unetscope.io.masks.values import as_labels, read_file

__all__ = ["DRAWN", "placed_on", "read_mask", "read_values"]

DRAWN = {".json": "coco", ".geojson": "geojson", ".txt": "contour", ".csv": "contour"}
"""Endings of files that hold outlines instead of pixels, and the kind of each."""


def read_mask(
    path: StrPath,
    *,
    on: Image | None = None,
    colors: Colors | None = None,
    classes: Mapping[str, int] | None = None,
    objects: bool = False,
) -> Image:
    """Read labels, whatever they were drawn with.

    A palette PNG, GIF or BMP gives its indices; a picture in RGB with equal channels gives that
    channel; whole floating-point numbers become integers; a DICOM segmentation gives the numbers of its
    segments. A folder of pictures is taken as one file per object.

    Parameters
    ----------
    path : path
        An image of labels, a folder with one mask per object, an OME-Zarr store, or outlines: COCO
        (``.json``), GeoJSON (``.geojson``) or the points of a contour (``.txt``, ``.csv``).
    on : Image, optional
        The image that the labels belong to: they are put on its grid by moving whole pixels (see
        `unetscope.io.grid.labels_on`). Outlines need it.
    colors : mapping of (red, green, blue) or ``"#rrggbb"`` to int, optional
        Label of each color of a color-coded mask, one for the whole data set; see `find_colors`.
    classes : mapping of str to int, optional
        Label of each class name of outlines, one for the whole data set; see `find_classes`.
    objects : bool
        Number the objects that outlines mark instead of naming their classes.

    Returns
    -------
    Image
        ``"YX"`` or ``"ZYX"``, after ``"T"`` for a time series; an integer dtype, 0 is background; values
        as stored (often 0 and 255). Where colors, classes or objects made the labels, the tag ``reading``
        holds these arguments, to read the mask again.

    Raises
    ------
    ReadError
        If the file cannot be read.
    InputError
        If its values are no labels (JPEG, unknown colors, transparency, fractions, NaN, negative numbers,
        several channels), or they do not lie on `on`.
    """
    path = Path(path)
    kind = DRAWN.get(path.suffix.lower())
    if kind is None:
        mask = as_labels(read_values(path), colors)
        return mask if on is None else placed_on(mask, on)
    if on is None:
        raise InputError(
            f"{path.name} holds outlines, not pixels",
            expected="the image that they were drawn on",
            fix="give the image too (on=)",
        )
    return _draw(path, kind, on, classes, objects=objects)


def read_values(path: Path) -> Image:
    """Read the pixels of a mask: those of a file, or the numbered objects of a folder.

    Raises
    ------
    ReadError
        If a file cannot be read.
    InputError
        If it can be no mask: JPEG, or with transparent pixels, or as `read_objects` says.
    """
    return read_objects(path) if _is_folder_of_pictures(path) else read_file(path)


def placed_on(mask: Image, image: Image) -> Image:
    """Put labels on the grid of an image by moving whole pixels; see `unetscope.io.grid.labels_on`.

    Raises
    ------
    InputError
        If they do not lie on one lattice, or differ in time points.
    """
    times = [one.data.shape[0] if "T" in one.axes else 0 for one in (mask, image)]
    if times[0] != times[1]:
        words = [f"{count or 'no'} time points" for count in times]
        raise InputError(
            f"{mask.name} has {words[0]} and {image.name} has {words[1]}",
            expected="labels for every time point of the image",
            fix="save both as one series, or both as single images",
        )
    unplaced = mask.affine is None or image.affine is None
    # A plane is a stack of one slice.
    if unplaced and (1, *mask.grid)[-3:] != (1, *image.grid)[-3:]:
        sizes = [" by ".join(map(str, one.grid)) for one in (image, mask)]
        raise InputError(
            f"the image has {sizes[0]} pixels and the mask {sizes[1]} ({mask.name})",
            expected="equal grids, or files that both know their place in the patient",
            fix="save the mask on the grid of the image",
        )
    if mask.affine is None and image.spatial_axes == "YX":
        # Pictures never know their place. Only of a stack is it worth a note that order alone decided.
        return replace(labels_on(mask, replace(image, affine=None)), affine=image.affine)
    return labels_on(mask, image)


def _is_folder_of_pictures(path: Path) -> bool:
    """Whether a folder holds one mask per object, rather than a DICOM series or a Zarr store."""
    if not is_folder(path) or is_image_file(path):
        return False
    files = [file for file in path.iterdir() if not is_clutter(file) and is_image_file(file)]
    return bool(files) and not any(kind_by_name(file) in {"dicom", "zarr"} for file in files)


def _draw(path: Path, kind: str, image: Image, classes: Mapping[str, int] | None, *, objects: bool) -> Image:
    if not path.is_file():
        raise ReadError(f"{path} does not exist", expected="a file of outlines", fix="check the path")
    if kind == "coco":
        from unetscope.io.masks.coco import read_coco

        return read_coco(path, image, classes=classes, objects=objects)
    if kind == "geojson":
        from unetscope.io.masks.geojson import read_geojson

        return read_geojson(path, image, classes=classes, objects=objects)
    from unetscope.io.masks.contour import read_contour

    return read_contour(path, image)
