"""Write labels as PNG."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from unetscope.errors import OutputError
from unetscope.io.image import Image
from unetscope.io.write.files import atomic

__all__ = ["write_png"]

_PIXELS_PER_METER = {"mm": 1e3, "µm": 1e6}
# The PNG signature and the header chunk, which must come first.
_AFTER_HEADER = 8 + 25
_LARGEST = 2**31 - 1
_ROUNDING = 1e-3


def write_png(path: Path, labels: Image, *, overwrite: bool = False) -> Path:
    """Write a plane of labels as a grey PNG of 8 or 16 bits.

    The chunk pHYs says how many pixels make a meter, as a whole number. It is left out where rounding would
    change the spacing by more than 0.1 %, as it may above 2 mm.

    Raises
    ------
    OutputError
        If the labels have more than two axes or exceed 65535, or the file cannot be written.
    """
    if labels.axes != "YX" or labels.data.dtype.itemsize > 2:
        raise OutputError(
            f"labels of shape {labels.data.shape} up to {labels.data.max()} do not fit {path.name}",
            expected="for PNG, two dimensions and labels up to 65535",
            fix="write TIFF (.tif)",
        )
    import imagecodecs

    content = imagecodecs.png_encode(labels.data)
    with atomic(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content[:_AFTER_HEADER] + _physical_size(labels) + content[_AFTER_HEADER:])
    return path


def _physical_size(labels: Image) -> bytes:
    """Give the chunk pHYs, or nothing where the spacing is unknown or rounding would falsify it."""
    if labels.units not in _PIXELS_PER_METER:
        return b""
    exact = [_PIXELS_PER_METER[labels.units] / distance for distance in labels.spacing]
    down, across = map(round, exact)
    if not all(abs(round(n) - n) <= _ROUNDING * n and n <= _LARGEST for n in exact):
        return b""
    chunk = b"pHYs" + struct.pack(">IIB", across, down, 1)
    return struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
