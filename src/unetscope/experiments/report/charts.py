"""Charts of an experiment: scores of the arms, their spread over images, and over the number of images.

All are drawn from `Results`; no pixels of images are needed. Arms run from top to bottom, so that long names
can be read.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray

from unetscope.evaluation.plots import SHARES, WIDTH, empty_figure, tidy
from unetscope.evaluation.report import TITLES, Report
from unetscope.evaluation.significance import SMALLER_IS_BETTER

if TYPE_CHECKING:
    from unetscope.experiments.results import Results, Summary

__all__ = ["COLORS", "arm_bars", "bar_metrics", "image_spread", "ranks", "size_curve", "size_series"]

COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
"""Those of Okabe and Ito without yellow, which is too faint for thin lines on white."""

_MOST_METRICS = 4
_CONDITIONS_A_ROW = 3
_RANK_COLORS = {"best": "#009E73", "median": "#0072B2", "worst": "#D55E00"}
_LABEL_WIDTH = 24


def bar_metrics(results: Results) -> tuple[str, ...]:
    """Name the scores of the bar plot: at most four of those in the tables that lie between 0 and 1.

    The score that decides is always among them, if it lies there, too.
    """
    wanted = [*results.experiment.metrics]
    if results.experiment.main not in wanted:
        wanted.insert(0, results.experiment.main)
    shares = [key for key in dict.fromkeys(wanted) if key in SHARES]
    shares.sort(key=lambda key: key != results.experiment.main)
    kept = set(shares[:_MOST_METRICS])
    return tuple(key for key in dict.fromkeys(wanted) if key in kept)


def ranks(results: Results) -> dict[str, tuple[str, ...]]:
    """The best, the median and the worst test image.

    Ranked by the score that decides under the first condition, mean over seeds and then over arms; only
    images where every arm has a score count. The median is the worse of two.

    Returns
    -------
    dict of str to tuple of str
        For the name of each of these images what it is: ``"best"``, ``"median"``, ``"worst"``. In this
        order; fewer than three where images coincide.
    """
    experiment = results.experiment
    condition = experiment.first_condition
    arms = [each.arm for each in results.summaries() if each.condition == condition]
    if not arms:
        return {}
    scores = np.mean([over_seeds(results, arm, condition, experiment.main) for arm in arms], axis=0)
    known = np.flatnonzero(np.isfinite(scores))
    sign = -1 if experiment.main in SMALLER_IS_BETTER else 1
    order = known[np.argsort(sign * scores[known], kind="stable")]
    if not order.size:
        return {}
    names = results.image_names(condition)
    places = {"best": order[-1], "median": order[(order.size - 1) // 2], "worst": order[0]}
    found: dict[str, tuple[str, ...]] = {}
    for rank, place in places.items():
        found[names[place]] = (*found.get(names[place], ()), rank)
    return found


def over_seeds(results: Results, arm: str, condition: str, metric: str) -> NDArray[np.float64]:
    """The mean over seeds of each image's score, (I,) float64; NaN where a seed has none."""
    scores: NDArray[np.float64] = results.values(arm, condition, metric).mean(axis=0)
    return scores


def arm_bars(results: Results, everything: Mapping[str, Report]) -> Figure:
    """Draw the scores of every arm as bars, every seed as a dot, and published numbers as diamonds.

    Parameters
    ----------
    results : Results
        With a finished cell, and a metric for `bar_metrics`.
    everything : mapping of str to Report
        The scores of calling everything the object, by condition, where there are any.
    """
    metrics = bar_metrics(results)
    conditions = [*results.experiment.conditions]
    names = [*results.experiment.arms, *(["everything is object"] if everything else [])]
    columns = min(len(conditions), _CONDITIONS_A_ROW)
    lines = -(-len(conditions) // columns)
    figure = empty_figure(WIDTH, 0.5 + lines * (0.6 + len(names) * (0.17 * len(metrics) + 0.16)))
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(conditions) :]:
        axes.set_visible(False)
    for axes, condition in zip(grid.flat, conditions, strict=False):
        for place, arm in enumerate(results.experiment.arms):
            summary = results.summary(arm, condition)
            if summary is None:
                axes.text(0.01, place, "not finished", va="center", fontsize=8, color="0.4")
            else:
                _bars_of_arm(axes, place, results, summary, metrics)
        if condition in everything:
            _baseline(axes, len(names) - 1, everything[condition], metrics)
        axes.set_title(textwrap.fill(condition, 30) if len(conditions) > 1 else "", fontsize=10)
        axes.set_xlim(0, 1)
        tidy(axes)
        axes.grid(visible=False, axis="y")
    _name_rows(grid, names)
    handles: list[Any] = [
        Patch(color=color, label=TITLES[metric]) for color, metric in zip(COLORS, metrics, strict=False)
    ]
    handles += _bar_legend(results, metrics)
    figure.legend(handles=handles, loc="outside lower center", ncols=6, frameon=False, fontsize=9)
    return figure


