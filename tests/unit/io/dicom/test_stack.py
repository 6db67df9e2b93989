"""Pixels of arranged planes: in memory and on disk, the same values."""

from __future__ import annotations

import numpy as np
import pytest

from unetscope.errors import ReadError
from unetscope.io import _limits
from unetscope.io.dicom.file import read_dicom
from unetscope.io.dicom.series import find_series


@pytest.fixture
def small_is_large(monkeypatch):
    monkeypatch.setattr(_limits, "LAZY_BYTES", 0)


def first_pixels(image) -> list[float]:
    return np.asarray(image.data)[..., 0, 0].ravel().tolist()


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"TriggerTime": [0, 0, 1, 1], "ImagePositionPatient": [[0, 0, 0], [0, 0, 1]] * 2},
        {"RescaleSlope": [1, 2, 3, 4], "RescaleIntercept": 0},
    ],
)
def test_lazy_and_in_memory_are_the_same(make_series, small_is_large, columns):
    (series,) = find_series(make_series([3, 1, 0, 2], **columns))
    now, later = series.read(), series.read(lazy=True)
    assert type(later.data).__module__.startswith("dask")
    assert (later.data.shape, later.data.dtype) == (now.data.shape, now.data.dtype)
    np.testing.assert_array_equal(later.load().data, now.data)
    assert (later.axes, later.spacing, later.source) == (now.axes, now.spacing, now.source)


def test_lazy_color(make_dicom, small_is_large):
    rng = np.random.default_rng(0)
    for i in range(2):
        path = make_dicom(
            f"color/{i}.dcm",
            rng.integers(0, 255, (4, 6, 3), dtype=np.uint8),
            SeriesInstanceUID="1.2",
            ImagePositionPatient=[0, 0, 3 * i],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        )
    (series,) = find_series(path.parent)
    np.testing.assert_array_equal(series.read(lazy=True).load().data, series.read().data)


def test_lazy_frames(make_dicom, small_is_large):
    pixels = np.random.default_rng(0).integers(0, 999, (5, 4, 6), dtype=np.int16)
    path = make_dicom("film", pixels, NumberOfFrames=5, FrameTime=40)
    image = read_dicom(path, lazy=True)
    assert image.axes == "TYX"
    np.testing.assert_array_equal(image.load().data, pixels)


def test_small_images_are_in_memory(make_series):
    (series,) = find_series(make_series([0, 1]))
    assert isinstance(series.read(lazy=True).data, np.ndarray)


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_only_the_planes_asked_for_are_opened(make_series, small_is_large, photometric):
    # MONOCHROME1 is decoded, MONOCHROME2 read from its place in the file.
    folder = make_series([0, 1, 2, 3], PhotometricInterpretation=photometric)
    (series,) = find_series(folder)
    image = series.read(lazy=True)
    for name in ("00", "01", "03"):
        (folder / f"{name}.dcm").unlink()
    assert image.data[2, 0, 0].compute() == (2 if photometric == "MONOCHROME2" else -3)


def test_each_slice_has_its_own_rescale(make_series):
    (series,) = find_series(make_series([0, 1, 2], RescaleSlope=[1, 2, 3], RescaleIntercept=[0, 0, 0.5]))
    image = series.read()
    assert image.data.dtype == np.float32
    assert first_pixels(image) == [0, 2, 6.5]


def test_the_source_tells_files_window_and_group(make_series):
    folder = make_series([4, 0, 2], WindowCenter=[9, 40, 9], WindowWidth=[9, 400, 9])
    source = find_series(folder)[0].read().source
    assert source.path == folder
    assert [path.stem for path in source.files] == ["01", "02", "00"]
    assert source.window == (40, 400)
    assert source.group.startswith("patient-")
    assert source.tags["modality"] == "MR"


def test_one_file_is_its_own_source(make_series):
    folder = make_series([4])
    source = find_series(folder)[0].read().source
    assert (source.path, source.files) == (folder / "00.dcm", ())


@pytest.mark.parametrize("lazy", [False, True])
def test_a_damaged_plane_is_named(make_series, small_is_large, lazy):
    folder = make_series([0, 1, 2])
    (series,) = find_series(folder)
    (folder / "01.dcm").write_bytes((folder / "01.dcm").read_bytes()[:-8])
    with pytest.raises(ReadError, match=r"01\.dcm cannot be read as DICOM"):
        series.read(lazy=lazy).load()
    (folder / "01.dcm").unlink()
    with pytest.raises(ReadError, match=r"01\.dcm"):
        series.read(lazy=lazy).load()


def test_memory_is_asked_for_first(make_series, monkeypatch):
    (series,) = find_series(make_series([0, 1, 2]))
    monkeypatch.setattr(_limits, "available_memory", lambda: 100)
    with pytest.raises(ReadError, match="would take"):
        series.read()
