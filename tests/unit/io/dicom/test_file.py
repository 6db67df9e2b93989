"""One DICOM file: values, axes, spacing, and what must not leave it."""

from __future__ import annotations

import hashlib
import warnings

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_color_lut, apply_rescale, pixel_array
from pydicom.uid import JPEGLSLossless

from unetscope.errors import ReadError
from unetscope.io import read

RAMP = np.arange(24, dtype=np.int16).reshape(4, 6) - 5


def test_plain_file_keeps_type_values_and_spacing(make_dicom):
    image = read(make_dicom("a.dcm", RAMP))
    assert image.axes == "YX"
    assert image.data.dtype == np.int16
    np.testing.assert_array_equal(image.data, RAMP)
    assert (image.spacing, image.units) == ((0.5, 0.25), "mm")
    assert image.source.format == "dicom"
    assert dict(image.source.tags) == {"modality": "MR", "photometric": "MONOCHROME2", "bits_stored": 16}


def test_rescale_gives_float32_as_pydicom_does(make_dicom):
    path = make_dicom("a.dcm", RAMP, RescaleSlope="2.5", RescaleIntercept="-1024")
    image = read(path)
    assert image.data.dtype == np.float32
    np.testing.assert_allclose(image.data, apply_rescale(RAMP, pydicom.dcmread(path)))


def test_neutral_rescale_keeps_integers(make_dicom):
    assert read(make_dicom("a.dcm", RAMP, RescaleSlope=1, RescaleIntercept=0)).data.dtype == np.int16


def test_modality_lookup_table_is_applied(make_dicom):
    lut = pydicom.Dataset()
    lut.LUTDescriptor = [4, 0, 16]
    lut.add_new("LUTData", "US", [10, 20, 40, 80])
    lut.ModalityLUTType = "US"
    path = make_dicom("a.dcm", np.array([[0, 1, 2, 3]], np.uint16), ModalityLUTSequence=[lut])
    np.testing.assert_array_equal(read(path).data, [[10, 20, 40, 80]])


@pytest.mark.parametrize(
    ("dtype", "bits", "total"),
    [(np.uint16, 12, 4095), (np.uint16, 16, 65535), (np.uint8, 8, 255), (np.int16, 16, -1)],
)
def test_monochrome1_is_inverted_on_the_stored_range(make_dicom, dtype, bits, total):
    stored = np.arange(24, dtype=dtype).reshape(4, 6)
    path = make_dicom(
        "a.dcm", stored, PhotometricInterpretation="MONOCHROME1", BitsStored=bits, HighBit=bits - 1
    )
    image = read(path)
    assert image.data.dtype == dtype
    np.testing.assert_array_equal(image.data, total - stored.astype(int))


def test_monochrome1_turns_values_and_window_together(make_dicom):
    stored = np.array([[0, 100, 4095, 7]], np.uint16)
    path = make_dicom(
        "a.dcm",
        stored,
        PhotometricInterpretation="MONOCHROME1",
        BitsStored=12,
        HighBit=11,
        RescaleSlope=2,
        RescaleIntercept=-10,
        WindowCenter=190,
        WindowWidth=50,
    )
    image = read(path)
    np.testing.assert_array_equal(image.data, 2 * (4095 - stored.astype(float)) - 10)
    # The window was centered on the stored value 100, and still is.
    assert image.source.window == (image.data[0, 1], 50)


def test_rgb_is_channel_first(make_dicom):
    stored = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    image = read(make_dicom("a.dcm", stored))
    assert (image.axes, image.is_rgb) == ("CYX", True)
    np.testing.assert_array_equal(image.data, np.moveaxis(stored, -1, 0))


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
    ],
)
def test_frames_are_slices_or_times(make_dicom, attributes, axes, spacing, units):
    stored = np.arange(5 * 24, dtype=np.uint16).reshape(5, 4, 6)
    image = read(make_dicom("a.dcm", stored, NumberOfFrames=5, **attributes))
    assert (image.axes, image.spacing, image.units) == (axes, spacing, units)
    np.testing.assert_array_equal(image.data, stored)


