"""Stored values: which bits count, whatever else lies beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pack_bits
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from unetscope.errors import ReadError
from unetscope.io.dicom.decode import decoding, open_dicom
from unetscope.io.dicom.layout import layout_of
from unetscope.io.dicom.stored import stored_pixels


def dataset_of(pixels, allocated, stored, high, *, signed):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, stored, high
    dataset.PixelRepresentation = int(signed)
    dataset.add_new("PixelData", "OB" if allocated == 8 else "OW", pixels.tobytes())
    return dataset


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_width_in_every_place_of_its_word(tmp_path_factory, data):
    allocated = data.draw(st.sampled_from([8, 16, 32, 64]), "bits allocated")
    stored = data.draw(st.integers(1, allocated), "bits stored")
    high = data.draw(st.integers(stored - 1, allocated - 1), "high bit")
    signed = data.draw(st.booleans(), "signed")
    low = -(1 << (stored - 1)) if signed else 0
    values = data.draw(st.lists(st.integers(low, low + (1 << stored) - 1), min_size=6, max_size=6), "values")
    foreign = data.draw(st.integers(0, (1 << allocated) - 1), "bits of overlays")
    mask = ((1 << stored) - 1) << (high + 1 - stored)
    words = [((value << (high + 1 - stored)) & mask) | (foreign & ~mask) for value in values]
    pixels = np.array(words, dtype=f"u{allocated // 8}").reshape(2, 3)
    dataset = dataset_of(pixels, allocated, stored, high, signed=signed)
    found = stored_pixels(dataset, tmp_path_factory.getbasetemp(), None)
    assert found.dtype == layout_of(dataset).dtype
    assert found.ravel().tolist() == values


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless], ids=lambda uid: uid.name)
def test_compressed_signed_values_of_12_bits(make_dicom, syntax):
    pixels = np.linspace(-2048, 2047, 1024).astype(np.int16).reshape(32, 32)
    path = make_dicom("a.dcm", pixels, syntax=syntax, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(stored_pixels(open_dicom(path), path, None), pixels)


def test_single_bits_whose_frames_begin_within_a_byte(make_dicom):
    frames = np.random.default_rng(0).integers(0, 2, (11, 5, 5), dtype=np.uint8)
    attributes = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "NumberOfFrames": 11}
    path = make_dicom("a.dcm", frames, **attributes)
    dataset = pydicom.dcmread(path)
    dataset.PixelData = pack_bits(frames.ravel())
    dataset.save_as(path)
    header = open_dicom(path, header_only=True)
    np.testing.assert_array_equal(stored_pixels(header, path, None), frames)
    for i, frame in enumerate(frames):
        np.testing.assert_array_equal(stored_pixels(header, path, i), frame)


@pytest.mark.parametrize("header_only", [False, True])
@pytest.mark.parametrize("vr", ["OB", "OW"])
def test_single_bits_in_big_endian_words_and_bytes(make_dicom, vr, header_only):
    bits = np.random.default_rng(0).integers(0, 2, (8, 10), dtype=np.uint8)
    packed = np.frombuffer(np.packbits(bits.ravel(), bitorder="little"), "<u2" if vr == "OW" else np.uint8)
    attributes = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "syntax": ExplicitVRBigEndian}
    path = make_dicom("a.dcm", bits, **attributes)
    dataset = pydicom.dcmread(path)
    dataset.add_new("PixelData", vr, packed.astype(packed.dtype.newbyteorder(">")).tobytes())
    dataset.save_as(path)
    np.testing.assert_array_equal(stored_pixels(open_dicom(path, header_only=header_only), path, None), bits)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ReadError, match=r"a\.dcm"), decoding(path):
        stored_pixels(open_dicom(path, header_only=True), path, None)


@pytest.mark.parametrize("header_only", [False, True])
@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, RLELossless, JPEGLSLossless], ids=lambda u: u.name
)
def test_one_frame_of_many(make_dicom, syntax, header_only):
    frames = np.arange(5 * 24, dtype=np.uint16).reshape(5, 4, 6)
    path = make_dicom("a.dcm", frames, syntax=syntax, NumberOfFrames=5)
    dataset = open_dicom(path, header_only=header_only)
    for i, frame in enumerate(frames):
        np.testing.assert_array_equal(stored_pixels(dataset, path, i), frame)


def test_no_more_frames_than_the_header_says(make_dicom):
    frames = np.arange(5 * 24, dtype=np.uint16).reshape(5, 4, 6)
    path = make_dicom("a.dcm", frames, NumberOfFrames=3)
    with decoding(path):
        values = stored_pixels(open_dicom(path), path, None)
    np.testing.assert_array_equal(values, frames[:3])


@pytest.mark.parametrize("frame", [None, 0])
@pytest.mark.parametrize("header_only", [False, True])
def test_jpeg_of_12_bits(frame, header_only):
    # GDCM, through SimpleITK, gives these too.
    path = Path(get_testdata_file("JPGExtended.dcm", download=False))
    values = stored_pixels(open_dicom(path, header_only=header_only), path, frame)
    assert (values.shape, values.dtype, values.min(), values.max()) == ((1024, 256), np.uint16, 0, 264)
    assert int(values.sum(dtype=np.int64)) == 3767007


def test_pixels_that_no_decoder_decodes_are_one_sentence(capfd):
    path = Path(get_testdata_file("JPEG2000-embedded-sequence-delimiter.dcm", download=False))
    with pytest.raises(
        ReadError, match="compressed as JPEG 2000 Image Compression that no installed decoder"
    ):
        stored_pixels(open_dicom(path), path, None)


@pytest.mark.parametrize("frame", [None, 0])
def test_a_box_of_no_length_in_jpeg_2000(make_dicom, frame):
    path = make_dicom("a.dcm", np.zeros((4, 4), np.uint8))
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.PixelData = encapsulate([b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\0uuid"])
    dataset.save_as(path)
    with pytest.raises(ReadError, match="a box of no length"), decoding(path):
        stored_pixels(open_dicom(path, header_only=True), path, frame)