def _bars_of_arm(axes: Axes, place: int, results: Results, summary: Summary, metrics: Sequence[str]) -> None:
    for at, color, metric in zip(_places(place, metrics), COLORS, metrics, strict=False):
        if metric in summary.mean and np.isfinite(mean := summary.mean[metric]):
            axes.barh(at, mean, height=0.8 / len(metrics), color=color, alpha=0.75)
            std = summary.std.get(metric, np.nan)
            if np.isfinite(std):
                axes.errorbar(mean, at, xerr=std, fmt="none", ecolor="black", elinewidth=1, capsize=2)
            seeds = _mean(results.values(summary.arm, summary.condition, metric), axis=1)
            axes.plot(seeds, np.full(seeds.shape, at), "o", color="white", mec="black", mew=0.7, ms=3.5)
            _say(axes, at, f"{mean:.3f}")
        if metric in summary.published:
            axes.plot(summary.published[metric], at, "D", color=color, mec="black", ms=6, clip_on=False)


def _baseline(axes: Axes, place: int, report: Report, metrics: Sequence[str]) -> None:
    for at, color, metric in zip(_places(place, metrics), COLORS, metrics, strict=False):
        mean = report.mean.get(metric, np.nan)
        if np.isfinite(mean):
            axes.barh(at, mean, height=0.8 / len(metrics), color=color, alpha=0.3)
            _say(axes, at, f"{mean:.3f}")


def _places(place: int, metrics: Sequence[str]) -> NDArray[np.float64]:
    """Where the bars of an arm are, around the place of the arm."""
    steps = np.arange(len(metrics), dtype=np.float64) - (len(metrics) - 1) / 2
    return place + 0.8 / len(metrics) * steps


def _say(axes: Axes, at: float, text: str) -> None:
    axes.text(1.01, at, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7.5, color="0.25")


def _bar_legend(results: Results, metrics: Sequence[str]) -> list[Line2D]:
    summaries = results.summaries()
    dot = Line2D([], [], ls="", marker="o", color="white", mec="black", ms=4, label="a seed")
    handles = [dot]
    if any(len(each.seeds) > 1 for each in summaries):
        handles.append(Line2D([], [], color="black", lw=1, label="± std over seeds"))
    if any(metric in each.published for each in summaries for metric in metrics):
        handles.append(
            Line2D([], [], ls="", marker="D", color="0.7", mec="black", ms=6, label="the document")
        )
    return handles


