"""DICOMDIR: the table of contents of a disc."""

from __future__ import annotations

from pathlib import Path

__all__ = ["is_dicomdir"]


def is_dicomdir(path: Path) -> bool:
    """Whether a DICOM file is a directory of others."""
    return path.name.upper() == "DICOMDIR"
