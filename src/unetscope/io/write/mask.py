"""Write labels in the smallest type that holds them; the suffix of the name chooses the format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import OutputError
from unetscope.io._files import SUFFIXES, StrPath, suffix_of
from unetscope.io.image import Image

__all__ = ["write_mask"]

_WRITTEN = ".png, .tif, .ome.tif, .ome.zarr, .dcm, .nii, .nii.gz, .nrrd or .seg.nrrd"


def write_mask(
    path: StrPath,
    labels: Image | NDArray[Any],
    *,
    spacing: Sequence[float] | None = None,
    units: str = "pixel",
    names: Mapping[int, str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write labels in the format that the suffix names, in the smallest unsigned type that holds them.

    ===========================  =============================================================================
    ``.png``                     a plane, labels up to 65535; keeps the spacing if it is known
    ``.tif``, ``.tiff``          any axes, spacing; opens in ImageJ
    ``.ome.tif``, ``.ome.tiff``  the same with OME's description, and place
    ``.zarr``, ``.ome.zarr``     OME-Zarr: any axes, spacing, names
    ``.dcm``                     DICOM segmentation, on the DICOM images that the labels were made from; names
    ``.nii``, ``.nii.gz``        NIfTI: place in the patient
    ``.nrrd``, ``.seg.nrrd``     NRRD: place in the patient; ``.seg.nrrd`` opens in 3D Slicer with names
    ===========================  =============================================================================

    Parameters
    ----------
    path : path
        The file to write; its suffix chooses the format.
    labels : Image or ndarray
        (Y, X), (Z, Y, X) or (T, Z, Y, X), integer or bool, not negative, below 2³². An image brings its
        spacing, its place and what it was made from.
    spacing : sequence of float, optional
        For an array: along its spatial axes, in `units`.
    units : str
        Unit of `spacing`: ``"mm"``, ``"µm"`` or ``"pixel"``.
    names : mapping of int to str, optional
        What the labels stand for; unless given, what ``labels.source.tags["labels"]`` says.
    overwrite : bool
        Whether a file of this name may be replaced.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    OutputError
        If the labels do not fit the format, the suffix is another, or the file cannot be written.
    """
    path = Path(path)
    image = _as_image(path, labels, spacing, units)
    names = image.source.tags.get("labels") if names is None else names
    suffix = suffix_of(path)
    match SUFFIXES.get(suffix):
        case "png":
            from unetscope.io.write.png import write_png

            return write_png(path, image, overwrite=overwrite)
        case "tiff":
            from unetscope.io.write.tiff import write_tiff

            return write_tiff(path, image, overwrite=overwrite)
        case "zarr":
            from unetscope.io.write.zarr import write_zarr

            return write_zarr(path, image, names=names, overwrite=overwrite)
        case "dicom":
            from unetscope.io.write.segmentation import write_segmentation

            return write_segmentation(path, image, names=names, overwrite=overwrite)
        case "nifti":
            from unetscope.io.write.nifti import write_nifti

            return write_nifti(path, image, overwrite=overwrite)
        case "nrrd" if suffix != ".nhdr":
            from unetscope.io.write.nrrd import write_nrrd

            return write_nrrd(path, image, names=names, overwrite=overwrite)
    raise OutputError(
        f"{path.name} ends in {suffix or 'no suffix'}", expected=_WRITTEN, fix="choose one of these"
    )


def _as_image(path: Path, labels: Image | NDArray[Any], spacing: Sequence[float] | None, units: str) -> Image:
    if isinstance(labels, Image):
        if spacing is not None or units != "pixel":
            raise OutputError(
                f"a spacing was given for {path.name} beside an image, which has its own",
                expected="one spacing",
                fix="leave spacing and units out",
            )
        return replace(labels, data=_smallest(path, np.asarray(labels.data), labels.axes), levels=())
    labels = np.asarray(labels)
    axes = "TZYX"[-labels.ndim :] if labels.ndim else ""
    data = _smallest(path, labels, axes)
    spatial = axes.removeprefix("T")
    if spacing is not None and len(spacing) != len(spatial):
        raise OutputError(
            f"the spacing for {path.name} is {tuple(spacing)}",
            expected=f"{len(spatial)} numbers, along {spatial}",
            fix="give one per spatial axis",
        )
    return Image(data, axes, () if spacing is None else tuple(spacing), units=units)


def _smallest(path: Path, labels: NDArray[Any], axes: str) -> NDArray[Any]:
    whole = labels.dtype.kind in "bui" and labels.size > 0 and 2 <= labels.ndim <= 4 and "C" not in axes
    if not whole or labels.min() < 0 or labels.max() >= 2**32:
        raise OutputError(
            f"the array of shape {labels.shape} and type {labels.dtype} for {path.name} is no mask",
            expected="two to four axes of integers from 0 to 4294967295, none of them channels",
            fix="convert it to labels",
        )
    return np.ascontiguousarray(labels, np.min_scalar_type(int(labels.max())))
