"""The sample data are what their README says, and the script makes exactly them."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from skimage.measure import label

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
SUFFIXES = {".dcm", ".png", ".tif"}


def read(path: Path) -> NDArray[Any]:
    if path.suffix == ".dcm":
        return pydicom.dcmread(path).pixel_array
    if path.suffix == ".tif":
        return tifffile.imread(path)
    with Image.open(path) as image:
        return np.asarray(image)


def files(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.suffix in SUFFIXES)


def pairs(name: str) -> list[tuple[Path, Path]]:
    """Each image of a set with the place where its mask must be."""
    if name == "heart":
        training = sorted((SAMPLES / "heart/training").glob("*.dcm"))
        test = sorted((SAMPLES / "heart/test").glob("*.dcm"))
        beside = [(path, path.with_suffix(".png")) for path in training]
        return beside + [(path, path.parent / "GT" / f"{path.stem}.png") for path in test]
    suffix = ".tif" if name == "cells" else ".png"
    images = sorted((SAMPLES / name / "images").iterdir())
    return [(path, SAMPLES / name / "masks" / f"{path.stem}{suffix}") for path in images]


def headers(part: str) -> list[pydicom.Dataset]:
    paths = sorted((SAMPLES / "heart" / part).glob("*.dcm"))
    return [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two folders that two runs of the script wrote."""
    folders = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    script = str(SAMPLES / "make.py")
    runs = [subprocess.Popen([sys.executable, "-B", script, "--out", str(folder)]) for folder in folders]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    return folders


def test_each_run_writes_the_same_bytes(made: tuple[Path, Path]) -> None:
    first, second = made
    assert files(first) == files(second)
    different = [path for path in files(first) if (first / path).read_bytes() != (second / path).read_bytes()]
    assert different == []


def test_the_script_makes_the_files_that_are_here(made: tuple[Path, Path]) -> None:
    folder, _ = made
    assert files(folder) == files(SAMPLES)
    for path in files(SAMPLES):
        if path.suffix == ".dcm":
            assert (folder / path).read_bytes() == (SAMPLES / path).read_bytes(), path
        else:
            # Compressed bytes depend on the release of Pillow and zlib; pixels must not.
            ours, theirs = read(folder / path), read(SAMPLES / path)
            assert ours.dtype == theirs.dtype, path
            np.testing.assert_array_equal(ours, theirs, err_msg=str(path))


def test_everything_together_is_small() -> None:
    assert sum((SAMPLES / path).stat().st_size for path in files(SAMPLES)) <= 3_000_000


@pytest.mark.parametrize(
    ("name", "count", "shape", "dtype", "mask_dtype"),
    [
        ("heart", 48, (128, 128), np.int16, np.uint8),
        ("fundus", 6, (192, 208, 3), np.uint8, np.bool_),
        ("xray", 6, (160, 160), np.uint16, np.uint8),
        ("cells", 6, (160, 160), np.uint8, np.uint16),
    ],
)
def test_every_image_has_its_mask(
    name: str, count: int, shape: tuple[int, ...], dtype: type, mask_dtype: type
) -> None:
    assert len(pairs(name)) == count
    for image_path, mask_path in pairs(name):
        image, mask = read(image_path), read(mask_path)
        assert image.shape == shape, image_path
        assert image.dtype == dtype, image_path
        assert mask.shape == shape[:2], mask_path
        assert mask.dtype == mask_dtype, mask_path


def test_no_file_is_left_over() -> None:
    paired = [pair for name in ("heart", "fundus", "xray", "cells") for pair in pairs(name)]
    assert {SAMPLES / path for path in files(SAMPLES)} == {path for pair in paired for path in pair}


@pytest.mark.parametrize(("name", "values"), [("heart", {0, 255}), ("fundus", {0, 1}), ("xray", {0, 1, 2})])
def test_each_mask_has_all_its_classes_and_no_other(name: str, values: set[int]) -> None:
    for _, path in pairs(name):
        assert set(np.unique(read(path)).tolist()) == values, path


