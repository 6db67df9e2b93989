"""The split into training, validation and test, by groups that are never divided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unetscope.errors import InputError
from unetscope.io.pairs import Role
from unetscope.recipe.recipe import Split

__all__ = ["Division", "divide", "roles_of_groups"]


@dataclass(frozen=True)
class Division:
    """Positions of the training, validation and test images.

    Attributes
    ----------
    training, validation, test : tuple of int
        Ascending; together every position once.
    """

    training: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...] = ()


def divide(groups: Sequence[str], settings: Split, *, seed: int, roles: Sequence[Role] = ()) -> Division:
    """Divide images so that no group is on two sides.

    Parameters
    ----------
    groups : sequence of str
        The group of each image.
    settings : Split
    seed : int
        For a random choice of groups.
    roles : sequence of {"", "training", "validation", "test"}
        What each image is for, where somebody said so; images without a role go with their group. If some
        are given to validate, the recipe chooses no others.

    Returns
    -------
    Division
        Unless roles say which, at least `settings.validation` of the images that are no test images
        validate, if that leaves a group to train on.

    Raises
    ------
    InputError
        If a group has two roles, no image is left to train on, or images are to validate and no group is
        left that could.
    """
    role_of = roles_of_groups(groups, roles)
    if settings.validation > 0 and "validation" not in role_of.values():
        for group in _choose(groups, settings, seed, role_of):
            role_of[group] = "validation"
    sides = [role_of.get(group, "training") for group in groups]
    if groups and "training" not in sides:
        raise InputError(
            f"no image is left to train on: {sides.count('validation')} are to validate and "
            f"{sides.count('test')} to test",
            expected="at least one image without these roles",
            fix="change the column split",
        )

    def positions(role: Role) -> tuple[int, ...]:
        return tuple(i for i, side in enumerate(sides) if side == role)

    return Division(positions("training"), positions("validation"), positions("test"))


def roles_of_groups(groups: Sequence[str], roles: Sequence[Role]) -> dict[str, Role]:
    """The role of each group that has one, from what is said of its images; see `divide`.

    Raises
    ------
    InputError
        If a group has two.
    """
    found: dict[str, Role] = {}
    for group, role in zip(groups, roles, strict=True) if roles else ():
        if role and found.setdefault(group, role) != role:
            raise InputError(
                f"the group {group!r} has images for {found[group]} and for {role}",
                expected="one role for all images of a group",
                fix="change the column split or the column group",
            )
    return found


def _choose(groups: Sequence[str], settings: Split, seed: int, role_of: dict[str, Role]) -> set[str]:
    """Choose groups without a role to validate."""
    names = [name for name in dict.fromkeys(groups) if name not in role_of]
    trained = "training" in role_of.values()
    if len(names) + trained < 2 or not names:
        raise InputError(
            "no group without a role is left to validate on"
            if role_of
            else f"all {len(groups)} images belong to the group {groups[0] if groups else ''!r}",
            expected="two groups or more, to train on one and validate on another",
            fix="add images, set split.group, or set split.validation=0",
        )
    if settings.choose == "last":
        names.reverse()
    else:
        # Sorted first: the choice must not depend on the order in which a folder was listed.
        names = [str(name) for name in np.random.default_rng(seed).permutation(sorted(names))]
    taking_part = [group for group in groups if role_of.get(group) != "test"]
    # 0.07 · 100 is a little more than 7.
    wanted = settings.validation * len(taking_part) - 1e-6
    chosen: set[str] = set()
    for name in names if trained else names[:-1]:
        chosen.add(name)
        if sum(group in chosen for group in taking_part) >= wanted:
            break
    return chosen
