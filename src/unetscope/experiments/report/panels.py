"""Predictions of the arms side by side, and what other pictures of an experiment are made with."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from unetscope.evaluation import score_image
from unetscope.evaluation.cases import Case, Panels, panels_of
from unetscope.evaluation.object_overlay import object_outcomes
from unetscope.evaluation.objects import OBJECT_METRICS, connected_objects, count_objects, object_scores
from unetscope.evaluation.plots import WIDTH, empty_figure, legend_of
from unetscope.evaluation.report import TITLES
from unetscope.experiments.report.charts import ranks
from unetscope.preprocess import IGNORED, true_labels
from unetscope.preprocess.geometry import resize

if TYPE_CHECKING:
    from unetscope.experiments.folder import Cell
    from unetscope.experiments.results import Results
    from unetscope.recipe.recipe import Target

__all__ = [
    "Pictures",
    "Row",
    "arm_panels",
    "aspect",
    "classes_of",
    "first_cells",
    "line_height",
    "objects_of",
    "on_grid",
    "panels_of_row",
    "plane_of",
    "short",
    "show_tiles",
    "test_rows",
]

_MOST_COLUMNS = 7
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


class Numbered(NamedTuple):
    """Numbered objects of truth and prediction, and what became of them."""

    truth: NDArray[Any]
    predicted: NDArray[Any]
    outcomes: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Row:
    """One image with what each arm predicts: labels, objects where masks number them, and score."""

    title: str
    image: NDArray[Any]
    truth: NDArray[Any]
    predicted: Mapping[str, NDArray[Any]]
    objects: Mapping[str, Numbered] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)


def arm_panels(results: Results, pictures: Pictures) -> Figure | None:
    """Show the best, the median and the worst test image, and a training image, as every arm sees them.

    Colors say what became of each pixel, or of each object. Predictions are those of each arm's first
    finished seed under the first condition, with the score that decides.

    Returns
    -------
    Figure or None
        None if there is no picture or no finished cell.
    """
    rows = test_rows(results, pictures) + _training_rows(results, pictures)
    if not rows:
        return None
    classes = classes_of(results)
    drawn = [panels_of_row(_thinned(row), classes) for row in rows]
    number = 2 + max(len(row.predicted) for row in rows)
    lines = -(-number // _MOST_COLUMNS)
    columns = -(-number // lines)
    heights = [0.35 + lines * line_height(columns, row.truth) for row in rows]
    figure = empty_figure(WIDTH, sum(heights) + 0.4)
    *parts, bottom = figure.subfigures(len(rows) + 1, 1, squeeze=False, height_ratios=[*heights, 0.4])[:, 0]
    main = results.experiment.main
    for part, row, panels in zip(parts, rows, drawn, strict=True):
        tiles = [("Image", panels.rows[0][0]), ("Truth", panels.rows[0][1])]
        for arm, shown in zip(row.predicted, panels.rows, strict=True):
            tiles.append((f"{short(arm, columns)}\n{TITLES.get(main, main)} {row.scores[arm]:.3f}", shown[3]))
        show_tiles(part, row.title, tiles, lines, columns)
    bottom.legend(handles=legend_of(drawn[0]), loc="center", ncols=6, frameon=False, fontsize=9)
    return figure


def test_rows(results: Results, pictures: Pictures) -> list[Row]:
    """The best, the median and the worst test image of which there are pixels."""
    condition = results.experiment.first_condition
    wanted = {name: rank for name, rank in ranks(results).items() if name in pictures.test}
    labels: dict[str, dict[str, NDArray[Any]]] = {}
    scores: dict[str, dict[str, float]] = {}
    for arm, cell in first_cells(results).items():
        found, report = cell.labels(condition), cell.report(condition)
        labels[arm] = {name: found[name] for name in wanted}
        values = report.values.get(results.experiment.main, [float("nan")] * report.n)
        scores[arm] = dict(zip((score.name for score in report.scores), values, strict=True))
    rows = []
    for name, rank in wanted.items():
        image, mask = pictures.test[name]
        image = pictures.noisy.get(condition, {}).get(name, image)
        title = f"{' and '.join(rank)} test image: {name}"
        row = _row(results, title, *on_grid(results, image, mask), {a: labels[a][name] for a in labels})
        row.scores.update({arm: each[name] for arm, each in scores.items()})
        rows.append(row)
    return rows


def _training_rows(results: Results, pictures: Pictures) -> list[Row]:
    """The first training image of which arms have labels, if there is any."""
    main = results.experiment.main
    arms = [arm for arm in first_cells(results) if arm in pictures.training_labels]
    for name, (image, mask) in pictures.training.items():
        labels = {arm: each[name] for arm in arms if name in (each := pictures.training_labels[arm])}
        if labels:
            row = _row(results, f"training image: {name}", image, mask, labels)
            for arm, predicted in row.predicted.items():
                if main in OBJECT_METRICS:
                    values = _object_scores(results, mask, labels[arm])
                else:
                    classes = classes_of(results)
                    values = score_image(name, row.truth, predicted, classes=classes, surface=False).metrics
                row.scores[arm] = values.get(main, float("nan"))
            return [row]
    return []


def _row(
    results: Results,
    title: str,
    image: NDArray[Any],
    mask: NDArray[Any],
    labels: Mapping[str, NDArray[Any]],
) -> Row:
    """The plane to look at, with masks as pixels are scored, where objects have no numbers, and objects."""
    target = results.experiment.material.target
    objects = {}
    if target.kind == "instances" and not target.sparse:
        objects = {arm: _numbered(mask, each, target) for arm, each in labels.items()}
    image, labels = plane_of(image, mask), {arm: plane_of(each, mask) for arm, each in labels.items()}
    truth = true_labels(plane_of(mask, mask), target)
    ignored = truth == IGNORED
    if target.kind != "multiclass":
        truth, labels = truth > target.threshold, {arm: each > 0 for arm, each in labels.items()}
    return Row(
        title,
        image,
        np.where(ignored, 0, truth),
        {arm: np.where(ignored, 0, each) for arm, each in labels.items()},
        {arm: Numbered(*(plane_of(part, mask) for part in each)) for arm, each in objects.items()},
    )


def _numbered(mask: NDArray[Any], labels: NDArray[Any], target: Target) -> Numbered:
    """Objects of a whole image: those of a stack match in the stack, whatever plane is shown."""
    truth, known = objects_of(mask, target)
    predicted = connected_objects(labels)
    return Numbered(truth, np.where(known, predicted, 0), object_outcomes(truth, predicted, valid=known))


def _object_scores(results: Results, mask: NDArray[Any], labels: NDArray[Any]) -> dict[str, float]:
    truth, known = objects_of(mask, results.experiment.material.target)
    return object_scores(count_objects(truth, connected_objects(labels), valid=known))


def objects_of(mask: NDArray[Any], target: Target) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Numbered objects of a mask as it is scored, 0 where there is none; and where anything is labeled."""
    labels = true_labels(mask, target)
    return np.where(labels > target.threshold, labels, 0), labels != IGNORED


