"""The check before training: it says what training would say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unetscope.api import check_examples, look_at, prepare_training
from unetscope.errors import InputError, RecipeError
from unetscope.io import Image
from unetscope.recipe import Recipe, change
from unetscope.training.dataset import Example

TINY = {"training.epochs": 1, "training.samples": 2, "network.width": 2, "network.depth": 1}
RANDOM = np.random.default_rng(0)


def example(name: str, shape: tuple[int, ...] = (16, 20), axes: str = "YX", label: int = 1) -> Example:
    grid = shape[-2:]
    mask = np.zeros(grid, np.uint8)
    mask[4:9, 4:9] = label
    return Example(name, name, Image(RANDOM.random(shape).astype(np.float32), axes), Image(mask, "YX"))


SETTINGS: list[tuple[list[Example], dict[str, Any]]] = [
    ([example("a")], {}),
    ([example("a"), example("b", label=0)], {"split.validation": 0.0, "target.threshold": 3.0}),
    ([example("a"), example("b", (18, 20)), example("c")], {"split.validation": 0.0}),
    ([example("a"), example("b", (3, 16, 20), "CYX")], {}),
    ([example("a"), example("b")], {"network.dimensions": 3}),
    ([example("a"), example("b")], {"network.depth": 5, "network.norm": "instance"}),
    ([example("a"), example("b", label=3)], {"target.kind": "multiclass", "loss.kind": "ce"}),
    ([example("a"), example("b")], {"target.ignore": 0, "target.background": 1}),
    ([example("a"), example("b")], {"network.depth": 99}),
]


@pytest.mark.parametrize(("examples", "settings"), SETTINGS)
def test_a_check_says_what_training_says(
    examples: list[Example], settings: dict[str, Any], tmp_path: Path
) -> None:
    recipe = change(Recipe(), TINY)
    found = check_examples(examples, recipe, settings)
    data = [(one.image, one.mask) for one in examples]
    with pytest.raises((InputError, RecipeError)) as caught:
        list(prepare_training(data, tmp_path / "run", recipe=recipe, settings=settings, device="cpu"))
    told = found.problems[0]
    for number, one in enumerate(examples, start=1):
        told = told.replace(f"{one.name}: ", f"image {number}: ").replace(
            f"'{one.name}'", f"'image {number}'"
        )
    assert told == str(caught.value)


def test_a_sound_dataset_is_counted_and_planned() -> None:
    examples = [example(name) for name in "abcdef"]
    found = check_examples(examples, settings=TINY)
    assert (found.problems, found.training, found.validation, found.test) == ((), 4, 2, 0)
    assert found.plan is not None
    assert check_examples(examples, change(Recipe(), TINY)).plan is None


def test_patients_on_both_sides_are_advised_against() -> None:
    from dataclasses import replace

    from unetscope.io import Source

    examples = [example(name) for name in "abcd"]
    examples = [replace(e, image=replace(e.image, source=Source(group="patient 1"))) for e in examples]
    (advice,) = check_examples(examples, change(Recipe(), TINY)).advice
    assert "Images of 1 patients both train and validate" in advice
    assert check_examples(examples, change(Recipe(), TINY | {"split.validation": 0.0})).advice == (
        "No image validates, so the last epoch is kept and not the best one.",
    )


def test_a_check_tells_its_steps() -> None:
    steps: list[str] = []
    check_examples([example(name) for name in "abc"], settings=TINY, progress=steps.append)
    assert steps == ["planning", "preparing the images to train on", "preparing the images to validate on"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([[0, 0, 0, 0, 0, 1, 2, 0, 0, 0]], True),
        ([[0, 0, 0, 0, 0, 1, 1, 0, 0, 0]], False),
        ([[0, 0, 0, 0, 0, 2, 2, 0, 0, 0]], False),
        ([[0, 1, 1, 1, 1, 1, 2, 0, 0, 0]], False),
        ([list(range(12)) + [0] * 100], False),
    ],
)
def test_strokes_are_few_and_name_background(labels: list[list[int]], expected: bool) -> None:
    mask = Image(np.array(labels), "YX")
    assert look_at(mask, mask).like_strokes == expected


def test_a_look_tells_which_slices_are_painted() -> None:
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[1, 2, 3] = 7
    stack = Image(labels, "ZYX")
    look = look_at(stack, stack)
    assert (look.labels, look.painted) == ((0, 7), (False, True, False))
    assert look.foreground == pytest.approx(1 / 60)
    with pytest.raises(InputError, match="the image has 3 by 4 by 6 pixels"):
        look_at(Image(np.zeros((3, 4, 6)), "ZYX"), stack)
