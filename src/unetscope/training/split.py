"""The split into training and validation, by groups that are never divided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unetscope.errors import InputError
from unetscope.recipe.recipe import Split

__all__ = ["Division", "divide"]


@dataclass(frozen=True)
class Division:
    """Positions of the training and of the validation images.

    Attributes
    ----------
    training, validation : tuple of int
        Ascending; together every position once.
    """

    training: tuple[int, ...]
    validation: tuple[int, ...]


def divide(groups: Sequence[str], settings: Split, *, seed: int) -> Division:
    """Divide images into training and validation so that no group is on both sides.

    Parameters
    ----------
    groups : sequence of str
        The group of each image.
    settings : Split
    seed : int
        For a random choice of groups.

    Returns
    -------
    Division
        At least `settings.validation` of the images validate, unless that would leave no group to train.

    Raises
    ------
    InputError
        If images are to validate but all belong to one group.
    """
    everything = tuple(range(len(groups)))
    if settings.validation == 0:
        return Division(everything, ())
    names = list(dict.fromkeys(groups))
    if len(names) < 2:
        raise InputError(
            f"all {len(groups)} images belong to the group {groups[0] if groups else ''!r}",
            expected="two groups or more, to train on one and validate on another",
            fix="add images, set split.group, or set split.validation=0",
        )
    if settings.choose == "last":
        names.reverse()
    else:
        # Sorted first: the choice must not depend on the order in which a folder was listed.
        names = [str(name) for name in np.random.default_rng(seed).permutation(sorted(names))]
    # 0.07 · 100 is a little more than 7.
    wanted = settings.validation * len(groups) - 1e-6
    chosen: set[str] = set()
    for name in names[:-1]:
        chosen.add(name)
        if sum(group in chosen for group in groups) >= wanted:
            break
    return Division(
        tuple(i for i in everything if groups[i] not in chosen),
        tuple(i for i in everything if groups[i] in chosen),
    )
