"""How the pixels are laid out, from what is stated and from what is not."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from unetscope.errors import ReadError
from unetscope.io.dicom.decode import decoding, open_dicom
from unetscope.io.dicom.layout import layout_of

PIXELS = np.zeros((2, 3), np.int16)


@pytest.fixture
def layout(make_dicom):
    """Write a file without some attributes and with others, and find its layout."""

    def find(pixels=PIXELS, *, without=(), **attributes):
        path = make_dicom("a.dcm", pixels, **attributes)
        with decoding(path):
            header = open_dicom(path, header_only=True)
            for name in without:
                del header[name]
            return layout_of(header)

    return find


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian])
def test_what_the_header_states(layout, syntax):
    found = layout(syntax=syntax, BitsStored=12, HighBit=13)
    assert (found.syntax, found.rows, found.columns, found.samples) == (syntax, 2, 3, 1)
    assert (found.allocated, found.bits, found.high, found.signed) == (16, 12, 13, True)
    assert (found.photometric, found.dtype) == ("MONOCHROME2", np.int16)


@pytest.mark.parametrize(("dtype", "ends"), [(np.uint16, (0, 4095)), (np.int16, (-2048, 2047))])
def test_ends_of_the_stored_bits(layout, dtype, ends):
    assert layout(PIXELS.astype(dtype), BitsStored=12, HighBit=11).ends == ends


@pytest.mark.parametrize(("high", "expected"), [(0, 11), (11, 11), (15, 15), (40, 15)])
def test_the_highest_bit_lies_in_the_word(layout, high, expected):
    assert layout(BitsStored=12, HighBit=high).high == expected


def test_what_need_not_be_stated(layout):
    found = layout(without=["SamplesPerPixel", "BitsStored", "HighBit", "PixelRepresentation"])
    assert (found.samples, found.bits, found.signed, found.dtype) == (1, 0, False, np.uint16)


@pytest.mark.parametrize("name", ["Rows", "Columns", "BitsAllocated", "PhotometricInterpretation"])
def test_what_must_be_stated(layout, name):
    with pytest.raises(ReadError, match=r"a\.dcm cannot be read as DICOM \(its header does not tell its"):
        layout(without=[name])


@pytest.mark.parametrize("name", ["Rows", "SamplesPerPixel", "BitsStored", "HighBit"])
@pytest.mark.parametrize("value", [[], [1, 2]], ids=["none", "two"])
def test_there_is_one_value(layout, name, value):
    header = {name: value}
    with pytest.raises(ReadError, match="does not tell its"):
        layout(**header)


@pytest.mark.parametrize(("photometric", "samples", "color"), [("PALETTE COLOR", 1, True), ("RGB", 3, True)])
def test_color(layout, photometric, samples, color):
    assert layout(PhotometricInterpretation=photometric, SamplesPerPixel=samples).is_color is color
    assert not layout().is_color


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats(layout, dtype):
    found = layout(PIXELS.astype(dtype))
    assert (found.dtype, found.bits) == (dtype, 0)


def test_it_is_found_once(make_dicom):
    header = open_dicom(make_dicom("a.dcm", PIXELS), header_only=True)
    assert layout_of(header) is layout_of(header)
