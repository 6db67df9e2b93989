"""Where an image came from: facts for later steps, notes for a person, no identifiers."""

from __future__ import annotations

import re

import numpy as np
import pytest
from pydicom.dataset import Dataset

from unetscope.io.dicom.decode import open_dicom
from unetscope.io.dicom.source import source_of

RAMP = np.arange(24, dtype=np.int16).reshape(4, 6) - 5
PLAIN = {"modality": "MR", "photometric": "MONOCHROME2", "bits_stored": 16}


def source(make_dicom, pixels=RAMP, **attributes):
    path = make_dicom("a.dcm", pixels, **attributes)
    return source_of(open_dicom(path, header_only=True), path)


@pytest.mark.parametrize(
    ("attributes", "tags"),
    [
        ({}, {}),
        ({"RescaleSlope": 2, "RescaleType": "HU"}, {"value_units": "HU"}),
        ({"PixelPaddingValue": -7}, {"padding": (-7, -7)}),
        ({"VOILUTFunction": "SIGMOID"}, {}),
        (
            {"VOILUTFunction": "SIGMOID", "WindowCenter": 0, "WindowWidth": 2},
            {"window_function": "SIGMOID"},
        ),
        (
            {"VOILUTFunction": "LINEAR_EXACT", "WindowCenter": 0, "WindowWidth": 2},
            {"window_function": "LINEAR_EXACT"},
        ),
        ({"VOILUTFunction": "LINEAR", "WindowCenter": 0, "WindowWidth": 2}, {}),
    ],
)
def test_tags(make_dicom, attributes, tags):
    assert source(make_dicom, **attributes).tags == PLAIN | tags


def test_tags_of_color(make_dicom):
    tags = source(make_dicom, np.zeros((2, 2, 3), np.uint8), PixelPaddingValue=0, RescaleType="HU").tags
    assert tags == {"modality": "MR", "photometric": "RGB", "bits_stored": 8}


@pytest.mark.parametrize(
    ("attributes", "note"),
    [
        ({"PixelSpacing": None, "ImagerPixelSpacing": [1, 1]}, "at the detector, not in the patient"),
        (
            {
                "PixelSpacing": None,
                "ImagerPixelSpacing": [1, 1],
                "EstimatedRadiographicMagnificationFactor": 1.25,
            },
            "detector.*1.25 times smaller",
        ),
        ({"PixelSpacing": None, "PixelAspectRatio": [4, 3]}, "not square: height to width is 4:3"),
    ],
)
def test_notes_on_the_spacing(make_dicom, attributes, note):
    (found,) = source(make_dicom, **attributes).notes
    assert re.search(note, found)


def test_nothing_to_note(make_dicom):
    assert source(make_dicom, ImagerPixelSpacing=[1, 1], PixelAspectRatio=[1, 1]).notes == ()


def test_real_world_mappings_that_are_not_applied_are_noted(make_dicom):
    item = Dataset()
    item.RealWorldValueSlope, item.RealWorldValueIntercept = 2.0, 0.0
    assert source(make_dicom, RealWorldValueMappingSequence=[item]).notes == ()
    (note,) = source(make_dicom, RealWorldValueMappingSequence=[item], RescaleSlope=3).notes
    assert "1 real-world value mapping" in note


def test_no_identifier_is_kept(make_dicom):
    names = ("PatientID", "PatientName", "SeriesDescription", "StudyID", "AccessionNumber")
    found = source(
        make_dicom,
        SeriesInstanceUID="1.2.77777",
        SOPInstanceUID="1.2.77778",
        **dict.fromkeys(names, "Secret"),
    )
    assert found.group.startswith("patient-")
    assert "secret" not in repr(found).lower()
    assert "7777" not in repr(found)
