"""Images in, predictions and reports out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unetscope.api.data import StrPath
from unetscope.api.models import load_model
from unetscope.errors import InputError
from unetscope.evaluation.object_overlay import OBJECT_OUTCOMES, object_outcomes
from unetscope.evaluation.objects import connected_objects, count_objects
from unetscope.evaluation.overlay import OUTCOMES, outcome_labels
from unetscope.evaluation.report import Report
from unetscope.evaluation.score import score_image
from unetscope.io import Image, read
from unetscope.preprocess import IGNORED, is_labeled, true_labels
from unetscope.recipe.recipe import Target

if TYPE_CHECKING:
    from unetscope.inference import Prediction, Progress
    from unetscope.model import Model

__all__ = ["evaluate", "outcome_colors", "outcomes", "predict", "time_points"]


def predict(
    model: Model | StrPath,
    image: Image | NDArray[Any] | StrPath,
    *,
    threshold: float | None = None,
    diameter: float | None = None,
    progress: Progress | None = None,
) -> Prediction:
    """Segment one image.

    Parameters
    ----------
    model : Model or path
        A model, its file, or a run folder.
    image : Image, ndarray or path
        An array is taken as (Y, X) or (Z, Y, X) without channels; use an Image for anything else.
    threshold : float, optional
        Instead of the model's own.
    diameter : float, optional
        Of the objects in pixels, for a model that brings them to one size; estimated unless given.
    progress : callable, optional
        Called often, with the part that is done, from 0 to 1; what it raises stops the prediction.

    Returns
    -------
    Prediction
        Labels and probabilities on the image's own grid; its method `at` gives the labels of another
        threshold without predicting again.

    Raises
    ------
    InputError
        If the image does not fit the model or into memory, or threshold or diameter is out of range or has no
        meaning for the model.
    """
    from unetscope.inference import predict_image
    from unetscope.model import Model

    if not isinstance(model, Model):
        model = load_model(model)
    if isinstance(image, str | Path):
        image = read(image)
    elif not isinstance(image, Image):
        image = Image(image, "ZYX"[-image.ndim :])
    return predict_image(model, image, threshold=threshold, diameter=diameter, progress=progress)


def evaluate(
    predicted: Sequence[Image],
    truth: Sequence[Image],
    *,
    names: Sequence[str] | None = None,
    target: Target | None = None,
) -> Report:
    """Score predictions against the truth, image by image, and time point by time point.

    Images in which nothing is labeled are left out. Distances are not measured between strokes (sparse
    annotation).

    Parameters
    ----------
    predicted, truth : sequence of Image
        Label images, in the same order and on the same grids. Distances are in the units of `predicted`.
    names : sequence of str, optional
        For the table; the names of the truth unless given.
    target : Target, optional
        How masks are read, from the recipe. Without it every mask value is a class; with instances, all
        objects together are compared with the background, and objects one by one with each other, too
        (`unetscope.evaluation.objects`). A prediction with one value only, of a network that knows no
        objects, is divided into its connected parts for that.

    Raises
    ------
    InputError
        If there is nothing to compare, nothing is labeled, or grids differ.
    """
    if len(predicted) != len(truth):
        raise InputError(
            f"there are {len(predicted)} predictions and {len(truth)} masks",
            expected="one mask per prediction",
        )
    names = [image.name for image in truth] if names is None else names
    target = Target(kind="multiclass") if target is None else target
    rows = _labeled_rows(names, truth, predicted, target)
    pairs = [(_truth(t, target), _predicted(p, target)) for _, t, p in rows]
    occurring = sorted({int(v) for pair in pairs for labels in pair for v in np.unique(labels)} - {IGNORED})
    in_truth = {int(v) for labels, _ in pairs for v in np.unique(labels)} - {0, IGNORED}
    # With several classes, an image that holds only one of them is still scored by that class.
    classes = occurring if len(in_truth) > 1 else None
    scores = [
        score_image(
            name,
            t,
            p,
            classes=classes,
            spacing=on.spacing,
            units=on.units,
            ignore=IGNORED,
            surface=not target.sparse,
        )
        for (name, _, on), (t, p) in zip(rows, pairs, strict=True)
    ]
    if _numbers_objects(target):
        objects = [_objects(t, p, target) for _, t, p in rows]
        counted = [count_objects(t, p, valid=valid) for t, p, valid in objects]
        scores = [replace(score, objects=each) for score, each in zip(scores, counted, strict=True)]
    return Report(tuple(scores))


def outcomes(
    truth: Image, predicted: Image, *, target: Target | None = None, classes: Sequence[int] | None = None
) -> Image:
    """Say what became of each pixel, or each object where masks number them, as `evaluate` counts it.

    Parameters
    ----------
    truth, predicted : Image
        Label images on the same grid, of any axes.
    target : Target, optional
        How masks are read; as for `evaluate`.
    classes : sequence of int, optional
        All labels of the data set, if there are several classes: those of `Report.per_class`.

    Returns
    -------
    Image
        uint8 on the grid of `predicted`: 0 where both are background or nobody labeled, and 1, 2, … for the
        names and colors of `outcome_colors` in their order. Of pixels: correct, false positive, false
        negative, wrong class; of objects: found, false, missed, merged, split.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    target = Target(kind="multiclass") if target is None else target
    if _numbers_objects(target):
        points = [_objects(t, p, target) for _, t, p in time_points(truth.name, truth, predicted)]
        found = [object_outcomes(t, p, valid=valid) for t, p, valid in points]
        return predicted.with_data(np.stack(found) if "T" in predicted.axes else found[0])
    labels = outcome_labels(
        _truth(truth, target), _predicted(predicted, target), classes=classes, ignore=IGNORED
    )
    return predicted.with_data(labels)


