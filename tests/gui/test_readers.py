"""What napari opens with us: the right layers in the right place, and nothing that is not ours."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils import notifications
from PIL import Image as Pillow
from pydicom.data import get_testdata_file

from unetscope._napari.files import readers
from unetscope._napari.files.opening import Opened
from unetscope._napari.files.readers import read_dicom, read_file, read_folder
from unetscope._napari.layers.layer import image_of
from unetscope.errors import InputError, ReadError
from unetscope.io import Image, Source, read, write_mask
from unetscope.samples import sample_folder

HEART = sample_folder("heart")


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was shown to the user."""
    sentences: list[str] = []
    for name in ("show_info", "show_error"):
        monkeypatch.setattr(readers, name, sentences.append)
    return sentences


def png(path: Path, size: tuple[int, int] = (6, 5), value: int = 7) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.full(size, value, np.uint8)).save(path)
    return path


def layers(read: Callable[[Any], Any], path: Path | list[Path]) -> list[Any]:
    argument = list(map(str, path)) if isinstance(path, list) else str(path)
    reader = read(argument)
    assert reader is not None
    return list(reader(argument))


def test_a_dicom_file_is_one_layer_on_its_place() -> None:
    path = HEART / "test" / "SAMPLE-B_0001.dcm"
    ((data, options, kind),) = layers(read_dicom, path)
    assert (kind, data.shape, options["name"]) == ("image", (128, 128), "SAMPLE-B_0001")
    assert options["scale"] == (1.4, 1.4)
    assert options["units"] == ("mm", "mm")
    assert options["contrast_limits"][0] < options["contrast_limits"][1]


def test_dicom_without_a_suffix_is_found_by_content(tmp_path: Path) -> None:
    path = shutil.copy(HEART / "test" / "SAMPLE-B_0001.dcm", tmp_path / "IM000001")
    assert len(layers(read_dicom, path)) == 1
    (tmp_path / "Makefile").write_text("all:\n")
    assert read_dicom(str(tmp_path / "Makefile")) is None


def test_a_folder_of_dicom_is_one_layer_per_series(tmp_path: Path, said: list[str]) -> None:
    for file in sorted((HEART / "training").glob("*.dcm")):
        place = tmp_path / "study" / "disk" / file.stem[:8]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place / file.stem)
    found = layers(read_folder, tmp_path)
    assert [data.shape for data, _, _ in found] == [(2, 8, 128, 128)] * 2
    assert [options["visible"] for _, options, _ in found] == [False, True]
    assert "holds 2 series" in said[0]


def test_dicom_files_opened_as_a_stack_are_sorted_by_place() -> None:
    files = sorted((HEART / "test").glob("*.dcm"))
    ((data, options, _),) = layers(read_dicom, files[::-1])
    ((expected, _, _),) = layers(read_folder, HEART / "test")[:1]
    np.testing.assert_array_equal(data, expected)
    assert options["axis_labels"] == ("T", "Z", "Y", "X")


