"""The index of a folder of predictions: where each came from and on which physical grid it lies.

It lies beside the results as ``predictions.json``: a PNG cannot say these things itself.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from unetscope.errors import InputError

__all__ = ["INDEX", "PredictedFile", "read_index"]

INDEX = "predictions.json"


@dataclass(frozen=True)
class PredictedFile:
    """One prediction on disk.

    Attributes
    ----------
    image : str
        What was segmented: a file, or the folder of a series.
    labels : str
        File name of the labels.
    probabilities : str
        File name of the probabilities; empty if they were not wanted.
    spacing : tuple of float
    units : str
        The physical grid of the labels.
    objects : bool
        Whether the labels number objects, rather than name classes.
    pixels : dict
        Label value → number of pixels.
    seconds : float
        For reading, predicting and writing.
    diameter : float or None
        Of the objects, pixels, given or estimated, where the model brings them to one size.
    """

    image: str
    labels: str
    probabilities: str
    spacing: tuple[float, ...]
    units: str
    objects: bool
    pixels: dict[int, int]
    seconds: float
    diameter: float | None = None


def read_index(folder: Path) -> dict[str, dict[str, Any]]:
    """Read the entries of an index by the names of their label files; none where there is no index.

    Raises
    ------
    InputError
        If the index is damaged.
    """
    path = folder / INDEX
    if not path.is_file():
        return {}
    # Earlier versions wrote what has no default.
    wanted = {field.name for field in fields(PredictedFile) if field.default is MISSING}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if all(wanted <= entry.keys() for entry in entries):
            return {entry["labels"]: entry for entry in entries}
    except (OSError, ValueError, TypeError, AttributeError):
        pass
    raise InputError(
        f"{path} is damaged", expected="the index that predict wrote", fix="predict to a new folder"
    )
