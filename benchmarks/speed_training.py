"""How fast networks learn, beside the obvious loop in plain PyTorch; a part of ``speed.py``.

Every preset learns at its own size and batch from generated images (``left-ventricle``, and the plan that
`auto` makes, from the real ones, if they are there). Ours is `train_epochs` as production runs it. Beside it
is the same work (the same network, weights, batches and loss, nothing augmented, nothing averaged) by
`plain.PlainTraining`; that both do the same is seen in their losses. Where TensorFlow is installed, the same
network and step in Keras run, too, for the presets that `keras_unet` knows.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from keras_unet import KERAS, KerasTraining, can_run_keras
from peak import network_flop
from plain import PlainTraining
from turns import OURS, PLAIN, compared, take_turns
from unetscope import api
from unetscope.api import Data
from unetscope.io import Image
from unetscope.network import UNet, kept_memory
from unetscope.preprocess import Preparation, class_values
from unetscope.recipe import Recipe, change
from unetscope.recipe.presets import preset
from unetscope.recipe.recipe import Augmentation
from unetscope.training.dataset import Example, Sample, prepare_samples
from unetscope.training.loop import EpochRecord, TrainingState, train_epochs

# How production makes a network: its first weights and its memory format.
from unetscope.training.session import _new_network as new_network
from unetscope.training.session import describe_data

__all__ = ["AS_PLANNED", "CASES", "measure_training"]

AS_PLANNED = "unetscope, augmented and averaged"
# Channels and side of the images that a preset is made for.
PICTURES = {
    "retina-vessels": (3, 512),
    "left-ventricle": (1, 256),
    "xray-multiclass": (1, 512),
    "cell-semantic": (3, 64),
    "hela-border": (1, 512),
}
CASES = (*PICTURES, "auto")
# Of the report that left-ventricle comes from: 44 images in batches of 4.
STEPS = 11
DISKS = 40
# FLOP.
LARGEST_STEP = 6e11
CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Case:
    """What is learned from what.

    Attributes
    ----------
    recipe : Recipe
        As it is used.
    samples : list of Sample
    values : tuple of int
        Label of each class.
    """

    recipe: Recipe
    samples: list[Sample]
    values: tuple[int, ...]

    @property
    def same_work(self) -> Recipe:
        """The recipe without what the plain loop leaves out."""
        bare = change(self.recipe, {"training.averaging": 0.0, "schedule.kind": "constant"})
        return bare.model_copy(update={"augmentation": Augmentation()})

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a batch as the network sees it, (B, C, *grid)."""
        size_for = self.network(self.recipe).valid_size
        first = self.samples[0]
        return (self.recipe.training.batch_size, first.channels, *map(size_for, first.grid))

    def network(self, recipe: Recipe) -> UNet:
        """A network with its first weights, which are the same for the same seed."""
        return new_network(recipe, self.samples, self.values, CPU)

    def epochs(self, recipe: Recipe, steps: int) -> Iterator[EpochRecord]:
        """Epochs of so many steps without end, as production runs them."""
        endless = {"epochs": 10**6, "minutes": None, "patience": None}
        recipe = change(recipe, {"training": {**endless, "samples": steps * recipe.training.batch_size}})
        return train_epochs(TrainingState(recipe, self.network(recipe)), recipe, self.samples, [])


def measure_training(
    names: Sequence[str], data: Path, peak: float, *, rounds: int, seconds: float, quick: bool
) -> Iterator[dict[str, Any]]:
    """One row for each case.

    Parameters
    ----------
    names : sequence of str
        Of `CASES`.
    data : Path
        The folder of real data.
    peak : float
        FLOP/s that the machine reaches at most.
    rounds, seconds
        See `take_turns`.
    quick : bool
        Small images and networks, and few steps.
    """
    # As production does; see `unetscope.training.session.fit`.
    torch.set_flush_denormal(True)
    for name in names:
        case, told = _case(name, data / "left-ventricle" / "training", quick=quick)
        batch = {"batch of the recipe": case.recipe.training.batch_size}
        measured = _measure(_within_reach(case), peak, rounds, seconds, quick=quick)
        yield {"case": name, "data": told, **batch, **measured}


def _within_reach(case: Case) -> Case:
    """The same with a smaller batch, if a step would take minutes."""
    one = network_flop(case.network(case.recipe), (1, *case.shape[1:]), training=True)
    batch = min(case.recipe.training.batch_size, max(1, int(LARGEST_STEP / one)))
    return replace(case, recipe=change(case.recipe, {"training.batch_size": batch}))


