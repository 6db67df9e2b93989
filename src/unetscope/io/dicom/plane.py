"""One plane of pixels and what its header says of its place and time, without the pixels.

A file of one image is one plane; a multi-frame file is as many as it has frames. Whoever sorts planes into
stacks (`arrange`) need not know which of the two they came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CLOCKS", "Plane"]

CLOCKS = (
    "TemporalPositionIndex",
    "TemporalPositionIdentifier",
    "TriggerTime",
    "NominalCardiacTriggerDelayTime",
    "EchoTime",
    "DiffusionBValue",
    "InversionTime",
    "AcquisitionTime",
    "ContentTime",
    "AcquisitionNumber",
    "InstanceNumber",
)
"""What can tell planes at one position apart, in the order in which `arrange` tries them."""


@dataclass(frozen=True)
class Plane:
    """Place and time of one plane.

    Attributes
    ----------
    path : Path
        The file.
    frame : int or None
        Index of the frame in a multi-frame file, from 0; None for a file of one image.
    kind : tuple
        Everything in which planes of one stack must agree besides their orientation: series, rows, columns,
        samples per pixel, photometric interpretation, … Compared, never shown.
    shape : (int, int)
        Rows and columns.
    color : bool
        Whether its pixels are red, green and blue.
    spacing : (float, float) or None
        Distance between rows and between columns, mm; None where unknown.
    thickness : float or None
        Spacing between slices, else slice thickness, as the header states it, mm.
    position : (float, float, float) or None
        Center of the first pixel in the patient, mm, LPS.
    orientation : tuple of 6 float or None
        Directions of a row and of a column (Image Orientation (Patient)).
    clocks : mapping of str to float
        Those of `CLOCKS` that the header gives, as numbers (times of day in seconds).
    uid : str
        SOP Instance UID: two files with the same one are copies.
    """

    path: Path
    frame: int | None
    kind: tuple[object, ...]
    shape: tuple[int, int]
    color: bool = False
    spacing: tuple[float, float] | None = None
    thickness: float | None = None
    position: tuple[float, float, float] | None = None
    orientation: tuple[float, ...] | None = None
    clocks: Mapping[str, float] = field(default_factory=dict)
    uid: str = ""
