"""A clinician's way through the viewer, on real images: open, check, train, segment a beating heart, save."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtTest import QTest

from unetscope._napari.jobs import worker
from unetscope.folders import predict_files
from unetscope.io import find_series, read_mask
from unetscope.model import Model
from unetscope.network import UNet
from unetscope.recipe import Recipe, change

# A network that learns nothing in two epochs, but quickly.
TINY = {
    "network.depth": 2,
    "network.width": 4,
    "training.epochs": 2,
    "training.minutes": None,
    "training.samples": 8,
    "preprocess.crop": (128, 128),
}
SLICES = 3


@pytest.fixture
def folders(real_data: Path, tmp_path: Path) -> Path:
    """Some slices of each patient, with their masks, in ``training`` and ``test`` as they come."""
    for part, patients in (("training", (1, 2, 4)), ("test", (5,))):
        source, target = real_data / "left-ventricle" / part, tmp_path / part
        (target / "GT").mkdir(parents=True) if part == "test" else target.mkdir()
        for patient in patients:
            # Every second one is the same moment of the heartbeat.
            for image in sorted(source.glob(f"SC-HF-I-{patient}_*.dcm"))[: 2 * SLICES : 2]:
                shutil.copy(image, target)
                mask = f"{image.stem}.png" if part == "training" else f"GT/{image.stem}.png"
                shutil.copy(source / mask, target / mask)
    return tmp_path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model that calls everything within its crop the object."""
    recipe = change(Recipe(), {key: TINY[key] for key in TINY if not key.startswith("training")})
    network = UNet(recipe.network, 1, 1).eval()
    torch.nn.init.constant_(network.head.bias, 9)
    return Model(network, recipe, (0, 1), ("gray",)).save(tmp_path / "model.safetensors")


def click(button: Any) -> None:
    assert button.isEnabled(), button.text()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def drop(widget: Any, path: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    keys = (Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    widget.dropEvent(QDropEvent(QPointF(9, 9), Qt.DropAction.CopyAction, mime, *keys))


def idle(qtbot: Any) -> None:
    """Wait until no job works; torch may be imported for the first time."""
    qtbot.waitUntil(lambda: not worker._RUNNING, timeout=240_000)


def dock(viewer: Any, name: str) -> Any:
    return viewer.window.add_plugin_dock_widget("unetscope", name, tabify=True)[1]


def assert_outcome_lies_on_image(viewer: Any) -> None:
    (image,) = (layer for layer in viewer.layers if layer.name.endswith(" image"))
    (outcome,) = (layer for layer in viewer.layers if layer.name.endswith(" outcome"))
    np.testing.assert_allclose(outcome.extent.world, image.extent.world)


@pytest.mark.usefixtures("plugin")
def test_from_a_folder_to_scores(viewer: Any, folders: Path, qtbot: Any) -> None:
    # The folder opens as a volume for each patient, and is dropped on the widget to train on it.
    viewer.open(str(folders / "training"), plugin="unetscope")
    opened = list(viewer.layers)
    assert {layer.name for layer in opened} >= {"SC-HF-I-1", "SC-HF-I-1 labels"}
    dataset = dock(viewer, "1 Dataset")
    assert "Layers of this viewer" in dataset.pairs.counts.text()
    drop(dataset, folders / "training")
    idle(qtbot)
    click(dataset.check_button)
    idle(qtbot)
    assert dataset.findings.text().startswith("✓ Ready: 6 images train, 3 validate, 0 test.")

    train = dock(viewer, "3 Train")
    train.session.change(TINY)
    with qtbot.waitSignal(train.session.model_changed, timeout=240_000):
        click(train.start_button)
    qtbot.waitUntil(lambda: not train.busy, timeout=60_000)
    assert [record["epoch"] for record in train.progress.history] == [1, 2]
    assert "Go on with 4 Predict" in train.status.text()

    metrics = dock(viewer, "5 Metrics")
    assert metrics.scores.report.n == SLICES
    metrics.table.choose_worst()
    qtbot.waitUntil(lambda: "Shown:" in metrics.status.text(), timeout=60_000)
    assert_outcome_lies_on_image(viewer)
    assert set(opened) <= set(viewer.layers)


@pytest.mark.usefixtures("plugin")
def test_outcomes_of_pictures_lie_on_the_images_they_came_from(
    viewer: Any, folders: Path, model: Path, qtbot: Any
) -> None:
    list(predict_files(model, folders / "test", folders / "results", file_format="png"))
    metrics = dock(viewer, "5 Metrics")
    metrics.source.setCurrentText("Folders of predictions and masks")
    metrics.folders_page.predicted.setText(str(folders / "results"))
    metrics.folders_page.truth.setText(str(folders / "test" / "GT"))
    click(metrics.folders_page.measure_button)
    idle(qtbot)
    assert metrics.scores.report.n == SLICES
    metrics.table.choose_best()
    qtbot.waitUntil(lambda: "Shown: SC-HF-I-5" in metrics.status.text(), timeout=60_000)
    assert_outcome_lies_on_image(viewer)


@pytest.mark.usefixtures("plugin")
def test_a_whole_study_is_segmented_and_saved(
    viewer: Any, folders: Path, model: Path, real_data: Path, qtbot: Any
) -> None:
    viewer.open(str(real_data / "dicom-series"), plugin="unetscope")
    (study,) = viewer.layers
    assert study.axis_labels == tuple("TZYX")
    viewer.dims.ndisplay = 3
    predict = dock(viewer, "4 Predict")
    predict.session.model = model
    click(predict.button)
    idle(qtbot)
    (labels,) = (layer for layer in viewer.layers if layer.name == "dicom-series prediction")
    assert labels.data.shape == study.data.shape
    assert labels.units == study.units
    np.testing.assert_allclose(labels.extent.world, study.extent.world)
    files = labels.save(str(folders / "heart.dcm"), plugin="unetscope")
    assert [Path(file).name for file in (files[0], files[-1])] == ["heart_t01.dcm", "heart_t20.dcm"]
    (series,) = find_series(real_data / "dicom-series")
    saved = read_mask(files[7], on=series.read().time_points()[7])
    np.testing.assert_array_equal(saved.data > 0, labels.data[7] > 0)
    assert saved.data.any()
