"""A whole cardiac study against SimpleITK: order of slices and time points, place, spacing, values.

The numbers below are SimpleITK's (5.4 of ITK). Where it is installed, the last test computes them again.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from unetscope.io import find_series, read
from unetscope.io.image import Image

FILES = 200
SHAPE = (20, 10, 256, 256)
TRIGGER_TIMES = [
    10, 56, 102, 148, 194, 240, 286, 333, 379, 425, 471, 517, 563, 609, 656, 702, 748, 794, 840, 886
]  # fmt: skip
SPACING = (8.000032184665196, 1.2891, 1.2891)
ORIGIN = (16.6662, -247.248, 81.9175)  # of the first pixel in the patient, mm
STEP = (-5.047338195495108, 5.2868382674355985, 3.251804611281841)  # from slice to slice
FIRST_SLICES = ["181", "161", "141", "121", "101", "81", "61", "41", "21", "1"]  # of the first time point
VALUES = {0: "a404f12bc9792a4a", 7: "e1681fde5c4d7369", 19: "c4977cfee8c00c3b"}  # SHA-256 of a time point


@pytest.fixture(scope="module")
def image(real_data: Path) -> Image:
    return read(real_data / "dicom-series")


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array, "<i2").tobytes()).hexdigest()[:16]


def test_one_series_with_time_points(real_data):
    (series,) = find_series(real_data / "dicom-series")
    assert series.label == "series 5: MR, 20 time points × 10 slices of 256 × 256"
    assert (series.axes, series.shape, len(series.files)) == ("TZYX", SHAPE, FILES)
    assert series.problem is None


def test_values_order_and_place_are_those_of_simpleitk(image):
    assert (image.axes, image.data.shape, image.data.dtype) == ("TZYX", SHAPE, np.int16)
    assert {t: digest(image.data[t]) for t in VALUES} == VALUES
    assert image.spacing == pytest.approx(SPACING, abs=1e-4)
    np.testing.assert_allclose(image.affine[:3, 3], ORIGIN, atol=1e-4)
    np.testing.assert_allclose(image.affine[:3, 0], STEP, atol=1e-3)
    assert [path.stem for path in image.source.files[:10]] == FIRST_SLICES
    assert image.source.notes == ("The 20 time points are told apart by trigger time",)


def test_lazy_is_the_same(real_data, image, monkeypatch):
    from unetscope.io import _limits

    monkeypatch.setattr(_limits, "LAZY_BYTES", 0)
    lazy = read(real_data / "dicom-series", lazy=True)
    assert lazy.data.numblocks == (20, 10, 1, 1)
    np.testing.assert_array_equal(lazy.data[7, 3:5].compute(), image.data[7, 3:5])


def test_simpleitk_gives_the_same(real_data, image, tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    phases = defaultdict(list)
    for path in (real_data / "dicom-series").glob("*.dcm"):
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        phases[float(reader.GetMetaData("0018|1060"))].append(path)
    assert sorted(phases) == TRIGGER_TIMES
    for t, time in enumerate(sorted(phases)):
        # GDCM sorts the files of a folder by position, and knows nothing of time.
        folder = tmp_path / str(t)
        folder.mkdir()
        for path in phases[time]:
            (folder / path.name).symlink_to(path)
        names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
        stack = sitk.ReadImage(names)
        np.testing.assert_array_equal(image.data[t], sitk.GetArrayViewFromImage(stack))
        files = image.source.files[10 * t : 10 * t + 10]
        assert [path.name for path in files] == [Path(name).name for name in names]
        assert image.spacing == pytest.approx(stack.GetSpacing()[::-1], abs=1e-4)
        for index in [(0, 0, 0), (9, 0, 0), (9, 255, 255), (4, 17, 200)]:
            place = stack.TransformIndexToPhysicalPoint(index[::-1])
            np.testing.assert_allclose((image.affine @ [*index, 1])[:3], place, atol=2e-3)
