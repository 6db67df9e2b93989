"""The model file: weights, recipe, normalization and provenance in one safetensors file, no pickle."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from unetscope.io.write import atomic
from unetscope.model_card import FORMAT, FORMAT_VERSION, ModelCard, foreign_model, unfitting_model
from unetscope.network import UNet, for_inference, network_for
from unetscope.preprocess import Preparation, Scaling
from unetscope.recipe import Recipe

__all__ = ["Model"]


@dataclass(frozen=True)
class Model:
    """A trained network with all that prediction needs.

    Attributes
    ----------
    network : UNet
        In evaluation mode.
    recipe : Recipe
        What it was trained with.
    values : tuple of int
        The mask value of each class, background first; predictions carry these values.
    channels : tuple of str
        Channel names of the training images; one name for images without channels.
    scaling : Scaling or None
        Statistics of the training set, where the recipe normalizes by them.
    threshold : float
        For binary and instances: probability from which on a pixel is the object.
    seed : float
        For instances: core, or part of a typical object's votes, from which on an object begins.
    minimum_size : int or None
        For instances: pixels of the smallest object, tuned; None if the recipe says it.
    diameter : float or None
        Median diameter of the objects that it was trained on, pixels of the images as they are; None unless
        its masks number objects.
    provenance : mapping
        Versions, data fingerprint, scores: whatever tells where the model came from.
    """

    network: UNet
    recipe: Recipe
    values: tuple[int, ...]
    channels: tuple[str, ...]
    scaling: Scaling | None = None
    threshold: float = 0.5
    seed: float = 0.5
    minimum_size: int | None = None
    diameter: float | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def predictor(self) -> UNet:
        """The network as it predicts fastest; see `unetscope.network.for_inference`."""
        return for_inference(self.network)

    @property
    def preparation(self) -> Preparation:
        """What is done to an image before the network sees it."""
        return Preparation(self.recipe.preprocess, self.scaling)

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return next(self.network.parameters()).device

    def to(self, device: torch.device) -> Model:
        """The same model on another device."""
        return dataclasses.replace(self, network=self.network.to(device))

    def save(self, path: Path, *, overwrite: bool = False) -> Path:
        """Write the model file, under a temporary name first.

        Parameters
        ----------
        path : Path
            Usually ending in ``.safetensors``.
        overwrite : bool
            Whether an existing file may be replaced.

        Raises
        ------
        OutputError
            If the file exists or cannot be written; an earlier file stays as it was.
        """
        tensors = {
            name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()
        }
        metadata = {"format": FORMAT, "version": str(FORMAT_VERSION), "model": json.dumps(self._card())}
        with atomic(path, overwrite=overwrite) as temporary:
            temporary.write_bytes(save(tensors, metadata))
        return path

    @classmethod
    def load(cls, path: Path, *, device: torch.device | str = "cpu") -> Model:
        """Read a model file.

        Raises
        ------
        ModelError
            If the file is missing, truncated, not a model of this program, or of a newer format.
        """
        card = ModelCard.read(path)
        try:
            tensors = load_file(path, device=str(device))
        except (SafetensorError, OSError) as error:
            raise foreign_model(path, error) from None
        try:
            network = network_for(card.recipe, len(card.channels), card.values)
            network.load_state_dict(tensors)
        except (TypeError, RuntimeError) as error:
            raise unfitting_model(path, error) from error
        return cls(
            network=network.to(device).eval(),
            recipe=card.recipe,
            values=card.values,
            channels=card.channels,
            scaling=card.scaling,
            threshold=card.threshold,
            seed=card.seed,
            minimum_size=card.minimum_size,
            diameter=card.diameter,
            provenance=card.provenance,
        )

    def _card(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe.to_dict(),
            "values": self.values,
            "channels": self.channels,
            "scaling": None if self.scaling is None else dataclasses.asdict(self.scaling),
            "threshold": self.threshold,
            "seed": self.seed,
            "minimum_size": self.minimum_size,
            "diameter": self.diameter,
            "provenance": dict(self.provenance),
        }
