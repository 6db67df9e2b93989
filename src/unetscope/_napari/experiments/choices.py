"""What can be compared, what that costs, and the command that does it; knows no Qt and no torch."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from unetscope._napari.train.runs import describe_time
from unetscope._words import count
from unetscope.errors import RecipeError
from unetscope.experiments import Arm, Budget, Contrast, Experiment, Material
from unetscope.experiments.documents import EXPERIMENTS, experiment
from unetscope.recipe import Recipe, change, read_recipe
from unetscope.recipe.presets import PRESETS, describe_preset, preset
from unetscope.recipe.recipe import Target

__all__ = [
    "CUSTOM",
    "Choice",
    "as_text",
    "built_in",
    "command",
    "comparison",
    "cost",
    "current_recipe",
    "names",
    "recipe_file",
    "recipes",
]

CUSTOM = "Compare recipes…"
"""What the list of experiments calls a comparison of the user's own."""

# What `unetscope experiment` gives to auto where no budget says anything.
_MINUTES_OF_AUTO = 10.0
_AUTO = "Planned for the data: normalization, network and training are chosen to suit it."
_METRICS = {
    "binary": ("precision", "recall", "dice", "iou"),
    "multiclass": ("precision", "recall", "dice", "iou"),
    "instances": ("dice", "object_f1", "ap50", "mean_ap", "panoptic_quality", "merges", "splits"),
}


@dataclass(frozen=True)
class Choice:
    """What the user has chosen to run.

    Attributes
    ----------
    name : str
        Of a built-in experiment, or `CUSTOM`.
    arms : mapping of str to Arm
        Those that are ticked.
    seeds : tuple of int
    budget : str
        The name of a budget of the experiment; ignored where there are `minutes`.
    minutes : float or None
        For each training.
    """

    name: str
    arms: Mapping[str, Arm] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2)
    budget: str = ""
    minutes: float | None = None

    @property
    def custom(self) -> bool:
        """Whether it is a comparison of the user's own."""
        return self.name == CUSTOM

    @property
    def limits(self) -> Budget:
        """What each training may cost."""
        if self.minutes is not None:
            return Budget(minutes=self.minutes)
        return Budget() if self.custom else built_in(self.name).budgets.get(self.budget, Budget())


@cache
def built_in(name: str) -> Experiment:
    """A built-in experiment with all of its arms and budgets."""
    return experiment(name)


def names() -> tuple[str, ...]:
    """What can be chosen: the built-in experiments, and a comparison of one's own."""
    return (*EXPERIMENTS, CUSTOM)


def recipes() -> dict[str, Arm]:
    """The recipes that can always be compared: auto, and the presets."""
    summaries = {name: describe_preset(name).splitlines()[0] for name in PRESETS}
    return {name: Arm(recipe=name, about=about) for name, about in {"auto": _AUTO, **summaries}.items()}


def recipe_file(path: Path, taken: Collection[str]) -> tuple[str, Arm]:
    """A recipe of a file as an arm, with a name that none of the others has.

    Raises
    ------
    RecipeError
        If the file is no recipe.
    """
    read_recipe(path)
    return _free(path.stem, taken), Arm(recipe=str(path.absolute()), about=str(path))


def current_recipe(basis: str, changes: Mapping[str, Any], taken: Collection[str]) -> tuple[str, Arm]:
    """The recipe of the session as an arm: where it begins, and what the user has changed."""
    # The budget of the comparison is the same for all.
    settings = {key: value for key, value in changes.items() if key != "training.minutes"}
    words = ", ".join(f"{key}={value}" for key, value in settings.items())
    about = f"The recipe of 3 Train: {basis}{f' with {words}' if words else ''}."
    return _free(f"{Path(basis).stem}, as in 3 Train", taken), Arm(
        recipe=basis, settings=settings, about=about
    )


