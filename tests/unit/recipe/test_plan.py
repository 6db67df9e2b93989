from __future__ import annotations

import dataclasses
import math
import re
from itertools import islice
from pathlib import Path

import pytest

from unetscope.errors import InputError, RecipeError
from unetscope.io import read, read_mask
from unetscope.recipe import from_yaml, to_yaml
from unetscope.recipe.fingerprint import take_fingerprint
from unetscope.recipe.plan import plan_recipe
from unetscope.recipe.recipe import Target
from unetscope.samples import SAMPLES, sample_folder
from unit.recipe.facts import FACTS


def facts(**changes):
    return dataclasses.replace(FACTS, **changes)


def grid(*lengths, **changes):
    """Facts of images that all have one size."""
    reach = changes.pop("reach", (0.9,) * len(lengths))
    spacing = (1.0,) * len(lengths)
    return facts(smallest=lengths, largest=lengths, median=lengths, spacing=spacing, reach=reach, **changes)


def of_files(pairs, groups):
    return take_fingerprint(((read(image), read_mask(mask)) for image, mask in pairs), groups=groups)


def beside(folder, pattern="*.dcm"):
    """Images of a folder, with masks of the same stem beside them or in masks/."""
    for image in sorted(folder.glob(pattern)):
        places = (image.with_suffix(".png"), *(folder.parent / "masks").glob(f"{image.stem}.*"))
        yield image, next(path for path in places if path.exists() and path != image)


def sample(name):
    folder = sample_folder(name)
    if name == "heart":
        return of_files(beside(folder / "training"), groups=2)
    return of_files(beside(folder / "images", "*.*"), groups=6)


def check(plan):
    """What must hold for every plan."""
    recipe = plan.recipe
    assert recipe.name == "auto"
    assert from_yaml(to_yaml(recipe)) == recipe
    assert len(plan.reasons) >= 5
    for reason in plan.reasons:
        assert re.fullmatch(r"[A-Z][^\n]*[^ .]\.", reason), reason
        assert "  " not in reason
    size = recipe.preprocess.crop or recipe.training.patch
    if size is not None:
        assert all(length % 2**recipe.network.depth == 0 for length in size)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_plan_of_each_sample(name):
    plan = plan_recipe(sample(name))
    check(plan)
    recipe = plan.recipe
    assert recipe.split.validation == 0.2
    assert recipe.preprocess.crop is None
    assert recipe.preprocess.color == "keep"
    kinds = {"heart": "binary", "fundus": "binary", "xray": "multiclass", "cells": "instances"}
    assert recipe.target.kind == kinds[name]
    assert recipe.loss.kind == ("ce+dice" if name == "xray" else "bce+dice")
    assert recipe.target.values == ((0, 1, 2) if name == "xray" else None)
    # Only the fundus photographs are larger than a patch.
    assert recipe.training.patch == ((192, 192) if name == "fundus" else None)


def test_the_plan_for_left_ventricles(real_data: Path):
    plan = plan_recipe(of_files(beside(real_data / "left-ventricle" / "training"), groups=3))
    check(plan)
    assert plan.recipe.target.kind == "binary"
    # What the report chose by hand.
    assert plan.recipe.preprocess.crop == (128, 128)
    assert plan.recipe.training.patch is None
    assert any("central 84×64 of 256×256 pixels" in reason for reason in plan.reasons)


def test_the_plan_for_retinas(real_data: Path):
    pairs = islice(beside(real_data / "retina" / "train" / "images", "*.*"), 3)
    plan = plan_recipe(of_files(pairs, groups=3))
    check(plan)
    assert plan.recipe.target.kind == "binary"
    assert plan.recipe.preprocess.crop is None
    assert plan.recipe.training.patch == (192, 192)
    assert plan.recipe.preprocess.color == "keep"


def test_the_plan_for_batteries(real_data: Path):
    plan = plan_recipe(of_files(beside(real_data / "battery" / "train" / "images", "*.*"), groups=9))
    check(plan)
    assert (plan.recipe.target.kind, plan.recipe.target.values) == ("multiclass", (0, 1, 2))
    assert plan.recipe.loss.kind == "ce+dice"
    assert plan.recipe.training.patch == (192, 192)


def test_the_plan_for_nuclei(real_data: Path):
    pairs = islice(beside(real_data / "nuclei" / "train" / "images", "*.*"), 24)
    plan = plan_recipe(of_files(pairs, groups=24))
    check(plan)
    assert plan.recipe.target.kind == "instances"
    assert plan.recipe.preprocess.color == "gray"
    # Six nuclei side by side.
    assert plan.recipe.training.patch == (128, 128)
    assert "The color channels of all images are equal, so one of them is enough." in plan.reasons


@pytest.mark.parametrize(
    ("changes", "validation"),
    [
        ({"images": 1, "groups": 1}, 0),
        ({"images": 30, "groups": 1}, 0),
        ({"images": 2, "groups": 2}, 0.2),
        ({}, 0.2),
    ],
)
def test_one_image_or_one_group_leaves_nothing_to_validate(changes, validation):
    plan = plan_recipe(facts(**changes))
    check(plan)
    assert plan.recipe.split.validation == validation
    assert any("nothing to validate on" in reason for reason in plan.reasons) is (validation == 0)


