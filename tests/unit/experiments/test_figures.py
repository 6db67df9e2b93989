from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from matplotlib.colors import to_hex
from scipy import ndimage

from unetscope.evaluation import Report, match_objects, score_image
from unetscope.evaluation.cases import CLASSES
from unetscope.evaluation.object_overlay import OBJECT_OUTCOMES
from unetscope.evaluation.overlay import OUTCOMES, overlay, rgb
from unetscope.experiments import Arm, Condition, Experiment, Material, Published
from unetscope.experiments.report.charts import (
    arm_bars,
    bar_metrics,
    image_spread,
    ranks,
    size_curve,
    size_series,
)
from unetscope.experiments.report.curves import arm_curves
from unetscope.experiments.report.details import misclassified, noise_panels, object_panels, weight_panels
from unetscope.experiments.report.figures import FIGURES, Pictures, draw_figures
from unetscope.experiments.report.panels import arm_panels
from unetscope.experiments.results import Results
from unetscope.recipe import change, presets, to_yaml
from unetscope.recipe.recipe import BorderWeights, Target
from unetscope.training.weights import weight_map

from .fake import make_experiment, name_of, picture, write_experiment

NINE = [f"a recipe with quite a long name, number {i} of them" for i in range(9)]


def pictures_of(folder, images=4, **more):
    """The pixels of a fake experiment."""
    test = {name_of(i): picture(folder.experiment, i) for i in range(images)}
    return Pictures(test, {"train-0.png": picture(folder.experiment, 90)}, **more)


def titles_of(figure):
    return [axes.get_title() for axes in figure.axes if axes.images]


def shown(figure, title):
    """The picture below a title."""
    (axes,) = [axes for axes in figure.axes if axes.images and axes.get_title() == title]
    return np.asarray(axes.images[0].get_array())


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def lines_of(axes, marker):
    return [line for line in axes.lines if line.get_marker() == marker]


def rewrite(path, change_record):
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    records = [change_record(record) for record in records]
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


@pytest.mark.parametrize(
    ("arms", "seeds", "conditions", "kind"),
    [
        (["plain", "auto"], (0,), ["as they are"], "binary"),
        (NINE[:6], (0, 1, 2), ["as they are", "noisy"], "multiclass"),
        (NINE, (0, 1), ["as they are", "noisy", "with very much more noise than that"], "instances"),
    ],
)
def test_all_figures_are_laid_out_without_complaint(finished_experiment, arms, seeds, conditions, kind):
    figures = ("weights", "misclassified", "noise")
    folder = finished_experiment(arms, seeds, conditions=conditions, kind=kind, figures=figures)
    noise = {name: {name_of(0): picture(folder.experiment, 0)[0]} for name in conditions[1:]}
    drawn = list(draw_figures(folder, Results(folder), pictures_of(folder, noisy=noise)))
    expected = {*FIGURES} - {"size"} - ({"noise"} if len(conditions) == 1 else set())
    expected -= set() if kind == "instances" else {"objects"}
    assert [each.name for each in drawn] == [name for name in FIGURES if name in expected]
    for each in drawn:
        # What does not fit is a warning, and warnings are errors.
        each.figure.canvas.draw()
        assert each.title
        assert each.caption.endswith(".")


def test_without_pixels_and_without_results_fewer_figures(finished_experiment):
    folder = finished_experiment(figures=("weights", "misclassified", "noise"))
    assert [each.name for each in draw_figures(folder, Results(folder))] == ["bars", "images", "curves"]
    nothing = finished_experiment(finished=0)
    assert list(draw_figures(nothing, Results(nothing), pictures_of(nothing))) == []


def test_the_bar_plot_takes_four_shares_with_the_one_that_decides(finished_experiment):
    metrics = ("precision", "recall", "accuracy", "hausdorff95", "mean_iou", "dice")
    folder = finished_experiment(metrics=metrics, main="dice")
    assert bar_metrics(Results(folder)) == ("precision", "recall", "accuracy", "dice")
    distances = finished_experiment(metrics=("hausdorff95",), main="hausdorff95")
    assert bar_metrics(Results(distances)) == ()
    assert "bars" not in [each.name for each in draw_figures(distances, Results(distances))]


