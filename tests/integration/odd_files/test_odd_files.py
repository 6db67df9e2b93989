"""Every odd file is read to exactly the expected values, or refused with the expected sentence.

`make_expected` computes what is expected with other libraries, `report` counts.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import pydicom
import pytest

from unetscope.io import read, read_mask

from . import report, table
from .compare import differences, problems

PAGE = Path(__file__).resolve().parents[3] / "docs" / "odd_files.md"
LINES = table.load()
IMAGES = [key for key, line in LINES.items() if "error" not in line]
FILES = table.odd_files()
DCMQI = "dicom-odd/dcmqi"


def path_of(key: str) -> Path:
    if key not in FILES:
        pytest.skip(f"there is no {key}")
    return FILES[key]


@pytest.mark.parametrize("key", LINES)
def test_file_is_read_or_refused_as_expected(key: str) -> None:
    assert problems(LINES[key], path_of(key)) == []


@pytest.mark.parametrize("key", IMAGES)
def test_file_is_the_same_when_read_from_disk_piece_by_piece(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unetscope.io._limits.LAZY_BYTES", 0)
    image = read(path_of(key), lazy=True)
    assert differences(LINES[key], image.load()) == []


def test_series_is_the_same_as_its_multi_frame_file() -> None:
    folder = path_of(f"{DCMQI}/segmentations/24x38x3/image/IMG0001.dcm").parent
    expected = LINES[f"{DCMQI}/segmentations/24x38x3/multiframe/mf.dcm"]
    assert differences(expected, read(folder)) == []


def test_oblique_series_is_the_same_as_its_nrrd(tmp_path: Path) -> None:
    with zipfile.ZipFile(path_of(f"{DCMQI}/paramaps/pm-example-dcm.zip")) as archive:
        archive.extractall(tmp_path)
    assert differences(LINES[f"{DCMQI}/paramaps/pm-example.nrrd"], read(tmp_path)) == []


@pytest.mark.parametrize("grid", ["23x38x3", "24x38x3"])
def test_segmentation_gives_the_labels_that_it_was_made_from(grid: str) -> None:
    folder = f"{DCMQI}/segmentations/{grid}"
    drawn = LINES[f"{folder}/nrrd/label.nrrd"]
    series = read(path_of(f"{folder}/image/IMG0001.dcm").parent)
    for labels in (read_mask(path_of(f"{folder}/seg/label.seg"), on=image) for image in (None, series)):
        same_type = labels.with_data(labels.data.astype(drawn["dtype"]))
        assert differences(drawn, same_type) == []


def test_all_files_are_in_the_table(real_data: Path) -> None:
    if pydicom.__version__ != table.versions()["pydicom"]:
        pytest.skip("another version of pydicom may bring other files")
    assert sorted(FILES) == sorted(LINES), "run python -m tests.integration.odd_files.make_expected"


def test_page_shows_the_table() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == report.page(LINES, wrong={}), "run python -m tests.integration.odd_files.report"
