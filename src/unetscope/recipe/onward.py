"""How other data look to a model that goes on learning: its sizes, and its classes in their masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from unetscope.errors import InputError
from unetscope.recipe.fingerprint import Fingerprint
from unetscope.recipe.recipe import Preprocess, Target

__all__ = ["as_seen", "same_target"]


def as_seen(facts: Fingerprint, preprocess: Preprocess, reasons: list[str]) -> Fingerprint:
    """The facts about images after they were resized and cropped for the model.

    Parameters
    ----------
    facts : Fingerprint
    preprocess : Preprocess
        Of the model.
    reasons : list of str
        A sentence is added where objects are brought to another size.
    """
    size = preprocess.crop or preprocess.resize
    if size is not None:
        resized = preprocess.resize or facts.median
        factor = math.prod(a / b for a, b in zip(resized, facts.median, strict=True)) ** (1 / len(resized))
        diameter = factor * facts.object_diameter
        return replace(facts, smallest=size, largest=size, median=size, object_diameter=diameter)
    if preprocess.diameter is None or not facts.object_diameter:
        return facts
    factor = preprocess.diameter / facts.object_diameter
    reasons.append(
        f"Objects of about {facts.object_diameter:.3g} pixels are brought to {preprocess.diameter:.3g}, the "
        "size that the model has learned."
    )
    smallest, median, largest = (
        tuple(max(1, round(factor * length)) for length in grid)
        for grid in (facts.smallest, facts.median, facts.largest)
    )
    # Each image is resized by its own objects, so that not even equal ones stay so.
    largest = tuple(max(n, few + 1) for n, few in zip(largest, smallest, strict=True))
    return replace(
        facts, smallest=smallest, median=median, largest=largest, object_diameter=preprocess.diameter
    )


def same_target(
    facts: Fingerprint, given: Target, learned: Target, values: Sequence[int], reasons: list[str]
) -> Target:
    """What the model tells apart, in the values of these masks.

    Parameters
    ----------
    facts : Fingerprint
    given : Target
        Its `ignore` and `background` say how the masks are read.
    learned : Target
        Of the model; of several classes with its `values`.
    values : sequence of int
        In the masks, background first.
    reasons : list of str
        A sentence is added where classes have other values here.

    Raises
    ------
    InputError
        If the masks hold something else.
    """
    read = {"ignore": given.ignore, "background": given.background}
    if learned.kind == "multiclass":
        known = (given.background, *(learned.values or values)[1:])
        return Target(kind="multiclass", values=_classes(tuple(values), known, reasons), **read)
    if learned.kind == "instances" and len(values) == 2:
        raise InputError(
            f"the masks hold only the values {list(values)}",
            expected="a value for each object, because the model to start from tells objects apart",
            fix="number the objects, or train a new network",
        )
    if learned.kind == "binary" and len(values) > 2 and not facts.numbered:
        raise InputError(
            f"the masks hold {len(values)} values {list(values)}",
            expected="background and one class, because the model to start from knows no more",
            fix="choose another model, or train a new network",
        )
    return Target(kind=learned.kind, separate=learned.separate, **read)


def _classes(values: tuple[int, ...], known: tuple[int, ...], reasons: list[str]) -> tuple[int, ...]:
    if set(values) <= set(known):
        # Classes that these masks lack stay known.
        return known
    if len(values) != len(known):
        raise InputError(
            f"the masks hold {len(values)} values {list(values)}",
            expected=f"the {len(known)} classes {list(known)} of the model to start from",
            fix="correct the masks, or train a new network",
        )
    reasons.append(f"The masks hold {list(values)} where the model knows {list(known)}, in this order.")
    return values
