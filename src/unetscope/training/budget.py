"""How much of its budget a training has used, and how long it will still take; without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unetscope.recipe import Recipe

__all__ = ["budget_used", "time_left"]

# Enough epochs for a steady mean, few enough to notice that the computer has got something else to do.
_RECENT = 10


def budget_used(recipe: Recipe, epochs: float, seconds: float) -> float:
    """The part of a recipe's budget that is used, 0 to 1.

    Parameters
    ----------
    recipe : Recipe
    epochs : float
        Finished epochs, with the part of the current one.
    seconds : float
        Of the run so far.
    """
    training = recipe.training
    used = [
        0.0 if training.epochs is None else epochs / training.epochs,
        0.0 if training.minutes is None else seconds / (60 * training.minutes),
    ]
    return min(max(used), 1.0)


def time_left(recipe: Recipe, history: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds until the budget is used at the speed of the last epochs; patience may end it earlier.

    Parameters
    ----------
    recipe : Recipe
    history : sequence of mapping
        The finished epochs, with the keys of `EpochRecord`.

    Returns
    -------
    float or None
        None as long as nothing is known.
    """
    training = recipe.training
    seconds = history[-1]["seconds"] if history else 0.0
    left = []
    if training.minutes is not None:
        left.append(60 * training.minutes - seconds)
    if training.epochs is not None and history:
        recent = history[-_RECENT - 1 :]
        # The first epoch has none before it, and began at 0.
        span = (
            (seconds, len(history))
            if len(recent) == len(history)
            else (
                seconds - recent[0]["seconds"],
                len(recent) - 1,
            )
        )
        left.append((training.epochs - history[-1]["epoch"]) * span[0] / span[1])
    return max(min(left), 0.0) if left else None
