"""What the finished cells of an experiment say: tables, and answers to its questions.

Every score of an arm is the mean over the test images, and then the mean over the seeds with its sample
standard deviation: how much it changes when the same recipe is trained again. Read from the folder alone,
without torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope._words import count
from unetscope.errors import InputError
from unetscope.evaluation import Report, paired_significance
from unetscope.evaluation.significance import SMALLER_IS_BETTER
from unetscope.experiments.answers import Answer, answer
from unetscope.experiments.experiment import Contrast, Experiment
from unetscope.experiments.folder import Cell, CellFacts, ExperimentFolder
from unetscope.io.write import write_csv, write_json
from unetscope.training.folder import damaged

__all__ = ["Answer", "Results", "Summary"]


@dataclass(frozen=True)
class Summary:
    """One arm under one condition, over its finished seeds.

    Attributes
    ----------
    arm, condition : str
    seeds : tuple of int
        The finished ones.
    images : int
        Test images.
    mean : dict of str to float
        Mean over seeds of the mean over images, by the keys of `Report.values`; NaN where it is undefined
        for a seed.
    std : dict of str to float
        Sample standard deviation over seeds of the mean over images; NaN for one seed.
    image_std : dict of str to float
        Mean over seeds of the population standard deviation over images.
    pooled : dict of str to float
        Mean over seeds of the scores from the counts of all images.
    worst : (str, float)
        The image with the worst main score, mean over seeds; an empty name where it is undefined.
    train_seconds, predict_seconds : (float, float)
        Mean and sample standard deviation over seeds; prediction is of all test images, once.
    epochs : float
        Mean over seeds.
    parameters, training_images : int
    threshold : float or None
        From which probability on a pixel is the object, mean over seeds; None for several classes.
    published : dict of str to float
        What the document says of this arm under this condition.
    """

    arm: str
    condition: str
    seeds: tuple[int, ...]
    images: int
    mean: dict[str, float]
    std: dict[str, float]
    image_std: dict[str, float]
    pooled: dict[str, float]
    worst: tuple[str, float]
    train_seconds: tuple[float, float]
    predict_seconds: tuple[float, float]
    epochs: float
    parameters: int
    training_images: int
    threshold: float | None
    published: dict[str, float]


class Results:
    """Everything that the finished cells of an experiment say.

    Parameters
    ----------
    folder : ExperimentFolder
        What is finished later is not seen: make another one.

    Raises
    ------
    InputError
        If the scores of a finished cell cannot be read, or cells were scored on different images.
    ModelError
        If another file of the folder is damaged.
    """

    def __init__(self, folder: ExperimentFolder) -> None:
        self.folder = folder
        self.experiment: Experiment = folder.experiment
        self.cells: tuple[Cell, ...] = tuple(folder.finished())
        """The finished ones."""
        self._facts = {(cell.arm, cell.seed): cell.facts() for cell in self.cells}
        # A condition that was added later may not be scored yet.
        self._reports = {
            (cell.arm, condition, cell.seed): cell.report(condition)
            for cell in self.cells
            for condition in self.experiment.conditions
            if cell.scored([condition])
        }
        for condition in self.experiment.conditions:
            self._require_same_images(condition)

    def _require_same_images(self, condition: str) -> None:
        reports = {key: report for key, report in self._reports.items() if key[1] == condition}
        for (arm, _, seed), report in reports.items():
            if _names(report) != self.image_names(condition):
                first, _, first_seed = next(iter(reports))
                raise InputError(
                    f"{arm}, seed {seed}, and {first}, seed {first_seed}, were scored on different images",
                    expected="the same test images in the same order for all",
                    fix="remove the folders of the cells that differ, and run the experiment again",
                )

    @property
    def waiting(self) -> tuple[Cell, ...]:
        """The cells that are not finished."""
        return tuple(cell for cell in self.folder.cells if (cell.arm, cell.seed) not in self._facts)

    @property
    def machines(self) -> tuple[str, ...]:
        """What the finished cells were trained on: device and machine."""
        return tuple(dict.fromkeys(f"{each.device} ({each.machine})" for each in self._facts.values()))

    def seeds(self, arm: str, condition: str | None = None) -> tuple[int, ...]:
        """The seeds of an arm that are finished and scored under a condition."""
        name = self.experiment.condition(condition)
        return tuple(seed for seed in self.experiment.seeds if (arm, name, seed) in self._reports)

    def facts(self, arm: str) -> list[CellFacts]:
        """Facts about the finished cells of an arm."""
        return [facts for (name, _), facts in self._facts.items() if name == arm]

    def summaries(self) -> list[Summary]:
        """All arms under all conditions that have a finished cell, in the order of the experiment."""
        every = (
            self.summary(arm, name) for arm in self.experiment.arms for name in self.experiment.conditions
        )
        return [summary for summary in every if summary is not None]

    def summary(self, arm: str, condition: str | None = None) -> Summary | None:
        """One arm under one condition, the first unless named; None if no cell of it is finished."""
        name = self.experiment.condition(condition)
        seeds = self.seeds(arm, name)
        if not seeds:
            return None
        reports = [self._reports[arm, name, seed] for seed in seeds]
        facts = [self._facts[arm, seed] for seed in seeds]
        threshold = self.experiment.conditions[name].threshold
        return Summary(
            arm=arm,
            condition=name,
            seeds=seeds,
            images=reports[0].n,
            mean=_over(np.mean, [report.mean for report in reports]),
            std=_over(_sample_std, [report.mean for report in reports]),
            image_std=_over(np.mean, [report.std for report in reports]),
            pooled=_over(np.mean, [report.pooled for report in reports]),
            worst=self._worst(arm, name),
            train_seconds=_mean_and_std([each.train_seconds for each in facts]),
            predict_seconds=_mean_and_std([each.predict_seconds for each in facts]),
            epochs=float(np.mean([each.epochs for each in facts])),
            parameters=facts[0].parameters,
            training_images=facts[0].training_images,
            threshold=_mean_threshold(facts) if threshold is None else threshold,
            published=self._published(arm, name),
        )

    def values(self, arm: str, condition: str | None, metric: str) -> NDArray[np.float64]:
        """A score of every image.

        Returns
        -------
        (seeds, images) ndarray of float
            One row for each of `seeds`; NaN where the score is undefined or was not measured.
        """
        name = self.experiment.condition(condition)
        rows = []
        for seed in self.seeds(arm, name):
            report = self._reports[arm, name, seed]
            rows.append(report.values.get(metric, [math.nan] * report.n))
        return np.array(rows, float).reshape(len(rows), -1 if rows else 0)

    def image_names(self, condition: str | None = None) -> tuple[str, ...]:
        """The test images, in the order of `values`; none before a cell is finished."""
        name = self.experiment.condition(condition)
        return next((_names(report) for key, report in self._reports.items() if key[1] == name), ())

    def image_groups(self, condition: str | None = None) -> tuple[str, ...]:
        """The group of each of `image_names`.

        Raises
        ------
        ModelError
            If the list of images does not know them.
        """
        try:
            # Time points are called as their series, and then by their number.
            return tuple(
                self._groups[name if name in self._groups else name.rpartition(", time ")[0]]
                for name in self.image_names(condition)
            )
        except KeyError:
            raise damaged(self.folder.path / "dataset.json") from None

    @cached_property
    def _groups(self) -> dict[str, str]:
        return {entry["name"]: entry["group"] for entry in self.folder.images if entry["role"] == "test"}

    def image_rows(self, condition: str | None = None) -> list[dict[str, Any]]:
        """One mapping for each image: ``name``, ``group``, and by its name each arm's main score.

        The score is the mean over seeds; NaN where it is undefined for one of them.
        """
        scores = {
            arm: self.values(arm, condition, self.experiment.main).mean(axis=0)
            for arm in self.experiment.arms
            if self.seeds(arm, condition)
        }
        places = zip(self.image_names(condition), self.image_groups(condition), strict=True)
        return [
            {"name": name, "group": group, **{arm: float(values[at]) for arm, values in scores.items()}}
            for at, (name, group) in enumerate(places)
        ]

    def answers(self) -> list[Answer]:
        """One for each question of the experiment that has a seed finished for both of its arms."""
        found = map(self._answer, self.experiment.contrasts)
        return [each for each in found if each is not None]

    def _answer(self, contrast: Contrast) -> Answer | None:
        ours = self.seeds(contrast.better, contrast.condition)
        theirs = self.seeds(contrast.than, contrast.condition)
        both = [seed for seed in ours if seed in theirs]
        if not both:
            return None
        better = self.values(contrast.better, contrast.condition, contrast.metric)
        than = self.values(contrast.than, contrast.condition, contrast.metric)
        found = paired_significance(
            better[[ours.index(seed) for seed in both]] - than[[theirs.index(seed) for seed in both]],
            groups=self.image_groups(contrast.condition),
            smaller_is_better=contrast.metric in SMALLER_IS_BETTER,
        )
        condition = self.experiment.condition(contrast.condition)
        return answer(
            contrast,
            found,
            condition=condition if len(self.experiment.conditions) > 1 else "",
            units=self._reports[contrast.better, condition, both[0]].units,
            remarks=tuple(self._missing(contrast)),
        )

    def _missing(self, contrast: Contrast) -> Iterable[str]:
        """What was to be trained for this question and broke down: the difference does not count it."""
        for arm in (contrast.better, contrast.than):
            broken = sum(bool(cell.failure) for cell in self.waiting if cell.arm == arm)
            if broken:
                yield f"left out: {count(broken, 'training')} of {arm} that broke down"

    def _worst(self, arm: str, condition: str) -> tuple[str, float]:
        scores = self.values(arm, condition, self.experiment.main).mean(axis=0)
        defined = np.flatnonzero(~np.isnan(scores))
        if not defined.size:
            return "", math.nan
        pick = np.argmax if self.experiment.main in SMALLER_IS_BETTER else np.argmin
        at = int(defined[pick(scores[defined])])
        return self.image_names(condition)[at], float(scores[at])

    def _published(self, arm: str, condition: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for each in self.experiment.published:
            if each.arm == arm and self.experiment.condition(each.condition) == condition:
                found |= each.scores
        return found

    def rows(self) -> list[dict[str, Any]]:
        """The long table: a mapping for each image of each finished cell, with every score."""
        return [
            {"arm": arm, "condition": condition, "seed": seed, "image": image, "group": group}
            | {key: values[at] for key, values in report.values.items()}
            | ({"distance_units": report.units} if "hausdorff95" in report.values else {})
            for (arm, condition, seed), report in self._reports.items()
            for at, (image, group) in enumerate(
                zip(self.image_names(condition), self.image_groups(condition), strict=True)
            )
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything in plain types, for ``results.json``; NaN stays NaN, which is written as null."""
        conditions = self.experiment.conditions
        everything = {name: self.folder.everything(name) for name in conditions}
        waiting = [{"arm": cell.arm, "seed": cell.seed, "failure": cell.failure} for cell in self.waiting]
        return {
            "experiment": self.experiment.to_dict(),
            "complete": not waiting,
            "machines": self.machines,
            "dataset": self._dataset(),
            "cells": [asdict(facts) for facts in self._facts.values()],
            "waiting": waiting,
            "summaries": [asdict(summary) for summary in self.summaries()],
            "everything": {name: report.mean for name, report in everything.items() if report is not None},
            "answers": [
                {
                    "contrast": each.contrast.model_dump(mode="json"),
                    "significance": asdict(each.significance),
                    "sentence": each.sentence,
                }
                for each in self.answers()
            ],
            "images": {name: self.image_rows(name) for name in conditions},
        }

    def _dataset(self) -> dict[str, dict[str, int]]:
        """How many images and groups there are of each role."""
        entries = self.folder.images
        return {
            role: {
                "images": sum(entry["role"] == role for entry in entries),
                "groups": len({entry["group"] for entry in entries if entry["role"] == role}),
            }
            for role in ("training", "validation", "test")
        }

    def write(self) -> None:
        """Write ``results.csv``, ``summary.csv`` and ``results.json`` into the folder, over earlier ones.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        rows, summaries = self.rows(), [_flat(summary) for summary in self.summaries()]
        write_csv(self.folder.path / "results.csv", _without_nan(rows), _columns(rows), overwrite=True)
        write_csv(
            self.folder.path / "summary.csv", _without_nan(summaries), _columns(summaries), overwrite=True
        )
        write_json(self.folder.path / "results.json", self.to_dict(), overwrite=True)


def _names(report: Report) -> tuple[str, ...]:
    return tuple(score.name for score in report.scores)


def _over(statistic: Callable[[list[float]], Any], seeds: Sequence[dict[str, float]]) -> dict[str, float]:
    """A statistic over seeds of each score that any seed has."""
    keys = dict.fromkeys(key for values in seeds for key in values)
    return {key: float(statistic([values.get(key, math.nan) for values in seeds])) for key in keys}


def _sample_std(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(values)), _sample_std(values)


def _mean_threshold(facts: Sequence[CellFacts]) -> float | None:
    thresholds = [each.threshold for each in facts if each.threshold is not None]
    return float(np.mean(thresholds)) if thresholds else None


def _flat(summary: Summary) -> dict[str, Any]:
    """A row of ``summary.csv``."""
    row: dict[str, Any] = {
        "arm": summary.arm,
        "condition": summary.condition,
        "seeds": len(summary.seeds),
        "images": summary.images,
        "training_images": summary.training_images,
        "parameters": summary.parameters,
        "epochs": summary.epochs,
        "threshold": summary.threshold,
        "train_seconds": summary.train_seconds[0],
        "train_seconds_std": summary.train_seconds[1],
        "predict_seconds": summary.predict_seconds[0],
        "predict_seconds_std": summary.predict_seconds[1],
        "worst_image": summary.worst[0],
        "worst_score": summary.worst[1],
    }
    for key, mean in summary.mean.items():
        row[key] = mean
        row[f"{key}_std_over_seeds"] = summary.std[key]
        row[f"{key}_std_over_images"] = summary.image_std[key]
        if key in summary.pooled:
            row[f"{key}_pooled"] = summary.pooled[key]
    return row | {f"{key}_published": value for key, value in summary.published.items()}


def _columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row))


def _without_nan(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave undefined values empty, as other tables of ours do."""
    return [
        {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
        for row in rows
    ]
