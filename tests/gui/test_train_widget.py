"""The Train widget with a process that only pretends; see test_same_arrays.py for one that trains."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QObject, Qt, Signal

from unetscope._napari import settings
from unetscope._napari.dataset.dataset import STROKES, Dataset
from unetscope._napari.session import Session
from unetscope._napari.train import runs
from unetscope._napari.train import widget as train
from unetscope._napari.train.widget import TrainWidget
from unetscope.errors import TrainingError
from unetscope.io import Image, find_pairs
from unetscope.io.image import Source
from unetscope.model_card import Start
from unetscope.recipe import Recipe, change, from_yaml, to_yaml
from unetscope.recipe.presets import preset
from unetscope.samples import sample_folder
from unetscope.training.folder import Preview
from unetscope.training.run import Run


class FakeProcess(QObject):
    """Remembers what it is asked for; a test emits what a real one would tell."""

    status_changed = Signal(dict)
    recorded = Signal(list)
    previewed = Signal(object)
    failed = Signal(str)
    ended = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.calls: list[str] = []
        self.running = False
        self.run: Path | None = None
        self.refuses = False

    def start(
        self,
        table: Path,
        run: Path,
        recipe: Recipe,
        *,
        start: Path | None = None,
        previews: bool = True,
    ) -> None:
        if self.refuses:
            raise TrainingError("no process can be started")
        self.calls.append("start")
        self.table, self.run, self.recipe, self.previews = table, run, recipe, previews
        self.start_model = start
        self.running = True

    def resume(self, run: Path, *, previews: bool = True) -> None:
        self.calls.append("resume")
        self.run, self.running = run, True

    def watch(self, run: Path) -> None:
        self.calls.append("watch")
        self.run = run

    def end(self, outcome: str) -> None:
        """End as a real process does."""
        self.running = False
        self.status_changed.emit({"state": outcome, "device": "cpu", "epoch": 1})
        self.ended.emit(outcome)

    def __getattr__(self, name: str) -> Any:
        if name not in ("pause", "go_on", "stop", "close"):
            raise AttributeError(name)
        return lambda: self.calls.append(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of four slices of two patients."""
    place = tmp_path / "slices"
    place.mkdir()
    for name in ("SAMPLE-A_0003", "SAMPLE-A_0004", "SAMPLE-C_0003", "SAMPLE-C_0004"):
        for suffix in (".dcm", ".png"):
            shutil.copy(sample_folder("heart") / "training" / (name + suffix), place)
    return place


@pytest.fixture
def make(viewer_model: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TrainWidget]:
    """Makes widgets of one viewer."""
    monkeypatch.setattr(train, "TrainingProcess", FakeProcess)

    def build(viewer: Any = viewer_model) -> TrainWidget:
        widget = TrainWidget(viewer)
        qtbot.addWidget(widget)
        return widget

    return build


@pytest.fixture
def widget(make: Callable[..., TrainWidget], folder: Path) -> TrainWidget:
    """A widget with a dataset."""
    built = make()
    built.session.dataset = Dataset.of_pairing(find_pairs(folder))
    return built


@pytest.fixture
def begun(widget: TrainWidget, qtbot: Any) -> TrainWidget:
    """A widget that trains."""
    widget.recipe.begin_with("left-ventricle")
    widget.start()
    qtbot.waitUntil(lambda: widget.process.running, timeout=10_000)
    qtbot.waitUntil(lambda: widget._job is None, timeout=10_000)
    widget.process.status_changed.emit({"state": "training", "device": "cpu", "epoch": 0})
    return widget


def record(epoch: int, dice: float | None = 0.5, *, best: bool = True) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "train_loss": 1.0,
        "train_dice": 0.4,
        "val_loss": dice,
        "val_dice": dice,
        "seconds": 6.0 * epoch,
        "best": best,
    }