def test_a_dicom_segmentation_becomes_labels(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    image = read(HEART / "test" / "SAMPLE-B_0001.dcm")
    mask = np.zeros((128, 128), np.uint8)
    mask[30:40, 50:70] = 1
    path = write_mask(tmp_path / "seg.dcm", image.with_data(mask))
    ((data, options, kind),) = layers(read_dicom, path)
    assert kind == "labels"
    np.testing.assert_array_equal(data.squeeze(), mask)
    np.testing.assert_allclose(options["translate"][-2:], image.origin)


def test_a_file_that_only_promises_dicom_is_refused_in_a_sentence(tmp_path: Path, said: list[str]) -> None:
    path = tmp_path / "a.dcm"
    path.write_text("nothing")
    with pytest.raises(ReadError, match=r"a\.dcm"):
        layers(read_dicom, path)
    assert len(said) == 1
    assert "a.dcm" in said[0]


def test_png_files_one_by_one_and_as_a_stack(tmp_path: Path) -> None:
    files = [png(tmp_path / f"{i}.png", value=i) for i in range(3)]
    ((data, _, kind),) = layers(read_file, files[1])
    assert (kind, data.shape, data[0, 0]) == ("image", (6, 5), 1)
    ((stack, options, _),) = layers(read_file, files)
    assert options["axis_labels"] == ("T", "Y", "X")
    np.testing.assert_array_equal(stack[:, 0, 0], [0, 1, 2])
    with pytest.raises(InputError, match=r"b\.png has 4 × 4 pixels"):
        layers(read_file, [*files, png(tmp_path / "b.png", (4, 4))])


def test_other_files_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("text")
    (tmp_path / "empty.nrrd").touch()
    assert read_file(str(tmp_path / "a.png")) is None
    assert read_file(str(tmp_path / "empty.nrrd")) is None
    assert read_file(str(tmp_path / "missing.png")) is None


def test_volumes_know_their_place(tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    volume = Image(np.ones((3, 4, 5), np.uint8), "ZYX", (3, 2, 1), units="mm", affine=np.diag([3.0, 2, 1, 1]))
    for name in ("a.nii.gz", "a.seg.nrrd"):
        path = write_mask(tmp_path / name, volume)
        ((data, options, kind),) = layers(read_file, path)
        assert kind == ("labels" if name == "a.seg.nrrd" else "image")
        assert (data.shape, options["scale"], options["units"]) == ((3, 4, 5), (3, 2, 1), ("mm",) * 3)


def test_an_ome_zarr_store_is_opened_with_its_spacing(tmp_path: Path) -> None:
    labels = Image(np.ones((3, 4, 5), np.uint8), "ZYX", (3, 2, 1), units="µm")
    path = write_mask(tmp_path / "a.ome.zarr", labels)
    ((_, options, _),) = layers(read_folder, path)
    assert (options["scale"], options["name"]) == ((3, 2, 1), "a")


@pytest.mark.parametrize(
    ("names", "ours"),
    [
        (["a.png", "b.png"], False),
        (["mask_a.png", "mask_b.png"], False),
        (["images/a.png", "images/b.png"], False),
        (["masks/a.png"], False),
        (["thumbnails/a.png", "a.png"], False),
        (["a.png", "a_mask.png"], True),
        (["a.png", "masks/a.png"], True),
        (["images/a.png", "masks/a.png"], True),
        (["train/images/a.png", "train/masks/a.png"], True),
        (["P1/image.png", "P1/label.png"], True),
    ],
)
def test_only_pictures_with_masks_are_ours(tmp_path: Path, names: list[str], ours: bool) -> None:
    for name in names:
        png(tmp_path / name)
    assert (read_folder(str(tmp_path)) is not None) is ours


def test_what_is_not_ours_is_told_fast(tmp_path: Path) -> None:
    for i in range(3000):
        (tmp_path / f"{i:05}.png").touch()
        (tmp_path / f"README{i}").write_text("text")
    started = time.perf_counter()
    assert read_folder(str(tmp_path)) is None
    # 3 ms; a busy machine may take longer, but not as long as a look at all files.
    assert time.perf_counter() - started < 0.1


def test_pictures_with_masks_become_a_stack(tmp_path: Path, said: list[str]) -> None:
    for i in range(4):
        png(tmp_path / "images" / f"{i}.png", (6, 5) if i < 3 else (4, 4), value=i)
        png(tmp_path / "masks" / f"{i}.png", (6, 5) if i < 3 else (4, 4), value=i % 2)
    (image, options, kind), (labels, _, other) = layers(read_folder, tmp_path)
    assert (kind, other, options["axis_labels"]) == ("image", "labels", ("T", "Y", "X"))
    np.testing.assert_array_equal(image[:, 0, 0], [0, 1, 2])
    np.testing.assert_array_equal(labels[:, 0, 0], [0, 1, 0])
    assert "3 of 4 pairs" in said[0]


def test_slices_with_masks_become_volumes_with_labels() -> None:
    found = layers(read_folder, HEART / "training")
    names = [options["name"] for _, options, _ in found]
    assert names == ["SAMPLE-C", "SAMPLE-C labels", "SAMPLE-A", "SAMPLE-A labels"]
    (image, options, _), (labels, placed, _) = found[2:]
    assert image.shape == labels.shape == (2, 8, 128, 128)
    assert options["scale"] == placed["scale"]
    source = options["metadata"]["unetscope"]["source"]
    file = source.files[8 + 3]
    np.testing.assert_array_equal(labels[1, 3], read(file.with_suffix(".png")).data)
    np.testing.assert_array_equal(image[1, 3], read(file).data)


def test_a_folder_of_parts_says_which_to_choose(tmp_path: Path, said: list[str]) -> None:
    for part in ("train", "test"):
        png(tmp_path / part / "images" / "a.png")
        png(tmp_path / part / "masks" / "a.png")
    with pytest.raises(InputError, match="choose one"):
        layers(read_folder, tmp_path)
    assert said


@pytest.mark.usefixtures("plugin")
def test_the_series_of_a_study_opens_in_the_viewer(viewer_model: Any, real_data: Path) -> None:
    (layer,) = viewer_model.open(real_data / "dicom-series", plugin="unetscope")
    image = image_of(layer)
    assert (image.axes, image.data.shape, image.units) == ("TZYX", (20, 10, 256, 256), "mm")
    assert layer.name == "dicom-series"
    expected = read(real_data / "dicom-series")
    np.testing.assert_array_equal(image.data, expected.data)
    np.testing.assert_array_equal(image.affine, expected.affine)


def test_what_is_said_of_several_images_is_said_once() -> None:
    opened = Opened()
    for notes in (("One.", "Two."), ("Two.", "Three.")):
        opened.add(Image(np.zeros((2, 2)), "YX", source=Source(notes=notes)))
    assert opened.notes == ["One.", "Two.", "Three."]


def test_a_dicomdir_opens_its_series() -> None:
    path = Path(str(get_testdata_file("DICOMDIR", read=False)))
    found = layers(read_dicom, path)
    assert len(found) > 1
    assert all(kind == "image" for _, _, kind in found)


def test_notifications_work_without_a_window(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_text("nothing")
    with pytest.raises(ReadError):
        layers(read_dicom, tmp_path / "a.dcm")
    assert "a.dcm" in notifications.notification_manager.records[-1].message
