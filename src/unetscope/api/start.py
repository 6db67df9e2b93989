"""Training that begins with the weights of a model: whether these suit the recipe and the images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from unetscope.api.data import StrPath
from unetscope.api.models import find_model, model_name
from unetscope.errors import InputError, RecipeError
from unetscope.model_card import ModelCard, Start
from unetscope.preprocess import class_values
from unetscope.recipe import Recipe
from unetscope.recipe.recipe import Network
from unetscope.training.folder import DataEntry, RunFolder

if TYPE_CHECKING:
    from unetscope.training.dataset import Example

__all__ = ["StartModel"]

_NETWORK = tuple(Network.model_fields)
# Decide with the network, channels and classes on its layers.
_TARGET = ("kind", "separate")


class StartModel:
    """The model whose weights a training begins with.

    Parameters
    ----------
    path : path or str
        A model file, a run folder, or the name of a model that comes with the package.

    Attributes
    ----------
    name : str
    card : ModelCard

    Raises
    ------
    ModelError
        If there is no such model, or it is damaged.
    """

    def __init__(self, path: StrPath) -> None:
        self.card = ModelCard.read(find_model(path))
        self.name = model_name(path)

    @property
    def recipe(self) -> Recipe:
        """What it was trained with; of several classes, with their values."""
        recipe = self.card.recipe
        if recipe.target.kind != "multiclass":
            return recipe
        target = recipe.target.model_copy(update={"values": self.card.values})
        return recipe.model_copy(update={"target": target})

    def content(self, data: Sequence[DataEntry]) -> tuple[Start, bytes]:
        """What a run that trains and validates on these images says of the model, and all of its file."""
        content = self.card.path.read_bytes()
        known = self._images()
        seen = sum(entry.role != "training" and entry.image_sha256 in known for entry in data)
        return Start(self.name, hashlib.sha256(content).hexdigest(), seen), content

    def _images(self) -> set[str]:
        """Hashes of the images that it was trained on, which only its run tells."""
        folder = self.card.path.parent
        if not (folder / "data.json").is_file():
            return set()
        return {entry.image_sha256 for entry in RunFolder(folder).data if entry.role == "training"}

    def check(self, recipe: Recipe, examples: Sequence[Example]) -> None:
        """Make sure that its weights fit a recipe and the images.

        Raises
        ------
        RecipeError
            If the recipe asks for another network.
        InputError
            If the images have another number of channels, or the masks of classes.
        """
        self._check_network(recipe)
        self._check_channels(recipe, examples)
        self._check_classes(recipe, examples)

    def _check_network(self, recipe: Recipe) -> None:
        ours = self.card.recipe
        parts = [
            *(
                (f"network.{key}", getattr(recipe.network, key), getattr(ours.network, key))
                for key in _NETWORK
            ),
            *((f"target.{key}", getattr(recipe.target, key), getattr(ours.target, key)) for key in _TARGET),
        ]
        for key, wanted, its in parts:
            if wanted != its:
                raise RecipeError(
                    f"{key} is {_shown(wanted)}, but {self.name} was trained with {_shown(its)}",
                    expected="the network of the model to start from",
                    fix="leave this setting out, or train a new network",
                )

    def _check_channels(self, recipe: Recipe, examples: Sequence[Example]) -> None:
        image = examples[0].image
        count = image.data.shape[image.axes.index("C")] if "C" in image.axes else 1
        if recipe.preprocess.color == "gray" and image.is_rgb:
            count = 1
        its = self.card.channels
        if count != len(its):
            gray = len(its) == 1 and image.is_rgb
            raise InputError(
                f"{image.name} has {count} channel(s)",
                expected=f"{len(its)} ({', '.join(its)}), which {self.name} takes",
                fix="set preprocess.color=gray" if gray else "choose another model, or train a new network",
            )

    def _check_classes(self, recipe: Recipe, examples: Sequence[Example]) -> None:
        found = np.unique(np.concatenate([np.unique(example.mask.data) for example in examples]))
        values = class_values(found.tolist(), recipe.target)
        if len(values) != len(self.card.values):
            raise InputError(
                f"the masks hold {len(values)} classes {list(values)}",
                expected=f"{len(self.card.values)}, which {self.name} tells apart: {list(self.card.values)}",
                fix="set target.values, or train a new network",
            )


def _shown(value: object) -> str:
    return "left out" if value is None else str(value)
