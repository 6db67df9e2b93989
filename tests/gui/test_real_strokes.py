"""Strokes on a few real images, from the pictures to the scores of objects, in a real viewer."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from unetscope._napari.session import Session
from unetscope.io import read_mask

SIDE = 256
PAINTED = slice(0, 3)
OTHERS = slice(3, 5)
# Milliseconds: the first of all trainings waits until PyTorch is imported, in two processes.
LONG = 120_000

Nuclei = list[tuple[Path, NDArray[Any]]]


@pytest.fixture
def nuclei(real_data: Path) -> Nuclei:
    """Small images, each with a mask that numbers its nuclei."""
    folder = real_data / "nuclei/train"
    found: Nuclei = []
    for path in sorted((folder / "images").glob("*.png")):
        mask = read_mask(folder / f"masks/{path.stem}.tif").data
        if mask.shape == (SIDE, SIDE):
            found.append((path, mask))
        if len(found) == OTHERS.stop:
            break
    return found


def test_a_few_strokes_become_scores_of_objects(
    viewer: Any, plugin: Any, nuclei: Nuclei, qtbot: Any, tmp_path: Path
) -> None:
    def docked(name: str) -> Any:
        return viewer.window.add_plugin_dock_widget("unetscope", name, tabify=True)[1]

    dataset, train = docked("1 Dataset"), docked("3 Train")
    predict, metrics = docked("4 Predict"), docked("5 Metrics")
    viewer.open([path for path, _ in nuclei[PAINTED]], plugin="unetscope")
    paint_and_check(qtbot, dataset, nuclei[PAINTED])
    train_briefly(qtbot, train, tmp_path / "run")
    assert train.status.text().startswith("The model is that of epoch 2;")
    assert Session.of(viewer).model == tmp_path / "run"

    others = viewer.open([path for path, _ in nuclei[OTHERS]], plugin="unetscope")
    viewer.layers.selection = set(others)
    predict.button.click()
    qtbot.waitUntil(lambda: predict.job is None, timeout=LONG)
    for path, objects in nuclei[OTHERS]:
        viewer.add_labels(objects.astype(np.int32), name=f"{path.stem} truth")
    rows = measured(qtbot, metrics, [path.stem for path, _ in nuclei[OTHERS]], tmp_path / "scores.csv")
    for row, (path, objects) in zip(rows, nuclei[OTHERS], strict=True):
        assert row["name"] == f"{path.stem} prediction"
        assert int(row["true_objects"]) == len(np.unique(objects)) - 1
        # Not a single one, though the network does not tell objects from each other.
        assert int(row["predicted_objects"]) > 1


def paint_and_check(qtbot: Any, dataset: Any, nuclei: Nuclei) -> None:
    """Paint about 2 % of the pixels of each image in a new layer, and let the widget check them."""
    dataset.use_layers()
    dataset.masks.strokes.click()
    settle(qtbot, dataset)
    for path, objects in nuclei:
        names = [dataset.model.row(place).name for place in range(dataset.model.rowCount())]
        dataset.pairs.table.select([names.index(path.stem)])
        dataset.masks.annotate_button.click()
        settle(qtbot, dataset)
        shown = [layer.name for layer in dataset.viewer.layers if layer.visible]
        assert shown == [path.stem, f"{path.stem} labels"]
        labels = dataset.viewer.layers.selection.active
        assert labels.mode == "paint"
        outside = ndimage.distance_transform_edt(objects == 0) > 3
        inside = ndimage.distance_transform_edt(objects > 0) > 2
        labels.brush_size = 2
        for label, places in ((1, np.argwhere(outside)), (2, np.argwhere(inside))):
            for place in places[:: max(len(places) // 100, 1)]:
                labels.paint(tuple(place), label)
        settle(qtbot, dataset)
    dataset.check_button.click()
    settle(qtbot, dataset)
    assert dataset.findings.text() == "✓ Ready: 3 images train, 0 validate, 0 test."


def train_briefly(qtbot: Any, train: Any, run: Path) -> None:
    """Train two short epochs of what the plan says."""
    train.run_folder.path.setText(str(run))
    train.session.change({"training.epochs": 2, "training.samples": 12})
    with qtbot.waitSignal(train.process.ended, timeout=LONG) as ended:
        train.start_button.click()
    assert ended.args == ["finished"]
    names = [layer.name for layer in train.viewer.layers]
    assert any(name.startswith("prediction: ") for name in names)


def measured(qtbot: Any, metrics: Any, names: list[str], table: Path) -> list[dict[str, str]]:
    """Score the predictions of these layers as objects, and write the table."""
    metrics.source.setCurrentText("Layers in the viewer")
    page = metrics.layers_page
    page.meaning.setCurrentText("Objects: each value is one object")
    for count, name in enumerate(names, start=1):
        place = page.predicted.findText(f"{name} prediction")
        page.predicted.setCurrentIndex(place)
        page.predicted.activated.emit(place)
        assert page.truth.currentText() == f"{name} truth"
        (page.measure_button if count == 1 else page.add_button).click()
        qtbot.waitUntil(lambda count=count: metrics.scores is not None and metrics.scores.report.n == count)
    metrics.export_button.write_csv(table)
    qtbot.waitUntil(table.exists)
    qtbot.waitUntil(lambda: "Written" in metrics.status.text())
    with table.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))[: len(names)]


def settle(qtbot: Any, dataset: Any) -> None:
    """Wait until the Dataset widget has nothing to do."""
    qtbot.waitUntil(
        lambda: not dataset._timer.isActive() and not (dataset.job and dataset.job.running), timeout=LONG
    )