def finish(run: Path, *, dice: float = 0.9, n: int = 2) -> None:
    """Write what a training leaves behind."""
    (run / "model.safetensors").touch()
    scores = {"mean": {"dice": dice}, "std": {"dice": 0.05}, "n": n}
    (run / "metrics.json").write_text(json.dumps(scores))


def test_alone_it_finds_pairs_itself(make: Callable[..., TrainWidget], folder: Path, qtbot: Any) -> None:
    widget = make()
    assert "Nothing to train on" in widget.data.text.text()
    assert not widget.start_button.isEnabled()
    widget.start()
    assert "nothing to train on" in widget.status.text()
    with qtbot.waitSignal(_qt(widget.session.dataset_changed), timeout=10_000):
        widget.data.open(folder)
    assert "4 pairs in 2 groups" in widget.data.text.text()
    assert widget.start_button.isEnabled()
    assert widget.data.open_button.isHidden()


def test_a_folder_without_pairs_is_explained(
    make: Callable[..., TrainWidget], tmp_path: Path, qtbot: Any
) -> None:
    widget = make()
    widget.data.open(tmp_path / "nothing")
    qtbot.waitUntil(lambda: bool(widget.status.text()), timeout=10_000)
    assert "nothing" in widget.status.text()
    assert widget.session.dataset is None


def test_what_masks_mean_is_said_and_survives_another_recipe(widget: TrainWidget) -> None:
    assert "Masks are complete" in widget.data.text.text()
    widget.session.change(STROKES)
    assert "strokes only: 0 is not labeled" in widget.data.text.text()
    widget.recipe.begin_with("left-ventricle")
    assert widget.session.recipe.target.ignore == 0
    assert "strokes only" in widget.data.text.text()


def test_changes_are_marked_and_taken_back(widget: TrainWidget) -> None:
    widget.recipe.begin_with("left-ventricle")
    form = widget.recipe.forms["front"]
    form.changed.emit("training.epochs", 7)
    assert widget.session.recipe.training.epochs == 7
    assert form.editor("training.epochs").label.font().bold()
    assert widget.recipe.reset_button.isEnabled()
    widget.recipe.reset_button.click()
    assert widget.session.recipe == preset("left-ventricle")
    assert not form.editor("training.epochs").label.font().bold()


def test_the_time_budget_stays_with_another_recipe(widget: TrainWidget) -> None:
    widget.recipe.forms["budget"].changed.emit("training.minutes", 3.0)
    widget.recipe.begin_with("retina-vessels")
    assert widget.session.recipe.training.minutes == 3
    assert widget.recipe.basis.currentText() == "retina-vessels"


def test_what_the_recipe_refuses_is_said_at_the_field(widget: TrainWidget) -> None:
    widget.recipe.begin_with("left-ventricle")
    before = widget.session.recipe
    form = widget.recipe.forms["front"]
    form.changed.emit("network.dimensions", 3)
    assert "preprocess.crop has 2 numbers" in form.editor("network.dimensions").problem.text()
    assert widget.session.recipe is before


def test_a_recipe_is_saved_and_opened_again(widget: TrainWidget, tmp_path: Path) -> None:
    widget.recipe.begin_with("left-ventricle")
    widget.session.change({"training.epochs": 7})
    saved = widget.session.recipe
    widget.recipe.save(tmp_path / "mine.yaml")
    assert from_yaml((tmp_path / "mine.yaml").read_text()) == saved
    widget.recipe.begin_with("auto")
    widget.recipe.begin_with(str(tmp_path / "mine.yaml"))
    assert widget.session.recipe == saved
    assert widget.recipe.basis.currentText() == "mine.yaml"