def outcome_colors(target: Target | None = None) -> Mapping[str, str]:
    """Names and colors, ``"#RRGGBB"``, of the values 1, 2, … of `outcomes` for the same target."""
    return OBJECT_OUTCOMES if target is not None and _numbers_objects(target) else OUTCOMES


def time_points(name: str, truth: Image, predicted: Image) -> list[tuple[str, Image, Image]]:
    """Name the points of a time series; one row for anything else.

    Raises
    ------
    InputError
        If the two have different numbers of time points.
    """
    points = truth.time_points(), predicted.time_points()
    if len(points[0]) != len(points[1]):
        raise InputError(
            f"{name} has {len(points[0])} time points and its prediction {len(points[1])}",
            expected="equally many",
            fix="compare a series with the masks of all its time points",
        )
    names = [name] if "T" not in truth.axes else [f"{name}, time {i + 1}" for i in range(len(points[0]))]
    return list(zip(names, *points, strict=True))


def _labeled_rows(
    names: Sequence[str], truth: Sequence[Image], predicted: Sequence[Image], target: Target
) -> list[tuple[str, Image, Image]]:
    """All time points in which anything is labeled."""
    rows = [row for one in zip(names, truth, predicted, strict=True) for row in time_points(*one)]
    labeled = [row for row in rows if is_labeled(row[1].data, target)]
    if rows and not labeled:
        raise InputError(
            f"all pixels of the {len(truth)} masks have the ignored value {target.ignore}",
            expected="labels in at least one",
            fix="paint some, or correct the ignored value",
        )
    return labeled


def _truth(mask: Image, target: Target) -> NDArray[Any]:
    """The mask's `true_labels`, with all objects as 1 unless they are classes."""
    labels = true_labels(mask.data, target)
    if target.kind == "multiclass":
        return labels
    return np.where(labels == IGNORED, IGNORED, labels > target.threshold)


def _numbers_objects(target: Target) -> bool:
    """Whether objects are told apart; strokes show parts of them only."""
    return target.kind == "instances" and not target.sparse


def _objects(
    truth: Image, predicted: Image, target: Target
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Numbered objects of truth and prediction, and where anything is labeled."""
    labels = true_labels(truth.data, target)
    objects = np.where(labels > target.threshold, labels, 0)
    return objects, connected_objects(predicted.data), labels != IGNORED


def _predicted(labels: Image, target: Target) -> NDArray[Any]:
    return labels.data if target.kind == "multiclass" else (labels.data > 0).astype(np.int64)
