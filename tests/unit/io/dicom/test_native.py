"""Pixels read straight from the file: the same values as through a decoder, or not read so at all."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless

from unetscope.io.dicom.decode import decoding, open_dicom
from unetscope.io.dicom.native import native_of
from unetscope.io.dicom.values import pixel_values, values_dtype


def native(path):
    header = open_dicom(path, header_only=True)
    return native_of(header)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"RescaleSlope": 2.5, "RescaleIntercept": -1024},
        {"BitsStored": 7, "HighBit": 6},
        {"BitsStored": 6, "HighBit": 6},
        {"RealWorldValueMappingSequence": [pydicom.Dataset()]},
    ],
)
def test_values_are_those_of_a_decoder(make_dicom, dtype, change):
    limits = np.iinfo(dtype)
    pixels = np.random.default_rng(0).integers(limits.min, limits.max, (5, 7), dtype, endpoint=True)
    path = make_dicom("a", pixels, **change)
    expected = pixel_values(open_dicom(path), path)
    values = native(path).read(path)
    assert values.dtype == expected.dtype == values_dtype(open_dicom(path))
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize(
    "change",
    [
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PhotometricInterpretation": "PALETTE COLOR"},
        {"ModalityLUTSequence": [pydicom.Dataset()]},
        {"BitsStored": 17},
        {"BitsStored": None},
        {"BitsAllocated": 12},
    ],
)
def test_what_needs_more_is_left_to_the_decoder(make_dicom, change):
    assert native(make_dicom("a", np.zeros((4, 6), np.int16), **change)) is None


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless])
def test_other_encodings_are_left_to_the_decoder(make_dicom, syntax):
    assert native(make_dicom("a", np.zeros((4, 6), np.int16), syntax=syntax)) is None


def test_color_and_frames_are_left_to_the_decoder(make_dicom):
    assert native(make_dicom("color", np.zeros((4, 6, 3), np.uint8))) is None
    assert native(make_dicom("film", np.zeros((2, 4, 6), np.int16), NumberOfFrames=2)) is None


def test_a_value_that_is_too_short_is_left_to_the_decoder(make_dicom):
    # Otherwise the pixels would go on into what follows them.
    path = make_dicom("a", np.zeros((4, 6), np.int16), Rows=5)
    dataset = pydicom.dcmread(path)
    dataset.add_new(0xFFFCFFFC, "OB", b"\1" * 100)
    dataset.save_as(path)
    assert native(path) is None


def test_a_file_that_was_cut_since_is_refused(make_dicom):
    path = make_dicom("a", np.zeros((4, 6), np.int16))
    found = native(path)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(Exception, match="a cannot be read as DICOM"), decoding(path):
        found.read(path)


def test_real_files(real_data):
    paths = [path for path in (real_data / "dicom-odd").rglob("*.dcm") if path.name != "bad_sequence.dcm"]
    compared = 0
    for path in paths:
        with decoding(path):
            header = open_dicom(path, header_only=True)
            if "Rows" in header and (found := native_of(header)):
                np.testing.assert_array_equal(found.read(path), pixel_values(open_dicom(path), path))
                compared += 1
    assert compared >= 5