def test_the_cavity_is_one_piece_that_shrinks_in_systole() -> None:
    areas = []
    for _, path in pairs("heart"):
        cavity = read(path) > 0
        assert label(cavity, connectivity=1).max() == 1, path
        areas.append(cavity.sum())
    # Files of a patient alternate between diastole and systole.
    diastole, systole = np.array(areas).reshape(-1, 2).T
    assert (systole < 0.8 * diastole).all()


def test_the_cavity_cannot_be_found_by_brightness() -> None:
    for image_path, mask_path in pairs("heart"):
        image, cavity = read(image_path), read(mask_path) > 0
        dark, bright = np.percentile(image[cavity], (10, 90))
        alike = (image >= dark) & (image <= bright) & ~cavity
        assert alike.sum() > 0.2 * cavity.sum(), image_path


def test_vessels_cover_a_tenth() -> None:
    shares = [read(path).mean() for _, path in pairs("fundus")]
    assert min(shares) > 0.07
    assert max(shares) < 0.10


def test_particles_are_brighter_than_binder_than_pore() -> None:
    for image_path, mask_path in pairs("xray"):
        image, mask = read(image_path), read(mask_path)
        assert image.min() >= 12_000
        assert image.max() <= 56_000
        pore, binder, particle = (image[mask == value].mean() for value in range(3))
        assert pore + 3_000 < binder < particle - 8_000, image_path


def test_cells_are_numbered_without_gaps_and_each_is_one_piece() -> None:
    for _, path in pairs("cells"):
        mask = read(path)
        values = np.unique(mask)
        assert values.tolist() == list(range(len(values))), path
        assert 10 <= values.max() <= 25, path
        for value in values[1:]:
            assert label(mask == value, connectivity=1).max() == 1, (path, value)


def test_cells_touch_and_are_hardly_darker_than_the_background() -> None:
    for image_path, mask_path in pairs("cells"):
        image, mask = read(image_path).astype(float), read(mask_path)
        left, right = mask[:, :-1], mask[:, 1:]
        assert ((left != right) & (left > 0) & (right > 0)).sum() > 40, mask_path
        assert abs(image[mask > 0].mean() - image[mask == 0].mean()) < 0.5 * image.std(), image_path


def test_patients_are_apart() -> None:
    training = {header.PatientID for header in headers("training")}
    test = {header.PatientID for header in headers("test")}
    assert training == {"SAMPLE-A", "SAMPLE-C"}
    assert test == {"SAMPLE-B"}


def test_identifiers_are_unique_and_nothing_is_dated() -> None:
    everything = headers("training") + headers("test")
    instances = {header.SOPInstanceUID for header in everything}
    assert len(instances) == len(everything)
    for header in everything:
        assert header.SOPInstanceUID.is_valid
        assert header.SOPInstanceUID == header.file_meta.MediaStorageSOPInstanceUID
        assert not any(element.value for element in header if element.VR in {"DA", "TM", "DT"})


@pytest.mark.parametrize("patient", ["A", "B", "C"])
def test_each_phase_is_an_even_stack(patient: str) -> None:
    everything = headers("training") + headers("test")
    mine = [header for header in everything if header.PatientID == f"SAMPLE-{patient}"]
    assert {header.SeriesInstanceUID for header in mine} == {mine[0].SeriesInstanceUID}
    for time in (0, 320):
        stack = [header for header in mine if header.TriggerTime == time]
        assert len(stack) == 8
        row, column = np.reshape(np.array(stack[0].ImageOrientationPatient, dtype=float), (2, 3))
        np.testing.assert_allclose((row @ row, column @ column, row @ column), (1, 1, 0), atol=1e-9)
        normal = np.cross(row, column)
        positions = [np.array(header.ImagePositionPatient, dtype=float) for header in stack]
        for first, second in pairwise(positions):
            np.testing.assert_allclose(second - first, 8 * normal, atol=1e-3)
        assert all(header.PixelSpacing == [1.4, 1.4] for header in stack)
        assert all(header.SpacingBetweenSlices == 8 for header in stack)
