"""Walk through the chunks of a PNG file: is it whole, how deep are its samples, how large its pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

__all__ = ["PngHeader", "pixel_chunks", "read_png_header"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIECE = 2**20
_HEADER = struct.Struct(">IIBBBBB")
_PALETTE = 3
# Samples per pixel of each color type: grey, RGB, palette index, and the first two with opacity.
_SAMPLES = {0: 1, 2: 3, _PALETTE: 1, 4: 2, 6: 4}
# First row and column of each pass of an interlaced picture, and the steps between rows and columns.
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


@dataclass(frozen=True)
class PngHeader:
    """What the chunks tell.

    Attributes
    ----------
    size : (int, int)
        Width and height.
    depth : int
        Bits per sample (per palette index): 1, 2, 4, 8 or 16.
    color : int
        Color type: 0 grey, 2 RGB, 3 palette, 4 grey with opacity, 6 RGB with opacity.
    interlaced : bool
        Whether the pixels come in seven passes.
    spacing : (float, float) or None
        Row and column spacing in µm, from the pixels per meter of the chunk pHYs.
    """

    size: tuple[int, int]
    depth: int
    color: int
    interlaced: bool
    spacing: tuple[float, float] | None = None

    @property
    def is_palette(self) -> bool:
        """Whether the pixels are indices into a palette."""
        return self.color == _PALETTE

    @property
    def is_plain(self) -> bool:
        """Whether libpng gives the samples as stored, without a word on the console."""
        return self.depth >= 8 and not self.is_palette and not self.interlaced

    @property
    def pixel_bytes(self) -> int:
        """Length of the inflated pixels: each row has a byte for its filter in front."""
        width, height = self.size
        bits = self.depth * _SAMPLES[self.color]
        total = 0
        for top, left, down, across in _PASSES if self.interlaced else ((0, 0, 1, 1),):
            rows, columns = -(-(height - top) // down), -(-(width - left) // across)
            total += max(rows, 0) * (1 + -(-columns * bits // 8)) if columns > 0 else 0
        return total


def read_png_header(path: Path) -> PngHeader:
    """Read the header, and check what Pillow does not: the checksums of pixels, and that all are there.

    The latter is left to libpng where that is the decoder (`PngHeader.is_plain`).

    Raises
    ------
    ValueError
        If a chunk is cut off or differs from its checksum, the first or last one is missing, the header
        states what PNG does not know, or there are fewer pixels than it states.
    """
    with path.open("rb") as file:
        file.seek(len(_SIGNATURE))
        pieces = _pieces(file)
        kind, content = next(pieces, (b"", b""))
        if kind != b"IHDR" or len(content) != _HEADER.size:
            raise ValueError("it does not begin with a header")
        header, spacing, inflated = _parse(content), None, 0
        expected = 0 if header.is_plain else header.pixel_bytes
        inflater = zlib.decompressobj()
        for kind, content in pieces:
            if kind == b"IDAT" and inflated < expected:
                inflated += _inflate(inflater, content)
            elif kind == b"pHYs" and len(content) == 9:
                across, down, unit = struct.unpack(">IIB", content)
                spacing = (1e6 / down, 1e6 / across) if unit == 1 and across and down else None
    if inflated < expected:
        raise ValueError("its pixels are not complete")
    return replace(header, spacing=spacing)


def pixel_chunks(path: Path) -> bytes:
    """Give the file with nothing but the pixels: of what libpng dislikes beside them it tells the console."""
    kept = [_SIGNATURE]
    with path.open("rb") as file:
        file.seek(len(_SIGNATURE))
        for kind, content in (*_pieces(file), (b"IEND", b"")):
            if kind in {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}:
                kept += [struct.pack(">I", len(content)), kind, content]
                kept.append(struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))))
    return b"".join(kept)


def _parse(content: bytes) -> PngHeader:
    width, height, depth, color, compression, filters, interlaced = _HEADER.unpack(content)
    known = color in _SAMPLES and depth in {1, 2, 4, 8, 16}
    if not known or compression or filters or interlaced > 1 or not width or not height:
        raise ValueError("its header states what PNG does not know")
    return PngHeader((width, height), depth, color, bool(interlaced))


def _pieces(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Give the chunks, long ones in pieces, up to the one that ends the file."""
    kind = b""
    while kind != b"IEND":
        head = file.read(8)
        if len(head) < 8:
            raise ValueError("it ends before its last chunk")
        left, kind = struct.unpack(">I4s", head)
        checksum = zlib.crc32(kind)
        while left > 0 and (piece := file.read(min(left, _PIECE))):
            checksum = zlib.crc32(piece, checksum)
            left -= len(piece)
            yield kind, piece
        if file.read(4) != struct.pack(">I", checksum):
            raise ValueError(f"its chunk {kind.decode('ascii', 'replace')} is damaged")


def _inflate(inflater: zlib._Decompress, content: bytes) -> int:
    """Count what a piece inflates to, without keeping it."""
    count = 0
    try:
        # After the end of the stream nothing is consumed any more.
        while content and not inflater.eof:
            count += len(inflater.decompress(content, _PIECE))
            content = inflater.unconsumed_tail
    except zlib.error as error:
        raise ValueError("its pixels are damaged") from error
    return count