def test_bars_are_means_dots_are_seeds_and_diamonds_are_published(finished_experiment):
    published = (Published(arm="augmented", scores={"dice": 0.25, "train_seconds": 40.0}),)
    folder = finished_experiment(metrics=("dice", "iou"), published=published)
    results = Results(folder)
    everything = folder.everything("test images")
    figure = arm_bars(results, {"test images": everything})
    (axes,) = figure.axes
    means = [results.summary(arm).mean[key] for arm in ("plain", "augmented") for key in ("dice", "iou")]
    means += [everything.mean["dice"], everything.mean["iou"]]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(means)
    assert [text.get_text() for text in axes.texts] == [f"{mean:.3f}" for mean in means]
    dots = lines_of(axes, "o")[0].get_xdata()
    assert dots == pytest.approx(results.values("plain", None, "dice").mean(axis=1))
    (diamond,) = lines_of(axes, "D")
    third = axes.patches[2]
    assert diamond.get_xdata() == [0.25]
    assert diamond.get_ydata() == pytest.approx(third.get_y() + third.get_height() / 2)
    assert len(axes.containers) - len(means) == 4, "a whisker for each bar of ours"
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "everything is object"
    assert legend_of(figure) == ["Dice", "IoU", "a seed", "± std over seeds", "the document"]


def test_bars_of_one_seed_have_no_whiskers_and_say_what_is_missing(finished_experiment):
    folder = finished_experiment(("plain", "late"), seeds=(0,), finished=1)
    figure = arm_bars(Results(folder), {})
    (axes,) = figure.axes
    assert legend_of(figure)[-1] == "a seed"
    assert len(axes.patches) == len(axes.containers)
    assert axes.texts[-1].get_text() == "not finished"


def test_best_median_and_worst_are_of_the_mean_over_arms_and_seeds(finished_experiment):
    results = Results(finished_experiment(images=6))
    every = [results.values(arm, None, "dice") for arm in ("plain", "augmented")]
    order = np.argsort(np.mean(every, axis=(0, 1)))
    names = results.image_names()
    assert list(ranks(results).items()) == [
        (names[order[-1]], ("best",)),
        (names[order[2]], ("median",)),
        (names[order[0]], ("worst",)),
    ]


def test_ranks_of_few_images_and_of_distances(finished_experiment):
    assert list(ranks(Results(finished_experiment(images=1))).values()) == [("best", "median", "worst")]
    assert list(ranks(Results(finished_experiment(images=2))).values()) == [("best",), ("median", "worst")]
    results = Results(finished_experiment(main="hausdorff95"))
    distances = np.mean([results.values(arm, None, "hausdorff95") for arm in ("plain", "augmented")], (0, 1))
    assert next(iter(ranks(results))) == results.image_names()[int(distances.argmin())]
    assert ranks(Results(finished_experiment(finished=0))) == {}


def test_images_are_joined_across_the_arms(finished_experiment):
    results = Results(finished_experiment())
    figure = image_spread(results)
    (axes,) = figure.axes
    scores = np.array([results.values(arm, None, "dice").mean(axis=0) for arm in ("plain", "augmented")])
    assert [line.get_xdata() for line in axes.lines[:4]] == [pytest.approx(image) for image in scores.T]
    (means,) = lines_of(axes, "|")
    assert means.get_xdata() == pytest.approx(scores.mean(axis=1))
    best = next(iter(ranks(results)))
    colored = {to_hex(line.get_color()): line.get_xdata() for line in axes.lines[4:7]}
    assert colored["#009e73"] == pytest.approx(scores[:, results.image_names().index(best)])
    assert f"best: {best}" in legend_of(figure)


def sized(path, *, finished=None, published=()):
    """Results of two arms that differ in their number of images, and of two others."""
    arms = {
        "25 images": Arm(recipe="xray-multiclass", images=25),
        "auto": Arm(),
        "5 images": Arm(recipe="xray-multiclass", images=5, about="few"),
        "noisy": Arm(recipe="xray-multiclass", images=7, noise=5.0),
    }
    experiment = make_experiment([*arms]).model_copy(update={"arms": arms, "published": published})
    return Results(write_experiment(path, experiment, finished=finished))


