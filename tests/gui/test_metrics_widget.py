from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from unetscope import api
from unetscope._napari.commands import next_image, previous_image, toggle_overlay
from unetscope._napari.layers.layer import add_layer
from unetscope._napari.metrics import scores as scores_module
from unetscope._napari.metrics.layers import CaseLayers
from unetscope._napari.metrics.scores import Case, FolderScores, LayerPair, LayerScores, RunScores
from unetscope._napari.metrics.sources import MaskMeaning
from unetscope._napari.metrics.table import ScoreTable
from unetscope._napari.metrics.widget import MetricsWidget
from unetscope._napari.predict.predicted import KEY
from unetscope._napari.session import Session
from unetscope.errors import InputError
from unetscope.evaluation import Report, score_image
from unetscope.evaluation.object_overlay import OBJECT_OUTCOMES
from unetscope.evaluation.overlay import OUTCOMES, rgb
from unetscope.evaluation.report import show_value
from unetscope.folders import compare_run, write_report
from unetscope.io import Image, write_mask
from unetscope.recipe.recipe import Target

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
TINY = {"training.epochs": 1, "training.samples": 4, "network.width": 2, "network.depth": 1}
CLASSES = Target(kind="multiclass")
CLASS_WORDS = "Classes: each value is one"


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on four slices of two hearts, so that two are for validation; do not write there."""
    top = tmp_path_factory.mktemp("metrics")
    (top / "slices").mkdir()
    for name in ("SAMPLE-A_0003", "SAMPLE-A_0004", "SAMPLE-C_0003", "SAMPLE-C_0004"):
        for suffix in (".dcm", ".png"):
            shutil.copy(SAMPLES / "heart" / "training" / (name + suffix), top / "slices")
    return api.train(top / "slices", top / "hearts", settings=TINY, device="cpu").path


@pytest.fixture
def widget(qtbot: Any, viewer_model: Any) -> MetricsWidget:
    return opened(qtbot, viewer_model)


def opened(qtbot: Any, viewer: Any) -> MetricsWidget:
    widget = MetricsWidget(viewer)
    qtbot.addWidget(widget)
    return widget


def report_of(**dice: tuple[int, int]) -> Report:
    """Images with an object of 10 pixels, of which so many are found and so many invented."""
    columns = np.arange(40)[np.newaxis]
    return Report(
        tuple(
            score_image(name, columns < 10, (columns < found) | ((columns >= 20) & (columns < 20 + more)))
            for name, (found, more) in dice.items()
        )
    )


def column(table: ScoreTable, title: str) -> list[str]:
    model = table.sorted
    titles = [model.headerData(i, Qt.Orientation.Horizontal) for i in range(model.columnCount())]
    place = titles.index(title)
    return [model.index(row, place).data() for row in range(model.rowCount())]


def looked_at(qtbot: Any, widget: MetricsWidget, index: int) -> None:
    name = widget.scores.report.scores[index].name
    widget.table.choose(index)
    qtbot.waitUntil(lambda: widget.status.text().startswith(f"Shown: {name}"), timeout=20_000)


# --- the table ---


@pytest.fixture
def table(qtbot: Any) -> ScoreTable:
    table = ScoreTable()
    qtbot.addWidget(table)
    table.show_report(report_of(i2=(10, 0), i10=(5, 0), i1=(0, 0), i3=(9, 9)))
    return table


def test_numbers_are_sorted_as_numbers_and_undefined_ones_come_last(table: ScoreTable) -> None:
    distance = table.sorted.columnCount() - 2
    for order in Qt.SortOrder:
        table.view.sortByColumn(distance, order)
        distances = column(table, "HD95 (pixel)")
        assert distances[-1] == "-"
        values = [float(text) for text in distances[:-1]]
        assert values == sorted(values, reverse=order == Qt.SortOrder.DescendingOrder)


def test_names_are_sorted_as_people_count(table: ScoreTable) -> None:
    assert column(table, "Image") == ["i2", "i10", "i1", "i3"]
    table.view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    assert column(table, "Image") == ["i1", "i2", "i3", "i10"]


def test_mean_and_std_stay_below_whatever_the_order(table: ScoreTable) -> None:
    report = table.report
    expected = "\n± ".join(show_value("dice", values["dice"]) for values in (report.mean, report.std))
    for order in Qt.SortOrder:
        table.view.sortByColumn(1, order)
        assert table.summary.item(0, 1).text() == expected
        assert table.sorted.rowCount() == report.n


def test_best_median_and_worst_are_those_of_the_report(table: ScoreTable, qtbot: Any) -> None:
    table.view.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    for choose, score in (
        (table.choose_best, table.report.best()),
        (table.choose_median, table.report.median()),
        (table.choose_worst, table.report.worst()),
    ):
        choose()
        assert table.report.scores[table.current] is score


def test_the_keyboard_walks_through_the_images(table: ScoreTable, qtbot: Any) -> None:
    table.show()
    table.view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
    walked: list[str] = []
    table.chosen.connect(lambda index: walked.append(table.report.scores[index].name))
    table.view.setFocus()
    for key in (Qt.Key.Key_B, Qt.Key.Key_Up, Qt.Key.Key_W, Qt.Key.Key_M, Qt.Key.Key_Down):
        qtbot.keyClick(table.view, key)
    assert walked == ["i2", "i1", "i1", "i3", "i10"]


def test_another_report_is_shown_in_its_own_order(table: ScoreTable) -> None:
    table.view.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    table.show_report(report_of(b=(3, 0), a=(9, 0)))
    assert column(table, "Image") == ["b", "a"]
    assert table.current is None


def test_columns_have_units_and_explain_themselves(table: ScoreTable) -> None:
    model = table.sorted
    tip = Qt.ItemDataRole.ToolTipRole
    assert all(model.headerData(i, Qt.Orientation.Horizontal, tip) for i in range(model.columnCount()))
    assert "F1" not in [model.headerData(i, Qt.Orientation.Horizontal) for i in range(model.columnCount())]


# --- a run ---


def test_a_run_shows_the_scores_that_training_wrote(widget: MetricsWidget, run: Path) -> None:
    widget.show_run(run)
    report = compare_run(run).report
    assert column(widget.table, "Dice") == [show_value("dice", score.dice) for score in report.scores]
    assert f"over {report.n} validation images of run hearts (population std)" in widget.over.text()
    assert "measure test images" in widget.over.text()


def test_a_row_shows_image_truth_prediction_and_outcomes(
    widget: MetricsWidget, run: Path, viewer_model: Any, qtbot: Any
) -> None:
    user = viewer_model.add_labels(np.ones((4, 4), int), name="mine")
    widget.show_run(run)
    looked_at(qtbot, widget, 0)
    comparison = compare_run(run)
    name = comparison.names[0]
    expected = {
        "image": comparison.images[0],
        "truth": comparison.truth[0],
        "prediction": comparison.predicted[0],
        "outcome": api.outcomes(comparison.truth[0], comparison.predicted[0], target=comparison.target),
    }
    for role, image in expected.items():
        layer = viewer_model.layers[f"{name} {role}"]
        np.testing.assert_array_equal(layer.data, image.data)
        assert tuple(layer.scale) == image.spacing
        assert {str(unit) for unit in layer.units} == {"millimeter"}
    assert viewer_model.layers["mine"] is user
    assert (user.data == 1).all()


def test_the_next_row_takes_the_place_of_the_last(
    widget: MetricsWidget, run: Path, viewer_model: Any, qtbot: Any
) -> None:
    widget.show_run(run)
    looked_at(qtbot, widget, 0)
    viewer_model.layers[0].visible = False
    viewer_model.layers[1].visible = True
    looked_at(qtbot, widget, 1)
    name = widget.scores.report.scores[1].name
    roles = ["image", "truth", "prediction", "outcome"]
    assert [layer.name for layer in viewer_model.layers] == [f"{name} {role}" for role in roles]
    assert [layer.visible for layer in viewer_model.layers] == [False, True, False, True]


def test_a_removed_layer_is_no_problem_and_outcomes_can_be_hidden(
    widget: MetricsWidget, run: Path, viewer_model: Any, qtbot: Any
) -> None:
    widget.show_run(run)
    looked_at(qtbot, widget, 0)
    del viewer_model.layers[2]
    looked_at(qtbot, widget, 1)
    widget.toggle_outcomes()
    assert [layer.visible for layer in viewer_model.layers] == [True, False, False, False]


def test_a_corrected_truth_belongs_to_the_user(
    widget: MetricsWidget, run: Path, viewer_model: Any, qtbot: Any
) -> None:
    widget.show_run(run)
    looked_at(qtbot, widget, 0)
    truth = viewer_model.layers[1]
    truth.paint((3, 3), 7)
    looked_at(qtbot, widget, 1)
    assert truth in viewer_model.layers
    assert truth.data[3, 3] == 7
    assert len(viewer_model.layers) == 5
    assert widget.layers_page.truth.itemText(0) == truth.name
    looked_at(qtbot, widget, 0)
    assert viewer_model.layers[-3].data[3, 3] == 0


def test_keys_of_the_viewer_walk_through_the_images(
    widget: MetricsWidget, run: Path, viewer_model: Any, qtbot: Any
) -> None:
    widget.show_run(run)
    for key, expected in ((next_image, 0), (next_image, 1), (previous_image, 0), (previous_image, 0)):
        key(viewer_model)
        assert widget.table.current == expected
    looked_at(qtbot, widget, 1)
    toggle_overlay(viewer_model)
    assert not viewer_model.layers[-1].visible


def test_who_walks_fast_waits_for_the_last_image_only(
    widget: MetricsWidget, run: Path, viewer_model: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    original = RunScores.case

    def case(self: RunScores, index: int, told: Callable[[float], None]) -> Case:
        asked.append(index)
        return original(self, index, told)

    monkeypatch.setattr(RunScores, "case", case)
    widget.show_run(run)
    last = widget.scores.report.n - 1
    for index in range(last):
        widget.table.choose(index)
    looked_at(qtbot, widget, last)
    assert asked == [last]


def test_images_that_were_looked_at_lately_are_kept(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = scores_module.image_of_run
    monkeypatch.setattr(
        scores_module, "image_of_run", lambda run, name: read.append(name) or original(run, name)
    )
    monkeypatch.setattr(scores_module, "_KEPT", 2)
    scores = RunScores.of(run, "validation", lambda part: None)
    for index in (0, 1, 0, 1, 0):
        scores.case(index, lambda part: None)
    assert len(read) == 2


def test_a_run_that_was_not_scored_is_scored(
    run: Path, tmp_path: Path, widget: MetricsWidget, qtbot: Any
) -> None:
    copy = shutil.copytree(run, tmp_path / "killed")
    (copy / "metrics.json").write_text('{"epoch": 1}')
    widget.show_run(copy)
    assert "no scores yet" in widget.status.text()
    assert widget.scores is None
    widget.run_page.open(copy)
    qtbot.waitUntil(lambda: widget.scores is not None, timeout=20_000)
    assert widget.scores.report == compare_run(run).report


def test_other_images_of_a_run_can_be_scored(widget: MetricsWidget, run: Path, qtbot: Any) -> None:
    widget.show_run(run)
    role = widget.run_page.role
    role.setCurrentIndex(role.findData("training"))
    role.activated.emit(role.currentIndex())
    qtbot.waitUntil(lambda: "training images" in widget.over.text(), timeout=20_000)
    assert "say nothing about new images" in widget.over.text()
    assert role.findData("test") == -1


def test_the_run_of_the_session_is_followed(widget: MetricsWidget, run: Path, viewer_model: Any) -> None:
    session = Session.of(viewer_model)
    session.run = run
    assert widget.scores.name == "hearts"


def test_who_looks_at_something_else_is_not_interrupted(
    widget: MetricsWidget, run: Path, viewer_model: Any
) -> None:
    widget.source.setCurrentText("Layers in the viewer")
    Session.of(viewer_model).run = run
    assert widget.scores is None
    assert widget.run_page.run == run


def test_what_is_no_run_is_said(widget: MetricsWidget, tmp_path: Path) -> None:
    for show in (widget.run_page.open, widget.show_run):
        show(tmp_path)
        assert "is not a run folder" in widget.status.text()
    assert widget.scores is None


def test_a_run_without_validation_says_so(
    widget: MetricsWidget, run: Path, tmp_path: Path, qtbot: Any
) -> None:
    copy = shutil.copytree(run, tmp_path / "all")
    (copy / "data.json").write_text((copy / "data.json").read_text().replace("validation", "test"))
    widget.show_run(copy)
    assert "kept no images for validation" in widget.status.text()
    role = widget.run_page.role
    role.setCurrentIndex(role.findData("test"))
    role.activated.emit(role.currentIndex())
    qtbot.waitUntil(lambda: widget.scores is not None, timeout=20_000)
    assert "2 test images of run all (population std). They took no part in training." in widget.over.text()


def test_an_image_that_is_gone_is_said_and_the_table_stays(
    widget: MetricsWidget, run: Path, tmp_path: Path, qtbot: Any, viewer_model: Any
) -> None:
    copy = shutil.copytree(run, tmp_path / "moved")
    data = (copy / "data.json").read_text().replace("slices", "elsewhere")
    (copy / "data.json").write_text(data)
    widget.show_run(copy)
    widget.table.choose_best()
    qtbot.waitUntil(lambda: "elsewhere" in widget.status.text(), timeout=20_000)
    assert widget.table.sorted.rowCount() == widget.scores.report.n
    assert len(viewer_model.layers) == 0


# --- layers ---


def labels_layer(viewer: Any, data: np.ndarray, name: str, **place: Any) -> Any:
    return viewer.add_labels(data, name=name, **place)


@pytest.fixture
def volumes() -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction of a volume; most is wrong in the third of four slices."""
    truth = np.zeros((4, 8, 9), np.uint8)
    truth[1:, 2:6, 2:6] = 1
    predicted = truth.copy()
    predicted[2, 2:6, 2:5] = 0
    predicted[1, 0, 0] = 1
    return truth, predicted


