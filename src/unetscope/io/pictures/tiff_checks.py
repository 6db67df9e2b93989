"""What must hold of a TIFF file before and while tifffile reads it."""

from __future__ import annotations

import logging
import math
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tifffile

from unetscope.io._limits import DEFLATE, PACKBITS, require_memory

__all__ = ["check_chain", "check_segments", "complaints", "expansion_of", "stored_parts"]

# Decoded bytes for one of the file; the other compressions have no bound. A code of LZW, 1.5 bytes, is a
# string of fewer than 4096.
_EXPANSION: dict[int, int] = {
    tifffile.COMPRESSION.NONE: 1,
    tifffile.COMPRESSION.LZW: 2731,
    tifffile.COMPRESSION.ADOBE_DEFLATE: DEFLATE,
    tifffile.COMPRESSION.DEFLATE: DEFLATE,
    tifffile.COMPRESSION.PACKBITS: PACKBITS,
}
_MOST_PAGES = 250_000
# What tifffile says of vendors' notes beside the pixels; it reads the pixels all the same.
_HARMLESS = ("<TiffTag", "imagej_metadata", "Datetime", "GDAL_NODATA", "invalid TiffData index")


def check_chain(path: Path) -> None:
    """Follow the pages of a TIFF file, each of which names the offset of the next one, once.

    tifffile follows a long circle without end.

    Raises
    ------
    ValueError
        If the pages run in a circle, or there are more than anyone would wait for.
    """
    with path.open("rb") as file:
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        big = struct.unpack(order + "H", head[2:4])[0] == 43
        # Format and length of the number of tags and of an offset; length of a tag.
        count, offset, tag = ("Q", "Q", 20) if big else ("H", "I", 12)
        count, offset = order + count, order + offset
        position = struct.unpack_from(offset, head, 8 if big else 4)[0]
        seen: set[int] = set()
        while position:
            if position in seen:
                raise ValueError("its pages run in a circle")
            if len(seen) == _MOST_PAGES:
                raise ValueError(f"it has more than {_MOST_PAGES} pages")
            seen.add(position)
            file.seek(position)
            number = file.read(struct.calcsize(count))
            if len(number) < struct.calcsize(count):
                return
            file.seek(struct.unpack(count, number)[0] * tag, 1)
            following = file.read(struct.calcsize(offset))
            if len(following) < struct.calcsize(offset):
                return
            position = struct.unpack(offset, following)[0]


def check_segments(path: Path, page: tifffile.TiffPage) -> None:
    """Check the size of strips or tiles, packed and unpacked: memory is taken before they are read.

    Raises
    ------
    ValueError
        If one is longer than the file.
    ReadError
        If one is too large for the memory.
    """
    if page.is_tiled and page.dtype is not None:
        require_memory(path, page.chunks, page.dtype)
    longest, size = max(page.databytecounts, default=0), page.parent.filehandle.size
    if longest > size:
        raise ValueError(f"a strip or tile of {longest} bytes in a file of {size}")


def expansion_of(page: tifffile.TiffPage) -> float | None:
    """Give the most bytes of values that one byte of the file can stand for; None without a bound.

    There is none where parts of the picture are left out, as in sparse files.
    """
    ratio = _EXPANSION.get(page.compression)
    if ratio is None or page.dtype is None or 0 in page.databytecounts:
        return None
    return ratio * page.dtype.itemsize * 8 / max(1, page.bitspersample)


def stored_parts(series: tifffile.TiffPageSeries) -> list[str]:
    """Check that every page is there with the strips or tiles that its size needs; note those left empty.

    tifffile fills in zeros, also for a million tiles of a page whose stated size is wrong.

    Raises
    ------
    ValueError
        If a page is missing or has fewer.
    """
    needed = math.prod(series.keyframe.chunked)
    total = empty = 0
    for page in series.pages:
        if page is None and series.dataoffset is None:
            raise ValueError("some of its pages are missing")
        if page is None or page.is_contiguous:
            continue
        if len(page.databytecounts) < needed:
            raise ValueError(f"{needed - len(page.databytecounts)} of its strips or tiles are missing")
        total += needed
        empty += sum(count == 0 for count in page.databytecounts)
    return (
        [f"Of its {total} strips or tiles {empty} are not stored and read as {series.keyframe.nodata}."]
        if empty
        else []
    )


@contextmanager
def complaints() -> Iterator[None]:
    """Refuse a file of which tifffile complains in its log, where it goes on with fewer pages or with zeros.

    Raises
    ------
    ValueError
        After the block, with the first complaint.
    """
    heard: list[str] = []
    thread = threading.get_ident()

    def listen(record: logging.LogRecord) -> bool:
        if record.thread != thread:
            return True
        message = record.getMessage()
        if record.levelno >= logging.WARNING and not any(words in message for words in _HARMLESS):
            heard.append(message.partition("> ")[2] or message)
        return False

    log = logging.getLogger("tifffile")
    log.addFilter(listen)
    try:
        yield
    finally:
        log.removeFilter(listen)
    if heard:
        raise ValueError(heard[0])
