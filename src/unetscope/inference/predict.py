"""Predict: an image in, labels and probabilities on the same grid out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unetscope.errors import InputError
from unetscope.inference.instances import label_objects, remove_small
from unetscope.inference.tiling import predict_logits
from unetscope.io.image import Image
from unetscope.model import Model
from unetscope.network import UNet
from unetscope.preprocess.frames import join_frames, split_frames

__all__ = ["Prediction", "labels_from", "predict_image", "predict_probabilities"]

Kind = Literal["binary", "multiclass", "instances"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says about one image, on the image's own grid.

    Attributes
    ----------
    labels : Image
        Axes of the image without channels; the values are those of the training masks, or 1, 2, … for
        objects.
    probabilities : Image
        float32 in [0, 1]. Binary and instances: of being an object, without a channel axis. Multi-class:
        one channel per class, background first.
    """

    labels: Image
    probabilities: Image

    def time_points(self) -> list[Prediction]:
        """The points of a time series one by one, or this prediction alone."""
        parts = zip(self.labels.time_points(), self.probabilities.time_points(), strict=True)
        return [Prediction(labels, probabilities) for labels, probabilities in parts]


def predict_image(model: Model, image: Image, *, threshold: float | None = None) -> Prediction:
    """Segment one image: a plane, a volume, or a series of them.

    Parameters
    ----------
    model : Model
    image : Image
        With as many channels as the training images. A 2D network takes volumes slice by slice; time
        points are always predicted one by one.
    threshold : float, optional
        Instead of the model's own; without meaning for multi-class.

    Returns
    -------
    Prediction

    Raises
    ------
    InputError
        If channels or dimensions of the image are not those of the model, or pixels are NaN.
    """
    settings = model.recipe
    dimensions = settings.network.dimensions
    frames = [_predict_frame(model, frame) for frame in split_frames(image, dimensions)]
    maps = join_frames(frames, image, dimensions)
    series = "T" in image.axes
    threshold = model.threshold if threshold is None else threshold
    labels = [
        labels_from(
            volume,
            kind=settings.target.kind,
            values=model.values,
            threshold=threshold,
            minimum_size=settings.prediction.minimum_size,
        )
        for volume in (maps if series else [maps])
    ]
    bare = image.axes.replace("C", "")
    on_grid = image.with_data(np.stack(labels) if series else labels[0], axes=bare)
    return Prediction(on_grid, _probability_image(model, maps, on_grid))


def predict_probabilities(
    network: UNet, data: NDArray[np.float32], *, mirror: bool = False
) -> NDArray[np.float32]:
    """Probabilities of one prepared frame.

    Parameters
    ----------
    network : UNet
        In evaluation mode.
    data : (C, *grid) float32 ndarray
    mirror : bool
        Average over all combinations of mirrored axes.

    Returns
    -------
    (K, *grid) float32 ndarray
        K is 1 (sigmoid), or the number of classes (softmax).
    """
    axes = range(1, data.ndim)
    choices: Sequence[tuple[int, ...]] = [()]
    if mirror:
        choices = [c for n in range(data.ndim) for c in itertools.combinations(axes, n)]
    total = np.zeros((network.out_channels, *data.shape[1:]), dtype=np.float32)
    for choice in choices:
        logits = predict_logits(network, np.ascontiguousarray(np.flip(data, choice)))
        total += np.flip(_activate(logits).numpy(), choice)
    return (total / len(choices)).astype(np.float32)


def labels_from(
    probabilities: NDArray[np.float32],
    *,
    kind: Kind,
    values: Sequence[int],
    threshold: float,
    minimum_size: int = 0,
) -> NDArray[Any]:
    """Turn probabilities into labels.

    Parameters
    ----------
    probabilities : (K, *grid) float32 ndarray
        One map for binary and instances, one per class for multi-class.
    kind : {"binary", "multiclass", "instances"}
    values : sequence of int
        Label value of each class, background first.
    threshold : float
        Pixels at or above this are the object; not used for multi-class.
    minimum_size : int
        Connected parts with fewer pixels become background.

    Returns
    -------
    (*grid) integer ndarray
        int32 object numbers for instances, otherwise the smallest type that holds `values`.
    """
    if kind == "instances":
        foreground = remove_small((probabilities[0] >= threshold).astype(np.uint8), minimum_size)
        return label_objects(foreground > 0)
    if kind == "multiclass":
        classes = probabilities.argmax(axis=0)
    else:
        classes = (probabilities[0] >= threshold).astype(np.intp)
    classes = remove_small(classes, minimum_size)
    dtype = np.result_type(np.uint8, np.min_scalar_type(min(values)), np.min_scalar_type(max(values)))
    return np.asarray(values, dtype=dtype)[classes]


def _predict_frame(model: Model, frame: Image) -> NDArray[np.float32]:
    """Probabilities (K, *grid) on the frame's own grid."""
    data = model.preparation.normalized(frame)
    if len(data) != len(model.channels):
        raise InputError(
            f"{frame.name} has {len(data)} channels ({', '.join(frame.channels) or 'gray'})",
            expected=f"{len(model.channels)} ({', '.join(model.channels)})",
            fix="convert the image to the kind that the model was trained on",
        )
    transform = model.preparation.transform(frame.grid)
    mirror = model.recipe.prediction.mirror
    maps = predict_probabilities(model.network, transform.image(data), mirror=mirror)
    if len(maps) == 1:
        return transform.image_back(maps)
    objects = transform.image_back(maps[1:])
    # Outside the crop nothing was looked at: background.
    return np.concatenate([np.clip(1 - objects.sum(axis=0, keepdims=True), 0, 1), objects])


def _activate(logits: Tensor) -> Tensor:
    return torch.sigmoid(logits) if len(logits) == 1 else torch.softmax(logits, dim=0)


def _probability_image(model: Model, maps: NDArray[np.float32], labels: Image) -> Image:
    axes = labels.axes
    names: tuple[str, ...] = ()
    if model.recipe.target.kind == "multiclass":
        axes = "TC" + axes[1:] if "T" in axes else "C" + axes
        names = tuple(f"class {value}" for value in model.values)
    else:
        maps = maps[:, 0] if "T" in axes else maps[0]
    return replace(labels, data=maps, axes=axes, channels=names)
