"""Pixels that need no decoder: read straight from their place in the file.

Most files of most series are uncompressed gray images. Their headers are read anyway, to sort them; what is
left to know of the pixels fits into a few numbers, and reading them takes a tenth of the time of a decoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from unetscope.io.dicom.decode import pixel_element
from unetscope.io.dicom.header import frame_count, holds
from unetscope.io.dicom.layout import layout_of
from unetscope.io.dicom.mapping import Line, Mapping, mapping_of
from unetscope.io.dicom.stored import align

__all__ = ["Native", "native_of"]

_SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian)


@dataclass(frozen=True)
class Native:
    """How to read the values of one image without its header; the same as `pixel_values` gives.

    Attributes
    ----------
    offset : int
        Where the pixels begin in the file.
    shape : (int, int)
        Rows and columns.
    dtype : dtype
        Type of the stored values.
    bits, high : int
        Number of stored bits, and the place of the highest of them.
    line : Line or None
        Rescale slope and intercept; None where they change nothing.
    """

    offset: int
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    bits: int
    high: int
    line: Line | None

    def read(self, path: Path) -> NDArray[Any]:
        """Read the values; raises ValueError where the file is too short."""
        rows, columns = self.shape
        stored = np.fromfile(path, self.dtype.newbyteorder("<"), rows * columns, offset=self.offset)
        values = stored.astype(self.dtype, copy=False).reshape(self.shape)
        if values.dtype.kind != "f":
            values = align(values, self.bits, self.high)
        if self.line is None:
            return values
        with np.errstate(over="raise"):
            return self.line(values).astype(np.float32)


def native_of(header: Dataset) -> Native | None:
    """Tell how to read the pixels of a file; None where they need a decoder, or are not plain gray."""
    element, mapping = pixel_element(header), _plain_mapping(header)
    if element is None or element.offset is None or mapping is None:
        return None
    line, layout = mapping.at(0), layout_of(header)
    shape = layout.rows, layout.columns
    # What follows a value that is too short is something else.
    complete = element.length >= shape[0] * shape[1] * layout.dtype.itemsize
    if not complete or not isinstance(line, Line):
        return None
    changing = line if mapping.changes else None
    return Native(element.offset, shape, layout.dtype, layout.bits, layout.high, changing)


def _plain_mapping(header: Dataset) -> Mapping | None:
    """Mapping of the values if the file holds one uncompressed image of gray, and no tables; else None."""
    layout = layout_of(header)
    plain = (
        layout.syntax in _SYNTAXES
        and layout.allocated in {8, 16, 32}
        and 1 <= layout.bits <= layout.allocated
        and layout.photometric == "MONOCHROME2"
        and layout.samples == 1
        and frame_count(header) == 1
        and not holds(header, "ModalityLUTSequence")
    )
    return mapping_of(header) if plain else None
