"""Curves of the trainings of an experiment: loss and Dice of every seed, epoch by epoch."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from unetscope.evaluation.plots import ROLES, WIDTH, empty_figure, tidy
from unetscope.experiments.report.charts import COLORS

if TYPE_CHECKING:
    from unetscope.experiments.results import Results

__all__ = ["arm_curves"]

# More arms than this in one panel cannot be told apart, nor can trainings be seen that are much shorter.
_MOST_IN_ONE, _MOST_STRETCH = 4, 5


def arm_curves(results: Results) -> Figure | None:
    """Draw loss and Dice of every training against the epoch; None if no history has an epoch.

    A few arms share their panels, one color each. More arms, or trainings of very different length, get a
    panel each, where colors tell training from validation. A dot is the epoch whose model was kept, a bar
    the end of a training.
    """
    histories: dict[str, list[list[dict[str, Any]]]] = {arm: [] for arm in results.experiment.arms}
    for cell in results.cells:
        if history := cell.run.history():
            histories[cell.arm].append(history)
    histories = {arm: runs for arm, runs in histories.items() if runs}
    if not histories:
        return None
    lengths = [max(run[-1]["epoch"] for run in runs) for runs in histories.values()]
    if len(histories) <= _MOST_IN_ONE and max(lengths) <= _MOST_STRETCH * min(lengths):
        return _shared_curves(histories)
    return _separate_curves(histories)


def _shared_curves(histories: Mapping[str, list[list[dict[str, Any]]]]) -> Figure:
    """Rows: loss and Dice; columns: training and validation."""
    figure = empty_figure(WIDTH, 6.4)
    grid = figure.subplots(2, 2, sharex=True, sharey="row")
    for row, quantity in zip(grid, ("loss", "dice"), strict=True):
        for axes, (prefix, role, _) in zip(row, ROLES, strict=True):
            for color, runs in zip(COLORS, histories.values(), strict=False):
                for run in runs:
                    _curve(axes, run, f"{prefix}_{quantity}", color)
            axes.set_title(f"{quantity.capitalize()}, {role}", fontsize=10)
            _finish_curves(axes, quantity)
    for axes in grid[-1]:
        axes.set_xlabel("Epoch")
    arms = [
        Line2D([], [], color=color, label=textwrap.fill(arm, 48))
        for color, arm in zip(COLORS, histories, strict=False)
    ]
    figure.legend(handles=arms + _curve_legend(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _separate_curves(histories: Mapping[str, list[list[dict[str, Any]]]]) -> Figure:
    """A block for Dice and one for loss, each with a panel for every arm."""
    columns = min(len(histories), 3)
    lines = -(-len(histories) // columns)
    figure = empty_figure(WIDTH, 0.5 + 2 * (0.3 + 1.8 * lines))
    blocks = figure.subfigures(2, 1, squeeze=False)[:, 0]
    for block, quantity in zip(blocks, ("dice", "loss"), strict=True):
        block.suptitle(quantity.capitalize(), x=0.01, ha="left", fontsize=11, fontweight="bold")
        # Losses of different recipes are different quantities: no common axis.
        grid = block.subplots(lines, columns, squeeze=False, sharey=quantity == "dice")
        for axes in grid.flat[len(histories) :]:
            axes.set_visible(False)
        for axes, (arm, runs) in zip(grid.flat, histories.items(), strict=False):
            for run in runs:
                for prefix, _, color in ROLES:
                    _curve(axes, run, f"{prefix}_{quantity}", color)
            axes.set_title(textwrap.fill(arm, 36), fontsize=9)
            axes.tick_params(labelsize=8)
            _finish_curves(axes, quantity)
        for axes in grid[-1]:
            axes.set_xlabel("Epoch", fontsize=9)
    roles = [Line2D([], [], color=color, label=role) for _, role, color in ROLES]
    figure.legend(handles=roles + _curve_legend(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def _curve(axes: Axes, run: Sequence[Mapping[str, Any]], key: str, color: str) -> None:
    values = np.array([np.nan if record.get(key) is None else record[key] for record in run], float)
    epochs = np.array([record["epoch"] for record in run])
    known = np.flatnonzero(np.isfinite(values))
    if not known.size:
        return
    axes.plot(epochs[known], values[known], color=color, linewidth=1, alpha=0.85)
    if key.startswith("train") and any(record.get("val_loss") is not None for record in run):
        # Where images validate, their curve bears the marks.
        return
    axes.plot(epochs[known[-1]], values[known[-1]], "|", color=color, ms=9, mew=1.5)
    kept = max((index for index in known.tolist() if run[index].get("best")), default=None)
    if kept is not None:
        axes.plot(epochs[kept], values[kept], "o", color=color, ms=3.5)


def _finish_curves(axes: Axes, quantity: str) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    if quantity == "dice":
        axes.set_ylim(-0.02, 1.02)
    elif (values := _drawn(axes)).size and values.min() > 0 and values.max() > 20 * np.median(values):
        # A first epoch on values of 0 to 255 would press all others onto the axis.
        axes.set_yscale("log")
    tidy(axes)


def _drawn(axes: Axes) -> NDArray[np.float64]:
    lines = [np.asarray(line.get_ydata(), float) for line in axes.lines]
    return np.concatenate(lines) if lines else np.empty(0)


def _curve_legend() -> list[Line2D]:
    return [
        Line2D([], [], ls="", marker="o", color="0.4", ms=4, label="the model that was kept"),
        Line2D([], [], ls="", marker="|", color="0.4", ms=9, mew=1.5, label="end of a training"),
    ]
