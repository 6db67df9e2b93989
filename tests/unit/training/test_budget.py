from __future__ import annotations

from collections.abc import Callable

import pytest

from unetscope.recipe import Recipe
from unetscope.training.budget import budget_used, time_left


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (("training.epochs=10",), 0.25),
        (("training.epochs=null", "training.minutes=1"), 0.5),
        (("training.epochs=10", "training.minutes=1"), 0.5),
        (("training.epochs=2",), 1.0),
    ],
)
def test_the_used_part_of_the_budget(
    recipe: Callable[..., Recipe], budget: tuple[str, ...], expected: float
) -> None:
    assert budget_used(recipe(*budget), 2.5, 30.0) == expected


@pytest.mark.parametrize(
    ("budget", "seconds", "expected"),
    [
        (("training.epochs=10",), [], None),
        (("training.epochs=10",), [3.0], 27.0),
        (("training.epochs=10",), [3.0, 5.0], 20.0),
        # A first epoch that took long is forgotten after a while.
        (("training.epochs=22",), [100.0 + 2 * i for i in range(12)], 20.0),
        (("training.epochs=null", "training.minutes=2"), [], 120.0),
        (("training.epochs=null", "training.minutes=2"), [30.0, 60.0], 60.0),
        (("training.epochs=100", "training.minutes=2"), [30.0, 60.0], 60.0),
        (("training.epochs=3", "training.minutes=2"), [30.0, 60.0], 30.0),
        (("training.epochs=null", "training.minutes=1"), [61.0], 0.0),
    ],
)
def test_the_time_left(
    recipe: Callable[..., Recipe], budget: tuple[str, ...], seconds: list[float], expected: float | None
) -> None:
    history = [{"epoch": epoch, "seconds": second} for epoch, second in enumerate(seconds, start=1)]
    assert time_left(recipe(*budget), history) == pytest.approx(expected)
