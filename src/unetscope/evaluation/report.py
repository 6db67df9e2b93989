"""The table of scores of many images, with its summary.

Three summaries, because they answer different questions:

- *mean ± std over images*: how good is the prediction of an image, and how much does that vary?
  The standard deviation is that of the population (divided by n, as `numpy.std` does by default).
- *pooled*: one score from the counts of all pixels of all images, where large objects weigh more, or from
  the counts of all their objects, where images of many objects do.
- *per class*: both of these for each label, over the images in which it occurs.

Means over classes give every foreground class that occurs the same weight.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from unetscope._words import count
from unetscope.errors import InputError
from unetscope.evaluation import table
from unetscope.evaluation.columns import DISTANCES, IN_PRINT, SCORES, TITLES, notes_on_objects, show_value
from unetscope.evaluation.metrics import Counts, macro, measure
from unetscope.evaluation.objects import OBJECT_METRICS, object_scores, pool_objects
from unetscope.evaluation.score import ImageScore

__all__ = ["TITLES", "ClassSummary", "Report", "show_value"]

_WITH_BACKGROUND = ("mean_iou", "mean_dice")


@dataclass(frozen=True)
class ClassSummary:
    """One label over all images in which it occurs in truth or prediction.

    Attributes
    ----------
    mean, std : dict of str to float
        `METRICS` and accuracy over these images.
    pooled : dict of str to float
        The same from the counts of all images.
    n : int
        Number of these images.
    """

    mean: dict[str, float]
    std: dict[str, float]
    pooled: dict[str, float]
    n: int


@dataclass(frozen=True)
class Report:
    """Scores of several images.

    Parameters
    ----------
    scores : tuple of ImageScore
        At least one. If some image marks its one object with different values in truth and prediction,
        the object gets the label that it has in the truth throughout.

    Raises
    ------
    InputError
        If there are no scores, distances have different units, or objects marked with different values
        are mixed with several classes.
    """

    scores: tuple[ImageScore, ...]

    def __post_init__(self) -> None:
        if not self.scores:
            raise InputError(
                "the report has no images",
                expected="at least one scored image",
                fix="check that truths and predictions were found",
            )
        units = sorted({score.units for score in self.scores if score.hausdorff95 is not None})
        if len(units) > 1:
            raise InputError(
                f"the distances are in {' and '.join(units)}",
                expected="one unit",
                fix="report these images separately, or without distances",
            )
        object.__setattr__(self, "scores", _with_one_label(tuple(self.scores)))

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.scores)

    @property
    def units(self) -> str:
        """Units of the distances."""
        measured = (score.units for score in self.scores if score.hausdorff95 is not None)
        return next(measured, self.scores[0].units)

    @cached_property
    def values(self) -> dict[str, list[float]]:
        """Of every image, in the order of `scores`: `METRICS`, accuracy, mean IoU and mean Dice.

        Scores of objects and distances, in `units`, too if any image has them; NaN where one has not, or
        where a distance is undefined.
        """
        scores = {key: [score.metrics[key] for score in self.scores] for key in (*SCORES, *_WITH_BACKGROUND)}
        rows = self.rows()
        known = (*OBJECT_METRICS, *DISTANCES)
        measured = [key for key in known if any(row.get(key) is not None for row in rows)]
        return scores | {key: [_or_nan(row.get(key)) for row in rows] for key in measured}

    @property
    def columns(self) -> tuple[str, ...]:
        """Keys of `values` in the order of the tables."""
        return tuple(key for key in (*SCORES, *OBJECT_METRICS, *DISTANCES) if key in self.values)

    @property
    def printed(self) -> tuple[str, ...]:
        """Those of `columns` that are read rather than computed with, of `table` and `to_markdown`.

        All, unless masks number objects; then Dice and scores of objects.
        """
        if "object_f1" not in self.values:
            return self.columns
        return tuple(key for key in IN_PRINT if key in self.values)

    @property
    def header(self) -> tuple[str, ...]:
        """Titles of `columns`, with units."""
        return tuple(
            f"{TITLES[key]} ({self.units})" if key in DISTANCES else TITLES[key] for key in self.columns
        )

    @cached_property
    def mean(self) -> dict[str, float]:
        """Mean over images of `values`, for a distance over those where it is defined (NaN if none)."""
        return {key: _over_defined(values, np.mean) for key, values in self.values.items()}

    @cached_property
    def std(self) -> dict[str, float]:
        """Population standard deviation over images, of the same values as `mean`."""
        return {key: _over_defined(values, np.std) for key, values in self.values.items()}

    @cached_property
    def pooled(self) -> dict[str, float]:
        """`METRICS`, accuracy, mean IoU, mean Dice and scores of objects from the counts of all images."""
        objects = [score.objects for score in self.scores if score.objects is not None]
        return macro(self._counts) | (object_scores(pool_objects(objects)) if objects else {})

    @cached_property
    def per_class(self) -> dict[int, ClassSummary]:
        """Summary of each label that occurs in any image, with the background (0)."""
        return {label: self._summarize(label) for label, counts in self._counts.items() if counts.occurs}

    @cached_property
    def macro(self) -> dict[str, float]:
        """Mean over the foreground classes of their means over images.

        It differs from `mean` where a class is not in every image: there every image has the same
        weight, here every class.
        """
        means = [summary.mean for label, summary in self.per_class.items() if label != 0]
        return {key: float(np.mean([mean[key] for mean in means])) if means else 1.0 for key in SCORES}

    @property
    def ranked_by(self) -> str:
        """The key of what `ranking` goes by: Dice, or panoptic quality where masks number objects."""
        return "dice" if any(score.objects is None for score in self.scores) else "panoptic_quality"

    @cached_property
    def ranking(self) -> tuple[int, ...]:
        """Indices of `scores` from the worst to the best by `ranked_by`; equal ones in their order."""
        values = self.values[self.ranked_by]
        return tuple(sorted(range(self.n), key=values.__getitem__))

    def best(self) -> ImageScore:
        """Return the highest score of the ranking."""
        return self.scores[self.ranking[-1]]

    def median(self) -> ImageScore:
        """Return the score in the middle of the ranking, the lower of two."""
        return self.scores[self.ranking[(self.n - 1) // 2]]

    def worst(self) -> ImageScore:
        """Return the lowest score of the ranking."""
        return self.scores[self.ranking[0]]

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per image, as for a CSV file."""
        return [score.to_dict() for score in self.scores]

    def to_dict(self) -> dict[str, Any]:
        """Everything in plain types; NaN stays NaN, which `unetscope.io.write_json` writes as null.

        `unetscope.evaluation.read_report` makes the report again from a file of this.
        """
        return {
            "images": [_with_counts(score) for score in self.scores],
            "mean": self.mean,
            "std": self.std,
            "pooled": self.pooled,
            "per_class": {
                str(label): {"mean": each.mean, "std": each.std, "pooled": each.pooled, "n": each.n}
                for label, each in self.per_class.items()
            },
            "n": self.n,
            "units": self.units,
        }

    def table(self, rows: Literal["all", "summary"] = "all") -> str:
        """Aligned plain text: images, mean ± std, pooled, and what they are over.

        Parameters
        ----------
        rows : {"all", "summary"}
            Whether to list the images.
        """
        summary = [
            ["Mean", *self._cells(self.mean)],
            ["± std", *self._cells(self.std)],
            ["Pooled", *self._cells(self.pooled)],
        ]
        images = self._image_rows() if rows == "all" else []
        return "\n".join(
            [table.aligned(["Image", *self._titles], [images, summary, self._class_rows()]), "", *self._notes]
        )

    def to_markdown(self, rows: Literal["all", "summary"] = "all") -> str:
        """Build the same table in Markdown; the arguments are those of `table`."""
        spread = map(" ± ".join, zip(self._cells(self.mean), self._cells(self.std), strict=True))
        lines = [
            *(self._image_rows() if rows == "all" else []),
            ["Mean ± std", *spread],
            ["Pooled", *self._cells(self.pooled)],
            *self._class_rows(),
        ]
        notes = "\n".join(f"- {note}" for note in self._notes)
        return f"{table.markdown(['Image', *self._titles], lines)}\n\n{notes}\n"

    @cached_property
    def _counts(self) -> dict[int, Counts]:
        labels = sorted({label for score in self.scores for label in score.counts})
        return {label: sum((_counts_of(score, label) for score in self.scores), Counts()) for label in labels}

    def _summarize(self, label: int) -> ClassSummary:
        counts = [_counts_of(score, label) for score in self.scores]
        present = [measure(each) for each in counts if each.occurs]
        values = {key: [each[key] for each in present] for key in SCORES}
        return ClassSummary(
            mean={key: float(np.mean(values[key])) for key in SCORES},
            std={key: float(np.std(values[key])) for key in SCORES},
            pooled=measure(self._counts[label]),
            n=len(present),
        )

    @property
    def _titles(self) -> list[str]:
        titles = dict(zip(self.columns, self.header, strict=True))
        return [titles[key] for key in self.printed]

    def _cells(self, values: dict[str, Any]) -> list[str]:
        return [show_value(key, values.get(key)) for key in self.printed]

    def _image_rows(self) -> list[list[str]]:
        return [[score.name, *self._cells(score.to_dict())] for score in self.scores]

    def _class_rows(self) -> list[list[str]]:
        labels = [label for label in self.per_class if label != 0]
        if len(labels) < 2:
            return []
        means = [self.per_class[label] for label in labels]
        return [
            [f"Class {label}, mean of {each.n}", *self._cells(each.mean)]
            for label, each in zip(labels, means, strict=True)
        ]

    @property
    def _notes(self) -> list[str]:
        images = count(self.n, "image")
        counts = "counts of pixels and objects" if "object_f1" in self.values else "pixel counts"
        notes = [f"Mean ± std over {images} (population std); pooled: from the {counts} of all."]
        labels = [label for label in self.per_class if label != 0]
        if len(labels) > 1:
            notes.append(f"Scores are means over the classes {', '.join(map(str, labels))} that occur.")
        distances = "hausdorff95" in self.printed
        empty = sum(not score.classes for score in self.scores)
        if empty:
            scored = "scored 1, distance 0" if distances else "scored 1"
            notes.append(f"{count(empty, 'image')} with no object in truth and prediction: {scored}.")
        undefined = sum(map(math.isnan, self.values.get("hausdorff95", []))) if distances else 0
        if undefined:
            images = count(undefined, "image")
            notes.append(f"Distances are undefined for {images} (object in one mask only): left out.")
        notes += notes_on_objects(self.printed)
        if distances:
            notes.append("HD95: 95 % Hausdorff distance. MSD: mean surface distance, both directions.")
        return notes


