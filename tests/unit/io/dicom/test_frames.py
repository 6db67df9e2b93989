"""Place and time of every frame, from whichever module tells them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from unetscope.errors import ReadError
from unetscope.io.dicom.decode import decoding, open_dicom
from unetscope.io.dicom.frames import planes_of, spacing_of

PLANE = np.zeros((4, 6), np.uint16)
AXIAL = [1, 0, 0, 0, 1, 0]
SAGITTAL = [0, 1, 0, 0, 0, -1]


def group(**attributes):
    dataset = Dataset()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


@pytest.fixture
def planes(make_dicom):
    def read(frames=None, **attributes):
        pixels = PLANE if frames is None else np.zeros((frames, 4, 6), np.uint16)
        path = make_dicom("a.dcm", pixels, NumberOfFrames=frames, **attributes)
        with decoding(path):
            return planes_of(path, open_dicom(path, header_only=True))

    return read


@pytest.fixture
def plane(planes):
    def read(**attributes):
        (only,) = planes(**attributes)
        return only

    return read


def test_one_image_is_one_plane(plane):
    found = plane(
        ImagePositionPatient=[1, -2, 3.5],
        ImageOrientationPatient=SAGITTAL,
        SliceThickness=3,
        ImageType=["ORIGINAL", "PRIMARY", "M"],
        SOPInstanceUID="1.2.3",
        RescaleSlope=2,
    )
    assert (found.path.name, found.frame, found.shape, found.color) == ("a.dcm", None, (4, 6), False)
    assert (found.position, found.orientation) == ((1, -2, 3.5), tuple(SAGITTAL))
    assert (found.spacing, found.thickness) == ((0.5, 0.25), 3)
    assert (found.image_type, found.uid, found.dtype) == (("ORIGINAL", "PRIMARY", "M"), "1.2.3", np.float32)


def test_spacing_between_slices_comes_before_their_thickness(plane):
    assert plane(SpacingBetweenSlices=2, SliceThickness=3).thickness == 2
    assert plane(SpacingBetweenSlices=-2).thickness == 2
    assert plane(SliceThickness=0).thickness is None


@pytest.mark.parametrize("position", [None, [1, 2], [1, 2, 3, 4], ["", "", ""]])
def test_a_position_has_three_numbers(plane, position):
    assert plane(ImagePositionPatient=position, ImageOrientationPatient=AXIAL).position is None


@pytest.mark.parametrize(
    "attribute",
    [
        {"SeriesInstanceUID": "1.9"},
        {"PhotometricInterpretation": "MONOCHROME1"},
    ],
)
def test_planes_of_different_kind(plane, attribute):
    same = {"SeriesInstanceUID": "1.2"}
    assert plane(**same).kind == plane(**same, InstanceNumber=3, PixelSpacing=[1, 1]).kind
    assert plane(**same).kind != plane(**(same | attribute)).kind


def test_clocks_of_one_image(plane):
    numbers = {
        "TemporalPositionIdentifier": 2,
        "TriggerTime": 40.5,
        "EchoTime": 4.25,
        "InversionTime": 900,
        "FlipAngle": 15,
        "DiffusionBValue": 800.0,
        "AcquisitionNumber": 1,
        "InstanceNumber": 17,
    }
    assert plane(**numbers).clocks == numbers
    assert plane(EchoTime=None, TriggerTime="").clocks == {}


DAY = 86400.0


@pytest.mark.parametrize(
    ("attributes", "later"),
    [
        ({"AcquisitionTime": "101530.25"}, 10 * 3600 + 15 * 60 + 30.25),
        ({"AcquisitionTime": "1015"}, 10 * 3600 + 15 * 60),
        ({"AcquisitionTime": "10"}, 10 * 3600),
    ],
)
def test_seconds_of_the_day(plane, attributes, later):
    midnight = plane(AcquisitionTime="000000").clocks["AcquisitionTime"]
    assert plane(**attributes).clocks["AcquisitionTime"] - midnight == later


def test_time_runs_on_over_midnight(plane):
    before = plane(ContentDate="20240229", ContentTime="235959.5")
    after = plane(ContentDate="20240301", ContentTime="000000.5")
    assert after.clocks["ContentTime"] - before.clocks["ContentTime"] == 1
    before = plane(AcquisitionDateTime="20231231235959", AcquisitionTime="120000")
    after = plane(AcquisitionDateTime="20240101000001.000000+0100")
    assert after.clocks["AcquisitionTime"] - before.clocks["AcquisitionTime"] == 2


@pytest.mark.parametrize("time", ["noon", "256100", "1", ""])
def test_odd_times_are_no_clock(plane, time):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "AcquisitionTime" not in plane(AcquisitionTime=time).clocks


def enhanced_frame(z, *, spacing=(0.5, 0.25), **clocks):
    return group(
        PlanePositionSequence=[group(ImagePositionPatient=[0, 0, z])],
        PixelMeasuresSequence=[group(PixelSpacing=list(spacing), SliceThickness=1)],
        FrameContentSequence=[group(**clocks)],
    )


def test_frames_of_an_enhanced_file(planes):
    shared = group(
        PlaneOrientationSequence=[group(ImageOrientationPatient=AXIAL)],
        MRImageFrameTypeSequence=[group(FrameType=["ORIGINAL", "PRIMARY", "DIFFUSION"])],
        MREchoSequence=[group(EffectiveEchoTime=80.0)],
    )
    frames = [
        enhanced_frame(z, StackID="1", TemporalPositionIndex=t, FrameAcquisitionDateTime=f"2024010110000{t}")
        for t in (1, 2)
        for z in (5, 10)
    ]
    for i, frame in enumerate(frames):
        frame.MRDiffusionSequence = [group(DiffusionBValue=500.0 * i)]
        frame.CardiacSynchronizationSequence = [group(NominalCardiacTriggerDelayTime=20.0 * i)]
    found = planes(4, SharedFunctionalGroupsSequence=[shared], PerFrameFunctionalGroupsSequence=frames)
    assert [plane.frame for plane in found] == [0, 1, 2, 3]
    assert [plane.position for plane in found] == [(0, 0, 5), (0, 0, 10)] * 2
    assert {plane.orientation for plane in found} == {tuple(AXIAL)}
    assert {(plane.spacing, plane.thickness) for plane in found} == {((0.5, 0.25), 1)}
    assert {plane.image_type for plane in found} == {("ORIGINAL", "PRIMARY", "DIFFUSION")}
    assert [plane.clocks["TemporalPositionIndex"] for plane in found] == [1, 1, 2, 2]
    assert [plane.clocks["DiffusionBValue"] for plane in found] == [0, 500, 1000, 1500]
    assert [plane.clocks["NominalCardiacTriggerDelayTime"] for plane in found] == [0, 20, 40, 60]
    assert {plane.clocks["EchoTime"] for plane in found} == {80}
    assert found[2].clocks["AcquisitionTime"] - found[0].clocks["AcquisitionTime"] == 1
    assert len({plane.kind for plane in found}) == 1


def test_stacks_of_an_enhanced_file_are_different_kinds(planes):
    frames = [enhanced_frame(0, StackID=name) for name in "AB"]
    one, other = planes(2, PerFrameFunctionalGroupsSequence=frames)
    assert one.kind != other.kind


def test_the_only_frame_of_an_enhanced_file_is_an_image(planes):
    (found,) = planes(1, PerFrameFunctionalGroupsSequence=[enhanced_frame(7)])
    assert (found.frame, found.position) == (None, (0, 0, 7))


def test_inversion_times_are_several(planes):
    frames = [enhanced_frame(0), enhanced_frame(0)]
    for i, frame in enumerate(frames):
        frame.MRModifierSequence = [group(InversionTimes=MultiValue(float, [100.0 * i, 7.0]))]
    found = planes(2, PerFrameFunctionalGroupsSequence=frames)
    assert [plane.clocks["InversionTime"] for plane in found] == [0, 100]


def test_frame_time(planes):
    found = planes(3, FrameTime="40")
    assert [plane.clocks["FrameTime"] for plane in found] == [0, 40, 80]
    assert [plane.clocks["InstanceNumber"] for plane in found] == [1, 2, 3]
    assert {plane.position for plane in found} == {None}


def test_a_frame_time_of_zero_is_an_order(planes):
    assert [plane.clocks["FrameTime"] for plane in planes(3, FrameTime="0")] == [0, 1, 2]


def test_frame_time_vector_holds_steps(planes):
    found = planes(3, FrameTimeVector=[0, 40, 60], FrameTime="9")
    assert [plane.clocks["FrameTime"] for plane in found] == [0, 40, 100]


def test_frames_of_which_nothing_is_said(planes):
    found = planes(2, ImagePositionPatient=[0, 0, 0], ImageOrientationPatient=AXIAL)
    # One position for all frames is the position of none.
    assert [plane.position for plane in found] == [None, None]
    assert "FrameTime" not in found[0].clocks


@pytest.mark.parametrize(
    ("vector", "z"),
    [([0, 2, 4], [10, 12, 14]), ([10, 12, 14], [10, 12, 14]), ([0, -2, -4], [10, 8, 6]), ([3, 5, 7], None)],
    ids=["relative", "absolute", "downwards", "neither"],
)
def test_offsets_of_a_dose_grid(planes, vector, z):
    found = planes(
        3, GridFrameOffsetVector=vector, ImagePositionPatient=[1, 2, 10], ImageOrientationPatient=AXIAL
    )
    assert [plane.position for plane in found] == [z and (1, 2, height) for height in z or [None] * 3]


def test_offsets_follow_the_normal(planes):
    found = planes(
        2, GridFrameOffsetVector=[0, 3], ImagePositionPatient=[1, 2, 10], ImageOrientationPatient=SAGITTAL
    )
    assert [plane.position for plane in found] == [(1, 2, 10), (-2, 2, 10)]


def test_slice_locations_of_secondary_captures(planes):
    found = planes(
        2, SliceLocationVector=[50, 47], ImagePositionPatient=[0, 0, 50], ImageOrientationPatient=AXIAL
    )
    assert [plane.position for plane in found] == [(0, 0, 50), (0, 0, 47)]


@pytest.mark.parametrize("step", [4, -4])
def test_slices_of_nuclear_medicine(planes, step):
    detector = group(ImagePositionPatient=[0, 0, 100], ImageOrientationPatient=AXIAL)
    found = planes(
        4,
        SliceVector=[1, 2, 1, 2],
        TimeSlotVector=[1, 1, 2, 2],
        DetectorVector=[1, 1, 1, 1],
        SpacingBetweenSlices=step,
        DetectorInformationSequence=[detector],
    )
    assert [plane.position for plane in found] == [(0, 0, 100), (0, 0, 100 + step)] * 2
    assert [plane.clocks["TemporalPositionIndex"] for plane in found] == [1, 1, 2, 2]
    assert found[0].orientation == tuple(AXIAL)
    assert len({plane.kind for plane in found}) == 1


def test_phases_and_time_slices_of_nuclear_medicine_are_one_time(planes):
    found = planes(4, PhaseVector=[1, 1, 2, 2], TimeSliceVector=[1, 2, 1, 2])
    assert [plane.clocks["TemporalPositionIndex"] for plane in found] == [1, 2, 3, 4]


def test_detectors_and_energies_are_different_kinds(planes):
    found = planes(4, DetectorVector=[1, 2, 1, 2], EnergyWindowVector=[1, 1, 2, 2])
    assert len({plane.kind for plane in found}) == 4


@pytest.mark.parametrize("described", [1, 3])
def test_as_many_frames_as_are_described(planes, described):
    frames = [enhanced_frame(z) for z in range(described)]
    with pytest.raises(ReadError, match=rf"a\.dcm has 2 frames, of which its header describes {described}"):
        planes(2, PerFrameFunctionalGroupsSequence=frames)


def test_absurd_numbers_of_frames_are_refused_at_once(make_dicom):
    path = make_dicom("a.dcm", PLANE, NumberOfFrames=2**31 - 1)
    with pytest.raises(ReadError, match=r"a\.dcm has 2147483647 frames"):
        planes_of(path, open_dicom(path, header_only=True))


@pytest.mark.parametrize(
    ("attributes", "spacing"),
    [
        ({}, (0.5, 0.25)),
        ({"PixelSpacing": None}, None),
        ({"PixelSpacing": [0, 0]}, None),
        ({"PixelSpacing": [0.5]}, None),
        ({"PixelSpacing": [-1, -1]}, None),
        ({"PixelSpacing": None, "ImagerPixelSpacing": [0.1, 0.2]}, (0.1, 0.2)),
        ({"PixelSpacing": None, "NominalScannedPixelSpacing": [0.3, 0.4]}, (0.3, 0.4)),
        ({"ImagerPixelSpacing": [9, 9]}, (0.5, 0.25)),
    ],
)
def test_where_the_spacing_comes_from(make_dicom, attributes, spacing):
    assert spacing_of(open_dicom(make_dicom("a.dcm", PLANE, **attributes))) == spacing


def region(*, form=1, units=3, deltas=(0.02, -0.05)):
    return group(
        RegionSpatialFormat=form,
        PhysicalUnitsXDirection=units,
        PhysicalUnitsYDirection=units,
        PhysicalDeltaX=deltas[0],
        PhysicalDeltaY=deltas[1],
    )


@pytest.mark.parametrize(
    ("regions", "spacing"),
    [
        ([region()], (0.5, 0.2)),
        ([region(), region(form=3, units=4)], (0.5, 0.2)),
        ([region(), region()], (0.5, 0.2)),
        ([region(), region(deltas=(0.03, 0.03))], None),
        ([region(units=4)], None),
        ([region(deltas=(0.0, 0.02))], None),
        ([group(RegionSpatialFormat=1)], None),
        ([], None),
    ],
    ids=["one", "beside a spectrum", "two alike", "two scales", "seconds", "no delta", "empty", "none"],
)
def test_spacing_of_ultrasound_is_that_of_its_regions(make_dicom, regions, spacing):
    path = make_dicom("a.dcm", PLANE, PixelSpacing=None, SequenceOfUltrasoundRegions=regions)
    assert spacing_of(open_dicom(path)) == (pytest.approx(spacing) if spacing else None)
