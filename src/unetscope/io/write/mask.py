"""Write labels in the smallest type that holds them; the suffix of the name chooses the format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import OutputError
from unetscope.io._files import StrPath
from unetscope.io.write.files import atomic
from unetscope.io.write.tiff import SUFFIXES, write_tiff

__all__ = ["write_mask"]


def write_mask(
    path: StrPath,
    labels: NDArray[Any],
    *,
    spacing: Sequence[float] | None = None,
    units: str = "pixel",
    overwrite: bool = False,
) -> Path:
    """Write labels as PNG or TIFF, by the suffix, in the smallest unsigned type that holds them.

    Parameters
    ----------
    path : path
        A name ending in ``.png`` (2D, up to 65535; keeps no spacing), ``.tif`` or ``.tiff``.
    labels : ndarray
        (Y, X), (Z, Y, X) or (T, Z, Y, X), integer or bool, not negative, below 2³².
    spacing : sequence of float, optional
        Along the spatial axes of `labels`, in `units`. Kept by TIFF only.
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
        If the labels do not fit the format, the suffix is another, or the file cannot be written.
    """
    path = Path(path)
    labels = _smallest(path, np.asarray(labels))
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        axes = "TZYX"[-labels.ndim :]
        return write_tiff(path, labels, axes, spacing, units, overwrite=overwrite)
    if suffix != ".png":
        raise OutputError(
            f"{path.name} ends in {suffix or 'no suffix'}",
            expected=".png, .tif or .tiff",
            fix="choose one of these",
        )
    if labels.ndim != 2 or labels.dtype.itemsize > 2:
        raise OutputError(
            f"labels of shape {labels.shape} up to {labels.max()} do not fit {path.name}",
            expected="for PNG, two dimensions and labels up to 65535",
            fix="write TIFF (.tif)",
        )
    import imagecodecs

    with atomic(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(imagecodecs.png_encode(labels))
    return path


def _smallest(path: Path, labels: NDArray[Any]) -> NDArray[Any]:
    whole = labels.dtype.kind in "bui" and labels.size > 0 and 2 <= labels.ndim <= 4
    if not whole or labels.min() < 0 or labels.max() >= 2**32:
        raise OutputError(
            f"the array of shape {labels.shape} and type {labels.dtype} for {path.name} is no mask",
            expected="two to four axes of integers from 0 to 4294967295",
            fix="convert it to labels",
        )
    largest = int(labels.max())
    dtype = next(t for t in (np.uint8, np.uint16, np.uint32) if largest <= np.iinfo(t).max)
    return np.ascontiguousarray(labels, dtype)
