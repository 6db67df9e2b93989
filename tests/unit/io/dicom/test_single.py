"""Single frames, wherever they lie in the file."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate, parse_fragments
from pydicom.pixels import pixel_array
from pydicom.uid import JPEGLSLossless

from unetscope.errors import ReadError
from unetscope.io.dicom.decode import open_dicom
from unetscope.io.dicom.single import Frames

COLOR = np.random.default_rng(7).integers(0, 256, (1, 12, 18, 3), np.uint8)
TILES = [COLOR[0, r : r + 4, c : c + 6] for r in (0, 4, 8) for c in (0, 6, 12)]


def frames_of(path: Path) -> Frames:
    return Frames(path, open_dicom(path, header_only=True))


def assert_frames(path: Path) -> None:
    frames = frames_of(path)
    assert frames.count == len(TILES)
    # Backwards, so that nothing can rest on what was read before.
    for i in reversed(range(frames.count)):
        np.testing.assert_array_equal(frames[i], TILES[i])


@pytest.fixture
def compressed(make_slide):
    def make(*, offset_table: bool) -> Path:
        encode = imagecodecs.jpegls_encode
        return make_slide("a.dcm", COLOR, encode=encode, syntax=JPEGLSLossless, offset_table=offset_table)

    return make


def test_uncompressed(make_slide):
    assert_frames(make_slide("a.dcm", COLOR))


@pytest.mark.parametrize("offset_table", [True, False])
def test_compressed_with_and_without_a_table(compressed, offset_table):
    assert_frames(compressed(offset_table=offset_table))


def test_extended_offset_table(compressed):
    path = compressed(offset_table=False)
    dataset = dcmread(path)
    # The first item is the empty basic table.
    _, starts = parse_fragments(dataset.PixelData)
    lengths = np.diff([*starts[1:], len(dataset.PixelData) - 8]) - 8
    dataset.ExtendedOffsetTable = (np.array(starts[1:], "<u8") - starts[1]).tobytes()
    dataset.ExtendedOffsetTableLengths = lengths.astype("<u8").tobytes()
    dataset.save_as(path)
    assert_frames(path)


@pytest.mark.parametrize("offset_table", [True, False])
def test_frames_in_several_fragments(compressed, offset_table):
    path = compressed(offset_table=offset_table)
    dataset = dcmread(path)
    coded = [imagecodecs.jpegls_encode(np.ascontiguousarray(tile)) for tile in TILES]
    dataset.PixelData = encapsulate(coded, fragments_per_frame=2, has_bot=offset_table)
    dataset.save_as(path)
    assert_frames(path)


@pytest.mark.parametrize("name", ["liver_nonbyte_aligned.dcm", "liver_j2k.dcm"])
def test_bits(real_data, name):
    path = real_data / "dicom-odd/pydicom-data" / name
    frames = frames_of(path)
    np.testing.assert_array_equal([frames[i] for i in range(frames.count)], pixel_array(path))


def test_more_frames_than_fit_are_refused(make_slide):
    path = make_slide("a.dcm", COLOR, NumberOfFrames=10**6)
    with pytest.raises(ReadError, match=r"a\.dcm says that it holds 1000000 frames of 4 × 6"):
        frames_of(path)
