"""One DICOM file as an image: axes, place, spacing, and what must not leave it."""

from __future__ import annotations

import warnings

import dask.array
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut, apply_rescale, pixel_array
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from unetscope.errors import InputError, ReadError
from unetscope.io import _limits, read
from unetscope.io.dicom.file import read_dicom

RAMP = np.arange(24, dtype=np.int16).reshape(4, 6) - 5
PLACED = {"ImagePositionPatient": [10, 20, 30], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}


def group(**attributes):
    dataset = Dataset()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def test_plain_file_keeps_type_values_and_spacing(make_dicom):
    image = read(make_dicom("a.dcm", RAMP))
    assert image.axes == "YX"
    assert image.data.dtype == np.int16
    np.testing.assert_array_equal(image.data, RAMP)
    assert (image.spacing, image.units) == ((0.5, 0.25), "mm")
    assert image.source.format == "dicom"
    assert dict(image.source.tags) == {"modality": "MR", "photometric": "MONOCHROME2", "bits_stored": 16}
    assert (image.affine, image.source.notes, image.source.files) == (None, (), ())


def test_a_plane_has_its_place_in_the_patient(make_dicom):
    image = read(make_dicom("a.dcm", RAMP, SliceThickness=4, **PLACED))
    np.testing.assert_allclose(
        image.affine, [[0, 0, 0.25, 10], [0, 0.5, 0, 20], [4, 0, 0, 30], [0, 0, 0, 1]], atol=1e-12
    )
    assert image.spacing == pytest.approx((0.5, 0.25))
    assert image.origin == pytest.approx((20, 10))


def test_rgb_is_channel_first(make_dicom):
    stored = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    image = read(make_dicom("a.dcm", stored))
    assert (image.axes, image.is_rgb) == ("CYX", True)
    np.testing.assert_array_equal(image.data, np.moveaxis(stored, -1, 0))
    assert image.data.flags.c_contiguous


def test_ybr_becomes_rgb(real_data):
    image = read(real_data / "dicom-odd/pydicom-data/SC_ybr_full_uncompressed.dcm")
    assert image.is_rgb
    # The first bar of this chart is pure red.
    np.testing.assert_allclose(image.data[:, 5, 50].astype(int), [255, 0, 0], atol=2)


def test_palette_becomes_rgb(real_data):
    path = real_data / "dicom-odd/pydicom-data/OBXXXX1A_rle.dcm"
    dataset = pydicom.dcmread(path)
    image = read(path)
    assert image.is_rgb
    np.testing.assert_array_equal(
        image.data, np.moveaxis(apply_color_lut(pixel_array(dataset), dataset), -1, 0)
    )


@pytest.mark.parametrize(
    ("attributes", "axes", "spacing", "units"),
    [
        ({"SpacingBetweenSlices": 3, "SliceThickness": 2}, "ZYX", (3, 0.5, 0.25), "mm"),
        ({"SliceThickness": 2}, "ZYX", (2, 0.5, 0.25), "mm"),
        ({}, "ZYX", (1, 1, 1), "pixel"),
        ({"FrameTime": 40}, "TYX", (0.5, 0.25), "mm"),
        ({"FrameTimeVector": [0, 1, 1, 1, 1]}, "TYX", (0.5, 0.25), "mm"),
    ],
)
def test_frames_are_slices_or_times(make_dicom, attributes, axes, spacing, units):
    stored = np.arange(5 * 24, dtype=np.uint16).reshape(5, 4, 6)
    image = read(make_dicom("a.dcm", stored, NumberOfFrames=5, **attributes))
    assert (image.axes, image.spacing, image.units) == (axes, spacing, units)
    np.testing.assert_array_equal(image.data, stored)


def test_frames_in_color(make_dicom):
    stored = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    image = read(make_dicom("a.dcm", stored, NumberOfFrames=5, FrameTime=40))
    assert image.axes == "TCYX"
    np.testing.assert_array_equal(image.data, np.moveaxis(stored, -1, 1))


