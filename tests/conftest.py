"""What all tests share: where real data lies, and a model that comes with the package."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unetscope.model_about import About, DataSource, HeldOut

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
REAL_DATA = Path(os.environ.get("UNETSCOPE_REAL_DATA", BESIDE))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real images and masks; the test is skipped, saying so, where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"there are no real images at {REAL_DATA}; see CONTRIBUTING.md")
    return REAL_DATA


STORY = About(
    title="Bright spots",
    description="Bright disks on a dark ground, a label for each",
    data=(DataSource(name="Disks", source="Drawn by a test.", license="CC0", images=3),),
    training="Its weights were written by hand.",
    minutes=2.0,
    held_out=(
        HeldOut(
            data="more disks", images=4, objects=9, measured="By eye.", scores={"AP 0.5": 0.5, "F1": 1.0}
        ),
    ),
    limits=("It finds nothing dark.", "It was never shown a cell."),
)


@pytest.fixture
def story() -> About:
    """What is known of the model in `shipped`."""
    return STORY


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of models that come with the package, now with one: `spots`, for disks of 8 pixels.

    Its probabilities are sigmoid(10 · (brightness − 0.5)).
    """
    import torch

    from unetscope.api import models
    from unetscope.model import Model
    from unetscope.network import network_for
    from unetscope.recipe import Recipe, change

    fixed = ["network.depth=1", "network.width=1", "network.convs=1", "preprocess.normalize.method=none"]
    recipe = change(Recipe(), [*fixed, "target.kind=instances", "preprocess.diameter=8"])
    network = network_for(recipe, 1, (0, 1)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.down[0][0].weight[..., 1, 1] = 1
        network.merge[0][0].weight[0, 0, 1, 1] = 1
        network.head.weight.fill_(10)
        network.head.bias.fill_(-5)
    scores = {"epoch": 1, "validation dice": 0.9}
    provenance = {"scores": scores, "training images": 3, "validation images": 1, "about": STORY.to_dict()}
    folder = tmp_path / "models"
    folder.mkdir()
    model = Model(network, recipe, (0, 1), ("gray",), diameter=8.0, provenance=provenance)
    model.save(folder / "spots.safetensors")
    monkeypatch.setattr(models, "SHIPPED", folder)
    return folder


@pytest.fixture
def four_disks(tmp_path: Path) -> Path:
    """A picture of four disks of 16 pixels, as floating point TIFF."""
    import numpy as np
    import tifffile

    rows, columns = np.mgrid[:96, :96]
    near = [np.hypot(rows - y, columns - x) <= 8 for y in (24, 70) for x in (24, 70)]
    path = tmp_path / "disks.tif"
    tifffile.imwrite(path, np.any(near, axis=0).astype(np.float32))
    return path
