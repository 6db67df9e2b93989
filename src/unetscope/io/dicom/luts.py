"""Lookup tables of DICOM: of gray values and of palettes, plain and in segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

__all__ = ["Table", "gray_table", "palette", "palette_dtype"]

_MOST_ENTRIES = 2**16
_COLORS = ("Red", "Green", "Blue")


@dataclass(frozen=True)
class Table:
    """A lookup table.

    Attributes
    ----------
    first : int
        The stored value that the first entry belongs to. Lower ones get the first entry too, and values
        beyond the last entry get the last (PS3.3 C.7.6.3.1.5, C.11.1.1).
    entries : (N,) or (N, 3) ndarray
    bits : int
        Of an entry; they need not use all of the type.
    """

    first: int
    entries: NDArray[Any]
    bits: int

    def __call__(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Look stored values up."""
        last = self.first + len(self.entries) - 1
        # int64: the distance from the first entry need not fit the type of the stored values.
        index = np.clip(stored.astype(np.int64), self.first, last) - self.first
        return self.entries[index]


def gray_table(item: Dataset, *, signed: bool, little: bool) -> Table:
    """Read a Modality LUT (PS3.3 C.11.1.1.1).

    Parameters
    ----------
    item : Dataset
        Of the Modality LUT Sequence.
    signed : bool
        Whether stored values are; the first mapped value then is too.
    little : bool
        Byte order of the file.
    """
    count, first, bits = _descriptor(item.LUTDescriptor, signed=signed)
    entries = _entries(item.LUTData, bits, count, little=little)
    return Table(first, _cut(entries, count), bits)


def palette(dataset: Dataset, *, signed: bool, little: bool) -> Table:
    """Read a palette's red, green and blue (PS3.3 C.7.6.3.1.5 and C.7.9); its transparency is left out.

    Raises
    ------
    ValueError
        If the tables are damaged or of different length.
    """
    tables = []
    for color in _COLORS:
        count, first, bits = _descriptor(
            dataset[f"{color}PaletteColorLookupTableDescriptor"].value, signed=signed
        )
        data = dataset.get(f"{color}PaletteColorLookupTableData")
        if data is None:
            words = _words(dataset[f"Segmented{color}PaletteColorLookupTableData"].value, bits, little=little)
            entries = np.array(_expand(words.tolist(), bits), words.dtype)
        else:
            entries = _entries(data, bits, count, little=little)
        tables.append(_cut(entries, count))
    return Table(first, np.stack(tables, axis=-1), bits)


def palette_dtype(dataset: Dataset) -> np.dtype[Any]:
    """Type of the entries of a palette, from its descriptor alone."""
    return np.dtype(np.uint8 if dataset.RedPaletteColorLookupTableDescriptor[2] <= 8 else np.uint16)


def _descriptor(value: Any, *, signed: bool) -> tuple[int, int, int]:
    """Count of entries, first value mapped, bits of an entry."""
    count, first, bits = (int(number) for number in value)
    if not 1 <= bits <= 16:
        raise ValueError(f"a lookup table has entries of {bits} bits")
    # Both numbers share one VR with the pixels, which an odd writer or reader takes for the other one.
    first = (first + 2**15) % 2**16 - 2**15 if signed else first % 2**16
    return count % _MOST_ENTRIES or _MOST_ENTRIES, first, bits


def _words(data: Any, bits: int, *, little: bool) -> NDArray[Any]:
    """Take bytes or numbers of 16 bits apart; two entries of 8 bits share a word, the lower first."""
    if isinstance(data, bytes):
        data = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if little else ">u2")
    words = np.atleast_1d(np.asarray(data)).astype("<u2")
    return words.view(np.uint8) if bits <= 8 else words.astype(np.uint16)


def _entries(data: Any, bits: int, count: int, *, little: bool) -> NDArray[Any]:
    """Take the entries out of bytes or numbers.

    Entries of 8 bits are packed two to a word, or (against the letter, but common) have a word each.
    """
    roomy = (len(data) // 2 if isinstance(data, bytes) else np.size(data)) >= count
    words = _words(data, 16 if roomy else bits, little=little)
    if bits <= 8 and words.max() > 255:
        raise ValueError("a lookup table has entries that are longer than it says")
    return words.astype(np.uint8 if bits <= 8 else np.uint16)


def _cut(entries: NDArray[Any], count: int) -> NDArray[Any]:
    if len(entries) < count:
        raise ValueError(f"a lookup table has {len(entries)} entries and says that it has {count}")
    return entries[:count]


def _expand(words: list[int], bits: int) -> list[int]:
    """Expand a segmented table (PS3.3 C.7.9.2): discrete, linear and indirect segments."""
    table: list[int] = []
    _expand_segments(words, 0, None, 2 if bits > 8 else 4, table)
    return table


def _expand_segments(words: list[int], at: int, count: int | None, width: int, table: list[int]) -> None:
    """Append the segments from `at` on, `count` of them or all; `width` words make a 32-bit offset."""
    while at < len(words) - 1 and count != 0:
        kind, length = words[at], words[at + 1]
        at += 2
        if kind == 0:
            table += words[at : at + length]
            at += length
        elif kind == 1:
            start = table[-1]
            table += [round(start + (words[at] - start) * i / length) for i in range(1, length + 1)]
            at += 1
        elif kind == 2 and count is None:
            offset = sum(word << (32 // width * i) for i, word in enumerate(words[at : at + width]))
            # In bytes, of which a word of a 32-bit number that takes two words has two.
            _expand_segments(words, offset * width // 4, length, width, table)
            at += width
        else:
            raise ValueError(f"a segmented lookup table has a segment of kind {kind}")
        if len(table) > _MOST_ENTRIES:
            raise ValueError(f"a segmented lookup table expands to more than {_MOST_ENTRIES} entries")
        count = None if count is None else count - 1
