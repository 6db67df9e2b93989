"""A tiny dataset and a tiny model, made once, for all tests that need a trained model."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

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
