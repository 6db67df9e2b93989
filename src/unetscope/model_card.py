"""What a model file says about itself, read from its header: neither torch nor the weights are loaded."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from unetscope.errors import ModelError, UNetScopeError
from unetscope.model_about import About
from unetscope.preprocess import Scaling
from unetscope.recipe import Recipe, from_dict

__all__ = ["FORMAT", "FORMAT_VERSION", "ModelCard", "Start", "foreign_model", "unfitting_model"]

FORMAT = "unetscope-model"
FORMAT_VERSION = 1

# What batch normalization keeps besides its weights.
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True)
class Start:
    """The model whose weights a training began with.

    Attributes
    ----------
    name : str
        Of a model that comes with the package, of a run folder, or of a file.
    sha256 : str
        Of the file, as hex digits.
    seen : int
        How many of the images that validate or test have taught it, as far as that is known: scores on them
        flatter.
    """

    name: str
    sha256: str
    seen: int = 0

    def __str__(self) -> str:
        return f"{self.name} (sha256 {self.sha256[:12]}…)"


@dataclass(frozen=True)
class ModelCard:
    """The description in a model file.

    Attributes
    ----------
    path : Path
        The file.
    recipe, values, channels, scaling, threshold, seed, minimum_size, diameter, provenance
        As in `unetscope.model.Model`.
    parameters : int
        How many numbers training has learned.
    """

    path: Path
    recipe: Recipe
    values: tuple[int, ...]
    channels: tuple[str, ...]
    scaling: Scaling | None
    threshold: float
    seed: float
    minimum_size: int | None
    diameter: float | None
    provenance: Mapping[str, Any]
    parameters: int

    @property
    def about(self) -> About | None:
        """Its story, where somebody has written one for those who get the file.

        Raises
        ------
        ModelError
            If it cannot be understood.
        """
        story = self.provenance.get("about")
        return None if story is None else About.from_dict(story, source=self.path.name)

    @property
    def start(self) -> Start | None:
        """The model whose weights its training began with; None if it began with new ones.

        Raises
        ------
        ModelError
            If that cannot be understood.
        """
        found = self.provenance.get("start")
        try:
            return None if found is None else Start(**found)
        except TypeError as error:
            raise unfitting_model(self.path, error) from None

    @classmethod
    def read(cls, path: Path) -> ModelCard:
        """Read the header of a model file.

        Raises
        ------
        ModelError
            If the file is missing, truncated, not a model of this program, or of a newer format.
        """
        try:
            with safe_open(path, framework="np") as file:
                card = _description(file.metadata() or {}, path)
                parameters = sum(
                    math.prod(file.get_slice(name).get_shape())
                    for name in file.keys()  # noqa: SIM118 - the file is no mapping
                    if not name.endswith(_STATISTICS)
                )
        except (SafetensorError, OSError) as error:
            raise foreign_model(path, error) from None
        try:
            scaling = card["scaling"]
            return cls(
                path=path,
                recipe=from_dict(card["recipe"], source=path.name),
                values=tuple(card["values"]),
                channels=tuple(card["channels"]),
                scaling=None if scaling is None else Scaling(*map(_tuple, scaling.values())),
                threshold=card["threshold"],
                # Models of the first version have none.
                seed=card.get("seed", 0.5),
                minimum_size=card.get("minimum_size"),
                diameter=card.get("diameter"),
                provenance=card["provenance"],
                parameters=parameters,
            )
        except (AttributeError, KeyError, TypeError, UNetScopeError) as error:
            raise unfitting_model(path, error) from error


def foreign_model(path: Path, error: Exception) -> ModelError:
    """The error about a file that cannot be opened as a model."""
    reason = "no such file" if isinstance(error, FileNotFoundError) else "damaged or of another kind"
    return ModelError(
        f"{path} is not a readable model ({reason})",
        expected="a model.safetensors of a run",
        fix="check the path, or copy the file again",
    )


def unfitting_model(path: Path, error: Exception) -> ModelError:
    """The error about a file whose parts do not belong together."""
    return ModelError(
        f"{path} does not fit together ({error.__class__.__name__})",
        expected="a model of this program",
        fix="copy the file again, or train again",
    )


def _description(metadata: Mapping[str, str], path: Path) -> dict[str, Any]:
    if metadata.get("format") != FORMAT:
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
