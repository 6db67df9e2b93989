"""How the pixels of a file are laid out, as its header states it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.datadict import dictionary_description
from pydicom.uid import UID

from unetscope.io.dicom.decode import pixel_element
from unetscope.io.dicom.header import numbers, text

__all__ = ["Layout", "layout_of"]

_FLOATS: dict[str, np.dtype[Any]] = {
    "FloatPixelData": np.dtype(np.float32),
    "DoubleFloatPixelData": np.dtype(np.float64),
}


@dataclass(frozen=True)
class Layout:
    """Number, words and kind of the pixels (PS3.3 C.7.6.3.1).

    Attributes
    ----------
    syntax : UID
        Transfer syntax.
    rows, columns : int
    samples : int
        Per pixel.
    photometric : str
        Photometric Interpretation.
    allocated, bits, high : int
        Bits of a word, how many of them are stored, and the place of the highest stored one where the file
        is not compressed. Floats have no stored bits: 0.
    signed : bool
        Whether stored values are numbers with a sign.
    dtype : dtype
        Type of the stored values.
    """

    syntax: UID
    rows: int
    columns: int
    samples: int
    photometric: str
    allocated: int
    bits: int
    high: int
    signed: bool
    dtype: np.dtype[Any]

    @property
    def is_color(self) -> bool:
        """Whether the decoded pixels are red, green and blue."""
        return self.samples > 1 or self.photometric == "PALETTE COLOR"

    @property
    def ends(self) -> tuple[int, int]:
        """Smallest and largest value that the stored bits can hold."""
        half = 1 << (self.bits - 1)
        return (-half, half - 1) if self.signed else (0, 2 * half - 1)


def layout_of(dataset: Dataset) -> Layout:
    """Find the layout of the pixels of a dataset; raises ValueError where the header does not tell it."""
    # Kept with the dataset, which is not changed afterwards: asked often for each of thousands of headers.
    if "_layout" not in vars(dataset):
        vars(dataset)["_layout"] = _find_layout(dataset)
    found: Layout = vars(dataset)["_layout"]
    return found


def _find_layout(dataset: Dataset) -> Layout:
    allocated, bits = _whole(dataset, "BitsAllocated"), _whole(dataset, "BitsStored", 0)
    # Today the highest bit is always this one; files of the eighties have others.
    high = max(bits - 1, min(_whole(dataset, "HighBit", bits - 1), allocated - 1))
    signed = any(numbers(dataset, "PixelRepresentation"))
    photometric = text(dataset, "PhotometricInterpretation")
    if not photometric:
        raise _unknown("PhotometricInterpretation")
    return Layout(
        dataset.file_meta.TransferSyntaxUID,
        _whole(dataset, "Rows"),
        _whole(dataset, "Columns"),
        _whole(dataset, "SamplesPerPixel", 1),
        photometric,
        allocated,
        bits,
        high,
        signed,
        _dtype(dataset, allocated, signed=signed),
    )


def _whole(dataset: Dataset, name: str, absent: int | None = None) -> int:
    """Take the only value of an attribute."""
    values = numbers(dataset, name)
    if len(values) == 1:
        return int(values[0])
    if absent is None or name in dataset:
        raise _unknown(name)
    return absent


def _unknown(name: str) -> ValueError:
    return ValueError(f"its header does not tell its {dictionary_description(name)}")


def _dtype(dataset: Dataset, allocated: int, *, signed: bool) -> np.dtype[Any]:
    element = pixel_element(dataset)
    if element is not None and element.keyword in _FLOATS:
        return _FLOATS[element.keyword]
    if allocated == 1:
        return np.dtype(np.uint8)
    return np.dtype(f"{'i' if signed else 'u'}{allocated // 8}")
