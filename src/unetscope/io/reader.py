"""One door for all files: look at the content, call the reader of that format."""

from __future__ import annotations

from pathlib import Path

from unetscope.errors import InputError
from unetscope.io._files import StrPath, kind_of
from unetscope.io.image import Image

__all__ = ["read", "read_series"]

# Each format's library is imported when a file of that format is read: importing this package stays quick.


def read(path: StrPath) -> Image:
    """Read an image file, or a folder that holds exactly one DICOM series.

    Parameters
    ----------
    path : path
        DICOM (with or without suffix), PNG, JPEG, GIF, BMP or TIFF, told apart by content; or a folder.

    Returns
    -------
    Image
        Stored values at their own bit depth, axes in the order ``TCZYX``.

    Raises
    ------
    ReadError
        If the file is missing, empty, damaged or not an image, or the folder holds no DICOM files.
    InputError
        If the folder holds several series, or one that is no regular stack.
    """
    path = Path(path)
    if path.is_dir():
        return _read_one_series(path)
    kind = kind_of(path)
    if kind == "dicom":
        from unetscope.io.dicom import read_dicom

        return read_dicom(path)
    if kind == "tiff":
        from unetscope.io.tiff import read_tiff

        return read_tiff(path)
    from unetscope.io.png import read_picture

    return read_picture(path)


def read_series(folder: StrPath) -> list[Image]:
    """Read all DICOM series that lie in a folder, each as one image.

    Raises
    ------
    ReadError
        If the folder is missing or holds no DICOM files, or one of them is damaged.
    InputError
        If a series is no regular stack: slices missing, or positions that repeat unevenly.
    """
    from unetscope.io.dicom_series import read_dicom_series

    return read_dicom_series(Path(folder))


def _read_one_series(folder: Path) -> Image:
    from unetscope.io.dicom_series import find_series, read_stack

    series = find_series(folder)
    if len(series) > 1:
        raise InputError(
            f"{folder} holds {len(series)} DICOM series",
            expected="exactly one",
            fix="read them all with read_series, or put each series into its own folder",
        )
    return read_stack(series[0])
