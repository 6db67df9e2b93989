"""The folder of an experiment as the engine leaves it, made in milliseconds without training and torch.

Tests of what reads such a folder use it::

    from tests.unit.experiments.fake import make_experiment, write_experiment

    folder = write_experiment(tmp_path / "out", make_experiment(("shallow", "deep"), seeds=(0, 1)), images=5)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.evaluation import Report, match_objects, score_image
from unetscope.experiments import (
    Arm,
    Cell,
    CellFacts,
    Condition,
    Contrast,
    Experiment,
    ExperimentFolder,
    Material,
)
from unetscope.experiments.experiment import to_yaml as experiment_to_yaml
from unetscope.io.write import write_json
from unetscope.recipe import Recipe
from unetscope.recipe import to_yaml as recipe_to_yaml
from unetscope.recipe.recipe import Target
from unetscope.training.folder import DataEntry

SIZE = 24
"""Rows and columns of the images."""


def make_experiment(
    arms: Sequence[str] = ("plain", "augmented"),
    seeds: Sequence[int] = (0, 1, 2),
    *,
    conditions: Sequence[str] | Mapping[str, Condition] = ("test images",),
    kind: str = "binary",
    **values: Any,
) -> Experiment:
    """An experiment that asks whether every arm is better than the first; `values` are other fields of it.

    Conditions that are only named have noise after the first, so that they differ.
    """
    if not isinstance(conditions, Mapping):
        conditions = {name: Condition(noise=10.0 * i) for i, name in enumerate(conditions)}
    contrasts = tuple(Contrast(better=arm, than=arms[0]) for arm in arms[1:])
    defaults: dict[str, Any] = {
        "name": "fake",
        "title": "Does it help?",
        "material": Material(target=Target(kind=kind)),  # type: ignore[arg-type]
        "arms": {arm: Arm(about=f"how {arm} is trained") for arm in arms},
        "conditions": dict(conditions),
        "seeds": tuple(seeds),
        "contrasts": contrasts,
    }
    if kind == "instances":
        defaults["metrics"] = ("dice", "iou", "object_f1")
    return Experiment(**(defaults | values))


def write_experiment(
    path: Path,
    experiment: Experiment | None = None,
    *,
    images: int = 4,
    groups: Sequence[str] | None = None,
    finished: int | None = None,
    epochs: int = 5,
    mistakes: Mapping[str, float] | None = None,
) -> ExperimentFolder:
    """Write the folder of an experiment.

    Parameters
    ----------
    path : Path
        A new folder.
    experiment : Experiment, optional
        What is compared; `make_experiment()` unless given.
    images : int
        Test images; there are 4 training images and 2 validation images besides.
    groups : sequence of str, optional
        Of the test images; every image is its own unless given.
    finished : int, optional
        So many cells are finished, in the order of `ExperimentFolder.cells`, and the next one has begun;
        all of them unless given.
    epochs : int
        Epochs of each training; later seeds stop one earlier each, as with early stopping.
    mistakes : mapping of str to float, optional
        Share of wrong pixels of an arm; 0.10 for the first arm, less for each later one unless given.
    """
    experiment = experiment or make_experiment()
    path.mkdir(parents=True)
    folder = ExperimentFolder(path)
    (path / "experiment.yaml").write_text(experiment_to_yaml(experiment), encoding="utf-8")
    entries = _entries(images, groups)
    write_json(path / "dataset.json", entries)
    cells = folder.cells
    done = len(cells) if finished is None else finished
    for number, cell in enumerate(cells[: done + 1]):
        _write_run(cell, number, entries, epochs, ended=number < done)
        if number < done:
            wrong = (mistakes or {}).get(cell.arm, 0.1 / (1 + list(experiment.arms).index(cell.arm)))
            _finish(cell, experiment, images, wrong)
    _write_everything(folder, images)
    running = cells[done] if done < len(cells) else None
    folder.write_status(
        state="finished" if running is None else "training",
        message="",
        cell=None if running is None else {"arm": running.arm, "seed": running.seed},
        done=done,
        of=len(cells),
        pid=1,
        device="cpu",
    )
    return folder


def name_of(index: int) -> str:
    """Name of a test image."""
    return f"image-{index}.png"


def picture(experiment: Experiment, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A test image and its mask, (Y, X) uint8 each: one disk, disks of two classes, or numbered disks."""
    draw = np.random.default_rng([7, index])
    rows, columns = np.mgrid[:SIZE, :SIZE]
    places = [(7, 7), (16, 16)] if experiment.material.target.kind != "binary" else [(12, 12)]
    mask = np.zeros((SIZE, SIZE), np.uint8)
    for label, place in enumerate(places, start=1):
        row, column = np.add(place, draw.integers(-2, 3, 2))
        mask[(rows - row) ** 2 + (columns - column) ** 2 <= draw.integers(9, 20)] = label
    image = 60 + 60 * mask.astype(float) + draw.normal(0, 8, mask.shape)
    return image.clip(0, 255).astype(np.uint8), mask


