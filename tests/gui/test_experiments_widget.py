"""The Experiments widget over folders that were never trained; test_experiment_process.py trains."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox

from unetscope._napari.dataset.dataset import Dataset
from unetscope._napari.experiments import results
from unetscope._napari.experiments import widget as module
from unetscope._napari.experiments.choices import CUSTOM
from unetscope._napari.experiments.outcome import read_outcome
from unetscope._napari.experiments.widget import ExperimentsWidget
from unetscope.experiments import ExperimentFolder, Published, read_experiment
from unetscope.io import find_pairs
from unetscope.recipe import Recipe, to_yaml
from unit.experiments.fake import history, make_experiment, write_experiment

PATIENCE = 30_000  # ms
CONDITIONS = ("as they are", "noisy")


@pytest.fixture
def make(viewer_model: Any, qtbot: Any) -> Callable[[], ExperimentsWidget]:
    """Makes widgets of one viewer."""

    def build() -> ExperimentsWidget:
        widget = ExperimentsWidget(viewer_model)
        qtbot.addWidget(widget)
        return widget

    return build


@pytest.fixture
def widget(make: Callable[[], ExperimentsWidget]) -> ExperimentsWidget:
    return make()


@pytest.fixture
def launched(widget: ExperimentsWidget, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that the widget has run; none is, and its folder is watched instead."""
    commands: list[list[str]] = []

    def start(folder: Path, command: list[str]) -> None:
        commands.append(command)
        if (folder / "experiment.yaml").is_file():
            widget.process.watch(folder)

    monkeypatch.setattr(widget.process, "start", start)
    return commands


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Six small images with a square in each."""
    for i in range(6):
        mask = np.zeros((16, 16), np.uint8)
        mask[2 + i : 8 + i, 3:10] = 255
        for name, array in (("images", 255 - mask), ("masks", mask)):
            (tmp_path / "squares" / name).mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(array).save(tmp_path / "squares" / name / f"{i}.png")
    return tmp_path / "squares"


def open_experiment(widget: ExperimentsWidget, folder: ExperimentFolder, qtbot: Any) -> None:
    """Open it, and wait for its results."""
    widget.open(folder.path)
    qtbot.waitUntil(lambda: widget.results.outcome is not None, timeout=PATIENCE)
    qtbot.waitUntil(lambda: widget._reading is None, timeout=PATIENCE)


def texts(widget: ExperimentsWidget) -> list[list[str]]:
    """What the grid shows."""
    table = widget.grid.table
    rows, columns = range(table.rowCount()), range(table.columnCount())
    return [[table.item(row, column).text() for column in columns] for row in rows]


def column(view: Any, number: int) -> list[str]:
    return [view.sorted.index(row, number).data() for row in range(view.sorted.rowCount())]


def titles(view: Any) -> list[str]:
    header = range(view.sorted.columnCount())
    return [view.sorted.headerData(number, Qt.Orientation.Horizontal) for number in header]


def test_what_an_experiment_costs_is_said_beforehand(widget: ExperimentsWidget) -> None:
    setup = widget.setup
    setup.choose("left-ventricle")
    arms = setup.all_arms
    assert setup.budget.currentText() == "cpu"
    assert setup.cost.text().startswith(f"{arms * setup.seeds.value()} trainings")
    setup.seeds.setValue(5)
    assert len(setup.choice.seeds) == len(set(setup.choice.seeds)) == 5
    setup.tick([])
    assert "tick at least one" in setup.cost.text()
    widget.start()
    assert not widget.busy
    setup.choose(CUSTOM)
    setup.tick(["auto", "hela-border"])
    setup.seeds.setValue(3)
    setup.minutes.setValue(2)
    assert setup.cost.text().startswith("6 trainings (2 recipes × 3 seeds), at most 12 min;")
    # What was ticked is remembered for each experiment; its budget is what fits.
    setup.choose("left-ventricle")
    assert setup.choice.arms == {}
    assert (setup.choice.budget, setup.choice.minutes) == ("cpu", None)
    setup.budget.setCurrentText("minutes each")
    setup.budget.activated.emit(setup.budget.currentIndex())
    assert (setup.choice.budget, setup.choice.minutes) == ("", 2)
    assert not setup.minutes.isHidden()


def test_a_document_is_there_to_be_read(widget: ExperimentsWidget) -> None:
    widget.setup.choose("cells")
    assert "mean IoU" in widget.setup.document.text()
    assert not widget.setup.about.isHidden()
    assert widget.setup.buttons.isHidden()
    widget.setup.choose(CUSTOM)
    assert widget.setup.about.isHidden()
    assert not widget.setup.buttons.isHidden()


def test_recipes_of_files_and_of_the_session_can_be_compared(
    widget: ExperimentsWidget, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text(to_yaml(Recipe()))
    (tmp_path / "broken.yaml").write_text("network: {deepness: 3}")
    widget.setup.choose(CUSTOM)
    widget.setup.add_file(tmp_path / "broken.yaml")
    assert "network.deepness" in widget.status.text()
    widget.setup.add_file(tmp_path / "mine.yaml")
    assert widget.status.text() == ""
    widget.session.begin_with("left-ventricle", {"network.depth": 3})
    widget.setup.add_current()
    arms = widget.setup.choice.arms
    assert list(arms) == ["auto", "mine", "left-ventricle, as in 3 Train"]
    assert arms["left-ventricle, as in 3 Train"].settings == {"network.depth": 3}


def test_start_without_images_is_explained(widget: ExperimentsWidget, tmp_path: Path) -> None:
    widget.start()
    assert "no images to train on" in widget.status.text()
    widget.data.use_folder(tmp_path / "nothing")
    widget.start()
    assert "nothing does not exist" in widget.status.text()
    assert not widget.busy


def test_a_comparison_of_the_sessions_dataset_begins(
    widget: ExperimentsWidget, launched: list[list[str]], images: Path, tmp_path: Path, qtbot: Any
) -> None:
    widget.session.dataset = Dataset.of_pairing(find_pairs(images))
    widget.setup.choose(CUSTOM)
    widget.setup.tick(["auto", "cell-semantic"])
    widget.setup.minutes.setValue(0.5)
    widget.setup.seeds.setValue(2)
    out = widget.output.folder
    assert out == tmp_path / "unetscope-experiments" / "squares-comparison-1"
    with qtbot.waitSignal(widget.idle, timeout=PATIENCE):
        widget.start_button.click()
        assert not widget.setup.isEnabled()
    (command,) = launched
    assert command[0] == "experiment"
    assert command[3:] == ["--out", str(out), "--budget", "0.5", "--seeds", "0", "1"]
    made = read_experiment(Path(command[1]))
    assert list(made.arms) == ["auto", "cell-semantic"]
    assert made.material.target.kind == "binary"
    assert len(find_pairs(Path(command[2])).usable()) == 6
    assert widget._command.text().startswith("unetscope experiment ")
    # The next one gets a folder of its own.
    assert widget.output.folder.name == "squares-comparison-2"
    widget.output.row.path.setText(str(out))
    widget.start()
    assert "is not free: press Start again" in widget.status.text()
    assert widget.output.folder.name == "squares-comparison-2"
    assert len(launched) == 1


def test_a_built_in_experiment_begins_on_a_folder(
    widget: ExperimentsWidget, launched: list[list[str]], images: Path, qtbot: Any
) -> None:
    widget.setup.choose("left-ventricle")
    first = next(iter(widget.setup.choice.arms))
    widget.setup.tick([first])
    widget.data.use_folder(images, images)
    assert widget.output.folder.name == "left-ventricle-1"
    with qtbot.waitSignal(widget.idle, timeout=PATIENCE):
        widget.start()
    (command,) = launched
    assert command[:3] == ["experiment", "left-ventricle", str(images)]
    assert command[5:7] == ["--budget", "cpu"]
    assert command[-4:] == ["--arms", first, "--test", str(images)]


def test_what_cannot_be_prepared_is_said(
    widget: ExperimentsWidget, launched: list[list[str]], tmp_path: Path, qtbot: Any
) -> None:
    (tmp_path / "empty").mkdir()
    widget.setup.choose(CUSTOM)
    widget.data.use_folder(tmp_path / "empty")
    with qtbot.waitSignal(widget.idle, timeout=PATIENCE):
        widget.start()
    assert "empty" in widget.status.text()
    assert launched == []
    assert widget.start_button.isEnabled()


def test_a_running_experiment_is_shown_live(widget: ExperimentsWidget, tmp_path: Path, qtbot: Any) -> None:
    folder = write_experiment(tmp_path / "out", make_experiment(seeds=(0, 1)), finished=2)
    open_experiment(widget, folder, qtbot)
    first = widget.results.outcome.scores["plain", 0]
    before = texts(widget)
    assert [row[0] for row in before] == ["plain", "augmented"]
    assert before[0][1] == f"{first:.3f}"
    assert before[0][2].startswith("epoch 2 · ")
    assert before[1][2] == "waiting"
    assert widget.grid.bar.value() == 2
    assert widget.grid.state.text().startswith("Training plain, seed 1 · 2 of 4 trainings done · about ")
    assert widget.grid.caption.text() == "plain, seed 1"
    assert not widget.grid.curves.isHidden()
    assert not widget._setup_fold.expanded
    with folder.cell("plain", 1).run.history_path.open("a") as file:
        file.write(json.dumps(history(1, 3)[-1]) + "\n")
    qtbot.waitUntil(lambda: texts(widget)[0][2].startswith("epoch 3"), timeout=PATIENCE)
    widget.stop()
    assert folder.stop_requested
    with qtbot.waitSignal(widget.idle, timeout=PATIENCE):
        folder.write_status(state="stopped", cell=None)
    assert "Press Go on" in widget.status.text()
    assert not widget.stop_button.isEnabled()
    assert widget.go_on_button.isEnabled()


def test_the_curves_of_any_training_can_be_looked_at(
    widget: ExperimentsWidget, tmp_path: Path, qtbot: Any
) -> None:
    folder = write_experiment(tmp_path / "out", make_experiment(seeds=(0, 1)), finished=2)
    open_experiment(widget, folder, qtbot)
    widget.grid.table.cellClicked.emit(1, 1)
    assert widget.grid.caption.text() == "augmented, seed 0"
    widget.grid.table.cellClicked.emit(1, 2)
    assert widget.grid.curves.isHidden()
    # A name leads back to the one in training, as does that one itself, and then to the next.
    widget.grid.table.cellClicked.emit(1, 0)
    assert widget.grid.caption.text() == "plain, seed 1"
    widget.grid.table.cellClicked.emit(0, 2)
    run = folder.cell("augmented", 1).run
    shutil.copytree(folder.cell("plain", 1).run.path, run.path)
    folder.write_status(cell={"arm": "augmented", "seed": 1})
    qtbot.waitUntil(lambda: widget.grid.caption.text() == "augmented, seed 1", timeout=PATIENCE)


def test_results_are_tables_answers_and_bars(widget: ExperimentsWidget, tmp_path: Path, qtbot: Any) -> None:
    published = (Published(arm="plain", scores={"dice": 0.5}),)
    experiment = make_experiment(("plain", "augmented", "third"), conditions=CONDITIONS, published=published)
    folder = write_experiment(tmp_path / "out", experiment, images=5, groups=["a", "a", "b", "b", "c"])
    open_experiment(widget, folder, qtbot)
    shown, outcome = widget.results, widget.results.outcome
    header = titles(shown.arms)
    assert header == [
        *("Recipe", "Scored", "Dice", "Precision", "Recall", "IoU", "Dice, published", "Seeds", "Training")
    ]
    assert column(shown.arms, 1) == [*CONDITIONS] * 3
    summary = outcome.results.summary("plain")
    assert column(shown.arms, 2)[0] == f"{summary.mean['dice']:.3f} ± {summary.std['dice']:.3f}"
    assert column(shown.arms, 6)[:2] == ["0.500", "-"]
    shown.arms.view.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    assert column(shown.arms, 2) == sorted(column(shown.arms, 2), reverse=True)
    assert "Mean ± std over 3 seeds (sample std)" in shown.over.text()
    for answer in outcome.answers:
        assert answer.sentence in shown.answers.text.text()
    assert "▲ Better" in shown.answers.text.text()
    assert titles(shown.images) == ["Image", "Group", "plain", "augmented", "third"]
    assert column(shown.images, 1) == ["a", "a", "b", "b", "c"]
    assert shown.bars._scores["Dice"]["plain"] == (summary.mean["dice"], summary.std["dice"])
    before = column(shown.images, 2)
    shown.condition.setCurrentText("noisy")
    shown.condition.activated.emit(1)
    assert column(shown.images, 2) != before
    shown.metric.setCurrentText("IoU")
    shown.metric.activated.emit(shown.metric.currentIndex())
    noisy = outcome.results.summary("plain", "noisy")
    assert shown.bars._scores["IoU"]["plain"] == (noisy.mean["iou"], noisy.std["iou"])


def test_new_results_keep_the_order_of_the_table(
    widget: ExperimentsWidget, tmp_path: Path, qtbot: Any
) -> None:
    experiment = make_experiment(("plain", "augmented"), seeds=(0,))
    folder = write_experiment(tmp_path / "out", experiment)
    open_experiment(widget, folder, qtbot)
    view = widget.results.arms
    view.view.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    assert column(view, 0) == ["augmented", "plain"]
    assert "±" not in column(view, 1)[0]
    widget._read_results()
    widget._read_results()
    qtbot.waitUntil(lambda: widget._reading is None, timeout=PATIENCE)
    assert column(view, 0) == ["augmented", "plain"]


def test_the_model_of_an_arm_is_handed_on_as_validation_chooses_it(
    widget: ExperimentsWidget, tmp_path: Path, qtbot: Any
) -> None:
    folder = write_experiment(tmp_path / "out", make_experiment())
    open_experiment(widget, folder, qtbot)
    cells = [folder.cell("augmented", seed) for seed in (0, 1, 2)]
    best = max(cells, key=lambda cell: cell.facts().validation_dice)
    view = widget.results.arms
    view.view.clicked.emit(view.sorted.index(1, 0))
    assert widget.session.run == widget.session.model == best.run.path
    assert f"augmented, seed {best.seed} (Dice {best.facts().validation_dice:.3f} on the validation" in (
        widget.status.text()
    )
    (folder.cell("plain", 2).run.path / "model.safetensors").touch()
    widget.grid.table.cellDoubleClicked.emit(0, 3)
    assert widget.session.model == folder.cell("plain", 2).run.path
    widget.grid.table.cellDoubleClicked.emit(1, 1)
    assert "has no model yet" in widget.status.text()
    assert widget.session.model == folder.cell("plain", 2).run.path


def test_scores_are_exported_and_the_report_is_opened(
    widget: ExperimentsWidget, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_experiment(tmp_path / "out", make_experiment(conditions=CONDITIONS))
    opened: list[str] = []

    def open_url(url: Any) -> bool:
        opened.append(url.toLocalFile())
        return len(opened) == 1

    monkeypatch.setattr(results.QDesktopServices, "openUrl", open_url)
    open_experiment(widget, folder, qtbot)
    assert not widget.results.report_button.isEnabled()
    (folder.path / "report.html").write_text("<p>The report</p>")
    widget.results.follow_report()
    widget.results.report_button.click()
    assert opened == [str(folder.path / "report.html")]
    widget.results.report_button.click()
    assert "the report is" in widget.status.text()
    widget.results.write_csv(tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # Arms, conditions, seeds, images.
    assert len(rows) == 2 * 2 * 3 * 4
    assert {row["condition"] for row in rows} == {*CONDITIONS}
    widget.results.write_csv(tmp_path / "nowhere" / "scores.csv")
    assert "cannot be written" in widget.status.text()


def test_a_failure_is_a_notification_with_one_sentence(
    widget: ExperimentsWidget, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(module, "show_error", shown.append)
    folder = write_experiment(tmp_path / "out", finished=1)
    folder.write_status(state="failed", message="The disk is full.", cell=None)
    with qtbot.waitSignal(widget.idle, timeout=PATIENCE):
        widget.open(folder.path)
    assert shown == ["The disk is full."]
    assert widget.status.text() == "The disk is full."
    assert widget.go_on_button.isEnabled()
    qtbot.waitUntil(lambda: widget._reading is None, timeout=PATIENCE)


def test_a_training_that_broke_down_is_told_at_the_end(
    widget: ExperimentsWidget, tmp_path: Path, qtbot: Any
) -> None:
    folder = write_experiment(tmp_path / "out", make_experiment(seeds=(0,)), finished=1)
    folder.cell("augmented", 0).fail("The loss became nan.")
    folder.write_status(state="finished", cell=None)
    with qtbot.waitSignal(widget.idle, timeout=PATIENCE):
        widget.open(folder.path)
    assert widget.status.text() == "1 training failed: augmented, seed 0: The loss became nan."
    assert texts(widget)[1][1] == "failed"
    qtbot.waitUntil(lambda: widget._reading is None, timeout=PATIENCE)


def test_going_on_needs_the_images(
    widget: ExperimentsWidget, launched: list[list[str]], images: Path, tmp_path: Path, qtbot: Any
) -> None:
    folder = write_experiment(tmp_path / "out", make_experiment(seeds=(0, 1)), finished=2)
    folder.write_status(state="stopped", cell=None)
    with qtbot.waitSignal(widget.idle, timeout=PATIENCE):
        widget.open(folder.path)
    widget.go_on()
    assert "Choose the folder or table of its images" in widget.status.text()
    assert launched == []
    widget.data.use_folder(images)
    with qtbot.waitSignal(widget.idle, timeout=PATIENCE):
        widget.go_on_button.click()
    assert launched == [
        [
            *("experiment", str(folder.path / "experiment.yaml"), str(images)),
            *("--out", str(folder.path), "--seeds", "0", "1"),
        ]
    ]
    # Its images are known from now on.
    widget.data.use_folder(tmp_path)
    with qtbot.waitSignal(widget.idle, timeout=PATIENCE):
        widget.go_on_button.click()
    assert launched[1] == launched[0]
    qtbot.waitUntil(lambda: widget._reading is None, timeout=PATIENCE)


def test_what_seems_to_run_elsewhere_goes_on_only_if_the_user_says_so(
    widget: ExperimentsWidget, images: Path, tmp_path: Path, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_experiment(tmp_path / "out", finished=2)
    widget.data.use_folder(images)
    open_experiment(widget, folder, qtbot)
    answers = [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Ok]
    asked: list[str] = []
    started: list[Path] = []

    def question(parent: Any, title: str, text: str, buttons: Any) -> Any:
        asked.append(text)
        return answers[len(asked) - 1]

    monkeypatch.setattr(module.QMessageBox, "question", question)
    monkeypatch.setattr(widget.process, "start", lambda folder, command: started.append(folder))
    widget.go_on()
    assert started == []
    widget.go_on()
    assert started == [folder.path]
    assert "seems to run elsewhere" in asked[0]


def test_what_is_complete_cannot_go_on(widget: ExperimentsWidget, tmp_path: Path, qtbot: Any) -> None:
    open_experiment(widget, write_experiment(tmp_path / "out"), qtbot)
    assert not widget.go_on_button.isEnabled()


def test_what_is_no_experiment_is_refused(widget: ExperimentsWidget, tmp_path: Path) -> None:
    widget.open(tmp_path)
    assert "is not the folder of an experiment" in widget.status.text()
    assert widget._shown.isHidden()


def test_another_experiment_replaces_the_first(widget: ExperimentsWidget, tmp_path: Path, qtbot: Any) -> None:
    open_experiment(widget, write_experiment(tmp_path / "one", finished=1), qtbot)
    second = write_experiment(tmp_path / "two", make_experiment(("x", "y", "z"), seeds=(7,)))
    open_experiment(widget, second, qtbot)
    qtbot.waitUntil(lambda: "…" not in str(texts(widget)) and texts(widget)[0][1] != "done", timeout=PATIENCE)
    assert [row[0] for row in texts(widget)] == ["x", "y", "z"]
    assert widget.results.outcome.results.folder.path == second.path
    assert widget.grid.curves.isHidden()
    # What was still being read of the first comes too late.
    shown = widget.results.outcome
    widget._take_results((tmp_path / "one", read_outcome(tmp_path / "one")))
    assert widget.results.outcome is shown
    widget._fill_menu()
    names = [action.text() for action in widget.open_button.menu().actions() if not action.isSeparator()]
    assert names == ["two", "one", "&Open a folder…"]


def test_settings_survive_a_restart(
    make: Callable[[], ExperimentsWidget], images: Path, tmp_path: Path, qtbot: Any
) -> None:
    (tmp_path / "mine.yaml").write_text(to_yaml(Recipe()))
    first = make()
    first.setup.choose(CUSTOM)
    first.setup.add_file(tmp_path / "mine.yaml")
    first.setup.tick(["mine", "hela-border"])
    first.setup.minutes.setValue(1.5)
    first.setup.seeds.setValue(4)
    first.setup.masks.setCurrentText("separate objects")
    first.data.use_folder(images)
    first.output._choose_parent(tmp_path / "all of them")
    open_experiment(first, write_experiment(tmp_path / "out"), qtbot)
    first.close()
    second = make()
    assert second.setup.which.currentText() == CUSTOM
    assert list(second.setup.choice.arms) == ["hela-border", "mine"]
    assert (second.setup.minutes.value(), second.setup.seeds.value()) == (1.5, 4)
    assert second.setup.kind == "instances"
    assert second.data.data.folder == images
    assert second.output.folder == tmp_path / "all of them" / "squares-comparison-1"
    assert second._recent.folders == [tmp_path / "out"]


def test_the_budget_survives_a_restart(make: Callable[[], ExperimentsWidget]) -> None:
    first = make()
    first.setup.choose("retina")
    first.setup.budget.setCurrentText("full")
    first.close()
    assert make().setup.choice.budget == "full"


def test_a_closed_widget_watches_no_longer(
    widget: ExperimentsWidget, images: Path, tmp_path: Path, qtbot: Any
) -> None:
    folder = write_experiment(tmp_path / "out", finished=1)
    open_experiment(widget, folder, qtbot)
    widget.close()
    assert not widget.process.watching
    text = widget.data.text.text()
    widget.session.dataset = Dataset.of_pairing(find_pairs(images))
    assert widget.data.text.text() == text


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_fits_a_dock_of_400_pixels(viewer: Any, tmp_path: Path, qtbot: Any, theme: str) -> None:
    viewer.theme = theme
    viewer.window._qt_window.resize(1366, 768)
    dock, widget = viewer.window.add_plugin_dock_widget("unetscope", "Experiments")
    widget.setup.choose(CUSTOM)
    assert widget.minimumSizeHint().width() <= 400
    long = "a recipe with a name that is longer than a dock is wide, as people like to give"
    experiment = make_experiment((long, "plain"), seeds=(0, 1, 2, 3), conditions=CONDITIONS)
    open_experiment(widget, write_experiment(tmp_path / "out", experiment, finished=5), qtbot)
    for tab in range(widget.results.tabs.count()):
        widget.results.tabs.setCurrentIndex(tab)
        assert widget.minimumSizeHint().width() <= 400
    assert dock.width() <= 400
    widget.process.close()


def test_opening_the_widget_loads_neither_torch_nor_matplotlib() -> None:
    code = (
        "import sys, unetscope._napari.experiments.widget; print({'torch', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
