"""Optimizers as the recipe says, and learning rates at the points that matter."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from unetscope.recipe.recipe import Optimizer, Schedule
from unetscope.training.optimize import Plateau, learning_rate, make_optimizer


@pytest.mark.parametrize(
    ("kind", "made", "expected"),
    [
        ("adam", torch.optim.Adam, {"eps": 1e-7}),
        ("adamw", torch.optim.AdamW, {"eps": 1e-7}),
        ("sgd", torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
        ("rmsprop", torch.optim.RMSprop, {"momentum": 0.8, "eps": 1e-7}),
    ],
)
def test_optimizers(kind: str, made: type[torch.optim.Optimizer], expected: dict[str, object]) -> None:
    settings = Optimizer(kind=kind, learning_rate=0.3, momentum=0.8, epsilon=1e-7, weight_decay=0.01)
    optimizer = make_optimizer([nn.Parameter(torch.ones(2))], settings)
    assert type(optimizer) is made
    for name, value in {"lr": 0.3, "weight_decay": 0.01, **expected}.items():
        assert optimizer.defaults[name] == value


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, True), (0.9, False)])
def test_plain_momentum(momentum: float, nesterov: bool) -> None:
    settings = Optimizer(kind="sgd", momentum=momentum, nesterov=nesterov)
    assert make_optimizer([nn.Parameter(torch.ones(2))], settings).defaults["nesterov"] is False


CASES = [
    ("constant", 0, 1),
    ("constant", 1, 1),
    ("cosine", 0, 1),
    ("cosine", 0.5, 0.505),
    ("cosine", 1, 0.01),
    ("one-cycle", 0, 0.04),
    ("one-cycle", 0.1, 0.52),
    ("one-cycle", 0.2, 1),
    ("one-cycle", 0.6, 0.505),
    ("one-cycle", 1, 0.01),
    ("one-cycle", 1.3, 0.01),
]


@pytest.mark.parametrize(("kind", "progress", "expected"), CASES)
def test_schedules(kind: str, progress: float, expected: float) -> None:
    schedule = Schedule(kind=kind, warmup=0.2, final=0.01)
    assert learning_rate(2.0, schedule, progress) == pytest.approx(2 * expected)


@pytest.mark.parametrize("kind", ["cosine", "one-cycle"])
def test_the_rate_never_becomes_zero(kind: str) -> None:
    assert 0 < learning_rate(1.0, Schedule(kind=kind, final=0), 1.0) < 1e-5


def test_one_cycle_has_no_jump() -> None:
    schedule = Schedule(kind="one-cycle", warmup=0.3)
    rates = [learning_rate(1.0, schedule, i / 1000) for i in range(1001)]
    assert max(abs(b - a) for a, b in itertools.pairwise(rates)) < 0.01
    assert rates.index(max(rates)) == 300


def test_plateau_lowers_the_rate_after_its_patience() -> None:
    schedule = Schedule(kind="plateau", factor=0.5, patience=2)
    plateau = Plateau(schedule)
    rates = []
    for improved in (True, False, False, False, False, False, False, True, False, False):
        plateau.update(improved=improved)
        rates.append(learning_rate(1.0, schedule, 0.5, plateau.factor))
    assert rates == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]


def test_plateau_agrees_with_torch() -> None:
    values = [5, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 2, 2]
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=2, threshold=0)
    plateau, best = Plateau(Schedule(kind="plateau", factor=0.1, patience=2)), float("inf")
    for value in values:
        reference.step(value)
        plateau.update(improved=value < best)
        best = min(best, value)
        assert plateau.factor == pytest.approx(reference.get_last_lr()[0])
