"""One door for all files: look at the content, call the reader of that format."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from unetscope.errors import InputError, ReadError
from unetscope.io._files import KINDS, StrPath, is_folder, is_store, kind_of
from unetscope.io.image import Image

if TYPE_CHECKING:
    from unetscope.io.dicom.series import Series

__all__ = ["find_series", "read", "read_series"]

# Each format's library is imported when a file of that format is read: importing this package stays quick.
_PICTURE = ("pictures.picture", "read_picture")
_READERS = {
    "dicom": ("dicom.file", "read_dicom"),
    "png": _PICTURE,
    "jpeg": _PICTURE,
    "gif": _PICTURE,
    "bmp": _PICTURE,
    "tiff": ("pictures.tiff", "read_tiff"),
    "zarr": ("pictures.zarr", "read_zarr"),
    "nifti": ("volumes.nifti", "read_nifti"),
    "nrrd": ("volumes.nrrd", "read_nrrd"),
}


def read(path: StrPath, *, lazy: bool = False) -> Image:
    """Read an image file, or a folder that holds exactly one DICOM series.

    Parameters
    ----------
    path : path
        DICOM (with or without suffix; DICOMDIR), PNG, JPEG, GIF, BMP, TIFF, NIfTI or NRRD, told apart by
        content; a folder of one DICOM series; or an OME-Zarr store.
    lazy : bool
        Leave the pixels of large images (above 256 MB) on disk: `Image.data` is then a dask array.

    Returns
    -------
    Image
        Stored values at their own bit depth, axes in the order ``TCZYX``.

    Raises
    ------
    ReadError
        If the file is missing, empty, damaged, too large for the memory or not an image, or the folder
        holds no DICOM files.
    InputError
        If the folder holds several series, or one that is no regular stack.
    """
    path = Path(path)
    if is_folder(path) and not is_store(path):
        return _read_one_series(path, lazy=lazy)
    kind = kind_of(path)
    if kind == "zip":
        raise ReadError(f"{path.name} is a ZIP archive", expected=KINDS, fix="unpack it (`unetscope unpack`)")
    if kind == "dicom" and _is_dicomdir(path):
        return _read_one_series(path, lazy=lazy)
    module, reader = _READERS[kind]
    image: Image = getattr(import_module(f"unetscope.io.{module}"), reader)(path, lazy=lazy)
    return image


def read_series(folder: StrPath, *, lazy: bool = False) -> list[Image]:
    """Read all DICOM series that lie in a folder or that a DICOMDIR lists, each as one image.

    Raises
    ------
    ReadError
        If the folder is missing or holds no DICOM files, or one of them is damaged.
    InputError
        If a series is no regular stack: slices missing, or positions that repeat unevenly.
    """
    return [series.read(lazy=lazy) for series in find_series(folder)]


def find_series(folder: StrPath) -> list[Series]:
    """List the DICOM series that lie in a folder or that a DICOMDIR lists, without reading pixels.

    Returns
    -------
    list of Series
        Each with a label, its size, what is wrong with it if anything, and a method `read`.

    Raises
    ------
    ReadError
        If the folder is missing or holds no DICOM image.
    """
    from unetscope.io.dicom import series

    return series.find_series(Path(folder))


def _is_dicomdir(path: Path) -> bool:
    from unetscope.io.dicom.dicomdir import is_dicomdir

    return is_dicomdir(path)


def _read_one_series(folder: Path, *, lazy: bool) -> Image:
    series = find_series(folder)
    for one in series:
        if isinstance(one.error, ReadError):
            # A damaged file may be a slice of the only series, which would then be shorter than it is.
            raise one.error
    if len(series) > 1:
        raise InputError(
            f"{folder} holds {len(series)} DICOM series",
            expected="exactly one",
            fix="read them all with read_series, or put each series into its own folder",
        )
    return series[0].read(lazy=lazy)
