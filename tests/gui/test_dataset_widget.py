"""The Dataset widget: pairs from files and layers, edits of the table, painting, the check."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QComboBox, QFileDialog, QLineEdit, QStyledItemDelegate

from unetscope._napari.dataset.model import Column
from unetscope._napari.dataset.widget import DatasetWidget
from unetscope._napari.layers.layer import add_layer
from unetscope._napari.session import Session
from unetscope._napari.settings import recall
from unetscope.io import Image, find_pairs

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
HEART = SAMPLES / "heart" / "training"
TINY = {"training.epochs": 1, "training.samples": 2, "network.width": 2, "network.depth": 1}


@pytest.fixture
def make(qtbot: Any, viewer_model: Any) -> Callable[..., DatasetWidget]:
    """Makes widgets of one viewer."""

    def new() -> DatasetWidget:
        widget = DatasetWidget(viewer_model)
        qtbot.addWidget(widget)
        return widget

    return new


@pytest.fixture
def widget(make: Callable[..., DatasetWidget]) -> DatasetWidget:
    return make()


def wait(qtbot: Any, widget: DatasetWidget) -> None:
    """Until everything that was begun is shown."""
    qtbot.waitUntil(
        lambda: not (widget._timer.isActive() or (widget.job is not None and widget.job.running)),
        timeout=20000,
    )


def opened(qtbot: Any, widget: DatasetWidget, path: Path = HEART) -> DatasetWidget:
    widget.open(path)
    wait(qtbot, widget)
    return widget


def cell(widget: DatasetWidget, row: int, column: Column) -> Any:
    return widget.pairs.table.model().index(row, column)


def add_pair(viewer: Any, name: str, **options: Any) -> None:
    values = np.random.default_rng(len(name)).integers(0, 200, (32, 40), np.uint16)
    viewer.add_image(values, name=name, **options)
    labels = np.zeros((32, 40), np.uint8)
    labels[8:20, 8:20] = 1
    viewer.add_labels(labels, name=f"{name} labels", **options)


def edit(widget: DatasetWidget, column: Column, value: str) -> None:
    """Edit the current cell as with F2."""
    table = widget.pairs.table
    index = table.currentIndex().siblingAtColumn(column)
    table.edit(index)
    editor = table.findChild(QComboBox if column in (Column.PART, Column.MASK) else QLineEdit)
    if isinstance(editor, QComboBox):
        place = editor.findText(value)
        editor.setCurrentIndex(place)
        editor.activated.emit(place)
    else:
        editor.setText(value)
        table.commitData(editor)
        table.closeEditor(editor, QStyledItemDelegate.EndEditHint.NoHint)


def test_a_folder_is_found_and_known_to_the_other_widgets(qtbot: Any, widget: DatasetWidget) -> None:
    opened(qtbot, widget)
    assert widget.session.dataset is widget.model.dataset
    assert len(widget.session.dataset.chosen) == widget.model.rowCount() > 3
    assert widget.pairs.counts.text() == widget.model.dataset.describe(widget.session.recipe)
    assert cell(widget, 0, Column.PART).data().startswith("auto: ")


def test_bad_folders_get_a_sentence_and_change_nothing(
    qtbot: Any, widget: DatasetWidget, tmp_path: Path
) -> None:
    opened(qtbot, widget)
    before = widget.session.dataset
    opened(qtbot, widget, tmp_path)
    assert "holds no images" in widget.status.text()
    assert widget.session.dataset is before


def test_files_without_a_partner_are_listed_with_the_reason(
    qtbot: Any, widget: DatasetWidget, tmp_path: Path
) -> None:
    for name in ("SAMPLE-A_0003.dcm", "SAMPLE-A_0003.png", "SAMPLE-A_0004.dcm"):
        shutil.copy(HEART / name, tmp_path)
    opened(qtbot, widget, tmp_path)
    assert widget.model.rowCount() == 2
    assert cell(widget, 1, Column.USE).data() == "✗"
    assert cell(widget, 1, Column.MASK).data() == "–"
    widget.pairs.table.select([1])
    assert widget.pairs.trouble.text() == f"SAMPLE-A_0004.dcm: {cell(widget, 1, Column.STATUS).data()}"


def test_dropped_paths_are_opened(qtbot: Any, widget: DatasetWidget) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(HEART))])
    event = QDropEvent(
        QPointF(QPoint(5, 5)),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    widget.dropEvent(event)
    wait(qtbot, widget)
    assert widget.source.path.text() == str(HEART)
    assert widget.session.dataset is not None


def test_browsing_and_masks_elsewhere(
    qtbot: Any, widget: DatasetWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, masks = tmp_path / "a", tmp_path / "b"
    for folder, suffix in ((images, ".dcm"), (masks, ".png")):
        folder.mkdir()
        for number in ("0003", "0004"):
            shutil.copy(HEART / f"SAMPLE-A_{number}{suffix}", folder)
    answers = iter([str(images), str(masks)])
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: next(answers))
    widget.source._ask_for_folder()
    wait(qtbot, widget)
    assert widget.session.dataset is None
    widget.source._ask_for_masks()
    wait(qtbot, widget)
    assert len(widget.session.dataset.chosen) == 2


def test_ticks_groups_and_parts_are_edited_for_all_selected_rows(qtbot: Any, widget: DatasetWidget) -> None:
    opened(qtbot, widget)
    widget.show()
    widget.pairs.table.select([0, 1, 2])
    edit(widget, Column.GROUP, "mine")
    edit(widget, Column.PART, "validate")
    qtbot.keyClick(widget.pairs.table, Qt.Key.Key_Space)
    first = widget.session.dataset.entries[:4]
    assert [(e.group == "mine", e.split, e.use) for e in first] == [(True, "validation", False)] * 3 + [
        (False, "automatic", True)
    ]
    widget.pairs.all_button.click()
    assert len(widget.session.dataset.chosen) == widget.model.rowCount()
    assert cell(widget, 0, Column.PART).data() == "validate"
    assert cell(widget, 3, Column.PART).data() == "auto: train"
    widget.pairs.none_button.click()
    assert widget.session.dataset is None


def test_the_menu_changes_selected_rows(qtbot: Any, widget: DatasetWidget) -> None:
    opened(qtbot, widget)
    widget.pairs.table.select([1, 3])
    actions = {action.text(): action for action in widget.pairs.rows_button.menu().actions()}
    actions["Part: test"].trigger()
    actions["Do not use"].trigger()
    entries = widget.session.dataset.entries
    assert [i for i, e in enumerate(entries) if e.split == "test" and not e.use] == [1, 3]


def test_a_tick_switches_one_row(qtbot: Any, widget: DatasetWidget) -> None:
    opened(qtbot, widget)
    index = cell(widget, 2, Column.USE)
    widget.pairs.table.model().setData(index, Qt.CheckState.Unchecked.value, Qt.ItemDataRole.CheckStateRole)
    assert [e.use for e in widget.session.dataset.entries].count(False) == 1
    assert index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Unchecked


def test_sorting_changes_the_view_and_not_the_dataset(qtbot: Any, widget: DatasetWidget) -> None:
    opened(qtbot, widget)
    names = [entry.name for entry in widget.model.dataset.entries]
    widget.pairs.table.sortByColumn(Column.IMAGE, Qt.SortOrder.DescendingOrder)
    assert cell(widget, 0, Column.IMAGE).data() == sorted(names)[-1]
    widget.pairs.table.select([names.index(sorted(names)[-1])])
    assert widget.pairs.table.currentIndex().row() == 0
    edit_place = widget.pairs.table.selected
    assert widget.model.row(edit_place[0]).name == sorted(names)[-1]
    assert [entry.name for entry in widget.session.dataset.entries] == names


def test_pairs_open_as_layers_and_replace_each_other(qtbot: Any, widget: DatasetWidget) -> None:
    opened(qtbot, widget)
    mine = widget.viewer.add_image(np.zeros((4, 4)), name="mine")
    for place in (0, 1):
        widget.open_pair(place)
        wait(qtbot, widget)
    name = widget.model.row(1).name
    assert [layer.name for layer in widget.viewer.layers] == ["mine", name, f"{name} mask"]
    image, mask = widget.viewer.layers[1:]
    np.testing.assert_array_equal(image.scale, mask.scale)
    assert mine in widget.viewer.layers


def test_a_mask_that_the_user_paints_on_stays(qtbot: Any, widget: DatasetWidget) -> None:
    opened(qtbot, widget)
    widget.open_pair(0)
    wait(qtbot, widget)
    painted = widget.viewer.layers[1]
    painted.paint((5, 5), 3)
    widget.open_pair(1)
    wait(qtbot, widget)
    assert painted in widget.viewer.layers
    assert len(widget.viewer.layers) == 4


def test_enter_opens_the_current_pair(qtbot: Any, widget: DatasetWidget) -> None:
    opened(qtbot, widget)
    widget.pairs.table.select([0])
    with qtbot.waitSignal(widget.pairs.table.opened) as caught:
        qtbot.keyClick(widget.pairs.table, Qt.Key.Key_Return)
    assert caught.args == [0]
    wait(qtbot, widget)
    assert len(widget.viewer.layers) == 2


def test_layers_become_pairs_as_they_come_and_go(qtbot: Any, widget: DatasetWidget) -> None:
    add_pair(widget.viewer, "a")
    widget.use_layers()
    wait(qtbot, widget)
    assert [entry.name for entry in widget.session.dataset.entries] == ["a"]
    add_pair(widget.viewer, "b")
    widget.viewer.add_image(np.zeros((32, 40)), name="c")
    wait(qtbot, widget)
    assert [entry.name for entry in widget.session.dataset.entries] == ["a", "b"]
    assert [alone.name for alone in widget.model.dataset.alone] == ["c"]
    del widget.viewer.layers["a labels"]
    wait(qtbot, widget)
    assert [entry.name for entry in widget.session.dataset.entries] == ["b"]
    widget.viewer.layers.clear()
    wait(qtbot, widget)
    assert widget.session.dataset is None


def test_edits_survive_new_layers(qtbot: Any, widget: DatasetWidget) -> None:
    add_pair(widget.viewer, "a")
    widget.use_layers()
    wait(qtbot, widget)
    widget.model.change([0], group="mouse 7", split="training")
    add_pair(widget.viewer, "b")
    wait(qtbot, widget)
    entry = widget.session.dataset.entries[0]
    assert (entry.group, entry.split) == ("mouse 7", "training")


def test_labels_are_chosen_in_the_table(qtbot: Any, widget: DatasetWidget) -> None:
    for name in ("one", "two"):
        widget.viewer.add_image(np.zeros((8, 9)), name=name)
    for name in ("x", "y"):
        widget.viewer.add_labels(np.ones((8, 9), np.uint8), name=name)
    widget.use_layers()
    wait(qtbot, widget)
    assert widget.session.dataset is None
    widget.show()
    widget.pairs.table.select([0])
    edit(widget, Column.MASK, "y")
    wait(qtbot, widget)
    assert [(e.image.name, e.mask.name, e.reason) for e in widget.session.dataset.entries] == [
        ("one", "y", "chosen by you"),
        ("two", "x", "the only labels of this size"),
    ]
    widget.pairs.table.select([1])
    edit(widget, Column.MASK, "–")
    wait(qtbot, widget)
    assert [alone.name for alone in widget.model.dataset.alone] == ["two"]


def test_strokes_are_said_plainly_and_set_in_the_recipe(
    qtbot: Any, widget: DatasetWidget, make: Callable[..., DatasetWidget]
) -> None:
    assert widget.masks.complete.isChecked()
    widget.masks.strokes.click()
    target = widget.session.recipe.target
    assert (target.ignore, target.background) == (0, 1)
    widget.session.begin_with("left-ventricle")
    assert widget.masks.strokes.isChecked() == widget.session.recipe.target.sparse
    widget.masks.complete.click()
    assert widget.session.recipe.target.ignore is None
    widget.masks.strokes.click()
    assert recall("dataset")["strokes"] is True
    assert make().masks.strokes.isChecked()


def test_layers_that_come_by_themselves_do_not_cost_the_plan(qtbot: Any, widget: DatasetWidget) -> None:
    for name in "ab":
        add_pair(widget.viewer, name)
    widget.use_layers()
    wait(qtbot, widget)
    dataset = widget.session.dataset
    add_layer(widget.viewer, Image(np.zeros((20, 30)), "YX"), name="prediction")
    wait(qtbot, widget)
    assert widget.session.dataset is dataset
    widget.viewer.layers["a"].name = "another"
    wait(qtbot, widget)
    assert [entry.name for entry in widget.session.dataset.entries] == ["another", "b"]


def test_masks_that_look_like_strokes_are_pointed_out(qtbot: Any, widget: DatasetWidget) -> None:
    add_pair(widget.viewer, "a")
    widget.viewer.layers["a labels"].data[0, :3] = 2
    widget.use_layers()
    wait(qtbot, widget)
    assert not widget.masks.hint.isHidden()
    assert widget.masks.complete.isChecked()
    widget.masks.strokes.click()
    assert widget.masks.hint.isHidden()


@pytest.mark.parametrize("sparse", [False, True])
def test_a_new_labels_layer_lies_on_its_image_and_is_ready_to_paint(
    qtbot: Any, widget: DatasetWidget, sparse: bool
) -> None:
    place = {"scale": (3, 0.5, 0.25), "translate": (1, 2, 3), "rotate": 30, "units": ("um",) * 3}
    image = widget.viewer.add_image(np.zeros((4, 40, 60)), name="stack", axis_labels=("z", "y", "x"), **place)
    widget.use_layers()
    wait(qtbot, widget)
    if sparse:
        widget.masks.strokes.click()
    widget.pairs.table.select([0])
    widget.annotate()
    wait(qtbot, widget)
    labels = widget.viewer.layers[-1]
    assert (labels.name, labels.data.shape, labels.mode) == ("stack labels", (4, 40, 60), "paint")
    for index in ((0, 0, 0), (3, 39, 59)):
        np.testing.assert_allclose(labels.data_to_world(index), image.data_to_world(index))
    assert labels.units == image.units
    assert ("label 1 on background" in widget.status.text()) == sparse
    assert "nothing is painted" in widget.model.dataset.entries[0].problems[0]
    labels.paint((1, 20, 20), 1)
    wait(qtbot, widget)
    assert widget.session.dataset.chosen[0].mask == labels


def test_images_of_a_folder_are_painted_and_trained_with_the_others(
    qtbot: Any, widget: DatasetWidget, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("SAMPLE-A_0003.dcm", "SAMPLE-A_0003.png", "SAMPLE-C_0003.dcm"):
        shutil.copy(HEART / name, folder)
    opened(qtbot, widget, folder)
    widget.pairs.table.select([1])
    widget.annotate()
    wait(qtbot, widget)
    labels = widget.viewer.layers["SAMPLE-C_0003.dcm labels"]
    labels.paint((60, 60), 1)
    wait(qtbot, widget)
    assert [entry.name for entry in widget.session.dataset.chosen] == [
        "SAMPLE-A_0003.dcm",
        "SAMPLE-C_0003.dcm",
    ]
    table = widget.session.dataset.write(tmp_path / "run")
    pairs = find_pairs(table).usable()
    assert len(pairs) == 2
    assert pairs[1].group.startswith("patient-")
    del widget.viewer.layers[labels.name]
    wait(qtbot, widget)
    assert [entry.name for entry in widget.session.dataset.chosen] == ["SAMPLE-A_0003.dcm"]
    assert "were removed from the viewer" in widget.model.dataset.alone[0].why


def test_annotating_needs_a_selected_image(qtbot: Any, widget: DatasetWidget) -> None:
    widget.annotate()
    assert widget.status.text() == "Select an image in the table first."
    opened(qtbot, widget)
    widget.pairs.table.select([0])
    widget.annotate()
    assert "has a mask already" in widget.status.text()


def test_slices_become_pairs_and_whole_stacks_again(qtbot: Any, widget: DatasetWidget) -> None:
    labels = np.zeros((3, 20, 20), np.uint8)
    labels[:2, 5:9, 5:9] = 1
    widget.viewer.add_image(np.random.default_rng(0).random((3, 20, 20)), name="stack")
    widget.viewer.add_labels(labels, name="stack labels")
    widget.use_layers()
    wait(qtbot, widget)
    assert "nothing can validate" in widget.pairs.counts.text()
    assert not widget.pairs.frames.isHidden()
    widget.pairs.frames.click()
    wait(qtbot, widget)
    assert [entry.use for entry in widget.session.dataset.entries] == [True, True, False]
    assert "1 train, 1 validate" in widget.pairs.counts.text()
    widget.viewer.layers["stack labels"].paint((2, 10, 10), 1)
    wait(qtbot, widget)
    assert [entry.use for entry in widget.session.dataset.entries] == [True] * 3
    widget.pairs.frames.click()
    wait(qtbot, widget)
    assert [entry.name for entry in widget.session.dataset.entries] == ["stack"]


def test_the_check_says_ready_and_plans(qtbot: Any, widget: DatasetWidget) -> None:
    opened(qtbot, widget)
    assert widget.session.plan is None
    widget.check()
    wait(qtbot, widget)
    assert widget.findings.text().startswith("✓ Ready: ")
    assert widget.session.plan is not None
    assert widget.session.recipe.name == "auto"


def test_the_check_says_what_training_would_refuse(qtbot: Any, widget: DatasetWidget) -> None:
    add_pair(widget.viewer, "a & <b>")
    widget.use_layers()
    wait(qtbot, widget)
    widget.session.begin_with("left-ventricle", TINY)
    widget.check()
    wait(qtbot, widget)
    assert "✗ all 1 images belong to the group 'a & <b>'" in widget.findings.text()
    assert widget.findings.textFormat() == Qt.TextFormat.PlainText
    widget.model.change([0], use=True)
    assert widget.findings.isHidden()


def test_what_was_edited_during_a_check_is_not_judged_by_it(qtbot: Any, widget: DatasetWidget) -> None:
    opened(qtbot, widget)
    widget.check()
    widget.model.change([0], use=False)
    wait(qtbot, widget)
    assert widget.findings.isHidden()


def test_edits_during_a_look_at_the_layers_count(qtbot: Any, widget: DatasetWidget) -> None:
    add_pair(widget.viewer, "a")
    add_pair(widget.viewer, "b")
    widget.use_layers()
    wait(qtbot, widget)
    widget.use_layers()
    widget.model.change([1], group="mine", split="validation", use=False)
    wait(qtbot, widget)
    entry = widget.model.dataset.entries[1]
    assert (entry.group, entry.split, entry.use) == ("mine", "validation", False)


def test_new_layers_wait_for_a_check_to_end(qtbot: Any, widget: DatasetWidget) -> None:
    add_pair(widget.viewer, "a")
    add_pair(widget.viewer, "b")
    widget.use_layers()
    wait(qtbot, widget)
    widget.check()
    job = widget.job
    with qtbot.waitSignal(job.done, timeout=20000):
        add_pair(widget.viewer, "c")
        widget._timer.start(0)
    wait(qtbot, widget)
    assert [entry.name for entry in widget.session.dataset.entries] == ["a", "b", "c"]


def test_opening_a_slice_goes_there(qtbot: Any, widget: DatasetWidget) -> None:
    labels = np.ones((5, 20, 20), np.uint8)
    widget.viewer.add_image(np.zeros((2, 5, 20, 20)), name="longer", scale=(1, 3, 1, 1))
    widget.viewer.add_image(np.zeros((5, 20, 20)), name="stack", scale=(3, 1, 1))
    widget.viewer.add_labels(labels, name="stack labels", scale=(3, 1, 1), visible=False)
    widget.use_layers()
    wait(qtbot, widget)
    widget.pairs.frames.click()
    wait(qtbot, widget)
    widget.open_pair(2)
    assert widget.viewer.layers.selection.active.name == "stack labels"
    assert widget.viewer.layers["stack labels"].visible
    assert widget.viewer.dims.point[1] == 6


def test_a_table_is_saved_and_opens_again(
    qtbot: Any, widget: DatasetWidget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(qtbot, widget)
    widget.model.change([0], group="mine", split="test")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine"), ""))
    widget.save_button.click()
    wait(qtbot, widget)
    assert "Saved" in widget.status.text()
    opened(qtbot, widget, tmp_path / "mine.csv")
    entry = widget.session.dataset.entries[0]
    assert (entry.group, entry.split) == ("mine", "test")


def test_the_last_folder_is_remembered_but_not_read(qtbot: Any, make: Callable[..., DatasetWidget]) -> None:
    opened(qtbot, make())
    Session._of_viewer.clear()
    again = make()
    assert again.source.path.text() == str(HEART)
    assert again.job is None
    assert again.session.dataset is None


def test_a_dataset_of_another_widget_is_shown(qtbot: Any, make: Callable[..., DatasetWidget]) -> None:
    first, second = make(), make()
    opened(qtbot, first)
    assert second.model.dataset is first.model.dataset
    assert make().model.dataset is first.model.dataset


def test_a_closed_widget_ends_its_work(qtbot: Any, widget: DatasetWidget) -> None:
    widget.open(HEART)
    widget.close()
    qtbot.waitUntil(lambda: not widget.job.running, timeout=5000)
    widget.viewer.add_image(np.zeros((4, 4)))
    assert not widget._timer.isActive()
    assert widget.session.dataset is None


def test_importing_the_widget_imports_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys, unetscope._napari.dataset.widget;"
        "print([m for m in ('torch', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_in_a_real_viewer_nothing_stalls_while_many_files_are_read(
    qtbot: Any, viewer: Any, real_data: Path
) -> None:
    _, widget = viewer.window.add_plugin_dock_widget("unetscope", "1 Dataset")
    beats = [time.monotonic()]
    timer = QTimer()
    timer.timeout.connect(lambda: beats.append(time.monotonic()))
    timer.start(5)
    opened(qtbot, widget, real_data / "nuclei" / "train")
    timer.stop()
    assert len(Session.of(viewer).dataset.chosen) > 100
    # Reading takes seconds; this is generous, because other programs run beside the tests.
    assert np.median(np.diff(beats)) < 0.1
    widget.open_pair(0)
    wait(qtbot, widget)
    assert len(viewer.layers) == 2
    assert len(np.unique(viewer.screenshot(flash=False))) > 10
    assert widget.width() <= 420
