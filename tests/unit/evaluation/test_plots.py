from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from unetscope.errors import InputError, OutputError
from unetscope.evaluation import ObjectCounts, Report, count_objects, score_image
from unetscope.evaluation.cases import CLASSES, panels_of
from unetscope.evaluation.object_overlay import OBJECT_OUTCOMES, object_outcomes
from unetscope.evaluation.overlay import OUTCOMES, overlay, rgb
from unetscope.evaluation.plots import Case, case_panels, save, score_bars, training_curves

HISTORY = [
    {
        "epoch": epoch,
        "train_loss": 1 / epoch,
        "val_loss": 1.1 / epoch,
        "train_dice": 1 - 0.9 / epoch,
        "val_dice": dice,
        "learning_rate": 1e-3,
    }
    for epoch, dice in enumerate([0.2, 0.6, 0.8, 0.7], start=1)
]


def drawn(figure):
    """Render the figure; layout problems are warnings, and warnings are errors."""
    assert isinstance(figure.canvas, FigureCanvasAgg)
    figure.canvas.draw()
    return figure


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def mask(*boxes, shape=(20, 30)):
    labels = np.zeros(shape, np.uint8)
    for value, box in boxes:
        labels[box] = value
    return labels


LEFT, RIGHT = np.s_[5:10, 2:12], np.s_[5:10, 7:17]


def test_curves_of_loss_and_dice():
    figure = drawn(training_curves(HISTORY))
    loss, dice = figure.axes
    assert (loss.get_ylabel(), dice.get_ylabel(), dice.get_xlabel()) == ("Loss", "Dice", "Epoch")
    assert dice.lines[1].get_ydata().tolist() == [0.2, 0.6, 0.8, 0.7]
    assert legend_of(figure) == ["training", "validation", "best epoch (3)"]


def test_without_validation_no_epoch_is_best_and_no_panel_is_empty():
    figure = drawn(training_curves([{"epoch": 1, "train_loss": 0.5, "val_loss": None, "val_dice": None}]))
    assert len(figure.axes) == 1
    assert legend_of(figure) == ["training"]
    assert figure.axes[0].lines[0].get_marker() == "o"


def test_lowest_validation_loss_is_best_without_dice():
    history = [{"epoch": epoch, "val_loss": loss} for epoch, loss in [(1, 0.5), (2, 0.3), (3, float("nan"))]]
    assert legend_of(training_curves(history)) == ["validation", "best epoch (2)"]


def test_validation_of_every_second_epoch_stays_visible():
    history = [
        {**record, "val_dice": record["val_dice"] if record["epoch"] % 2 else None} for record in HISTORY
    ]
    line = drawn(training_curves(history)).axes[1].lines[1]
    assert (line.get_xdata().tolist(), line.get_marker()) == ([1, 3], "o")


@pytest.mark.parametrize("history", [[], [{"epoch": 1}]])
def test_nothing_to_draw_is_an_error(history):
    with pytest.raises(InputError, match="neither loss nor Dice"):
        training_curves(history)


def test_bars_dots_and_whiskers():
    scores = [
        score_image(str(shift), mask((1, LEFT)), np.roll(mask((1, LEFT)), shift, 1)) for shift in (0, 3, 5)
    ]
    report = Report(tuple(scores))
    (axes,) = drawn(score_bars(report, ("dice", "mean_iou"))).axes
    assert [bar.get_height() for bar in axes.patches] == [report.mean["dice"], report.mean["mean_iou"]]
    assert axes.collections[0].get_offsets()[:, 1].tolist() == [each.dice for each in report.scores]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Dice", "Mean IoU"]
    assert "n = 3" in axes.get_title()


def test_bars_of_objects_where_they_were_matched():
    score = score_image("a", mask((1, LEFT)), mask((1, LEFT)))
    report = Report((replace(score, objects=ObjectCounts(1, 1, 0, 0.75)),))
    (axes,) = drawn(score_bars(report)).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Dice", "Object F1", "PQ"]
    assert [bar.get_height() for bar in axes.patches][-2:] == [pytest.approx(2 / 3), 0.5]
    whole = Report((replace(score, objects=count_objects(mask((1, LEFT)), mask((1, LEFT)))),))
    (axes,) = drawn(score_bars(whole)).axes
    titles = ["Dice", "Object F1", "AP50", "AP75", "Mean AP", "PQ", "AJI", "SEG"]
    assert [label.get_text() for label in axes.get_xticklabels()] == titles


@pytest.mark.parametrize("metrics", [(), ("dice", "hausdorff95")])
def test_bars_of_unknown_metrics_are_refused(metrics):
    report = Report((score_image("a", mask((1, LEFT)), mask((1, LEFT))),))
    with pytest.raises(InputError, match="expected some of precision"):
        score_bars(report, metrics)