def test_arms_that_differ_in_their_number_of_images_are_a_series(tmp_path):
    published = (Published(arm="5 images", scores={"dice": 0.5}),)
    results = sized(tmp_path / "out", published=published)
    assert size_series(results) == [["5 images", "25 images"]]
    figure = size_curve(results)
    (axes,) = figure.axes
    line, few, many, document = axes.lines
    assert axes.get_xscale() == "log"
    assert (list(line.get_xdata()), list(document.get_xdata())) == ([5, 25], [5])
    expected = [results.summary(arm).mean["dice"] for arm in ("5 images", "25 images")]
    assert list(line.get_ydata()) == pytest.approx(expected)
    assert list(few.get_ydata()) == pytest.approx(results.values("5 images", None, "dice").mean(axis=1))
    assert list(many.get_xdata()) == [25, 25, 25]
    assert list(document.get_ydata()) == [0.5]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["5", "25"]


def test_no_curve_over_the_size_where_it_does_not_vary(finished_experiment, tmp_path):
    assert size_curve(Results(finished_experiment())) is None
    # Of two sizes only one is finished.
    assert size_curve(sized(tmp_path / "out", finished=1)) is None


def test_few_arms_share_panels_and_curves_end_where_training_did(finished_experiment):
    results = Results(finished_experiment(("plain", "auto"), seeds=(0, 1), epochs=5))
    figure = arm_curves(results)
    names = [axes.get_title() for axes in figure.axes]
    assert names == ["Loss, training", "Loss, validation", "Dice, training", "Dice, validation"]
    axes = figure.axes[3]
    curves = [line for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 1]
    colors = [line.get_color() for line in curves]
    assert colors[0] == colors[1] != colors[2] == colors[3]
    histories = [cell.run.history() for cell in results.cells if cell.arm == "plain"]
    assert [list(line.get_ydata()) for line in curves[:2]] == [
        [record["val_dice"] for record in history] for history in histories
    ]
    assert [line.get_xdata()[0] for line in lines_of(axes, "|")][:2] == [len(h) for h in histories] == [5, 4]
    assert legend_of(figure) == ["plain", "auto", "the model that was kept", "end of a training"]


def test_the_kept_epoch_is_marked_on_the_curve_that_chose_it(finished_experiment):
    results = Results(finished_experiment(("plain",), seeds=(0,), epochs=6))
    path = results.cells[0].run.history_path
    rewrite(path, lambda record: {**record, "best": record["epoch"] in (1, 3)})
    training, validation = arm_curves(results).axes[2:]
    (kept,) = lines_of(validation, "o")
    assert list(kept.get_xdata()) == [3]
    assert lines_of(training, "o") == []
    rewrite(path, lambda record: {**record, "val_loss": None, "val_dice": None})
    training, validation = arm_curves(results).axes[2:]
    assert list(lines_of(training, "o")[0].get_xdata()) == [3]
    assert list(validation.lines) == []


def test_many_arms_or_much_shorter_trainings_have_panels_of_their_own(finished_experiment):
    results = Results(finished_experiment(NINE[:5], seeds=(0,)))
    panels = [axes for axes in arm_curves(results).axes if axes.get_visible()]
    assert len(panels) == 10
    assert [panel.get_title().replace("\n", " ") for panel in panels[:5]] == NINE[:5]
    results = Results(finished_experiment(("short", "long"), seeds=(0,), epochs=30))
    path = results.cells[0].run.history_path
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:5]), encoding="utf-8")
    titles = [axes.get_title() for axes in arm_curves(results).axes]
    assert titles == ["short", "long", "short", "long"]


def test_a_loss_that_falls_a_lot_is_shown_with_its_logarithm(finished_experiment):
    results = Results(finished_experiment(("plain",), seeds=(0,), epochs=6))
    assert arm_curves(results).axes[0].get_yscale() == "linear"
    path = results.cells[0].run.history_path
    rewrite(path, lambda record: {**record, "train_loss": 500.0 if record["epoch"] == 1 else 0.5})
    rewrite(path, lambda r: {**r, "val_loss": float("nan") if r["epoch"] == 2 else r["val_loss"]})
    axes = arm_curves(results).axes[0]
    assert axes.get_yscale() == "log"
    path.write_text("", encoding="utf-8")
    assert arm_curves(results) is None


