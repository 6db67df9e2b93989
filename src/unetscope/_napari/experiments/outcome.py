"""What the finished trainings of an experiment say, as tables and sentences; knows no Qt and no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unetscope._napari.experiments.cells import Key
from unetscope._napari.train.runs import describe_time
from unetscope._words import count
from unetscope.errors import InputError
from unetscope.evaluation.report import TITLES, show_value
from unetscope.experiments import Cell, ExperimentFolder
from unetscope.experiments.results import Answer, Results, Summary

__all__ = ["Column", "Entry", "Outcome", "Table", "describe_model", "model_of", "read_outcome"]


class Column(NamedTuple):
    """Title and meaning of a column."""

    title: str
    tip: str = ""


class Entry(NamedTuple):
    """A cell of a table: what it shows, what it is sorted by, and more about it."""

    text: str
    value: str | float
    tip: str = ""


@dataclass(frozen=True)
class Table:
    """Rows for a view.

    Attributes
    ----------
    columns : tuple of Column
    rows : tuple of tuple of Entry
    keys : tuple of str
        What each row is about: an arm, or an image.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    keys: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Outcome:
    """The results of an experiment, read once.

    Attributes
    ----------
    results : Results
    answers : tuple of Answer
    scores : dict of (arm, seed) to float
        The mean of the main score over the test images, by cell.
    """

    results: Results
    answers: tuple[Answer, ...]
    scores: dict[Key, float]

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions under which anything is scored."""
        return tuple(dict.fromkeys(each.condition for each in self.results.summaries()))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The scores of the tables, the one that decides first."""
        experiment = self.results.experiment
        known = {key for each in self.results.summaries() for key in each.mean}
        wanted = dict.fromkeys((experiment.main, *experiment.metrics))
        return tuple(key for key in wanted if key in known)

    def over(self) -> str:
        """What the numbers are over, in one sentence."""
        summaries = self.results.summaries()
        if not summaries:
            return "No training is finished yet."
        images = max(each.images for each in summaries)
        seeds = [len(each.seeds) for each in summaries]
        spread = count(seeds[0], "seed") if len(set(seeds)) == 1 else f"{min(seeds)}–{max(seeds)} seeds"
        what = f"Mean ± std over {spread} (sample std) of the mean over {count(images, 'test image')}."
        return f"{what} Click a recipe to use its model."

    def arms_table(self) -> Table:
        """Arms × conditions: mean ± std over seeds, beside what a report says."""
        summaries = self.results.summaries()
        several, metrics = len(self.conditions) > 1, self.metrics
        published = tuple(key for key in metrics if any(key in each.published for each in summaries))
        columns = [Column("Recipe", "Click one to predict with its model, and to measure it.")]
        columns += [Column("Scored", "How the test images are scored.")] if several else []
        columns += [Column(_title(key), "On the test images; click to sort.") for key in metrics]
        columns += [Column(f"{_title(key)}, published", "What the report says.") for key in published]
        columns += [Column("Seeds", "Trainings that are done."), Column("Training", "Mean time of one.")]
        rows = []
        for each in summaries:
            row = [Entry(each.arm, each.arm, self.results.experiment.arms[each.arm].about or each.arm)]
            row += [Entry(each.condition, each.condition, each.condition)] if several else []
            row += [_score(each, key) for key in metrics]
            row += [_number(key, each.published.get(key, math.nan)) for key in published]
            row += [Entry(str(len(each.seeds)), float(len(each.seeds)), f"seeds {_listed(each.seeds)}")]
            seconds = each.train_seconds[0]
            row += [Entry(describe_time(seconds), seconds, _cost(each))]
            rows.append(tuple(row))
        return Table(tuple(columns), tuple(rows), tuple(each.arm for each in summaries))

    def images_table(self, condition: str) -> Table:
        """Every test image: the main score of each arm, mean over seeds."""
        title = _title(self.results.experiment.main)
        arms = [each.arm for each in self.results.summaries() if each.condition == condition]
        rows = self.results.image_rows(condition)
        grouped = any(row["group"] != row["name"] for row in rows)
        columns = [Column("Image", "Click to sort.")]
        columns += [Column("Group", "Patient, slide, or time series.")] if grouped else []
        columns += [Column(arm, f"{title}, mean over seeds.") for arm in arms]
        entries = []
        for row in rows:
            entry = [Entry(row["name"], row["name"], row["name"])]
            entry += [Entry(row["group"], row["group"], row["group"])] if grouped else []
            entry += [_number(self.results.experiment.main, _or_nan(row.get(arm))) for arm in arms]
            entries.append(tuple(entry))
        return Table(tuple(columns), tuple(entries), tuple(row["name"] for row in rows))

    def bars(self, condition: str, metric: str) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation over seeds, by arm; no whisker for a single seed."""
        found = {}
        for each in self.results.summaries():
            if each.condition == condition and metric in each.mean:
                std = each.std[metric]
                found[each.arm] = each.mean[metric], 0.0 if math.isnan(std) else std
        return found


def read_outcome(folder: Path) -> Outcome:
    """Read what the finished cells say; in a job, because there may be many.

    Raises
    ------
    UNetScopeError
        If the folder is not that of an experiment, or a file is damaged.
    """
    results = Results(ExperimentFolder.open(folder))
    experiment = results.experiment
    main, condition = experiment.main, experiment.first_condition
    scores: dict[Key, float] = {}
    for each in results.summaries():
        if each.condition == condition:
            values = results.values(each.arm, condition, main)
            known = [row[np.isfinite(row)] for row in values]
            means = [float(row.mean()) if row.size else math.nan for row in known]
            scores |= {(each.arm, s): mean for s, mean in zip(each.seeds, means, strict=True)}
    return Outcome(results, tuple(results.answers()), scores)


def model_of(results: Results, arm: str) -> Cell:
    """The training of an arm whose model is best on the validation images; never chosen by test scores.

    Raises
    ------
    InputError
        If none is finished.
    """
    cells = [cell for cell in results.cells if cell.arm == arm]
    if not cells:
        raise InputError(f"{arm} has no finished training", expected="one", fix="wait for the first")
    return max(cells, key=lambda cell: _or_nan(cell.facts().validation_dice, -1.0))


def describe_model(cell: Cell, seeds: int) -> str:
    """Which model it is, and why this one."""
    dice = cell.facts().validation_dice
    score = "" if dice is None else f" (Dice {dice:.3f} on the validation images)"
    why = f", the best of {seeds} there" if seeds > 1 and dice is not None else ""
    return (
        f"{cell.arm}, seed {cell.seed}{score}{why}, is now the model of 4 Predict and the run of 5 Metrics."
    )


def _title(key: str) -> str:
    return TITLES.get(key, key)


def _score(summary: Summary, key: str) -> Entry:
    mean, std = summary.mean.get(key, math.nan), summary.std.get(key, math.nan)
    if math.isnan(mean):
        return Entry("-", math.nan, "not defined")
    one = math.isnan(std)
    exact = show_value(key, mean) if one else f"{show_value(key, mean)} ± {show_value(key, std)}"
    over = count(len(summary.seeds), "seed")
    tip = f"{exact} over {over}; ± {show_value(key, summary.image_std[key])} over images"
    return Entry(f"{mean:.3f}" if one else f"{mean:.3f} ± {std:.3f}", mean, tip)


def _number(key: str, value: float) -> Entry:
    return Entry("-" if math.isnan(value) else f"{value:.3f}", value, show_value(key, value))


def _cost(summary: Summary) -> str:
    images = count(summary.training_images, "training image")
    weights = f"{summary.epochs:.0f} epochs, {summary.parameters:,} weights"
    return f"{weights}, {images}; predicting all test images takes {summary.predict_seconds[0]:.2g} s"


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _or_nan(value: float | None, otherwise: float = math.nan) -> float:
    return otherwise if value is None else float(value)
