"""Samples and batches: nothing lost, nothing favored, the same again with the same seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from unetscope.errors import InputError
from unetscope.io.image import Image
from unetscope.network import UNet, network_for
from unetscope.preprocess import IGNORED, Preparation, object_distances
from unetscope.recipe import Recipe
from unetscope.training.dataset import Batch, Batches, Example, Sample, prepare_samples
from unetscope.training.weights import border_term

CPU = torch.device("cpu")
NOWHERE = np.empty((0, 2), int)
STROKES = ("target.ignore=0", "target.background=1")
MakeRecipe = Callable[..., Recipe]
MakeSamples = Callable[..., list[Sample]]


def _batches(samples: list[Sample], recipe: Recipe) -> Batches:
    return Batches(samples, recipe, UNet(recipe.network, samples[0].channels, 1), CPU)


def _equal(first: list[Batch], second: list[Batch]) -> bool:
    return all(
        torch.equal(a.images, b.images) and torch.equal(a.targets, b.targets)
        for a, b in zip(first, second, strict=True)
    )


AUGMENTED = ("augmentation.rotation=90", "augmentation.noise=0.1", "augmentation.flip=[X]")


def test_an_epoch_is_decided_by_seed_and_number(recipe: MakeRecipe, samples: MakeSamples) -> None:
    made = recipe(*AUGMENTED)
    disks = samples(made)
    first = list(_batches(disks, made).epoch(3))
    assert _equal(first, list(_batches(disks, made).epoch(3)))
    assert not _equal(first, list(_batches(disks, made).epoch(4)))
    assert not _equal(first, list(_batches(disks, recipe(*AUGMENTED, "seed=1")).epoch(3)))


@pytest.mark.parametrize(("per_epoch", "batch"), [(None, 2), (None, 3), (10, 4), (2, 2)])
def test_every_sample_is_drawn_equally_often(
    recipe: MakeRecipe, samples: MakeSamples, per_epoch: int | None, batch: int
) -> None:
    made = recipe(f"training.batch_size={batch}", f"training.samples={per_epoch or 'null'}")
    disks = samples(made, 5)
    batches = list(_batches(disks, made).epoch(1))
    assert [len(b.images) for b in batches[:-1]] == [batch] * (len(batches) - 1)
    drawn = Counter(
        next(i for i, s in enumerate(disks) if np.array_equal(s.image, image))
        for b in batches
        for image in b.images
    )
    total = per_epoch or 5
    assert drawn.total() == total
    assert len(drawn) == min(total, 5)
    assert max(drawn.values()) - min([*drawn.values(), total // 5 or 1]) <= 1


def test_whole_images_come_as_they_are(recipe: MakeRecipe, samples: MakeSamples) -> None:
    made = recipe("training.batch_size=1")
    disks = samples(made, 3)
    for batch in _batches(disks, made).epoch(1):
        sample = next(s for s in disks if np.array_equal(s.image, batch.images[0]))
        np.testing.assert_array_equal(batch.targets[0], sample.target)
        assert (batch.images.dtype, batch.targets.dtype, batch.weights) == (torch.float32, torch.int64, None)


@pytest.mark.parametrize("patch", [[8, 12], [7, 5], [40, 9]])
def test_patches_have_the_next_possible_size(
    recipe: MakeRecipe, samples: MakeSamples, patch: list[int]
) -> None:
    made = recipe(f"training.patch={patch}", "network.depth=2")
    for batch in _batches(samples(made), made).epoch(1):
        size = tuple(-(-length // 4) * 4 for length in patch)
        assert batch.images.shape[2:] == batch.targets.shape[1:] == size


@pytest.mark.parametrize("patch", ["null", "[9, 5]", "[30, 30]"])
def test_valid_padding_has_smaller_targets(recipe: MakeRecipe, samples: MakeSamples, patch: str) -> None:
    made = recipe(f"training.patch={patch}", "network.padding=valid", "loss.border={}")
    disks = samples(made, 2, (16, 18))
    network = UNet(made.network, 1, 1)
    batch = next(Batches(disks, made, network, CPU).epoch(1))
    output = network(batch.images)[:, 0]
    assert output.shape == batch.targets.shape == batch.weights.shape
    wanted = {"null": (16, 18), "[9, 5]": (9, 5), "[30, 30]": (30, 30)}[patch]
    assert all(w <= got < w + 2 for got, w in zip(output.shape[1:], wanted, strict=True))
    # The middle of the image lies on the middle of the target.
    middle = batch.images[:, 0, network.margin : -network.margin, network.margin : -network.margin]
    assert middle[batch.targets == 1].mean() > middle[batch.targets == 0].mean() + 0.4


def test_patches_stay_inside_the_image(recipe: MakeRecipe) -> None:
    made = recipe("training.patch=[8, 8]", "training.samples=200", "training.foreground=0.5")
    array = np.stack([np.arange(400).reshape(20, 20), np.zeros((20, 20))]).astype(np.float32)
    array[1, 1, 18] = 1
    sample = Sample("a", array, 1, np.argwhere(array[1] > 0), NOWHERE)
    corners = set()
    for batch in _batches([sample], made).epoch(1):
        for image in batch.images[:, 0]:
            row, column = divmod(int(image[0, 0]), 20)
            np.testing.assert_array_equal(image, array[0, row : row + 8, column : column + 8])
            corners.add((row, column))
    assert min(r for r, _ in corners) == min(c for _, c in corners) == 0
    assert max(r for r, _ in corners) == max(c for _, c in corners) == 12


@pytest.mark.parametrize("foreground", [0.0, 1.0])
def test_foreground_patches_hold_foreground(recipe: MakeRecipe, foreground: float) -> None:
    made = recipe("training.patch=[8, 8]", "training.samples=100", f"training.foreground={foreground}")
    array = np.zeros((2, 64, 64), np.float32)
    array[1, 0, 0] = array[1, 40, 63] = 1
    sample = Sample("a", array, 1, np.argwhere(array[1] > 0), NOWHERE)
    found = [bool(t.any()) for batch in _batches([sample], made).epoch(1) for t in batch.targets]
    assert np.mean(found) == 1 if foreground else np.mean(found) < 0.3


def test_no_foreground_at_all(recipe: MakeRecipe) -> None:
    made = recipe("training.patch=[8, 8]", "training.foreground=1")
    sample = Sample("a", np.zeros((2, 16, 16), np.float32), 1, NOWHERE, NOWHERE)
    assert next(_batches([sample], made).epoch(1)).images.shape == (1, 1, 8, 8)


@pytest.mark.parametrize("foreground", [0.0, 0.5, 1.0])
def test_every_patch_holds_strokes(recipe: MakeRecipe, foreground: float) -> None:
    mask = np.zeros((96, 96), np.uint8)
    mask[0, :3], mask[70, 95] = 1, 2
    made = recipe(
        "training.patch=[8, 8]", "training.samples=100", f"training.foreground={foreground}", *STROKES
    )
    sample = _prepare(made, mask, values=(0, 2))
    drawn = [target for batch in _batches([sample], made).epoch(1) for target in batch.targets]
    assert all((target != IGNORED).any() for target in drawn)
    on_object = np.mean([bool((target == 1).any()) for target in drawn])
    # One in four labeled pixels is object.
    assert on_object == pytest.approx(foreground + (1 - foreground) / 4, abs=0.15)


def test_different_sizes_cannot_share_a_batch(recipe: MakeRecipe, samples: MakeSamples) -> None:
    made = recipe()
    mixed = samples(made, 2) + samples(made, 2, (12, 16))
    with pytest.raises(InputError, match=r"2 different sizes.*\(12, 16\).*training\.batch_size=1"):
        _batches(mixed, made)
    alone = recipe("training.batch_size=1")
    assert {b.images.shape[2:] for b in _batches(mixed, alone).epoch(1)} == {(16, 16), (12, 16)}
    patches = recipe("training.patch=[8, 8]")
    assert next(_batches(mixed, patches).epoch(1)).images.shape == (2, 1, 8, 8)


@pytest.mark.parametrize(("norm", "batch"), [("instance", 2), ("batch", 1)])
def test_normalization_needs_more_than_one_pixel(
    recipe: MakeRecipe, samples: MakeSamples, norm: str, batch: int
) -> None:
    settings = (f"network.norm={norm}", f"training.batch_size={batch}")
    deep = recipe(*settings, "network.depth=4")
    with pytest.raises(InputError, match=r"single pixel.*network\.depth"):
        _batches(samples(deep), deep)
    shallow = recipe(*settings, "network.depth=3")
    batch_of = next(_batches(samples(shallow), shallow).epoch(1))
    assert UNet(shallow.network, 1, 1).train()(batch_of.images).shape[2:] == (16, 16)


def _prepare(recipe: Recipe, mask: np.ndarray, *, values: tuple[int, ...] = (0, 1)) -> Sample:
    pixels = np.random.default_rng(0).random(mask.shape).astype(np.float32)
    axes = "ZYX"[-mask.ndim :]
    example = Example("cell.png", "a", Image(pixels, axes), Image(mask, axes))
    (sample,) = prepare_samples([example], recipe, Preparation(recipe.preprocess), values)
    return sample


def test_a_sample_holds_image_weights_and_classes(recipe: MakeRecipe) -> None:
    mask = np.zeros((9, 9), np.uint8)
    mask[1:3, 1:3], mask[5:7, 1:3], mask[0, 8] = 1, 1, 99
    made = recipe("loss.border={w0: 4, sigma: 2, balance: false}", "target.ignore=99")
    sample = _prepare(made, mask)
    assert (sample.channels, sample.grid, len(sample.array)) == (1, (9, 9), 3)
    np.testing.assert_array_equal(sample.target, np.where(mask == 99, IGNORED, mask.astype(int)))
    objects = np.zeros((9, 9), int)
    objects[1:3, 1:3], objects[5:7, 1:3] = 1, 2
    # What nobody labeled is no object and presses on nothing.
    np.testing.assert_allclose(sample.array[1], 1 + border_term(objects, w0=4, sigma=2))
    assert {tuple(c) for c in sample.centers} <= {tuple(p) for p in np.argwhere(mask == 1)}


def test_touching_instances_are_different_objects(recipe: MakeRecipe) -> None:
    mask = np.repeat([[5, 5, 9, 9]], 4, axis=0)
    made = recipe("target.kind=instances", "target.separate=gap", "loss.border={balance: false}")
    sample = _prepare(made, mask)
    np.testing.assert_allclose(sample.array[1], 1 + border_term(mask, w0=10, sigma=5))
    assert sample.array[1].min() > 5
    np.testing.assert_array_equal(sample.target[0], [1, 0, 1, 1])


def test_strokes_of_background_are_no_objects(recipe: MakeRecipe) -> None:
    mask = np.zeros((9, 9), np.uint8)
    mask[0], mask[3:5, 3:5] = 1, 2
    sample = _prepare(recipe("loss.border={balance: false}", *STROKES), mask, values=(0, 2))
    expected = np.full((9, 9), IGNORED)
    expected[0], expected[3:5, 3:5] = 0, 1
    np.testing.assert_array_equal(sample.target, expected)
    # One object has no second one to keep a gap to.
    np.testing.assert_array_equal(sample.array[1], 1)
    assert sorted(map(tuple, sample.labeled)) == [tuple(p) for p in np.argwhere(mask)]


def test_slices_without_strokes_are_left_out(recipe: MakeRecipe) -> None:
    masks = np.zeros((4, 8, 8), np.uint8)
    masks[1, 2], masks[1, 5], masks[3, 0, 0] = 1, 2, 1
    image = np.zeros(masks.shape, np.float32) + np.arange(4, dtype=np.float32).reshape(4, 1, 1)
    stack = Example("stack.tif", "a", Image(image, "ZYX"), Image(masks, "ZYX"))
    made = recipe("preprocess.normalize.method=none", *STROKES)
    kept = prepare_samples([stack], made, Preparation(made.preprocess), (0, 2))
    assert [sample.image.max() for sample in kept] == [1, 3]


@pytest.mark.parametrize(
    ("strokes", "found"),
    [([], "nothing is"), ([1], "only background is"), ([2, 3], "only objects are")],
)
def test_strokes_that_tell_nothing_apart_are_refused(
    recipe: MakeRecipe, strokes: list[int], found: str
) -> None:
    # A validation Dice over such strokes would be 1 for a network that knows one answer only.
    mask = np.zeros((8, 8), np.uint8)
    mask[0, : len(strokes)] = strokes
    with pytest.raises(InputError) as caught:
        _prepare(recipe(*STROKES), mask, values=(0, 1))
    assert str(caught.value).startswith(f"cell.png: {found} labeled; expected labels on objects and on")


def test_cropping_beyond_the_image_leaves_pixels_without_label(recipe: MakeRecipe) -> None:
    sample = _prepare(recipe("preprocess.crop=[6, 4]"), np.ones((4, 4), np.uint8))
    np.testing.assert_array_equal(sample.target[:, 0], [IGNORED, 1, 1, 1, 1, IGNORED])


def test_volumes_become_slices_for_a_2d_network(recipe: MakeRecipe, examples: Callable[..., object]) -> None:
    made = recipe()
    slices = prepare_samples(examples(2, (3, 16, 16)), made, Preparation(made.preprocess), (0, 255))
    assert [(s.name, s.grid) for s in slices] == [(f"disk {i}", (16, 16)) for i in (0, 0, 0, 1, 1, 1)]


def test_a_mask_on_another_grid_names_the_pair(recipe: MakeRecipe) -> None:
    example = Example("cell.png", "a", Image(np.zeros((4, 4)), "YX"), Image(np.zeros((4, 5), int), "YX"))
    with pytest.raises(InputError, match=r"cell\.png: the mask is \(4, 5\) but the image \(4, 4\)"):
        prepare_samples([example], recipe(), Preparation(recipe().preprocess), (0, 1))


def test_an_unknown_class_names_the_pair(recipe: MakeRecipe) -> None:
    made = recipe("target.kind=multiclass", "loss.kind=ce")
    with pytest.raises(InputError, match=r"cell\.png: the mask holds the values \[3\]"):
        _prepare(made, np.array([[0, 1], [3, 0]]))


def test_mixed_channels_are_refused(recipe: MakeRecipe) -> None:
    mask = Image(np.zeros((4, 4), int), "YX")
    pair = [
        Example("gray", "a", Image(np.zeros((4, 4)), "YX"), mask),
        Example("color", "b", Image(np.zeros((3, 4, 4)), "CYX"), mask),
    ]
    with pytest.raises(InputError, match=r"the images have \[1, 3\] channels.*preprocess\.color=gray"):
        prepare_samples(pair, recipe(), Preparation(recipe().preprocess), (0, 1))


TOUCHING = np.zeros((20, 24), np.uint16)
TOUCHING[5:15, 2:12], TOUCHING[5:15, 12:22] = 7, 9


def test_distances_lie_between_image_and_classes(recipe: MakeRecipe) -> None:
    made = recipe("target.kind=instances", "target.separate=distance", "loss.border={balance: false}")
    sample = _prepare(made, TOUCHING)
    assert sample.array.shape == (4, 20, 24)
    np.testing.assert_allclose(sample.array[1], 1 + border_term(TOUCHING, w0=10, sigma=5))
    np.testing.assert_array_equal(sample.array[2], object_distances(TOUCHING))
    np.testing.assert_array_equal(sample.target, TOUCHING > 0)
    batch = next(_batches([sample], made).epoch(1))
    assert batch.weights is not None
    assert batch.distances is not None
    np.testing.assert_array_equal(batch.distances[0], sample.array[2])
    np.testing.assert_array_equal(batch.weights[0], sample.array[1])
    plain = next(_batches([_prepare(recipe(), TOUCHING)], recipe()).epoch(1))
    assert (plain.weights, plain.distances) == (None, None)


def test_objects_lie_before_the_classes_and_become_contacts_and_offsets(recipe: MakeRecipe) -> None:
    made = recipe("target.kind=instances", "training.batch_size=3")
    sample = _prepare(made, TOUCHING)
    assert sample.objects == 2
    np.testing.assert_array_equal(sample.array[1], np.select([TOUCHING == 7, TOUCHING == 9], [1, 2]))
    np.testing.assert_array_equal(sample.target, TOUCHING > 0)
    network = network_for(made, 1, (0, 1), diameter=8.0)
    batch = next(Batches([sample] * 3, made, network, torch.device("cpu")).epoch(1))
    assert set(batch.maps) == {"contacts", "offsets"}
    assert batch.contacts is not None
    # Four pixels wide, and two longer than the objects at both ends.
    np.testing.assert_array_equal(batch.contacts[0].nonzero().amin(0), [3, 10])
    np.testing.assert_array_equal(batch.contacts[0].nonzero().amax(0), [16, 13])
    # Half a diameter is the unit.
    np.testing.assert_allclose(batch.offsets[0, :, 5, 2], [4.5 / 4, 4.5 / 4])
    assert [set(part.maps) for part in batch.parts(2)] == [set(batch.maps)] * 2


def test_images_with_many_objects_are_drawn_more_often(recipe: MakeRecipe) -> None:
    made = recipe("target.kind=instances", "training.draw=objects", "training.samples=60")
    samples = [replace(_prepare(made, TOUCHING), objects=count) for count in (1, 16, 0)]
    batches = _batches(samples, made)
    for seed in range(5):
        drawn = np.bincount(batches._order(np.random.default_rng(seed)), minlength=3)
        np.testing.assert_allclose(drawn, [10, 40, 10], atol=1)
    assert len(batches._order(np.random.default_rng(0))) == 60


def test_a_batch_in_parts_is_the_batch(recipe: MakeRecipe) -> None:
    made = recipe("target.kind=instances", "target.separate=distance", "training.batch_size=3")
    batch = next(_batches([_prepare(made, TOUCHING)] * 3, made).epoch(1))
    parts = list(batch.parts(2))
    assert [len(part.images) for part in parts] == [2, 1]
    assert all(part.weights is None for part in parts)
    for name in ("images", "targets", "distances"):
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(batch, name))


@pytest.mark.parametrize("separate", ["center", "gap", "boundary", "distance"])
def test_objects_are_brought_to_one_size(recipe: MakeRecipe, separate: str) -> None:
    loss = "ce" if separate == "boundary" else "bce"
    made = recipe(
        "target.kind=instances",
        f"target.separate={separate}",
        f"loss.kind={loss}",
        f"preprocess.diameter={20 / np.sqrt(np.pi) * 2}",
    )
    # Squares of 10 pixels become squares of 20, whatever the size of the image.
    sample = _prepare(made, TOUCHING)
    assert sample.grid == (40, 48)
    assert (sample.target > 0).sum() == 2 * 20 * 20 - (20 if separate == "gap" else 0)
    if separate == "boundary":
        # A rim is one pixel wide for the network.
        assert (sample.target == 2).sum() == 2 * (20 * 20 - 18 * 18)


def test_an_image_without_objects_keeps_its_size(recipe: MakeRecipe) -> None:
    made = recipe("target.kind=instances", "preprocess.diameter=30")
    examples = [
        Example("cell.png", "a", Image(mask.astype(np.float32), "YX"), Image(mask, "YX"))
        for mask in (TOUCHING, np.zeros_like(TOUCHING))
    ]
    grids = [s.grid for s in prepare_samples(examples, made, Preparation(made.preprocess), (0, 1))]
    assert grids == [(53, 64), (20, 24)]
