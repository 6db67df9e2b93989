"""Figures of a training and of a report, for files and for widgets.

Every function returns a `matplotlib.figure.Figure` with an Agg canvas. pyplot is never used: it keeps
figures alive and chooses a window system. Colors are those of Okabe and Ito, which color-blind readers
can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from unetscope.errors import InputError, OutputError
from unetscope.evaluation.cases import CLASSES, Case, Panels, panels_of
from unetscope.evaluation.metrics import METRICS
from unetscope.evaluation.object_overlay import OBJECT_OUTCOMES
from unetscope.evaluation.report import TITLES, Report
from unetscope.io.write import atomic

__all__ = [
    "ROLES",
    "SHARES",
    "WIDTH",
    "Case",
    "case_panels",
    "empty_figure",
    "legend_of",
    "save",
    "score_bars",
    "tidy",
    "training_curves",
]

ROLES = (("train", "training", "#0072B2"), ("val", "validation", "#D55E00"))
"""Prefix of the keys in a history, name, and color of the two curves."""

_OBJECT_SHARES = ("object_f1", "ap50", "ap75", "mean_ap", "panoptic_quality", "aji", "seg")
SHARES = (*METRICS, "accuracy", "mean_iou", "mean_dice", *_OBJECT_SHARES)
"""Scores between 0 and 1, which can stand beside each other."""

WIDTH = 10.0
"""Width of a figure that fills a page, in inches."""

_COLUMNS = ("Image", "Truth", "Prediction", "Comparison")
_LEGEND_COLUMNS = 6
_DPI = 150


def training_curves(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw loss and Dice against the epoch.

    Parameters
    ----------
    history : sequence of mapping
        One record per epoch with ``"epoch"``, and what there is of ``"train_loss"``, ``"val_loss"``,
        ``"train_dice"`` and ``"val_dice"``. Where some epochs lack a value (no key, None, NaN) the
        others are marked with dots. The best epoch is that of the highest validation Dice, else of the
        lowest validation loss; without validation there is none.

    Raises
    ------
    InputError
        If there is nothing to draw.
    """
    curves = {
        quantity: {role: _column(history, f"{role}_{quantity}") for role, _, _ in ROLES}
        for quantity in ("loss", "dice")
    }
    shown = [quantity for quantity in curves if np.isfinite([*curves[quantity].values()]).any()]
    if not shown:
        raise InputError(
            f"the training history of {len(history)} epochs has neither loss nor Dice",
            expected="at least one value",
            fix="train for an epoch first",
        )
    epochs = np.array([record["epoch"] for record in history])
    best = _best(curves)
    figure = empty_figure(WIDTH / 2 * len(shown), 3.8)
    legend: dict[str, Line2D] = {}
    for axes, quantity in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        legend |= _draw(axes, epochs, curves[quantity])
        if best is not None:
            label = f"best epoch ({epochs[best]})"
            legend[label] = axes.axvline(epochs[best], color="0.45", linewidth=1, linestyle="--")
        name = quantity.capitalize()
        axes.set(title=f"{name} per epoch", xlabel="Epoch", ylabel=name)
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if quantity == "dice":
            axes.set_ylim(0, 1.02)
        tidy(axes)
    figure.legend([*legend.values()], [*legend], loc="outside lower center", ncols=3, frameon=False)
    return figure