def test_panels_show_what_became_of_each_pixel_with_the_score(finished_experiment):
    folder = finished_experiment()
    results = Results(folder)
    figure = arm_panels(results, pictures_of(folder))
    best, (rank,) = next(iter(ranks(results).items()))
    assert figure.subfigs[0].get_suptitle() == f"{rank} test image: {best}"
    index = results.image_names().index(best)
    cell = results.cells[1]
    score = cell.report("test images").scores[index].dice
    _, truth = picture(folder.experiment, index)
    tile = shown(figure.subfigs[0], f"augmented\nDice {score:.3f}")
    predicted = cell.labels("test images")[best]
    outcome = overlay(truth > 0, predicted > 0)
    for name in ("correct", "false positive", "false negative"):
        where = (outcome == rgb(OUTCOMES[name])).all(axis=-1)
        assert where.any()
        gray = tile[where] - 0.6 * rgb(OUTCOMES[name])
        assert np.ptp(gray, axis=-1).max() < 1e-6, "the image shines through, which is gray"
    assert np.array_equal(shown(figure.subfigs[0], "Truth")[..., 0], truth > 0)
    assert legend_of(figure.subfigs[-1]) == ["correct", "false positive", "false negative"]


def test_panels_of_objects_and_of_unlabeled_pixels_are_as_they_are_scored(finished_experiment):
    folder = finished_experiment(kind="instances", seeds=(0,))
    figure = arm_panels(Results(folder), pictures_of(folder))
    colors = {tuple(color) for color in shown(figure.subfigs[0], "Truth").reshape(-1, 3)}
    assert len(colors) > 2, "objects are told apart"
    assert legend_of(figure.subfigs[-1]) == [*OBJECT_OUTCOMES]
    target = Target(ignore=200)
    folder = finished_experiment(material=Material(target=target), seeds=(0,))
    pixels = pictures_of(folder)
    for _, mask in pixels.test.values():
        mask[:5] = 200
    figure = arm_panels(Results(folder), pixels)
    tiles = [axes.images[0].get_array() for axes in figure.subfigs[0].axes if "Dice" in axes.get_title()]
    assert len(tiles) == 2
    assert all(np.ptp(tile[:5], axis=-1).max() < 1e-6 for tile in tiles)


def test_a_training_image_is_shown_where_arms_have_labels_of_it(finished_experiment):
    folder = finished_experiment(seeds=(0,))
    _, truth = picture(folder.experiment, 90)
    half = np.where(np.arange(24) < 12, truth, 0)
    labels = {"plain": {"train-0.png": truth}, "augmented": {"train-0.png": half}}
    figure = arm_panels(Results(folder), pictures_of(folder, training_labels=labels))
    row = figure.subfigs[-2]
    assert row.get_suptitle() == "training image: train-0.png"
    score = score_image("a", truth, half, surface=False).dice
    assert titles_of(row)[2:] == ["plain\nDice 1.000", f"augmented\nDice {score:.3f}"]


def test_a_training_image_of_objects_is_scored_by_objects(finished_experiment):
    folder = finished_experiment(("plain",), seeds=(0,), kind="instances", main="object_f1")
    truth = touching()
    labels = {"plain": {"train-0.png": (truth > 0).astype(np.uint8)}}
    pixels = Pictures({}, {"train-0.png": (truth, truth)}, training_labels=labels)
    (row, _) = arm_panels(Results(folder), pixels).subfigs
    # Two of the three objects touch and have become one, which is as large as the larger of them and more.
    assert titles_of(row)[2:] == ["plain\nObject F1 0.800"]
    merged = shown(row, "plain\nObject F1 0.800")[10, 7] - 0.6 * rgb(OBJECT_OUTCOMES["merged"])
    assert np.ptp(merged) < 1e-6


