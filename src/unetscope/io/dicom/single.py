"""Frames of a multi-frame file, one at a time, each found without reading those before it."""

from __future__ import annotations

import struct
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import parse_basic_offsets

from unetscope.errors import ReadError
from unetscope.io.dicom.decode import open_dicom, pixel_element
from unetscope.io.dicom.header import frame_count
from unetscope.io.dicom.layout import layout_of
from unetscope.io.dicom.stored import stored_pixels
from unetscope.io.dicom.values import measured, pixel_values

__all__ = ["Frames"]

_ITEM = 0xFFFEE000
_EMPTY_TABLE = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
_IMAGE_PIXEL = 0x0028


class Frames:
    """The pixels of single frames.

    pydicom finds a compressed frame by walking through those before it where the file has no table of
    offsets, and unpacks all frames of single bits to give one. Here the places of all frames are found once.

    Parameters
    ----------
    path : Path
        The file.
    header : Dataset
        From `open_dicom` with ``header_only``.

    Raises
    ------
    ReadError
        If the file is too small for the number of frames that its header states.
    """

    def __init__(self, path: Path, header: Dataset) -> None:
        self.path = path
        self.header = header
        self.count = frame_count(header)
        element = pixel_element(header)
        syntax = header.file_meta.TransferSyntaxUID
        smaller = syntax.is_encapsulated or syntax.is_deflated
        bits = self.count * (8 if smaller else _native_bits(header))
        if not 0 < bits <= 8 * path.stat().st_size:
            raise ReadError(
                f"{path.name} says that it holds {self.count} frames of {header.Rows} × {header.Columns}",
                expected="as many as fit into the file",
                fix="export or copy it again",
            )
        self._offset = None if element is None else element.offset
        self._compressed = syntax.is_encapsulated and self._offset is not None
        self._bits = header.BitsAllocated == 1 and not syntax.is_encapsulated
        self._in_order = syntax.is_little_endian and self._offset is not None

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Decode one frame, (rows, columns [, 3]), as `pixel_values` does.

        Raises
        ------
        ReadError
            If no decoder is installed. What else goes wrong is as pydicom raises it: see `decoding`.
        """
        if self._compressed and self._starts:
            return self._decoded(index, _EMPTY_TABLE + self._read(*self._starts[index]))
        if self._bits:
            return self._unpacked(index) if self._in_order else self._everything[index]
        return pixel_values(self.header, self.path, frame=index if self.count > 1 else None)

    def _decoded(self, index: int, data: bytes) -> NDArray[Any]:
        frame = Dataset()
        frame.file_meta = self.header.file_meta
        frame.update(self._description)
        frame.add_new("PixelData", "OB", data)
        if layout_of(self.header).is_color:
            return pixel_values(frame, self.path)
        # What makes measured values of stored ones is for the whole header to say.
        return measured(stored_pixels(frame, self.path, None), self.header, index)

    @cached_property
    def _description(self) -> Dataset:
        """What a decoder must know, for one frame."""
        description = self.header.group_dataset(_IMAGE_PIXEL)
        description.NumberOfFrames = 1
        return description

    @cached_property
    def _everything(self) -> NDArray[Any]:
        frames = pixel_values(open_dicom(self.path), self.path)
        return frames if self.count > 1 else frames[np.newaxis]

    def _read(self, start: int, end: int | None) -> bytes:
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read() if end is None else file.read(end - start)

    def _unpacked(self, index: int) -> NDArray[np.uint8]:
        """Cut out the bits of a frame, which may begin and end within a byte (PS3.5 8.1.1)."""
        shape = int(self.header.Rows), int(self.header.Columns)
        pixels = shape[0] * shape[1]
        first, last = index * pixels, (index + 1) * pixels
        data = self._read((self._offset or 0) + first // 8, (self._offset or 0) + -(-last // 8))
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        return bits[first % 8 :][:pixels].reshape(shape)

    @cached_property
    def _starts(self) -> list[tuple[int, int | None]]:
        """Where the fragments of each frame begin and end; empty where only their content tells."""
        with self.path.open("rb") as file:
            file.seek(self._offset or 0)
            offsets = parse_basic_offsets(file)
            first = file.tell()
            if table := self.header.get("ExtendedOffsetTable"):
                offsets = np.frombuffer(table, "<u8").tolist()
            starts = [first + offset for offset in offsets] or _fragments(file)
        if len(starts) != self.count:
            return []
        return list(pairwise([*starts, None]))


def _native_bits(header: Dataset) -> int:
    """Count the bits that a frame has at least where it is not compressed."""
    return int(header.Rows) * int(header.Columns) * int(header.BitsAllocated)


def _fragments(file: BinaryIO) -> list[int]:
    """Find where each item of an encapsulated value begins (PS3.5 A.4)."""
    starts = []
    while len(head := file.read(8)) == 8:
        group, element, length = struct.unpack("<HHL", head)
        if group << 16 | element != _ITEM:
            break
        starts.append(file.tell() - 8)
        file.seek(length, 1)
    return starts
