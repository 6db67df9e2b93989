"""Read one DICOM file: an image, frames as a stack, a segmentation, or a slide."""

from __future__ import annotations

from pathlib import Path

from unetscope.errors import InputError
from unetscope.io.dicom.arrange import arrange
from unetscope.io.dicom.decode import decoding, open_dicom
from unetscope.io.dicom.frames import planes_of
from unetscope.io.dicom.header import frame_count
from unetscope.io.dicom.split import split_stacks
from unetscope.io.dicom.stack import read_stack
from unetscope.io.dicom.values import require_image
from unetscope.io.image import Image

__all__ = ["read_dicom"]


def read_dicom(path: Path, *, lazy: bool = False) -> Image:
    """Read one DICOM file.

    Values are those of `pixel_values`, the window and the other tags those of the first frame. Frames are
    sorted as the planes of a series are (`arrange`); those without a position are time points where the file
    gives a frame time, slices otherwise, in the order of the file. A segmentation object is read by
    `read_segmentation`, a slide in tiles by `read_slide`.

    Parameters
    ----------
    path : Path
    lazy : bool
        Leave the pixels of large images on disk.

    Returns
    -------
    Image
        ``"YX"`` with the axes of time, color and slices that there are. Spacing is in mm; (1, …) ``"pixel"``
        where the file does not give all of it.

    Raises
    ------
    ReadError
        If the file is damaged, holds no image, or is compressed in a way for which no decoder is installed.
    InputError
        If its frames make no regular stack.
    """
    with decoding(path):
        header = open_dicom(path, header_only=True)
        require_image(header, path)
        if "SegmentSequence" in header:
            from unetscope.io.dicom.segmentation import read_segmentation

            return read_segmentation(path, lazy=lazy)
        if "TotalPixelMatrixColumns" in header and frame_count(header) > 1:
            from unetscope.io.dicom.slide import read_slide

            return read_slide(path, lazy=lazy)
        planes = planes_of(path, header)
    stacks = split_stacks(planes)
    if len(stacks) > 1:
        raise InputError(
            f"{path.name} holds {len(stacks)} stacks of frames that differ in {' and '.join(stacks[0][1])}",
            expected="one stack",
            fix="read them one by one with read_series",
        )
    return read_stack(arrange(planes), header=header, lazy=lazy)
