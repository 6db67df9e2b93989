"""Images in, normalized images, predictions and reports out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unetscope.api.data import StrPath
from unetscope.errors import InputError
from unetscope.evaluation.report import Report
from unetscope.evaluation.score import score_image
from unetscope.io import Image, read
from unetscope.preprocess import Preparation
from unetscope.preprocess.frames import join_frames, split_frames
from unetscope.recipe.recipe import Normalize, Preprocess, Target

if TYPE_CHECKING:
    from unetscope.inference import Prediction
    from unetscope.model import Model

__all__ = ["evaluate", "load_model", "normalize", "predict", "time_points"]


def normalize(image: Image, settings: Normalize | None = None) -> Image:
    """Normalize an image as training would; in a time series, each point by itself.

    Parameters
    ----------
    image : Image
    settings : Normalize, optional
        5th to 95th percentile become 0 and 1, clipped, unless given.

    Returns
    -------
    Image
        float32, on the same grid.

    Raises
    ------
    InputError
        For NaN pixels, or settings that need statistics of a training set.
    """
    settings = Normalize() if settings is None else settings
    if settings.scope == "dataset":
        raise InputError(
            "one image is to be normalized by the statistics of a dataset",
            expected="scope image or channel",
            fix="set normalize.scope=image",
        )
    preparation = Preparation(Preprocess(normalize=settings))
    dimensions = len(image.spatial_axes)
    frames = [preparation.normalized(frame) for frame in split_frames(image, dimensions)]
    data = join_frames(frames, image, dimensions)
    return image.with_data(data if "C" in image.axes else data.squeeze(-1 - dimensions))


def load_model(path: StrPath, *, device: str = "auto") -> Model:
    """Load a model file, or the best model of a run folder.

    Raises
    ------
    ModelError
        If there is no model, or it is damaged, foreign or of a newer format.
    """
    from unetscope.model import Model
    from unetscope.training.loop import choose_device
    from unetscope.training.run import Run

    path = Path(path)
    return Model.load(Run.open(path).model_path if path.is_dir() else path, device=choose_device(device))


def predict(
    model: Model | StrPath, image: Image | NDArray[Any] | StrPath, *, threshold: float | None = None
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

    Returns
    -------
    Prediction
        Labels and probabilities on the image's own grid.

    Raises
    ------
    InputError
        If the image does not fit the model, or the threshold is no probability or has no meaning for it.
    """
    from unetscope.inference import predict_image
    from unetscope.model import Model

    if not isinstance(model, Model):
        model = load_model(model)
    _check_threshold(threshold, model)
    if isinstance(image, str | Path):
        image = read(image)
    elif not isinstance(image, Image):
        image = Image(image, "ZYX"[-image.ndim :])
    return predict_image(model, image, threshold=threshold)


def evaluate(
    predicted: Sequence[Image],
    truth: Sequence[Image],
    *,
    names: Sequence[str] | None = None,
    target: Target | None = None,
) -> Report:
    """Score predictions against the truth, image by image, and time point by time point.

    Parameters
    ----------
    predicted, truth : sequence of Image
        Label images, in the same order and on the same grids. Distances are in the units of `predicted`.
    names : sequence of str, optional
        For the table; the names of the truth unless given.
    target : Target, optional
        How masks are read, from the recipe. Without it every mask value is a class; with instances, all
        objects together are compared with the background.

    Raises
    ------
    InputError
        If there is nothing to compare, or grids differ.
    """
    if len(predicted) != len(truth):
        raise InputError(
            f"there are {len(predicted)} predictions and {len(truth)} masks",
            expected="one mask per prediction",
        )
    names = [image.name for image in truth] if names is None else names
    rows = [row for one in zip(names, truth, predicted, strict=True) for row in time_points(*one)]
    target = Target(kind="multiclass") if target is None else target
    pairs = [(_truth(t, target), _predicted(p, target)) for _, t, p in rows]
    occurring = sorted(
        {int(v) for pair in pairs for labels in pair for v in np.unique(labels)} - {target.ignore}
    )
    in_truth = {int(v) for labels, _ in pairs for v in np.unique(labels)} - {0, target.ignore}
    # With several classes, an image that holds only one of them is still scored by that class.
    classes = occurring if len(in_truth) > 1 else None
    return Report(
        tuple(
            score_image(name, t, p, classes=classes, spacing=on.spacing, units=on.units, ignore=target.ignore)
            for (name, _, on), (t, p) in zip(rows, pairs, strict=True)
        )
    )


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


def _check_threshold(threshold: float | None, model: Model) -> None:
    if threshold is None:
        return
    if not 0 < threshold < 1:
        raise InputError(
            f"the threshold is {threshold:g}", expected="a probability between 0 and 1", fix="correct it"
        )
    if model.recipe.target.kind == "multiclass":
        raise InputError(
            f"the model chooses the likeliest of {len(model.values)} classes, for which the threshold "
            f"{threshold:g} has no meaning",
            expected="no threshold",
            fix="leave it out",
        )


def _truth(mask: Image, target: Target) -> NDArray[Any]:
    """The mask with all objects as 1, unless they are classes; ignored pixels stay what they are."""
    if target.kind == "multiclass":
        return mask.data
    foreground = (mask.data > target.threshold).astype(np.int64)
    if target.ignore is not None:
        foreground[mask.data == target.ignore] = target.ignore
    return foreground


def _predicted(labels: Image, target: Target) -> NDArray[Any]:
    return labels.data if target.kind == "multiclass" else (labels.data > 0).astype(np.int64)
