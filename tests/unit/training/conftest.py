"""Tiny recipes and disks to train on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from unetscope.io.image import Image
from unetscope.preprocess import Preparation
from unetscope.recipe import Recipe, change
from unetscope.training.dataset import Example, Sample, prepare_samples

TINY = ("network.depth=1", "network.width=2", "network.convs=1", "training.epochs=2", "training.batch_size=2")


@pytest.fixture
def recipe() -> Callable[..., Recipe]:
    """Makes recipes from settings, on top of a network that trains in no time."""
    return lambda *settings: change(Recipe(), [*TINY, *settings])


@pytest.fixture
def examples() -> Callable[..., list[Example]]:
    """Makes bright disks in noise, with masks of 0 and 255."""

    def make(count: int = 4, grid: Sequence[int] = (16, 16), *, seed: int = 0) -> list[Example]:
        rng = np.random.default_rng(seed)
        axes = "ZYX"[-len(grid) :]
        places = np.stack(np.meshgrid(*map(np.arange, grid), indexing="ij"))
        made = []
        for i in range(count):
            center = rng.uniform(0.3, 0.7, len(grid)) * grid
            distance = np.linalg.norm(places - center.reshape(-1, *[1] * len(grid)), axis=0)
            mask = (distance < min(grid) / 4).astype(np.uint8) * 255
            image = (mask / 255 + rng.normal(0, 0.2, grid)).astype(np.float32)
            made.append(Example(f"disk {i}", f"disk {i}", Image(image, axes), Image(mask, axes)))
        return made

    return make


@pytest.fixture
def samples(examples: Callable[..., list[Example]]) -> Callable[..., list[Sample]]:
    """Makes prepared disks for a recipe."""

    def make(
        recipe: Recipe, count: int = 4, grid: Sequence[int] = (16, 16), *, seed: int = 0
    ) -> list[Sample]:
        return prepare_samples(
            examples(count, grid, seed=seed), recipe, Preparation(recipe.preprocess), (0, 255)
        )

    return make
