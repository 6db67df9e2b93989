"""Write TIFF files that ImageJ opens with their axes and spacing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import OutputError
from unetscope.io._files import StrPath
from unetscope.io.image import AXES
from unetscope.io.write.files import atomic

__all__ = ["SUFFIXES", "write_float", "write_tiff"]

SUFFIXES = (".tif", ".tiff")
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
    """Write what ImageJ opens with its axes and spacing; others, such as uint32, with the same tags."""
    import tifffile

    ordered = "".join(axis for axis in _IMAGEJ_AXES if axis in axes)
    metadata: dict[str, Any] = {"axes": ordered}
    options: dict[str, Any] = {}
    spatial = [axis for axis in axes if axis in "ZYX"]
    if spacing is not None and len(spacing) != len(spatial):
        raise OutputError(
            f"the spacing for {path.name} is {tuple(spacing)}",
            expected=f"{len(spatial)} numbers, along {''.join(spatial)}",
            fix="give one per spatial axis",
        )
    if spacing is not None and units != "pixel":
        along = dict(zip(spatial, spacing, strict=True))
        options["resolution"] = (1 / along["X"], 1 / along["Y"])
        metadata["unit"] = _UNITS.get(units, units)
        if "Z" in along:
            metadata["spacing"] = float(along["Z"])
    with atomic(path, overwrite=overwrite) as temporary:
        tifffile.imwrite(
            temporary,
            array.transpose([axes.index(axis) for axis in ordered]),
            imagej=_suits_imagej(array),
            photometric="minisblack",
            compression="zlib",
            metadata=metadata,
            resolutionunit="none",
            **options,
        )
    return path


def _suits_imagej(array: NDArray[Any]) -> bool:
    # tifffile takes a last axis of length 1 for samples in ImageJ's layout, and cannot read it back.
    return array.dtype.name in _IMAGEJ_TYPES and array.nbytes < _IMAGEJ_BYTES and array.shape[-1] > 1
