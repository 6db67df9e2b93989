"""DICOM segmentation objects: labels come back as they were, at their place, and other programs agree."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from pydicom import dcmread
from pydicom.uid import (
    CTImageStorage,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from unetscope.errors import OutputError
from unetscope.io import Image, read
from unetscope.io.dicom.segmentation import read_segmentation_labels, referenced_uids
from unetscope.io.dicom.series import find_series
from unetscope.io.grid import labels_on
from unetscope.io.write.segmentation import write_segmentation

highdicom = pytest.importorskip("highdicom")

MakeSource = Callable[..., Path]


@pytest.fixture
def make_source(make_dicom) -> MakeSource:
    """Write images that can be referred to: ``make_source(name, Keyword=value, …)``."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()

    def make(name: str, **attributes: Any) -> Path:
        defaults = {
            "SOPClassUID": MRImageStorage,
            "SOPInstanceUID": generate_uid(),
            "StudyInstanceUID": study,
            "SeriesInstanceUID": series,
            "FrameOfReferenceUID": frame,
            "PatientName": "Müller^Käthe",
            "SpecificCharacterSet": "ISO_IR 100",
            "PatientBirthDate": "",
            "PatientSex": "F",
            "StudyDate": "20260102",
            "StudyTime": "",
            "StudyID": "",
            "AccessionNumber": "17",
            "ReferringPhysicianName": "",
            "SliceThickness": 2,
            "ImagePositionPatient": [1, 2, 3],
            "ImageOrientationPatient": [0.6, 0.8, 0, 0, 0, -1],
        }
        pixels = np.zeros((8, 11), np.int16)
        return make_dicom(name, pixels, **(defaults | attributes))

    return make


@pytest.fixture
def make_stack(make_source: MakeSource) -> Callable[..., Image]:
    """Write a stack along `step` in shuffled files, and read it."""

    def make(count: int = 4, step: tuple[float, ...] = (1.6, -1.2, 0), **attributes: Any) -> Image:
        order = np.random.default_rng(3).permutation(count)
        for i, number in enumerate(order):
            place = np.array([1, 2, 3]) + number * np.array(step)
            folder = make_source(f"stack/{i}.dcm", ImagePositionPatient=place.tolist(), **attributes).parent
        return find_series(folder)[0].read()

    return make


def labels_like(image: Image, highest: int = 3) -> Image:
    values = np.random.default_rng(5).integers(0, highest + 1, image.grid)
    return image.with_data(values.astype(np.uint16), axes=image.spatial_axes)


def written(folder: Path, labels: Image, **options: Any) -> Path:
    return write_segmentation(folder / "labels.dcm", labels, **options)


def assert_comes_back(path: Path, labels: Image) -> Image:
    found = read_segmentation_labels(path)
    again = labels_on(found, labels)
    np.testing.assert_array_equal(again.data, labels.data)
    return found


def test_one_slice(make_source, tmp_path):
    labels = labels_like(read(make_source("a.dcm")))
    found = assert_comes_back(written(tmp_path, labels, names={2: "Leber größer 脾"}), labels)
    np.testing.assert_allclose(found.affine, labels.affine, atol=1e-9)
    assert found.source.tags["labels"] == {1: "label 1", 2: "Leber größer 脾", 3: "label 3"}


def test_slices_in_any_order_lie_on_their_own_images(make_stack, tmp_path):
    image = make_stack()
    labels = labels_like(image)
    path = written(tmp_path, labels)
    found = assert_comes_back(path, labels)
    np.testing.assert_allclose(found.affine, labels.affine, atol=1e-6)
    places = {}
    for file in image.source.files:
        header = dcmread(file, stop_before_pixels=True)
        places[header.SOPInstanceUID] = header.ImagePositionPatient
    for frame in dcmread(path).PerFrameFunctionalGroupsSequence:
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        place = frame.PlanePositionSequence[0].ImagePositionPatient
        assert places[source.ReferencedSOPInstanceUID] == pytest.approx(list(place))
    assert referenced_uids(path)[1] == set(places)


