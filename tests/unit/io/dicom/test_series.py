"""Series: grouped, sorted in space and time, or refused with the reason."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from unetscope.errors import InputError, ReadError
from unetscope.io import read, read_series


def first_pixels(image) -> list[int]:
    return image.data[..., 0, 0].ravel().tolist()


def test_slices_are_sorted_along_the_normal(make_series):
    image = read(make_series([6, 0, 4, 2]))
    assert (image.axes, image.spacing, image.units) == ("ZYX", (2, 0.5, 0.25), "mm")
    assert first_pixels(image) == [1, 3, 2, 0]
    assert image.source.path.name == "series"


def test_the_normal_decides_and_not_z(make_series):
    turned = [[0, 0, -1, 1, 0, 0]] * 3
    places = [[0, 5, 0], [0, 0, 0], [0, 2.5, 0]]
    image = read(make_series([0, 0, 0], ImageOrientationPatient=turned, ImagePositionPatient=places))
    # row × column = (0, 0, −1) × (1, 0, 0) = (0, −1, 0): the slice with the largest y comes first.
    assert first_pixels(image) == [0, 2, 1]
    assert image.spacing[0] == 2.5


def test_one_slice_is_flat(make_series):
    assert read(make_series([3])).axes == "YX"


def test_time_points_are_sorted_by_trigger_time(make_series):
    image = read(make_series([0, 0, 5, 5], TriggerTime=[300, 100, 100, 300], InstanceNumber=[1, 2, 3, 4]))
    assert (image.axes, image.data.shape) == ("TZYX", (2, 2, 4, 6))
    assert first_pixels(image) == [1, 2, 0, 3]


def test_a_clock_that_stands_still_is_not_used(make_series):
    folder = make_series([0, 0, 0], TriggerTime=0, AcquisitionTime=["101500", "095959", "101501"])
    image = read(folder)
    assert image.axes == "TYX"
    assert first_pixels(image) == [1, 0, 2]


def test_the_same_slice_twice_is_refused(make_series):
    with pytest.raises(InputError, match=r"2 files at each of 2 positions.*twice"):
        read(make_series([0, 0, 5, 5], InstanceNumber=1))


def test_uneven_repetition_is_counted(make_series):
    with pytest.raises(InputError, match="3 slice positions, 1 with 1 files and 2 with 2 files"):
        read(make_series([0, 0, 5, 5, 10]))


def test_missing_slices_are_named(make_series):
    with pytest.raises(InputError, match=r"missing between 02\.dcm and 03\.dcm.*4 mm apart"):
        read(make_series([0, 2, 4, 8, 10]))


def test_distances_may_differ_by_rounding(make_series):
    assert read(make_series([0, 2, 4.01, 6])).spacing[0] == pytest.approx(2)


def test_without_positions_the_instance_numbers_count(make_series):
    attributes = {"ImagePositionPatient": None, "InstanceNumber": [3, 1, 2]}
    image = read(make_series([0, 0, 0], "a", **attributes, SliceThickness=1.5))
    assert first_pixels(image) == [1, 2, 0]
    assert image.spacing == (1.5, 0.5, 0.25)
    image = read(make_series([0, 0, 0], "b", **attributes))
    assert (image.spacing, image.units) == ((1, 1, 1), "pixel")
    with pytest.raises(InputError, match="no distinct instance numbers"):
        read(make_series([0, 0], "c", ImagePositionPatient=None, InstanceNumber=1))


def test_several_series_in_a_folder(make_series):
    make_series([0, 1], SeriesInstanceUID="1.2.3")
    folder = make_series([0, 2], "more", SeriesInstanceUID="1.2.4")
    for path in folder.iterdir():
        path.rename(folder.parent / "series" / f"more-{path.name}")
    folder = folder.parent / "series"
    with pytest.raises(InputError, match=r"holds 2 DICOM series.*read_series"):
        read(folder)
    assert [image.spacing[0] for image in read_series(folder)] == [1, 2]


def test_localizers_are_a_series_of_their_own(make_series):
    orientations = [[1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1]]
    images = read_series(make_series([0, 1, 0], ImageOrientationPatient=orientations))
    assert [image.axes for image in images] == ["ZYX", "YX"]


def test_color_slices(make_dicom):
    for i in range(2):
        make_dicom(
            f"color/{i}.dcm",
            np.full((4, 6, 3), (i, 10, 20), np.uint8),
            SeriesInstanceUID="1.2",
            ImagePositionPatient=[0, 0, 3 * i],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        )
        path = make_dicom("color/x.dcm", np.zeros((4, 6), np.uint8))
    path.unlink()
    image = read(path.parent)
    assert (image.axes, image.data.shape, image.is_rgb) == ("CZYX", (3, 2, 4, 6), True)
    assert image.data[:, 1, 0, 0].tolist() == [1, 10, 20]


def test_each_slice_has_its_own_rescale(make_series):
    image = read(make_series([0, 1, 2], RescaleSlope=[1, 2, 3], RescaleIntercept=[0, 0, 0]))
    assert image.data.dtype == np.float32
    assert first_pixels(image) == [0, 2, 6]


def test_files_that_are_no_images_are_passed_over(make_series, make_dicom):
    folder = make_series([0, 1])
    (folder / "notes.txt").write_text("hello")
    (folder / "mask.png").write_bytes(b"png")
    report = pydicom.dcmread(folder / "00.dcm")
    for name in ("Rows", "Columns", "PixelData"):
        del report[name]
    report.save_as(folder / "report.dcm")
    assert read(folder).data.shape == (2, 4, 6)


def test_a_damaged_slice_is_named(make_series):
    folder = make_series([0, 1, 2])
    (folder / "01.dcm").write_bytes((folder / "01.dcm").read_bytes()[:-8])
    with pytest.raises(ReadError, match=r"01\.dcm cannot be read as DICOM"):
        read(folder)


def test_folders_without_series(tmp_path):
    with pytest.raises(ReadError, match="holds no DICOM images"):
        read(tmp_path)
    with pytest.raises(ReadError, match="is not a folder"):
        read_series(tmp_path / "nowhere")


def test_real_cardiac_study(real_data):
    folder = real_data / "dicom-series"
    image = read(folder)
    assert (image.axes, image.data.shape) == ("TZYX", (20, 10, 256, 256))
    assert image.spacing == pytest.approx((8, 1.2891, 1.2891), rel=1e-4)

    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in folder.glob("*.dcm")]
    last = max(headers, key=lambda header: (float(header.TriggerTime), float(header.SliceLocation)))
    step = 1 if _rises_with_location(headers) else -1
    expected = pydicom.dcmread(last.filename).pixel_array
    np.testing.assert_array_equal(image.data[-1, ::step][-1], expected)


def _rises_with_location(headers) -> bool:
    row, column = np.array(headers[0].ImageOrientationPatient, float).reshape(2, 3)
    places = [np.dot(np.array(h.ImagePositionPatient, float), np.cross(row, column)) for h in headers]
    return np.corrcoef(places, [float(h.SliceLocation) for h in headers])[0, 1] > 0
