"""Series: found below a folder, parted into images, described without identifiers, read or refused."""

from __future__ import annotations

import shutil

import numpy as np
import pydicom
import pytest
from pydicom.uid import BasicTextSRStorage

from unetscope.errors import InputError, ReadError
from unetscope.io import read, read_series
from unetscope.io.dicom.series import find_series


def first_pixels(image) -> list[int]:
    return image.data[..., 0, 0].ravel().tolist()


def test_a_series_is_described_by_its_headers(make_series, tmp_path):
    make_series([6, 0, 4, 2], SeriesNumber=3, Modality="CT")
    (series,) = find_series(tmp_path)
    assert series.label == "series 3: CT, 4 slices of 4 × 6"
    assert (series.axes, series.shape, series.spacing) == ("ZYX", (4, 4, 6), (2, 0.5, 0.25))
    assert [path.stem for path in series.files] == ["01", "03", "02", "00"]
    assert (series.modality, series.problem) == ("CT", None)


def test_a_series_is_read(make_series):
    image = read(make_series([6, 0, 4, 2]))
    assert (image.axes, image.spacing, image.units) == ("ZYX", (2, 0.5, 0.25), "mm")
    assert first_pixels(image) == [1, 3, 2, 0]
    assert image.source.path.name == "series"
    np.testing.assert_array_equal(image.affine @ [3, 0, 0, 1], [0, 0, 6, 1])


@pytest.mark.parametrize(
    ("columns", "label"),
    [
        ({"TriggerTime": [0, 0, 9, 9]}, "MR, 2 time points × 2 slices of 4 × 6"),
        ({"EchoTime": [5, 5, 9, 9]}, "MR, 2 echo times × 2 slices of 4 × 6"),
    ],
)
def test_labels_of_time_points(make_series, columns, label):
    (series,) = find_series(make_series([0, 5, 0, 5], **columns))
    assert series.label == label


def test_labels_hold_no_names(make_series):
    secrets = {
        "SeriesDescription": "Doe",
        "PatientName": "Doe",
        "PatientID": "Doe",
        "StudyDescription": "Doe",
    }
    (series,) = find_series(make_series([0, 5], **secrets, ProtocolName="Doe"))
    image = series.read()
    assert "Doe" not in series.label + repr(image.source.tags) + repr(image.source.notes)


def test_one_slice_is_flat(make_series):
    (series,) = find_series(make_series([3]))
    assert (series.label, series.axes) == ("MR, 4 × 6", "YX")
    assert read(series.files[0].parent).axes == "YX"


def test_several_series_in_one_folder(make_series, tmp_path):
    make_series([0, 1], SeriesInstanceUID="1.2.3")
    more = make_series([0, 2], "more", SeriesInstanceUID="1.2.4")
    for path in more.iterdir():
        path.rename(tmp_path / "series" / f"more-{path.name}")
    with pytest.raises(InputError, match=r"holds 2 DICOM series.*read_series"):
        read(tmp_path / "series")
    assert [image.spacing[0] for image in read_series(tmp_path / "series")] == [1, 2]


def test_one_series_in_several_folders(make_series, tmp_path):
    make_series([0, 2], "a", SeriesInstanceUID="1.2.3")
    make_series([4, 6], "b", SeriesInstanceUID="1.2.3")
    (series,) = find_series(tmp_path)
    assert series.shape == (4, 4, 6)
    assert series.read().source.path == tmp_path


def test_without_uids_each_folder_is_a_series(make_series, tmp_path):
    for name in "ab":
        for path in make_series([0, 2], name).iterdir():
            header = pydicom.dcmread(path)
            del header.SeriesInstanceUID
            header.save_as(path)
    assert [series.files[0].parent.name for series in find_series(tmp_path)] == ["a", "b"]


def test_one_uid_for_two_patients_makes_two_series(make_series, tmp_path):
    make_series([0, 1], "a", SeriesInstanceUID="1.2.3", PatientID="one")
    make_series([0, 1], "b", SeriesInstanceUID="1.2.3", PatientID="two")
    assert [series.shape for series in find_series(tmp_path)] == [(2, 4, 6)] * 2


def test_the_stacks_of_one_file(make_dicom):
    groups = []
    for z, column in [(0, [0, 1, 0]), (2, [0, 1, 0]), (4, [0, 0, -1])]:
        group, position, orientation = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        position.ImagePositionPatient = [0, 0, z]
        orientation.ImageOrientationPatient = [1, 0, 0, *column]
        group.PlanePositionSequence, group.PlaneOrientationSequence = [position], [orientation]
        groups.append(group)
    pixels = np.arange(3, dtype=np.int16).repeat(24).reshape(3, 4, 6)
    path = make_dicom("film", pixels, NumberOfFrames=3, PerFrameFunctionalGroupsSequence=groups)
    with pytest.raises(InputError, match=r"film holds 2 stacks of frames that differ in orientation"):
        read(path)
    images = read_series(path)
    assert [image.data[..., 0, 0].tolist() for image in images] == [[0, 1], 2]