def test_tilted_gantry(make_stack, tmp_path):
    labels = labels_like(make_stack(step=(1.6, -1.2, 0.8)))
    assert_comes_back(written(tmp_path, labels), labels)


def test_labels_counted_against_the_slices(make_stack, tmp_path):
    labels = labels_like(make_stack())
    turn = np.diag([-1.0, 1, 1, 1])
    turn[0, 3] = labels.grid[0] - 1
    turned = replace(labels, data=labels.data[::-1], affine=labels.affine @ turn)
    assert_comes_back(written(tmp_path, turned), labels)


def test_empty_slices_are_left_out_and_come_back(make_stack, tmp_path):
    labels = labels_like(make_stack(6))
    labels.data[[0, 2, 3, 5]] = 0
    path = written(tmp_path, labels)
    assert dcmread(path).NumberOfFrames == 6
    assert_comes_back(path, labels)


@pytest.mark.parametrize("values", [(0, 255), (0, 7, 3000), (5, 6)])
def test_labels_that_are_not_counted_from_one_keep_their_values(make_source, tmp_path, values):
    labels = labels_like(read(make_source("a.dcm")), len(values) - 1)
    labels = labels.with_data(np.array(values, np.uint16)[labels.data])
    path = written(tmp_path, labels, names={values[-1]: "last"})
    assert [segment.SegmentNumber for segment in dcmread(path).SegmentSequence] == [
        *range(1, len(set(values) - {0}) + 1)
    ]
    found = assert_comes_back(path, labels)
    assert found.source.tags["labels"][values[-1]] == "last"


def test_no_object_in_the_image_is_a_segmentation_of_the_named_classes(make_source, tmp_path):
    labels = labels_like(read(make_source("a.dcm")), 0)
    found = assert_comes_back(written(tmp_path, labels, names={0: "nothing", 1: "cell"}), labels)
    assert found.source.tags["labels"] == {1: "cell"}
    with pytest.raises(OutputError, match="hold no labels"):
        write_segmentation(tmp_path / "b.dcm", labels)


def test_enhanced_multi_frame_source(real_data, tmp_path):
    labels = labels_like(read(real_data / "dicom-odd/dcmqi/segmentations/24x38x3/multiframe/mf.dcm"))
    path = written(tmp_path, labels)
    assert_comes_back(path, labels)
    numbers = {
        frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        for frame in dcmread(path).PerFrameFunctionalGroupsSequence
    }
    assert numbers == {1, 2, 3}


def test_slide(real_data, tmp_path):
    image = read(real_data / "dicom-odd/highdicom/sm_image_dots.dcm")
    labels = labels_like(image)
    found = assert_comes_back(written(tmp_path, labels), labels)
    assert (found.spacing, found.origin) == (image.spacing, image.origin)


NOWHERE = {"ImagePositionPatient": None, "ImageOrientationPatient": None, "FrameOfReferenceUID": None}


@pytest.mark.parametrize("spacing", [[0.5, 0.25], None])
@pytest.mark.parametrize("kind", [SecondaryCaptureImageStorage, UltrasoundMultiFrameImageStorage])
def test_image_without_a_place(make_source, tmp_path, kind, spacing):
    image = read(make_source("a.dcm", SOPClassUID=kind, PixelSpacing=spacing, SliceThickness=None, **NOWHERE))
    assert image.affine is None
    path = written(tmp_path, labels_like(image))
    assert highdicom.seg.segread(path).number_of_segments == 3
    found = assert_comes_back(path, labels_like(image))
    assert (found.spacing, found.units, found.affine) == (image.spacing, image.units, None)


def test_images_that_must_have_a_place_and_have_none_are_refused(make_source, tmp_path):
    labels = labels_like(read(make_source("a.dcm", **NOWHERE)))
    with pytest.raises(OutputError, match="Frame Of Reference"):
        written(tmp_path, labels)