@pytest.mark.parametrize(
    ("reach", "crop"),
    [
        ((0.2, 0.2), (48, 48)),
        ((0.2, 0.1), (48, 48)),
        ((0.4, 0.4), (96, 96)),
        # Half as much again is more than 60 % of the image.
        ((0.41, 0.1), None),
        ((1.0, 1.0), None),
    ],
)
def test_objects_in_the_center_are_cropped_to(reach, crop):
    plan = plan_recipe(grid(160, 160, reach=reach))
    check(plan)
    assert plan.recipe.preprocess.crop == crop
    assert any("central" in reason for reason in plan.reasons) is (crop is not None)


def test_few_images_or_different_ones_do_not_show_where_objects_are():
    assert plan_recipe(grid(160, 160, reach=(0.2, 0.2), images=10)).recipe.preprocess.crop is not None
    assert plan_recipe(grid(160, 160, reach=(0.2, 0.2), images=9)).recipe.preprocess.crop is None
    different = facts(largest=(160, 176), reach=(0.2, 0.2))
    assert plan_recipe(different).recipe.preprocess.crop is None


@pytest.mark.parametrize(
    ("smallest", "largest", "patch"),
    [
        ((192, 192), (192, 192), None),
        ((160, 100), (160, 100), None),
        ((193, 193), (193, 193), (192, 192)),
        ((100, 300), (100, 300), (112, 192)),
        ((100, 120), (100, 130), (112, 128)),
        ((64, 64, 64), (64, 64, 64), None),
        ((20, 200, 200), (20, 200, 200), (32, 64, 64)),
    ],
)
def test_large_or_different_images_are_cut_into_patches(smallest, largest, patch):
    reach, spacing = (0.9,) * len(smallest), (1.0,) * len(smallest)
    known = facts(smallest=smallest, largest=largest, median=smallest, reach=reach, spacing=spacing)
    plan = plan_recipe(known)
    check(plan)
    assert plan.recipe.training.patch == patch
    assert plan.recipe.network.dimensions == len(smallest)


@pytest.mark.parametrize(
    ("reach", "crop"),
    [((0.1, 0.1, 0.1), (32, 32, 32)), ((0.2, 0.2, 0.2), (64, 64, 64)), ((0.3, 0.3, 0.3), None)],
)
def test_a_crop_of_a_volume_is_no_larger_than_a_patch(reach, crop):
    plan = plan_recipe(grid(200, 200, 200, reach=reach))
    check(plan)
    assert plan.recipe.preprocess.crop == crop
    assert plan.recipe.training.patch == (None if crop else (64, 64, 64))
    assert plan.recipe.augmentation.flip == ("Z", "Y", "X")


@pytest.mark.parametrize(
    ("slices", "spacing", "dimensions", "words"),
    [
        (8, (1, 1, 1), 2, "The slices are only 8,"),
        (15, (1, 1, 1), 2, "The slices are only 15,"),
        (16, (1, 1, 1), 3, ""),
        (40, (5.8, 2, 2), 3, ""),
        (40, (8, 2, 2), 2, "The slices lie 4 pixels apart,"),
    ],
)
def test_thick_or_few_slices_are_taken_one_by_one(slices, spacing, dimensions, words):
    volumes = dataclasses.replace(grid(slices, 128, 128), spacing=spacing)
    plan = plan_recipe(volumes, device="cpu", minutes=5)
    assert plan.recipe.network.dimensions == dimensions
    assert len(plan.recipe.training.patch or (0,) * dimensions) == dimensions
    assert "Z" in plan.recipe.augmentation.flip or dimensions == 2
    assert plan.reasons[0].startswith(words)


@pytest.mark.parametrize(
    ("side", "depth"), [(8, 1), (16, 1), (31, 1), (32, 2), (64, 3), (128, 4), (160, 4), (192, 4)]
)
def test_the_depth_leaves_at_least_8_pixels(side, depth):
    plan = plan_recipe(grid(side, side))
    check(plan)
    assert plan.recipe.network.depth == depth


@pytest.mark.parametrize(
    ("device", "width", "words"), [("cpu", 16, "a CPU"), ("cuda", 32, "a GPU"), ("mps", 32, "a GPU")]
)
def test_what_the_device_affords(device, width, words):
    plan = plan_recipe(grid(192, 192), device=device)
    check(plan)
    assert plan.recipe.network.width == width
    assert any(f"which suits {words}." in reason for reason in plan.reasons)
    assert plan.recipe.training.batch_size == (2 if device == "cpu" else 16)


@pytest.mark.parametrize(("extreme", "expected"), [(0.1, (5, 95, True)), (0.11, (1, 99.8, False))])
def test_values_are_cut_off_unless_the_objects_of_some_images_would_be(extreme, expected):
    plan = plan_recipe(facts(extreme=extreme))
    check(plan)
    normalize = plan.recipe.preprocess.normalize
    assert normalize.method == "percentile"
    assert (normalize.low, normalize.high, normalize.clip) == expected
    assert any("nothing is cut off" in reason for reason in plan.reasons) is not normalize.clip


