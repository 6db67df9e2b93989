"""Optimizers, and the learning rate over the course of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from unetscope.recipe.recipe import Optimizer, Schedule

__all__ = ["Plateau", "learning_rate", "make_optimizer"]


def make_optimizer(parameters: Iterable[nn.Parameter], settings: Optimizer) -> torch.optim.Optimizer:
    """The optimizer that a recipe asks for, updating all weights in one call where torch can."""
    rate, decay, epsilon = settings.learning_rate, settings.weight_decay, settings.epsilon
    match settings.kind:
        case "adam":
            return torch.optim.Adam(parameters, lr=rate, eps=epsilon, weight_decay=decay, fused=True)
        case "adamw":
            return torch.optim.AdamW(parameters, lr=rate, eps=epsilon, weight_decay=decay, fused=True)
        case "sgd":
            nesterov = settings.nesterov and settings.momentum > 0
            return torch.optim.SGD(
                parameters,
                lr=rate,
                momentum=settings.momentum,
                nesterov=nesterov,
                weight_decay=decay,
                fused=True,
            )
        case "rmsprop":
            return torch.optim.RMSprop(
                parameters, lr=rate, momentum=settings.momentum, eps=epsilon, weight_decay=decay
            )


class Plateau:
    """Multiplies the learning rate when the monitored value stands still.

    Parameters
    ----------
    schedule : Schedule
        Its factor and patience.

    Attributes
    ----------
    factor : float
        What the learning rate is multiplied with now.
    waited : int
        Epochs since the last improvement.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self.factor = 1.0
        self.waited = 0

    def update(self, *, improved: bool) -> None:
        """Take note of an epoch."""
        self.waited = 0 if improved else self.waited + 1
        if self.waited > self._schedule.patience:
            self.factor *= self._schedule.factor
            self.waited = 0


def learning_rate(base: float, schedule: Schedule, progress: float, plateau: float = 1.0) -> float:
    """The learning rate at a point of the run.

    Parameters
    ----------
    base : float
        The recipe's learning rate, the highest that is reached.
    schedule : Schedule
    progress : float
        Part of the budget that is used, 0 to 1.
    plateau : float
        Factor of a plateau schedule.

    Returns
    -------
    float
        Positive.

    Notes
    -----
    One-cycle (Smith and Topin 2018) with cosine flanks: from a 25th of `base` up to it, then down.
    """
    progress = min(max(progress, 0.0), 1.0)
    match schedule.kind:
        case "constant":
            return base
        case "plateau":
            return base * plateau
        case "cosine":
            return base * _cosine(1.0, max(schedule.final, 1e-6), progress)
        case "one-cycle":
            if progress < schedule.warmup:
                return base * _cosine(0.04, 1.0, progress / schedule.warmup)
            falling = (progress - schedule.warmup) / (1 - schedule.warmup)
            return base * _cosine(1.0, max(schedule.final, 1e-6), falling)


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2