@pytest.mark.filterwarnings("ignore:Invalid value for VR DA")
def test_patient_and_study_are_taken_over_and_new_identifiers_made(make_source, tmp_path):
    source = dcmread(make_source("a.dcm", PatientBirthDate="00000000"))
    path = written(tmp_path, labels_like(read(source.filename)))
    made = dcmread(path)
    for name in (
        "PatientName",
        "PatientID",
        "PatientSex",
        "StudyInstanceUID",
        "StudyDate",
        "AccessionNumber",
    ):
        assert made[name].value == source[name].value
    for name in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert made[name].value != source[name].value
    segment = made.SegmentSequence[0]
    assert (segment.SegmentAlgorithmType, segment.SegmentAlgorithmName) == ("AUTOMATIC", "UNetScope")
    assert read_segmentation_labels(path).source.group == read(source.filename).source.group


def test_each_image_with_a_frame_of_reference_of_its_own(make_stack, make_source, tmp_path):
    image = make_stack(2)
    for file in image.source.files:
        header = dcmread(file)
        header.FrameOfReferenceUID = generate_uid()
        header.ImageOrientationPatient[0] += 1e-5
        header.save_as(file)
    assert_comes_back(written(tmp_path, labels_like(image)), labels_like(image))


def times(image: Image) -> Image:
    return image.with_data(np.zeros((2, *image.grid), np.uint8), axes="T" + image.axes)


def channels(image: Image) -> Image:
    return image.with_data(np.zeros((2, *image.grid), np.uint8), axes="C" + image.axes)


def fractions(image: Image) -> Image:
    return image.with_data(np.full(image.grid, 0.5))


def moved(image: Image) -> Image:
    labels = labels_like(image)
    return replace(labels, affine=labels.affine + _SHIFT)


_SHIFT = np.zeros((4, 4))
_SHIFT[2, 3] = 0.3


def stretched(image: Image) -> Image:
    labels = labels_like(image)
    return replace(labels, affine=labels.affine @ np.diag([1, 2, 2, 1.0]))


def upside_down(image: Image) -> Image:
    labels = labels_like(image)
    turn = np.diag([1.0, -1, 1, 1])
    turn[1, 3] = labels.grid[1] - 1
    return replace(labels, affine=labels.affine @ turn)


def cut(image: Image) -> Image:
    labels = labels_like(image)
    return replace(labels, data=labels.data[:, :5])


def a_picture(image: Image) -> Image:
    return replace(labels_like(image), source=replace(image.source, files=(), format="png"))


def gone(image: Image) -> Image:
    return replace(labels_like(image), source=replace(image.source, files=(Path("gone.dcm"),)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (times, "a time series"),
        (channels, "several channels"),
        (fractions, "of type float64"),
        (moved, "slice 0 .* lies on none of the images"),
        (stretched, "do not lie on the pixels"),
        (upside_down, "lies on none of the images"),
        (cut, "do not lie on the pixels"),
        (a_picture, "was not read from DICOM"),
        (gone, r"gone\.dcm does not exist"),
    ],
)
def test_labels_that_do_not_lie_on_images_are_refused(make_stack, tmp_path, change, reason):
    with pytest.raises(OutputError, match=reason):
        written(tmp_path, change(make_stack()))
    assert not (tmp_path / "labels.dcm").exists()


def test_several_images_under_a_slice_are_refused(make_source, tmp_path):
    files = tuple(make_source(f"{i}.dcm") for i in range(2))
    image = read(files[0])
    labels = replace(labels_like(image), source=replace(image.source, files=files))
    with pytest.raises(OutputError, match=r"slice 0 .* lies on 2 images at once"):
        written(tmp_path, labels)


@pytest.mark.parametrize("name", ["x" * 65, "back\\slash"])
def test_names_that_do_not_fit_are_refused(make_source, tmp_path, name):
    with pytest.raises(OutputError, match=r"the name .* of label 1 does not fit"):
        written(tmp_path, labels_like(read(make_source("a.dcm"))), names={1: name})


@pytest.mark.parametrize("name", ["StudyInstanceUID", "SOPInstanceUID", "SeriesInstanceUID", "SOPClassUID"])
def test_images_that_cannot_be_referred_to_are_refused(make_source, tmp_path, name):
    labels = labels_like(read(make_source("a.dcm", **{name: None})))
    with pytest.raises(OutputError, match=f"is without {name}"):
        written(tmp_path, labels)