def test_enhanced_file_has_spacing_and_rescale_per_frame(real_data):
    path = real_data / "dicom-odd/pydicom-data/eCT_Supplemental.dcm"
    dataset = pydicom.dcmread(path)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    frames = dataset.PerFrameFunctionalGroupsSequence
    image = read(path)
    measures = (shared if "PixelMeasuresSequence" in shared else frames[0]).PixelMeasuresSequence[0]
    np.testing.assert_allclose(image.spacing[1:], measures.PixelSpacing)
    for values, stored, frame in zip(image.data, pixel_array(dataset), frames, strict=True):
        group = shared if "PixelValueTransformationSequence" in shared else frame
        np.testing.assert_allclose(values, apply_rescale(stored, group.PixelValueTransformationSequence[0]))


@pytest.mark.parametrize(
    ("attributes", "spacing", "units"),
    [
        ({"PixelSpacing": None}, (1, 1), "pixel"),
        ({"PixelSpacing": [0, 0]}, (1, 1), "pixel"),
        ({"PixelSpacing": None, "ImagerPixelSpacing": [0.1, 0.2]}, (0.1, 0.2), "mm"),
        ({"PixelSpacing": None, "NominalScannedPixelSpacing": [0.3, 0.4]}, (0.3, 0.4), "mm"),
        ({"ImagerPixelSpacing": [9, 9]}, (0.5, 0.25), "mm"),
    ],
)
def test_where_the_spacing_comes_from(make_dicom, attributes, spacing, units):
    image = read(make_dicom("a.dcm", RAMP, **attributes))
    assert (image.spacing, image.units) == (spacing, units)


def test_first_window_counts(make_dicom):
    path = make_dicom("a.dcm", RAMP, WindowCenter=[40, 300], WindowWidth=[400, 2000])
    assert read(path).source.window == (40, 400)
    assert read(make_dicom("b.dcm", RAMP, WindowCenter=40, WindowWidth=0)).source.window is None
    assert read(make_dicom("c.dcm", RAMP)).source.window is None


def test_group_is_a_hash_of_the_patient(make_dicom):
    def group(**attributes):
        return read(make_dicom("a.dcm", RAMP, **attributes)).source.group

    assert group(PatientID="p7") == f"patient-{hashlib.sha256(b'p7').hexdigest()[:12]}"
    assert group(PatientID="p7", PatientName="Other^Name") == group(PatientID="p7")
    assert group(PatientID="p7", IssuerOfPatientID="A") != group(PatientID="p7", IssuerOfPatientID="B")
    assert group(PatientID="") is None
    assert group(PatientID=None) is None


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


def test_missing_decoder_names_the_extra(make_dicom, monkeypatch):
    from pydicom.pixels.decoders import JPEGLSLosslessDecoder

    path = make_dicom("a.dcm", RAMP)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9"])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)
    monkeypatch.setattr(JPEGLSLosslessDecoder, "_available", {})
    with pytest.raises(ReadError, match=r'a\.dcm is compressed as JPEG-LS.*pip install "unetscope\[dicom\]"'):
        read(path)


@pytest.mark.parametrize("keep", [140, 200, 400, -10])
def test_truncated_file_is_named(make_dicom, keep):
    path = make_dicom("cut.dcm", RAMP)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ReadError, match=r"cut\.dcm"):
        read(path)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("dcmqi/sr-example/sr.dcm", "without pixels"),
        ("dcmqi/sr-example/seg.dcm", "segmentation object"),
        ("highdicom/sm_image_dots.dcm", "25 tiles"),
    ],
)
def test_other_objects_are_refused(real_data, file, words):
    with pytest.raises(ReadError, match=words):
        read(real_data / "dicom-odd" / file)


def test_left_ventricle(real_data):
    path = real_data / "left-ventricle/training/SC-HF-I-1_0048.dcm"
    image = read(path)
    assert (image.data.shape, image.data.dtype, image.axes) == ((256, 256), np.int16, "YX")
    assert (image.spacing, image.units) == ((1.367188, 1.367188), "mm")
    np.testing.assert_array_equal(image.data, pixel_array(path))
