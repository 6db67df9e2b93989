"""One step of several recipes, alone or in the team that torchrun has started: ``team_steps.py OUT``.

With plain gradient descent at rate 1, what a step takes off the weights is the gradient.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unetscope.io.image import Image
from unetscope.network import UNet, network_for
from unetscope.preprocess import Preparation
from unetscope.recipe import Recipe, change
from unetscope.training import loop
from unetscope.training.dataset import Batches, Example, prepare_samples
from unetscope.training.loop import TrainingState
from unetscope.training.shared_norm import share_statistics
from unetscope.training.team import Team, join_team

TINY = (
    "network.depth=2",
    "network.width=4",
    "optimizer={kind: sgd, learning_rate: 1, momentum: 0}",
    "augmentation={rotation: 30, flip: [X], noise: 0.1}",
    "training.batch_size=4",
)
CASES: dict[str, tuple[str, ...]] = {
    "Dice over the batch": ("loss={kind: dice, dice_over: batch}",),
    "Dice of each image": ("loss={kind: bce+dice, dice_over: image}", "network.norm=group"),
    "batch norm": ("network.norm=batch",),
    "batch norm, odd batch": ("network.norm=batch", "training.batch_size=3"),
    "batch norm, fewer samples than processes": ("network.norm=batch", "training.batch_size=1"),
    "instance norm, fewer samples than processes": ("network.norm=instance", "training.batch_size=1"),
    "no norm, fewer samples than processes": ("training.batch_size=1",),
    "batch norm, volumes": ("network={dimensions: 3, depth: 1, width: 2, norm: batch}",),
    "border weights, valid": ("loss={kind: bce, border: {}}", "network.padding=valid"),
    "objects by center": ("target={kind: instances, separate: center}", "network.norm=batch"),
    "clipped, averaged": ("optimizer.clip_norm=0.01", "training.averaging=0.5", "network.norm=batch"),
    "computed in two parts": ("network.norm=batch",),
}


def examples(count: int, dimensions: int) -> list[Example]:
    """Bright disks or balls in noise, each labeled on its own."""
    rng = np.random.default_rng(0)
    grid = (16,) * dimensions
    places = np.stack(np.meshgrid(*[np.arange(16)] * dimensions, indexing="ij"))
    made = []
    for i in range(count):
        mask = np.zeros(grid, np.uint8)
        for label, middle in ((1, 4.0), (2, 11.0)):
            center = np.full(dimensions, middle) + rng.uniform(-1, 1, dimensions)
            distance = np.linalg.norm(places - center.reshape(-1, *[1] * dimensions), axis=0)
            mask[distance < 3] = label
        image = ((mask > 0) + rng.normal(0, 0.3, grid)).astype(np.float32)
        axes = "ZYX"[-dimensions:]
        made.append(Example(f"disk {i}", f"disk {i}", Image(image, axes), Image(mask, axes)))
    return made


def step(settings: Sequence[str], team: Team, *, parts: int = 1) -> dict[str, Tensor]:
    """Loss, gradients, statistics and averages of one step."""
    recipe = change(Recipe(), [*TINY, *settings])
    dimensions = recipe.network.dimensions
    samples = prepare_samples(examples(4, dimensions), recipe, Preparation(recipe.preprocess), (0, 1))
    torch.manual_seed(0)
    network = network_for(recipe, 1, (0, 1), diameter=6.0)
    if team.size > 1:
        share_statistics(network, team)
    state = TrainingState(recipe, network)
    state.parts = parts
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batch = next(Batches(samples, recipe, network, torch.device("cpu")).epoch(1))
    totals = loop._Totals()
    state.network.train()
    loop._step(state, recipe, batch, totals, team)
    found = {name: before[name] - value for name, value in network.state_dict().items()}
    averaged = {} if state.averaged is None else state.averaged.state_dict()
    found |= {f"averaged {name}": value for name, value in averaged.items()}
    return found | {"loss": torch.as_tensor(totals.loss), "dice": torch.as_tensor(totals.dice())}


def steps(team: Team) -> dict[str, dict[str, Tensor]]:
    """One step of every case."""
    return {
        name: step(settings, team, parts=1 + name.endswith("two parts")) for name, settings in CASES.items()
    }


class Small(UNet):
    """A network for which memory is short where it is told so."""

    room = 4

    def forward(self, image: Tensor) -> Tensor:
        if len(image) > self.room:
            raise RuntimeError("out of memory")
        return super().forward(image)


def parts_that_fit(team: Team, room: int) -> dict[str, Tensor]:
    """In how many parts a batch of 4 is computed where `room` samples fit; and a note of it."""
    recipe = change(Recipe(), [*TINY, "training.epochs=1", "network.norm=batch"])
    samples = prepare_samples(examples(4, 2), recipe, Preparation(recipe.preprocess), (0, 1))
    torch.manual_seed(0)
    network = Small(recipe.network, 1, 1)
    network.room = room
    if team.size > 1:
        share_statistics(network, team)
    state = TrainingState(recipe, network)
    (record,) = loop.train_epochs(state, recipe, samples, [], team=team)
    assert "computed in 2 parts" in record.note
    return {"parts": torch.tensor(state.parts)} | network.state_dict()


if __name__ == "__main__":
    its_team = join_team()
    found = steps(its_team)
    # The first of two processes has room for its whole share, the other not.
    found["memory"] = parts_that_fit(its_team, room=2 - its_team.rank)
    found["exchange"] = {
        "asked": torch.tensor(its_team.ask(lambda: its_team.rank + 7)),
        "most": torch.tensor(its_team.most(its_team.rank)),
    }
    torch.save(found, Path(sys.argv[1]) / f"{its_team.rank}.pt")
