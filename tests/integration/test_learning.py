"""A U-Net that learns what can be learned, and nothing that cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unetscope import api
from unetscope.inference.instances import label_objects
from unetscope.io.image import Image
from unetscope.recipe import Recipe, change
from unetscope.training.run import Run

MakeDisks = Callable[..., Path]
SMALL = (
    "network.depth=2",
    "network.width=8",
    "network.norm=batch",
    "optimizer.learning_rate=0.01",
    "training.batch_size=2",
)


def _train(data: object, out: Path, *settings: str) -> Run:
    return api.train(data, out, recipe=change(Recipe(), [*SMALL, *settings]), device="cpu")


def test_disks_are_learned_by_heart(disks: MakeDisks, tmp_path: Path) -> None:
    run = _train(disks(8, (32, 32)), tmp_path / "run", "training.epochs=20", "split.validation=0")
    assert run.history()[-1]["train_dice"] > 0.95
    pairs = api.find_pairs(tmp_path / "data").usable()
    predicted = [api.predict(run.path, pair.image).labels for pair in pairs]
    scores = api.evaluate(predicted, [api.read_mask(pair.mask) for pair in pairs])
    assert all(score.metrics["dice"] > 0.95 for score in scores.scores)


def test_disks_never_seen_are_found(disks: MakeDisks, tmp_path: Path) -> None:
    run = _train(disks(10, (32, 32)), tmp_path / "run", "training.epochs=20", "split.validation=0.3")
    assert max(r["val_dice"] for r in run.history()) > 0.9


def test_masks_of_nothing_are_not_found(disks: MakeDisks, tmp_path: Path) -> None:
    """Disks that have nothing to do with the image; a good score would be a leak."""
    data = disks(12, (32, 32), shuffled=True)
    run = _train(data, tmp_path / "run", "training.epochs=20", "split.validation=0.5")
    assert np.mean([r["val_dice"] for r in run.history()[-5:]]) < 0.5


def test_volumes_from_end_to_end(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    places = np.indices((6, 17, 14))
    pairs = []
    for _ in range(5):
        center = np.array([2.5, 8, 7]) + rng.uniform(-2, 2, 3)
        mask = (np.linalg.norm(places - center.reshape(3, 1, 1, 1), axis=0) < 4).astype(np.uint8) * 7
        image = (mask / 7 + rng.normal(0, 0.2, mask.shape)).astype(np.float32)
        pairs.append((Image(image, "ZYX", (2.0, 0.5, 0.5), units="mm"), Image(mask, "ZYX", (2.0, 0.5, 0.5))))
    run = _train(
        pairs,
        tmp_path / "run",
        "network.dimensions=3",
        "network.depth=1",
        "network.width=4",
        "training.epochs=40",
        "training.patch=[4, 12, 12]",
        "augmentation={flip: [Y, X], rotation: 20, zoom: 0.1}",
    )
    assert max(r["val_dice"] for r in run.history()) > 0.8
    prediction = api.predict(run.path, pairs[0][0])
    assert (prediction.labels.axes, prediction.labels.grid) == ("ZYX", (6, 17, 14))
    assert (prediction.labels.spacing, prediction.labels.units) == ((2.0, 0.5, 0.5), "mm")
    assert set(np.unique(prediction.labels.data)) == {0, 7}


@pytest.mark.parametrize("kind", ["multiclass", "instances"])
def test_other_targets_from_end_to_end(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(6):
        mask = np.zeros((24, 24), np.uint8)
        row, column = rng.integers(1, 12, 2)
        mask[row : row + 4, column : column + 4] = 10
        mask[row + 6 : row + 11, column + 6 : column + 11] = 30
        image = ((mask + 10) / 40 + rng.normal(0, 0.05, mask.shape)).astype(np.float32)
        pairs.append((Image(image, "YX"), Image(mask, "YX")))
    loss = "ce+dice" if kind == "multiclass" else "bce+dice"
    settings = (
        f"target.kind={kind}",
        f"loss.kind={loss}",
        "training.epochs=25",
        "preprocess.normalize.method=none",
    )
    run = _train(pairs, tmp_path / "run", *settings)
    assert max(r["val_dice"] for r in run.history()) > 0.8
    labels = api.predict(run.path, pairs[0][0]).labels.data
    assert set(np.unique(labels)) == ({0, 10, 30} if kind == "multiclass" else {0, 1, 2})


def _touching(rng: np.random.Generator, dimensions: int) -> tuple[Image, Image]:
    """Two disks or balls that touch, in any direction, and their numbers."""
    grid, radius = ((40, 40), 6) if dimensions == 2 else ((16, 20, 20), 4)
    direction = rng.normal(size=dimensions)
    direction *= (radius - 0.5) / np.linalg.norm(direction)
    places = np.indices(grid).reshape(dimensions, -1).T
    middle = np.array(grid) / 2 + rng.uniform(-1, 1, dimensions)
    distances = np.stack([np.linalg.norm(places - middle - s * direction, axis=1) for s in (-1, 1)])
    mask = np.where(distances.min(0) <= radius, distances.argmin(0) + 1, 0).reshape(grid).astype(np.uint8)
    image = (mask > 0) + rng.normal(0, 0.1, grid)
    axes = "YX" if dimensions == 2 else "ZYX"
    return Image(image.astype(np.float32), axes), Image(mask, axes)


@pytest.mark.parametrize(
    ("separate", "dimensions", "epochs"),
    [("center", 2, 40), ("center", 3, 40), ("boundary", 2, 40), ("distance", 2, 80)],
)
def test_touching_objects_are_learned_to_be_two(
    tmp_path: Path, separate: str, dimensions: int, epochs: int
) -> None:
    rng = np.random.default_rng(0)
    pairs = [_touching(rng, dimensions) for _ in range(14)]
    settings = [
        "target.kind=instances",
        f"target.separate={separate}",
        f"network.dimensions={dimensions}",
        f"training.epochs={epochs}",
        "training.samples=16",
        # The best Dice comes long before objects are told apart.
        "training.monitor=loss",
        "split.validation=0.3",
        "augmentation.flip=[Y, X]",
    ]
    loss = ["loss.kind=ce+dice"] if separate == "boundary" else []
    run = _train(pairs[:10], tmp_path / "run", *settings, *loss)
    predictions = [api.predict(run.path, image) for image, _ in pairs[10:]]
    report = api.evaluate(
        [each.labels for each in predictions], [mask for _, mask in pairs[10:]], target=run.recipe.target
    )
    # Without a gap between them, all of these are one part of the foreground.
    assert all(label_objects(mask.data > 0).max() == 1 for _, mask in pairs)
    assert report.pooled["true_objects"] == 8
    assert report.pooled["object_f1"] > 0.8