def test_overlay_colors_every_outcome():
    truth = np.array([[0, 1, 1, 0, 2]])
    predicted = np.array([[0, 1, 0, 2, 1]])
    expected = [np.zeros(3)] + [
        rgb(OUTCOMES[name]) for name in ("correct", "false negative", "false positive", "wrong class")
    ]
    assert np.array_equal(overlay(truth, predicted)[0], np.array(expected, np.float32))


def test_overlay_lets_the_image_shine_through_and_leaves_it_alone():
    image = np.full((1, 2, 3), 0.5, np.float32)
    painted = overlay(np.array([[0, 255]]), np.array([[0, 1]]), image)
    assert painted.dtype == np.float32
    assert np.array_equal(painted[0, 0], image[0, 0])
    assert np.allclose(painted[0, 1], 0.4 * 0.5 + 0.6 * rgb(OUTCOMES["correct"]))
    assert np.all(image == 0.5)


def test_one_object_is_white_whatever_its_value():
    truth, predicted = mask((255, LEFT)), mask((1, RIGHT))
    panels = panels_of([Case("a", np.zeros(truth.shape), truth, predicted)])
    _, shown_truth, shown_prediction, _ = panels.rows[0]
    assert np.array_equal(shown_truth[..., 0], truth > 0)
    assert np.array_equal(shown_prediction[..., 2], predicted > 0)


def test_classes_have_the_same_color_in_every_case():
    both, second = mask((1, LEFT), (3, np.s_[12:15, :])), mask((3, LEFT))
    panels = panels_of([Case(name, both, labels, labels) for name, labels in (("a", both), ("b", second))])
    assert panels.labels == (1, 3)
    assert np.array_equal(panels.rows[0][1][13, 3], panels.rows[1][1][7, 3])
    assert np.array_equal(panels.rows[0][1][7, 3], rgb(CLASSES[0]))


def test_named_classes_show_one_class_taken_for_another():
    case = Case("a", np.zeros((20, 30)), mask((1, LEFT)), mask((2, LEFT)))
    for classes, outcome in ((None, "correct"), ((0, 1), "correct"), ((0, 1, 2), "wrong class")):
        comparison = panels_of([case], classes).rows[0][3]
        assert np.allclose(comparison[7, 7], 0.6 * rgb(OUTCOMES[outcome]))
    assert legend_of(case_panels([case], classes=(0, 1, 2)).subfigs[-1])[:2] == ["class 1", "class 2"]


def test_gray_values_are_stretched_between_percentiles():
    image = np.arange(600, dtype=np.int16).reshape(20, 30)
    image[0, 0] = 30000
    shown = panels_of([Case("a", image, mask(), mask())]).rows[0][0]
    assert (shown.min(), shown.max()) == (0.0, 1.0)
    assert shown[10, 0, 0] == pytest.approx(0.5, abs=0.02)
    assert np.all(panels_of([Case("flat", image * 0, mask(), mask())]).rows[0][0] == 0)


@pytest.mark.parametrize("shape", [(20, 30), (1, 20, 30), (2, 20, 30), (3, 20, 30), (20, 30, 3)])
def test_channels_may_come_first_or_as_colors(shape):
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    shown = panels_of([Case("a", image, mask(), mask())]).rows[0][0]
    assert shown.shape == (20, 30, 3)
    if shape == (3, 20, 30):
        assert np.allclose(shown, np.moveaxis(image, 0, -1) / 255)


def test_of_a_stack_the_slice_with_the_most_object_is_shown():
    truth = np.zeros((5, 20, 30), np.uint8)
    truth[3][LEFT] = truth[4, 0, 0] = 1
    image = np.broadcast_to(np.arange(5)[:, None, None], truth.shape)
    shown = panels_of([Case("a", image, truth, truth)]).rows[0]
    assert np.array_equal(shown[1][..., 0], truth[3])


def test_panels_have_titles_and_one_legend():
    masks = mask((1, LEFT)), mask((1, RIGHT))
    cases = [Case(f"{rank}: image", np.eye(20, 30), *masks) for rank in ("best", "worst")]
    figure = drawn(case_panels(cases))
    assert len(figure.axes) == 8
    assert [axes.get_title() for axes in figure.axes[:4]] == ["Image", "Truth", "Prediction", "Comparison"]
    assert [part.get_suptitle() for part in figure.subfigs[:2]] == ["best: image", "worst: image"]
    assert legend_of(figure.subfigs[-1]) == ["correct", "false positive", "false negative"]


def test_legend_names_classes_where_there_are_several():
    labels = mask((1, LEFT), (2, np.s_[12:15, :]))
    legend = legend_of(drawn(case_panels([Case("a", labels, labels, labels)])).subfigs[-1])
    assert legend == ["class 1", "class 2", *OUTCOMES]


def test_more_classes_than_colors_are_not_named():
    labels = np.arange(600).reshape(20, 30) % 12
    assert legend_of(case_panels([Case("a", labels, labels, labels)]).subfigs[-1]) == [*OUTCOMES]