def image_spread(results: Results) -> Figure:
    """Draw the score that decides for every image and arm; a line joins the dots of an image.

    Parameters
    ----------
    results : Results
        With a finished cell.
    """
    main = results.experiment.main
    conditions = [*results.experiment.conditions]
    arms = [arm for arm in results.experiment.arms if any(results.summary(arm, name) for name in conditions)]
    columns = min(len(conditions), _CONDITIONS_A_ROW)
    lines = -(-len(conditions) // columns)
    figure = empty_figure(WIDTH, 0.9 + lines * (0.7 + 0.55 * len(arms)))
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(conditions) :]:
        axes.set_visible(False)
    special = ranks(results)
    for axes, condition in zip(grid.flat, conditions, strict=False):
        _spread_of(axes, results, condition, arms, special)
        axes.set_title(textwrap.fill(condition, 30) if len(conditions) > 1 else "", fontsize=10)
        tidy(axes)
    for axes in grid[-1]:
        axes.set_xlabel(TITLES.get(main, main))
    if main in SHARES:
        low, high = grid[0, 0].get_xlim()
        grid[0, 0].set_xlim(max(low, -0.02), min(high, 1.02))
    _name_rows(grid, arms)
    handles = [Line2D([], [], color="0.55", marker="o", ms=4, lw=0.8, label="an image, mean over seeds")]
    handles.append(Line2D([], [], ls="", color="black", marker="|", ms=14, mew=2.5, label="mean over images"))
    handles += [
        Line2D([], [], color=_RANK_COLORS[rank[0]], marker="o", ms=5, label=f"{', '.join(rank)}: {name}")
        for name, rank in special.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def _spread_of(
    axes: Axes, results: Results, condition: str, arms: Sequence[str], special: Mapping[str, tuple[str, ...]]
) -> None:
    rows = [place for place, arm in enumerate(arms) if results.summary(arm, condition) is not None]
    if not rows:
        axes.text(0.5, 0.5, "not finished", transform=axes.transAxes, ha="center", color="0.4")
        return
    main = results.experiment.main
    scores = np.array([over_seeds(results, arms[row], condition, main) for row in rows])
    axes.plot(scores, rows, "-o", color="0.55", ms=3.5, lw=0.6, alpha=0.5, mew=0)
    for name, values in zip(results.image_names(condition), scores.T, strict=True):
        if name in special:
            axes.plot(values, rows, "-o", color=_RANK_COLORS[special[name][0]], ms=4.5, lw=1.4)
    axes.plot(_mean(scores, axis=1), rows, "|", color="black", ms=18, mew=2.5)


def size_series(results: Results) -> list[list[str]]:
    """Arms that differ in nothing but the number of training images: those of a series, from few to many."""
    alike: dict[str, list[str]] = {}
    for name, arm in results.experiment.arms.items():
        key = arm.model_copy(update={"images": None, "about": ""}).model_dump_json()
        alike.setdefault(key, []).append(name)
    found = []
    for names in alike.values():
        sizes = {name: summary.training_images for name in names if (summary := results.summary(name))}
        if len(set(sizes.values())) > 1:
            found.append(sorted(sizes, key=lambda name: sizes[name]))
    return found


def size_curve(results: Results) -> Figure | None:
    """Draw the score that decides against the number of training images; None if it does not vary."""
    series = size_series(results)
    if not series:
        return None
    main = results.experiment.main
    conditions = [*results.experiment.conditions]
    columns = min(len(conditions), _CONDITIONS_A_ROW)
    lines = -(-len(conditions) // columns)
    figure = empty_figure(WIDTH if columns > 1 else 0.7 * WIDTH, 0.5 + 3.4 * lines)
    grid = figure.subplots(lines, columns, sharex=True, squeeze=False)
    for axes in grid.flat[len(conditions) :]:
        axes.set_visible(False)
    ticks: set[int] = set()
    published = False
    for axes, condition in zip(grid.flat, conditions, strict=False):
        for color, arms in zip(COLORS, series, strict=False):
            summaries = [each for arm in arms if (each := results.summary(arm, condition)) is not None]
            ticks.update(each.training_images for each in summaries)
            published |= _size_line(axes, results, summaries, color)
        axes.set_title(textwrap.fill(condition, 30) if len(conditions) > 1 else "", fontsize=10)
        axes.set(xscale="log", xlabel="Training images", ylabel=TITLES.get(main, main))
        tidy(axes)
    for axes in grid.flat:
        axes.set_xticks(sorted(ticks), [str(tick) for tick in sorted(ticks)])
        axes.xaxis.set_minor_locator(NullLocator())
    handles = [
        Line2D([], [], color=color, marker="o", mfc="white", label=_common_name(arms))
        for color, arms in zip(COLORS, series, strict=False)
    ]
    if published:
        handles.append(Line2D([], [], color="0.5", ls="--", marker="D", mec="black", label="the document"))
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def _size_line(axes: Axes, results: Results, summaries: Sequence[Summary], color: str) -> bool:
    """Draw one series, and say whether something was published about it."""
    main = results.experiment.main
    sizes = [each.training_images for each in summaries]
    axes.plot(sizes, [each.mean.get(main, np.nan) for each in summaries], color=color, lw=1.6)
    for size, each in zip(sizes, summaries, strict=True):
        seeds = _mean(results.values(each.arm, each.condition, main), axis=1)
        axes.plot(np.full(seeds.shape, size), seeds, "o", color=color, mfc="white", ms=4.5)
    known = [
        (size, each.published[main])
        for size, each in zip(sizes, summaries, strict=True)
        if main in each.published
    ]
    if known:
        axes.plot(*zip(*known, strict=True), "--D", color=color, mec="black", lw=1, alpha=0.8)
    return bool(known)


def _common_name(arms: Sequence[str]) -> str:
    return textwrap.shorten(f"{arms[0]} … {arms[-1]}", 60)


def _name_rows(grid: NDArray[Any], names: Sequence[str]) -> None:
    """Name the rows of panels that share their axes, the first on top."""
    labels = [textwrap.fill(name, _LABEL_WIDTH, max_lines=3, placeholder=" …") for name in names]
    for axes in grid[:, 0]:
        axes.set_yticks(range(len(names)), labels, fontsize=9)
    grid[0, 0].set_ylim(len(names) - 0.5, -0.5)


def _mean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Mean of what is defined; NaN, without a warning, where nothing is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=axis)
    number = known.sum(axis=axis)
    mean: NDArray[np.float64] = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    return mean
