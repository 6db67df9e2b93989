"""Predictions of the test images scored under a condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unetscope import api
from unetscope.errors import InputError
from unetscope.evaluation import Report
from unetscope.experiments.experiment import Condition
from unetscope.io import Image
from unetscope.preprocess.geometry import resize
from unetscope.recipe.recipe import Target

if TYPE_CHECKING:
    from unetscope.inference import Prediction
    from unetscope.training.dataset import Example

__all__ = ["score", "score_everything"]


def score(
    predictions: Sequence[Prediction], tests: Sequence[Example], condition: Condition, target: Target
) -> tuple[Report, dict[str, NDArray[Any]]]:
    """Score predictions of the test images.

    Parameters
    ----------
    predictions : sequence of Prediction
        One for each test image.
    tests : sequence of Example
    condition : Condition
        Its threshold and grid count here.
    target : Target
        How masks are read.

    Returns
    -------
    Report
    dict of str to ndarray
        The labels by the name of the image, on the condition's grid.

    Raises
    ------
    InputError
        If a threshold has no meaning for the models, or a grid none for the images.
    """
    if condition.threshold is not None:
        threshold = condition.threshold
        predictions = [prediction.at(threshold) for prediction in predictions]
    labels = [_on(condition, prediction.labels) for prediction in predictions]
    truth = [_on(condition, example.mask) for example in tests]
    names = [example.name for example in tests]
    report = api.evaluate(labels, truth, names=names, target=target)
    return report, {name: image.data for name, image in zip(names, labels, strict=True)}


def score_everything(tests: Sequence[Example], condition: Condition, target: Target) -> Report:
    """The scores of calling every pixel the object; what a model must do better than.

    Parameters
    ----------
    tests : sequence of Example
    condition : Condition
        Its grid counts here.
    target : Target
        Binary or instances.
    """
    truth = [_on(condition, example.mask) for example in tests]
    labels = [mask.with_data(np.ones(mask.data.shape, np.uint8)) for mask in truth]
    return api.evaluate(labels, truth, names=[example.name for example in tests], target=target)


def _on(condition: Condition, labels: Image) -> Image:
    """Labels on the grid that a condition asks for."""
    if condition.grid is None:
        return labels
    if labels.axes != "YX":
        raise InputError(
            f"{labels.name} has the axes {labels.axes}",
            expected=f"a plane, to be scored on a grid of {condition.grid[0]}×{condition.grid[1]} pixels",
        )
    return Image(resize(labels.data, condition.grid, labels=True), "YX", source=labels.source)
