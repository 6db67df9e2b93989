"""Contenders that take turns, so that whatever else the machine does slows each of them down."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["OURS", "PLAIN", "compared", "take_turns"]

OURS = "unetscope"
PLAIN = "plain PyTorch"


def take_turns(
    contenders: Mapping[str, Callable[[], object]], *, rounds: int, seconds: float, least: int = 3
) -> dict[str, list[float]]:
    """How long each contender takes, in every round.

    Parameters
    ----------
    contenders : mapping of str to callable
        They begin one round each in turn.
    rounds : int
        So many, unless that takes too long.
    seconds : float
        No round begins after this time.
    least : int
        But so many rounds in any case, if `rounds` is not less.

    Returns
    -------
    dict of str to list of float
        Seconds.
    """
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    begun = time.perf_counter()
    for number in range(rounds):
        if number >= least and time.perf_counter() - begun > seconds:
            break
        for name in order:
            started = time.perf_counter()
            contenders[name]()
            taken[name].append(time.perf_counter() - started)
        order = order[1:] + order[:1]
    return taken


def compared(taken: Mapping[str, list[float]], ours: str = OURS) -> dict[str, dict[str, float]]:
    """How many times as long as ours each contender takes: ratio of the medians, and of the minima."""
    own = taken[ours]
    return {
        name: {
            "medians": round(statistics.median(times) / statistics.median(own), 3),
            "minima": round(min(times) / min(own), 3),
        }
        for name, times in taken.items()
        if name != ours
    }
