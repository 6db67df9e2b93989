"""What is planned for a network that has learned already."""

from __future__ import annotations

import dataclasses

import pytest

from unetscope.errors import InputError
from unetscope.recipe import Recipe, change, from_yaml, to_yaml
from unetscope.recipe.fingerprint import Fingerprint
from unetscope.recipe.plan import plan_recipe
from unetscope.recipe.recipe import Target
from unit.recipe.facts import FACTS as PLAIN

# Small objects in the middle, so that a new network would crop the images, and cut off no values.
FACTS = dataclasses.replace(PLAIN, groups=30, reach=(0.2, 0.2), extreme=0.5)
NUMBERED = dataclasses.replace(FACTS, labels=tuple(range(9)), numbered=True)
LEARNED = change(
    Recipe(),
    {
        "network.depth": 2,
        "network.width": 5,
        "preprocess.normalize.method": "zscore",
        "loss.kind": "bce",
        "optimizer.kind": "sgd",
        "training.batch_size": 7,
        "split.validation": 0.5,
    },
)
OBJECTS = change(LEARNED, {"target.kind": "instances", "target.separate": "distance"})


def test_what_was_learned_stays_and_the_rest_is_planned() -> None:
    plan, new = plan_recipe(FACTS, start=LEARNED, minutes=3), plan_recipe(FACTS, minutes=3)
    for section in ("preprocess", "network", "loss"):
        assert getattr(plan.recipe, section) == getattr(LEARNED, section)
        assert getattr(new.recipe, section) != getattr(LEARNED, section)
    assert plan.recipe.optimizer.kind == new.recipe.optimizer.kind == "adamw"
    assert plan.recipe.optimizer.learning_rate == pytest.approx(new.recipe.optimizer.learning_rate / 3)
    assert (plan.recipe.split, plan.recipe.training.minutes) == (new.recipe.split, 3)
    assert from_yaml(to_yaml(plan.recipe)) == plan.recipe


def test_the_reasons_are_those_of_this_plan() -> None:
    text = "\n".join(plan_recipe(FACTS, start=LEARNED).reasons)
    assert "begins with the weights of a model" in text
    assert "a third of that for a new network" in text
    for decided in ("percentile", "halves a sample", "central"):
        assert decided in "\n".join(plan_recipe(FACTS).reasons)
        assert decided not in text


@pytest.mark.parametrize(("diameter", "side"), [(6.0, 80), (24.0, 144), (48.0, 192)])
def test_patches_are_cut_from_images_of_the_size_that_the_network_sees(diameter: float, side: int) -> None:
    recipe = change(OBJECTS, {"preprocess.diameter": diameter})
    plan = plan_recipe(NUMBERED, start=recipe)
    assert plan.recipe.training.patch == (side, side)
    assert f"Objects of about 12 pixels are brought to {diameter:g}," in "\n".join(plan.reasons)
    assert plan.recipe.target.separate == "distance"


@pytest.mark.parametrize(
    ("settings", "patch"),
    [
        ({"preprocess.crop": (64, 64)}, None),
        ({"preprocess.resize": (128, 96)}, None),
        ({"preprocess.resize": (512, 512)}, (192, 192)),
        ({"preprocess.resize": (512, 512), "preprocess.crop": (100, 100)}, None),
    ],
)
def test_the_size_after_resize_and_crop_counts(
    settings: dict[str, object], patch: tuple[int, int] | None
) -> None:
    plan = plan_recipe(FACTS, start=change(LEARNED, settings))
    assert plan.recipe.training.patch == patch


def test_a_network_of_planes_takes_volumes_slice_by_slice() -> None:
    along = {"smallest": (40, 160, 160), "largest": (40, 160, 160), "median": (40, 160, 160)}
    volumes = dataclasses.replace(FACTS, **along, spacing=(1.0,) * 3, reach=(0.9,) * 3)
    assert plan_recipe(volumes).recipe.network.dimensions == 3
    assert plan_recipe(volumes, start=LEARNED).recipe.training.patch is None
    with pytest.raises(InputError, match=r"planes of 160×160 pixels.*volumes"):
        plan_recipe(FACTS, start=change(LEARNED, {"network.dimensions": 3}))


def test_how_masks_are_read_is_heeded() -> None:
    strokes = dataclasses.replace(FACTS, labels=(0, 2), labeled=0.02)
    plan = plan_recipe(strokes, start=LEARNED, target=Target(ignore=0, background=1))
    assert plan.recipe.target == Target(kind="binary", ignore=0, background=1)


@pytest.mark.parametrize(
    ("facts", "start", "words"),
    [
        (FACTS, OBJECTS, r"only the values \[0, 1\].*a value for each object"),
        (dataclasses.replace(FACTS, labels=(0, 1, 2)), LEARNED, r"3 values \[0, 1, 2\].*knows no more"),
    ],
)
def test_masks_of_another_kind_are_refused(facts: Fingerprint, start: Recipe, words: str) -> None:
    with pytest.raises(InputError, match=words):
        plan_recipe(facts, start=start)


def test_numbered_objects_are_one_class_for_a_model_that_does_not_tell_them_apart() -> None:
    assert plan_recipe(NUMBERED, start=LEARNED).recipe.target.kind == "binary"
