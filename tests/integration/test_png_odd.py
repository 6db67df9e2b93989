"""All of PngSuite's basic files, value by value against pypng, and what its broken files are broken in."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import png
import pytest

from unetscope.errors import ReadError
from unetscope.io import read
from unetscope.io.pictures.picture import read_picture

# Channels and dtype that each kind of file must give: grey, color, palette; with alpha.
EXPECTED = {"0g": 1, "2c": 3, "3p": 3, "4a": 1, "6a": 3}


def decode_with_pypng(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Stored samples (row, column, plane) and the header's facts."""
    width, height, rows, info = png.Reader(bytes=path.read_bytes()).read()
    dtype = np.uint16 if info["bitdepth"] == 16 else np.uint8
    return np.array([list(row) for row in rows], dtype).reshape(height, width, info["planes"]), info


def is_clear(stored: np.ndarray, info: dict[str, Any]) -> bool:
    """Whether any pixel is not opaque, by alpha samples, palette or transparent color."""
    if info["alpha"] and "palette" not in info:
        return bool((stored[..., -1] < 2 ** info["bitdepth"] - 1).any())
    if "palette" in info:
        return any(
            len(color) == 4 and color[3] < 255 for color in np.array(info["palette"])[np.unique(stored)]
        )
    return "transparent" in info and bool((stored == np.array(info["transparent"])).all(axis=-1).any())


def test_every_file(real_data):
    files = sorted((real_data / "png-odd").rglob("*.png"))
    assert len(files) == 60
    for path in files:
        stored, info = decode_with_pypng(path)
        clear = is_clear(stored, info)
        if "palette" in info:
            indices = read_picture(path, indices=True)
            np.testing.assert_array_equal(indices.data, stored[..., 0], path.name)
            stored = np.array(info["palette"], np.uint8)[stored[..., 0], :3]
        elif info["alpha"]:
            stored = stored[..., :-1]
        image = read(path)
        count = EXPECTED[path.stem[-4:-2]]
        assert image.axes == ("YX" if count == 1 else "CYX"), path.name
        assert image.is_rgb == (count == 3), path.name
        assert image.data.dtype == (np.uint16 if path.stem.endswith("16") else np.uint8), path.name
        np.testing.assert_array_equal(
            image.data.reshape(count, 32, 32), np.moveaxis(stored, -1, 0), path.name
        )
        assert image.source.tags == ({"alpha": "dropped"} if clear else {}), path.name
        assert (image.spacing, image.units, image.source.notes) == ((1, 1), "pixel", ()), path.name


def with_header(whole: bytes, position: int, value: int) -> bytes:
    """Set one byte of the header, counted in the file, with a checksum to match."""
    broken = bytearray(whole)
    broken[position] = value
    broken[29:33] = struct.pack(">I", zlib.crc32(broken[12:29]))
    return bytes(broken)


def flipped(whole: bytes, position: int) -> bytes:
    broken = bytearray(whole)
    broken[position] ^= 1
    return bytes(broken)


def without(whole: bytes, kind: bytes) -> bytes:
    start = whole.index(kind) - 4
    return whole[:start] + whole[start + 12 + struct.unpack(">I", whole[start : start + 4])[0] :]


# After the files of PngSuite whose names begin with x.
BROKEN = {
    "xs1": lambda whole: b"\x88" + whole[1:],
    "xs2": lambda whole: whole[:1] + b"p" + whole[2:],
    "xs4": lambda whole: whole[:3] + b"g" + whole[4:],
    "xs7": lambda whole: whole[:4] + whole[5:],
    "xcr": lambda whole: whole[:5] + b"\r" + whole[5:],
    "xlf": lambda whole: whole.replace(b"\r\n", b"\n", 1),
    "xhd": lambda whole: flipped(whole, 30),
    "xcs": lambda whole: flipped(whole, whole.index(b"IEND") - 6),
    "xd0": lambda whole: with_header(whole, 24, 0),
    "xd3": lambda whole: with_header(whole, 24, 3),
    "xd9": lambda whole: with_header(whole, 24, 99),
    "xc1": lambda whole: with_header(whole, 25, 1),
    "xc9": lambda whole: with_header(whole, 25, 9),
    "x00": lambda whole: with_header(with_header(whole, 19, 0), 23, 0),
    "xdt": lambda whole: without(whole, b"IDAT"),
    "without header": lambda whole: without(whole, b"IHDR"),
    "without end": lambda whole: without(whole, b"IEND"),
    "method": lambda whole: with_header(whole, 26, 7),
    "interlace": lambda whole: with_header(whole, 28, 2),
    "taller": lambda whole: with_header(whole, 23, 200),
}


@pytest.mark.parametrize("kind", ["basn0g01", "basn0g16", "basn2c08", "basn3p04", "basn6a16", "ibasn0g08"])
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_refused(real_data, tmp_path, name, kind):
    source = next((real_data / "png-odd").rglob(f"{kind}.png"))
    path = tmp_path / "x.png"
    path.write_bytes(BROKEN[name](source.read_bytes()))
    with pytest.raises(ReadError, match=r"^x\.png "):
        read(path)