def comparison(choice: Choice, target: Target, *, name: str) -> Experiment:
    """The experiment that compares recipes of the user's choice.

    Parameters
    ----------
    choice : Choice
    target : Target
        How the masks are read for the scores. Where `auto` plans, it plans for this.
    name : str

    Returns
    -------
    Experiment
        It asks of every recipe whether it is better than the first.

    Raises
    ------
    RecipeError
        If nothing is ticked.
    """
    if not choice.arms:
        raise RecipeError("no recipe is chosen", expected="at least one", fix="tick one")
    arms = {key: _reading(arm, target) for key, arm in choice.arms.items()}
    first, *others = arms
    main = "object_f1" if target.kind == "instances" else "dice"
    alone = f"{first}, trained {count(len(choice.seeds), 'time')}"
    return Experiment(
        name=name,
        title=f"{', '.join(arms)} compared" if others else alone,
        material=Material(target=target),
        arms=arms,
        seeds=choice.seeds,
        metrics=_METRICS[target.kind],
        main=main,
        contrasts=tuple(
            Contrast(better=arm, than=first, metric=main, question=f"Is {arm} better than {first}?")
            for arm in others
        ),
    )


def cost(choice: Choice) -> str:
    """How many trainings that are, and how long they take at most, in one sentence."""
    trainings = len(choice.arms) * len(choice.seeds)
    if not trainings:
        return "Nothing to train: tick at least one recipe."
    limits = choice.limits
    minutes = [_minutes(arm, limits) for arm in choice.arms.values()]
    known = [each for each in minutes if each is not None]
    longest = describe_time(60 * sum(known) * len(choice.seeds))
    words = f"{count(trainings, 'training')} ({_times(len(choice.arms), len(choice.seeds))})"
    if len(known) == len(minutes):
        return f"{words}, at most {longest}; reading and measuring come on top."
    if not known:
        return f"{words}; each takes as long as its epochs."
    open_ended = (len(minutes) - len(known)) * len(choice.seeds)
    return f"{words}: {open_ended} as long as their epochs take, the others at most {longest}."


def command(
    choice: Choice, source: str, data: Path, out: Path, *, test: Path | None = None, all_arms: int = 0
) -> list[str]:
    """The arguments of the command line for a choice.

    Parameters
    ----------
    choice : Choice
    source : str
        Name of the built-in experiment, or the file of a comparison.
    data : Path
    out : Path
        Folder of the experiment.
    test : Path, optional
        Folder of the test images.
    all_arms : int
        How many arms the source has: fewer have to be named.
    """
    words = ["experiment", source, str(data), "--out", str(out)]
    if choice.minutes is not None:
        words += ["--budget", f"{choice.minutes:g}"]
    elif choice.budget:
        words += ["--budget", choice.budget]
    words += ["--seeds", *map(str, choice.seeds)]
    if len(choice.arms) < all_arms:
        words += ["--arms", *choice.arms]
    return words if test is None else [*words, "--test", str(test)]


def as_text(arguments: Sequence[str]) -> str:
    """A command as one types it."""
    words = ["unetscope", *arguments]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def _reading(arm: Arm, target: Target) -> Arm:
    """An arm that reads the masks as the scores do, in so far as that is not part of its recipe."""
    settings: dict[str, Any] = {}
    if target.ignore is not None:
        settings = {"target.ignore": target.ignore, "target.background": target.background}
    if arm.recipe == "auto":
        settings["target.kind"] = target.kind
    return arm.model_copy(update={"settings": {**settings, **arm.settings}})


def _minutes(arm: Arm, limits: Budget) -> float | None:
    """How long a training takes at most, if that is known before its plan."""
    if limits.minutes is not None:
        return limits.minutes
    if arm.recipe == "auto":
        return float(arm.settings.get("training.minutes") or _MINUTES_OF_AUTO)
    return change(_recipe(arm), {**arm.settings, **limits.settings}).training.minutes


def _recipe(arm: Arm) -> Recipe:
    return read_recipe(Path(arm.recipe)) if arm.recipe.endswith((".yaml", ".yml")) else preset(arm.recipe)


def _times(arms: int, seeds: int) -> str:
    return f"{count(arms, 'recipe')} × {count(seeds, 'seed')}"


def _free(name: str, taken: Collection[str]) -> str:
    number, free = 2, name
    while free in taken:
        free, number = f"{name} {number}", number + 1
    return free