def test_a_series_that_is_no_stack_hides_no_other(make_series, tmp_path):
    make_series([0, 1, 5, 6], "bad", SeriesInstanceUID="1.2.3")
    make_series([0, 1], "good", SeriesInstanceUID="1.2.4")
    bad, good = find_series(tmp_path)
    assert bad.label == "MR, 4 files"
    assert (bad.shape, bad.axes, bad.spacing) == ((), "", ())
    assert "slices are missing between 01.dcm and 02.dcm" in bad.problem
    assert good.problem is None
    with pytest.raises(InputError, match="slices are missing"):
        bad.read()
    assert good.read().data.shape == (2, 4, 6)


def test_localizers_are_a_series_of_their_own(make_series):
    orientations = [[1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1]]
    images = read_series(make_series([0, 1, 0], ImageOrientationPatient=orientations))
    assert [image.axes for image in images] == ["ZYX", "YX"]
    for image in images:
        assert image.source.notes == (
            "The series was split into 2 images, of which this one differs in orientation",
        )


def test_several_frames_are_a_series_of_their_own(make_dicom, tmp_path):
    for i in range(2):
        make_dicom(f"{i}", np.zeros((3, 4, 6), np.int16), SeriesInstanceUID="1.2", NumberOfFrames=3)
    assert [series.label for series in find_series(tmp_path)] == ["MR, 3 slices of 4 × 6"] * 2


@pytest.mark.parametrize(("modality", "count"), [("MG", 2), ("MR", 1)])
def test_views_are_no_stack(make_series, tmp_path, modality, count):
    make_series([0, 1], Modality=modality, ImagePositionPatient=None, ImageOrientationPatient=None)
    assert len(find_series(tmp_path)) == count


def test_a_slide_is_one_series(make_dicom, tmp_path):
    for size in (8, 16):
        make_dicom(
            f"{size}",
            np.zeros((4, 4, 4, 3), np.uint8),
            Modality="SM",
            NumberOfFrames=4,
            SeriesInstanceUID="1.2",
            TotalPixelMatrixRows=size,
            TotalPixelMatrixColumns=size,
        )
    (series,) = find_series(tmp_path)
    assert (series.label, series.axes, series.shape) == ("SM, slide of 16 × 16", "CYX", (3, 16, 16))
    assert len(series.files) == 2


def test_color_slices(make_dicom):
    for i in range(2):
        path = make_dicom(
            f"color/{i}.dcm",
            np.full((4, 6, 3), (i, 10, 20), np.uint8),
            SeriesInstanceUID="1.2",
            ImagePositionPatient=[0, 0, 3 * i],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        )
    (series,) = find_series(path.parent)
    assert series.label == "MR, 2 slices of 4 × 6 in color"
    image = series.read()
    assert (image.axes, image.data.shape, image.is_rgb) == ("CZYX", (3, 2, 4, 6), True)
    assert image.data[:, 1, 0, 0].tolist() == [1, 10, 20]


def test_files_that_are_no_images_are_passed_over(make_series):
    folder = make_series([0, 1])
    (folder / "notes.txt").write_text("hello")
    (folder / "mask.png").write_bytes(b"png")
    report = pydicom.dcmread(folder / "00.dcm")
    for name in ("Rows", "Columns", "PixelData"):
        del report[name]
    report.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    report.save_as(folder / "report.dcm")
    assert read(folder).data.shape == (2, 4, 6)


def test_a_damaged_slice_is_named(make_series):
    folder = make_series([0, 1, 2])
    (folder / "01.dcm").write_bytes((folder / "01.dcm").read_bytes()[:-8])
    with pytest.raises(ReadError, match=r"01\.dcm cannot be read as DICOM"):
        read(folder)


def test_damaged_headers_are_a_series_with_a_problem(make_series):
    folder = make_series([0, 1, 2])
    for name in ("02", "03"):
        (folder / f"{name}.dcm").write_bytes((folder / "00.dcm").read_bytes()[:300])
    good, damaged = find_series(folder)
    assert good.read().data.shape == (2, 4, 6)
    assert "2 files cannot be read, the first because 02.dcm" in damaged.problem
    # The damaged file may be a slice of the series.
    with pytest.raises(ReadError, match="2 files cannot be read"):
        read(folder)


def test_copies_are_noted(make_series):
    folder = make_series([0, 1])
    shutil.copy(folder / "00.dcm", folder / "copy.dcm")
    header = pydicom.dcmread(folder / "00.dcm")
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID
    for name in ("00", "copy"):
        header.save_as(folder / f"{name}.dcm")
    assert read(folder).source.notes == ("Left out: 1 file that is a copy of another",)


def test_folders_without_series(tmp_path):
    with pytest.raises(ReadError, match="holds no DICOM images"):
        read(tmp_path)
    with pytest.raises(ReadError, match="is not a folder"):
        read_series(tmp_path / "nowhere")
    (tmp_path / "bad.dcm").write_text("no image at all")
    with pytest.raises(ReadError, match=r"bad\.dcm"):
        read(tmp_path)
