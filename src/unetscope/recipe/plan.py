"""The plan that `auto` makes: from the fingerprint of a dataset to a recipe, explained in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from unetscope.errors import InputError, RecipeError
from unetscope.recipe.fingerprint import Fingerprint
from unetscope.recipe.onward import as_seen, same_target
from unetscope.recipe.recipe import (
    Augmentation,
    Loss,
    Network,
    Normalize,
    Optimizer,
    Prediction,
    Preprocess,
    Recipe,
    Schedule,
    Sizes,
    Split,
    Target,
    Training,
)

__all__ = ["Plan", "plan_recipe"]

_PATCH_2D = 192
_PATCH_3D = 64
# Where objects are told apart, smaller patches show more different neighborhoods in the same time: this many
# objects side by side, but at least the shorter length.
_OBJECTS_IN_PATCH = 6
_SHORTEST_PATCH_2D = 96
# Volumes with fewer slices, or slices that lie further apart than this many pixels, are taken as planes:
# halving them along such an axis leaves next to nothing.
_FEWEST_SLICES = 16
_THICKEST_SLICES = 3.0
# The network sees this much more than the space that objects take up in the training masks.
_CROP_MARGIN = 1.5
# If the objects of more images than this lie beyond the usual percentiles, which clip them all to one value.
_MOST_EXTREME = 0.1
# Fewer images do not show where objects can be.
_IMAGES_FOR_CROP = 10
_LEARNING_RATE = 3e-3
# Of a network that has learned already: larger steps would make it forget that first.
_PART_FROM_START = 1 / 3


@dataclass(frozen=True)
class Plan:
    """A planned recipe with its reasons.

    Attributes
    ----------
    recipe : Recipe
    reasons : tuple of str
        One sentence per decision.
    """

    recipe: Recipe
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _Design:
    """What is learned and by which network, before it is said for how long.

    Attributes
    ----------
    facts : Fingerprint
        As the network sees the images.
    preprocess, target, network, loss
        Sections of the recipe.
    patch : tuple of int or None
        Size of the samples; None for whole images.
    size : tuple of int
        Of a sample in any case.
    learning_rate : float
    """

    facts: Fingerprint
    preprocess: Preprocess
    target: Target
    network: Network
    loss: Loss
    patch: Sizes | None
    size: tuple[int, ...]
    learning_rate: float


def plan_recipe(
    facts: Fingerprint,
    *,
    device: str = "cpu",
    minutes: float = 10.0,
    target: Target | None = None,
    start: Recipe | None = None,
) -> Plan:
    """Plan a recipe for a dataset.

    Parameters
    ----------
    facts : Fingerprint
    device : str
        ``"cpu"``, ``"cuda"`` or ``"mps"``: what the network may cost.
    minutes : float
        Time budget for training.
    target : Target, optional
        Its `ignore` and `background`, with which the masks were read; the rest of it is planned.
    start : Recipe, optional
        Of the model whose weights the training begins with: what it sees of an image, what it tells apart,
        its network and its loss stay as they are. Of several classes, ``target.values`` names the values.

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        If the masks hold nothing but background, or sparse annotation none of it; or if images or masks are
        not of the kind that the model to begin with has learned from.
    RecipeError
        If the budget is no positive time.
    """
    given = target or Target()
    _check(facts, given, minutes)
    reasons: list[str] = []
    design = _new(facts, given, device, reasons) if start is None else _onward(facts, given, start, reasons)
    facts, size = design.facts, design.size
    batch = _batch_size(size, device)
    samples = _samples_per_epoch(facts, size, batch)
    draw: Literal["equally", "objects"] = "objects" if design.target.kind == "instances" else "equally"
    more = ", more of them from images with more objects" if draw == "objects" else ""
    reasons.append(
        f"Each epoch draws {samples} samples in batches of {batch}{more}, newly rotated, zoomed, bent, and "
        f"changed in brightness and contrast, because {facts.images} images alone are learned by heart."
    )
    recipe = Recipe(
        name="auto",
        preprocess=design.preprocess,
        target=design.target,
        network=design.network,
        loss=design.loss,
        optimizer=Optimizer(
            kind="adamw", learning_rate=design.learning_rate, weight_decay=1e-2, clip_norm=1.0
        ),
        schedule=Schedule(kind="one-cycle"),
        augmentation=_augmentation(design.network.dimensions, size),
        training=Training(
            epochs=None,
            minutes=minutes,
            batch_size=batch,
            patch=design.patch,
            samples=samples,
            draw=draw,
            # Dice knows nothing of the maps that tell objects apart, which are learned last.
            monitor="loss" if design.target.kind == "instances" else "dice",
            averaging=0.99,
        ),
        split=Split(validation=_validation(facts, given)),
        prediction=_prediction(design.target, reasons),
    )
    reasons.append(_split_reason(facts, recipe))
    reasons.append(f"The learning rate rises and falls once over the {minutes:g} minutes of the budget.")
    return Plan(recipe, tuple(reasons))


def _new(facts: Fingerprint, given: Target, device: str, reasons: list[str]) -> _Design:
    """A network that suits the data."""
    if _is_stack_of_planes(facts, reasons):
        facts = facts.of_slices()
    target = _target(facts, given, reasons)
    crop = None if given.sparse else _crop(facts, reasons)
    patch = _patch(facts, given, reasons) if crop is None else None
    size = crop or patch or facts.median
    depth = _depth(size)
    width = 16 if device == "cpu" else 32
    reasons.append(
        f"The network halves a sample of {_times(size)} pixels {depth} times and starts with {width} feature "
        f"channels, which suits {'a CPU' if device == 'cpu' else 'a GPU'}."
    )
    if facts.gray_in_color:
        reasons.append("The color channels of all images are equal, so one of them is enough.")
    color = "gray" if facts.gray_in_color else "keep"
    return _Design(
        facts=facts,
        preprocess=Preprocess(color=color, normalize=_normalize(facts, reasons), crop=crop),
        target=target,
        network=Network(
            dimensions=2 if len(facts.median) == 2 else 3,
            depth=depth,
            width=width,
            max_width=256,
            norm="batch",
        ),
        loss=Loss(kind="ce+dice" if target.kind == "multiclass" else "bce+dice", dice_smooth=1.0),
        patch=patch,
        size=size,
        learning_rate=_LEARNING_RATE,
    )


def _onward(facts: Fingerprint, given: Target, start: Recipe, reasons: list[str]) -> _Design:
    """The network of a trained model, which goes on with other data."""
    dimensions = start.network.dimensions
    if len(facts.median) < dimensions:
        raise InputError(
            f"the images are planes of {_times(facts.median)} pixels",
            expected="volumes, which the model to start from takes",
            fix="choose a model of planes, or train a new network",
        )
    if len(facts.median) > dimensions:
        facts = facts.of_slices()
    reasons.append(
        "The training begins with the weights of a model: how images are normalized and resized, what is "
        "told apart, the network and the loss stay as it has learned them."
    )
    target = same_target(facts, given, start.target, _mask_values(facts, given), reasons)
    facts = as_seen(facts, start.preprocess, reasons)
    patch = _patch(facts, given, reasons)
    reasons.append(
        "The largest learning rate is a third of that for a new network, so that what the model knows is "
        "not forgotten."
    )
    return _Design(
        facts=facts,
        preprocess=start.preprocess,
        target=target,
        network=start.network,
        loss=start.loss,
        patch=patch,
        size=patch or facts.median,
        learning_rate=_LEARNING_RATE * _PART_FROM_START,
    )


def _is_stack_of_planes(facts: Fingerprint, reasons: list[str]) -> bool:
    """Whether volumes are better taken slice by slice: neighbors far apart, or few, have little to tell."""
    if len(facts.median) == 2:
        return False
    few, thickness = facts.smallest[0], facts.spacing[0] / min(facts.spacing[1:])
    if few >= _FEWEST_SLICES and thickness <= _THICKEST_SLICES:
        return False
    why = f"lie {thickness:.2g} pixels apart" if thickness > _THICKEST_SLICES else f"are only {few}"
    reasons.append(f"The slices {why}, so the network takes them one by one, in 2 dimensions.")
    return True


def _check(facts: Fingerprint, given: Target, minutes: float) -> None:
    """Refuse what no plan can be made for."""
    values = list(_mask_values(facts, given))
    if not facts.foreground:
        raise InputError(
            f"the masks hold only the values {values}",
            expected="background and at least one class",
            fix="check the masks",
        )
    if given.sparse and 0 not in facts.labels:
        raise InputError(
            f"the strokes hold only the values {values}",
            expected=f"strokes on the background, too, with the value {given.background}",
            fix="paint some background in every kind of place that is none of the objects",
        )
    if not 0 < minutes < math.inf:
        raise RecipeError(
            f"the budget is {minutes:g} minutes", expected="a time above 0", fix="give more minutes"
        )


def _mask_values(facts: Fingerprint, given: Target) -> tuple[int, ...]:
    """All values in the masks as they are read, background first."""
    return tuple(label or given.background for label in facts.labels)


def _target(facts: Fingerprint, given: Target, reasons: list[str]) -> Target:
    read = {"ignore": given.ignore, "background": given.background}
    values = _mask_values(facts, given)
    if given.sparse:
        reasons.append(
            f"Sparse annotation: {100 * facts.labeled:.2g} % of the pixels are labeled. The others teach "
            "nothing and count in no score."
        )
    elif facts.numbered:
        reasons.append(
            f"The masks number their objects (about {facts.objects_per_image:.0f} per image), so objects are "
            "told from background, and from each other by where their centers lie."
        )
        return Target(kind="instances", **read)
    if len(values) > 2:
        reasons.append(f"The masks hold {len(values)} values {list(values)}: one class each.")
        return Target(kind="multiclass", values=values, **read)
    reasons.append(
        f"The masks hold the values {list(values)}: object or background "
        f"({100 * facts.foreground:.1f} % of the {'labeled ' if given.sparse else ''}pixels are object)."
    )
    return Target(kind="binary", **read)


def _normalize(facts: Fingerprint, reasons: list[str]) -> Normalize:
    if facts.extreme <= _MOST_EXTREME:
        reasons.append("The 5th and 95th percentile of each image become 0 and 1; values beyond are cut off.")
        return Normalize(method="percentile", low=5, high=95, clip=True)
    reasons.append(
        f"In {100 * facts.extreme:.0f} % of the images most object pixels are among the darkest or brightest "
        "5 %, so nothing is cut off: the 1st and 99.8th percentile become 0 and 1."
    )
    return Normalize(method="percentile", low=1, high=99.8, clip=False)


def _crop(facts: Fingerprint, reasons: list[str]) -> Sizes | None:
    """The center, if the objects of all images lie well inside it."""
    same = facts.smallest == facts.largest
    reached = [part * n for part, n in zip(facts.reach, facts.median, strict=True)]
    sides = [16 * math.ceil(_CROP_MARGIN * side / 16) for side in reached]
    # Square in the plane, because samples are rotated.
    sides[-2:] = [max(sides[-2:])] * 2
    small = all(side <= 0.6 * length for side, length in zip(sides, facts.median, strict=True))
    if not (same and small and facts.images >= _IMAGES_FOR_CROP) or max(sides) > _longest_side(facts):
        return None
    taken = [math.ceil(side) for side in reached]
    reasons.append(
        f"All objects lie within the central {_times(taken)} of {_times(facts.median)} pixels, so the "
        f"network sees only the central {_times(sides)}, and everything outside is background. If yours can "
        "lie elsewhere, set preprocess.crop=null and a training.patch."
    )
    return _sizes(sides)


def _patch(facts: Fingerprint, given: Target, reasons: list[str]) -> Sizes | None:
    limit = _longest_side(facts)
    if facts.numbered and not given.sparse and len(facts.median) == 2:
        wanted = 16 * math.ceil(_OBJECTS_IN_PATCH * facts.object_diameter / 16)
        limit = min(limit, max(wanted, _SHORTEST_PATCH_2D))
    if facts.smallest == facts.largest and max(facts.largest) <= limit:
        reasons.append(f"All images are {_times(facts.largest)} pixels and are trained on whole.")
        return None
    sides = [min(limit, 16 * math.ceil(length / 16)) for length in facts.smallest]
    sizes = _times(facts.smallest)
    if facts.smallest != facts.largest:
        sizes += f" to {_times(facts.largest)}"
    around = "all of them around strokes" if given.sparse else "half of them around objects"
    reasons.append(f"Images of {sizes} pixels are trained on in patches of {_times(sides)}, {around}.")
    return _sizes(sides)


def _longest_side(facts: Fingerprint) -> int:
    """What one sample may measure along an axis."""
    return _PATCH_2D if len(facts.median) == 2 else _PATCH_3D


def _sizes(sides: list[int]) -> Sizes:
    return (sides[0], sides[1]) if len(sides) == 2 else (sides[0], sides[1], sides[2])


def _depth(size: tuple[int, ...]) -> int:
    """As deep as leaves at least 8 pixels, and at most 4 levels."""
    return max(1, min(4, int(math.log2(max(min(size) / 8, 2)))))


def _batch_size(size: tuple[int, ...], device: str) -> int:
    """Few pixels a step on a CPU: in minutes, many small steps teach more than few large ones."""
    pixels = (3 if device == "cpu" else 32) * 160**2
    return max(2, min(16, round(pixels / math.prod(size))))


def _samples_per_epoch(facts: Fingerprint, size: tuple[int, ...], batch: int) -> int:
    """Every training image at least once, and so many that validation takes only a small part of the time."""
    usual = max(32, min(256, 128 * 160**2 // math.prod(size)))
    return max(facts.images, batch * math.ceil(usual / batch))


def _augmentation(dimensions: int, size: tuple[int, ...]) -> Augmentation:
    return Augmentation(
        probability=0.8,
        flip=("Y", "X") if dimensions == 2 else ("Z", "Y", "X"),
        rotation=30,
        zoom=0.25,
        stretch=0.1,
        shift=0.05,
        elastic=3.0,
        elastic_spacing=max(16.0, min(size[-2:]) / 6),
        # With 0.05, a noisy scan was lost; with 0.3, thin vessels were not found any more (docs/results.md).
        noise=0.15,
        brightness=0.1,
        contrast=0.25,
        gamma=0.25,
    )


def _prediction(target: Target, reasons: list[str]) -> Prediction:
    if not target.sparse or target.kind == "multiclass":
        return Prediction(threshold="auto")
    reasons.append(
        "Strokes do not show where objects end, so the threshold is not tuned on them but stays at 0.5. "
        "Raise it where predicted objects are too large."
    )
    return Prediction(threshold=0.5)


def _validation(facts: Fingerprint, given: Target) -> float:
    # Strokes lie in easy places. Their Dice is near 1 before a network knows where objects end, so that the
    # epoch with the best one is an early one.
    return 0.0 if given.sparse or min(facts.images, facts.groups) < 2 else 0.2


def _split_reason(facts: Fingerprint, recipe: Recipe) -> str:
    best = "the lowest validation loss" if recipe.training.monitor == "loss" else "the best validation Dice"
    if facts.validating:
        return (
            f"The {facts.validating} images that are given to validate do so, and the epoch with {best} is "
            "kept."
        )
    if recipe.target.sparse:
        return (
            "All images train, and the last epoch is kept: strokes lie in easy places, and do not tell which "
            "epoch is the best."
        )
    if recipe.split.validation == 0:
        return "There is nothing to validate on: one image, or one group. The last epoch is kept."
    return (
        f"A fifth of the {facts.images} images validates; their {facts.groups} groups are never divided, and "
        f"the epoch with {best} is kept."
    )


def _times(size: tuple[int, ...] | list[int]) -> str:
    return "×".join(str(length) for length in size)
