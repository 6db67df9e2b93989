"""The same network in Keras with TensorFlow, and its usual training step; where TensorFlow is installed."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from unetscope.recipe import Recipe
from unetscope.training.dataset import Sample

__all__ = ["KERAS", "KerasTraining", "can_run_keras"]

KERAS = "Keras, TensorFlow"


def can_run_keras(recipe: Recipe) -> bool:
    """Whether TensorFlow is installed, and the recipe one that `KerasTraining` knows: binary, Dice, Adam."""
    network = recipe.network
    plain = (network.dimensions, network.padding, network.upsampling) == (2, "same", "transposed")
    plain = plain and recipe.target.kind == "binary" and recipe.loss.cross_entropy is None
    plain = plain and recipe.optimizer.kind == "adam" and network.norm == "none"
    return plain and importlib.util.find_spec("tensorflow") is not None


class KerasTraining:
    """A network with the levels, widths and dropout of a recipe, and the samples that it learns from.

    Parameters
    ----------
    recipe : Recipe
        For which `can_run_keras` holds.
    samples : sequence of Sample
        Whole ones are trained on.
    """

    def __init__(self, recipe: Recipe, samples: Sequence[Sample]) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        self._batch = recipe.training.batch_size
        arrays = np.stack([sample.array for sample in samples])
        channels = samples[0].channels
        self._images = np.moveaxis(arrays[:, :channels], 1, -1).copy()
        self._masks = (arrays[:, -1:] > 0).astype(np.float32).transpose(0, 2, 3, 1).copy()
        self._model = _compiled(recipe, self._images.shape[1:])

    def epoch(self, steps: int) -> float:
        """Learn from so many batches, drawn from the shuffled samples; the mean loss."""
        rng = np.random.default_rng(0)
        count = len(self._images)
        order = np.concatenate([rng.permutation(count) for _ in range(-(-steps * self._batch // count))])
        losses = []
        for step in range(steps):
            chosen = order[step * self._batch : (step + 1) * self._batch]
            losses.append(float(self._model.train_on_batch(self._images[chosen], self._masks[chosen])))
        return float(np.mean(losses))


def _compiled(recipe: Recipe, shape: tuple[int, ...]) -> Any:
    import keras
    from keras import layers, ops

    settings = recipe.network

    def block(features: Any, width: int, dropout: float) -> Any:
        for index in range(settings.convs):
            features = layers.Conv2D(width, 3, padding="same", activation="relu")(features)
            if index == 0 and dropout > 0:
                features = layers.Dropout(dropout)(features)
        return features

    def dice_loss(truth: Any, found: Any) -> Any:
        smooth = recipe.loss.dice_smooth
        both = ops.sum(truth * found)
        return 1 - (2 * both + smooth) / (ops.sum(truth) + ops.sum(found) + smooth)

    entrance = features = layers.Input(shape)
    skips = []
    *levels, deepest = zip(settings.level_widths, settings.level_dropout, strict=True)
    for width, dropout in levels:
        features = block(features, width, dropout)
        skips.append(features)
        features = layers.MaxPooling2D()(features)
    features = block(features, *deepest)
    for (width, dropout), skip in zip(reversed(levels), reversed(skips), strict=True):
        features = layers.Conv2DTranspose(width, settings.up_kernel, strides=2, padding="same")(features)
        features = block(layers.Concatenate()([skip, features]), width, dropout)
    model = keras.Model(entrance, layers.Conv2D(1, settings.head_kernel, activation="sigmoid")(features))
    model.compile(keras.optimizers.Adam(recipe.optimizer.learning_rate), loss=dice_loss)
    return model
