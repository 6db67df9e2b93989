"""Tiny models: trained ones, made once, and one whose answer is known."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from unetscope.model import Model

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"


@pytest.fixture(scope="session")
def tiny() -> dict[str, int]:
    """Settings that train in a moment, whatever is planned for the data."""
    return {"training.epochs": 1, "training.samples": 4, "network.width": 2, "network.depth": 1}


@pytest.fixture(scope="session")
def samples() -> Path:
    """The sample data at the top of the repository."""
    return SAMPLES


@pytest.fixture(scope="session")
def heart(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Four slices of two patients to train on, and two of a third with their truth; do not write there."""
    top = tmp_path_factory.mktemp("heart")
    data = SimpleNamespace(training=top / "training", test=top / "test", truth=top / "truth")
    for folder in vars(data).values():
        folder.mkdir()
    for name in ("SAMPLE-A_0003", "SAMPLE-A_0004", "SAMPLE-C_0003", "SAMPLE-C_0004"):
        for suffix in (".dcm", ".png"):
            shutil.copy(SAMPLES / "heart" / "training" / (name + suffix), data.training)
    for name in ("SAMPLE-B_0001", "SAMPLE-B_0003"):
        shutil.copy(SAMPLES / "heart" / "test" / f"{name}.dcm", data.test)
        shutil.copy(SAMPLES / "heart" / "test" / "GT" / f"{name}.png", data.truth)
    return data


@pytest.fixture(scope="session")
def trained(heart: SimpleNamespace, tiny: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a model of `heart`; do not write there."""
    from unetscope.api import train

    return train(heart.training, tmp_path_factory.mktemp("trained") / "run", settings=tiny, device="cpu").path


@pytest.fixture(scope="session")
def trained_classes(samples: Path, tiny: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a model of three classes; do not write there."""
    from unetscope.api import train

    out = tmp_path_factory.mktemp("trained_classes") / "run"
    return train(samples / "xray", out, settings=tiny | {"training.patch": [32, 32]}, device="cpu").path


@pytest.fixture(scope="session")
def trained_objects(samples: Path, tiny: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a model that numbers objects; do not write there."""
    from unetscope.api import train

    out = tmp_path_factory.mktemp("trained_objects") / "run"
    return train(samples / "cells", out, settings=tiny | {"training.patch": [32, 32]}, device="cpu").path


@pytest.fixture
def model() -> Callable[..., Model]:
    """Makes models that pass every pixel on: logits 10·(brightness − level), one map per level."""

    import torch

    from unetscope.model import Model
    from unetscope.network import UNet
    from unetscope.recipe import Recipe, change

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
