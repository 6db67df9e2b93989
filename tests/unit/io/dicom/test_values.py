"""Pixel values: larger is brighter, as measured, or red, green and blue."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_rescale
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from unetscope.errors import ReadError
from unetscope.io.dicom.decode import decoding, open_dicom
from unetscope.io.dicom.layout import layout_of
from unetscope.io.dicom.values import padding_of, pixel_values, values_dtype, window_of

RAMP = np.arange(24, dtype=np.int16).reshape(4, 6) - 5


@pytest.fixture
def values_of(make_dicom):
    """Write a file, and decode it in all ways, which must agree."""

    def values(pixels, **attributes):
        path = make_dicom("a.dcm", pixels, **attributes)
        with decoding(path):
            whole, header = open_dicom(path), open_dicom(path, header_only=True)
            found = pixel_values(whole, path)
            np.testing.assert_array_equal(pixel_values(header, path), found)
            frames = found if header.get("NumberOfFrames", 1) > 1 else [found]
            for i, frame in enumerate(frames):
                np.testing.assert_array_equal(pixel_values(header, path, frame=i), frame)
            assert found.dtype == values_dtype(header) == values_dtype(whole)
            assert (found.ndim > 2 and found.shape[-1] == 3) is layout_of(header).is_color
        assert found.dtype.isnative
        return found

    return values


def modality_lut(bits=16, entries=(10, 20, 40, 80)):
    lut = pydicom.Dataset()
    lut.LUTDescriptor = [len(entries), 0, bits]
    lut.add_new("LUTData", "US", list(entries))
    lut.ModalityLUTType = "US"
    return lut


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64]
)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian], ids=lambda uid: uid.name)
def test_integers_stay_as_stored(values_of, dtype, syntax):
    ends = np.iinfo(dtype)
    pixels = np.array([[ends.min, 0, 1], [7, 100, ends.max]], dtype)
    np.testing.assert_array_equal(values_of(pixels, syntax=syntax), pixels)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian], ids=lambda uid: uid.name)
def test_floats_stay_as_stored(values_of, dtype, syntax):
    pixels = np.array([[0.1, -1e30, np.nan]], dtype)
    found = values_of(pixels, syntax=syntax)
    np.testing.assert_array_equal(found, pixels)


def test_rescale_gives_float32_as_pydicom_does(values_of, make_dicom):
    attributes = {"RescaleSlope": "2.5", "RescaleIntercept": "-1024"}
    found = values_of(RAMP, **attributes)
    assert found.dtype == np.float32
    path = make_dicom("b.dcm", RAMP, **attributes)
    np.testing.assert_allclose(found, apply_rescale(RAMP, pydicom.dcmread(path)))


def test_neutral_rescale_keeps_integers(values_of):
    assert values_of(RAMP, RescaleSlope=1, RescaleIntercept=0).dtype == np.int16


def test_frames_are_rescaled_by_their_own_slope(values_of):
    stored = np.arange(3 * 24, dtype=np.uint16).reshape(3, 4, 6)
    groups = []
    for slope in (1, 2, 0.5):
        values, frame = pydicom.Dataset(), pydicom.Dataset()
        values.RescaleSlope, values.RescaleIntercept, values.RescaleType = slope, -1, "US"
        frame.PixelValueTransformationSequence = [values]
        groups.append(frame)
    found = values_of(stored, NumberOfFrames=3, PerFrameFunctionalGroupsSequence=groups)
    np.testing.assert_array_equal(found, stored * np.array([1, 2, 0.5]).reshape(3, 1, 1) - 1)


def test_slopes_beyond_all_numbers_are_damage(make_dicom):
    path = make_dicom("a.dcm", RAMP, RescaleSlope="1e300")
    with pytest.raises(ReadError, match=r"a\.dcm cannot be read as DICOM \(overflow"), decoding(path):
        pixel_values(open_dicom(path), path)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_modality_lookup_table_is_applied(values_of, bits):
    stored = np.array([[0, 1, 2, 3, 9]], np.uint16)
    found = values_of(stored, ModalityLUTSequence=[modality_lut(bits)])
    assert found.tolist() == [[10, 20, 40, 80, 80]]
    assert found.dtype == (np.uint8 if bits == 8 else np.uint16)


@pytest.mark.parametrize(
    ("dtype", "bits", "total"),
    [
        (np.uint16, 12, 4095),
        (np.uint16, 16, 65535),
        (np.uint8, 8, 255),
        (np.int16, 16, -1),
        (np.uint32, 32, 2**32 - 1),
    ],
)
def test_monochrome1_is_inverted_on_the_stored_range(values_of, dtype, bits, total):
    stored = np.arange(24, dtype=dtype).reshape(4, 6)
    found = values_of(stored, PhotometricInterpretation="MONOCHROME1", BitsStored=bits, HighBit=bits - 1)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, total - stored.astype(np.int64))


@pytest.mark.parametrize("bits", [8, 10, 16])
def test_monochrome1_with_a_lookup_table_is_inverted_on_the_range_of_the_table(values_of, bits):
    stored = np.array([[0, 1, 2, 3]], np.uint16)
    found = values_of(
        stored, PhotometricInterpretation="MONOCHROME1", ModalityLUTSequence=[modality_lut(bits)]
    )
    assert found.tolist() == [[2**bits - 1 - entry for entry in (10, 20, 40, 80)]]


def test_monochrome1_turns_values_and_window_together(make_dicom):
    stored = np.array([[0, 100, 4095, 7]], np.uint16)
    attributes = {"BitsStored": 12, "HighBit": 11, "RescaleSlope": 2, "RescaleIntercept": -10}
    path = make_dicom(
        "a.dcm",
        stored,
        PhotometricInterpretation="MONOCHROME1",
        WindowCenter=190,
        WindowWidth=50,
        **attributes,
    )
    dataset = open_dicom(path)
    values = pixel_values(dataset, path)
    np.testing.assert_array_equal(values, 2 * (4095 - stored.astype(float)) - 10)
    # The window was centered on the stored value 100, and still is.
    assert window_of(dataset) == (values[0, 1], 50)


def test_monochrome1_with_a_lookup_table_turns_its_window_too(make_dicom):
    path = make_dicom(
        "a.dcm",
        np.array([[0, 1, 2, 3]], np.uint16),
        PhotometricInterpretation="MONOCHROME1",
        ModalityLUTSequence=[modality_lut(10)],
        WindowCenter=20,
        WindowWidth=4,
    )
    assert window_of(open_dicom(path)) == (1023 - 20, 4)


def test_a_real_world_mapping_gives_its_measure(values_of):
    item = pydicom.Dataset()
    item.RealWorldValueFirstValueMapped, item.RealWorldValueLastValueMapped = 0, 10
    item.RealWorldValueSlope, item.RealWorldValueIntercept = 0.25, 1.0
    stored = np.array([[0, 4, 400]], np.uint16)
    assert values_of(stored, RealWorldValueMappingSequence=[item]).tolist() == [[1, 2, 101]]
    found = values_of(stored.astype(np.float64), RealWorldValueMappingSequence=[item])
    assert (found.tolist(), found.dtype) == ([[1, 2, 101]], np.float64)


def test_real_world_table_gives_float32(values_of):
    item = pydicom.Dataset()
    item.RealWorldValueFirstValueMapped, item.RealWorldValueLastValueMapped = 0, 2
    item.RealWorldValueLUTData = [0.5, 1.5, 8.25]
    found = values_of(np.array([[0, 1, 2, 3]], np.uint16), RealWorldValueMappingSequence=[item])
    assert (found.tolist(), found.dtype) == ([[0.5, 1.5, 8.25, 8.25]], np.float32)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_rgb_by_pixel_and_by_plane(values_of, planar, frames, dtype):
    shape = (4, 6, 3) if frames == 1 else (frames, 4, 6, 3)
    colors = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    stored = np.ascontiguousarray(np.moveaxis(colors, -1, -3)).reshape(shape) if planar else colors
    found = values_of(stored, PlanarConfiguration=planar, NumberOfFrames=frames if frames > 1 else None)
    np.testing.assert_array_equal(found, colors)


def ybr_full(rgb):
    """PS3.3 C.7.6.3.1.2."""
    matrix = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    return np.clip(np.rint(rgb @ matrix.T + [0, 128, 128]), 0, 255).astype(np.uint8)


def ybr_partial(rgb):
    """PS3.3 C.7.6.3.1.2 of the edition of 2004, before it was retired."""
    matrix = np.array([[0.2568, 0.5041, 0.0979], [-0.1482, -0.2910, 0.4392], [0.4392, -0.3678, -0.0714]])
    return np.rint(rgb @ matrix.T + [16, 128, 128]).astype(np.uint8)


CORNERS = (
    np.array(list(itertools.product([0, 128, 255], repeat=3)), np.uint8).repeat(2, axis=0).reshape(9, 6, 3)
)


def test_ybr_full(values_of):
    found = values_of(ybr_full(CORNERS), PhotometricInterpretation="YBR_FULL")
    assert np.abs(found.astype(int) - CORNERS).max() <= 2


@pytest.mark.parametrize(("kind", "convert"), [("YBR_FULL_422", ybr_full), ("YBR_PARTIAL_422", ybr_partial)])
@pytest.mark.parametrize("frames", [1, 3])
def test_ybr_with_shared_colors(make_dicom, kind, convert, frames):
    ybr = convert(np.stack([CORNERS] * frames) if frames > 1 else CORNERS)
    # Two neighbors share their colors: Y1 Y2 Cb Cr.
    pairs = ybr.reshape(-1, 2, 3)
    packed = np.column_stack([pairs[:, 0, 0], pairs[:, 1, 0], pairs[:, 0, 1], pairs[:, 0, 2]])
    path = make_dicom(
        "a.dcm", ybr, PhotometricInterpretation=kind, NumberOfFrames=frames if frames > 1 else None
    )
    dataset = pydicom.dcmread(path)
    dataset.PixelData = packed.tobytes() + b"\0" * (packed.size % 2)
    dataset.save_as(path)
    for header_only in (False, True):
        header = open_dicom(path, header_only=header_only)
        found = pixel_values(header, path)
        assert np.abs(found.astype(int) - CORNERS).max() <= 2
        np.testing.assert_array_equal(pixel_values(header, path, frame=0), found if frames == 1 else found[0])


def test_colors_of_jpeg_2000_are_rgb(values_of):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(values_of(pixels, syntax=JPEG2000Lossless), pixels)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless], ids=lambda uid: uid.name)
def test_palette_becomes_rgb(values_of, syntax):
    palette = {}
    for i, name in enumerate(("Red", "Green", "Blue")):
        palette[f"{name}PaletteColorLookupTableDescriptor"] = [3, 0, 16]
        palette[f"{name}PaletteColorLookupTableData"] = np.array([i, 300 + i, 65535 - i], "<u2").tobytes()
    found = values_of(
        np.array([[0, 1, 2, 9]], np.uint8),
        syntax=syntax,
        PhotometricInterpretation="PALETTE COLOR",
        **palette,
    )
    end = [65535, 65534, 65533]
    assert found.tolist() == [[[0, 1, 2], [300, 301, 302], end, end]]


def test_supplemental_palette_leaves_gray_values(values_of):
    palette = {"PixelPresentation": "COLOR"}
    for name in ("Red", "Green", "Blue"):
        palette[f"{name}PaletteColorLookupTableDescriptor"] = [1, 100, 8]
        palette[f"{name}PaletteColorLookupTableData"] = b"\1\2"
    np.testing.assert_array_equal(values_of(RAMP, **palette), RAMP)


def test_overlays_change_nothing(values_of):
    # The one of old files lies in the four highest bits.
    stored = RAMP.astype(np.uint16) & 0x0FFF
    np.testing.assert_array_equal(values_of(stored | 0xF000, BitsStored=12, HighBit=11), stored)


@pytest.mark.parametrize(
    ("pixels", "attributes"),
    [
        (RAMP, {"PhotometricInterpretation": "RGB"}),
        (np.zeros((2, 2, 3), np.uint8), {"PhotometricInterpretation": "MONOCHROME2"}),
        (np.zeros((2, 2, 3), np.uint8), {"PhotometricInterpretation": "HSV"}),
        (np.zeros((2, 2, 3), np.uint8), {"PhotometricInterpretation": "YBR_RCT"}),
        (np.zeros((2, 2, 3), np.uint8), {"PhotometricInterpretation": "YBR_PARTIAL_420"}),
        (np.zeros((2, 2, 3), np.uint16), {"PhotometricInterpretation": "YBR_FULL"}),
        (np.zeros((2, 2), np.float32), {"PhotometricInterpretation": "MONOCHROME1"}),
    ],
)
def test_pixels_without_defined_values_are_refused(make_dicom, pixels, attributes):
    path = make_dicom("odd.dcm", pixels, **attributes)
    kind = attributes["PhotometricInterpretation"]
    with pytest.raises(ReadError, match=rf"odd\.dcm has pixels of kind {kind}"), decoding(path):
        pixel_values(open_dicom(path), path)


@pytest.mark.parametrize("missing", ["Rows", "Columns", "BitsAllocated", "PhotometricInterpretation"])
def test_headers_that_say_too_little_are_refused(make_dicom, missing):
    path = make_dicom("odd.dcm", RAMP, **{missing: None})
    description = pydicom.datadict.dictionary_description(missing)
    with pytest.raises(ReadError, match=rf"odd\.dcm has pixels but says nothing of their {description}"):
        pixel_values(open_dicom(path), path)


def test_impossible_sizes_are_refused_before_memory_is_taken(make_dicom):
    path = make_dicom("odd.dcm", RAMP, Rows=65535, Columns=65535, NumberOfFrames=2**20)
    with pytest.raises(ReadError, match=r"odd\.dcm"), decoding(path):
        pixel_values(open_dicom(path), path)


@pytest.mark.parametrize(
    ("attributes", "window"),
    [
        ({"WindowCenter": [40, 300], "WindowWidth": [400, 2000]}, (40, 400)),
        ({"WindowCenter": 40, "WindowWidth": 1}, (40, 1)),
        ({"WindowCenter": 40, "WindowWidth": 0}, None),
        ({"WindowCenter": 40}, None),
        ({"WindowCenter": None, "WindowWidth": None}, None),
        ({"WindowCenter": 40, "WindowWidth": 9, "DoseGridScaling": 2}, None),
        ({}, None),
    ],
)
def test_first_window_counts(make_dicom, attributes, window):
    assert window_of(open_dicom(make_dicom("a.dcm", RAMP, **attributes))) == window


@pytest.mark.parametrize(
    ("attributes", "padding"),
    [
        ({}, None),
        ({"PixelPaddingValue": -2000}, (-2000, -2000)),
        ({"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1900}, (-2000, -1900)),
        ({"PixelPaddingValue": -2000, "RescaleIntercept": -1024}, (-3024, -3024)),
        ({"PixelPaddingValue": 0, "PhotometricInterpretation": "MONOCHROME1"}, (-1, -1)),
    ],
)
def test_padding_in_units_of_the_values(make_dicom, attributes, padding):
    assert padding_of(open_dicom(make_dicom("a.dcm", RAMP, **attributes))) == padding


def test_float_parametric_map(real_data):
    path = Path(real_data / "dicom-odd/pydicom-data/parametric_map_double_float.dcm")
    dataset = open_dicom(path)
    np.testing.assert_array_equal(
        pixel_values(dataset, path), np.frombuffer(dataset.DoubleFloatPixelData).reshape(128, 128)
    )
