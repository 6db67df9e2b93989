"""Look at a dataset before training: what training would refuse, and what is worth a look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unetscope.api.data import Settings, plan_examples
from unetscope.errors import InputError, RecipeError
from unetscope.io import Image
from unetscope.io.masks.mask import placed_on
from unetscope.recipe import Recipe, change
from unetscope.recipe.plan import Plan

if TYPE_CHECKING:
    from unetscope.training.dataset import Example
    from unetscope.training.split import Division

__all__ = ["Check", "Look", "check_examples", "look_at"]

_MOST_LABELS = 256
# A person paints a few classes with strokes, and most of the image remains.
_MOST_STROKE_LABELS = 10
_MOST_STROKES = 0.3
_NAMED = 3


@dataclass(frozen=True)
class Look:
    """What one look at a mask tells.

    Attributes
    ----------
    labels : tuple of int
        Its first 256 different values, ascending.
    foreground : float
        Share of the pixels that are not 0.
    painted : tuple of bool
        For each slice or time point (the first axis of a stack), whether any pixel is not 0.
    like_strokes : bool
        Whether 1 and higher values lie on much 0, as where a few strokes are painted, 1 for background.
    """

    labels: tuple[int, ...]
    foreground: float
    painted: tuple[bool, ...]
    like_strokes: bool


def look_at(image: Image, mask: Image) -> Look:
    """Look at a mask, and make sure that it fits its image.

    Raises
    ------
    InputError
        If their grids differ.
    """
    mask = placed_on(mask, image)
    labels = tuple(np.unique(mask.data)[:_MOST_LABELS].tolist())
    share = float(np.count_nonzero(mask.data) / max(mask.data.size, 1))
    stack = mask.data if mask.data.ndim > 2 else mask.data[np.newaxis]
    painted = tuple((stack != 0).any(axis=tuple(range(1, stack.ndim))).tolist())
    strokes = {0, 1} < set(labels) and len(labels) <= _MOST_STROKE_LABELS and share <= _MOST_STROKES
    return Look(labels, share, painted, strokes)


@dataclass(frozen=True)
class Check:
    """What a check of a dataset found.

    Attributes
    ----------
    problems : tuple of str
        Why training would refuse, one sentence each; empty if it would begin.
    advice : tuple of str
        What is worth a look and no obstacle.
    plan : Plan or None
        What ``auto`` would do, if it can be planned.
    training, validation, test : int
        How many images would train, validate, and be left for a test.
    """

    problems: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    plan: Plan | None = None
    training: int = 0
    validation: int = 0
    test: int = 0


def check_examples(
    examples: Sequence[Example],
    recipe: Recipe | None = None,
    settings: Settings = (),
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Check:
    """Do all that training does before its first step, and say what is wrong instead of stopping there.

    Parameters
    ----------
    examples : sequence of Example
    recipe : Recipe, optional
        The plan for these examples unless given.
    settings : mapping or sequence of str
        Changes to it; see `prepare_training`.
    progress : callable
        Called with what is done next; what it raises ends the check.

    Returns
    -------
    Check
    """
    from unetscope.training.rehearsal import rehearse

    progress("planning")
    plan = None
    try:
        if recipe is None:
            plan = plan_examples(examples, settings=settings)
            recipe = plan.recipe
        recipe = change(recipe, settings)
        division = rehearse(examples, recipe, progress=progress)
    except (InputError, RecipeError) as error:
        return Check((str(error),), plan=plan)
    advice = (*_on_masks(examples, recipe), *_on_split(examples, division, recipe))
    return Check((), advice, plan, len(division.training), len(division.validation), len(division.test))


def _on_masks(examples: Sequence[Example], recipe: Recipe) -> Iterator[str]:
    """Sentences on masks that can be learned from, and may not say what was meant."""
    target = recipe.target
    labels = {example.name: set(np.unique(example.mask.data).tolist()) for example in examples}
    empty = [name for name, found in labels.items() if found <= {target.background, target.ignore}]
    if empty:
        yield (
            f"{len(empty)} of {len(labels)} masks mark no object ({_some(empty)}): leave these images out "
            "unless there is nothing in them."
        )
    if target.sparse:
        bare = [name for name, found in labels.items() if target.background not in found]
        if bare:
            yield (
                f"{len(bare)} of {len(labels)} masks have no stroke of background, which is "
                f"{target.background} ({_some(bare)}): paint some."
            )
    objects = sorted(set().union(*labels.values()) - {target.background, target.ignore})
    if target.kind == "binary" and len(objects) > 1:
        yield (
            f"The masks hold {len(objects)} values beside background ({_some(map(str, objects))}), and all "
            "above the threshold count as one kind of object: to tell them apart, set target.kind to "
            "multiclass, or to instances if each object has a number of its own."
        )


def _on_split(examples: Sequence[Example], division: Division, recipe: Recipe) -> Iterator[str]:
    # Strokes say little about which epoch is the best, so that nothing is lost then.
    if not division.validation and not recipe.target.sparse:
        yield "No image validates, so the last epoch is kept and not the best one."
    patients = [
        {examples[i].image.source.group for i in positions} - {None}
        for positions in (division.training, division.validation)
    ]
    if shared := patients[0] & patients[1]:
        yield (
            f"Images of {len(shared)} patients both train and validate, so validation scores flatter: give "
            "all images of a patient one group."
        )


def _some(names: Iterable[str]) -> str:
    """The first few names."""
    names = list(names)
    return ", ".join(names[:_NAMED]) + ", …" * (len(names) > _NAMED)
