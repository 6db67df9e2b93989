"""How an experiment was done: recipes, images, budget, seeds, machine, versions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from unetscope._words import count
from unetscope.experiments.experiment import Arm, Experiment
from unetscope.experiments.report.blocks import Block, Items, Table

if TYPE_CHECKING:
    from unetscope.experiments.folder import ExperimentFolder
    from unetscope.experiments.results import Results

__all__ = ["setup_blocks"]


def setup_blocks(folder: ExperimentFolder, results: Results) -> list[Block]:
    """Everything that somebody needs to judge the numbers, or to repeat them.

    Parameters
    ----------
    folder : ExperimentFolder
    results : Results
        Of the same folder.
    """
    return [_arms(results.experiment), Items(tuple(_setup(folder, results)))]


def _arms(experiment: Experiment) -> Table:
    rows = tuple((name, arm.recipe, _changes(arm), arm.about) for name, arm in experiment.arms.items())
    return Table("What was trained", ("", "Recipe", "Changes", "About"), rows, words=True)


def _changes(arm: Arm) -> str:
    changes = [f"{key} = {_value(value)}" for key, value in arm.settings.items()]
    if arm.images is not None:
        changes.append(f"{count(arm.images, 'training image')}, drawn with the seed")
    if arm.noise:
        changes.append(f"noisy copies (σ = {arm.noise:g})")
    return ", ".join(changes)


def _setup(folder: ExperimentFolder, results: Results) -> Iterator[tuple[str, str]]:
    experiment = results.experiment
    yield "Images:", _division(folder)
    if prepared := _material(experiment):
        yield "Masks and images:", prepared
    yield "Budget:", _budget(experiment)
    yield "Seeds:", ", ".join(map(str, experiment.seeds)) + "."
    ways = [(name, _way(experiment, name)) for name in experiment.conditions]
    for name, way in ways:
        yield f"Scored as “{name}”:", way
    if any(entry["role"] == "validation" for entry in folder.images):
        yield (
            "Chosen by the validation images:",
            "the epoch that is kept, and the probability from which on a pixel is the object.",
        )
    else:
        yield "Chosen:", "the last epoch is kept, because no image validates."
    if results.cells:
        yield "Machine:", "; ".join(results.machines) + "."
        yield "Versions:", _versions(results)
    for arm in experiment.arms:
        for facts in results.facts(arm):
            if facts.note:
                yield f"{arm}, seed {facts.seed}:", facts.note


def _division(folder: ExperimentFolder) -> str:
    parts = []
    for role in ("training", "validation", "test"):
        entries = [entry for entry in folder.images if entry["role"] == role]
        groups = len({entry["group"] for entry in entries})
        of = f" of {count(groups, 'group')}" if 0 < groups < len(entries) else ""
        parts.append(f"{len(entries)} {role}{of}")
    return f"{', '.join(parts)}. The same for all recipes and seeds; no group is on two sides."


def _material(experiment: Experiment) -> str:
    material = experiment.material
    parts = [f"masks are read as {material.target.kind}"]
    if material.tile is not None:
        parts.append(f"images are cut into tiles of {material.tile}×{material.tile} pixels")
    if material.images is not None:
        parts.append(f"no more than {count(material.images, 'image')} for training and validation")
    if material.test is not None:
        parts.append(f"no more than {count(material.test, 'test image')}")
    return "; ".join(parts) + "."


def _budget(experiment: Experiment) -> str:
    if len(experiment.budgets) != 1:
        return "none; every recipe trains as long as it says."
    ((name, budget),) = experiment.budgets.items()
    parts = [name]
    if budget.about:
        parts.append(budget.about.rstrip("."))
    if budget.minutes is not None:
        parts.append(f"{budget.minutes:g} minutes for each training at most")
    if budget.settings:
        changed = ", ".join(f"{key} = {_value(value)}" for key, value in budget.settings.items())
        parts.append(f"recipes other than auto with {changed}")
    return "; ".join(parts) + "."


def _way(experiment: Experiment, name: str) -> str:
    condition = experiment.conditions[name]
    parts = ["the test images as they are"]
    if condition.noise:
        parts = [f"the test images with Gaussian noise of σ = {condition.noise:g}"]
    if condition.grid is not None:
        parts.append(f"on a grid of {condition.grid[0]}×{condition.grid[1]} pixels")
    if condition.threshold is not None:
        parts.append(f"the object from a probability of {condition.threshold:g} on")
    return ", ".join(parts) + (f". {condition.about}" if condition.about else ".")


def _versions(results: Results) -> str:
    """What the first cell was trained with."""
    try:
        path = results.cells[0].run.path / "versions.json"
        versions: Mapping[str, str] = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return "not recorded."
    return ", ".join(f"{name} {version}" for name, version in versions.items()) + "."


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
