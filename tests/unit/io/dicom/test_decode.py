"""Opening DICOM files of every encoding, and what is said where it cannot be done."""

from __future__ import annotations

import hashlib
import logging
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels.decoders import JPEGLSLosslessDecoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from unetscope.errors import ReadError
from unetscope.io.dicom import decode
from unetscope.io.dicom.decode import decoding, open_dicom, patient_group, pixel_element, require_decoder
from unetscope.io.dicom.values import pixel_values

RAMP = np.arange(24, dtype=np.int16).reshape(4, 6) - 5
NATIVE = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]


@pytest.mark.parametrize("header_only", [False, True])
@pytest.mark.parametrize("syntax", [*NATIVE, RLELossless], ids=lambda uid: uid.name)
def test_every_encoding_gives_the_same_values(make_dicom, syntax, header_only):
    path = make_dicom("a.dcm", RAMP, syntax=syntax)
    dataset = open_dicom(path, header_only=header_only)
    assert ("PixelData" in dataset) is not header_only
    np.testing.assert_array_equal(pixel_values(dataset, path), RAMP)


@pytest.mark.parametrize("header_only", [False, True])
@pytest.mark.parametrize("syntax", NATIVE[:3], ids=lambda uid: uid.name)
def test_bare_files_are_read_in_the_encoding_that_they_are_found_in(make_dicom, syntax, header_only):
    # The first element of a file is in group 8.
    path = make_dicom("a", RAMP, syntax=syntax, bare=True, SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    dataset = open_dicom(path, header_only=header_only)
    assert dataset.file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(pixel_values(dataset, path), RAMP)


def test_what_is_no_dicom_is_not_forced(tmp_path):
    path = tmp_path / "notes.dcm"
    path.write_text("These are notes about the patient, and no image at all." * 9)
    with pytest.raises(ReadError, match=r"notes\.dcm does not begin like"), decoding(path):
        open_dicom(path)


@pytest.mark.parametrize(
    ("dtype", "keyword"),
    [(np.int16, "PixelData"), (np.float32, "FloatPixelData"), (np.float64, "DoubleFloatPixelData")],
)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=lambda uid: uid.name)
def test_a_header_knows_where_its_pixels_are(make_dicom, dtype, keyword, syntax):
    path = make_dicom("a.dcm", RAMP.astype(dtype), syntax=syntax)
    element = pixel_element(open_dicom(path, header_only=True))
    assert element.keyword == keyword
    assert path.read_bytes()[element.offset :] == RAMP.astype(dtype).tobytes()


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_two_bytes_of_pixels_at_the_end_of_a_file(make_dicom, syntax):
    path = make_dicom("a.dcm", np.array([[7]], np.uint16), syntax=syntax)
    assert pixel_values(open_dicom(path, header_only=True), path).tolist() == [[7]]


def test_doubles_in_a_deflated_file_stay_doubles(make_dicom):
    pixels = np.array([[1 / 3, 1e300]])
    path = make_dicom("a.dcm", pixels, syntax=DeflatedExplicitVRLittleEndian)
    np.testing.assert_array_equal(pixel_values(open_dicom(path, header_only=True), path), pixels)


def test_pixels_whose_element_is_implicit_against_the_word_of_the_file():
    path = Path(get_testdata_file("SC_rgb_jpeg.dcm", download=False))
    with decoding(path):
        element = pixel_element(open_dicom(path, header_only=True))
    assert (element.vr, element.length) == ("", 2**32 - 1)
    # The first item is the table of offsets.
    assert path.read_bytes()[element.offset :].startswith(b"\xfe\xff\x00\xe0")


def test_a_file_without_pixels_has_no_pixel_element(make_dicom, tmp_path):
    dataset = pydicom.dcmread(make_dicom("a.dcm", RAMP))
    del dataset.PixelData
    dataset.save_as(tmp_path / "b.dcm")
    assert pixel_element(open_dicom(tmp_path / "b.dcm", header_only=True)) is None
    assert pixel_element(open_dicom(tmp_path / "b.dcm")) is None


def test_large_elements_stay_in_the_file_until_asked_for(make_dicom):
    path = make_dicom("a.dcm", RAMP, ICCProfile=b"i" * 2**17)
    header = open_dicom(path, header_only=True)
    assert header.get_item("ICCProfile", keep_deferred=True).value is None
    assert header.ICCProfile == b"i" * 2**17


