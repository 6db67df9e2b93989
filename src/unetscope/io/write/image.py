"""Write images as OME-TIFF, with all that an `Image` knows, so that they read back the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import OutputError
from unetscope.io._files import StrPath, suffix_of
from unetscope.io._units import to_length
from unetscope.io.image import Image
from unetscope.io.pictures.ome import NAMESPACE
from unetscope.io.write.files import atomic

__all__ = ["IMAGEJ_AXES", "OME_SUFFIXES", "write_image"]

OME_SUFFIXES = (".ome.tif", ".ome.tiff")
IMAGEJ_AXES = "TZCYX"
"""The order in which ImageJ wants its axes."""

# OME has no other numbers.
_INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
_TYPES = {*_INTEGERS, "float32", "float64"}


def write_image(path: StrPath, image: Image, *, overwrite: bool = False) -> Path:
    """Write an image as OME-TIFF: values as they are, axes, channel names, spacing and place.

    What OME has no word for is noted beside it for our reader: origin and place in the patient, the display
    window, and the group that a split must not divide.

    Parameters
    ----------
    path : path
        A name ending in ``.ome.tif`` or ``.ome.tiff``.
    image : Image
        Integer or floating-point values; red, green and blue are written as colors. What no TIFF can name
        is widened where that changes no value: bool to uint8, float16 to float32, 64-bit integers to 32 bits
        if they fit.
    overwrite : bool
        Whether a file of this name may be replaced.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    OutputError
        If the suffix is another, OME-TIFF has no such numbers, or the file cannot be written.
    """
    import tifffile

    path = Path(path)
    if suffix_of(path) not in OME_SUFFIXES:
        raise OutputError(
            f"{path.name} is no name for an image with its axes and spacing",
            expected=".ome.tif or .ome.tiff",
            fix="choose one of these",
        )
    image = replace(image, data=_storable(path, np.asarray(image.data)), levels=())
    ordered = "".join(axis for axis in IMAGEJ_AXES if axis in image.axes)
    if image.is_rgb:
        ordered = ordered.replace("C", "") + "C"
    sizes = (
        {} if to_length(1, image.units) is None else dict(zip(image.spatial_axes, image.spacing, strict=True))
    )
    with atomic(path, overwrite=overwrite) as temporary:
        tifffile.imwrite(
            temporary,
            image.data.transpose([image.axes.index(axis) for axis in ordered]),
            ome=True,
            metadata=_metadata(image, ordered, sizes),
            photometric="rgb" if image.is_rgb else "minisblack",
            compression="zlib",
            resolution=(1 / sizes["X"], 1 / sizes["Y"]) if sizes else None,
            resolutionunit="none",
        )
    return path


def _storable(path: Path, data: NDArray[Any]) -> NDArray[Any]:
    """Convert values to a type that OME names, where none of them changes."""
    if data.dtype.kind in "iu" and data.dtype.itemsize == 8 and data.size:
        limits = {name: np.iinfo(name) for name in _INTEGERS}
        low, high = int(data.min()), int(data.max())
        fitting = [name for name, limit in limits.items() if limit.min <= low and high <= limit.max]
        data = data.astype(fitting[0] if fitting else data.dtype)
    elif data.dtype.kind == "b":
        data = data.astype(np.uint8)
    elif data.dtype == np.float16:
        data = data.astype(np.float32)
    if data.dtype.name not in _TYPES or data.size == 0:
        raise OutputError(
            f"the array of shape {data.shape} and type {data.dtype} for {path.name} fits no OME-TIFF",
            expected="numbers of 8, 16 or 32 bits, or floating-point numbers of up to 64",
            fix="convert the image",
        )
    return data


def _metadata(image: Image, ordered: str, sizes: Mapping[str, float]) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "axes": ordered.replace("C", "S") if image.is_rgb else ordered,
        "MapAnnotation": _noted(image, sizes),
    }
    if image.channels and not image.is_rgb:
        metadata["Channel"] = {"Name": [_text(name) for name in image.channels]}
    for axis, size in sizes.items():
        metadata |= {f"PhysicalSize{axis}": float(size), f"PhysicalSize{axis}Unit": image.units}
    return metadata


def _noted(image: Image, sizes: Mapping[str, float]) -> dict[str, str]:
    """What only our reader looks for."""
    noted = {"Namespace": NAMESPACE, "axes": image.axes}
    if not sizes and set(image.spacing) != {1.0}:
        # A stack can be anisotropic though nobody knows the unit.
        noted["spacing"] = _numbers(image.spacing)
    if any(image.origin):
        noted["origin"] = _numbers(image.origin)
    if image.affine is not None:
        noted["affine"] = _numbers(image.affine.ravel())
    if image.source.window is not None:
        noted["window"] = _numbers(image.source.window)
    if image.source.group is not None:
        noted["group"] = _text(image.source.group)
    return noted


def _numbers(values: Any) -> str:
    return " ".join(repr(float(value)) for value in values)


def _text(words: str) -> str:
    """Words without the characters that XML cannot hold."""
    return "".join(letter if letter.isprintable() else " " for letter in words)
