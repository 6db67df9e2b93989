"""The model file: weights, recipe, normalization and provenance in one safetensors file, no pickle."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from unetscope.errors import ModelError, UNetScopeError
from unetscope.io.write import atomic
from unetscope.network import UNet
from unetscope.preprocess import Preparation, Scaling
from unetscope.recipe import Recipe, from_dict

__all__ = ["FORMAT_VERSION", "Model"]

FORMAT_VERSION = 1
_FORMAT = "unetscope-model"


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
    provenance : mapping
        Versions, data fingerprint, scores: whatever tells where the model came from.
    """

    network: UNet
    recipe: Recipe
    values: tuple[int, ...]
    channels: tuple[str, ...]
    scaling: Scaling | None = None
    threshold: float = 0.5
    provenance: Mapping[str, Any] = field(default_factory=dict)

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
        metadata = {"format": _FORMAT, "version": str(FORMAT_VERSION), "model": json.dumps(self._card())}
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
        try:
            with safe_open(path, framework="pt", device=str(device)) as file:
                metadata = file.metadata() or {}
                card = _read_card(metadata, path)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else "damaged or of another kind"
            raise ModelError(
                f"{path} is not a readable model ({reason})",
                expected="a model.safetensors of a run",
                fix="check the path, or copy the file again",
            ) from None
        try:
            recipe = from_dict(card["recipe"], source=path.name)
            outputs = len(card["values"]) if recipe.target.kind == "multiclass" else 1
            network = UNet(recipe.network, len(card["channels"]), outputs)
            network.load_state_dict(tensors)
            scaling = card["scaling"]
            return cls(
                network=network.to(device).eval(),
                recipe=recipe,
                values=tuple(card["values"]),
                channels=tuple(card["channels"]),
                scaling=None if scaling is None else Scaling(*map(_tuple, scaling.values())),
                threshold=card["threshold"],
                provenance=card["provenance"],
            )
        except (AttributeError, KeyError, TypeError, RuntimeError, UNetScopeError) as error:
            raise ModelError(
                f"{path} does not fit together ({error.__class__.__name__})",
                expected="a model of this program",
                fix="copy the file again, or train again",
            ) from error

    def _card(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe.to_dict(),
            "values": self.values,
            "channels": self.channels,
            "scaling": None if self.scaling is None else dataclasses.asdict(self.scaling),
            "threshold": self.threshold,
            "provenance": dict(self.provenance),
        }


def _read_card(metadata: Mapping[str, str], path: Path) -> dict[str, Any]:
    if metadata.get("format") != _FORMAT:
        raise ModelError(
            f"{path} is a safetensors file of another program",
            expected="a model of this program",
            fix="check the path",
        )
    version = metadata.get("version", "")
    if not version.isdecimal() or int(version) > FORMAT_VERSION:
        raise ModelError(
            f"{path} has model format {version or 'unknown'}",
            expected=f"format {FORMAT_VERSION} or older",
            fix="update unetscope",
        )
    try:
        card = json.loads(metadata["model"])
    except (KeyError, ValueError):
        card = None
    if not isinstance(card, dict):
        raise ModelError(f"{path} has no readable description", expected="a model", fix="copy the file again")
    return card


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
