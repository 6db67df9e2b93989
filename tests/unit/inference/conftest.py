"""A network whose answer is known: it passes every pixel on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from unetscope.model import Model
from unetscope.network import UNet
from unetscope.recipe import Recipe, change


@pytest.fixture
def model() -> Callable[..., Model]:
    """Makes models with logits 10·(brightness − level), one map per level."""

    def make(
        *settings: str, values: Sequence[int] = (0, 1), levels: Sequence[float] = (0.5,), channels: int = 1
    ) -> Model:
        fixed = ["network.depth=1", "network.width=1", "network.convs=1", "preprocess.normalize.method=none"]
        recipe = change(Recipe(), [*fixed, *settings])
        network = UNet(recipe.network, channels, len(levels)).eval()
        middle = (..., *[1] * recipe.network.dimensions)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
            network.down[0][0].weight[middle] = 1 / channels
            # The skip connection comes first, the level below second.
            network.merge[0][0].weight[(0, 0, *middle[1:])] = 1
            network.head.weight.fill_(10)
            network.head.bias.copy_(torch.tensor([-10 * level for level in levels]))
        return Model(network, recipe, tuple(values), tuple(f"channel {i}" for i in range(channels)))

    return make