def test_an_earlier_file_is_kept_unless_told(make_source, tmp_path):
    labels = labels_like(read(make_source("a.dcm")))
    written(tmp_path, labels)
    with pytest.raises(OutputError, match="exists already"):
        written(tmp_path, labels)
    written(tmp_path, labels, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dcm", "labels.dcm"]


def test_without_highdicom_the_extra_is_named(make_source, tmp_path, monkeypatch):
    labels = labels_like(read(make_source("a.dcm")))
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(OutputError, match=r'pip install "unetscope\[dicom\]"'):
        written(tmp_path, labels)


def test_highdicom_reads_the_same(make_stack, tmp_path):
    labels = labels_like(make_stack())
    volume = highdicom.seg.segread(written(tmp_path, labels)).get_volume(combine_segments=True)
    # highdicom counts the slices against their normal.
    np.testing.assert_array_equal(volume.array[::-1], labels.data)
    np.testing.assert_allclose(volume.affine[:3, 1:3], labels.affine[:3, 1:3], atol=1e-6)
    last = labels.affine @ [labels.grid[0] - 1, 0, 0, 1]
    np.testing.assert_allclose(volume.affine[:, 3], last, atol=1e-6)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
def test_dciodvfy_finds_no_error(make_stack, make_source, tmp_path):
    images = {
        "stack": make_stack(SOPClassUID=CTImageStorage),
        "capture": read(make_source("a.dcm", SOPClassUID=SecondaryCaptureImageStorage, **NOWHERE)),
        "echo": read(
            make_source("b.dcm", SOPClassUID=UltrasoundMultiFrameImageStorage, PixelSpacing=None, **NOWHERE)
        ),
    }
    for name, image in images.items():
        labels = labels_like(image)
        path = write_segmentation(tmp_path / f"{name}.dcm", labels.with_data(labels.data * 2))
        report = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
        lines = (report.stdout + report.stderr).splitlines()
        assert "Segmentation" in lines
        assert [line for line in lines if line.startswith("Error")] == []


def test_required_attributes_are_there(make_stack, tmp_path):
    tables = pytest.importorskip("highdicom._standard_utils")
    made = dcmread(written(tmp_path, labels_like(make_stack())))
    modules = tables.get_iod_module_map()["segmentation"]
    required = [
        attribute
        for module in modules
        if module["usage"] == "M"
        for attribute in tables.get_module_attribute_map()[module["key"]]
        if not attribute["path"] and attribute["type"] in {"1", "2"}
    ]
    assert len(required) > 30
    missing = [attribute["keyword"] for attribute in required if attribute["keyword"] not in made]
    empty = [
        attribute["keyword"]
        for attribute in required
        if attribute["type"] == "1" and made.get(attribute["keyword"]) in (None, "", [])
    ]
    assert (missing, empty) == ([], [])


def test_ventricles_of_the_real_images(real_data, tmp_path):
    for image_path in sorted((real_data / "left-ventricle/test").glob("*.dcm"))[:3]:
        mask = np.asarray(Picture.open(image_path.parent / "GT" / f"{image_path.stem}.png"))
        labels = read(image_path).with_data(mask)
        found = assert_comes_back(write_segmentation(tmp_path / image_path.name, labels), labels)
        assert set(np.unique(mask)) - {0} == set(found.source.tags["labels"])


def test_one_time_point_of_the_real_series(real_data, tmp_path):
    image = find_series(real_data / "dicom-series")[0].read()
    one = image.take("T", 3)
    labels = one.with_data((one.data > 200).astype(np.uint8))
    found = assert_comes_back(written(tmp_path, labels), labels)
    np.testing.assert_allclose(found.affine, labels.affine, atol=1e-3)
    everywhere = replace(labels, source=image.source)
    with pytest.raises(OutputError, match="lies on 20 images at once"):
        write_segmentation(tmp_path / "b.dcm", everywhere)
