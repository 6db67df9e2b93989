"""Slides: tiles put together in any order and number; pyramids; only what is looked at is decoded."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from unetscope.errors import InputError, ReadError
from unetscope.io.dicom import mosaic
from unetscope.io.dicom.single import Frames
from unetscope.io.dicom.slide import read_pyramid, read_slide

RANDOM = np.random.default_rng(7)
COLOR = RANDOM.integers(0, 256, (1, 10, 15, 3), np.uint8)
GRAY = RANDOM.integers(0, 256, (3, 10, 15), np.uint8)


def test_full_tiles_in_color(make_slide):
    image = read_slide(make_slide("a.dcm", COLOR))
    assert (image.axes, image.is_rgb, image.data.dtype) == ("CYX", True, np.uint8)
    np.testing.assert_array_equal(image.data, np.moveaxis(COLOR[0], -1, 0))
    assert (image.spacing, image.units, image.affine) == ((0.002, 0.001), "mm", None)
    # Columns run along -y of the slide, rows along -x.
    assert image.origin == (-20, -40)
    assert image.source.notes == ()


def test_gray_focal_planes_are_slices(make_slide):
    measures = Dataset()
    measures.PixelMeasuresSequence = [Dataset()]
    measures.PixelMeasuresSequence[0].PixelSpacing = [0.002, 0.001]
    measures.PixelMeasuresSequence[0].SpacingBetweenSlices = 0.0005
    image = read_slide(make_slide("a.dcm", GRAY, SharedFunctionalGroupsSequence=[measures]))
    assert (image.axes, image.spacing) == ("ZYX", (0.0005, 0.002, 0.001))
    np.testing.assert_array_equal(image.data, GRAY)


def test_focal_planes_at_an_unknown_distance_are_noted(make_slide):
    image = read_slide(make_slide("a.dcm", GRAY))
    assert (image.spacing, image.units) == ((1, 1, 1), "pixel")
    assert image.source.notes == ("The distance between focal planes is unknown",)


def test_sparse_tiles_in_any_order_and_what_is_missing(make_slide):
    places = [(0, 8, 6), (0, 0, 0), (0, 4, 12), (0, 3, 2)]
    image = read_slide(make_slide("a.dcm", COLOR, places=places))
    expected = np.full((10, 15, 3), 255, np.uint8)
    for _, row, column in places:
        here = slice(row, row + 4), slice(column, column + 6)
        expected[here] = COLOR[0][here]
    np.testing.assert_array_equal(image.data, np.moveaxis(expected, -1, 0))
    assert image.source.notes == ("Tiles that the file does not hold are filled with the background",)


def test_sparse_focal_planes_tell_their_heights(make_slide):
    places = [(z, r, c) for z in (2, 0, 1) for r in (0, 4, 8) for c in (0, 6, 12)]
    image = read_slide(make_slide("a.dcm", GRAY, places=places))
    np.testing.assert_array_equal(image.data, GRAY)
    # In the header they are in micrometers.
    assert image.spacing == (0.0025, 0.002, 0.001)


def test_recommended_background(make_slide):
    # Red: L* 53.24, a* 80.09, b* 67.20.
    lab = [round(53.24 / 100 * 65535), round((80.09 + 128) * 257), round((67.2 + 128) * 257)]
    places = [(0, 0, 0)]
    image = read_slide(make_slide("a.dcm", COLOR, places=places, RecommendedAbsentPixelCIELabValue=lab))
    np.testing.assert_allclose(image.data[:, 9, 14].astype(int), [255, 0, 0], atol=2)
    gray = read_slide(make_slide("b.dcm", GRAY[:1], places=places))
    assert (gray.axes, gray.data[9, 14]) == ("YX", 0)


def paths(*described: tuple[str, str]) -> list[Dataset]:
    items = [Dataset() for _ in described]
    for item, (identifier, description) in zip(items, described, strict=True):
        item.OpticalPathIdentifier, item.OpticalPathDescription = identifier, description
    return items


def test_optical_paths_in_gray_are_channels(make_slide):
    path = make_slide(
        "a.dcm",
        GRAY,
        TotalPixelMatrixFocalPlanes=1,
        OpticalPathSequence=paths(("a", "DAPI"), ("b", "FITC"), ("c", "")),
    )
    image = read_slide(path)
    assert (image.axes, image.channels) == ("CYX", ("DAPI", "FITC", "optical path 3"))
    np.testing.assert_array_equal(image.data, GRAY)


def test_optical_paths_of_sparse_tiles(make_slide):
    path = make_slide(
        "a.dcm",
        GRAY[:1],
        places=[(0, 0, 0), (0, 0, 0)],
        OpticalPathSequence=paths(("a", "DAPI"), ("b", "FITC")),
    )
    dataset = dcmread(path)
    for frame, name in zip(dataset.PerFrameFunctionalGroupsSequence, "ba", strict=True):
        frame.OpticalPathIdentificationSequence = paths((name, ""))
    dataset.PixelData = b"\1" * 24 + b"\2" * 24
    dataset.save_as(path)
    image = read_slide(path)
    assert image.channels == ("DAPI", "FITC")
    assert image.data[:, 0, 0].tolist() == [2, 1]


def test_optical_paths_in_color_are_refused(make_slide):
    path = make_slide("a.dcm", COLOR, OpticalPathSequence=paths(("a", "one"), ("b", "two")))
    with pytest.raises(InputError, match="2 optical paths in color"):
        read_slide(path)


def test_large_slides_decode_only_what_is_looked_at(make_slide, monkeypatch):
    path = make_slide("a.dcm", COLOR)
    monkeypatch.setattr(mosaic, "is_large", lambda shape, dtype: True)
    monkeypatch.setattr(mosaic, "_BLOCK", 5)
    decoded = []
    decode = Frames.__getitem__
    monkeypatch.setattr(Frames, "__getitem__", lambda self, i: decoded.append(i) or decode(self, i))
    image = read_slide(path, lazy=True)
    assert decoded == []
    assert image.data.chunks == ((3,), (8, 2), (6, 6, 3))
    np.testing.assert_array_equal(image.data[:, 9, 13].compute(), COLOR[0, 9, 13])
    assert decoded == [8]
    np.testing.assert_array_equal(image.load().data, np.moveaxis(COLOR[0], -1, 0))


@pytest.mark.parametrize(
    ("attributes", "error", "reason"),
    [
        ({"NumberOfFrames": 8}, ReadError, "8 tiles; expected 9"),
        ({"TotalPixelMatrixRows": 10**6}, ReadError, "holds 9 tiles"),
        ({"ConcatenationUID": "1.2", "InConcatenationTotalNumber": 2}, ReadError, "cut into files"),
        ({"TotalPixelMatrixRows": None}, ReadError, "no slide in tiles"),
        ({"Rows": 0}, ReadError, r"a\.dcm"),
    ],
)
def test_headers_that_lie_are_refused_in_one_sentence(make_slide, attributes, error, reason):
    with pytest.raises(error, match=reason):
        read_slide(make_slide("a.dcm", COLOR, **attributes))


def test_sparse_slides_may_not_claim_any_size(make_slide):
    huge = {"TotalPixelMatrixRows": 2**31, "TotalPixelMatrixColumns": 2**31}
    path = make_slide("a.dcm", COLOR, places=[(0, 0, 0)], **huge)
    for lazy in (True, False):
        with pytest.raises(ReadError, match=r"a\.dcm"):
            read_slide(path, lazy=lazy)


def test_tiles_without_a_position_are_refused(make_slide):
    path = make_slide("a.dcm", COLOR, DimensionOrganizationType="TILED_SPARSE")
    with pytest.raises(ReadError, match="tiles without their position"):
        read_slide(path)


def test_pyramid_is_sorted_by_size_and_leaves_the_label_out(make_slide):
    half = COLOR[:, ::2, ::2]
    small = make_slide("small.dcm", half)
    label = make_slide("label.dcm", COLOR, ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"])
    fine = make_slide("fine.dcm", COLOR)
    image = read_pyramid([small, label, fine])
    np.testing.assert_array_equal(image.data, np.moveaxis(COLOR[0], -1, 0))
    assert len(image.levels) == 1
    np.testing.assert_array_equal(image.levels[0], np.moveaxis(half[0], -1, 0))
    assert image.source.files == (fine, small)


def test_pyramids_that_are_none_are_refused(make_slide):
    fine = make_slide("fine.dcm", COLOR)
    with pytest.raises(InputError, match=r"fine\.dcm and again\.dcm are of one slide and equally large"):
        read_pyramid([fine, make_slide("again.dcm", COLOR)])
    with pytest.raises(InputError, match="sizes of one slide"):
        read_pyramid([fine, make_slide("other.dcm", COLOR[:, :, :5])])
    label = make_slide("label.dcm", COLOR, ImageType=["ORIGINAL", "PRIMARY", "LABEL", "NONE"])
    with pytest.raises(ReadError, match="labels, overviews and thumbnails only"):
        read_pyramid([label])


SLIDES = ["sm_image_dots.dcm", "sm_image_jpegls.dcm", "sm_image_jpegls_nobot.dcm"]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", SLIDES)
def test_real_slides_are_those_of_highdicom(real_data, name):
    highdicom = pytest.importorskip("highdicom")
    path = real_data / "dicom-odd/highdicom" / name
    expected = highdicom.imread(path).get_total_pixel_matrix(apply_icc_profile=False)
    image = read_slide(path)
    np.testing.assert_array_equal(image.data, np.moveaxis(expected, -1, 0))
    assert image.is_rgb
