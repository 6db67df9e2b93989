"""Two reports on the same images, compared image by image.

Images differ more from each other than two models do on one image. So the difference is taken for each image
that both reports have, and its mean and spread are what says something about the models.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from unetscope.errors import InputError
from unetscope.evaluation.report import Report
from unetscope.evaluation.score import ImageScore

__all__ = ["Difference", "Paired", "pair_reports"]


@dataclass(frozen=True)
class Difference:
    """One score of two reports over the images that both have.

    Attributes
    ----------
    first, second : (float, float)
        Mean and population standard deviation of each.
    mean, std : float
        Of second minus first, image by image; population standard deviation.
    n : int
        Number of images where both are defined; with none all numbers are NaN.
    """

    first: tuple[float, float]
    second: tuple[float, float]
    mean: float
    std: float
    n: int


@dataclass(frozen=True)
class Paired:
    """Two reports over the images that both have.

    Attributes
    ----------
    names : tuple of str
        These images.
    left_out : tuple of str
        Images of only one report, and those whose masks differ.
    differences : dict of str to Difference
        By the keys of `Report.values` that both have, in the order of the tables.
    """

    names: tuple[str, ...]
    left_out: tuple[str, ...]
    differences: dict[str, Difference]


def pair_reports(first: Report, second: Report) -> Paired:
    """Compare two reports image by image.

    Parameters
    ----------
    first, second : Report
        Images are the same if their names are, and as many pixels of each label are in their truths.

    Raises
    ------
    InputError
        If no image is in both, two images of a report have one name, or distances have different units.
    """
    ours, theirs = _by_name(first), _by_name(second)
    names = tuple(
        name
        for name, at in ours.items()
        if name in theirs and _truth(first.scores[at]) == _truth(second.scores[theirs[name]])
    )
    if not names:
        raise InputError(
            "the two reports have no image in common",
            expected="the same images with the same masks",
            fix="score both models on the same images",
        )
    keys = [key for key in first.columns if key in second.columns]
    if "hausdorff95" in keys and first.units != second.units:
        raise InputError(
            f"the distances are in {first.units} and {second.units}",
            expected="one unit",
            fix="score both on images of one kind",
        )
    a, b = [ours[name] for name in names], [theirs[name] for name in names]
    differences = {
        key: _difference(np.array(first.values[key], float)[a], np.array(second.values[key], float)[b])
        for key in keys
    }
    left_out = tuple(name for name in dict.fromkeys([*ours, *theirs]) if name not in names)
    return Paired(names, left_out, differences)


def _by_name(report: Report) -> dict[str, int]:
    places = {score.name: place for place, score in enumerate(report.scores)}
    if len(places) < report.n:
        name, count = Counter(score.name for score in report.scores).most_common(1)[0]
        raise InputError(
            f"{count} images of the report are called {name}",
            expected="names that tell images apart",
            fix="rename them and score again",
        )
    return places


def _truth(score: ImageScore) -> dict[int, int]:
    pixels = {label: counts.tp + counts.fn for label, counts in score.counts.items()}
    return {label: count for label, count in pixels.items() if count}


def _difference(first: np.ndarray, second: np.ndarray) -> Difference:
    both = np.isfinite(first) & np.isfinite(second)
    if not both.any():
        nothing = (math.nan, math.nan)
        return Difference(nothing, nothing, *nothing, 0)
    first, second = first[both], second[both]
    change = second - first
    return Difference(
        (float(first.mean()), float(first.std())),
        (float(second.mean()), float(second.std())),
        float(change.mean()),
        float(change.std()),
        int(both.sum()),
    )