def enhanced(positions, slopes=None):
    """Functional groups of frames at these heights, each with its own slope."""
    frames = []
    for z, slope in zip(positions, slopes or [1] * len(positions), strict=True):
        frames.append(
            group(
                PlanePositionSequence=[group(ImagePositionPatient=[0, 0, z])],
                PlaneOrientationSequence=[group(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
                PixelMeasuresSequence=[group(PixelSpacing=[2, 2], SliceThickness=9)],
                PixelValueTransformationSequence=[
                    group(RescaleSlope=slope, RescaleIntercept=0, RescaleType="US")
                ],
            )
        )
    return {
        "NumberOfFrames": len(positions),
        "PerFrameFunctionalGroupsSequence": frames,
        "PixelSpacing": None,
    }


def test_frames_are_sorted_by_place_each_with_its_rescale(make_dicom):
    stored = np.arange(3 * 24, dtype=np.uint16).reshape(3, 4, 6)
    image = read(make_dicom("a.dcm", stored, **enhanced([8, 0, 4], [1, 2, 3])))
    assert (image.axes, image.data.dtype) == ("ZYX", np.float32)
    assert image.spacing == pytest.approx((4, 2, 2))
    np.testing.assert_array_equal(image.data, np.stack([2 * stored[1], 3 * stored[2], stored[0]]))
    np.testing.assert_allclose(image.affine[:3, 3], [0, 0, 0])


def test_frames_with_a_gap_are_refused(make_dicom):
    stored = np.zeros((4, 4, 6), np.uint16)
    with pytest.raises(InputError, match=r"a\.dcm"):
        read(make_dicom("a.dcm", stored, **enhanced([0, 1, 2, 4])))


def test_several_stacks_in_one_file_are_refused(make_dicom):
    attributes = enhanced([0, 1])
    orientation = attributes["PerFrameFunctionalGroupsSequence"][1].PlaneOrientationSequence[0]
    orientation.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    with pytest.raises(InputError, match=r"a\.dcm holds 2 stacks of frames that differ in orientation"):
        read(make_dicom("a.dcm", np.zeros((2, 4, 6), np.uint16), **attributes))


def test_enhanced_file_has_spacing_and_rescale_per_frame(real_data):
    path = real_data / "dicom-odd/pydicom-data/eCT_Supplemental.dcm"
    dataset = pydicom.dcmread(path)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    frames = dataset.PerFrameFunctionalGroupsSequence
    places = [frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames]
    directions = (shared if "PlaneOrientationSequence" in shared else frames[0]).PlaneOrientationSequence[0]
    across, down = np.reshape(directions.ImageOrientationPatient, (2, 3))
    order = np.argsort(np.array(places) @ np.cross(across, down))
    image = read(path)
    measures = (shared if "PixelMeasuresSequence" in shared else frames[0]).PixelMeasuresSequence[0]
    np.testing.assert_allclose(image.spacing[1:], measures.PixelSpacing)
    for values, i in zip(image.data, order, strict=True):
        item = shared if "PixelValueTransformationSequence" in shared else frames[i]
        item = item.PixelValueTransformationSequence[0]
        np.testing.assert_allclose(values, apply_rescale(pixel_array(dataset)[i], item))


@pytest.mark.parametrize("color", [False, True])
def test_large_frames_stay_on_disk_until_looked_at(make_dicom, monkeypatch, color):
    shape = (5, 4, 6, 3) if color else (5, 4, 6)
    stored = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = make_dicom("a.dcm", stored, NumberOfFrames=5, FrameTime=40)
    assert isinstance(read_dicom(path, lazy=True).data, np.ndarray)
    monkeypatch.setattr(_limits, "LAZY_BYTES", 64)
    image = read_dicom(path, lazy=True)
    assert isinstance(image.data, dask.array.Array)
    np.testing.assert_array_equal(image.data[3], read_dicom(path).data[3])
    np.testing.assert_array_equal(image.load().data, read_dicom(path).data)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless], ids=lambda uid: uid.name)
def test_frames_from_disk_have_the_rescale_of_their_own(make_dicom, monkeypatch, syntax):
    stored = np.arange(3 * 24, dtype=np.uint16).reshape(3, 4, 6)
    path = make_dicom("a.dcm", stored, syntax=syntax, **enhanced([8, 0, 4], [1, 2, 3]))
    expected = read_dicom(path).data
    monkeypatch.setattr(_limits, "LAZY_BYTES", 64)
    np.testing.assert_array_equal(read_dicom(path, lazy=True).data, expected)


def test_no_identifier_is_kept(make_dicom):
    image = read(make_dicom("a.dcm", RAMP, PatientID="secret-id", PatientName="Secret^Name"))
    assert "secret" not in repr(image.source).lower()


def test_big_endian_becomes_native(real_data):
    folder = real_data / "dicom-odd/pydicom-data"
    image = read(folder / "emri_small_big_endian.dcm")
    assert image.data.dtype.isnative
    np.testing.assert_array_equal(image.data, read(folder / "emri_small.dcm").data)


def test_invalid_identifiers_warn_nobody(make_dicom):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = make_dicom(
            "a.dcm", RAMP, SeriesInstanceUID="1.02.abc", StudyDate="yesterday", PatientID="x" * 99
        )
    assert read(path).axes == "YX"


@pytest.mark.parametrize("keep", [140, 200, 400, -10])
def test_truncated_file_is_named(make_dicom, keep):
    path = make_dicom("cut.dcm", RAMP)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ReadError, match=r"cut\.dcm"):
        read(path)


def test_reports_are_no_images(real_data):
    with pytest.raises(ReadError, match=r"sr\.dcm is a DICOM file without pixels \(modality SR\)"):
        read(real_data / "dicom-odd/dcmqi/sr-example/sr.dcm")


def test_segmentations_and_slides_are_read_as_what_they_are(real_data):
    folder = real_data / "dicom-odd/highdicom"
    assert read(folder / "seg_image_ct_binary_overlap.dcm").axes == "CZYX"
    assert read(folder / "sm_image_dots.dcm").data.shape == (3, 50, 50)


def test_left_ventricle(real_data):
    path = real_data / "left-ventricle/training/SC-HF-I-1_0048.dcm"
    image = read(path)
    assert (image.data.shape, image.data.dtype, image.axes) == ((256, 256), np.int16, "YX")
    assert image.spacing == pytest.approx((1.367188, 1.367188))
    assert image.units == "mm"
    np.testing.assert_array_equal(image.data, pixel_array(path))
