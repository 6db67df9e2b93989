"""One plane of pixels and what its header says of its place and time, without the pixels.

A file of one image is one plane; a multi-frame file is as many as it has frames. Whoever sorts planes into
stacks (`arrange`) need not know which of the two they came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.io.dicom.native import Native

__all__ = ["CLOCKS", "Plane"]

CLOCKS = {
    "TemporalPositionIndex": "temporal position",
    "TemporalPositionIdentifier": "temporal position",
    "TriggerTime": "trigger time",
    "NominalCardiacTriggerDelayTime": "trigger delay",
    "FrameTime": "frame time",
    "FrameReferenceTime": "frame reference time",
    "EchoTime": "echo time",
    "DiffusionBValue": "b-value",
    "InversionTime": "inversion time",
    "FlipAngle": "flip angle",
    "AcquisitionTime": "acquisition time",
    "ContentTime": "content time",
    "AcquisitionNumber": "acquisition number",
    "InstanceNumber": "instance number",
}
"""What can tell planes at one position apart, in the order in which `arrange` tries them, with its name in
notes. FrameTime counts from the first frame of a file, also where the file has a FrameTimeVector."""


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
        samples per pixel, photometric interpretation, … Compared, never shown. Spacing and image type are not
        part of it: `arrange` compares them itself.
    shape : (int, int)
        Rows and columns.
    dtype : dtype
        Type of its values as `pixel_values` gives them, from the header alone (`values_dtype`).
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
    image_type : tuple of str
        Image Type, or Frame Type of a frame: magnitude and phase, water and fat, localizers in one series.
    uid : str
        SOP Instance UID: two files with the same one are copies.
    native : Native or None
        How to read its values where no decoder is needed; None where `pixel_values` must.
    """

    path: Path
    frame: int | None
    kind: tuple[object, ...] = field(repr=False)
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    color: bool = False
    spacing: tuple[float, float] | None = None
    thickness: float | None = None
    position: tuple[float, float, float] | None = None
    orientation: tuple[float, ...] | None = None
    clocks: Mapping[str, float] = field(default_factory=dict)
    image_type: tuple[str, ...] = ()
    uid: str = field(default="", repr=False)
    native: Native | None = None

    def directions(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Unit vectors along a row and along a column, of a plane with an orientation."""
        row, column = np.array(self.orientation, float).reshape(2, 3)
        return row / np.linalg.norm(row), column / np.linalg.norm(column)
