"""Datasets: from a folder, a table or arrays to examples, a fingerprint and a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unetscope.io import Image, Pairing, find_pairs, is_image_file
from unetscope.preprocess import true_labels
from unetscope.recipe import Recipe, change
from unetscope.recipe.fingerprint import Fingerprint, take_fingerprint
from unetscope.recipe.plan import Plan, plan_recipe
from unetscope.recipe.recipe import Target
from unetscope.training.split import roles_of_groups

if TYPE_CHECKING:
    from unetscope.training.dataset import Example

__all__ = [
    "Data",
    "Settings",
    "StrPath",
    "before_planning",
    "fingerprint",
    "left_out",
    "load_examples",
    "plan",
    "plan_examples",
]

# Settings that decide, as parts or as whole sections, on what is read.
_READING = ("target", "target.kind", "target.ignore", "target.background", "split", "split.group")

StrPath = str | Path
Data = StrPath | Sequence[tuple[Image, Image]]
"""A folder or CSV table of pairs, or images with their masks in memory."""
Settings = Mapping[str, Any] | Sequence[str]
"""Changes to a recipe, ``{"training.epochs": 5}`` or ``["training.epochs=5"]``."""


def fingerprint(data: Data, masks: StrPath | None = None, *, target: Target | None = None) -> Fingerprint:
    """The facts about a dataset that a plan is made from; images for the test are not looked at.

    Parameters
    ----------
    data : path, or sequence of (Image, Image)
    masks : path, optional
        A folder of masks, when they are not where `find_pairs` looks.
    target : Target, optional
        Its `ignore` and `background` say how masks are read.

    Raises
    ------
    InputError
        If there are no usable pairs, or the images differ in kind.
    """
    examples, _ = load_examples(data, masks)
    return _fingerprint_of(examples, target or Target())


def plan(
    data: Data,
    masks: StrPath | None = None,
    *,
    minutes: float = 10.0,
    device: str = "auto",
    settings: Settings = (),
    start: StrPath | None = None,
) -> Plan:
    """Plan a recipe for a dataset, with its reasons.

    Parameters
    ----------
    data, masks
        As for `fingerprint`.
    minutes : float
        Time budget.
    device : str
        Where it will be trained; see `train`.
    settings : mapping or sequence of str
        Changes that will be made to the planned recipe; see `prepare_training`. The plan itself heeds
        ``target.ignore`` and ``target.background``, which say how masks are read.
    start : path or str, optional
        A model, found as by `load_model`, whose weights the training will begin with.

    Raises
    ------
    InputError
        As for `fingerprint`, or if images or masks are not of the kind that `start` has learned from.
    ModelError
        If `start` is no model.
    """
    examples, _ = load_examples(data, masks)
    return plan_examples(examples, minutes=minutes, device=device, settings=settings, start=start)


def plan_examples(
    examples: Sequence[Example],
    *,
    minutes: float = 10.0,
    device: str = "auto",
    settings: Settings = (),
    start: StrPath | None = None,
) -> Plan:
    """Plan a recipe for examples that are read already; see `plan`."""
    from unetscope.api.start import StartModel
    from unetscope.training.loop import choose_device

    its = None if start is None else StartModel(start).recipe
    target = before_planning(settings).target
    facts = _fingerprint_of(examples, target)
    return plan_recipe(facts, device=choose_device(device).type, minutes=minutes, target=target, start=its)


def before_planning(settings: Settings) -> Recipe:
    """What settings say about reading and grouping images, before there is a recipe that all of them go with.

    Parameters
    ----------
    settings : mapping or sequence of str

    Raises
    ------
    RecipeError
        If one of these has a wrong value.
    """
    if isinstance(settings, str):
        settings = [settings]
    if isinstance(settings, Mapping):
        return change(Recipe(), {key: value for key, value in settings.items() if key in _READING})
    return change(Recipe(), [one for one in settings if one.partition("=")[0].strip() in _READING])


def left_out(pairing: Pairing) -> tuple[str, ...]:
    """Why images or masks of a dataset are not used, one sentence each."""
    unusable = [f"{pair.image.name}: {pair.problems[0]}" for pair in pairing.pairs if pair.problems]
    alone = [str(file) for file in pairing.unpaired if is_image_file(file.path) or file.path.is_dir()]
    return (*unusable, *alone)


def load_examples(
    data: Data, masks: StrPath | None = None, *, group: str = "auto", objects: bool = False
) -> tuple[list[Example], tuple[str, ...]]:
    """Read all that can be trained on.

    Parameters
    ----------
    data, masks
        As for `fingerprint`.
    group, objects
        See `find_pairs`.

    Returns
    -------
    list of Example
    tuple of str
        A sentence for each file that cannot be used.

    Raises
    ------
    InputError
        If there are no usable pairs.
    """
    from unetscope.training.dataset import Example

    if isinstance(data, str | Path):
        pairing = find_pairs(data, masks, group=group, objects=objects)
        pairing.check()
        pairs = pairing.usable()
        names = Counter(pair.image.name for pair in pairs)
        examples = [
            Example(_name(pair.image, names), pair.group, *pairing.read(pair), split=pair.split)
            for pair in pairs
        ]
        return examples, left_out(pairing)
    known = Counter(image.name for image, _ in data)
    examples = [
        Example(
            image.name if known[image.name] == 1 else f"image {i}",
            image.source.group or f"image {i}",
            image,
            mask,
        )
        for i, (image, mask) in enumerate(data, start=1)
    ]
    return examples, ()


def _name(path: Path, names: Counter[str]) -> str:
    """The name of an image, with its folder if other images have the same name."""
    return path.name if names[path.name] == 1 else f"{path.parent.name}/{path.name}"


def _fingerprint_of(examples: Sequence[Example], target: Target) -> Fingerprint:
    groups = [example.group for example in examples]
    roles = roles_of_groups(groups, [example.split for example in examples])
    seen = [example for example in examples if roles.get(example.group) != "test"]
    return take_fingerprint(
        ((one.image, one.mask.with_data(true_labels(one.mask.data, target))) for one in seen),
        groups=len({example.group for example in seen}),
        validating=sum(roles.get(example.group) == "validation" for example in seen),
    )
