"""Labels that were saved from the viewer come back with values, spacing, place and names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unetscope._napari.files import writers
from unetscope._napari.layers.layer import add_layer, image_of, layer_data
from unetscope.errors import OutputError
from unetscope.io import Image, Source, read, read_mask
from unetscope.samples import sample_folder

pytestmark = pytest.mark.usefixtures("plugin")


@pytest.fixture
def labels(viewer_model: Any) -> Any:
    """A Labels layer that a user has drawn, with spacing and place."""
    data = np.zeros((3, 8, 9), np.int32)
    data[1, 2:5, 3:6] = 2
    return viewer_model.add_labels(
        data, name="drawn", scale=(3, 0.5, 0.5), translate=(6, 1, 2), units="mm", axis_labels=("z", "y", "x")
    )


@pytest.mark.parametrize("name", ["a.tif", "a.ome.tif", "a.nii.gz", "a.nrrd", "a.seg.nrrd", "a.ome.zarr"])
def test_volumes_keep_values_and_spacing(labels: Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert labels.save(path, plugin="unetscope") == [str(path)]
    saved = read_mask(path)
    np.testing.assert_array_equal(saved.data.squeeze(), labels.data)
    np.testing.assert_allclose(saved.spacing, (3, 0.5, 0.5), rtol=1e-5)


def test_planes_become_png_and_replace_what_napari_asked_about(viewer_model: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("earlier")
    viewer_model.add_labels(np.full((4, 5), 300)).save(path, plugin="unetscope")
    np.testing.assert_array_equal(read(path).data, np.full((4, 5), 300))


def test_a_name_without_an_ending_gets_one_and_replaces_nothing(viewer_model: Any, tmp_path: Path) -> None:
    layer = viewer_model.add_labels(np.ones((4, 5), int))
    data, options, _ = layer.as_layer_data_tuple()
    (written,) = writers.write_png(str(tmp_path / "scan 1.5 labels"), data, options)
    assert Path(written).name == "scan 1.5 labels.png"
    with pytest.raises(OutputError, match="exists already"):
        writers.write_png(str(tmp_path / "scan 1.5 labels"), data, options)


def test_what_does_not_fit_is_refused_and_the_earlier_file_stays(labels: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("earlier")
    with pytest.raises(OutputError, match=r"a\.png"):
        labels.save(path, plugin="unetscope")
    assert path.read_text() == "earlier"


def test_a_time_series_becomes_a_file_for_each_point_where_no_more_fit(
    viewer_model: Any, tmp_path: Path
) -> None:
    data = np.arange(1, 11, dtype=np.uint8).reshape(10, 1, 1, 1) * np.ones((2, 4, 5), np.uint8)
    layer = viewer_model.add_labels(
        data, name="beating", scale=(1, 8, 2, 2), units=("s", "mm", "mm", "mm"), axis_labels=tuple("TZYX")
    )
    path = tmp_path / "beating.seg.nrrd"
    files = layer.save(path, plugin="unetscope")
    assert [Path(file).name for file in files[:2]] == ["beating_t01.seg.nrrd", "beating_t02.seg.nrrd"]
    np.testing.assert_array_equal(read_mask(files[9]).data, data[9])
    # Nobody was asked whether these may be replaced.
    with pytest.raises(OutputError, match=r"beating_t01\.seg\.nrrd already"):
        layer.save(path, plugin="unetscope")
    assert layer.save(tmp_path / "a.nii.gz", plugin="unetscope") == [str(tmp_path / "a.nii.gz")]


def test_labels_without_dicom_are_no_segmentation(labels: Any, tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    with pytest.raises(OutputError, match="not read from DICOM"):
        labels.save(tmp_path / "a.dcm", plugin="unetscope")


def opened(viewer: Any, path: Path) -> Any:
    data, options, _ = layer_data(read(path))
    return viewer.add_image(data, **options)


def test_results_on_dicom_become_a_segmentation_with_names(viewer_model: Any, tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    layer = opened(viewer_model, sample_folder("heart") / "test" / "SAMPLE-B_0001.dcm")
    image = image_of(layer)
    mask = np.zeros(image.grid, np.uint8)
    mask[30:50, 40:60] = 1
    tags = dict(image.source.tags) | {"labels": {1: "left ventricle"}}
    source = Source(image.source.path, "dicom", tags=tags)
    made = Image(mask, "YX", image.spacing, image.origin, "mm", source=source, affine=image.affine)
    result = add_layer(viewer_model, made, kind="labels", name="result", like=layer)
    result.save(tmp_path / "a.dcm", plugin="unetscope")
    saved = read_mask(tmp_path / "a.dcm", on=image)
    np.testing.assert_array_equal(saved.data, mask)
    assert saved.source.tags["labels"] == {1: "left ventricle"}


def test_labels_drawn_on_dicom_take_its_place(
    viewer_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("highdicom")
    monkeypatch.setattr("napari.current_viewer", lambda: viewer_model)
    layer = opened(viewer_model, sample_folder("heart") / "test" / "SAMPLE-B_0001.dcm")
    viewer_model.add_points(np.zeros((1, 2)))
    viewer_model.layers.selection = {layer}
    # What the button "New labels layer" does.
    viewer_model._new_labels()
    drawn = viewer_model.layers[-1]
    drawn.data[30:40, 30:40] = 1
    drawn.save(tmp_path / "a.dcm", plugin="unetscope")
    saved = read_mask(tmp_path / "a.dcm", on=image_of(layer))
    np.testing.assert_array_equal(saved.data, drawn.data)
