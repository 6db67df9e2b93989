"""DICOMDIR: its files found, nothing outside its folder touched, damage told in one sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, FileDataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from unetscope.errors import InputError, ReadError
from unetscope.io import read
from unetscope.io.dicom import dicomdir
from unetscope.io.dicom.dicomdir import files_of, is_dicomdir
from unetscope.io.dicom.series import find_series

# About what the tests write; the reader keeps pydicom's remarks to itself.
pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR CS")


def record(name, **other) -> Dataset:
    item = Dataset()
    facts = {"DirectoryRecordType": "IMAGE", "RecordInUseFlag": 0xFFFF, "ReferencedFileID": name} | other
    facts |= {"OffsetOfTheNextDirectoryRecord": 0, "OffsetOfReferencedLowerLevelDirectoryEntity": 0} | other
    for keyword, value in facts.items():
        setattr(item, keyword, value)
    return item


@pytest.fixture
def make_dicomdir(tmp_path):
    """Write a DICOMDIR of these records into the temporary folder."""

    def make(*records: Dataset, name="DICOMDIR") -> Path:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
        meta.MediaStorageSOPInstanceUID = "1.2.3"
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        table = FileDataset(str(tmp_path / name), {}, file_meta=meta, preamble=b"\0" * 128)
        table.DirectoryRecordSequence = list(records)
        table.save_as(tmp_path / name, enforce_file_format=True)
        return tmp_path / name

    return make


def test_the_kind_is_told_by_content(make_dicomdir, make_dicom, tmp_path):
    assert is_dicomdir(make_dicomdir(name="contents"))
    assert not is_dicomdir(make_dicom("DICOMDIR", np.zeros((4, 6), np.int16)))
    (tmp_path / "text").write_text("hello")
    assert not is_dicomdir(tmp_path / "text")
    assert not is_dicomdir(tmp_path / "nowhere")


def test_a_dicomdir_is_read_as_its_folder(make_dicomdir, make_series, tmp_path):
    make_series([2, 0, 1], "IMAGES")
    path = make_dicomdir(*(record(["IMAGES", f"{i:02}.dcm"]) for i in range(3)))
    image = read(path)
    assert image.data[:, 0, 0].tolist() == [1, 2, 0]
    assert image.source.path == tmp_path / "IMAGES"


def test_only_listed_images_count(make_dicomdir, make_series):
    make_series([0, 1, 2, 3])
    listed = [record(["series", f"{i:02}.dcm"]) for i in range(3)]
    listed += [record(["series", "00.dcm"]), record(["series", "03.dcm"], RecordInUseFlag=0)]
    listed += [
        record(["REPORT"], DirectoryRecordType="SR DOCUMENT"),
        record(None, DirectoryRecordType="PATIENT"),
    ]
    assert [path.name for path in files_of(make_dicomdir(*listed))] == ["00.dcm", "01.dcm", "02.dcm"]


def test_names_may_be_in_small_letters_on_disk(make_dicomdir, make_dicom):
    path = make_dicom("images/im1", np.zeros((4, 6), np.int16))
    assert files_of(make_dicomdir(record(["IMAGES", "IM1"]))) == [path]


def test_missing_files_are_one_sentence(make_dicomdir, make_series):
    make_series([0, 1])
    path = make_dicomdir(*(record(["series", f"{i:02}.dcm"]) for i in range(5)))
    with pytest.raises(ReadError, match=r"3 of the 5 images that DICOMDIR lists are missing.*series/02\.dcm"):
        files_of(path)


def test_listed_files_that_are_no_dicom_are_told(make_dicomdir, make_series, tmp_path):
    make_series([0, 1])
    (tmp_path / "IM3").write_text("hello")
    good, damaged = find_series(make_dicomdir(record(["series", "00.dcm"]), record("IM3")))
    assert good.problem is None
    assert "IM3" in damaged.problem


@pytest.mark.parametrize(
    "name",
    [
        ["..", "secret"],
        ["disc", "..", "..", "secret"],
        [".", "secret"],
        ["/etc", "passwd"],
        ["../secret"],
        ["C:", "secret"],
        ["", "secret"],
    ],
)
def test_tricks_with_paths_are_refused(make_dicomdir, tmp_path, name):
    with pytest.raises(ReadError, match="no file in its own folder"):
        files_of(make_dicomdir(record(name)))


def test_links_out_of_the_folder_are_refused(make_dicomdir, make_dicom, tmp_path):
    secret = make_dicom("secret/1", np.zeros((4, 6), np.int16))
    disc = tmp_path / "disc"
    disc.mkdir()
    (disc / "IM1").symlink_to(secret)
    (disc / "SUB").symlink_to(secret.parent, target_is_directory=True)
    for name in (["IM1"], ["SUB", "1"]):
        path = make_dicomdir(record(name)).rename(disc / "DICOMDIR")
        with pytest.raises(ReadError, match="no file in its own folder"):
            files_of(path)


def test_a_folder_is_no_image(make_dicomdir, tmp_path):
    (tmp_path / "IM1").mkdir()
    with pytest.raises(ReadError, match="1 of the 1 images that DICOMDIR lists are missing"):
        files_of(make_dicomdir(record("IM1")))


def test_records_in_a_circle_end(make_dicomdir, make_series):
    make_series([0, 1])
    circle = {"OffsetOfTheNextDirectoryRecord": 400, "OffsetOfReferencedLowerLevelDirectoryEntity": 2**32 - 1}
    path = make_dicomdir(*(record(["series", f"{i:02}.dcm"], **circle) for i in range(2)))
    assert len(files_of(path)) == 2


def test_absurd_sizes_are_refused(make_dicomdir, monkeypatch):
    path = make_dicomdir(record("1"), record("2"))
    monkeypatch.setattr(dicomdir, "MOST_FILES", 1)
    with pytest.raises(ReadError, match="2 records"):
        files_of(path)
    monkeypatch.setattr(dicomdir, "_MOST_BYTES", 10)
    with pytest.raises(ReadError, match="MB"):
        files_of(path)


def test_empty_and_damaged(make_dicomdir):
    with pytest.raises(ReadError, match="lists no images"):
        files_of(make_dicomdir())
    path = make_dicomdir(record("1"))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ReadError, match="DICOMDIR"):
        files_of(path)


@pytest.mark.parametrize("name", ["", "-bigEnd", "-implicit", "-nooffset", "-nopatient", "-reordered"])
def test_discs_of_pydicom(tmp_path, name):
    path = tmp_path / "disc" / f"DICOMDIR{name}"
    shutil.copytree(Path(get_testdata_file("DICOMDIR")).parent, path.parent)
    count = sum(item.DirectoryRecordType == "IMAGE" for item in dcmread(path).DirectoryRecordSequence)
    assert is_dicomdir(path)
    assert len(files_of(path)) == count
    with pytest.raises(InputError, match=r"holds \d+ DICOM series"):
        read(path)


def test_a_disc_of_images_without_pixels():
    path = Path(get_testdata_file("DICOMDIR")).parent / "TINY_ALPHA" / "DICOMDIR"
    with pytest.raises(ReadError, match="IM000000 ends before its pixels"):
        read(path)