def first_cells(results: Results) -> dict[str, Cell]:
    """The first cell of each arm that is scored under the first condition, in the order of the arms."""
    cells: dict[str, Cell] = {}
    for cell in results.cells:
        if cell.scored([results.experiment.first_condition]):
            cells.setdefault(cell.arm, cell)
    return {arm: cells[arm] for arm in results.experiment.arms if arm in cells}


def classes_of(results: Results) -> list[int] | None:
    """All labels of a dataset of several classes."""
    if results.experiment.material.target.kind != "multiclass":
        return None
    reports = [cell.report(results.experiment.first_condition) for cell in first_cells(results).values()]
    return sorted({label for report in reports for score in report.scores for label in score.counts})


def on_grid(results: Results, image: NDArray[Any], mask: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
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


def plane_of(array: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    """Of a stack on the grid of a mask the slice where the mask has most object."""
    if mask.ndim == 2:
        return array
    place = int(np.argmax(np.count_nonzero(mask, axis=(1, 2))))
    return array[place] if array.shape[:3] == mask.shape else array[:, place]


def _thinned(row: Row) -> Row:
    """Every second, third, … pixel of a large picture: there is no room for more on the page."""
    step = max(1, max(row.truth.shape) // _PIXELS)
    if step == 1:
        return row
    last = row.image.shape[:2] == row.truth.shape
    image = row.image[::step, ::step] if last else row.image[..., ::step, ::step]
    labels = {arm: each[::step, ::step] for arm, each in row.predicted.items()}
    objects = {arm: Numbered(*(part[::step, ::step] for part in each)) for arm, each in row.objects.items()}
    return Row(row.title, image, row.truth[::step, ::step], labels, objects, row.scores)


def panels_of_row(row: Row, classes: Sequence[int] | None) -> Panels:
    """Image, truth, prediction and comparison in colors, for each arm of a row."""
    if row.objects:
        return panels_of([Case(row.title, row.image, *each) for each in row.objects.values()])
    return panels_of(
        [Case(row.title, row.image, row.truth, each) for each in row.predicted.values()], classes
    )


def aspect(picture: NDArray[Any]) -> float:
    """Height by width, within what a page can show."""
    return float(np.clip(picture.shape[0] / picture.shape[1], 0.3, 1.6))


def line_height(columns: int, picture: NDArray[Any]) -> float:
    """Height of a line of pictures with their titles, in inches."""
    return WIDTH / columns * aspect(picture) + 0.55


def short(name: str, columns: int) -> str:
    """A name for the title above a picture, in three lines at most."""
    return textwrap.fill(name, max(132 // columns, 12), max_lines=3, placeholder=" …")


def show_tiles(
    part: Figure | SubFigure,
    title: str,
    tiles: Sequence[tuple[str, NDArray[Any]]],
    lines: int,
    columns: int,
) -> None:
    """Show titled pictures, line by line, below a common title.

    Parameters
    ----------
    part : Figure or SubFigure
    title : str
    tiles : sequence of (str, (Y, X, 3) ndarray)
        No more than `lines` times `columns`.
    lines, columns : int
    """
    part.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    grid = part.subplots(lines, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (name, picture) in zip(grid.flat, tiles, strict=False):
        axes.imshow(picture)
        axes.set_title(name, fontsize=8)
