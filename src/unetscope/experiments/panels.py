"""Pictures of an experiment: predictions of the arms side by side, wrong pixels, border weights, noise."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from unetscope.evaluation import score_image
from unetscope.evaluation.cases import CLASSES, Case, Panels, panels_of
from unetscope.evaluation.overlay import rgb
from unetscope.evaluation.plots import WIDTH, empty_figure, legend_of
from unetscope.evaluation.report import TITLES
from unetscope.experiments.charts import ranks
from unetscope.preprocess import IGNORED, class_values, separate_objects, to_classes, true_labels
from unetscope.preprocess.geometry import resize
from unetscope.recipe.recipe import BorderWeights, Target

if TYPE_CHECKING:
    from unetscope.experiments.folder import Cell
    from unetscope.experiments.results import Results

__all__ = ["Pictures", "arm_panels", "misclassified", "noise_panels", "weight_panels"]

_MOST_COLUMNS = 7
_TRUE_CLASSES = ("#D55E00", "#009E73", "#0072B2", "#F0E442", "#CC79A7", "#56B4E9", "#E69F00")
"""Red, green and blue of Okabe and Ito for the classes 0, 1 and 2, and what is left for others."""

_CLOSE_UP = 4
"""How many times a close-up enlarges."""

_PIXELS = 600
"""More of them along a side are not seen in pictures of this size."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pixels that the pictures of an experiment show.

    Images are (Y, X), (C, Y, X) or (Y, X, 3), of stacks (Z, Y, X), (C, Z, Y, X) or (Z, Y, X, 3); masks and
    labels are on their grid.

    Attributes
    ----------
    test : mapping of str to (image, mask)
        Test images by name. A mask holds the values of its file; the target of the experiment says what
        they mean.
    training : mapping of str to (image, mask)
        Training images by name.
    training_labels : mapping of str to mapping of str to ndarray
        By arm, then by name: what its model predicts on training images, from the first finished seed.
    noisy : mapping of str to mapping of str to ndarray
        By condition, then by name: test images with the noise of the condition.
    """

    test: Mapping[str, tuple[NDArray[Any], NDArray[Any]]]
    training: Mapping[str, tuple[NDArray[Any], NDArray[Any]]] = field(default_factory=dict)
    training_labels: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)
    noisy: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Row:
    """One image with what each arm predicts: labels and score."""

    title: str
    image: NDArray[Any]
    truth: NDArray[Any]
    predicted: Mapping[str, NDArray[Any]]
    scores: dict[str, float] = field(default_factory=dict)


def arm_panels(results: Results, pictures: Pictures) -> Figure | None:
    """Show the best, the median and the worst test image, and a training image, as every arm sees them.

    Colors say what became of each pixel. Predictions are those of each arm's first finished seed under the
    first condition, with the score that decides.

    Returns
    -------
    Figure or None
        None if there is no picture or no finished cell.
    """
    rows = _test_rows(results, pictures) + _training_rows(results, pictures)
    if not rows:
        return None
    classes = _classes(results)
    drawn = [_panels(_thinned(row), classes) for row in rows]
    number = 2 + max(len(row.predicted) for row in rows)
    lines = -(-number // _MOST_COLUMNS)
    columns = -(-number // lines)
    heights = [0.35 + lines * _line(columns, row.truth) for row in rows]
    figure = empty_figure(WIDTH, sum(heights) + 0.4)
    *parts, bottom = figure.subfigures(len(rows) + 1, 1, squeeze=False, height_ratios=[*heights, 0.4])[:, 0]
    main = results.experiment.main
    for part, row, panels in zip(parts, rows, drawn, strict=True):
        tiles = [("Image", panels.rows[0][0]), ("Truth", panels.rows[0][1])]
        for arm, shown in zip(row.predicted, panels.rows, strict=True):
            tiles.append(
                (f"{_short(arm, columns)}\n{TITLES.get(main, main)} {row.scores[arm]:.3f}", shown[3])
            )
        _show(part, row.title, tiles, lines, columns)
    bottom.legend(handles=legend_of(drawn[0]), loc="center", ncols=6, frameon=False, fontsize=9)
    return figure


def misclassified(results: Results, pictures: Pictures) -> Figure | None:
    """Show which pixels of the worst test image each arm gets wrong, in the color of their true class.

    Truth and predictions have the same colors; what is right is black.

    Returns
    -------
    Figure or None
        None if there is no picture or no finished cell.
    """
    rows = _test_rows(results, pictures)
    if not rows:
        return None
    row = rows[-1]
    classes = sorted({0, *(_classes(results) or (1,))})
    truth = _painted(row.truth, classes)
    tiles = [("Image", _panels(row, classes).rows[0][0]), ("Truth", truth)]
    # A prediction and its mistakes stay neighbors.
    columns = 4 if len(row.predicted) < 6 else 6
    for arm, labels in row.predicted.items():
        wrong = labels != row.truth
        tiles.append((_short(arm, columns), _painted(labels, classes)))
        tiles.append((f"wrong: {100 * float(wrong.mean()):.2g} % of pixels", truth * wrong[..., np.newaxis]))
    lines = -(-len(tiles) // columns)
    height = 0.35 + lines * _line(columns, row.truth)
    figure = empty_figure(WIDTH, height + 0.4)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=[height, 0.4])[:, 0]
    _show(top, row.title, tiles, lines, columns)
    handles = [
        Patch(color=color, label=f"class {label}")
        for label, color in zip(classes, _TRUE_CLASSES, strict=False)
    ]
    handles.append(Patch(color="black", label="right, in the pictures of what is wrong"))
    bottom.legend(handles=handles, loc="center", ncols=6, frameon=False, fontsize=9)
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
    target = Target(kind="instances")
    classes = to_classes(mask, target, class_values(np.unique(mask).tolist(), target))
    balance = class_term(classes) if settings.balance else np.ones(mask.shape, np.float32)
    border = border_term(mask, w0=settings.w0, sigma=settings.sigma)
    mask, balance, border = (_plane(each, mask) for each in (mask, balance, border))
    return _draw_weights(name, mask, balance, border, settings)


def _draw_weights(
    name: str,
    mask: NDArray[Any],
    balance: NDArray[np.float32],
    border: NDArray[np.float32],
    settings: BorderWeights,
) -> Figure:
    figure = empty_figure(WIDTH, 0.3 + 2 * (0.35 + 0.8 * WIDTH / 2 * _aspect(mask)))
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
    images = [_plane(each, mask) for each in (image, *of[name].values())]
    mask = _plane(mask, mask)
    # Side by side they are stretched as one image.
    across = 1 if images[0].shape[:2] == mask.shape else images[0].ndim - 1
    labels = np.concatenate([mask] * len(images), axis=1)
    panels = panels_of([Case(name, np.concatenate(images, axis=across), labels, labels)])
    parts = np.split(panels.rows[0][0], len(images), axis=1)
    titles = ["as it is", *(f"{_short(c, len(parts))}\nσ = {sigmas[c]:g}" for c in of[name])]
    tiles = [*zip(titles, parts, strict=True)]
    tiles += [("close-up", _middle(part)) for part in parts]
    figure = empty_figure(WIDTH, 0.35 + 2 * _line(len(parts), mask))
    _show(figure, f"test image: {name}", tiles, 2, len(parts))
    return figure


def _test_rows(results: Results, pictures: Pictures) -> list[_Row]:
    """The best, the median and the worst test image of which there are pixels."""
    condition = results.experiment.first_condition
    wanted = {name: rank for name, rank in ranks(results).items() if name in pictures.test}
    labels: dict[str, dict[str, NDArray[Any]]] = {}
    scores: dict[str, dict[str, float]] = {}
    for arm, cell in _first_cells(results).items():
        found, report = cell.labels(condition), cell.report(condition)
        labels[arm] = {name: found[name] for name in wanted}
        values = report.values.get(results.experiment.main, [float("nan")] * report.n)
        scores[arm] = dict(zip((score.name for score in report.scores), values, strict=True))
    rows = []
    for name, rank in wanted.items():
        image, mask = pictures.test[name]
        image = pictures.noisy.get(condition, {}).get(name, image)
        title = f"{' and '.join(rank)} test image: {name}"
        row = _row(results, title, *_on_grid(results, image, mask), {a: labels[a][name] for a in labels})
        row.scores.update({arm: each[name] for arm, each in scores.items()})
        rows.append(row)
    return rows


def _training_rows(results: Results, pictures: Pictures) -> list[_Row]:
    """The first training image of which arms have labels, if there is any."""
    main = results.experiment.main
    arms = [arm for arm in _first_cells(results) if arm in pictures.training_labels]
    for name, (image, mask) in pictures.training.items():
        labels = {arm: each[name] for arm in arms if name in (each := pictures.training_labels[arm])}
        if labels:
            row = _row(results, f"training image: {name}", image, mask, labels)
            for arm, predicted in row.predicted.items():
                score = score_image(name, row.truth, predicted, classes=_classes(results), surface=False)
                row.scores[arm] = score.metrics.get(main, float("nan"))
            return [row]
    return []


def _row(
    results: Results,
    title: str,
    image: NDArray[Any],
    mask: NDArray[Any],
    labels: Mapping[str, NDArray[Any]],
) -> _Row:
    """The plane to look at, with masks as they are scored: objects have no numbers."""
    target = results.experiment.material.target
    image, labels = _plane(image, mask), {arm: _plane(each, mask) for arm, each in labels.items()}
    truth = true_labels(_plane(mask, mask), target)
    ignored = truth == IGNORED
    if target.kind != "multiclass":
        truth, labels = truth > target.threshold, {arm: each > 0 for arm, each in labels.items()}
    return _Row(
        title,
        image,
        np.where(ignored, 0, truth),
        {arm: np.where(ignored, 0, each) for arm, each in labels.items()},
    )


def _first_cells(results: Results) -> dict[str, Cell]:
    """The first cell of each arm that is scored under the first condition, in the order of the arms."""
    cells: dict[str, Cell] = {}
    for cell in results.cells:
        if cell.scored([results.experiment.first_condition]):
            cells.setdefault(cell.arm, cell)
    return {arm: cells[arm] for arm in results.experiment.arms if arm in cells}


def _classes(results: Results) -> list[int] | None:
    """All labels of a dataset of several classes."""
    if results.experiment.material.target.kind != "multiclass":
        return None
    reports = [cell.report(results.experiment.first_condition) for cell in _first_cells(results).values()]
    return sorted({label for report in reports for score in report.scores for label in score.counts})


def _on_grid(results: Results, image: NDArray[Any], mask: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """An image and its mask on the grid of the first condition."""
    experiment = results.experiment
    grid = experiment.conditions[experiment.first_condition].grid
    if grid is None:
        return image, mask
    last = image.shape[:2] == mask.shape and image.ndim == 3
    resized = resize(np.moveaxis(image, -1, 0) if last else image, grid)
    resized = np.moveaxis(resized, 0, -1) if last else resized
    if image.dtype == np.uint8:
        resized = np.rint(resized).astype(np.uint8)
    return resized, resize(mask, grid, labels=True)


def _plane(array: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    """Of a stack on the grid of a mask the slice where the mask has most object."""
    if mask.ndim == 2:
        return array
    place = int(np.argmax(np.count_nonzero(mask, axis=(1, 2))))
    return array[place] if array.shape[:3] == mask.shape else array[:, place]


def _thinned(row: _Row) -> _Row:
    """Every second, third, … pixel of a large picture: there is no room for more on the page."""
    step = max(1, max(row.truth.shape) // _PIXELS)
    if step == 1:
        return row
    last = row.image.shape[:2] == row.truth.shape
    image = row.image[::step, ::step] if last else row.image[..., ::step, ::step]
    labels = {arm: each[::step, ::step] for arm, each in row.predicted.items()}
    return _Row(row.title, image, row.truth[::step, ::step], labels, row.scores)


def _border_settings(results: Results) -> BorderWeights:
    for cell in _first_cells(results).values():
        if (found := cell.run.recipe.loss.border) is not None:
            return found
    return BorderWeights()


def _panels(row: _Row, classes: Sequence[int] | None) -> Panels:
    return panels_of(
        [Case(row.title, row.image, row.truth, each) for each in row.predicted.values()], classes
    )


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


def _aspect(picture: NDArray[Any]) -> float:
    """Height by width, within what a page can show."""
    return float(np.clip(picture.shape[0] / picture.shape[1], 0.3, 1.6))


def _line(columns: int, picture: NDArray[Any]) -> float:
    """Height of a line of pictures with their titles, in inches."""
    return WIDTH / columns * _aspect(picture) + 0.55


def _short(name: str, columns: int) -> str:
    """A name for the title above a picture, in three lines at most."""
    return textwrap.fill(name, max(132 // columns, 12), max_lines=3, placeholder=" …")


def _show(
    part: Figure | SubFigure,
    title: str,
    tiles: Sequence[tuple[str, NDArray[Any]]],
    lines: int,
    columns: int,
) -> None:
    part.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    grid = part.subplots(lines, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (name, picture) in zip(grid.flat, tiles, strict=False):
        axes.imshow(picture)
        axes.set_title(name, fontsize=8)
