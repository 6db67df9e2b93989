"""DICOM: single files, series, segmentation objects and slides."""

from __future__ import annotations

from unetscope.io.dicom.file import read_dicom
from unetscope.io.dicom.series import find_series, read_dicom_series, read_stack

__all__ = ["find_series", "read_dicom", "read_dicom_series", "read_stack"]