def history(number: int, epochs: int) -> list[dict[str, Any]]:
    """Epochs of a training that learns; `number` makes one differ from another."""
    draw = np.random.default_rng([11, number])
    records = []
    for epoch in range(1, epochs + 1):
        dice = 0.9 * (1 - 0.6**epoch) + draw.uniform(0, 0.03)
        records.append(
            {
                "epoch": epoch,
                "train_loss": 1 - dice,
                "train_dice": dice,
                "val_loss": 1.05 - dice,
                "val_dice": dice - 0.04,
                "threshold": 0.5,
                "learning_rate": 0.001,
                "seconds": 2.0 * epoch,
                "images_per_second": 20.0,
                "best": epoch == epochs,
                "note": "",
            }
        )
    return records


def _entries(images: int, groups: Sequence[str] | None) -> list[dict[str, str]]:
    roles = {f"train-{i}.png": "training" for i in range(4)} | {
        f"val-{i}.png": "validation" for i in range(2)
    }
    names = [(name, name, role) for name, role in roles.items()]
    names += [(name_of(i), groups[i] if groups else name_of(i), "test") for i in range(images)]
    return [
        {"name": name, "group": group, "role": role, "image": f"{number:064x}", "mask": f"{number + 99:064x}"}
        for number, (name, group, role) in enumerate(names)
    ]


def _write_run(cell: Cell, number: int, entries: list[dict[str, str]], epochs: int, *, ended: bool) -> None:
    cell.run.path.mkdir(parents=True)
    (cell.run.path / "recipe.yaml").write_text(recipe_to_yaml(Recipe()), encoding="utf-8")
    used = [entry for entry in entries if entry["role"] != "test"]
    data = [DataEntry(e["name"], e["group"], e["role"], "", "", e["image"], e["mask"]) for e in used]
    write_json(cell.run.path / "data.json", [asdict(entry) for entry in data])
    records = history(number, max(2, epochs - cell.seed % 3) if ended else 2)
    cell.run.history_path.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    state = "finished" if ended else "training"
    cell.run.write_status(state=state, message="", device="cpu", pid=1, epoch=records[-1]["epoch"])


def _finish(cell: Cell, experiment: Experiment, images: int, wrong: float) -> None:
    arm = list(experiment.arms).index(cell.arm)
    for number, (name, condition) in enumerate(experiment.conditions.items()):
        draw = np.random.default_rng([13, arm, cell.seed, number])
        # Another training, and noise in the images, change how much is wrong.
        share = wrong * draw.uniform(0.8, 1.2) * (1 + 0.1 * condition.noise)
        labels, scores = {}, []
        for index in range(images):
            _, truth = picture(experiment, index)
            labels[name_of(index)] = predicted = _with_mistakes(truth, share, draw)
            scores.append(_score(experiment, index, truth, predicted))
        cell.write_scores(name, Report(tuple(scores)), labels)
    records = cell.run.history()
    cell.finish(
        CellFacts(
            arm=cell.arm,
            seed=cell.seed,
            epochs=len(records),
            best_epoch=len(records),
            train_seconds=10.0 * (arm + 1) + cell.seed,
            predict_seconds=0.5 + 0.1 * cell.seed,
            images=images,
            training_images=experiment.arms[cell.arm].images or 4,
            validation_images=2,
            parameters=1000 * (arm + 1),
            validation_dice=records[-1]["val_dice"],
            threshold=0.5,
            device="cpu",
            machine="a small computer",
        )
    )


def _with_mistakes(truth: NDArray[np.uint8], share: float, draw: np.random.Generator) -> NDArray[np.uint8]:
    """Turn this share of the pixels into the next label, round and round."""
    labels = int(truth.max()) + 1
    wrong = draw.random(truth.shape) < share
    return np.where(wrong, (truth + 1) % labels, truth).astype(np.uint8)


def _score(experiment: Experiment, index: int, truth: NDArray[Any], predicted: NDArray[Any]) -> Any:
    kind = experiment.material.target.kind
    if kind == "multiclass":
        return score_image(name_of(index), truth, predicted, classes=[0, 1, 2])
    score = score_image(name_of(index), (truth > 0).astype(int), (predicted > 0).astype(int), classes=[1])
    return replace(score, objects=match_objects(truth, predicted)) if kind == "instances" else score


def _write_everything(folder: ExperimentFolder, images: int) -> None:
    """What calling every pixel the object scores, which means nothing for several classes."""
    if folder.experiment.material.target.kind == "multiclass":
        return
    truths = [picture(folder.experiment, index)[1] for index in range(images)]
    scores = [
        score_image(name_of(i), (truth > 0).astype(int), np.ones(truth.shape, int), classes=[1])
        for i, truth in enumerate(truths)
    ]
    for condition in folder.experiment.conditions:
        write_json(folder.everything_path(condition), Report(tuple(scores)).to_dict())