def measured(qtbot: Any, widget: MetricsWidget, predicted: str, truth: str) -> None:
    page = widget.layers_page
    page.predicted.setCurrentText(predicted)
    page.truth.setCurrentText(truth)
    before = widget.scores
    page.measure_button.click()
    qtbot.waitUntil(lambda: widget.scores is not before, timeout=5000)


def test_layers_are_scored_where_they_lie(
    widget: MetricsWidget, viewer_model: Any, volumes: Any, qtbot: Any
) -> None:
    truth, predicted = volumes
    place = {"scale": (5, 0.5, 0.25), "translate": (100, 2, 3), "units": ("µm",) * 3, "rotate": (0, 0, 20)}
    labels_layer(viewer_model, truth, "truth", **place)
    labels_layer(viewer_model, predicted, "result", **place)
    measured(qtbot, widget, "result", "truth")
    assert column(widget.table, "Image") == ["result"]
    tp, fp, fn = 36, 1, 12
    assert widget.scores.report.mean["dice"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    looked_at(qtbot, widget, 0)
    assert len(viewer_model.layers) == 3
    outcome = viewer_model.layers["result outcome"]
    assert [np.count_nonzero(outcome.data == value) for value in (1, 2, 3)] == [tp, fp, fn]
    for corner in np.ndindex(2, 2, 2):
        np.testing.assert_allclose(
            outcome.data_to_world(corner), viewer_model.layers["result"].data_to_world(corner)
        )
    assert viewer_model.dims.current_step[0] == 2
    assert "slice 3" in widget.status.text()


def test_time_points_are_rows_and_a_row_goes_there(
    widget: MetricsWidget, viewer_model: Any, qtbot: Any
) -> None:
    truth = np.zeros((3, 8, 8), np.uint8)
    truth[:, 2:5, 2:5] = 1
    labels = {"axis_labels": ("t", "y", "x"), "scale": (2, 1, 1)}
    labels_layer(viewer_model, truth, "truth", **labels)
    labels_layer(viewer_model, truth, "result", **labels)
    measured(qtbot, widget, "result", "truth")
    assert column(widget.table, "Image") == [f"result, time {i}" for i in (1, 2, 3)]
    looked_at(qtbot, widget, 1)
    assert viewer_model.dims.current_step[0] == 1
    looked_at(qtbot, widget, 2)
    assert viewer_model.dims.current_step[0] == 2
    assert len(viewer_model.layers) == 3


def test_several_predictions_share_a_table(
    widget: MetricsWidget, viewer_model: Any, volumes: Any, qtbot: Any
) -> None:
    truth, predicted = volumes
    for name, data in (("truth", truth), ("one", predicted), ("two", truth)):
        labels_layer(viewer_model, data, name)
    measured(qtbot, widget, "one", "truth")
    widget.layers_page.predicted.setCurrentText("two")
    widget.layers_page.add_button.click()
    qtbot.waitUntil(lambda: widget.scores.report.n == 2, timeout=5000)
    assert column(widget.table, "Image") == ["one", "two"]
    assert column(widget.table, "Dice")[1] == "1.0000"
    del viewer_model.layers["truth"]
    assert not widget.layers_page.add_button.isEnabled()


def test_layers_come_and_go_in_the_choosers(widget: MetricsWidget, viewer_model: Any, qtbot: Any) -> None:
    page = widget.layers_page
    assert not page.measure_button.isEnabled()
    labels_layer(viewer_model, np.ones((4, 4), int), "a")
    layer = labels_layer(viewer_model, np.ones((4, 4), int), "b")
    viewer_model.add_image(np.ones((4, 4)), name="no labels")
    layer.name = "renamed"
    assert [page.truth.itemText(i) for i in range(page.truth.count())] == ["a", "renamed"]
    measured(qtbot, widget, "a", "renamed")
    looked_at(qtbot, widget, 0)
    assert page.truth.count() == 2
    page.truth.setCurrentText("a")
    page.measure_button.click()
    assert "as prediction and as truth" in widget.status.text()


def test_a_new_prediction_is_what_is_measured_next(widget: MetricsWidget, viewer_model: Any) -> None:
    from unetscope._napari.predict.predicted import KEY

    page = widget.layers_page
    for name in ("a labels", "b labels"):
        labels_layer(viewer_model, np.ones((4, 4), int), name)
    viewer_model.add_image(np.ones((4, 4)), name="b")
    page.predicted.setCurrentText("a labels")
    viewer_model.add_labels(np.ones((4, 4), int), name="b prediction", metadata={KEY: {"image": "b"}})
    assert page.predicted.currentText() == "b prediction"
    assert page.truth.currentText() == "b labels"


def test_what_masks_hold_decides_the_scores(viewer_model: Any) -> None:
    truth = labels_layer(viewer_model, np.array([[0, 1, 2, 2, 0, 0]]), "truth")
    predicted = labels_layer(viewer_model, np.array([[7, 7, 9, 9, 9, 0]]), "result")
    pair = LayerPair.of(predicted, truth, viewer_model.layers)
    objects = LayerScores([pair], Target(kind="instances")).report
    assert objects.values["object_f1"] == [1.0]
    strokes = LayerScores([pair], Target(ignore=0, background=1)).report
    assert {counts.total for counts in strokes.scores[0].counts.values()} == {3}


def test_a_truth_without_labels_is_refused(viewer_model: Any) -> None:
    layer = labels_layer(viewer_model, np.zeros((4, 4), int), "empty")
    with pytest.raises(InputError, match="nothing is labeled"):
        LayerScores([LayerPair.of(layer, layer, viewer_model.layers)], Target(ignore=0, background=1))


def test_a_report_shows_the_image_that_was_segmented(viewer_model: Any, volumes: Any, tmp_path: Path) -> None:
    viewer_model.add_image(volumes[0] * 9, name="stack")
    truth = labels_layer(viewer_model, volumes[0], "truth")
    predicted = labels_layer(viewer_model, volumes[1], "result", metadata={KEY: {"image": "stack"}})
    scores = LayerScores([LayerPair.of(predicted, truth, viewer_model.layers)], CLASSES)
    write_report(scores.comparison(lambda part: None), tmp_path / "report")
    assert (tmp_path / "report" / "cases.png").exists()


def test_the_meaning_of_masks_follows_the_recipe(widget: MetricsWidget, viewer_model: Any) -> None:
    session = Session.of(viewer_model)
    session.change({"target.kind": "instances"})
    assert widget.layers_page.meaning.target.kind == "instances"
    session.change({"target.kind": "binary", "target.ignore": 0, "target.background": 1})
    assert widget.folders_page.meaning.target.sparse
    assert MaskMeaning().target == CLASSES


@pytest.fixture
def cells() -> tuple[np.ndarray, np.ndarray]:
    """Six true objects: one found, two merged, one split, one missed, one found; and one that is false."""
    truth, predicted = np.zeros((12, 30), np.uint16), np.zeros((12, 30), np.uint16)
    truth[1:5, 1:5], truth[1:5, 8:12], truth[1:5, 12:16] = 1, 2, 3
    truth[1:5, 20:28], truth[7:11, 1:5], truth[7:11, 8:12] = 4, 5, 6
    predicted[1:5, 1:5], predicted[1:5, 8:16] = 11, 12
    predicted[1:5, 20:24], predicted[1:5, 24:28] = 13, 14
    predicted[7:11, 8:12], predicted[7:11, 20:24] = 15, 16
    return truth, predicted


def test_objects_are_shown_by_what_became_of_them(
    widget: MetricsWidget, viewer_model: Any, cells: Any, qtbot: Any
) -> None:
    labels_layer(viewer_model, cells[0], "truth")
    labels_layer(viewer_model, cells[1], "result")
    widget.layers_page.meaning.setCurrentText("Objects: each value is one object")
    measured(qtbot, widget, "result", "truth")
    expected = {"Object F1": "0.6667", "AP50": "0.5000", "Objects": "6", "Merges": "1", "Splits": "1"}
    assert {title: column(widget.table, title)[0] for title in expected} == expected
    titles = [
        widget.table.sorted.headerData(i, Qt.Orientation.Horizontal)
        for i in range(widget.table.sorted.columnCount())
    ]
    assert titles[:6] == ["Image", "Dice", "Object F1", "AP50", "AP75", "Mean AP"]
    assert not {"IoU", "Precision", "HD95 (pixel)"} & set(titles)
    looked_at(qtbot, widget, 0)
    outcome = viewer_model.layers["result outcome"]
    places = {"found": (2, 2), "merged": (2, 9), "split": (2, 21), "missed": (8, 2), "false": (8, 21)}
    for name, place in places.items():
        value = int(outcome.data[place])
        assert list(OBJECT_OUTCOMES)[value - 1] == name
        assert outcome.colormap.map(value) == pytest.approx([*rgb(OBJECT_OUTCOMES[name]), 1], abs=1e-2)
    assert words_of(widget) == list(OBJECT_OUTCOMES)


def test_the_legend_and_the_colors_follow_what_is_measured(
    widget: MetricsWidget, viewer_model: Any, cells: Any, qtbot: Any
) -> None:
    labels_layer(viewer_model, cells[0], "truth")
    labels_layer(viewer_model, cells[1], "result")
    meaning = widget.layers_page.meaning
    for words, colors in (("Objects: each value is one object", OBJECT_OUTCOMES), (CLASS_WORDS, OUTCOMES)):
        meaning.setCurrentText(words)
        measured(qtbot, widget, "result", "truth")
        looked_at(qtbot, widget, 0)
        layer = viewer_model.layers["result outcome"]
        for value, color in enumerate(colors.values(), start=1):
            assert layer.colormap.map(value) == pytest.approx([*rgb(color), 1], abs=1e-2)
        assert len(viewer_model.layers) == 3
        assert len(words_of(widget)) == len(colors)


def words_of(widget: MetricsWidget) -> list[str]:
    """The words of the legend."""
    row = widget.legend.layout()
    labels = [row.itemAt(i).widget() for i in range(row.count())]
    return [label.text() for label in labels if label is not None and label.text()]


# --- folders ---


@pytest.fixture
def folders(tmp_path: Path, volumes: Any) -> tuple[Path, Path]:
    for folder, data in zip(("truth", "predicted"), volumes, strict=True):
        (tmp_path / folder).mkdir()
        write_mask(tmp_path / folder / "a.tif", Image(data, "ZYX", spacing=(3, 1, 1), units="mm"))
    return tmp_path / "predicted", tmp_path / "truth"


def test_folders_are_scored_and_shown(
    widget: MetricsWidget, folders: tuple[Path, Path], viewer_model: Any, qtbot: Any
) -> None:
    page = widget.folders_page
    page.measure_button.click()
    assert "Choose both folders" in widget.status.text()
    page.predicted.setText(str(folders[0]))
    page.truth.setText(str(folders[1]))
    page.measure_button.click()
    qtbot.waitUntil(lambda: widget.scores is not None, timeout=5000)
    assert "over 1 image of predicted" in widget.over.text()
    looked_at(qtbot, widget, 0)
    assert [layer.name for layer in viewer_model.layers] == [
        f"a.tif {r}" for r in ("truth", "prediction", "outcome")
    ]
    assert viewer_model.dims.current_step[0] == 2
    assert viewer_model.layers[0].scale[0] == 3


def test_images_of_other_sizes_and_spacing_lie_in_their_own_places(viewer_model: Any) -> None:
    layers = CaseLayers(viewer_model)
    grids = [
        {
            "data": np.eye(8, dtype=np.uint8),
            "axes": "YX",
            "spacing": (0.5, 0.25),
            "origin": (9, 8),
            "units": "mm",
        },
        {
            "data": np.ones((6, 4), np.uint8),
            "axes": "YX",
            "spacing": (2, 3),
            "origin": (1, -2),
            "units": "mm",
        },
        {"data": np.ones((6, 4), np.uint8), "axes": "YX"},
        {"data": np.ones((2, 6, 4), np.uint8), "axes": "ZYX", "spacing": (5, 2, 3), "units": "µm"},
    ]
    for place in (0, 1, 0, 2, 3, 1):
        labels = Image(**grids[place])
        image = labels.with_data(labels.data * float(place + 7))
        layers.show(Case(f"case {place}", image, labels, labels, labels, {}, OUTCOMES))
        fresh = type(viewer_model)()
        for role, one in (("image", image), ("truth", labels), ("prediction", labels), ("outcome", labels)):
            shown = viewer_model.layers[f"case {place} {role}"]
            kind = "image" if role == "image" else "labels"
            expected = add_layer(fresh, one, kind=kind, name=role)
            np.testing.assert_array_equal(shown.data, expected.data)
            np.testing.assert_allclose(shown.extent.world, expected.extent.world)
            assert shown.units == expected.units
            if role == "image":
                assert shown.contrast_limits == expected.contrast_limits
        assert len(viewer_model.layers) == 4


def test_folders_that_do_not_fit_are_said(widget: MetricsWidget, folders: Any, qtbot: Any) -> None:
    page = widget.folders_page
    page.predicted.setText(str(folders[0]))
    page.truth.setText(str(folders[1].parent))
    page.measure_button.click()
    qtbot.waitUntil(lambda: "expected" in widget.status.text(), timeout=5000)
    assert widget.scores is None


# --- two runs, and files ---


def test_two_runs_are_compared_image_by_image(widget: MetricsWidget, run: Path, tmp_path: Path) -> None:
    widget.show_run(run)
    widget.compare_with(shutil.copytree(run, tmp_path / "hearts"))
    cells = widget.comparison.table
    n = widget.scores.report.n
    assert f"over {n} images that both have" in widget.comparison.text.text()
    dice = widget.scores.report.mean["dice"]
    assert cells.verticalHeaderItem(0).text() == "Dice"
    assert [cells.item(0, i).text().split("\n")[0] for i in range(3)] == [
        show_value("dice", dice),
        show_value("dice", dice),
        "0.0000",
    ]
    widget.comparison.leave_button.click()
    assert widget.other is None
    assert cells.rowCount() == 0


def test_reports_without_a_common_image_are_not_compared(
    widget: MetricsWidget, run: Path, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    comparison = FolderScores.of(*folders, CLASSES).comparison(lambda part: None)
    write_report(comparison, tmp_path / "report")
    widget.show_run(run)
    widget.compare_with(tmp_path / "report")
    assert "no image in common" in widget.status.text()
    assert widget.comparison.table.rowCount() == 0
    widget.compare_with(tmp_path)
    assert "there are no scores in" in widget.status.text()


def test_files_are_those_of_the_command_line(
    widget: MetricsWidget, run: Path, tmp_path: Path, qtbot: Any
) -> None:
    write_report(
        compare_run(run), tmp_path / "expected", history=RunScores.of(run, "validation", print).history
    )
    widget.show_run(run)
    export = widget.export_button
    for write, name in (
        (export.write_report, "report"),
        (export.write_csv, "table.csv"),
        (export.write_bars, "bars.svg"),
        (export.write_curves, "curves.png"),
    ):
        write(tmp_path / name)
        qtbot.waitUntil(lambda name=name: name in widget.status.text(), timeout=30_000)
    assert (tmp_path / "table.csv").read_text() == (tmp_path / "expected" / "scores.csv").read_text()
    assert "<svg" in (tmp_path / "bars.svg").read_text()
    names, expected = ({p.name for p in (tmp_path / f).iterdir()} for f in ("report", "expected"))
    assert names == expected
    for name in ("scores.csv", "scores.json", "report.md"):
        assert (tmp_path / "report" / name).read_bytes() == (tmp_path / "expected" / name).read_bytes()


def test_what_cannot_be_written_is_said(widget: MetricsWidget, run: Path, tmp_path: Path, qtbot: Any) -> None:
    widget.show_run(run)
    widget.export_button.write_bars(tmp_path / "bars.pdf")
    qtbot.waitUntil(lambda: "expected a name in .png or .svg" in widget.status.text(), timeout=10_000)


def test_the_source_survives_a_restart(widget: MetricsWidget, viewer_model: Any, qtbot: Any) -> None:
    widget.source.setCurrentText("Layers in the viewer")
    assert opened(qtbot, viewer_model).source.currentText() == "Layers in the viewer"


# --- in a real viewer ---


def test_the_main_path_in_a_viewer(plugin: Any, viewer: Any, run: Path, qtbot: Any) -> None:
    _, widget = viewer.window.add_plugin_dock_widget("unetscope", "5 Metrics")
    widget.show_run(run)
    assert widget.minimumSizeHint().width() <= 400
    looked_at(qtbot, widget, 0)
    assert len(viewer.layers) == 4
    # The keyboard still belongs to the table.
    qtbot.keyClick(widget.table.view, Qt.Key.Key_Down)
    name = widget.scores.report.scores[1].name
    qtbot.waitUntil(lambda: widget.status.text() == f"Shown: {name}", timeout=20_000)
    for tab in range(widget.tabs.count()):
        widget.tabs.setCurrentIndex(tab)
        assert widget.minimumSizeHint().width() <= 400


def test_closing_the_widget_ends_its_work(plugin: Any, viewer: Any, run: Path, qtbot: Any) -> None:
    dock, widget = viewer.window.add_plugin_dock_widget("unetscope", "5 Metrics")
    widget.show_run(run)
    widget.table.choose_worst()
    qtbot.waitUntil(lambda: widget._segmenting is not None, timeout=5000)
    job = widget._segmenting
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: not job.running, timeout=20_000)
    viewer.add_labels(np.ones((4, 4), int))
    assert len(viewer.layers) == 1
