"""From stored to measured values: which mapping applies, and in which units."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from unetscope.io.dicom.luts import Table
from unetscope.io.dicom.mapping import Line, mapping_of


def group(**attributes):
    dataset = Dataset()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def real_world(slope, intercept=0.0, *, units="mm2/s"):
    return group(
        RealWorldValueFirstValueMapped=0,
        RealWorldValueLastValueMapped=4095,
        RealWorldValueSlope=slope,
        RealWorldValueIntercept=intercept,
        MeasurementUnitsCodeSequence=[group(CodeValue=units)],
    )


def gray(**attributes):
    return group(PhotometricInterpretation="MONOCHROME2", **attributes)


def test_nothing_said_nothing_changed():
    mapping = mapping_of(gray())
    assert (mapping.changes, mapping.at(0), mapping.units) == (False, Line(1.0, 0.0), None)
    assert not mapping_of(gray(RescaleSlope=1, RescaleIntercept=0)).changes


@pytest.mark.parametrize(
    ("attributes", "line"),
    [({"RescaleSlope": 2}, Line(2, 0)), ({"RescaleIntercept": -5}, Line(1, -5))],
)
def test_slope_and_intercept_need_not_both_be_there(attributes, line):
    mapping = mapping_of(gray(**attributes))
    assert (mapping.changes, mapping.at(3), mapping.is_rescale) == (True, line, True)


def test_every_frame_has_its_own_rescale():
    frames = [
        group(PixelValueTransformationSequence=[group(RescaleSlope=slope, RescaleIntercept=-slope)])
        for slope in (1, 2, 3)
    ]
    mapping = mapping_of(gray(NumberOfFrames=3, PerFrameFunctionalGroupsSequence=frames))
    assert [mapping.at(i) for i in range(3)] == [Line(1, -1), Line(2, -2), Line(3, -3)]
    with pytest.raises(IndexError):
        mapping.at(3)


@pytest.mark.parametrize(
    ("attributes", "units"),
    [
        ({"RescaleType": "HU"}, "HU"),
        ({"RescaleType": "US"}, None),
        ({"Units": "BQML"}, "BQML"),
        ({"RescaleType": "DOE^JOHN"}, None),
        ({"RescaleType": "a name of somebody"}, None),
        ({"DoseGridScaling": 0.5, "DoseUnits": "GY"}, "GY"),
        ({"RescaleType": "[hnsf'U]"}, "[hnsf'U]"),
    ],
)
def test_units(attributes, units):
    assert mapping_of(gray(RescaleSlope=2, **attributes)).units == units


def test_doses_are_scaled():
    mapping = mapping_of(gray(DoseGridScaling="0.125"))
    assert (mapping.at(0), mapping.changes, mapping.is_rescale) == (Line(0.125), True, False)


@pytest.mark.parametrize("rescale", [{}, {"RescaleSlope": 1, "RescaleIntercept": 0}])
def test_the_only_real_world_mapping_applies(rescale):
    mapping = mapping_of(gray(RealWorldValueMappingSequence=[real_world(1e-6, 2)], **rescale))
    assert (mapping.at(0), mapping.units, mapping.is_rescale) == (Line(1e-6, 2), "mm2/s", False)


@pytest.mark.parametrize(
    "attributes",
    [
        {"RescaleSlope": 2, "RealWorldValueMappingSequence": [real_world(5)]},
        {"RealWorldValueMappingSequence": [real_world(5), real_world(6)]},
        {"PhotometricInterpretation": "MONOCHROME1", "RealWorldValueMappingSequence": [real_world(5)]},
        {"ModalityLUTSequence": [Dataset()], "RealWorldValueMappingSequence": [real_world(5)]},
    ],
    ids=["beside a rescale", "one of two", "MONOCHROME1", "beside a lookup table"],
)
def test_where_there_is_a_choice_no_real_world_mapping_applies(attributes):
    mapping = mapping_of(group(**({"PhotometricInterpretation": "MONOCHROME2"} | attributes)))
    assert mapping.at(0).slope != 5
    assert mapping.is_rescale


def test_real_world_mapping_must_be_there_for_every_frame():
    frames = [group(RealWorldValueMappingSequence=[real_world(2)]), group()]
    header = gray(NumberOfFrames=2, PerFrameFunctionalGroupsSequence=frames)
    assert not mapping_of(header).changes
    header = gray(NumberOfFrames=2, PerFrameFunctionalGroupsSequence=frames[:1] * 2)
    assert mapping_of(header).at(1) == Line(2)


def test_real_world_table():
    item = group(RealWorldValueFirstValueMapped=10, RealWorldValueLUTData=[0.5, -1.5, 9.0])
    table = mapping_of(gray(RealWorldValueMappingSequence=[item])).at(0)
    assert isinstance(table, Table)
    assert table(np.array([0, 10, 11, 12, 99], np.uint8)).tolist() == [0.5, 0.5, -1.5, 9.0, 9.0]


def test_mapping_is_found_once(monkeypatch):
    header = gray(RescaleSlope=2)
    assert mapping_of(header) is mapping_of(header)


@settings(max_examples=100, deadline=None)
@given(
    slope=st.one_of(st.integers(-300, 300).map(float), st.floats(-1e3, 1e3)),
    intercept=st.one_of(st.integers(-(2**24), 2**24).map(float), st.floats(-1e6, 1e6)),
    dtype=st.sampled_from([np.uint8, np.int8, np.uint16, np.int16, np.int32]),
)
def test_single_precision_is_used_only_where_it_is_exact(slope, intercept, dtype):
    ends = np.iinfo(dtype)
    stored = np.array([ends.min, ends.min + 1, 0, 1, 77, ends.max - 1, ends.max], dtype)
    found = Line(slope, intercept)(stored).astype(np.float32)
    expected = (stored.astype(np.float64) * slope + intercept).astype(np.float32)
    np.testing.assert_array_equal(found, expected)


def test_common_rescales_are_reckoned_in_single_precision():
    assert Line(1.0, -1024.0)(np.zeros(2, np.int16)).dtype == np.float32
    assert Line(0.5, 0.0)(np.zeros(2, np.int16)).dtype == np.float64