def _measure(case: Case, peak: float, rounds: int, seconds: float, *, quick: bool) -> dict[str, Any]:
    batch, network = case.recipe.training.batch_size, case.network(case.recipe)
    flop = network_flop(network, case.shape, training=True)
    # Eight seconds or so for a turn, because ours begins each without the memory that it keeps in production,
    # but no more than the report has in an epoch.
    steps = min(max(round(4 * peak / flop), 3), 2 if quick else STEPS)
    plain = PlainTraining(network, case.same_work, case.samples)
    ours = case.epochs(case.same_work, steps)
    contenders: dict[str, Callable[[], object]] = {
        OURS: lambda: _as_in_production(ours),
        PLAIN: lambda: plain.epoch(steps),
    }
    if can_run_keras(case.same_work):
        keras = KerasTraining(case.same_work, case.samples)
        contenders[KERAS] = lambda: keras.epoch(steps)
    if case.recipe.augmentation != Augmentation() or case.recipe.training.averaging:
        planned = case.epochs(case.recipe, steps)
        contenders[AS_PLANNED] = lambda: _as_in_production(planned)
    for begin in contenders.values():
        begin()
    # Steps of the largest networks take half a minute.
    taken = take_turns(contenders, rounds=rounds, seconds=seconds, least=2)
    step = {name: statistics.median(times) / steps for name, times in taken.items()}
    return {
        "batch": case.shape,
        "images": len(case.samples),
        "steps in a turn": steps,
        "turns": len(taken[OURS]),
        "GFLOP in a step": round(flop / 1e9, 2),
        "s per step": {name: round(each, 5) for name, each in step.items()},
        "images/s": {name: round(batch / each, 3) for name, each in step.items()},
        "GFLOP/s": {name: round(flop / each / 1e9, 2) for name, each in step.items()},
        "times ours": compared(taken),
        "difference of loss": _loss_difference(case),
    }


def _as_in_production(epochs: Iterator[EpochRecord]) -> EpochRecord:
    """One epoch; the memory that it keeps is given back before the plain loop begins."""
    with kept_memory():
        return next(epochs)


def _loss_difference(case: Case, steps: int = 2) -> float:
    """Largest difference of loss, relative to it, between ours and the plain loop in the first steps.

    All steps see the same batch, of the corners of images, and no dropout, whose randomness is not the same.
    """
    batch = [_corner(sample) for sample in case.samples[: case.recipe.training.batch_size]]
    recipe = change(case.same_work, {"network.dropout": 0.0, "training.batch_size": len(batch)})
    same = Case(recipe, batch, case.values)
    ours, plain = same.epochs(recipe, 1), PlainTraining(same.network(recipe), recipe, batch)
    found = [(next(ours).train_loss, plain.epoch(1)) for _ in range(steps)]
    return float(max(abs(one - other) / abs(other) for one, other in found))


def _corner(sample: Sample, side: int = 128) -> Sample:
    return replace(sample, array=np.ascontiguousarray(sample.array[:, :side, :side]))


def _case(name: str, hearts: Path, *, quick: bool) -> tuple[Case, str]:
    """A case, and where its images come from."""
    recipe = None if name == "auto" else preset(name)
    data: Data
    if name in ("left-ventricle", "auto") and hearts.is_dir() and not quick:
        data, told = hearts, "real"
    else:
        shown = recipe or preset("left-ventricle")
        data, told = _generated(shown, *PICTURES[shown.name], quick=quick), "generated"
    group = "auto" if recipe is None else recipe.split.group
    examples, _ = api.load_examples(data, group=group)
    recipe = recipe or api.plan_examples(examples, device="cpu").recipe
    recipe = _small(recipe) if quick else recipe
    if told == "real":
        # Those that validate are no training images in production, either.
        entries = describe_data(examples, recipe)
        examples = [e for e, entry in zip(examples, entries, strict=True) if entry.role == "training"]
    samples, values = _prepared(examples, recipe)
    return Case(change(recipe, {"training.patch": None}), samples, values), told


def _prepared(examples: list[Example], recipe: Recipe) -> tuple[list[Sample], tuple[int, ...]]:
    preparation = Preparation.fit(recipe.preprocess, [example.image for example in examples])
    found = np.unique(np.concatenate([np.unique(example.mask.data) for example in examples]))
    values = class_values([int(value) for value in found], recipe.target)
    return prepare_samples(examples, recipe, preparation, values), values


def _small(recipe: Recipe) -> Recipe:
    cut = {f"preprocess.{name}": getattr(recipe.preprocess, name) and (64, 64) for name in ("resize", "crop")}
    network = {"depth": 2, "width": 8, "dropout": 0.0}
    return change(recipe, {**cut, "network": network, "training.batch_size": 2})


def _generated(recipe: Recipe, channels: int, side: int, *, quick: bool) -> list[tuple[Image, Image]]:
    """A batch of disks on noise."""
    rng = np.random.default_rng(0)
    side = min(side, 64) if quick else side
    classes = {"binary": 1, "multiclass": 2, "instances": DISKS}[recipe.target.kind]
    return [_picture(rng, channels, side, classes) for _ in range(recipe.training.batch_size)]


def _picture(rng: np.random.Generator, channels: int, side: int, classes: int) -> tuple[Image, Image]:
    mask = np.zeros((side, side), np.uint8)
    rows, columns = np.ogrid[:side, :side]
    for number, (row, column) in enumerate(rng.integers(0, side, (DISKS, 2))):
        mask[np.hypot(rows - row, columns - column) < side / 20] = 1 + number % classes
    light = 60 * (mask > 0) + rng.normal(100, 15, (channels, side, side))
    pixels = light.clip(0, 255).astype(np.uint8)
    if channels == 1:
        return Image(pixels[0], "YX"), Image(mask, "YX")
    return Image(pixels, "CYX", channels=("red", "green", "blue")), Image(mask, "YX")
