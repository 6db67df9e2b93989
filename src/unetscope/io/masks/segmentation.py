"""Tell DICOM segmentation objects from DICOM images, by the first bytes of a file."""

from __future__ import annotations

from pathlib import Path

from unetscope.errors import ReadError
from unetscope.io._files import kind_of

__all__ = ["instance_of", "is_segmentation"]

_STORAGES = {"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"}


def is_segmentation(path: Path) -> bool:
    """Whether a file is a DICOM segmentation object, with bits or with a label map."""
    return _identity(path)[0] in _STORAGES


def instance_of(path: Path) -> str:
    """SOP instance UID of a DICOM file, to be compared and never shown; empty where there is none."""
    return _identity(path)[1]


def _identity(path: Path) -> tuple[str, str]:
    """SOP class and instance from the file meta information, which lies before everything else."""
    from pydicom.filereader import read_file_meta_info

    from unetscope.io.dicom.decode import decoding

    names = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID")
    try:
        if kind_of(path) != "dicom":
            return "", ""
        with decoding(path):
            meta = read_file_meta_info(path)
            kind, instance = (str(meta.get(name, "")) for name in names)
    except ReadError:
        # Whoever reads the file will say what is wrong with it.
        return "", ""
    return kind, instance