def test_a_broken_recipe_file_changes_nothing(widget: TrainWidget, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("network: {deepness: 3}")
    before = widget.session.recipe
    widget.recipe.begin_with(str(tmp_path / "broken.yaml"))
    assert "network.deepness" in widget.status.text()
    assert widget.session.recipe is before
    assert widget.recipe.basis.currentText() == "auto"


def test_auto_shows_no_settings_before_it_has_planned_them(widget: TrainWidget, qtbot: Any) -> None:
    part = widget.recipe
    assert part.forms["front"].isHidden()
    assert not part.save_button.isEnabled()
    part.plan_button.click()
    qtbot.waitUntil(lambda: widget.session.plan is not None, timeout=20_000)
    assert part.plan_button.isHidden()
    assert not part.forms["front"].isHidden()
    assert "suits a" in part._about.text()
    qtbot.waitUntil(lambda: not widget.busy, timeout=10_000)
    assert widget.process.calls == []


def test_start_plans_writes_and_trains(widget: TrainWidget, qtbot: Any) -> None:
    widget.session.change({"training.minutes": 2.0})
    widget.start_button.click()
    assert not widget.start_button.isEnabled()
    qtbot.waitUntil(lambda: widget.process.running, timeout=30_000)
    process = widget.process
    assert process.recipe == change(widget.session.plan.recipe, {"training.minutes": 2.0})
    assert process.run.name == "slices-1"
    assert process.table.is_relative_to(process.run)
    assert len(find_pairs(process.table).usable()) == 4
    qtbot.waitUntil(lambda: widget._job is None, timeout=10_000)
    assert widget.stop_button.isEnabled()
    assert widget.run_folder.folder == process.run
    assert not widget.recipe.basis.isEnabled()


def test_an_earlier_run_is_never_replaced(widget: TrainWidget) -> None:
    taken = widget.run_folder.folder
    taken.mkdir(parents=True)
    (taken / "recipe.yaml").touch()
    widget.recipe.begin_with("left-ventricle")
    widget.start()
    assert not widget.busy
    assert f"{taken} is not empty" in widget.status.text()
    assert widget.run_folder.folder.name == "slices-2"


def test_a_process_that_cannot_start_is_explained(widget: TrainWidget, qtbot: Any) -> None:
    widget.process.refuses = True
    widget.recipe.begin_with("left-ventricle")
    widget.start()
    qtbot.waitUntil(lambda: "no process can be started" in widget.status.text(), timeout=10_000)
    qtbot.waitUntil(lambda: not widget.busy, timeout=10_000)
    assert widget.start_button.isEnabled()


def test_state_time_and_best_epoch_are_shown(begun: TrainWidget) -> None:
    begun.process.recorded.emit([record(1, 0.5), record(2, 0.75)])
    begun.process.recorded.emit([record(3, 0.6, best=False)])
    text = begun.progress.state.text()
    assert text.startswith("Training · epoch 3 · about 10 min left")
    assert "best validation Dice 0.750 (epoch 2)" in text
    assert "CPU" in text
    assert begun.progress.bar.value() == pytest.approx(30, abs=2)
    assert not begun.progress.curves.isHidden()


def test_an_epoch_that_comes_again_replaces_the_first(begun: TrainWidget) -> None:
    begun.process.recorded.emit([record(1, 0.5), record(2, 0.9)])
    begun.process.recorded.emit([record(1, 0.5), record(2, 0.7), record(3, 0.8)])
    assert [(r["epoch"], r["val_dice"]) for r in begun.progress.history] == [(1, 0.5), (2, 0.7), (3, 0.8)]


def test_pause_and_stop(begun: TrainWidget) -> None:
    begun.pause_button.click()
    assert begun.pause_button.text() == "&Go on"
    begun.process.status_changed.emit({"state": "training", "device": "cpu", "epoch": 1})
    assert begun.pause_button.text() == "&Go on"
    begun.process.status_changed.emit({"state": "paused", "device": "cpu", "epoch": 1})
    assert begun.progress.state.text().startswith("Paused")
    begun.pause_button.click()
    begun.process.status_changed.emit({"state": "training", "device": "cpu", "epoch": 1})
    assert begun.pause_button.text() == "P&ause"
    begun.stop_button.click()
    assert begun.process.calls == ["start", "pause", "go_on", "stop"]
    begun.process.status_changed.emit({"state": "scoring", "device": "cpu", "epoch": 1})
    assert not begun.stop_button.isEnabled()


def test_the_model_is_handed_on(begun: TrainWidget) -> None:
    run = begun.process.run
    begun.process.recorded.emit([record(1, 0.5)])
    finish(run)
    begun.process.end("finished")
    assert "Dice 0.900 ± 0.050 (mean ± std) on 2 validation images" in begun.status.text()
    assert "4 Predict" in begun.status.text()
    assert begun.session.run == begun.session.model == run
    assert begun.run_folder.folder.name == "slices-2"
    assert begun.start_button.isEnabled()
    assert begun.recipe.basis.isEnabled()


def test_a_stop_before_the_first_epoch_hands_nothing_on(begun: TrainWidget) -> None:
    begun.process.end("stopped")
    assert "no model" in begun.status.text()
    assert begun.session.model is None


def test_a_failure_leaves_everything_else_alone(begun: TrainWidget, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(train, "show_error", shown.append)
    earlier = Path("earlier")
    begun.session.model = earlier
    begun.viewer.add_image(np.zeros((4, 4)), name="mine")
    begun.process.failed.emit("One training sample does not fit in memory.")
    begun.process.end("failed")
    assert shown == [begun.status.text()] == ["One training sample does not fit in memory."]
    assert begun.session.model is earlier
    assert begun.session.run is None
    assert [layer.name for layer in begun.viewer.layers] == ["mine"]
    assert begun.process.run.is_dir()
    assert begun.start_button.isEnabled()


def preview(path: Path, epoch: int, label: int) -> Preview:
    """What a model says about an image file."""
    grid = {"spacing": (0.5, 0.5), "origin": (3.0, 4.0), "units": "mm"}
    return Preview(path.name, epoch, Image(np.full((4, 5), label), "YX", source=Source(path=path), **grid))


def test_the_prediction_of_one_image_is_kept_up_to_date(begun: TrainWidget, folder: Path, qtbot: Any) -> None:
    layers = begun.viewer.layers
    mine = begun.viewer.add_labels(np.zeros((4, 5), int), name="mine")
    path = folder / "SAMPLE-A_0003.dcm"
    begun.process.previewed.emit(preview(path, 1, 1))
    qtbot.waitUntil(lambda: len(layers) == 3, timeout=10_000)
    image, shown = layers["watched: SAMPLE-A_0003.dcm"], layers["prediction: SAMPLE-A_0003.dcm (epoch 1)"]
    assert layers.index(image) < layers.index(shown)
    np.testing.assert_allclose((shown.scale, shown.translate), [(0.5, 0.5), (3, 4)])
    # The brush stays in the user's layer.
    assert layers.selection.active is mine
    begun.process.previewed.emit(preview(path, 5, 2))
    assert shown.name == "prediction: SAMPLE-A_0003.dcm (epoch 5)"
    assert np.unique(shown.data).tolist() == [2]
    assert len(layers) == 3
    begun.preview_box.setChecked(False)
    assert [layer.name for layer in layers] == ["mine"]
    begun.process.previewed.emit(preview(path, 6, 3))
    assert len(layers) == 1


def test_who_removes_the_prediction_wants_no_more(begun: TrainWidget, tmp_path: Path) -> None:
    begun.process.previewed.emit(Preview("a", 1, Image(np.ones((4, 5), int), "YX")))
    begun.viewer.layers.clear()
    begun.process.previewed.emit(Preview("a", 2, Image(np.ones((4, 5), int), "YX")))
    assert not begun.viewer.layers
    assert not begun.preview_box.isChecked()


def test_a_run_is_resumed_or_watched(make: Callable[..., TrainWidget], tmp_path: Path) -> None:
    widget = make()
    widget.resume(tmp_path)
    assert "is not a run folder" in widget.status.text()
    assert widget.process.calls == []
    (tmp_path / "recipe.yaml").write_text(to_yaml(preset("left-ventricle")))
    (tmp_path / "data.json").write_text("[]")
    widget.resume(tmp_path)
    widget.process.status_changed.emit({"state": "training", "device": "cpu", "epoch": 0})
    widget.process.recorded.emit([record(50)])
    assert widget.progress.bar.value() == 500
    widget.process.end("stopped")
    widget.watch(tmp_path)
    assert widget.process.calls == ["resume", "watch"]
    assert widget.progress.history == []


def test_closing_ends_the_training(begun: TrainWidget) -> None:
    begun.close()
    assert begun.process.calls[-1] == "close"


def test_settings_survive_a_restart(
    widget: TrainWidget, make: Callable[..., TrainWidget], tmp_path: Path
) -> None:
    from napari.components import ViewerModel

    widget.recipe.begin_with("retina-vessels")
    widget.recipe.forms["budget"].changed.emit("training.minutes", 3.0)
    widget.run_folder.parent_folder = tmp_path / "runs"
    widget.preview_box.setChecked(False)
    widget.close()
    again = make(ViewerModel())
    assert again.session.basis == "retina-vessels"
    assert again.session.recipe.training.minutes == 3
    assert again.run_folder.folder.parent == tmp_path / "runs"
    assert not again.preview_box.isChecked()


def test_forgotten_settings_do_no_harm(make: Callable[..., TrainWidget]) -> None:
    settings.remember("train", {"basis": "/gone.yaml", "minutes": -3})
    assert make().session.basis == "auto"


def test_the_command_line_is_that_of_the_run(begun: TrainWidget) -> None:
    words = shlex.split(begun._command.text())
    run = begun.process.run
    assert words[:3] == ["unetscope", "train", str(begun.process.table)]
    assert words[3:] == ["--recipe", str(run / "recipe.yaml"), "--out", f"{run}-again"]


def test_a_new_network_is_offered_first_and_a_file_last(widget: TrainWidget) -> None:
    models = widget.start_from.models
    assert [models.itemText(i) for i in range(models.count())] == ["new network", "a model file…"]
    assert models.currentText() == "new network"
    assert widget.session.start is None


def test_training_begins_with_a_model_that_comes_along(
    shipped: Path, make: Callable[..., TrainWidget], folder: Path, qtbot: Any
) -> None:
    widget = make()
    widget.session.dataset = Dataset.of_pairing(find_pairs(folder))
    models = widget.start_from.models
    assert [models.itemText(i) for i in range(models.count())] == ["new network", "spots", "a model file…"]
    assert "Bright disks" in models.itemData(1, Qt.ItemDataRole.ToolTipRole)
    models.setCurrentIndex(1)
    models.activated.emit(1)
    assert widget.session.start == shipped / "spots.safetensors"
    # What the api refuses, the widget says: these masks number nothing.
    widget.start()
    qtbot.waitUntil(lambda: not widget.busy, timeout=20_000)
    assert "expected a value for each object" in widget.status.text()
    assert widget.process.calls == []

    widget.recipe.begin_with("left-ventricle")
    widget.start()
    qtbot.waitUntil(lambda: widget.process.running, timeout=20_000)
    assert widget.process.start_model == shipped / "spots.safetensors"
    qtbot.waitUntil(lambda: widget._job is None, timeout=10_000)
    words = shlex.split(widget._command.text())
    assert words[words.index("--from") + 1] == "spots"
    assert not models.isEnabled()


def test_what_is_planned_suits_the_model_that_it_begins_with(
    shipped: Path, make: Callable[..., TrainWidget], tmp_path: Path, qtbot: Any
) -> None:
    widget = make()
    widget.session.dataset = Dataset.of_pairing(find_pairs(sample_folder("cells")))
    widget.start_from.begin_with(shipped / "spots.safetensors")
    widget.recipe.plan_button.click()
    qtbot.waitUntil(lambda: widget.session.plan is not None, timeout=30_000)
    assert widget.session.recipe.preprocess.diameter == 8
    assert widget.session.recipe.network.width == 1
    assert "begins with the weights of a model" in widget.recipe._about.text()
    qtbot.waitUntil(lambda: not widget.busy, timeout=10_000)
    # Another start, another plan.
    widget.start_from.begin_with(None)
    assert widget.session.plan is None
    assert widget.session.recipe.preprocess.diameter is None


def test_a_model_file_to_begin_with(
    shipped: Path, widget: TrainWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = widget.start_from
    answers = iter(["", str(tmp_path / "gone.safetensors"), str(tmp_path / "mine.safetensors")])
    shutil.copy(shipped / "spots.safetensors", tmp_path / "mine.safetensors")
    monkeypatch.setattr(
        "unetscope._napari.train.start.QFileDialog.getOpenFileName", lambda *_: (next(answers), "")
    )
    for said, chosen in (("", None), ("no such file", None), ("", tmp_path / "mine.safetensors")):
        part.models.activated.emit(part.models.count() - 1)
        assert said in widget.status.text()
        assert widget.session.start == chosen
        assert part.models.currentData() == chosen
    assert part.models.currentText() == "mine.safetensors"


def test_the_command_of_an_earlier_run_begins_with_its_own_copy(
    shipped: Path, make: Callable[..., TrainWidget], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    content = (shipped / "spots.safetensors").read_bytes()
    start = Start("spots", hashlib.sha256(content).hexdigest())
    Run.create(run, preset("left-ventricle"), [], start=(start, content))
    widget = make()
    widget.watch(run)
    words = shlex.split(widget._command.text())
    assert words[words.index("--from") + 1] == str(run / "start.safetensors")


def test_names_and_places_of_runs(tmp_path: Path, folder: Path) -> None:
    dataset = Dataset.of_pairing(find_pairs(folder))
    assert runs.dataset_name(dataset) == "slices"
    assert runs.default_parent(dataset, Path("documents")) == tmp_path / "unetscope-runs"
    assert runs.dataset_name(None) == "layers"
    assert runs.default_parent(None, Path("documents")) == Path("documents/unetscope-runs")
    sample = Dataset.of_pairing(find_pairs(sample_folder("heart") / "training"))
    assert runs.dataset_name(sample) == "heart"
    # Nobody looks for runs among the installed packages.
    assert runs.default_parent(sample, Path("documents")) == Path("documents/unetscope-runs")


@pytest.mark.parametrize(
    ("seconds", "words"), [(2, "5 s"), (42, "40 s"), (100, "2 min"), (3600, "60 min"), (7500, "2 h 5 min")]
)
def test_time_in_words(seconds: float, words: str) -> None:
    assert runs.describe_time(seconds) == words


def test_in_a_real_viewer(viewer: Any, plugin: Any, qtbot: Any, folder: Path) -> None:
    _, widget = viewer.window.add_plugin_dock_widget("unetscope", "3 Train")
    assert isinstance(widget, TrainWidget)
    assert widget.session is Session.of(viewer)
    qtbot.waitUntil(widget.isVisible, timeout=5000)
    assert widget.minimumSizeHint().width() <= 400
    path = folder / "SAMPLE-A_0003.dcm"
    widget.previews.show(preview(path, 1, 1))
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=10_000)
    widget.previews.show(preview(path, 2, 1))
    assert viewer.layers[-1].name.endswith("(epoch 2)")
    with qtbot.waitSignal(widget.closed, timeout=5000):
        viewer.window.remove_dock_widget(widget)


def _qt(signal: Any) -> Any:
    """A psygnal signal that qtbot can wait for."""

    class Relay(QObject):
        emitted = Signal()

    relay = Relay()
    signal.connect(lambda *_: relay.emitted.emit())
    return relay.emitted
