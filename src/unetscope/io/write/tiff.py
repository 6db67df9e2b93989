"""Write TIFF files that ImageJ opens with their axes and spacing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import OutputError
from unetscope.io._files import StrPath, suffix_of
from unetscope.io.image import AXES
from unetscope.io.pictures.ome import NAMESPACE
from unetscope.io.write.files import atomic

__all__ = ["SUFFIXES", "write_float", "write_tiff"]

SUFFIXES = (".tif", ".tiff")
_OME_SUFFIXES = (".ome.tif", ".ome.tiff")
# The order in which ImageJ wants its axes.
_IMAGEJ_AXES = "TZCYX"
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
    if len(axes) != array.ndim or set(axes) - set(AXES) or array.size == 0:
        raise OutputError(
            f"the array for {path.name} has shape {array.shape} and axes {axes!r}",
            expected="one letter of TCZYX per axis, none of length 0",
            fix="name the axes of the array",
        )
    return write_tiff(path, np.asarray(array, np.float32), axes, spacing, units, overwrite=overwrite)


def write_tiff(
    path: Path,
    array: NDArray[Any],
    axes: str,
    spacing: Sequence[float] | None,
    units: str,
    *,
    overwrite: bool,
) -> Path:
    """Write what ImageJ opens with its axes and spacing; others, such as uint32, with the same tags.

    A name ending in ``.ome.tif`` or ``.ome.tiff`` gets OME metadata instead. Axes of length 1, which neither
    ImageJ's nor OME's metadata can tell from axes that are not there, are noted for our reader.
    """
    import tifffile

    spatial = [axis for axis in axes if axis in "ZYX"]
    if spacing is not None and len(spacing) != len(spatial):
        raise OutputError(
            f"the spacing for {path.name} is {tuple(spacing)}",
            expected=f"{len(spatial)} numbers, along {''.join(spatial)}",
            fix="give one per spatial axis",
        )
    sizes = dict(zip(spatial, spacing, strict=True)) if spacing is not None and units != "pixel" else {}
    ordered = "".join(axis for axis in _IMAGEJ_AXES if axis in axes)
    array = array.transpose([axes.index(axis) for axis in ordered])
    if suffix_of(path) in _OME_SUFFIXES:
        options: dict[str, Any] = {"ome": True, "metadata": _ome_metadata(ordered, axes, sizes, units)}
    else:
        options = {"imagej": _suits_imagej(array), "metadata": _metadata(ordered, axes, sizes, units)}
    if sizes:
        options["resolution"] = (1 / sizes["X"], 1 / sizes["Y"])
    with atomic(path, overwrite=overwrite) as temporary:
        tifffile.imwrite(
            temporary, array, photometric="minisblack", compression="zlib", resolutionunit="none", **options
        )
    return path


def _metadata(ordered: str, axes: str, sizes: Mapping[str, float], units: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": ordered, NAMESPACE: axes}
    if sizes:
        metadata["unit"] = _UNITS.get(units, units)
    if "Z" in sizes:
        metadata["spacing"] = float(sizes["Z"])
    return metadata


def _ome_metadata(ordered: str, axes: str, sizes: Mapping[str, float], units: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"axes": ordered, "MapAnnotation": {"Namespace": NAMESPACE, "axes": axes}}
    for axis, size in sizes.items():
        metadata |= {f"PhysicalSize{axis}": float(size), f"PhysicalSize{axis}Unit": units}
    return metadata


def _suits_imagej(array: NDArray[Any]) -> bool:
    # tifffile takes a last axis of length 1 for samples in ImageJ's layout, and cannot read it back.
    return array.dtype.name in _IMAGEJ_TYPES and array.nbytes < _IMAGEJ_BYTES and array.shape[-1] > 1
