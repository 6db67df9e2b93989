"""Save a Labels layer: the suffix chooses the format, and spacing, place and class names go with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unetscope._napari.layers.layer import image_of
from unetscope.errors import InputError, OutputError
from unetscope.folders.predict import ONE_TIME_POINT
from unetscope.io import Image, write_mask
from unetscope.io._files import SUFFIXES, bare_name, suffix_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["write_dicom", "write_nifti", "write_nrrd", "write_png", "write_tiff", "write_zarr"]

_SAME = 1e-6


def write_png(path: str, data: Any, options: Mapping[str, Any]) -> list[str]:
    """Write a Labels layer of one plane, with labels up to 65535; ``.png`` unless `path` has another ending.

    Parameters
    ----------
    path : str
        The file. napari has asked already whether it may be replaced.
    data : array
    options : mapping
        What the layer is made with.

    Returns
    -------
    list of str
        The files that were written: one, but for time series in formats that hold one time point.

    Raises
    ------
    InputError, OutputError
        If the labels do not fit the format, or the file cannot be written.
    """
    return _write(path, data, options, ".png")


def write_tiff(path: str, data: Any, options: Mapping[str, Any]) -> list[str]:
    """Write a Labels layer with its spacing as OME-TIFF; see `write_png`."""
    return _write(path, data, options, ".ome.tif")


def write_dicom(path: str, data: Any, options: Mapping[str, Any]) -> list[str]:
    """Write a Labels layer as DICOM segmentation, on the DICOM images it was made from; see `write_png`.

    A time series becomes one file for each time point, ``NAME_t1.dcm`` and so on.
    """
    return _write(path, data, options, ".dcm")


def write_nifti(path: str, data: Any, options: Mapping[str, Any]) -> list[str]:
    """Write a Labels layer with its place in the patient as NIfTI; see `write_png`."""
    return _write(path, data, options, ".nii.gz")


def write_nrrd(path: str, data: Any, options: Mapping[str, Any]) -> list[str]:
    """Write a Labels layer as a segmentation for 3D Slicer; see `write_dicom` for series."""
    return _write(path, data, options, ".seg.nrrd")


def write_zarr(path: str, data: Any, options: Mapping[str, Any]) -> list[str]:
    """Write a Labels layer of any axes as OME-Zarr; see `write_png`."""
    return _write(path, data, options, ".ome.zarr")


def _write(path: str, data: Any, options: Mapping[str, Any], suffix: str) -> list[str]:
    from napari import current_viewer
    from napari.layers import Layer

    labels = image_of(Layer.create(data, dict(options), "labels"))
    if labels.source.path is None:
        labels = _placed(labels, current_viewer())
    # The name of a layer, which napari proposes, has no ending. Nobody was asked about the name with one.
    named = suffix_of(Path(path)) in SUFFIXES
    file = Path(path if named else path + suffix)
    points = labels.time_points()
    if SUFFIXES[suffix_of(file)] not in ONE_TIME_POINT or len(points) == 1:
        return [str(write_mask(file, labels, overwrite=named))]
    files = _one_each(file, len(points))
    return [str(write_mask(each, point)) for each, point in zip(files, points, strict=True)]


def _one_each(file: Path, points: int) -> list[Path]:
    """Files ``NAME_t01``, … beside the one that was named, none of which is there yet."""
    name, digits = bare_name(file), len(str(points))
    suffix = file.name.removeprefix(name)
    files = [file.with_name(f"{name}_t{i:0{digits}}{suffix}") for i in range(1, points + 1)]
    if taken := [each.name for each in files if each.exists()]:
        raise OutputError(
            f"{file.parent} holds {taken[0]} already",
            expected=f"no files {files[0].name} … {files[-1].name}, one for each time point",
            fix="choose another name",
        )
    return files


def _placed(labels: Image, viewer: ViewerModel | None) -> Image:
    """Take the source of the image that labels were painted on: the first in the viewer that fits."""
    for layer in () if viewer is None else viewer.layers:
        try:
            image = image_of(layer)
        except InputError:
            # Points, shapes and the like.
            continue
        if image.source.path is not None and _is_on(labels, image):
            return replace(labels, source=image.source, affine=image.affine)
    return labels


def _is_on(labels: Image, image: Image) -> bool:
    return (
        labels.axes == image.axes.replace("C", "")
        and labels.grid == image.grid
        and labels.units == image.units
        and np.allclose(labels.spacing, image.spacing, rtol=_SAME, atol=0)
        and np.allclose(np.subtract(labels.origin, image.origin), 0, atol=_SAME * max(image.spacing))
    )
