from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QLabel, QTabWidget

from unetscope import api
from unetscope._napari.layers.layer import add_layer, image_of
from unetscope._napari.normalize import widget as normalize
from unetscope._napari.normalize.widget import NormalizeWidget
from unetscope.io import Image
from unetscope.recipe.recipe import Preprocess

RAMP = np.arange(40 * 60, dtype=np.uint16).reshape(40, 60)


@pytest.fixture
def open_widget(qtbot: Any, viewer_model: Any) -> Callable[[], NormalizeWidget]:
    def build() -> NormalizeWidget:
        widget = NormalizeWidget(viewer_model)
        qtbot.addWidget(widget)
        widget.show()
        return widget

    return build


def preview_of(viewer: Any) -> Any:
    found = [layer for layer in viewer.layers if layer.name.endswith("(preview)")]
    return found[0] if found else None


def wait_for_preview(qtbot: Any, viewer: Any, shape: tuple[int, ...]) -> Any:
    qtbot.waitUntil(
        lambda: preview_of(viewer) is not None and preview_of(viewer).data.shape == shape, timeout=5000
    )
    return preview_of(viewer)


def test_importing_the_widget_loads_no_heavy_library() -> None:
    code = (
        "import sys, unetscope._napari.normalize.widget; "
        "print([name for name in ('torch', 'matplotlib.pyplot') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- preview ---


def test_the_preview_is_a_layer_of_its_own(qtbot: Any, viewer_model: Any, open_widget: Any) -> None:
    layer = viewer_model.add_image(RAMP, name="ramp", scale=(2, 0.5), translate=(10, -3))
    before = layer.data.copy(), layer.metadata.copy(), tuple(layer.contrast_limits)
    widget = open_widget()
    preview = wait_for_preview(qtbot, viewer_model, (40, 60))
    expected = api.prepare(image_of(layer), Preprocess())
    np.testing.assert_array_equal(preview.data, expected.data)
    assert viewer_model.layers.selection.active is layer
    assert widget.chooser.layer is layer
    assert [widget.chooser.itemText(i) for i in range(widget.chooser.count())] == ["ramp"]
    np.testing.assert_array_equal(layer.data, before[0])
    assert (layer.metadata, tuple(layer.contrast_limits)) == before[1:]
    assert widget.limits.text() == "5th percentile 120 → 0, 95th percentile 2279 → 1."


def test_a_cropped_preview_lies_on_its_layer(qtbot: Any, viewer_model: Any, open_widget: Any) -> None:
    layer = viewer_model.add_image(RAMP, scale=(2, 0.5), translate=(10, -3), rotate=30)
    widget = open_widget()
    whole = wait_for_preview(qtbot, viewer_model, (40, 60))
    widget.session.change({"preprocess.crop": (10, 20)})
    preview = wait_for_preview(qtbot, viewer_model, (10, 20))
    assert preview is whole
    np.testing.assert_allclose(preview.data_to_world((0, 0)), layer.data_to_world((15, 20)))
    np.testing.assert_allclose(preview.data_to_world((9, 19)), layer.data_to_world((24, 39)))


@pytest.mark.parametrize(
    ("image", "settings", "expected"),
    [
        (((3, 40, 60), {}), {"preprocess.crop": (8, 8)}, (3, 8, 8)),
        (((3, 20, 20), {}), {"network.dimensions": 3, "preprocess.resize": (6, 8, 8)}, (6, 8, 8)),
        (((2, 40, 60), {"axis_labels": ("C", "Y", "X")}), {"preprocess.crop": (8, 8)}, (2, 8, 8)),
        (((40, 60, 3), {"rgb": True}), {"preprocess.crop": (8, 8)}, (8, 8, 3)),
        (((40, 60, 3), {"rgb": True}), {"preprocess.color": "gray"}, (40, 60)),
        (((2, 3, 20, 20), {}), {"preprocess.crop": (8, 8)}, (2, 3, 8, 8)),
    ],
)
def test_any_image_has_a_preview(
    qtbot: Any, open_widget: Any, image: Any, settings: dict[str, Any], expected: tuple[int, ...]
) -> None:
    widget = open_widget()
    widget.session.change(settings)
    shape, options = image
    widget.viewer.add_image(np.random.default_rng(0).integers(0, 255, shape, np.uint8), name="a", **options)
    wait_for_preview(qtbot, widget.viewer, expected)
    assert widget.status.text() == ""


def test_many_changes_are_one_preview(
    qtbot: Any, viewer_model: Any, open_widget: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Preprocess] = []

    def count(image: Image, settings: Preprocess, **options: Any) -> api.Preview:
        asked.append(settings)
        return original(image, settings, **options)

    original = api.preview
    monkeypatch.setattr(api, "preview", count)
    viewer_model.add_image(RAMP)
    widget = open_widget()
    for low in range(10):
        widget.session.change({"preprocess.normalize.low": float(low)})
    widget.session.change({"training.minutes": 4.0})
    wait_for_preview(qtbot, viewer_model, (40, 60))
    assert [settings.normalize.low for settings in asked] == [9]


def test_the_preview_comes_and_goes_with_its_box(qtbot: Any, viewer_model: Any, open_widget: Any) -> None:
    viewer_model.add_image(RAMP, name="ramp")
    widget = open_widget()
    wait_for_preview(qtbot, viewer_model, (40, 60))
    widget.preview_box.click()
    assert [layer.name for layer in viewer_model.layers] == ["ramp"]
    assert not open_widget().preview_box.isChecked()
    widget.preview_box.click()
    wait_for_preview(qtbot, viewer_model, (40, 60))


def test_who_removes_the_preview_does_not_want_it(qtbot: Any, viewer_model: Any, open_widget: Any) -> None:
    viewer_model.add_image(RAMP)
    widget = open_widget()
    viewer_model.layers.remove(wait_for_preview(qtbot, viewer_model, (40, 60)))
    assert not widget.preview_box.isChecked()
    widget.session.change({"preprocess.normalize.method": "minmax"})
    qtbot.waitUntil(lambda: widget.limits.text().startswith("minimum"), timeout=5000)
    assert widget.plot.isVisible()
    assert len(viewer_model.layers) == 1


def test_a_closed_widget_leaves_nothing(qtbot: Any, viewer_model: Any, open_widget: Any) -> None:
    viewer_model.add_image(RAMP, name="ramp")
    widget = open_widget()
    wait_for_preview(qtbot, viewer_model, (40, 60))
    widget.close()
    widget.closed.emit()
    assert [layer.name for layer in viewer_model.layers] == ["ramp"]
    widget.session.change({"preprocess.crop": (8, 8)})
    viewer_model.add_image(RAMP)
    viewer_model.layers.clear()
    assert widget.chooser.count() == 1


def test_of_a_large_image_the_shown_slice_is_previewed(
    qtbot: Any, viewer_model: Any, open_widget: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(normalize, "_LARGEST_PREVIEW", 1000)
    stack = np.random.default_rng(0).integers(0, 255, (5, 40, 60), np.uint8)
    layer = viewer_model.add_image(stack, scale=(3, 1, 1), translate=(100, 0, 0), axis_labels=("Z", "Y", "X"))
    widget = open_widget()
    for index in (1, 4):
        viewer_model.dims.set_point(0, 100 + 3 * index)
        expected = api.prepare(image_of(layer).take("Z", index)).data
        qtbot.waitUntil(lambda e=expected: showing(viewer_model, e), timeout=5000)
    assert "the part that is shown" in widget.status.text()


def showing(viewer: Any, data: Any) -> bool:
    layer = preview_of(viewer)
    return layer is not None and np.array_equal(np.squeeze(layer.data), data)


# --- what is said ---


def test_without_an_image_it_asks_for_one(qtbot: Any, open_widget: Any) -> None:
    widget = open_widget()
    qtbot.waitUntil(lambda: "Open an image" in widget.status.text(), timeout=5000)
    assert not widget.write_button.isEnabled()


@pytest.mark.parametrize(
    ("data", "settings", "words"),
    [
        (RAMP, {"scope": "dataset"}, "so there is no preview"),
        (np.full((8, 8), np.nan, np.float32), {}, "64 of 64 pixels are NaN"),
        (np.zeros((2, 2, 2, 2, 8, 8)), {}, "has 6 axes"),
    ],
)
def test_why_there_is_no_preview_is_said(
    qtbot: Any, open_widget: Any, data: Any, settings: dict[str, Any], words: str
) -> None:
    widget = open_widget()
    widget.viewer.add_image(data, name="strange")
    widget.session.change({f"preprocess.normalize.{key}": value for key, value in settings.items()})
    qtbot.waitUntil(lambda: words in widget.status.text(), timeout=5000)
    assert preview_of(widget.viewer) is None
    assert not widget.limits.isVisible()
    assert not widget.plot.isVisible()


def test_a_window_begins_with_the_contrast_of_the_layer(
    qtbot: Any, viewer_model: Any, open_widget: Any
) -> None:
    viewer_model.add_image(RAMP, contrast_limits=(100, 500))
    widget = open_widget()
    widget.session.change({"preprocess.normalize.method": "window"})
    box, *_ = widget.form.editor("preprocess.normalize.width").editor.parts
    box.click()
    chosen = widget.session.recipe.preprocess.normalize
    assert (chosen.center, chosen.width) == (300, 400)
    qtbot.waitUntil(lambda: widget.limits.text() == "window from 100 → 0, to 499 → 1.", timeout=5000)
    box.click()
    chosen = widget.session.recipe.preprocess.normalize
    assert (chosen.center, chosen.width) == (None, None)


# --- buttons ---


def test_a_written_layer_is_there_to_stay(qtbot: Any, viewer_model: Any, open_widget: Any) -> None:
    layer = viewer_model.add_image(RAMP, name="ramp", scale=(2, 0.5), translate=(10, -3))
    widget = open_widget()
    widget.session.change({"preprocess.crop": (10, 20)})
    widget.write_button.click()
    qtbot.waitUntil(lambda: "ramp normalized" in viewer_model.layers, timeout=5000)
    written = viewer_model.layers["ramp normalized"]
    np.testing.assert_array_equal(
        written.data, api.prepare(image_of(layer), widget.session.recipe.preprocess).data
    )
    np.testing.assert_allclose(written.data_to_world((0, 0)), layer.data_to_world((15, 20)))
    assert "ramp normalized" in widget.status.text()
    wait_for_preview(qtbot, viewer_model, (10, 20))
    widget.close()
    assert [layer.name for layer in viewer_model.layers] == ["ramp", "ramp normalized"]


def test_reset_goes_back_to_the_basis_and_keeps_what_others_chose(
    viewer_model: Any, open_widget: Any
) -> None:
    widget = open_widget()
    session = widget.session
    session.begin_with("left-ventricle", {"preprocess.crop": (64, 64), "training.epochs": 3})
    widget.binding.enter("preprocess.normalize.low", 99.0)
    widget.reset_button.click()
    assert session.recipe.preprocess.crop == (128, 128)
    assert session.recipe.training.epochs == 3
    low = widget.form.editor("preprocess.normalize.low")
    assert (low.value(), low.problem.text()) == (5.0, "")


# --- the chooser ---


def test_the_chooser_follows_the_viewer(viewer_model: Any, open_widget: Any) -> None:
    widget = open_widget()
    first, second = viewer_model.add_image(RAMP, name="a"), viewer_model.add_image(RAMP, name="b")
    labels = viewer_model.add_labels(np.zeros((40, 60), int))
    assert widget.chooser.layer is second
    viewer_model.layers.selection.active = first
    assert widget.chooser.currentText() == "a"
    viewer_model.layers.selection.active = labels
    assert widget.chooser.layer is first
    first.name = "renamed"
    assert widget.chooser.currentText() == "renamed"
    viewer_model.layers.remove(first)
    assert widget.chooser.layer is second
    viewer_model.layers.remove(second)
    assert (widget.chooser.layer, widget.chooser.currentText()) == (None, "")


# --- the main path ---


def test_in_a_real_viewer(qtbot: Any, viewer: Any, real_data: Path) -> None:
    image = api.read(next((real_data / "left-ventricle" / "training").glob("*.dcm")))
    add_layer(viewer, image, name="heart")
    dock, widget = viewer.window.add_plugin_dock_widget("unetscope", "2 Normalize")
    widget.binding.enter("preprocess.crop", (128, 128))
    preview = wait_for_preview(qtbot, viewer, (128, 128))
    np.testing.assert_array_equal(preview.data, api.prepare(image, widget.session.recipe.preprocess).data)
    start = np.subtract(image.grid, 128) / 2 * image.spacing + image.origin
    np.testing.assert_allclose(preview.data_to_world((0, 0)), start)
    picture = widget.grab().toImage()
    colors = {
        picture.pixel(x, y) for x in range(0, picture.width(), 7) for y in range(0, picture.height(), 7)
    }
    assert len(colors) > 5
    assert picture.width() <= 400
    dock.destroyOnClose()
    assert [layer.name for layer in viewer.layers] == ["heart"]


def test_there_is_no_preview_behind_another_tab(qtbot: Any, viewer_model: Any) -> None:
    viewer_model.add_image(RAMP)
    viewer_model.add_labels(np.ones_like(RAMP))
    tabs = QTabWidget()
    qtbot.addWidget(tabs)
    tabs.addTab(QLabel("another"), "1")
    tabs.addTab(NormalizeWidget(viewer_model), "2")
    tabs.show()
    tabs.setCurrentIndex(1)
    wait_for_preview(qtbot, viewer_model, RAMP.shape)
    tabs.setCurrentIndex(0)
    assert preview_of(viewer_model) is None
    tabs.setCurrentIndex(1)
    wait_for_preview(qtbot, viewer_model, RAMP.shape)