def _with_one_label(scores: tuple[ImageScore, ...]) -> tuple[ImageScore, ...]:
    """Call one object by one label if its values differ anywhere, so that its counts can be pooled."""
    recoded = next((score for score in scores if score.recoded), None)
    if recoded is None:
        return scores
    true_labels = {
        label
        for score in scores
        for label, counts in score.counts.items()
        if label != 0 and counts.tp + counts.fn > 0
    }
    if len(true_labels) > 1 or any(len(score.counts) != 2 for score in scores):
        raise InputError(
            f"{recoded.name} marks its object with different values in truth and prediction, and there are"
            " several classes",
            expected="the same values in truth and prediction",
            fix="name the classes",
        )
    label = true_labels.pop()
    return tuple(
        replace(score, counts=dict(zip((0, label), score.counts.values(), strict=True))) for score in scores
    )


def _with_counts(score: ImageScore) -> dict[str, Any]:
    """A row with the counts that its scores are made of."""
    counts = {str(label): asdict(each) for label, each in score.counts.items()}
    if score.objects is None:
        return {**score.to_dict(), "counts": counts}
    # Lists, as they are in a file.
    objects = {key: list(n) if isinstance(n, tuple) else n for key, n in asdict(score.objects).items()}
    return {**score.to_dict(), "counts": counts, "objects": objects}


def _counts_of(score: ImageScore, label: int) -> Counts:
    """Look up the counts of a label; an image that does not list it has it nowhere."""
    total = next(iter(score.counts.values())).total
    return score.counts.get(label, Counts(tn=total))


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _over_defined(values: list[float], statistic: Callable[[list[float]], Any]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return float(statistic(defined)) if defined else math.nan
