"""DICOM: single files, series, segmentation objects and slides."""

from __future__ import annotations