def case_panels(cases: Sequence[Case], *, classes: Sequence[int] | None = None) -> Figure:
    """Show image, truth, prediction and their comparison, one row per case.

    The colors of the comparison say what became of each pixel (`unetscope.evaluation.overlay`), or, where
    the cases have outcomes of objects, of each object (`unetscope.evaluation.object_overlay`). Prediction and
    truth have the same color there where an object covers another one.

    Parameters
    ----------
    cases : sequence of Case
        Usually the best, the median and the worst of a report.
    classes : sequence of int, optional
        All labels of the data set, as for `unetscope.evaluation.score_image`.

    Raises
    ------
    InputError
        If there are no cases, or shapes do not fit together.
    """
    if not cases:
        raise InputError("there are no cases to show", expected="at least one", fix="score images first")
    panels = panels_of(cases, classes)
    # Beyond these limits a long image is shrunk rather than given a whole page, or a sliver.
    heights = [WIDTH / 4 * float(np.clip(row[0].shape[0] / row[0].shape[1], 0.3, 1.6)) for row in panels.rows]
    heights = [height + (0.65 if row == 0 else 0.4) for row, height in enumerate(heights)]
    handles = legend_of(panels)
    legend_rows = -(-len(handles) // _LEGEND_COLUMNS)
    # Objects have colors in truth and prediction, too, which say nothing but which is which.
    title = _COLUMNS[-1] if panels.outcomes is OBJECT_OUTCOMES else None
    heights.append((0.2 if title is None else 0.45) + 0.2 * legend_rows)
    figure = empty_figure(WIDTH, sum(heights))
    parts = figure.subfigures(len(cases) + 1, 1, squeeze=False, height_ratios=heights)
    *rows, bottom = parts[:, 0]
    for row, case, pictures in zip(rows, cases, panels.rows, strict=True):
        row.suptitle(case.title, x=0.01, ha="left", fontsize=10, fontweight="bold")
        for axes, name, picture in zip(row.subplots(1, 4), _COLUMNS, pictures, strict=True):
            axes.imshow(picture)
            axes.set_axis_off()
            if row is rows[0]:
                axes.set_title(name, fontsize=10)
    bottom.legend(
        handles=handles, title=title, loc="center", ncols=_LEGEND_COLUMNS, frameon=False, fontsize=9
    )
    return figure


def score_bars(report: Report, metrics: Sequence[str] | None = None) -> Figure:
    """Draw the mean over images as bars, its standard deviation as whiskers, every image as a dot.

    Parameters
    ----------
    report : Report
        The scores.
    metrics : sequence of str, optional
        Any of `SHARES`; unless given, `METRICS`, or, where objects were matched, Dice and those of objects.

    Raises
    ------
    InputError
        If a metric is not one of these.
    """
    known = [key for key in SHARES if key in report.values]
    if metrics is None:
        usual = ("dice", *_OBJECT_SHARES) if "object_f1" in known else METRICS
        metrics = [key for key in known if key in usual]
    if not metrics or set(metrics) - set(known):
        raise InputError(
            f"the metrics to draw are {', '.join(metrics) or 'none'}",
            expected=f"some of {', '.join(known)}",
            fix="correct the names",
        )
    mean, std = ([values[metric] for metric in metrics] for values in (report.mean, report.std))
    figure = empty_figure(1.6 + 1.1 * len(metrics), 4.0)
    axes = figure.subplots()
    places = np.arange(len(metrics))
    axes.bar(places, mean, width=0.65, color="#56B4E9", alpha=0.55)
    jitter = np.random.default_rng(0).uniform(-0.22, 0.22, report.n)
    for place, metric in zip(places, metrics, strict=True):
        axes.scatter(
            place + jitter, report.values[metric], s=10, color="#0072B2", alpha=0.6, linewidths=0, zorder=2
        )
    axes.errorbar(places, mean, yerr=std, fmt="none", ecolor="black", elinewidth=1.4, capsize=5, zorder=3)
    axes.set_xticks(places, [TITLES[metric] for metric in metrics])
    top = max(1.0, *(m + s for m, s in zip(mean, std, strict=True)))
    axes.set(ylim=(0, top + 0.03), ylabel="Score", title=f"Mean ± std over images (n = {report.n})")
    tidy(axes)
    axes.grid(visible=False, axis="x")
    return figure


def save(figure: Figure, path: Path | str, *, overwrite: bool = False) -> Path:
    """Write a figure as a PNG or SVG file.

    Parameters
    ----------
    figure : Figure
        The figure.
    path : Path or str
        A name that ends in ``.png`` or ``.svg``.
    overwrite : bool
        Whether an earlier file may be replaced.

    Raises
    ------
    OutputError
        If the name has another ending, the file exists already, or it cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg"):
        raise OutputError(
            f"{path.name} is no name for a figure", expected="a name in .png or .svg", fix="rename it"
        )
    with atomic(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, format=kind, dpi=_DPI)
    return path


def empty_figure(width: float, height: float) -> Figure:
    """Make a figure of so many inches that arranges its parts without overlap."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: Axes) -> None:
    """Take away what holds no data, and put a light grid behind the rest."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)


def _column(history: Sequence[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    values = [record.get(key) for record in history]
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _draw(axes: Axes, epochs: NDArray[Any], curves: Mapping[str, NDArray[np.float64]]) -> dict[str, Line2D]:
    """Draw the curves that have values, and return them by their label."""
    lines = {}
    for role, label, color in ROLES:
        values = curves[role]
        known = np.isfinite(values)
        if known.any():
            # A line through a single epoch would be invisible.
            marker = "" if known.all() and known.size > 1 else "o"
            (lines[label],) = axes.plot(
                epochs[known], values[known], color=color, marker=marker, markersize=4, linewidth=1.6
            )
    return lines


def _best(curves: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> int | None:
    """Index of the best epoch by validation."""
    for score in (curves["dice"]["val"], -curves["loss"]["val"]):
        if np.isfinite(score).any():
            return int(np.argmax(np.where(np.isfinite(score), score, -np.inf)))
    return None


def legend_of(panels: Panels) -> list[Patch]:
    """Name the colors of classes, where there are several, and of outcomes."""
    several = len(panels.labels) > 1
    outcomes = {name: color for name, color in panels.outcomes.items() if several or name != "wrong class"}
    classes = {}
    # With more classes than colors a name for a color would be wrong.
    if several and len(panels.labels) <= len(CLASSES):
        classes = {f"class {label}": color for label, color in zip(panels.labels, CLASSES, strict=False)}
    return [Patch(color=color, label=name) for name, color in (classes | outcomes).items()]
