"""TIFF files that tifffile reads too patiently, or with zeros in place of what is missing."""

from __future__ import annotations

import struct
import time

import numpy as np
import pytest
import tifffile

from unetscope.errors import ReadError
from unetscope.io import read

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 200, (70, 90), dtype=np.uint8)


def make_tiff(pages: list[tuple[int, ...]], following: list[int]) -> bytes:
    """A TIFF of uncompressed 4×4 pages; each page is followed by the page of that number, or none (-1)."""
    tags = ((256, 4), (257, 4), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 4), (279, 16))
    size = 2 + 12 * len(tags) + 4
    starts = [24 + i * size for i in range(len(pages))]
    content = struct.pack("<2sHI", b"II", 42, starts[0]) + bytes(16)
    for i in range(len(pages)):
        content += struct.pack("<H", len(tags))
        content += b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in tags)
        content += struct.pack("<I", starts[following[i]] if following[i] >= 0 else 0)
    return content


@pytest.mark.parametrize(("count", "back"), [(1, 0), (3, 0), (3, 2), (150, 0), (500, 120)])
def test_pages_in_a_circle_are_refused(tmp_path, count, back):
    following = [*range(1, count), back]
    (tmp_path / "a.tif").write_bytes(make_tiff([()] * count, following))
    start = time.perf_counter()
    with pytest.raises(ReadError, match="its pages run in a circle"):
        read(tmp_path / "a.tif")
    assert time.perf_counter() - start < 2


def test_pages_beyond_patience_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("unetscope.io.pictures.tiff_checks._MOST_PAGES", 20)
    for count, fits in ((20, True), (21, False)):
        (tmp_path / "a.tif").write_bytes(make_tiff([()] * count, [*range(1, count), -1]))
        if fits:
            assert read(tmp_path / "a.tif").data.shape == (20, 4, 4)
        else:
            with pytest.raises(ReadError, match="more than 20 pages"):
                read(tmp_path / "a.tif")


@pytest.mark.parametrize("lost", [1, 2, 5])
def test_a_stack_that_lost_pages_is_refused(tmp_path, lost, capfd):
    """A reader that stops at the first missing page gives a shorter stack, without a word."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for i in range(10):
            writer.write(GREY + np.uint8(i), contiguous=False, metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        end = file.pages[10 - lost].offset
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[:end])
    with pytest.raises(ReadError, match=r"^a\.tif cannot be read as a TIFF image .invalid page offset"):
        read(tmp_path / "a.tif")
    assert capfd.readouterr() == ("", "")


def test_an_absurd_size_is_refused(tmp_path):
    content = bytearray(make_tiff([()], [-1]))
    for code in (256, 257, 278):
        position = content.index(struct.pack("<HHI", code, 4, 1))
        content[position + 8 : position + 12] = struct.pack("<I", 2_000_000)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(ReadError, match=r"^a\.tif (would take|says that it holds 2000000)"):
        read(tmp_path / "a.tif")


@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_a_page_has_all_its_parts(tmp_path, tile):
    """A size that needs more strips or tiles than there are would be filled up with zeros, slowly."""
    tifffile.imwrite(
        tmp_path / "a.tif", GREY, compression="zlib", rowsperstrip=None if tile else 7, tile=tile
    )
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        file.pages.first.tags["ImageLength"].overwrite(3_000_000)
    with pytest.raises(ReadError, match=r"^a\.tif .*(are missing|says that it holds|StripByteCounts)"):
        read(tmp_path / "a.tif")


def test_parts_left_empty_are_told(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, compression="zlib", tile=(32, 32))
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        tag = file.pages.first.tags["TileByteCounts"]
        tag.overwrite((0, *tag.value[1:]))
    image = read(tmp_path / "a.tif")
    assert (image.data[:32, :32] == 0).all()
    np.testing.assert_array_equal(image.data[32:], GREY[32:])
    assert image.source.notes == ("Of its 9 strips or tiles 1 are not stored and read as 0.",)