def test_objects_of_a_stack_are_compared_in_the_stack(finished_experiment):
    """The slice that is shown is right, and most of the object is missed."""
    folder = finished_experiment(("plain",), seeds=(0,), images=1, kind="instances")
    (cell,) = Results(folder).cells
    truth = np.zeros((3, 8, 9), np.uint8)
    truth[:, 2:5, 2:6], truth[1, 6, 6:] = 1, 2
    predicted = np.where(np.arange(3)[:, None, None] == 1, truth, 0)
    score = score_image(name_of(0), truth > 0, predicted > 0, surface=False)
    report = Report((replace(score, objects=match_objects(truth, predicted)),))
    cell.write_scores("test images", report, {name_of(0): predicted})
    figure = arm_panels(Results(folder), Pictures({name_of(0): (np.zeros(truth.shape), truth)}))
    tile = shown(figure.subfigs[0], f"plain\nDice {report.scores[0].dice:.3f}")
    assert np.allclose(tile[3, 3], 0.6 * rgb(OBJECT_OUTCOMES["false"]))
    assert np.allclose(tile[6, 7], 0.6 * rgb(OBJECT_OUTCOMES["found"]))


def test_panels_on_the_grid_and_with_the_noise_of_the_first_condition(finished_experiment):
    conditions = {"small and noisy": Condition(grid=(12, 16), noise=9.0)}
    folder = finished_experiment(("plain",), seeds=(0,), conditions=conditions)
    results = Results(folder)
    (cell,) = results.cells
    labels = {name: np.ones((12, 16), np.uint8) for name in results.image_names()}
    cell.write_scores("small and noisy", cell.report("small and noisy"), labels)
    red = np.stack([np.full((24, 24), value, np.uint8) for value in (255, 0, 0)])
    pixels = pictures_of(folder, noisy={"small and noisy": dict.fromkeys(results.image_names(), red)})
    row = arm_panels(results, pixels).subfigs[0]
    assert shown(row, "Image").shape == (12, 16, 3)
    assert (shown(row, "Image") == [1, 0, 0]).all()
    _, mask = pixels.test[next(iter(ranks(results)))]
    expected = mask[np.ix_(np.arange(1, 24, 2), ((np.arange(16) + 0.5) * 1.5).astype(int))]
    assert np.array_equal(shown(row, "Truth")[..., 0], expected > 0)


def test_panels_of_stacks_show_the_slice_with_most_object(finished_experiment):
    folder = finished_experiment(("plain",), seeds=(0,), images=1)
    (cell,) = Results(folder).cells
    truth = np.zeros((3, 8, 9), np.uint8)
    truth[1, 2:5, 2:6] = truth[2, 0, 0] = 1
    report = Report((score_image(name_of(0), truth, truth, surface=False),))
    cell.write_scores("test images", report, {name_of(0): truth})
    for image in (np.zeros(truth.shape), np.zeros((2, *truth.shape)), np.zeros((*truth.shape, 3))):
        figure = arm_panels(Results(folder), Pictures({name_of(0): (image, truth)}))
        assert np.array_equal(shown(figure.subfigs[0], "Truth")[..., 0], truth[1])
        assert shown(figure.subfigs[0], "Image").shape == (8, 9, 3)


def test_many_arms_take_several_lines_and_large_pictures_are_thinned(finished_experiment):
    folder = finished_experiment(NINE[:6], seeds=(0,), images=1)
    results = Results(folder)
    truth = np.zeros((1300, 40), np.uint8)
    truth[:, 10:30] = 1
    report = Report((score_image(name_of(0), truth, truth, surface=False),))
    for cell in results.cells:
        cell.write_scores("test images", report, {name_of(0): truth})
    for image in (truth, np.stack([truth] * 3), np.stack([truth] * 3, axis=-1)):
        figure = arm_panels(Results(folder), Pictures({name_of(0): (image, truth)}))
        assert shown(figure.subfigs[0], "Image").shape == (650, 20, 3)
    assert len({axes.get_subplotspec().rowspan.start for axes in figure.subfigs[0].axes}) == 2


def test_nothing_is_drawn_of_images_that_are_not_there(finished_experiment):
    folder = finished_experiment()
    nothing = Pictures({})
    for draw in (arm_panels, object_panels, misclassified, weight_panels, noise_panels):
        assert draw(Results(folder), nothing) is None


