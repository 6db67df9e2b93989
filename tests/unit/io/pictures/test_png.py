"""The chunks of PNG files: depth, pixel size, and what is damaged."""

from __future__ import annotations

import struct
import zlib

import imagecodecs
import numpy as np
import png
import pytest

from unetscope.io.pictures.png import PngHeader, pixel_chunks, read_png_header


def write_png(path, **options):
    with path.open("wb") as file:
        png.Writer(4, 3, greyscale=True, **options).write(file, np.zeros((3, 4), int).tolist())


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_depth_and_spacing(tmp_path, depth):
    write_png(tmp_path / "a.png", bitdepth=depth, x_pixels_per_unit=2_000_000, y_pixels_per_unit=500_000)
    assert read_png_header(tmp_path / "a.png") == PngHeader((4, 3), depth, 0, interlaced=False)
    write_png(
        tmp_path / "a.png",
        bitdepth=depth,
        x_pixels_per_unit=2_000_000,
        y_pixels_per_unit=500_000,
        unit_is_meter=True,
    )
    assert read_png_header(tmp_path / "a.png").spacing == (2, 0.5)


def test_every_cut_is_noticed(tmp_path):
    write_png(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    for keep in range(8, len(whole)):
        (tmp_path / "a.png").write_bytes(whole[:keep])
        with pytest.raises(ValueError, match=r"damaged|ends before|header"):
            read_png_header(tmp_path / "a.png")


def test_every_flipped_byte_is_noticed(tmp_path):
    write_png(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    for position in range(8, len(whole)):
        broken = bytearray(whole)
        broken[position] ^= 0x11
        (tmp_path / "a.png").write_bytes(broken)
        with pytest.raises(ValueError, match=r"damaged|ends before|header"):
            read_png_header(tmp_path / "a.png")


def test_a_long_chunk_is_compared_without_keeping_it(tmp_path):
    write_png(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    text = chunk(b"tEXt", b"Comment\0" + b"x" * 3_000_000)
    (tmp_path / "a.png").write_bytes(whole[:33] + text + whole[33:])
    assert read_png_header(tmp_path / "a.png").depth == 8
    (tmp_path / "a.png").write_bytes(whole[:33] + text.replace(b"xxxx", b"xxxy", 1) + whole[33:])
    with pytest.raises(ValueError, match="tEXt is damaged"):
        read_png_header(tmp_path / "a.png")


def test_a_header_is_needed(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b""))
    with pytest.raises(ValueError, match="does not begin with a header"):
        read_png_header(tmp_path / "a.png")


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (4, 3), (3, 9), (8, 8), (17, 5)])
def test_length_of_the_inflated_pixels(tmp_path, interlaced, depth, width, height):
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        png.Writer(width, height, greyscale=True, bitdepth=depth, interlace=interlaced).write(
            file, np.zeros((height, width), int).tolist()
        )
    whole = path.read_bytes()
    start = whole.index(b"IDAT")
    length = struct.unpack(">I", whole[start - 4 : start])[0]
    inflated = zlib.decompress(whole[start + 4 : start + 4 + length])
    assert read_png_header(path).pixel_bytes == len(inflated)


@pytest.mark.parametrize(("depth", "interlaced"), [(1, False), (4, False), (8, True)])
def test_missing_rows_are_noticed(tmp_path, depth, interlaced):
    header = struct.pack(">IIBBBBB", 8, 8, depth, 0, 0, 0, interlaced)
    expected = PngHeader((8, 8), depth, 0, interlaced).pixel_bytes
    for missing in (0, 1, 5):
        pixels = zlib.compress(bytes(expected - missing))
        (tmp_path / "a.png").write_bytes(
            b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
        )
        if missing:
            with pytest.raises(ValueError, match="its pixels are not complete"):
                read_png_header(tmp_path / "a.png")
        else:
            assert read_png_header(tmp_path / "a.png").size == (8, 8)


def test_only_pixels_go_to_libpng(tmp_path, capfd):
    path = tmp_path / "a.png"
    values = np.random.default_rng(0).integers(0, 255, (1300, 1200), dtype=np.uint8)
    path.write_bytes(imagecodecs.png_encode(values))
    whole = path.read_bytes()
    extras = chunk(b"iCCP", b"x\0\0" + zlib.compress(b"nonsense")) + chunk(b"gAMA", b"abc")
    path.write_bytes(whole[:33] + extras + whole[33:])
    np.testing.assert_array_equal(imagecodecs.png_decode(pixel_chunks(path)), values)
    assert capfd.readouterr() == ("", "")
