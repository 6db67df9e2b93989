"""What holds for every widget: results lie on their layers, and nobody is harmed when things end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unetscope import api
from unetscope._napari.dataset.dataset import Dataset
from unetscope._napari.dataset.widget import DatasetWidget
from unetscope._napari.jobs import worker
from unetscope._napari.metrics.layers import CaseLayers
from unetscope._napari.metrics.scores import LayerPair, LayerScores
from unetscope._napari.metrics.widget import MetricsWidget
from unetscope._napari.normalize.widget import NormalizeWidget
from unetscope._napari.predict.widget import PredictWidget
from unetscope._napari.session import Session
from unetscope._napari.train.preview import PreviewLayers
from unetscope._napari.train.widget import TrainWidget
from unetscope.io import Image, find_pairs, write_image
from unetscope.model import Model
from unetscope.network import UNet
from unetscope.recipe import Recipe, change
from unetscope.recipe.recipe import Target
from unetscope.samples import sample_folder
from unetscope.training.folder import Preview

MEMORY = "out of memory: DefaultCPUAllocator can't allocate 99 bytes"
LENGTHS = {"T": 2, "C": 3, "Z": 4, "Y": 24, "X": 20}
STEPS = {"T": 1.0, "C": 1.0, "Z": 4.0, "Y": 0.5, "X": 0.25}
PLACES = {"T": 0.0, "C": 0.0, "Z": -7.0, "Y": 3.0, "X": 11.0}
# Anisotropic and shifted in all cases: axes of the layer, whether it is in color, and how it is viewed.
KINDS = {
    "plane": ("YX", False, 2),
    "color": ("YX", True, 2),
    "channels": ("CYX", False, 2),
    "volume": ("ZYX", False, 2),
    "volume seen in 3D": ("ZYX", False, 3),
    "series": ("TYX", False, 2),
    "series of volumes": ("TZYX", False, 2),
    "series of volumes seen in 3D": ("TZYX", False, 3),
    "series of volumes with channels": ("TCZYX", False, 2),
}


@pytest.fixture
def make(qtbot: Any) -> Callable[..., Any]:
    """Makes widgets that are closed in the end."""

    def build(kind: type, viewer: Any) -> Any:
        widget = kind(viewer)
        qtbot.addWidget(widget)
        widget.show()
        return widget

    return build


@pytest.fixture
def write_model(tmp_path: Path) -> Callable[..., Path]:
    """Writes models that nobody has trained."""

    def write(channels: int = 1) -> Path:
        recipe = change(Recipe(), ["network.depth=1", "network.width=1", "network.convs=1"])
        names = ("gray",) if channels == 1 else ("red", "green", "blue")[:channels]
        model = Model(UNet(recipe.network, channels, 1).eval(), recipe, (0, 1), names)
        return model.save(tmp_path / f"{channels}.safetensors")

    return write


def add(viewer: Any, kind: str, *, labels: bool = False) -> Any:
    """Add an anisotropic, shifted layer of a kind, and view it as that kind is viewed."""
    axes, rgb, seen = KINDS[kind]
    axes = axes.replace("C", "") if labels else axes
    shape = [LENGTHS[axis] for axis in axes]
    place = {
        "scale": [STEPS[axis] for axis in axes],
        "translate": [PLACES[axis] for axis in axes],
        "axis_labels": tuple(axes),
        "units": ["mm" if axis in "ZYX" else "pixel" for axis in axes],
    }
    if labels:
        data = np.zeros(shape, np.uint8)
        data[..., 4:12, 5:15] = 1
        return viewer.add_labels(data, name=f"{kind} truth", **place)
    data = np.random.default_rng(0).random([*shape, 3] if rgb else shape).astype(np.float32)
    layer = viewer.add_image(data, rgb=rgb, name=kind, **place)
    viewer.dims.ndisplay = seen
    return layer


def assert_lies_on(result: Any, layer: Any) -> None:
    """Assert that a result has the place of a layer, along the axes that both have."""
    mine = dict(zip(result.axis_labels, range(result.ndim), strict=True))
    for at, axis in enumerate(layer.axis_labels):
        if axis != "C":
            assert result.scale[mine[axis]] == layer.scale[at], axis
            assert result.translate[mine[axis]] == layer.translate[at], axis
            assert result.units[mine[axis]] == layer.units[at], axis


def named(viewer: Any, end: str) -> Any:
    return next((layer for layer in viewer.layers if layer.name.endswith(end)), None)


def idle(qtbot: Any, milliseconds: int = 20_000) -> None:
    """Wait until no job works."""
    qtbot.waitUntil(lambda: not worker._RUNNING, timeout=milliseconds)


# --- every widget, every kind of layer ---


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_lie_on_their_layers(
    kind: str, viewer_model: Any, make: Any, write_model: Any, qtbot: Any
) -> None:
    layer = add(viewer_model, kind)
    widget = make(PredictWidget, viewer_model)
    widget.session.model = write_model(3 if layer.rgb or "C" in layer.axis_labels else 1)
    widget.probability.setChecked(True)
    widget.segment()
    idle(qtbot)
    for end in (" prediction", " probability"):
        assert_lies_on(named(viewer_model, end), layer)
    assert viewer_model.dims.ndisplay == KINDS[kind][2]


def test_a_prediction_is_told_apart_from_a_mask_and_from_a_hidden_image(
    viewer_model: Any, make: Any, write_model: Any, qtbot: Any
) -> None:
    layer = add(viewer_model, "plane")
    layer.visible = False
    mask = add(viewer_model, "plane", labels=True)
    viewer_model.layers.selection = {layer}
    widget = make(PredictWidget, viewer_model)
    widget.session.model = write_model()
    widget.segment()
    idle(qtbot)
    labels = named(viewer_model, " prediction")
    for value in (1, 255):
        assert not np.allclose(labels.get_color(value), mask.get_color(value), atol=0.2)
    np.testing.assert_array_equal(labels.get_color(1), labels.get_color(255))
    assert "plane itself is hidden" in widget.status.text()
    assert not layer.visible


@pytest.mark.parametrize("kind", KINDS)
def test_normalized_layers_lie_on_their_layers(kind: str, viewer_model: Any, make: Any, qtbot: Any) -> None:
    layer = add(viewer_model, kind)
    widget = make(NormalizeWidget, viewer_model)
    qtbot.waitUntil(lambda: named(viewer_model, "(preview)") is not None, timeout=5000)
    widget.write_button.click()
    qtbot.waitUntil(lambda: named(viewer_model, " normalized") is not None, timeout=5000)
    for end in ("(preview)", " normalized"):
        assert_lies_on(named(viewer_model, end), layer)
    idle(qtbot)


@pytest.mark.parametrize("kind", KINDS)
def test_outcomes_lie_on_the_layers_that_were_measured(kind: str, viewer_model: Any) -> None:
    add(viewer_model, kind)
    truth = add(viewer_model, kind, labels=True)
    predicted = viewer_model.add_labels(truth.data, name="guess", **place_of(truth))
    pair = LayerPair.of(predicted, truth, viewer_model.layers)
    scores = LayerScores([pair], Target(kind="multiclass"))
    CaseLayers(viewer_model).show(scores.case(0, lambda _: None))
    assert_lies_on(named(viewer_model, " outcome"), truth)
    assert scores.report.mean["dice"] == 1
    assert viewer_model.dims.ndisplay == KINDS[kind][2]


@pytest.mark.parametrize("seen", [2, 3])
@pytest.mark.parametrize("axes", ["YX", "ZYX"])
def test_the_preview_of_a_training_lies_on_its_image(
    axes: str, seen: int, viewer_model: Any, tmp_path: Path, qtbot: Any
) -> None:
    add(viewer_model, "series of volumes")
    viewer_model.dims.ndisplay = seen
    grid = [LENGTHS[axis] for axis in axes]
    image = Image(
        np.random.default_rng(0).random(grid, np.float32), axes, (4.0, 0.5, 0.25)[-len(axes) :], units="mm"
    )
    path = write_image(tmp_path / "image.ome.tif", image)
    read = api.read(path)
    labels = read.with_data(np.ones(grid, np.uint8))
    previews = PreviewLayers(viewer_model)
    previews.begin("binary")
    for epoch in (1, 2):
        previews.show(Preview("image", epoch, labels))
        idle(qtbot)
    below, above = named(viewer_model, "watched: image"), named(viewer_model, "(epoch 2)")
    np.testing.assert_allclose(above.extent.world, below.extent.world)
    np.testing.assert_allclose(above.scale, (4.0, 0.5, 0.25)[-len(axes) :], rtol=1e-5)
    assert viewer_model.dims.ndisplay == seen
    previews.remove()
    assert [layer.name for layer in viewer_model.layers] == ["series of volumes"]


def place_of(layer: Any) -> dict[str, Any]:
    return {name: getattr(layer, name) for name in ("scale", "translate", "axis_labels", "units")}


# --- out of memory, in every widget ---


def fail(*_: Any, **__: Any) -> Any:
    """Stand for any work."""
    raise RuntimeError(MEMORY)


def check(viewer: Any, make: Any, _: Path) -> Any:
    widget = make(DatasetWidget, viewer)
    widget.session.dataset = heart()
    widget.check()
    return widget


def preview(viewer: Any, make: Any, _: Path) -> Any:
    viewer.layers.selection.active = viewer.layers[0]
    return make(NormalizeWidget, viewer)


def plan(viewer: Any, make: Any, folder: Path) -> Any:
    widget = make(TrainWidget, viewer)
    widget.session.dataset = heart()
    widget.run_folder.path.setText(str(folder / "run"))
    widget.start()
    return widget


def predict(viewer: Any, make: Any, _: Path) -> Any:
    widget = make(PredictWidget, viewer)
    viewer.layers.selection = {viewer.layers[0]}
    widget.segment()
    return widget


def measure(viewer: Any, make: Any, _: Path) -> Any:
    widget = make(MetricsWidget, viewer)
    widget.source.setCurrentText("Layers in the viewer")
    widget.layers_page.measure_button.click()
    return widget


def heart() -> Dataset:
    return Dataset.of_pairing(find_pairs(sample_folder("heart") / "training"))


@pytest.mark.parametrize(
    ("work", "fails"),
    [
        (check, "unetscope._napari.dataset.dataset.Dataset.check"),
        (preview, "unetscope.api.preview"),
        (plan, "unetscope.api.plan_examples"),
        (predict, "unetscope.api.predict"),
        (measure, "unetscope.api.evaluate"),
    ],
)
def test_out_of_memory_is_said_and_nothing_is_lost(
    work: Callable[..., Any],
    fails: str,
    viewer_model: Any,
    *,
    make: Any,
    write_model: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: Any,
) -> None:
    add(viewer_model, "volume")
    add(viewer_model, "volume", labels=True)
    add(viewer_model, "volume", labels=True).name = "guess"
    before = [(layer, np.array(layer.data)) for layer in viewer_model.layers]
    Session.of(viewer_model).model = model = write_model()
    monkeypatch.setattr(fails, fail)
    widget = work(viewer_model, make, tmp_path)
    qtbot.waitUntil(lambda: "memory" in widget.status.text(), timeout=10_000)
    idle(qtbot)
    assert list(viewer_model.layers) == [layer for layer, _ in before]
    for layer, data in before:
        np.testing.assert_array_equal(layer.data, data)
    assert widget.session.model == model
    assert model.exists()
    assert not (tmp_path / "run").exists()


# --- what a person does meanwhile ---


def test_a_layer_may_be_renamed_and_another_removed_meanwhile(
    viewer_model: Any, make: Any, write_model: Any, qtbot: Any
) -> None:
    kept, gone = add(viewer_model, "volume"), add(viewer_model, "series")
    widget = make(PredictWidget, viewer_model)
    widget.session.model = write_model()
    viewer_model.layers.selection = {kept, gone}
    widget.segment()
    kept.name = "heart of yesterday"
    viewer_model.layers.remove(gone)
    idle(qtbot)
    assert [layer.name for layer in viewer_model.layers] == [
        "heart of yesterday",
        "heart of yesterday prediction",
    ]
    # And again: the labels are still known as those of the renamed image.
    kept.name = "heart"
    widget.segment()
    idle(qtbot)
    assert len(viewer_model.layers) == 2


def test_the_previewed_layer_may_be_removed_meanwhile(
    viewer_model: Any, make: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, removed, preview = threading.Event(), threading.Event(), api.preview

    def held(*arguments: Any, **options: Any) -> api.Preview:
        begun.set()
        assert removed.wait(60)
        return preview(*arguments, **options)

    monkeypatch.setattr(api, "preview", held)
    layer = add(viewer_model, "volume")
    widget = make(NormalizeWidget, viewer_model)
    qtbot.waitUntil(begun.is_set, timeout=30_000)
    viewer_model.layers.remove(layer)
    removed.set()
    idle(qtbot)
    qtbot.waitUntil(lambda: "Open an image" in widget.status.text(), timeout=5000)
    assert len(viewer_model.layers) == 0


def test_two_viewers_do_not_know_each_other(make: Any, write_model: Any, qtbot: Any) -> None:
    from napari.components import ViewerModel

    one, other = ViewerModel(), ViewerModel()
    for viewer in (one, other):
        add(viewer, "volume")
    first, second = make(PredictWidget, one), make(PredictWidget, other)
    first.session.model = model = write_model()
    Session.of(one).change({"training.minutes": 3.0})
    assert Session.of(other).recipe.training.minutes != 3.0
    assert second.session.model is None
    second.session.model = model
    first.segment()
    second.segment()
    idle(qtbot)
    assert [len(viewer.layers) for viewer in (one, other)] == [2, 2]
    first.close()
    second.segment()
    idle(qtbot)
    assert named(other, " prediction") is not None


def test_a_viewer_may_be_closed_while_it_segments(
    viewer: Any, plugin: Any, write_model: Any, qtbot: Any
) -> None:
    add(viewer, "series of volumes")
    _, widget = viewer.window.add_plugin_dock_widget("unetscope", "4 Predict")
    widget.session.model = write_model()
    widget.segment()
    assert widget.job is not None
    viewer.close()
    idle(qtbot)
