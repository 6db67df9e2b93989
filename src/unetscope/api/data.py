"""Datasets: from a folder, a table or arrays to examples, a fingerprint and a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unetscope.io import Image, Pairing, find_pairs, is_image_file
from unetscope.recipe.fingerprint import Fingerprint, take_fingerprint
from unetscope.recipe.plan import Plan, plan_recipe

if TYPE_CHECKING:
    from unetscope.training.dataset import Example

__all__ = ["Data", "StrPath", "fingerprint", "left_out", "load_examples", "plan", "plan_examples"]

StrPath = str | Path
Data = StrPath | Sequence[tuple[Image, Image]]
"""A folder or CSV table of pairs, or images with their masks in memory."""


def fingerprint(data: Data, masks: StrPath | None = None) -> Fingerprint:
    """The facts about a dataset that a plan is made from.

    Parameters
    ----------
    data : path, or sequence of (Image, Image)
    masks : path, optional
        A folder of masks, when they are not where `find_pairs` looks.

    Raises
    ------
    InputError
        If there are no usable pairs, or the images differ in kind.
    """
    examples, _ = load_examples(data, masks)
    return _fingerprint_of(examples)


def plan(data: Data, masks: StrPath | None = None, *, minutes: float = 10.0, device: str = "auto") -> Plan:
    """Plan a recipe for a dataset, with its reasons.

    Parameters
    ----------
    data, masks
        As for `fingerprint`.
    minutes : float
        Time budget.
    device : str
        Where it will be trained; see `train`.

    Raises
    ------
    InputError
        As for `fingerprint`.
    """
    examples, _ = load_examples(data, masks)
    return plan_examples(examples, minutes=minutes, device=device)


def plan_examples(examples: Sequence[Example], *, minutes: float = 10.0, device: str = "auto") -> Plan:
    """Plan a recipe for examples that are read already; see `plan`."""
    from unetscope.training.loop import choose_device

    return plan_recipe(_fingerprint_of(examples), device=choose_device(device).type, minutes=minutes)


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
        examples = [Example(_name(pair.image, names), pair.group, *pairing.read(pair)) for pair in pairs]
        return examples, left_out(pairing)
    examples = [
        Example(f"image {i}", image.source.group or f"image {i}", image, mask)
        for i, (image, mask) in enumerate(data, start=1)
    ]
    return examples, ()


def _name(path: Path, names: Counter[str]) -> str:
    """The name of an image, with its folder if other images have the same name."""
    return path.name if names[path.name] == 1 else f"{path.parent.name}/{path.name}"


def _fingerprint_of(examples: Sequence[Example]) -> Fingerprint:
    groups = {example.group for example in examples}
    return take_fingerprint(((example.image, example.mask) for example in examples), groups=len(groups))