def test_mistakes_have_the_color_of_their_true_class(finished_experiment):
    folder = finished_experiment(("plain",), seeds=(0,), kind="multiclass")
    results = Results(folder)
    figure = misclassified(results, pictures_of(folder))
    worst = [*ranks(results)][-1]
    _, truth = picture(folder.experiment, results.image_names().index(worst))
    predicted = results.cells[0].labels("test images")[worst]
    wrong = predicted != truth
    assert wrong.any()
    tile = shown(figure, f"wrong: {100 * wrong.mean():.2g} % of pixels")
    assert (tile[~wrong] == 0).all()
    for label, color in enumerate(("#D55E00", "#009E73", "#0072B2")):
        assert np.allclose(tile[wrong & (truth == label)], rgb(color))
        assert np.allclose(shown(figure, "plain")[predicted == label], rgb(color))
        assert np.allclose(shown(figure, "Truth")[truth == label], rgb(color))


def touching():
    """Two objects that touch, and one with nobody near."""
    mask = np.zeros((30, 40), np.uint16)
    mask[5:15, 5:12], mask[5:15, 12:20], mask[22:26, 30:36] = 1, 2, 3
    return mask


def test_objects_have_the_color_of_the_true_one_they_cover_most(finished_experiment):
    folder = finished_experiment(("plain", "auto"), seeds=(0,), images=2, kind="instances")
    apart = np.zeros((30, 40), np.uint16)
    apart[2:5, 2:5] = 1
    truth = touching()
    merged = (truth > 0).astype(np.uint8)
    split = np.where(truth > 0, truth + 10, 0)
    split[5:8, 5:12], split[0:3, 35:38] = 50, 60
    for cell, labels in zip(Results(folder).cells, (merged, split), strict=True):
        parts = ndimage.label(labels)[0] if labels is merged else labels
        scores = [
            replace(score_image(name, mask > 0, each > 0, surface=False), objects=match_objects(mask, each))
            for name, mask, each in ((name_of(0), apart, apart), (name_of(1), truth, parts))
        ]
        cell.write_scores("test images", Report(tuple(scores)), {name_of(0): apart, name_of(1): labels})
    pixels = Pictures({name_of(0): (apart, apart), name_of(1): (truth, truth)})
    figure = object_panels(Results(folder), pixels)
    assert figure.get_suptitle() == f"test image: {name_of(1)}"
    tiles = {axes.get_title(): axes.images[0].get_array() for axes in figure.axes}
    # Merged: of three objects one is found, and two parts are one. Split: three are found, two are too many.
    assert [*tiles] == ["Image", "Truth", "plain\nObject F1 0.800", "auto\nObject F1 0.750"]
    _, true, one, many = tiles.values()
    assert np.array_equal(true[10, 7], rgb(CLASSES[0]))
    assert np.array_equal(true[10, 15], rgb(CLASSES[1]))
    assert not true[10, 11].any(), "what touches is parted by a line"
    assert np.array_equal(one[10, 7], one[10, 15])
    assert one[10, 11].any()
    assert np.array_equal(many[10, 7], rgb(CLASSES[0]))
    assert np.array_equal(many[5, 7], rgb(CLASSES[0]))
    assert not many[8, 7].any()
    assert np.array_equal(many[1, 36], rgb("#999999"))
    assert np.array_equal(many[24, 33], rgb(CLASSES[2]))


def test_objects_are_shown_where_most_of_them_touch(finished_experiment):
    folder = finished_experiment(("plain",), seeds=(0,), images=1, kind="instances")
    mask = np.zeros((300, 400), np.uint16)
    mask[:, 100:110], mask[250:, 390:395], mask[250:, 395:] = 1, 2, 3
    score = replace(score_image(name_of(0), mask > 0, mask > 0), objects=match_objects(mask, mask))
    Results(folder).cells[0].write_scores("test images", Report((score,)), {name_of(0): mask})
    figure = object_panels(Results(folder), Pictures({name_of(0): (mask, mask)}))
    tile = shown(figure, "Truth")
    assert tile.shape == (128, 128, 3)
    colors = {tuple(color) for color in tile.reshape(-1, 3)}
    assert colors == {tuple(rgb(color)) for color in ("#000000", CLASSES[1], CLASSES[2])}


