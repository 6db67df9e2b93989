"""Segmentation objects: segments as channels and as labels, on a regular grid, at their place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import data_manager

from unetscope.errors import InputError, ReadError
from unetscope.io.dicom import mosaic
from unetscope.io.dicom.segmentation import read_segmentation, read_segmentation_labels, referenced_uids

NOTHING = np.zeros((3, 5), np.uint8)


def block(*pixels: tuple[int, int], value: int = 1) -> np.ndarray:
    made = NOTHING.copy()
    for row, column in pixels:
        made[row, column] = value
    return made


def test_segments_are_channels_in_the_order_of_the_file(make_segmentation):
    path = make_segmentation("a.dcm", [(2, 0, block((0, 1))), (1, 0, block((2, 4)))])
    image = read_segmentation(path)
    assert (image.axes, image.data.shape, image.data.dtype) == ("CYX", (3, 3, 5), np.uint8)
    assert image.channels == ("one", "two", "three")
    np.testing.assert_array_equal(image.data, [block((2, 4)), block((0, 1)), NOTHING])
    assert image.source.tags["segment_numbers"] == (1, 2, 3)
    assert image.source.group is not None


def test_slices_are_sorted_and_those_left_out_are_empty(make_segmentation):
    frames = [(1, z, block((0, z % 5))) for z in (14, 10, 12)]
    image = read_segmentation(make_segmentation("a.dcm", frames, distance=1))
    assert (image.axes, image.data.shape) == ("CZYX", (3, 5, 3, 5))
    expected = [block((0, 0)), NOTHING, block((0, 2)), NOTHING, block((0, 4))]
    np.testing.assert_array_equal(image.data[0], expected)
    assert image.spacing == (1, 0.5, 0.25)
    np.testing.assert_allclose(image.affine @ [4, 2, 4, 1], [3 + 4 * 0.25, 4 + 2 * 0.5, 14, 1])


def test_without_a_stated_distance_the_smallest_gap_counts(make_segmentation):
    frames = [(1, z, block((0, 0))) for z in (0, 2, 6)]
    image = read_segmentation(make_segmentation("a.dcm", frames))
    assert (image.data.shape[1], image.spacing[0]) == (4, 2)


def test_slices_shifted_sideways_keep_their_way(make_segmentation):
    frames = [(1, (3, 4 + 0.5 * i, 2 * i), block((0, i))) for i in range(3)]
    image = read_segmentation(make_segmentation("a.dcm", frames))
    np.testing.assert_allclose(image.affine[:3, 0], [0, 0.5, 2])
    assert image.spacing == (2, 0.5, 0.25)


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        ((0, 2, 5), "no multiples of one"),
        (((3, 4, 0), (3, 9, 1), (3, 4, 2)), "beside the line"),
        ((0, 0, 1), "several frames of one segment at the same place"),
        ((None, None, None), "without their positions"),
    ],
)
def test_frames_on_no_regular_grid_are_refused(make_segmentation, places, reason):
    path = make_segmentation("a.dcm", [(1, place, block((0, 0))) for place in places])
    with pytest.raises(InputError, match=reason):
        read_segmentation(path)


def test_frames_of_different_orientation_are_refused(make_segmentation):
    path = make_segmentation("a.dcm", [(1, z, NOTHING) for z in (0, 1)])
    dataset = dcmread(path)
    del dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
    for i, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        frame.PlaneOrientationSequence = [Dataset()]
        frame.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, 1 - i, i]
    dataset.save_as(path)
    with pytest.raises(InputError, match="frames of different orientation"):
        read_segmentation(path)


def test_one_frame_per_segment_needs_no_position(make_segmentation):
    path = make_segmentation("a.dcm", [(1, None, block((0, 1))), (2, None, block((1, 1)))])
    image = read_segmentation_labels(path)
    assert (image.axes, image.affine, image.spacing, image.units) == ("YX", None, (0.5, 0.25), "mm")
    np.testing.assert_array_equal(image.data, block((0, 1)) + block((1, 1), value=2))


def test_frames_without_position_lie_on_the_frames_they_were_drawn_on(make_segmentation):
    path = make_segmentation("a.dcm", [(1, None, block((0, 1))), (1, None, block((1, 1)))])
    dataset = dcmread(path)
    for frame, number in zip(dataset.PerFrameFunctionalGroupsSequence, (4, 2), strict=True):
        frame.DerivationImageSequence = [Dataset()]
        frame.DerivationImageSequence[0].SourceImageSequence = [Dataset()]
        frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = number
    dataset.save_as(path)
    image = read_segmentation_labels(path)
    np.testing.assert_array_equal(image.data, [NOTHING, block((1, 1)), NOTHING, block((0, 1))])
    assert image.affine is None


def test_names_of_segments_are_made_unique(make_segmentation):
    path = make_segmentation("a.dcm", [(1, 0, NOTHING)], names=["cell", "cell", ""])
    assert read_segmentation(path).channels == ("cell", "cell (2)", "segment 3")


def test_binary_segments_become_labels(make_segmentation):
    path = make_segmentation("a.dcm", [(1, 0, block((0, 1))), (3, 0, block((2, 2))), (3, 1, block((0, 0)))])
    image = read_segmentation_labels(path)
    assert (image.axes, image.data.dtype) == ("ZYX", np.uint8)
    np.testing.assert_array_equal(
        image.data, [block((0, 1)) + block((2, 2), value=3), block((0, 0), value=3)]
    )
    assert image.source.tags["labels"] == {1: "one", 2: "two", 3: "three"}


def test_overlapping_segments_are_channels_but_no_labels(make_segmentation):
    path = make_segmentation("a.dcm", [(1, 0, block((0, 1), (0, 2))), (3, 0, block((0, 2)))])
    np.testing.assert_array_equal(read_segmentation(path).data.sum(axis=0).max(), 2)
    with pytest.raises(InputError, match=r"'one' \(1\) and 'three' \(3\) that overlap in 1 pixels"):
        read_segmentation_labels(path)


def test_fractions_are_channels_but_no_labels(make_segmentation):
    path = make_segmentation(
        "a.dcm",
        [(1, 0, block((0, 1), value=100))],
        "FRACTIONAL",
        MaximumFractionalValue=200,
        SegmentationFractionalType="OCCUPANCY",
    )
    image = read_segmentation(path)
    assert image.data.dtype == np.float32
    np.testing.assert_array_equal(image.data[0], 0.5 * block((0, 1)))
    assert image.source.tags["fractional_type"] == "OCCUPANCY"
    with pytest.raises(InputError, match=r"holds fractions.*threshold"):
        read_segmentation_labels(path)


def test_fractions_of_nothing_and_everything_are_labels(make_segmentation):
    frames = [(2, 0, block((0, 1), value=200))]
    path = make_segmentation("a.dcm", frames, "FRACTIONAL", MaximumFractionalValue=200)
    np.testing.assert_array_equal(read_segmentation_labels(path).data, block((0, 1), value=2))


def test_label_map(make_segmentation):
    stored = block((0, 1), value=3) + block((1, 1))
    path = make_segmentation("a.dcm", [(0, 0, stored), (0, 1, NOTHING)], "LABELMAP")
    np.testing.assert_array_equal(read_segmentation_labels(path).data, [stored, NOTHING])
    channels = read_segmentation(path)
    assert channels.channels == ("one", "two", "three")
    np.testing.assert_array_equal(channels.data[:, 0], [stored == 1, stored == 2, stored == 3])


def test_padding_of_a_label_map_is_background(make_segmentation):
    stored = np.where(block((0, 1)), 2, 3)
    path = make_segmentation("a.dcm", [(0, 0, stored)], "LABELMAP", PixelPaddingValue=3)
    np.testing.assert_array_equal(read_segmentation_labels(path).data, block((0, 1), value=2))
    assert read_segmentation(path).channels == ("one", "two")


def test_palette_of_a_label_map_is_for_the_display(make_segmentation):
    stored = block((0, 1), value=3)
    path = make_segmentation("a.dcm", [(0, 0, stored)], "LABELMAP", PhotometricInterpretation="PALETTE COLOR")
    np.testing.assert_array_equal(read_segmentation_labels(path).data, stored)


def test_label_map_with_an_undescribed_segment_is_refused(make_segmentation):
    path = make_segmentation("a.dcm", [(0, 0, block((0, 1), value=9))], "LABELMAP")
    with pytest.raises(InputError, match="segment 9, which it does not describe"):
        read_segmentation_labels(path)


def test_large_objects_stay_on_disk(make_segmentation, monkeypatch):
    frames = [(i + 1, z, block((z, i))) for i in range(2) for z in range(3)]
    path = make_segmentation("a.dcm", frames)
    expected = read_segmentation(path).data
    monkeypatch.setattr(mosaic, "is_large", lambda shape, dtype: True)
    lazy = read_segmentation(path, lazy=True)
    assert lazy.data.chunks[:2] == ((1, 1, 1), (1, 1, 1))
    np.testing.assert_array_equal(lazy.load().data, expected)


def test_frames_of_bits_may_begin_within_a_byte(make_segmentation):
    frames = [(1, z, np.eye(3, 5, z % 3)) for z in range(7)]
    image = read_segmentation(make_segmentation("a.dcm", frames))
    np.testing.assert_array_equal(image.data[0], [np.eye(3, 5, z % 3) for z in range(7)])


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"SegmentationType": "SOMETHING"}, "no DICOM segmentation object"),
        ({"NumberOfFrames": 10**9}, "says that it holds 1000000000 frames"),
        ({"Rows": 60_000, "Columns": 60_000}, "2 frames of 60000 × 60000"),
        ({"SegmentSequence": []}, "no DICOM segmentation object"),
        ({"PerFrameFunctionalGroupsSequence": []}, "segment that it does not describe"),
    ],
)
def test_headers_that_lie_are_refused_in_one_sentence(make_segmentation, attributes, reason):
    path = make_segmentation("a.dcm", [(1, 0, NOTHING), (1, 1, NOTHING)], **attributes)
    for reader in (read_segmentation, read_segmentation_labels):
        with pytest.raises(InputError, match=reason) as raised:
            reader(path)
        assert str(raised.value).startswith("a.dcm")
        assert str(raised.value).count("\n") == 0


def test_truncated_pixels_are_refused(make_segmentation):
    path = make_segmentation("a.dcm", [(1, z, NOTHING) for z in range(40)])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ReadError, match=r"a\.dcm"):
        read_segmentation(path)


def test_unknown_compression_is_named(real_data):
    path = real_data / "dicom-odd/pydicom-data/liver_deflate.dcm"
    with pytest.raises(ReadError, match="which no decoder reads"):
        read_segmentation(path)


def test_references_are_those_of_the_images(real_data):
    folder = real_data / "dicom-odd/dcmqi/segmentations/24x38x3"
    headers = [dcmread(path, stop_before_pixels=True) for path in (folder / "image").iterdir()]
    series, images = referenced_uids(folder / "seg/label.seg")
    assert series == {header.SeriesInstanceUID for header in headers}
    assert images == {header.SOPInstanceUID for header in headers}


@pytest.mark.parametrize("size", ["24x38x3", "23x38x3"])
def test_labels_of_dcmqi_are_those_of_its_nrrd_file(real_data, size):
    nrrd = pytest.importorskip("nrrd")
    folder = real_data / "dicom-odd/dcmqi/segmentations" / size
    data, header = nrrd.read(folder / "nrrd/label.nrrd")
    image = read_segmentation_labels(folder / "seg/label.seg")
    np.testing.assert_array_equal(image.data, data.T != 0)
    # NRRD counts columns first; its positions are LPS, as ours.
    np.testing.assert_allclose(image.affine[:3, :3][:, ::-1], header["space directions"].T, atol=1e-4)
    np.testing.assert_allclose(image.affine[:3, 3], header["space origin"], atol=1e-3)
    assert image.source.tags["labels"] == {1: "Liver"}


OBJECTS = [
    "dcmqi/sr-example/seg.dcm",
    "pydicom-data/liver_nonbyte_aligned.dcm",
    "pydicom-data/liver_j2k.dcm",
    "highdicom/seg_image_ct_binary_overlap.dcm",
    "highdicom/seg_image_ct_true_fractional.dcm",
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", OBJECTS)
def test_volumes_are_those_of_highdicom(real_data, name):
    seg = pytest.importorskip("highdicom").seg
    path = real_data / "dicom-odd" / name
    volume = seg.segread(path).get_volume()
    image = read_segmentation(path)
    assert image.axes == "CZYX"
    # highdicom counts the slices against their normal.
    np.testing.assert_array_equal(image.data, np.moveaxis(volume.array, -1, 0)[:, ::-1])
    corners = np.array([[z, y, x, 1] for z in (0, 1) for y in (0, 5) for x in (0, 7)], float).T
    turned = corners.copy()
    turned[0] = image.data.shape[1] - 1 - corners[0]
    np.testing.assert_allclose(image.affine @ corners, volume.affine @ turned, atol=1e-3)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["seg_image_sm_control.dcm", "seg_image_sm_dots_tiled_full.dcm"])
def test_slides_are_those_of_highdicom(real_data, name):
    seg = pytest.importorskip("highdicom").seg
    path = real_data / "dicom-odd/highdicom" / name
    expected = seg.segread(path)
    image = read_segmentation(path)
    assert (image.axes, image.affine) == ("CYX", None)
    np.testing.assert_array_equal(image.data, np.moveaxis(expected.get_total_pixel_matrix(), -1, 0))
    np.testing.assert_array_equal(
        read_segmentation_labels(path).data, expected.get_total_pixel_matrix(combine_segments=True)
    )


@pytest.mark.parametrize("name", ["liver_1frame.dcm", "liver_expb_1frame.dcm"])
def test_objects_of_one_frame_are_planes_in_either_byte_order(name):
    path = Path(data_manager.__file__).parent / "test_files" / name
    image = read_segmentation_labels(path)
    assert (image.axes, image.data.shape, int(image.data.sum())) == ("YX", (512, 512), 36233)
    assert image.affine is not None