def test_every_image_is_seen_in_an_epoch():
    training = plan_recipe(facts(images=5000)).recipe.training
    assert training.samples == 5000


@pytest.mark.parametrize(
    ("side", "batch", "samples"), [(192, 2, 88), (160, 3, 129), (128, 5, 200), (64, 16, 256), (16, 16, 256)]
)
def test_small_batches_and_long_epochs_on_a_cpu(side, batch, samples):
    training = plan_recipe(grid(side, side, images=3)).recipe.training
    assert (training.batch_size, training.samples) == (batch, samples)
    assert training.samples % training.batch_size == 0


def test_the_budget():
    plan = plan_recipe(FACTS, minutes=2.5)
    assert (plan.recipe.training.minutes, plan.recipe.training.epochs) == (2.5, None)
    assert "The learning rate rises and falls once over the 2.5 minutes of the budget." in plan.reasons


@pytest.mark.parametrize("minutes", [0, -1, math.nan, math.inf])
def test_a_budget_of_no_time(minutes):
    with pytest.raises(RecipeError) as caught:
        plan_recipe(FACTS, minutes=minutes)
    assert str(caught.value) == (
        f"the budget is {minutes:g} minutes; expected a time above 0: give more minutes."
    )


def test_masks_of_nothing_but_background():
    with pytest.raises(InputError) as caught:
        plan_recipe(grid(160, 160, labels=(0,), foreground=0.0, reach=(0.0, 0.0)))
    assert str(caught.value) == (
        "the masks hold only the values [0]; expected background and at least one class: check the masks."
    )


# --- sparse annotation ---


STROKES = Target(ignore=0, background=1)


@pytest.mark.parametrize(
    ("labels", "kind", "values", "shown"),
    [
        ((0, 2), "binary", None, "[1, 2]: object or background (40.0 % of the labeled pixels are object)"),
        ((0, 2, 3), "multiclass", (1, 2, 3), "3 values [1, 2, 3]: one class each"),
    ],
)
def test_the_plan_for_strokes(labels, kind, values, shown):
    # Strokes in the center that are numbered like objects are neither a reason to crop nor objects.
    known = grid(500, 500, reach=(0.1, 0.1), labels=labels, labeled=0.0125, foreground=0.4, numbered=True)
    plan = plan_recipe(known, target=STROKES)
    check(plan)
    target = plan.recipe.target
    assert (target.kind, target.values, target.ignore, target.background) == (kind, values, 0, 1)
    assert (plan.recipe.preprocess.crop, plan.recipe.training.patch) == (None, (192, 192))
    assert plan.reasons[0].startswith("Sparse annotation: 1.2 % of the pixels are labeled.")
    assert shown in plan.reasons[1]
    assert "all of them around strokes" in plan.reasons[2]
    # Strokes in the middle of objects would tune it until objects are too large.
    assert plan.recipe.prediction.threshold == (0.5 if kind == "binary" else "auto")
    assert any("threshold" in reason for reason in plan.reasons) is (kind == "binary")
    # Nor do they show which epoch is the best.
    assert plan.recipe.split.validation == 0
    assert any(reason.startswith("All images train, and the last epoch is kept") for reason in plan.reasons)


@pytest.mark.parametrize(
    ("labels", "foreground", "found"),
    [
        ((0,), 0.0, "the masks hold only the values [1]; expected background and at least one class"),
        ((2, 3), 1.0, "the strokes hold only the values [2, 3]; expected strokes on the background, too"),
        ((), 0.0, "the masks hold only the values []"),
    ],
)
def test_strokes_that_are_not_enough(labels, foreground, found):
    with pytest.raises(InputError) as caught:
        plan_recipe(facts(labels=labels, foreground=foreground, labeled=0.01), target=STROKES)
    assert str(caught.value).startswith(found)


def test_a_rim_that_nobody_labeled_is_no_sparse_annotation():
    plan = plan_recipe(facts(numbered=True, labeled=0.97), target=Target(ignore=255))
    assert plan.recipe.target == Target(kind="instances", ignore=255)
    assert not any("parse" in reason for reason in plan.reasons)


@pytest.mark.parametrize(("diameter", "side"), [(7, 96), (20, 128), (30, 192), (80, 192)])
def test_patches_hold_some_objects_side_by_side(diameter, side):
    known = grid(700, 500, object_diameter=diameter)
    objects = plan_recipe(dataclasses.replace(known, numbered=True)).recipe
    assert objects.training.patch == (side, side)
    assert objects.training.draw == "objects"
    assert objects.training.monitor == "loss"
    # Other masks do not tell where an object ends and the next begins.
    others = plan_recipe(known).recipe
    assert others.training.patch == (192, 192)
    assert others.training.draw == "equally"
    assert others.training.monitor == "dice"


def test_images_that_are_given_to_validate_do_so():
    plan = plan_recipe(facts(validating=7))
    check(plan)
    assert any(reason.startswith("The 7 images that are given to validate do so") for reason in plan.reasons)
    assert not any("A fifth" in reason for reason in plan.reasons)