@pytest.mark.parametrize("balance", [True, False])
def test_weights_are_those_of_the_loss_and_of_a_mask_where_objects_touch(finished_experiment, balance):
    folder = finished_experiment(kind="instances")
    results = Results(folder)
    settings = BorderWeights(w0=7.0, sigma=3.0, balance=balance)
    recipe = change(presets.preset("hela-border"), {"loss.border": settings.model_dump()})
    (results.cells[1].run.path / "recipe.yaml").write_text(to_yaml(recipe), encoding="utf-8")
    apart = np.zeros((30, 40), np.uint16)
    apart[2:5, 2:5], apart[20:25, 20:25] = 1, 2
    training = {"apart.png": (apart, apart), "close.png": (touching(), touching())}
    figure = weight_panels(results, Pictures({}, training))
    assert figure.get_suptitle() == "training image: close.png"
    classes = (touching() > 0).astype(np.int16)
    classes[5:15, 11] = 0
    expected = weight_map(touching(), classes, settings)
    assert np.allclose(shown(figure, "(d) their sum"), expected)
    class_weight, border = (
        shown(figure, name) for name in ("(b) class weight", "(c) border weight, w₀ = 7, σ = 3 pixels")
    )
    assert np.allclose(class_weight + border, expected)
    assert (np.unique(class_weight).size == 2) is balance
    assert border[10, 12] > 0.5 * 7 > border[24, 33]
    colors = {tuple(shown(figure, "(a) mask, colors tell objects apart")[y, x]) for y, x in ((0, 0), (7, 7))}
    assert len(colors) == 2


def test_weights_of_stacks_and_without_an_arm_that_has_them(finished_experiment):
    folder = finished_experiment(kind="instances")
    stack = np.stack([touching() * 0, touching(), touching() * 0])
    figure = weight_panels(Results(folder), Pictures({}, {"a": (stack, stack)}))
    default = BorderWeights()
    title = f"(c) border weight, w₀ = {default.w0:g}, σ = {default.sigma:g} pixels"
    assert shown(figure, title).shape == (30, 40)
    assert shown(figure, title).max() > 1


def test_noise_is_shown_in_the_gray_scale_of_the_image(finished_experiment):
    folder = finished_experiment(conditions=("as they are", "noisy"))
    image, mask = picture(folder.experiment, 1)
    draw = np.random.default_rng(0)
    noisy = (image + draw.normal(0, 30, image.shape)).clip(0, 255).astype(np.uint8)
    pixels = Pictures({"a": (image, mask), "b": (image, mask)}, noisy={"noisy": {"b": noisy}})
    figure = noise_panels(Results(folder), pixels)
    assert figure.get_suptitle() == "test image: b"
    assert titles_of(figure) == ["as it is", "noisy\nσ = 10", "close-up", "close-up"]
    first, second = (shown(figure, title) for title in ("as it is", "noisy\nσ = 10"))
    low, high = np.percentile(np.stack([image, noisy]), [1, 99])
    for tile, pixel in ((first, image), (second, noisy)):
        assert np.allclose(tile[..., 0], np.clip((pixel - low) / (high - low), 0, 1), atol=1e-6)
    assert figure.axes[2].images[0].get_array().shape == (6, 6, 3)
    assert noise_panels(Results(folder), pictures_of(folder)) is None


def test_a_condition_that_is_not_scored_yet_stops_nothing(finished_experiment):
    folder = finished_experiment(("plain", "auto"), seeds=(0,), conditions=("new", "old"))
    for path in folder.path.glob("cells/*/*/scores-new.json"):
        path.unlink()
    drawn = list(draw_figures(folder, Results(folder), pictures_of(folder)))
    assert [each.name for each in drawn] == ["bars", "images", "curves"]
    texts = [text.get_text() for text in drawn[0].figure.axes[0].texts]
    assert texts.count("not finished") == 2


def test_names_of_figures_are_those_of_the_schema():
    literal, _ = get_args(Experiment.model_fields["figures"].annotation)
    assert get_args(literal) == ("weights", "misclassified", "noise")
    assert {*get_args(literal)} < {*FIGURES}
