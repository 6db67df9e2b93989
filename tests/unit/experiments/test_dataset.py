from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from unetscope.errors import InputError
from unetscope.experiments import Arm, Material
from unetscope.experiments.dataset import examples_of, load_dataset, noisy
from unetscope.io import Image, Source
from unetscope.recipe.recipe import Split, Target


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve images of 40 × 50 pixels with masks, of different values everywhere."""
    rng = np.random.default_rng(5)
    for index in range(12):
        image = rng.integers(0, 60000, (40, 50)).astype(np.uint16)
        mask = (rng.random((40, 50)) > 0.7).astype(np.uint8)
        for name, part in (("images", image), ("masks", mask)):
            (tmp_path / name).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / name / f"{index:02}.tif", part)
    return tmp_path


def names(examples: object) -> list[str]:
    return [example.name for example in examples]  # type: ignore[attr-defined]


def test_test_images_are_drawn_once_and_never_trained_on(folder: Path) -> None:
    first, second = (load_dataset(folder, Material(test_part=0.25)) for _ in range(2))
    assert len(first.tests) == 3
    assert names(first.tests) == names(second.tests)
    assert not set(names(first.tests)) & set(names(first.examples))
    assert {example.split for example in first.tests} == {"test"}


def test_folders_of_training_and_test_are_found(samples: Path) -> None:
    dataset = load_dataset(samples / "heart", Material())
    assert len(dataset.examples) == 32
    assert len(dataset.tests) == 16
    groups = {role: {one.group for one in dataset.of(role)} for role in ("training", "validation")}
    assert groups["training"].isdisjoint(groups["validation"])


def test_a_test_image_that_is_trained_on_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"is also the training image 00\.tif"):
        load_dataset(folder, Material(), test=folder)


def test_a_patient_who_is_trained_on_is_refused_as_a_test(heart: SimpleNamespace, samples: Path) -> None:
    # `heart.training` holds slices of two patients of the sample's training folder.
    training = samples / "heart" / "training"
    with pytest.raises(InputError, match=r"is also (trained on|the training image)"):
        load_dataset(heart.training, Material(), test=training)


def test_roles_are_those_of_the_split_and_not_of_a_recipe(folder: Path) -> None:
    last = Material(split=Split(validation=0.3, group="file", choose="last"), test_part=0.2)
    dataset = load_dataset(folder, last)
    ordered = names(dataset.examples)
    assert names(dataset.of("validation")) == ordered[-3:]
    assert {row["role"] for row in dataset.describe()} == {"training", "validation", "test"}


def test_images_are_thinned_out_evenly(folder: Path) -> None:
    dataset = load_dataset(folder, Material(images=3, test=1, test_part=0.2))
    everything = sorted(names(load_dataset(folder, Material(test_part=0.2)).examples))
    chosen = sorted(names(dataset.examples))
    assert len(chosen) == 3
    assert (chosen[0], chosen[-1]) == (everything[0], everything[-1])
    assert len(dataset.tests) == 1


def test_tiles_are_parts_of_their_image_at_their_own_place(folder: Path) -> None:
    whole = load_dataset(folder, Material())
    tiled = load_dataset(folder, Material(tile=16))
    assert len(tiled.tests) == 6 * len(whole.tests)
    image = whole.tests[0]
    tile = next(one for one in tiled.tests if one.name == f"{image.name} tile 2-3")
    np.testing.assert_array_equal(tile.image.data, image.image.data[16:32, 32:48])
    np.testing.assert_array_equal(tile.mask.data, image.mask.data[16:32, 32:48])
    spacing = image.image.spacing
    assert tile.image.origin == (16 * spacing[0], 32 * spacing[1])
    assert tile.image.source.path is None
    assert tile.image.name == tile.name
    assert tile.group == image.group


def test_tiles_of_a_patient_lie_where_they_were(samples: Path) -> None:
    whole = load_dataset(samples / "heart", Material()).tests[0].image
    tile = load_dataset(samples / "heart", Material(tile=32)).tests[5].image
    assert whole.affine is not None
    assert tile.affine is not None
    steps = ((o - w) / s for o, w, s in zip(tile.origin, whole.origin, whole.spacing, strict=True))
    first = np.array([0, *steps, 1])
    np.testing.assert_allclose(tile.affine @ [0, 0, 0, 1], whole.affine @ first, atol=1e-6)


def test_tiles_larger_than_an_image_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="at least 64×64, the size of a tile"):
        load_dataset(folder, Material(tile=64))


def test_few_training_images_are_part_of_more_and_follow_the_seed(folder: Path) -> None:
    dataset = load_dataset(folder, Material())

    def drawn(images: int | None, seed: int) -> set[str]:
        chosen = examples_of(dataset, Arm(images=images), seed=seed)
        assert names(one for one in chosen if one.split == "validation") == names(dataset.of("validation"))
        return {one.name for one in chosen if one.split == "training"}

    assert drawn(2, 1) < drawn(5, 1) < drawn(None, 1)
    assert len({frozenset(drawn(3, seed)) for seed in range(5)}) > 1


def test_more_images_than_there_are_are_refused(folder: Path) -> None:
    dataset = load_dataset(folder, Material())
    with pytest.raises(InputError, match="at least 99, which an arm of the experiment asks for"):
        examples_of(dataset, Arm(images=99), seed=0)


def test_noisy_copies_train_and_validate_on_the_side_of_their_image(folder: Path) -> None:
    dataset = load_dataset(folder, Material())
    examples = examples_of(dataset, Arm(noise=3000), seed=0)
    assert len(examples) == 2 * len(dataset.examples)
    side = {one.name: one.split for one in examples}
    assert all(side[f"{one.name} (noisy)"] == one.split for one in dataset.examples)


def test_noise_is_of_the_size_that_was_asked_for_and_the_same_every_time() -> None:
    image = Image(np.full((200, 200), 30000, np.uint16), "YX", source=Source(tags={"name": "flat"}))
    first, second = noisy(image, 5000), noisy(image, 5000)
    np.testing.assert_array_equal(first.data, second.data)
    assert first.data.dtype == np.uint16
    assert np.std(first.data.astype(float)) == pytest.approx(5000, rel=0.02)
    assert np.mean(first.data.astype(float)) == pytest.approx(30000, abs=100)
    other = noisy(replace(image, source=Source(tags={"name": "another"})), 5000)
    assert (other.data != first.data).mean() > 0.9


def test_noise_is_clipped_and_does_not_wrap_around() -> None:
    dark = noisy(Image(np.zeros((100, 100), np.uint16), "YX"), 5000)
    assert dark.data.max() < 30000
    assert 0.4 < (dark.data == 0).mean() < 0.6


def test_the_target_says_whether_masks_number_their_objects(samples: Path) -> None:
    dataset = load_dataset(samples / "cells", Material(target=Target(kind="instances")))
    assert max(int(example.mask.data.max()) for example in dataset.tests) > 1
