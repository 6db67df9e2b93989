"""Predict: labels exactly on their layers, by a network whose answer is known: bright is the object."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent, QWheelEvent
from qtpy.QtWidgets import QApplication, QSlider

from unetscope import api
from unetscope._napari import settings
from unetscope._napari.commands import segment
from unetscope._napari.predict.model_chooser import describe_card
from unetscope._napari.predict.predicted import KEY
from unetscope._napari.predict.widget import PredictWidget
from unetscope._napari.session import Session
from unetscope.inference import Labeling
from unetscope.io import write_mask
from unetscope.io.image import Image
from unetscope.model import Model
from unetscope.model_about import About
from unetscope.network import UNet
from unetscope.recipe import Recipe, change

SCORES = {
    "scores": {"validation dice": 0.91},
    "training images": 8,
    "validation images": 2,
    "unetscope": "0.1",
}
CLASSES = ("target.kind=multiclass", "loss.kind=ce+dice")
LENGTHS = {"T": 2, "C": 2, "Z": 4, "Y": 5, "X": 6}


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., Path]:
    """Writes models with logits 10·(brightness − level), one map per level."""

    def write(
        *changes: str,
        name: str = "model",
        values: tuple[int, ...] = (0, 1),
        levels: tuple[float, ...] = (0.5,),
        channels: tuple[str, ...] = ("gray",),
        threshold: float = 0.5,
    ) -> Path:
        fixed = ["network.depth=1", "network.width=1", "network.convs=1", "preprocess.normalize.method=none"]
        recipe = change(Recipe(), [*fixed, *changes])
        network = UNet(recipe.network, len(channels), len(levels)).eval()
        middle = (..., *[1] * recipe.network.dimensions)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
            network.down[0][0].weight[middle] = 1 / len(channels)
            network.merge[0][0].weight[(0, 0, *middle[1:])] = 1
            network.head.weight.fill_(10)
            network.head.bias.copy_(torch.tensor([-10 * level for level in levels]))
        made = Model(network, recipe, values, channels, threshold=threshold, provenance=SCORES)
        return made.save(tmp_path / f"{name}.safetensors")

    return write


@pytest.fixture
def widget(qtbot: Any, viewer_model: Any) -> PredictWidget:
    """The widget in a viewer without a window."""
    made = PredictWidget(viewer_model)
    qtbot.addWidget(made)
    return made


@pytest.fixture
def run(qtbot: Any, widget: PredictWidget) -> Callable[..., list[Any]]:
    """Segments, waits for the end, and gives all Labels layers."""

    def segment() -> list[Any]:
        widget.segment()
        wait(qtbot, widget)
        return labels_of(widget)

    return segment


@pytest.fixture(autouse=True)
def _no_old_notifications() -> None:
    notification_manager.records.clear()


def wait(qtbot: Any, widget: PredictWidget) -> None:
    """Wait until nothing is computed."""
    qtbot.waitUntil(lambda: widget._job is None and widget._relabeling is None, timeout=20000)


def labels_of(widget: PredictWidget) -> list[Any]:
    return [layer for layer in widget.viewer.layers if type(layer).__name__ == "Labels"]


def pixels(axes: str, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random([LENGTHS[axis] for axis in axes]).astype(np.float32)


def corners(layer: Any, axes: str, wanted: str) -> np.ndarray:
    """World coordinates of the corners of a layer, without the axes that are not wanted."""
    kept = [i for i, axis in enumerate(axes) if axis in wanted]
    shape = np.array(layer.data.shape[: layer.ndim])
    places = [np.zeros(layer.ndim), *(np.eye(layer.ndim) * shape)[kept]]
    return np.array([np.array(layer.data_to_world(place))[kept] for place in places])


@pytest.mark.parametrize("axes", ["YX", "ZYX", "TYX", "CYX", "TZYX", "CZYX", "TCYX", "TCZYX", "YXC"])
def test_labels_lie_exactly_on_their_layer(
    axes: str, model: Callable[..., Path], widget: PredictWidget, run: Callable[..., list[Any]]
) -> None:
    channels = ("red", "green") if "C" in axes else ("gray",)
    widget.session.model = model(channels=channels)
    data = pixels(axes)
    scale = [{"T": 2.0, "C": 1.0, "Z": 4.0, "Y": 0.5, "X": 0.25}[axis] for axis in axes]
    translate = [{"T": 0.0, "C": 0.0, "Z": -7.0, "Y": 3.0, "X": 11.0}[axis] for axis in axes]
    units = ["µm" if axis in "ZYX" else "pixel" for axis in axes]
    layer = widget.viewer.add_image(
        data, scale=scale, translate=translate, axis_labels=tuple(axes), units=units, rgb=False, name="cells"
    )
    (labels,) = run()
    order = [axes.index(axis) for axis in "TCZYX" if axis in axes]
    sorted_data = data.transpose(order)
    own = "".join(axis for axis in "TCZYX" if axis in axes)
    mean = sorted_data.mean(axis=own.index("C")) if "C" in own else sorted_data
    kept = axes.replace("C", "")
    # Behind time, channels become one element that spans them all.
    assert "".join(labels.axis_labels).replace("C", "") == kept
    np.testing.assert_array_equal(np.squeeze(labels.data), mean >= 0.5)
    np.testing.assert_allclose(
        corners(labels, "".join(labels.axis_labels), kept), corners(layer, axes, kept), atol=1e-9
    )
    assert labels.name == "cells prediction"
    assert labels.metadata[KEY] == {"image": "cells", "model": str(widget.session.model), "threshold": 0.5}


def test_an_rgb_layer_that_is_turned(
    model: Callable[..., Path], widget: PredictWidget, run: Callable[..., list[Any]]
) -> None:
    widget.session.model = model(channels=("red", "green", "blue"))
    data = (np.random.default_rng(2).random((5, 6, 3))).astype(np.float32)
    layer = widget.viewer.add_image(data, rgb=True, rotate=30, scale=(2, 0.5), translate=(3, 4))
    (labels,) = run()
    np.testing.assert_array_equal(labels.data, data.mean(axis=2) >= 0.5)
    for place in ((0, 0), (5, 6), (2.5, 1)):
        np.testing.assert_allclose(labels.data_to_world(place), layer.data_to_world(place), atol=1e-9)


def test_a_volume_that_is_viewed_in_3d(
    model: Callable[..., Path], widget: PredictWidget, run: Callable[..., list[Any]]
) -> None:
    widget.session.model = model("network.dimensions=3")
    data = pixels("ZYX")
    widget.viewer.add_image(data, axis_labels=("z", "y", "x"))
    widget.viewer.dims.ndisplay = 3
    widget.viewer.dims.order = (2, 0, 1)
    (labels,) = run()
    np.testing.assert_array_equal(labels.data, data >= 0.5)


def test_the_labels_are_those_of_the_api(
    model: Callable[..., Path], widget: PredictWidget, run: Callable[..., list[Any]]
) -> None:
    path = widget.session.model = model(
        "target.kind=instances", "target.separate=gap", "prediction.minimum_size=2"
    )
    data = pixels("ZYX", seed=3) ** 4
    widget.viewer.add_image(data)
    (labels,) = run()
    expected = api.predict(path, Image(data, "ZYX")).labels.data
    assert expected.max() > 1
    np.testing.assert_array_equal(labels.data, expected)
    assert labels.data.dtype == expected.dtype


def test_the_same_layer_again_updates_its_labels(
    model: Callable[..., Path], widget: PredictWidget, run: Callable[..., list[Any]]
) -> None:
    widget.session.model = model()
    layer = widget.viewer.add_image(pixels("YX"))
    (first,) = run()
    assert set(widget.viewer.layers.selection) == {layer}
    layer.data = pixels("YX", seed=1)
    (second,) = run()
    assert second is first
    np.testing.assert_array_equal(second.data, pixels("YX", seed=1) >= 0.5)


def test_a_selected_prediction_stands_for_its_image(
    model: Callable[..., Path], widget: PredictWidget, run: Callable[..., list[Any]]
) -> None:
    widget.session.model = model()
    widget.viewer.add_image(pixels("YX"), name="a")
    widget.viewer.add_image(pixels("YX"), name="b")
    widget.viewer.layers.selection = {widget.viewer.layers["a"]}
    (labels,) = run()
    widget.viewer.layers.selection = {labels}
    assert run() == [labels]


@pytest.mark.parametrize("edit", ["paint", "data"])
def test_labels_that_the_user_corrected_are_left_alone(
    edit: str, model: Callable[..., Path], widget: PredictWidget, run: Callable[..., list[Any]]
) -> None:
    widget.session.model = model()
    widget.viewer.add_image(pixels("YX"))
    (first,) = run()
    if edit == "paint":
        first.paint((2, 2), 3)
    else:
        first.data = first.data * 3
    corrected = first.data.copy()
    second = run()
    assert len(second) == 2
    np.testing.assert_array_equal(first.data, corrected)
    np.testing.assert_array_equal(second[1].data, pixels("YX") >= 0.5)


def test_several_layers_and_probabilities(
    model: Callable[..., Path], widget: PredictWidget, run: Callable[..., list[Any]]
) -> None:
    widget.session.model = model()
    layers = [widget.viewer.add_image(pixels("YX", seed=i), name=f"image {i}") for i in range(3)]
    widget.viewer.layers.selection = set(layers[:2])
    widget.probability.setChecked(True)
    assert [layer.name for layer in run()] == ["image 0 prediction", "image 1 prediction"]
    probability = widget.viewer.layers["image 1 probability"]
    np.testing.assert_allclose(
        probability.data, 1 / (1 + np.exp(-10 * (pixels("YX", seed=1) - 0.5))), rtol=1e-5
    )
    assert tuple(probability.contrast_limits) == (0, 1)
    assert "Segmented 2 layers" in widget.status.text()
    assert settings.recall("predict")["probability"] is True
    # A probability layer is nothing to segment.
    widget.viewer.layers.selection = {probability}
    assert widget._layers() == [layers[1]]


def test_classes_have_a_map_each_and_no_threshold(
    model: Callable[..., Path], widget: PredictWidget, run: Callable[..., list[Any]]
) -> None:
    widget.session.model = model(*CLASSES, values=(0, 100, 200), levels=(0.9, 0.1, 0.5))
    assert not widget.threshold.usable
    assert not widget.threshold.reason.isHidden()
    widget.viewer.add_image(pixels("YX"), name="a")
    widget.probability.setChecked(True)
    (labels,) = run()
    assert (labels.data == 100).all()
    assert widget.viewer.layers["a probability"].data.shape == (3, 5, 6)


def test_the_threshold_changes_labels_at_once(
    model: Callable[..., Path], widget: PredictWidget, run: Callable[..., list[Any]], qtbot: Any
) -> None:
    path = widget.session.model = model(threshold=0.35)
    assert widget.threshold.reset.text().replace("&", "") == "Reset to 0.35"
    data = pixels("YX")
    layer = widget.viewer.add_image(data)
    (labels,) = run()
    for threshold in (0.8, 0.2):
        widget.threshold.slider.setValue(threshold)
        qtbot.waitUntil(lambda t=threshold: labels.metadata[KEY]["threshold"] == t, timeout=5000)
        expected = api.predict(path, Image(data, "YX"), threshold=threshold).labels.data
        np.testing.assert_array_equal(labels.data, expected)
    assert labels_of(widget) == [labels]
    assert set(widget.viewer.layers.selection) == {layer}
    # The chosen one holds for the next prediction, too.
    (again,) = run()
    assert again.metadata[KEY]["threshold"] == 0.2
    widget.threshold.reset.click()
    qtbot.waitUntil(lambda: labels.metadata[KEY]["threshold"] == 0.35, timeout=5000)
    np.testing.assert_array_equal(labels.data, api.predict(path, Image(data, "YX")).labels.data)
    wait(qtbot, widget)


def test_the_threshold_leaves_corrected_labels_alone(
    model: Callable[..., Path], widget: PredictWidget, run: Callable[..., list[Any]], qtbot: Any
) -> None:
    widget.session.model = model()
    widget.viewer.add_image(pixels("YX"))
    (labels,) = run()
    labels.fill((0, 0), 9)
    corrected = labels.data.copy()
    widget.threshold.slider.setValue(0.9)
    qtbot.waitUntil(lambda: len(labels_of(widget)) == 2, timeout=5000)
    wait(qtbot, widget)
    np.testing.assert_array_equal(labels.data, corrected)


def test_a_threshold_that_cannot_be_applied_is_tried_once(
    model: Callable[..., Path],
    widget: PredictWidget,
    run: Callable[..., list[Any]],
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    widget.session.model = model()
    widget.viewer.add_image(pixels("YX"))
    (labels,) = run()
    before = labels.data.copy()

    def fail(*args: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(Labeling, "apply", fail)
    widget.threshold.slider.setValue(0.9)
    qtbot.waitUntil(lambda: bool(notification_manager.records), timeout=5000)
    wait(qtbot, widget)
    assert len(notification_manager.records) == 1
    assert "too little memory" in widget.status.text()
    np.testing.assert_array_equal(labels.data, before)


def test_the_threshold_forgets_layers_that_are_gone(
    model: Callable[..., Path], widget: PredictWidget, run: Callable[..., list[Any]], qtbot: Any
) -> None:
    widget.session.model = model()
    layers = [widget.viewer.add_image(pixels("YX", seed=i)) for i in range(2)]
    widget.viewer.layers.selection = set(layers)
    labels = run()
    widget.viewer.layers.remove(layers[0])
    widget.threshold.slider.setValue(0.9)
    qtbot.waitUntil(lambda: labels[1].metadata[KEY]["threshold"] == 0.9, timeout=5000)
    wait(qtbot, widget)
    assert labels[0].metadata[KEY]["threshold"] == 0.5


def test_another_model_leaves_labels_of_the_last_one_alone(
    model: Callable[..., Path], widget: PredictWidget, qtbot: Any
) -> None:
    widget.session.model = model(name="one", threshold=0.3)
    widget.viewer.add_image(pixels("YX"))
    widget.segment()
    widget.session.model = model(name="two", threshold=0.8)
    wait(qtbot, widget)
    (labels,) = labels_of(widget)
    assert labels.metadata[KEY]["threshold"] == 0.3
    np.testing.assert_array_equal(labels.data, pixels("YX") >= 0.5 + np.log(0.3 / 0.7) / 10)


def test_the_wheel_changes_nothing(model: Callable[..., Path], widget: PredictWidget) -> None:
    widget.session.model = model()
    for part in (widget.what, widget.threshold.slider, *widget.threshold.slider.findChildren(QSlider)):
        wheel = QWheelEvent(
            QPointF(5, 5),
            QPointF(5, 5),
            QPoint(0, -120),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(part, wheel)
    assert widget.what.currentIndex() == 0
    assert widget.threshold.threshold is None


def test_only_the_slice_shown(
    model: Callable[..., Path], widget: PredictWidget, run: Callable[..., list[Any]], qtbot: Any
) -> None:
    widget.session.model = model()
    data = pixels("TZYX")
    layer = widget.viewer.add_image(data, axis_labels=("t", "z", "y", "x"), scale=(1, 3, 1, 1))
    widget.viewer.dims.set_point([0, 1], [1, 6])
    assert widget.shown_only.isEnabled()
    widget.shown_only.setChecked(True)
    (labels,) = run()
    expected = np.zeros(data.shape, bool)
    expected[1, 2] = data[1, 2] >= 0.5
    np.testing.assert_array_equal(labels.data, expected)
    np.testing.assert_array_equal(labels.scale, layer.scale)
    widget.threshold.slider.setValue(0.9)
    qtbot.waitUntil(lambda: labels.metadata[KEY]["threshold"] == 0.9, timeout=5000)
    wait(qtbot, widget)
    assert 0 < labels.data[1, 2].sum() < expected.sum()
    assert labels.data.sum() == labels.data[1, 2].sum()


def test_a_volume_network_has_no_slices_to_choose(model: Callable[..., Path], widget: PredictWidget) -> None:
    widget.session.model = model("network.dimensions=3")
    widget.viewer.add_image(pixels("ZYX"))
    assert not widget.shown_only.isEnabled()
    assert "slice by slice" not in widget.targets.text()


@pytest.mark.parametrize("choice", ["ZYX", "TYX", "CYX"])
def test_unknown_axes_are_asked_for(
    choice: str, model: Callable[..., Path], widget: PredictWidget, run: Callable[..., list[Any]]
) -> None:
    channels = ("a", "b") if choice == "CYX" else ("gray",)
    widget.session.model = model(channels=channels)
    data = np.random.default_rng(0).random((2, 5, 6)).astype(np.float32)
    widget.viewer.add_image(data)
    assert not widget.axes.isHidden()
    # As many as the model has channels.
    assert widget.axes.axes == ("CYX" if len(channels) == 2 else "ZYX")
    widget.axes.setCurrentIndex(widget.axes.findData(choice))
    widget.axes.activated.emit(widget.axes.currentIndex())
    assert widget.axes.axes == choice
    (labels,) = run()
    expected = data.mean(axis=0) if choice == "CYX" else data
    np.testing.assert_array_equal(labels.data, expected >= 0.5)


def test_named_axes_are_not_asked_for(model: Callable[..., Path], widget: PredictWidget) -> None:
    widget.session.model = model()
    widget.viewer.add_image(pixels("TYX"), axis_labels=("t", "y", "x"))
    assert widget.axes.isHidden()
    assert "time point by time point" in widget.targets.text()


@pytest.mark.parametrize(
    "misfit", [(2, "CYX", "has 2 channels"), (3, "YX", "expected a volume for a 3D network")]
)
def test_what_does_not_fit_the_model_is_one_sentence(
    misfit: tuple[int, str, str], model: Callable[..., Path], widget: PredictWidget, qtbot: Any
) -> None:
    dimensions, axes, sentence = misfit
    widget.session.model = model(f"network.dimensions={dimensions}")
    widget.viewer.add_image(pixels(axes), axis_labels=tuple(axes))
    widget.segment()
    wait(qtbot, widget)
    assert labels_of(widget) == []
    assert sentence in widget.status.text()
    assert [sentence in record.message for record in notification_manager.records] == [True]
    assert widget.button.isEnabled()


def test_out_of_memory_leaves_earlier_labels_as_they_are(
    model: Callable[..., Path],
    widget: PredictWidget,
    run: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    widget.session.model = model()
    widget.viewer.add_image(pixels("YX"), name="cells")
    (labels,) = run()
    before = labels.data.copy()

    def fail(self: Any, image: Any) -> Any:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(UNet, "forward", fail)
    assert run() == [labels]
    np.testing.assert_array_equal(labels.data, before)
    assert "there is not enough memory to segment" in widget.status.text()
    monkeypatch.undo()
    assert run() == [labels]


def test_cancel_keeps_what_is_finished(
    model: Callable[..., Path], widget: PredictWidget, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    widget.session.model = model()
    for i in range(2):
        widget.viewer.add_image(pixels("YX"), name=f"image {i}")
    widget.viewer.layers.selection = set(widget.viewer.layers)
    predict = api.predict
    calls: list[int] = []

    def slow(*args: Any, progress: Callable[[float], None], **options: Any) -> Any:
        calls.append(1)
        while len(calls) == 2:
            progress(0.5)
        return predict(*args, **options)

    monkeypatch.setattr(api, "predict", slow)
    widget.segment()
    qtbot.waitUntil(lambda: len(labels_of(widget)) == 1, timeout=20000)
    assert not widget.button.isEnabled()
    widget.segment()
    assert "still runs" in widget.status.text()
    widget.progress.cancel.click()
    wait(qtbot, widget)
    assert [layer.name for layer in labels_of(widget)] == ["image 0 prediction"]
    assert "Cancelled" in widget.status.text()
    assert widget.progress.isHidden()
    assert widget.button.isEnabled()
    assert not notification_manager.records


def test_a_layer_that_is_removed_meanwhile_gets_no_labels(
    model: Callable[..., Path], widget: PredictWidget, qtbot: Any
) -> None:
    widget.session.model = model()
    widget.viewer.add_image(pixels("YX"))
    widget.segment()
    widget.viewer.layers.clear()
    wait(qtbot, widget)
    assert not widget.viewer.layers


def test_closing_the_widget_ends_its_work(
    model: Callable[..., Path], widget: PredictWidget, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forever(*args: Any, progress: Callable[[float], None], **options: Any) -> Any:
        while True:
            progress(0.5)

    monkeypatch.setattr(api, "predict", forever)
    widget.session.model = model()
    widget.viewer.add_image(pixels("YX"))
    widget.segment()
    job = widget._job
    assert job is not None
    with qtbot.waitSignal(job.cancelled, timeout=20000):
        widget.close()
    # Nothing of the viewer reaches it any more.
    monkeypatch.setattr(widget, "_layers", lambda: 1 / 0)
    widget.viewer.add_image(pixels("YX"))
    widget.session.model = None


def test_a_model_is_needed(widget: PredictWidget) -> None:
    widget.viewer.add_image(pixels("YX"))
    assert not widget.button.isEnabled()
    widget.segment()
    assert "there is no model to segment with" in widget.status.text()


def test_an_image_is_needed(model: Callable[..., Path], widget: PredictWidget) -> None:
    widget.session.model = model()
    assert not widget.button.isEnabled()
    widget.segment()
    assert "no image is selected" in widget.status.text()


def test_the_card_says_what_the_model_is(model: Callable[..., Path], widget: PredictWidget) -> None:
    widget.session.model = model(values=(0, 255))
    about = widget.chooser.about.text()
    for words in ("label 255", "Dice 0.910 on 2 validation images at", "slice by slice (2D)", "0.1"):
        assert words in about


def test_models_are_remembered(
    model: Callable[..., Path], widget: PredictWidget, viewer_model: Any, qtbot: Any
) -> None:
    for name in ("one", "two"):
        widget.chooser.chosen.emit(model(name=name))
    names = [settings.recall("predict")["models"][i] for i in range(2)]
    assert [Path(name).stem for name in names] == ["two", "one"]
    later = PredictWidget(type(viewer_model)())
    qtbot.addWidget(later)
    assert later.session.model == Path(names[0])
    later.chooser.models.activated.emit(1)
    assert later.session.model == Path(names[1])


def test_a_model_that_is_gone_is_forgotten(
    model: Callable[..., Path], widget: PredictWidget, qtbot: Any
) -> None:
    path = model()
    widget.session.model = path
    path.unlink()
    widget.viewer.add_image(pixels("YX"))
    widget.segment()
    assert "no such file" in widget.chooser.about.text()
    assert "there is no model" in widget.status.text()
    assert widget.chooser.last() is None


def test_a_better_model_in_the_same_file_is_used(
    model: Callable[..., Path], widget: PredictWidget, run: Callable[..., list[Any]]
) -> None:
    path = widget.session.model = model(levels=(0.5,))
    widget.viewer.add_image(pixels("YX"))
    run()
    stat = path.stat()
    path.unlink()
    model(levels=(0.2,))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    (labels,) = run()
    np.testing.assert_array_equal(labels.data, pixels("YX") >= 0.2)


def test_models_that_come_along_are_offered_first(
    shipped: Path, model: Callable[..., Path], widget: PredictWidget, viewer_model: Any, qtbot: Any
) -> None:
    widget.chooser.chosen.emit(model())
    models = widget.chooser.models
    assert models.itemText(0) == "spots (comes along)"
    assert models.currentIndex() == 1
    assert "Bright disks on a dark ground" in models.itemData(0, Qt.ItemDataRole.ToolTipRole)
    models.activated.emit(0)
    assert widget.session.model == shipped / "spots.safetensors"
    assert models.count() == 2
    about = widget.chooser.about.text()
    for words in ("Bright spots", "on 4 held-out images", "Data: CC0", "It finds nothing dark."):
        assert words in about
    for words in ("It was never shown a cell.", "on 4 held-out images"):
        assert words in widget.chooser.about.toolTip()
    # By its name, for the program may be somewhere else the next time.
    assert settings.recall("predict")["models"][0] == "spots"
    later = PredictWidget(type(viewer_model)())
    qtbot.addWidget(later)
    assert later.session.model == shipped / "spots.safetensors"


def test_of_several_scores_the_first_is_shown(story: About, shipped: Path) -> None:
    card = api.read_card(shipped / "spots.safetensors")
    other = story.held_out[0].model_copy(update={"images": 7})
    several = story.model_copy(update={"held_out": (*story.held_out, other)})
    start = {"name": "run", "sha256": "", "seen": 0}
    text = describe_card(
        replace(card, provenance={**card.provenance, "about": several.to_dict(), "start": start})
    )
    assert "on 4 held-out images" in text
    assert "on 7 held-out images" not in text
    assert "began with" not in text


def test_a_model_that_comes_along_damaged_does_no_harm(shipped: Path, qtbot: Any, viewer_model: Any) -> None:
    (shipped / "spots.safetensors").write_bytes(b"half")
    widget = PredictWidget(viewer_model)
    qtbot.addWidget(widget)
    assert "damaged" in widget.chooser.models.itemData(0, Qt.ItemDataRole.ToolTipRole)
    widget.chooser.models.activated.emit(0)
    assert widget.chooser.card is None
    assert "damaged" in widget.chooser.about.text()


def test_the_diameter_is_estimated_or_given(
    shipped: Path, four_disks: Path, widget: PredictWidget, run: Callable[..., list[Any]]
) -> None:
    assert widget.diameter.isHidden()
    widget.session.model = shipped / "spots.safetensors"
    assert not widget.diameter.isHidden()
    image = api.read(four_disks)
    widget.viewer.add_image(image.data, name="disks")
    (labels,) = run()
    assert labels.data.max() == 4
    expected = api.predict("spots", image).diameter
    assert widget.diameter.found.text() == f"found {expected:.3g} px"
    assert labels.metadata[KEY]["diameter"] == expected

    widget.diameter.edit.setText("12,5 px")
    (labels,) = run()
    assert labels.metadata[KEY]["diameter"] == 12.5
    assert widget.diameter.found.text() == ""


@pytest.mark.parametrize("text", ["large", "0", "-3", "nan", "inf"])
def test_a_diameter_that_is_none_is_refused(text: str, shipped: Path, widget: PredictWidget) -> None:
    widget.session.model = shipped / "spots.safetensors"
    widget.viewer.add_image(pixels("YX"))
    widget.diameter.edit.setText(text)
    widget.segment()
    assert widget.job is None
    assert "expected pixels, above 0" in widget.status.text()


def test_a_diameter_is_not_asked_of_models_of_any_size(
    shipped: Path, model: Callable[..., Path], widget: PredictWidget, run: Callable[..., list[Any]]
) -> None:
    widget.session.model = shipped / "spots.safetensors"
    widget.diameter.edit.setText("12")
    widget.session.model = model()
    assert widget.diameter.isHidden()
    widget.viewer.add_image(pixels("YX"))
    (labels,) = run()
    assert "diameter" not in labels.metadata[KEY]


def test_the_diameters_of_a_folder(
    shipped: Path, four_disks: Path, widget: PredictWidget, qtbot: Any, tmp_path: Path
) -> None:
    widget.session.model = shipped / "spots.safetensors"
    (tmp_path / "images").mkdir()
    image = api.read(four_disks).data
    for name, data in (("a", image), ("b", image.repeat(2, axis=0).repeat(2, axis=1))):
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", data)
    widget.what.setCurrentIndex(1)
    widget.what.activated.emit(1)
    widget.folder.source.setText(str(tmp_path / "images"))
    widget.folder.out.setText(str(tmp_path / "out"))
    widget.segment()
    wait(qtbot, widget)
    assert widget.status.text() == f"2 results: {tmp_path / 'out'}"
    low, high = [e["diameter"] for e in json.loads((tmp_path / "out" / "predictions.json").read_text())]
    assert widget.diameter.found.text() == f"found {low:.3g} to {high:.3g} px"
    assert high > 1.8 * low


def test_a_model_can_be_dropped(model: Callable[..., Path], widget: PredictWidget) -> None:
    data = QMimeData()
    path = model()
    data.setUrls([QUrl.fromLocalFile(str(path.parent / "notes.txt")), QUrl.fromLocalFile(str(path))])
    none = Qt.KeyboardModifier.NoModifier
    event = QDropEvent(QPointF(1, 1), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, none)
    widget.chooser.dropEvent(event)
    assert widget.session.model == path


def test_a_folder_is_segmented_as_the_command_line_does(
    model: Callable[..., Path], widget: PredictWidget, qtbot: Any, tmp_path: Path
) -> None:
    widget.session.model = model("preprocess.normalize.method=minmax")
    source, out = tmp_path / "images", tmp_path / "out"
    source.mkdir()
    for i in range(3):
        write_mask(source / f"{i}.png", (pixels("YX", seed=i) * 255).astype(np.uint8))
    widget.what.setCurrentIndex(1)
    widget.what.activated.emit(1)
    assert not widget.folder.isHidden()
    widget.folder.source.setText(str(source))
    widget.folder.source.editingFinished.emit()
    assert widget.folder.out.text() == f"{source}_predicted"
    widget.folder.out.setText(str(out))
    widget.segment()
    wait(qtbot, widget)
    assert widget.status.text() == f"3 results: {out}"
    assert len(json.loads((out / "predictions.json").read_text())) == 3
    expected = api.predict(widget.session.model, source / "1.png").labels.data
    np.testing.assert_array_equal(api.read_mask(out / "1.png").data, expected)
    widget.segment()
    wait(qtbot, widget)
    assert "exist" in widget.status.text() or "holds" in widget.status.text()
    widget.folder.overwrite.setChecked(True)
    widget.segment()
    wait(qtbot, widget)
    assert widget.status.text() == f"3 results: {out}"


def test_a_folder_must_be_chosen(model: Callable[..., Path], widget: PredictWidget) -> None:
    widget.session.model = model()
    widget.what.setCurrentIndex(1)
    widget.segment()
    assert "no folder of images is chosen" in widget.status.text()


def test_opening_the_widget_loads_neither_torch_nor_matplotlib() -> None:
    code = "import sys, unetscope._napari.predict.widget; print({'torch', 'matplotlib'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_the_main_path_in_a_real_viewer(model: Callable[..., Path], viewer: Any, qtbot: Any) -> None:
    path = model()
    viewer.add_image(pixels("YX"), name="cells")
    _, widget = viewer.window.add_plugin_dock_widget("unetscope", "4 Predict")
    Session.of(viewer).model = path
    qtbot.mouseClick(widget.button, Qt.MouseButton.LeftButton)
    wait(qtbot, widget)
    np.testing.assert_array_equal(viewer.layers["cells prediction"].data, pixels("YX") >= 0.5)
    # And by its command, which updates what is there.
    viewer.layers["cells"].data = pixels("YX", seed=1)
    segment(viewer)
    wait(qtbot, widget)
    np.testing.assert_array_equal(viewer.layers["cells prediction"].data, pixels("YX", seed=1) >= 0.5)
    assert len(viewer.layers) == 2
    assert widget.minimumSizeHint().width() <= 400
