"""Pictures of one thing each: which pixels are wrong, which objects merge, border weights, noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from unetscope.evaluation.cases import CLASSES, Case, panels_of
from unetscope.evaluation.object_overlay import paint_objects
from unetscope.evaluation.objects import connected_objects
from unetscope.evaluation.overlay import rgb
from unetscope.evaluation.plots import WIDTH, empty_figure
from unetscope.evaluation.report import TITLES
from unetscope.experiments.report.panels import (
    Pictures,
    aspect,
    classes_of,
    first_cells,
    line_height,
    objects_of,
    on_grid,
    panels_of_row,
    plane_of,
    short,
    show_tiles,
    test_rows,
)
from unetscope.preprocess import class_values, separate_objects, to_classes
from unetscope.recipe.recipe import BorderWeights, Target

if TYPE_CHECKING:
    from unetscope.experiments.results import Results

__all__ = ["misclassified", "noise_panels", "object_panels", "weight_panels"]

_TRUE_CLASSES = ("#D55E00", "#009E73", "#0072B2", "#F0E442", "#CC79A7", "#56B4E9", "#E69F00")
"""Red, green and blue of Okabe and Ito for the classes 0, 1 and 2, and what is left for others."""

_CLOSE_UP = 4
"""How many times a close-up of noise enlarges."""

_WINDOW = 128
"""Pixels along a side of a close-up of objects."""


def misclassified(results: Results, pictures: Pictures) -> Figure | None:
    """Show which pixels of the worst test image each arm gets wrong, in the color of their true class.

    Truth and predictions have the same colors; what is right is black.

    Returns
    -------
    Figure or None
        None if there is no picture or no finished cell.
    """
    rows = test_rows(results, pictures)
    if not rows:
        return None
    row = rows[-1]
    classes = sorted({0, *(classes_of(results) or (1,))})
    truth = _painted(row.truth, classes)
    tiles = [("Image", panels_of_row(row, classes).rows[0][0]), ("Truth", truth)]
    # A prediction and its mistakes stay neighbors.
    columns = 4 if len(row.predicted) < 6 else 6
    for arm, labels in row.predicted.items():
        wrong = labels != row.truth
        tiles.append((short(arm, columns), _painted(labels, classes)))
        tiles.append((f"wrong: {100 * float(wrong.mean()):.2g} % of pixels", truth * wrong[..., np.newaxis]))
    lines = -(-len(tiles) // columns)
    height = 0.35 + lines * line_height(columns, row.truth)
    figure = empty_figure(WIDTH, height + 0.4)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=[height, 0.4])[:, 0]
    show_tiles(top, row.title, tiles, lines, columns)
    handles = [
        Patch(color=color, label=f"class {label}")
        for label, color in zip(classes, _TRUE_CLASSES, strict=False)
    ]
    handles.append(Patch(color="black", label="right, in the pictures of what is wrong"))
    bottom.legend(handles=handles, loc="center", ncols=6, frameon=False, fontsize=9)
    return figure


def object_panels(results: Results, pictures: Pictures) -> Figure | None:
    """Show the objects that each arm finds in the test image where most of them touch, from close up.

    An object has the color of the true one that it covers most, and is gray if it covers none: where two true
    objects have become one, one color is missing. A prediction that numbers no objects is divided into its
    connected parts, as it is for the scores.

    Returns
    -------
    Figure or None
        None if masks do not number objects, and if there is no picture or no finished cell.
    """
    experiment = results.experiment
    condition, target = experiment.first_condition, experiment.material.target
    names = [name for name in results.image_names(condition) if name in pictures.test]
    if target.kind != "instances" or not names:
        return None
    found = {name: on_grid(results, *pictures.test[name]) for name in names}
    touching = {name: separate_objects(objects_of(mask, target)[0]) for name, (_, mask) in found.items()}
    name = max(names, key=lambda each: int(np.count_nonzero(touching[each])))
    image, mask = found[name]
    truth, _ = objects_of(plane_of(mask, mask), target)
    window = _densest(plane_of(touching[name], mask))
    gray = panels_of([Case(name, plane_of(image, mask), truth > 0, truth > 0)]).rows[0][0]
    tiles = [("Image", gray[window]), ("Truth", paint_objects(truth, truth)[window])]
    cells = first_cells(results)
    lines = -(-(2 + len(cells)) // 6)
    columns = -(-(2 + len(cells)) // lines)
    for arm, cell in cells.items():
        report = cell.report(condition)
        place = [score.name for score in report.scores].index(name)
        score = report.values["object_f1"][place]
        predicted = plane_of(connected_objects(cell.labels(condition)[name]), mask)
        title = f"{short(arm, columns)}\n{TITLES['object_f1']} {score:.3f}"
        tiles.append((title, paint_objects(truth, predicted)[window]))
    figure = empty_figure(WIDTH, 0.35 + lines * line_height(columns, gray[window]))
    show_tiles(figure, f"test image: {name}", tiles, lines, columns)
    return figure


def weight_panels(results: Results, pictures: Pictures) -> Figure | None:
    """Show a training mask with its class weight, its border weight, and their sum.

    Of the training images the one is taken where most pixels of different objects touch; the settings are
    those of the first finished arm that has border weights, else the defaults. Distances are in pixels of
    the file.

    Returns
    -------
    Figure or None
        None if there is no training image.
    """
    from unetscope.training.weights import border_term, class_term

    masks = {name: mask for name, (_, mask) in pictures.training.items()}
    if not masks:
        return None
    name = max(masks, key=lambda each: int(np.count_nonzero(separate_objects(masks[each]))))
    mask = masks[name]
    settings = _border_settings(results)
    target = Target(kind="instances", separate="gap")
    classes = to_classes(mask, target, class_values(np.unique(mask).tolist(), target))
    balance = class_term(classes) if settings.balance else np.ones(mask.shape, np.float32)
    border = border_term(mask, w0=settings.w0, sigma=settings.sigma)
    mask, balance, border = (plane_of(each, mask) for each in (mask, balance, border))
    return _draw_weights(name, mask, balance, border, settings)


def _draw_weights(
    name: str,
    mask: NDArray[Any],
    balance: NDArray[np.float32],
    border: NDArray[np.float32],
    settings: BorderWeights,
) -> Figure:
    figure = empty_figure(WIDTH, 0.3 + 2 * (0.35 + 0.8 * WIDTH / 2 * aspect(mask)))
    figure.suptitle(f"training image: {name}", x=0.01, ha="left", fontsize=10, fontweight="bold")
    grid = figure.subplots(2, 2)
    values = np.unique([0, *np.unique(mask)]).tolist()
    # Objects that touch have numbers near each other, and so different colors.
    grid[0, 0].imshow(_painted(mask, values, ("#000000", *CLASSES * (len(values) // len(CLASSES) + 1))))
    reach = f"w₀ = {settings.w0:g}, σ = {settings.sigma:g} pixels"
    for axes, weights in zip(grid.flat[1:], (balance, border, balance + border), strict=True):
        figure.colorbar(axes.imshow(weights, cmap="viridis", vmin=0), ax=axes, shrink=0.85)
    titles = ("mask, colors tell objects apart", "class weight", f"border weight, {reach}", "their sum")
    for axes, letter, title in zip(grid.flat, "abcd", titles, strict=True):
        axes.set_title(f"({letter}) {title}", fontsize=10)
        axes.set_axis_off()
    return figure


def noise_panels(results: Results, pictures: Pictures) -> Figure | None:
    """Show a test image beside itself with the noise of each condition, whole and from close up.

    All have one gray scale, so that the noise is as strong as it looks.

    Returns
    -------
    Figure or None
        None if no test image is there with noise.
    """
    sigmas = {name: each.noise for name, each in results.experiment.conditions.items() if each.noise}
    of = {
        n: {c: pictures.noisy[c][n] for c in sigmas if n in pictures.noisy.get(c, {})} for n in pictures.test
    }
    name = next((name for name, noisy in of.items() if noisy), None)
    if name is None:
        return None
    image, mask = pictures.test[name]
    images = [plane_of(each, mask) for each in (image, *of[name].values())]
    mask = plane_of(mask, mask)
    # Side by side they are stretched as one image.
    across = 1 if images[0].shape[:2] == mask.shape else images[0].ndim - 1
    labels = np.concatenate([mask] * len(images), axis=1)
    panels = panels_of([Case(name, np.concatenate(images, axis=across), labels, labels)])
    parts = np.split(panels.rows[0][0], len(images), axis=1)
    titles = ["as it is", *(f"{short(c, len(parts))}\nσ = {sigmas[c]:g}" for c in of[name])]
    tiles = [*zip(titles, parts, strict=True)]
    tiles += [("close-up", _middle(part)) for part in parts]
    figure = empty_figure(WIDTH, 0.35 + 2 * line_height(len(parts), mask))
    show_tiles(figure, f"test image: {name}", tiles, 2, len(parts))
    return figure


def _densest(marks: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The window around the place with the most marks."""
    from scipy import ndimage

    sides = [min(length, _WINDOW) for length in marks.shape]
    # A bell rather than a box: its highest place has the marks around it, not at the rim.
    density = ndimage.gaussian_filter(marks.astype(np.float32), _WINDOW / 4, mode="constant")
    centers = np.unravel_index(int(density.argmax()), marks.shape)
    first, second = (
        slice(start, start + side)
        for side, start in (
            (side, int(np.clip(center - side // 2, 0, length - side)))
            for side, center, length in zip(sides, centers, marks.shape, strict=True)
        )
    )
    return first, second


def _border_settings(results: Results) -> BorderWeights:
    for cell in first_cells(results).values():
        if (found := cell.run.recipe.loss.border) is not None:
            return found
    return BorderWeights()


def _painted(
    labels: NDArray[Any], classes: Sequence[int], palette: Sequence[str] = _TRUE_CLASSES
) -> NDArray[np.float32]:
    """Labels in the colors of their places among all classes, (Y, X, 3) float32; colors come again."""
    colors = np.array([rgb(color) for color in palette])
    return colors[np.searchsorted(classes, labels) % len(palette)]


def _middle(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The middle of a picture, a quarter as high and wide."""
    rows, columns = (max(length // _CLOSE_UP, 1) for length in picture.shape[:2])
    top, left = ((whole - part) // 2 for whole, part in zip(picture.shape, (rows, columns), strict=False))
    return picture[top : top + rows, left : left + columns]
