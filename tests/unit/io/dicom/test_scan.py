"""All DICOM images below a folder: found whatever they are called, damaged ones told apart from others."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import BasicTextSRStorage

from unetscope.errors import InputError, ReadError
from unetscope.io.dicom import scan
from unetscope.io.dicom.scan import scan_files, scan_folder

PIXELS = np.zeros((4, 6), np.int16)


def names(folder: Path) -> list[str]:
    return [found.path.relative_to(folder).as_posix() for found in scan_folder(folder).found]


@pytest.mark.parametrize(
    "name",
    ["a.dcm", "A.IMA", "IM0001", "1.2.840.113619", "patient x/série/スライス 1", "scan.v2", "a\nb", "🫀.dcm"],
)
def test_files_are_found_whatever_their_name(make_dicom, tmp_path, name):
    make_dicom(name, PIXELS)
    assert names(tmp_path) == [name]


def test_what_a_header_says(make_dicom, tmp_path):
    make_dicom("a", PIXELS, SeriesInstanceUID="1.2", SeriesNumber=7)
    found = scan_folder(tmp_path).found[0]
    assert found.series == ("nobody", "1.2")
    assert (found.number, found.modality, found.matrix) == (7, "MR", None)
    assert [plane.shape for plane in found.planes] == [(4, 6)]


def test_folders_in_folders_are_sorted(make_dicom, tmp_path):
    for name in ["b/2", "b/1", "a/9", "c"]:
        make_dicom(name, PIXELS)
    assert names(tmp_path) == ["c", "a/9", "b/1", "b/2"]


def test_other_files_are_passed_over(make_dicom, tmp_path):
    make_dicom("a.dcm", PIXELS)
    for name in ["._a.dcm", ".hidden/b.dcm", "volume.zarr/c.dcm", "picture.png"]:
        make_dicom(name, PIXELS)
    (tmp_path / "README").write_text("hello")
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    assert names(tmp_path) == ["a.dcm"]
    assert scan_folder(tmp_path).damaged == {}


@pytest.mark.parametrize("change", [{"Modality": "RTDOSE"}, {"SegmentSequence": [pydicom.Dataset()]}])
def test_objects_about_other_images_are_passed_over(make_dicom, tmp_path, change):
    make_dicom("image", PIXELS)
    make_dicom("other", PIXELS, **change)
    assert names(tmp_path) == ["image"]


def test_objects_without_pixels_are_passed_over(make_dicom, tmp_path):
    report = pydicom.dcmread(make_dicom("report", PIXELS))
    del report.PixelData
    report.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    report.save_as(tmp_path / "report")
    assert scan_folder(tmp_path) == scan.Scan()


def test_damaged_files_are_told_and_hide_no_others(make_dicom, tmp_path):
    path = make_dicom("a.dcm", PIXELS)
    (tmp_path / "empty.dcm").touch()
    (tmp_path / "text.dcm").write_text("hello, this is no image" * 10)
    (tmp_path / "cut.dcm").write_bytes(path.read_bytes()[:400])
    (tmp_path / "cut-early.dcm").write_bytes(path.read_bytes()[:300])
    (tmp_path / "no-pixels.dcm").write_bytes(path.read_bytes()[:-60])
    result = scan_folder(tmp_path)
    assert [found.path.name for found in result.found] == ["a.dcm"]
    assert {path.stem for path in result.damaged} == {"cut", "cut-early", "empty", "no-pixels", "text"}
    for path, error in result.damaged.items():
        assert path.name in str(error)


def test_promised_files_must_be_dicom(tmp_path):
    path = tmp_path / "IM1"
    path.write_text("hello")
    assert scan_files([path], ()).damaged == {}
    assert path in scan_files([path], [path]).damaged


def test_links_in_a_circle_end(make_dicom, tmp_path):
    make_dicom("a/b/1", PIXELS)
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "a" / "self").symlink_to("self")
    (tmp_path / "a" / "gone.dcm").symlink_to("nowhere")
    result = scan_folder(tmp_path)
    assert [found.path.name for found in result.found] == ["1"]
    assert [path.name for path in result.damaged] == ["gone.dcm"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_does_not_hang(make_dicom, tmp_path):
    make_dicom("1", PIXELS)
    os.mkfifo(tmp_path / "pipe")
    assert names(tmp_path) == ["1"]


def test_folders_that_cannot_be_entered_are_told(make_dicom, tmp_path, monkeypatch):
    make_dicom("good/1", PIXELS)
    make_dicom("locked/1", PIXELS)
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    result = scan_folder(tmp_path)
    assert len(result.found) == 1
    assert "cannot be entered (Permission denied)" in str(result.damaged[tmp_path / "locked"])
    with pytest.raises(ReadError, match="locked cannot be entered"):
        scan_folder(tmp_path / "locked")


def test_too_many_files(make_dicom, tmp_path, monkeypatch):
    for i in range(3):
        make_dicom(f"{i}", PIXELS)
    monkeypatch.setattr(scan, "MOST_FILES", 2)
    with pytest.raises(InputError, match="holds more than 2 files"):
        scan_folder(tmp_path)


def test_too_deep_folders(make_dicom, tmp_path):
    make_dicom("1", PIXELS)
    (tmp_path / "/".join("d" * 60)).mkdir(parents=True)
    result = scan_folder(tmp_path)
    assert len(result.found) == 1
    assert ["more than 50 deep" in str(error) for error in result.damaged.values()] == [True]


@pytest.mark.skipif(sys.platform != "linux", reason="names are not bytes on other systems")
def test_names_that_are_no_text(make_dicom, tmp_path):
    path = make_dicom("1", PIXELS)
    odd = os.fsencode(tmp_path) + b"/\xff\xfe.dcm"
    os.rename(path, odd)  # noqa: PTH104 - bytes
    assert len(scan_folder(tmp_path).found) == 1


def test_no_folder(tmp_path):
    with pytest.raises(ReadError, match="is not a folder"):
        scan_folder(tmp_path / "nowhere")
