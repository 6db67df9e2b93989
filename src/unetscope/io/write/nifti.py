"""Write labels as NIfTI, where 3D Slicer and others find them on their image."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from unetscope.errors import OutputError
from unetscope.io.grid import FLIP_LPS_RAS, reorder, tilt_of
from unetscope.io.image import Image
from unetscope.io.write.files import atomic

__all__ = ["write_nifti"]

_LONGEST = 2**15 - 1
_SCANNER = 1
# Degrees that are nothing but rounding.
_UPRIGHT = 0.01
_UNITS = {"mm": "mm", "µm": "micron"}


def write_nifti(path: Path, labels: Image, *, overwrite: bool = False) -> Path:
    """Write labels as NIfTI-1, compressed if the name ends in ``.gz``; equal labels give equal files.

    The file's axes are columns, rows, slices and time. Labels with a known place get it as sform and qform
    (code 1, scanner); where a tilted gantry shears the stack, which a qform cannot say, as sform only.
    Without a known place both codes are 0, and only the spacing is written, if its unit is known.

    Raises
    ------
    OutputError
        If nibabel is missing, an axis is longer than 32767, or the file cannot be written.
    """
    try:
        from nibabel import Nifti1Image
    except ImportError as error:
        raise OutputError(
            f"{path.name} needs nibabel, which is not installed",
            expected="the extra for medical volumes",
            fix='run pip install "unetscope[volumes]"',
        ) from error
    if max(labels.data.shape) > _LONGEST:
        raise OutputError(
            f"labels of shape {labels.data.shape} do not fit {path.name}",
            expected=f"for NIfTI, at most {_LONGEST} pixels along an axis",
            fix="write TIFF (.tif) or OME-Zarr (.ome.zarr)",
        )
    data = labels.data if "Z" in labels.axes else np.expand_dims(labels.data, -3)
    if labels.affine is None:
        volume = Nifti1Image(data.T, None)
        if labels.units in _UNITS:
            sizes = labels.spacing[::-1]
            volume.header["pixdim"][1 : 1 + len(sizes)] = sizes
            volume.header.set_xyzt_units(_UNITS[labels.units])
    else:
        affine = reorder(FLIP_LPS_RAS @ labels.affine, (2, 1, 0))
        volume = Nifti1Image(data.T, affine)
        volume.set_sform(affine, _SCANNER)
        volume.set_qform(affine, _SCANNER if tilt_of(labels.affine) < _UPRIGHT else 0)
        volume.header.set_xyzt_units("mm")
    volume.header.set_intent("label")
    with atomic(path, overwrite=overwrite) as temporary, temporary.open("wb") as file:
        if path.suffix.lower() == ".gz":
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as compressed:
                volume.to_stream(compressed)
        else:
            volume.to_stream(file)
    return path