def test_a_deflated_file_need_not_say_how_long_its_meta_information_is(make_dicom):
    path = make_dicom("a.dcm", RAMP, syntax=DeflatedExplicitVRLittleEndian)
    content = path.read_bytes()
    assert content[132:136] == b"\2\0\0\0"
    path.write_bytes(content[:132] + content[144:])
    np.testing.assert_array_equal(pixel_values(open_dicom(path), path), RAMP)


def test_deflated_bombs_are_refused_before_they_inflate(make_dicom, monkeypatch):
    monkeypatch.setattr(decode, "_MOST_INFLATED", 2**18)
    path = make_dicom("bomb.dcm", RAMP, syntax=DeflatedExplicitVRLittleEndian)
    assert pixel_element(open_dicom(path)) is not None
    content = path.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(bytes(2**21)) + packer.flush()
    path.write_bytes(content[:start] + packed)
    with pytest.raises(ReadError, match=r"bomb\.dcm is deflated and would inflate"):
        open_dicom(path)


def test_missing_decoder_names_the_extra(make_dicom, monkeypatch):
    path = make_dicom("a.dcm", RAMP)
    dataset = open_dicom(path)
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
    require_decoder(dataset, path)
    monkeypatch.setattr(JPEGLSLosslessDecoder, "_available", {})
    with pytest.raises(ReadError, match=r'a\.dcm is compressed as JPEG-LS.*pip install "unetscope\[dicom\]"'):
        require_decoder(dataset, path)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.100", "1.2.3.4"], ids=["MPEG2", "private"])
def test_syntaxes_that_nothing_decodes_are_named(make_dicom, syntax):
    path = make_dicom("a.dcm", RAMP)
    dataset = open_dicom(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    with pytest.raises(ReadError, match=rf"a\.dcm has the transfer syntax .*{syntax[-4:]}.*no decoder"):
        require_decoder(dataset, path)


def test_a_damaged_transfer_syntax_is_not_repeated(make_dicom):
    path = make_dicom("a.dcm", RAMP)
    dataset = open_dicom(path)
    with decoding(path):
        dataset.file_meta.TransferSyntaxUID = "1.2.840\x02\x00\x10PN Doe^Jane"
        with pytest.raises(ReadError, match="the transfer syntax of a damaged header"):
            require_decoder(dataset, path)


def test_nothing_of_a_header_is_logged(make_dicom, caplog):
    path = make_dicom("a.dcm", RAMP)
    level = logging.getLogger("pydicom").level
    with decoding(path):
        dataset = open_dicom(path)
        dataset.file_meta.TransferSyntaxUID = "1.2.840\x02\x00\x10PN Doe^Jane"
    assert caplog.text == ""
    assert logging.getLogger("pydicom").level == level


def test_remarks_of_pydicom_reach_nobody_from_any_thread(tmp_path):
    inside, leave = threading.Barrier(2), threading.Event()

    def stay():
        with decoding(tmp_path):
            inside.wait(5)
            leave.wait(5)

    other = threading.Thread(target=stay)
    before = warnings.filters[:]
    with decoding(tmp_path):
        other.start()
        inside.wait(5)
    with decoding(tmp_path):
        leave.set()
        other.join(5)
        # The other thread has left, and took its filters along.
        warnings.warn("odd value", UserWarning, stacklevel=1)
    assert warnings.filters == before


@pytest.mark.parametrize(
    "error", [KeyError("x"), IndexError("x"), RecursionError("x"), ZeroDivisionError("x")]
)
def test_what_decoders_raise_becomes_one_sentence(tmp_path, error):
    with pytest.raises(ReadError, match=r"a\.dcm cannot be read as DICOM"), decoding(tmp_path / "a.dcm"):
        raise error


def test_group_is_a_hash_of_the_patient():
    def group(**attributes):
        dataset = Dataset()
        for name, value in attributes.items():
            setattr(dataset, name, value)
        return patient_group(dataset)

    assert group(PatientID="p7") == f"patient-{hashlib.sha256(b'p7').hexdigest()[:12]}"
    assert group(PatientID="p7", PatientName="Other^Name") == group(PatientID="p7")
    assert group(PatientID="p7", IssuerOfPatientID="A") != group(PatientID="p7", IssuerOfPatientID="B")
    assert group(PatientID="") is None
    assert group() is None
