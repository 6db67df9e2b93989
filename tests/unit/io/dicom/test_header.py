"""What a header says, looked up quickly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from unetscope.errors import ReadError
from unetscope.io.dicom.decode import decoding, open_dicom
from unetscope.io.dicom.header import (
    frame_count,
    frame_groups,
    holds,
    items,
    macro,
    number,
    numbers,
    text,
    texts,
)

PIXELS = np.zeros((2, 2), np.uint8)


def group(**attributes):
    dataset = Dataset()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


@pytest.fixture(
    params=[ExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian],
    ids=["explicit", "big endian", "implicit"],
)
def header_of(request, make_dicom):
    """Write attributes and read them back, as text that nobody has looked at, or converted by pydicom."""

    def read(**attributes):
        return open_dicom(make_dicom("a.dcm", PIXELS, syntax=request.param, **attributes))

    return read


def test_numbers_of_text_and_of_binary_attributes(header_of):
    header = header_of(PixelSpacing=["0.5 ", "-1e3"], InstanceNumber="7", DiffusionBValue=800.5, Rows=2)
    assert numbers(header, "PixelSpacing") == (0.5, -1000.0)
    assert number(header, "InstanceNumber") == 7
    assert number(header, "DiffusionBValue") == 800.5
    assert number(header, "Rows") == 2
    header["PixelSpacing"].value  # noqa: B018
    assert numbers(header, "PixelSpacing") == (0.5, -1000.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AcquisitionMatrix", [0, 256, 65535, 1]),
        ("TagAngleSecondAxis", -3),
        ("SimpleFrameList", [1, 2**32 - 1]),
        ("ReferencePixelX0", -(2**31)),
        ("NominalCardiacTriggerDelayTime", -1e-300),
        ("RecommendedDisplayFrameRateInFloat", 0.1),
        ("RescaleSlope", "1e-3"),
    ],
)
def test_numbers_are_those_of_pydicom(header_of, name, value):
    header = header_of(**{name: value})
    found = numbers(header, name)
    assert found == tuple(np.atleast_1d(header[name].value).astype(float))
    assert found == numbers(header, name)


@pytest.mark.parametrize(
    ("charset", "value"),
    [
        ("ISO_IR 100", "Müller"),
        ("ISO_IR 192", "Пациент"),
        (["", "ISO 2022 IR 87"], "山田"),
        ("GB18030", "王"),
        ("ISO_IR 100", "A-1 ~^|"),
        ("ISO_IR 100", ["HU", "A"]),
    ],
)
def test_texts_are_those_of_pydicom_in_all_alphabets(header_of, charset, value):
    header = header_of(SpecificCharacterSet=charset, RescaleType=value)
    found = texts(header, "RescaleType")
    assert found == tuple(value if isinstance(value, list) else [value])
    assert header["RescaleType"].value == value
    assert found == texts(header, "RescaleType")


def test_half_a_number_is_damage(make_dicom):
    path = make_dicom("a.dcm", PIXELS, AcquisitionMatrix=[7, 7, 7, 7])
    path.write_bytes(
        path.read_bytes().replace(b"US\x08\x00" + b"\x07\0" * 4, b"US\x07\x00" + b"\x07\0" * 3 + b"\x07")
    )
    with pytest.raises(ReadError, match="cannot be read as DICOM"), decoding(path):
        numbers(open_dicom(path), "AcquisitionMatrix")


@pytest.mark.parametrize("value", [None, "", [], ["", "1"]])
def test_empty_attributes_hold_no_numbers(header_of, value):
    header = header_of(ImagePositionPatient=value)
    assert numbers(header, "ImagePositionPatient") == ()
    assert number(header, "ImagePositionPatient") is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_no_number(header_of, value):
    assert numbers(header_of(DiffusionBValue=value), "DiffusionBValue") == ()


def test_words_are_no_numbers(make_dicom):
    path = make_dicom("a.dcm", PIXELS, InstanceNumber="1234")
    path.write_bytes(path.read_bytes().replace(b"1234", b"12AB"))
    with pytest.raises(ReadError, match="could not convert"), decoding(path):
        number(open_dicom(path), "InstanceNumber")


def test_texts(header_of):
    header = header_of(ImageType=["DERIVED", "PRIMARY", "M"], SeriesInstanceUID="1.2.3", StudyDate=None)
    assert texts(header, "ImageType") == ("DERIVED", "PRIMARY", "M")
    assert text(header, "SeriesInstanceUID") == "1.2.3"
    assert (texts(header, "StudyDate"), text(header, "StudyDate")) == ((), "")


def test_frame_count():
    assert frame_count(Dataset()) == 1
    assert frame_count(group(NumberOfFrames=None)) == 1
    assert frame_count(group(NumberOfFrames="12")) == 12


def test_a_count_that_is_no_number():
    path = Path(get_testdata_file("badVR.dcm", download=False))
    with (
        pytest.raises(ReadError, match=r"badVR\.dcm .*number of frames is not a whole number"),
        decoding(path),
    ):
        frame_count(open_dicom(path))


def test_what_is_empty_is_held(header_of):
    header = header_of(StudyDate="")
    assert (holds(header, "StudyDate"), holds(header, "StudyTime")) == (True, False)


@pytest.mark.parametrize("looked_at", [False, True])
def test_an_empty_group_describes_no_frame(header_of, looked_at):
    empty = header_of(PerFrameFunctionalGroupsSequence=[Dataset()])
    filled = header_of(PerFrameFunctionalGroupsSequence=[group(Rows=None)])
    if looked_at:
        assert (
            len(empty.PerFrameFunctionalGroupsSequence) == len(filled.PerFrameFunctionalGroupsSequence) == 1
        )
    assert (len(frame_groups(empty)), len(frame_groups(filled)), len(frame_groups(Dataset()))) == (0, 1, 0)


def test_groups_of_one_frame_of_all_and_of_classic_files():
    shared = group(PixelMeasuresSequence=[group(PixelSpacing=[1, 2])])
    frames = [
        group(PixelMeasuresSequence=[group(PixelSpacing=[3, 4])]),
        group(),
    ]
    header = group(
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=frames,
        EchoTime=5,
    )
    assert numbers(macro(header, "PixelMeasuresSequence", 0), "PixelSpacing") == (3, 4)
    assert numbers(macro(header, "PixelMeasuresSequence", 1), "PixelSpacing") == (1, 2)
    assert not items(header, "MREchoSequence", 0)
    assert macro(header, "MREchoSequence", 0) is header
    classic = group(PixelSpacing=[5, 6])
    assert numbers(macro(classic, "PixelMeasuresSequence"), "PixelSpacing") == (5, 6)
