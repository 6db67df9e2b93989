"""Write TIFF files that ImageJ opens with their axes and spacing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError, OutputError
from unetscope.io._files import StrPath, suffix_of
from unetscope.io.image import Image
from unetscope.io.pictures.ome import NAMESPACE
from unetscope.io.write.files import atomic
from unetscope.io.write.image import IMAGEJ_AXES, OME_SUFFIXES, write_image

__all__ = ["SUFFIXES", "write_float", "write_tiff"]

SUFFIXES = (".tif", ".tiff")
_IMAGEJ_TYPES = {"uint8", "uint16", "float32"}
_IMAGEJ_BYTES = 2**31
_UNITS = {"µm": "um"}


def write_float(
    path: StrPath,
    array: NDArray[Any],
    *,
    axes: str,
    spacing: Sequence[float] | None = None,
    units: str = "pixel",
    overwrite: bool = False,
) -> Path:
    """Write real numbers, such as probabilities, as a TIFF of float32.

    Parameters
    ----------
    path : path
        A name ending in ``.tif`` or ``.tiff``.
    array : ndarray
        One axis per letter of `axes`.
    axes : str
        A subsequence of ``"TCZYX"``, as in `Image`.
    spacing : sequence of float, optional
        Along the spatial axes, in `units`.
    units : str
        Unit of `spacing`: ``"mm"``, ``"µm"`` or ``"pixel"``.
    overwrite : bool
        Whether a file of this name may be replaced.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    OutputError
        If the axes do not fit the array, the suffix is another, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(
            f"{path.name} cannot hold real numbers", expected=".tif or .tiff", fix="choose one of these"
        )
    try:
        image = Image(np.asarray(array, np.float32), axes, tuple(spacing or ()), units=units)
    except InputError as error:
        raise OutputError(f"{path.name}: {error.found}", expected=error.expected, fix=error.fix) from error
    return write_tiff(path, image, overwrite=overwrite)


def write_tiff(path: Path, image: Image, *, overwrite: bool) -> Path:
    """Write what ImageJ opens with its axes and spacing; others, such as uint32, with the same tags.

    A name ending in ``.ome.tif`` or ``.ome.tiff`` makes it OME-TIFF; see `write_image`. Axes of length
    1, which ImageJ's metadata cannot tell from axes that are not there, are noted for our reader.
    """
    import tifffile

    if suffix_of(path) in OME_SUFFIXES:
        return write_image(path, image, overwrite=overwrite)
    if image.data.size == 0:
        raise OutputError(f"{path.name} would hold no pixels", expected="an image", fix="choose another")
    sizes = dict(zip(image.spatial_axes, image.spacing, strict=True)) if image.units != "pixel" else {}
    ordered = "".join(axis for axis in IMAGEJ_AXES if axis in image.axes)
    array = image.data.transpose([image.axes.index(axis) for axis in ordered])
    with atomic(path, overwrite=overwrite) as temporary:
        tifffile.imwrite(
            temporary,
            array,
            imagej=_suits_imagej(array),
            metadata=_metadata(ordered, image.axes, sizes, image.units),
            photometric="minisblack",
            compression="zlib",
            resolution=(1 / sizes["X"], 1 / sizes["Y"]) if sizes else None,
            resolutionunit="none",
        )
    return path


def _metadata(ordered: str, axes: str, sizes: Mapping[str, float], units: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": ordered, NAMESPACE: axes}
    if sizes:
        metadata["unit"] = _UNITS.get(units, units)
    if "Z" in sizes:
        metadata["spacing"] = float(sizes["Z"])
    return metadata


def _suits_imagej(array: NDArray[Any]) -> bool:
    # tifffile takes a last axis of length 1 for samples in ImageJ's layout, and cannot read it back.
    return array.dtype.name in _IMAGEJ_TYPES and array.nbytes < _IMAGEJ_BYTES and array.shape[-1] > 1