def object_case(title, truth, predicted):
    return Case(title, np.zeros(truth.shape), truth, predicted, object_outcomes(truth, predicted))


def test_numbered_objects_are_told_apart_and_compared_one_by_one():
    truth = mask(
        (1, np.s_[2:8, 2:8]), (2, np.s_[2:8, 8:14]), (7, np.s_[12:18, 2:8]), (9, np.s_[12:18, 20:26])
    )
    predicted = mask(
        (4, np.s_[2:8, 2:14]), (5, np.s_[12:18, 2:5]), (6, np.s_[12:18, 5:8]), (8, np.s_[2:8, 20:26])
    )
    case = object_case("a", truth, predicted)
    ((_, true, found, comparison),) = panels_of([case]).rows
    colors = [rgb(CLASSES[i]) for i in range(3)]
    assert np.array_equal(true[4, 4], colors[0])
    assert np.array_equal(true[4, 11], colors[1])
    assert not true[4, 7].any()
    assert np.array_equal(found[4, 4], found[4, 11])
    assert np.array_equal(found[14, 3], found[14, 7])
    expected = {(4, 4): "merged", (14, 3): "split", (14, 22): "missed", (4, 22): "false"}
    for place, outcome in expected.items():
        assert np.allclose(comparison[place], 0.6 * rgb(OBJECT_OUTCOMES[outcome]))
    figure = drawn(case_panels([case]))
    assert legend_of(figure.subfigs[-1]) == [*OBJECT_OUTCOMES]
    assert figure.subfigs[-1].legends[0].get_title().get_text() == "Comparison"


def test_of_a_stack_of_objects_the_plane_shows_what_became_of_the_whole_object():
    """In the plane that is shown both objects match, in the stack only one does."""
    truth = np.zeros((5, 20, 30), np.uint8)
    truth[:, 5:10, 2:12], truth[2, 15:18, 15:25] = 1, 2
    predicted = np.where(np.arange(5)[:, None, None] == 2, truth, 0)
    ((_, _, _, comparison),) = panels_of([object_case("a", truth, predicted)]).rows
    assert np.allclose(comparison[7, 7], 0.6 * rgb(OBJECT_OUTCOMES["false"]))
    assert np.allclose(comparison[16, 20], 0.6 * rgb(OBJECT_OUTCOMES["found"]))


def test_cases_of_two_kinds_are_not_shown_together():
    labels = mask((1, LEFT))
    with pytest.raises(InputError, match="number objects and those of others do not"):
        panels_of([Case("a", labels, labels, labels), object_case("b", labels, labels)])


def test_cases_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="no cases"):
        case_panels([])
    with pytest.raises(InputError, match=r"image of a has shape \(20, 31\)"):
        case_panels([Case("a", np.zeros((20, 31)), mask(), mask())])
    with pytest.raises(InputError, match=r"truth and prediction of a have shapes"):
        case_panels([Case("a", np.zeros((20, 30)), mask(), mask(shape=(2, 2)))])


def test_real_images_can_be_shown(real_data):
    pydicom = pytest.importorskip("pydicom")
    folder = real_data / "left-ventricle" / "test"
    mask_path = min((folder / "GT").glob("*.png"))
    truth = np.asarray(Image.open(mask_path))
    image = pydicom.dcmread(folder / f"{mask_path.stem}.dcm").pixel_array
    drawn(case_panels([Case("a", image, truth, np.roll(truth > 0, 3, 1))]))


def test_save_writes_a_png_and_replaces_only_when_told(tmp_path):
    figure = training_curves(HISTORY)
    path = save(figure, tmp_path / "curves.png")
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.size == (1500, 570)
    with pytest.raises(OutputError, match="exists already"):
        save(figure, path)
    save(figure, path, overwrite=True)
    assert [each.name for each in tmp_path.iterdir()] == ["curves.png"]
    assert "<svg" in save(figure, tmp_path / "curves.svg").read_text()
    with pytest.raises(OutputError, match=r"curves\.jpg"):
        save(figure, tmp_path / "curves.jpg")


def test_evaluation_imports_neither_matplotlib_nor_torch():
    code = "import sys, unetscope.evaluation; assert not {'matplotlib', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_gray_values_stored_as_colors_are_shown_like_gray_values() -> None:
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8)
    mask = gray > 40
    cases = [Case("a", picture, mask, mask) for picture in (gray, np.stack([gray] * 3, axis=-1))]
    (first, *_), (second, *_) = panels_of(cases).rows
    np.testing.assert_array_equal(first, second)
    assert first.max() == 1
    colored = np.stack([gray, gray // 2, gray], axis=-1)
    ((as_it_is, *_),) = panels_of([Case("b", colored, mask, mask)]).rows
    np.testing.assert_allclose(as_it_is, colored / 255, atol=1e-6)
