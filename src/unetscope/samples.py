"""The sample images that come with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from unetscope.errors import InputError

__all__ = ["SAMPLES", "sample_folder"]

SAMPLES = ("heart", "fundus", "xray", "cells")
"""Names of the sets, described in ``sample_data/README.md``."""


def sample_folder(name: str) -> Path:
    """The folder of a sample set.

    Raises
    ------
    InputError
        If there is no such set, or the installation has lost it.
    """
    folder = Path(str(files("unetscope"))) / "sample_data" / name
    if name not in SAMPLES or not folder.is_dir():
        raise InputError(
            f"there is no sample set {name!r}",
            expected=f"one of {', '.join(SAMPLES)}",
            fix="reinstall unetscope",
        )
    return folder
