"""The data set behind the Dataset widget: files or layers, what each is for, and the table that trains."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels

from unetscope._napari.dataset.dataset import STROKES, Dataset, Entry
from unetscope._napari.dataset.suggest import suggest_labels
from unetscope.api import plan
from unetscope.errors import InputError
from unetscope.io import find_pairs, read
from unetscope.recipe import Recipe, change

RANDOM = np.random.default_rng(0)
SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
TINY = {"training.epochs": 1, "training.samples": 2, "network.width": 2, "network.depth": 1}


def pair_of_layers(name: str, shape: tuple[int, ...] = (32, 40), **options: Any) -> tuple[Image, Labels, str]:
    values = RANDOM.integers(0, 200, shape, np.uint16)
    labels = np.zeros(shape, np.uint8)
    labels[..., 8:20, 8:20] = 1
    return Image(values, name=name, **options), Labels(labels, name=f"{name} labels", **options), "by name"


def layers_of(count: int) -> Dataset:
    return Dataset.of_layers([pair_of_layers(f"cell {i}") for i in range(count)])


@pytest.fixture
def heart() -> Dataset:
    return Dataset.of_pairing(find_pairs(SAMPLES / "heart" / "training"))


def test_files_become_entries_with_their_groups_and_reasons(heart: Dataset) -> None:
    assert len(heart.entries) == len(heart.chosen) > 3
    assert len({entry.group for entry in heart.entries}) == 2
    assert all(entry.reason for entry in heart.entries)


def test_the_parts_are_those_of_training(heart: Dataset) -> None:
    from unetscope.training.session import describe_data

    recipe = change(Recipe(), {"split.validation": 0.4})
    roles = [entry.role for entry in describe_data(heart.examples(), recipe)]
    assert list(heart.parts(recipe)) == roles
    words = f"{roles.count('training')} train, {roles.count('validation')} validate, 0 test"
    assert words in heart.describe(recipe)


def test_what_the_user_says_counts() -> None:
    data = layers_of(6).with_entry(0, split="test").with_entry(1, use=False).with_entry(2, split="validation")
    assert data.parts(Recipe()) == ("test", "automatic", "validation", *["training"] * 3)
    assert data.describe() == "5 pairs in 5 groups (1 more not used): 3 train, 1 validate, 1 test."


def test_the_table_opens_again_as_it_was(heart: Dataset, tmp_path: Path) -> None:
    last = len(heart.entries) - 1
    heart = heart.with_entry(0, group="mine", split="validation").with_entry(last, use=False)
    table = heart.write(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == [table]
    again = Dataset.of_pairing(find_pairs(table))
    assert [(e.image.resolve(), e.mask.resolve(), e.group, e.split) for e in again.entries] == [
        (e.image, e.mask, e.group, e.split) for e in heart.chosen
    ]


def test_layers_are_written_with_place_and_the_latest_strokes(tmp_path: Path) -> None:
    pairs = [
        pair_of_layers("a/b: 1", scale=(0.5, 0.25), translate=(3, -4), units="um"),
        pair_of_layers("A_b_ 1"),
    ]
    data = Dataset.of_layers(pairs)
    pairs[0][1].data[0, 0] = 5
    table = data.write(tmp_path)
    found = find_pairs(table)
    assert [pair.problems for pair in found.pairs] == [(), ()]
    assert [pair.group for pair in found.pairs] == ["a/b: 1", "A_b_ 1"]
    image, mask = found.read(found.pairs[0])
    assert (image.spacing, image.origin, image.units) == ((0.5, 0.25), (3, -4), "µm")
    np.testing.assert_array_equal(image.data, pairs[0][0].data)
    np.testing.assert_array_equal(mask.data, pairs[0][1].data)
    assert mask.data[0, 0] == 5


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    data = layers_of(1)
    data.write(tmp_path)
    with pytest.raises(Exception, match="exists already"):
        data.write(tmp_path)
    data.write(tmp_path, overwrite=True)


def test_colors_and_several_axes_are_written(tmp_path: Path) -> None:
    rgb = Image(RANDOM.integers(0, 255, (20, 24, 3), np.uint8), name="rgb", rgb=True)
    series = Image(RANDOM.random((3, 2, 20, 24), np.float32), name="series", axis_labels=("t", "c", "y", "x"))
    painted = np.ones((20, 24), np.uint8)
    data = Dataset.of_layers(
        [
            (rgb, Labels(painted, name="one"), ""),
            (series, Labels(np.stack([painted] * 3), name="two"), ""),
        ]
    )
    assert [entry.problems for entry in data.entries] == [(), ()]
    found = find_pairs(data.write(tmp_path))
    first, second = (found.read(pair)[0] for pair in found.pairs)
    assert first.is_rgb
    assert second.axes == "TCYX"
    np.testing.assert_array_equal(second.data, series.data)


def test_a_label_layer_of_another_size_is_a_problem_in_words() -> None:
    image, _, _ = pair_of_layers("a")
    data = Dataset.of_layers([(image, Labels(np.ones((5, 6), np.uint8)), "")])
    assert "32 by 40" in data.entries[0].problems[0]
    assert data.check().problems == (f"No pair can be used; the first is a: {data.entries[0].problems[0]}",)


def test_an_unpainted_layer_is_a_problem_and_a_half_painted_stack_a_note() -> None:
    image, labels, reason = pair_of_layers("stack", (4, 32, 40))
    labels.data[1:] = 0
    empty = Labels(np.zeros((4, 32, 40), np.uint8), name="new")
    data = Dataset.of_layers([(image, labels, reason), (image, empty, reason)])
    assert "1 of 4" in data.entries[0].notes[0]
    assert data.entries[1].problems == ("nothing is painted in 'new' yet",)


def test_slices_can_be_pairs_of_their_own(tmp_path: Path) -> None:
    image, labels, reason = pair_of_layers("stack", (4, 32, 40), scale=(3, 1, 1), translate=(7, 0, 0))
    labels.data[2] = 0
    data = Dataset.of_layers([(image, labels, reason)])
    assert data.describe() == "1 pair in 1 group, so nothing can validate."
    with pytest.raises(InputError, match="belong to the group 'stack'"):
        data.parts(Recipe())
    slices = data.frame_by_frame()
    assert [entry.use for entry in slices.entries] == [True, True, False, True]
    assert sorted(slices.parts(Recipe())) == ["automatic", "training", "training", "validation"]
    found = find_pairs(slices.write(tmp_path))
    assert len(found.usable()) == 3
    np.testing.assert_array_equal(found.read(found.pairs[2])[0].data, image.data[3])


def test_slices_of_several_stacks_stay_in_their_groups() -> None:
    data = Dataset.of_layers([pair_of_layers(name, (3, 32, 40)) for name in "ab"]).frame_by_frame()
    assert [entry.group for entry in data.entries] == ["a"] * 3 + ["b"] * 3


def test_time_axis_of_the_image_counts_for_unnamed_labels() -> None:
    image, labels, reason = pair_of_layers("series", (3, 32, 40))
    image.axis_labels = ("t", "y", "x")
    data = Dataset.of_layers([(image, labels, reason)])
    assert data.entries[0].problems == ()
    assert data.read(data.entries[0])[1].axes == "TYX"


def test_a_sound_dataset_is_ready_and_planned() -> None:
    found = layers_of(5).check(settings=TINY)
    assert (found.problems, found.training, found.validation) == ((), 4, 1)
    assert found.plan is not None


def problems_of(data: Dataset, **settings: Any) -> str:
    settings = {name.replace("__", "."): value for name, value in settings.items()}
    return " ".join(data.problems(change(Recipe(), TINY | settings)))


def test_one_group_cannot_validate() -> None:
    data = layers_of(2).with_entry(1, group="cell 0")
    assert "all 2 images belong to the group 'cell 0'" in problems_of(data)
    assert problems_of(data, split__validation=0) == ""


def test_a_group_on_two_sides_is_refused() -> None:
    data = (
        layers_of(3).with_entry(0, group="g", split="training").with_entry(1, group="g", split="validation")
    )
    assert "'g' has images for training and for validation" in problems_of(data)


def test_different_sizes_need_patches() -> None:
    data = Dataset.of_layers([pair_of_layers(str(n), (32 + n, 40)) for n in range(4)])
    assert "different sizes" in problems_of(data)
    assert problems_of(data, training__patch=[16, 16]) == ""


def test_different_channels_are_refused() -> None:
    rgb = Image(RANDOM.integers(0, 255, (32, 40, 3), np.uint8), name="rgb", rgb=True)
    data = Dataset.of_layers([*(pair_of_layers(n) for n in "ab"), (rgb, pair_of_layers("c")[1], "")])
    assert "channels" in problems_of(data)


def test_planes_do_not_suit_a_3d_network() -> None:
    assert "a volume for a 3D network" in problems_of(layers_of(3), network__dimensions=3)


def test_images_too_small_for_the_depth() -> None:
    text = problems_of(layers_of(3), network__depth=6, network__norm="instance")
    assert "set a smaller network.depth" in text


def test_strokes_without_background_and_unlabeled_masks() -> None:
    data = layers_of(3)
    assert "background" in " ".join(data.check(None, STROKES).problems)
    for entry in data.entries:
        entry.mask.data[0:3] = 2
    data = Dataset.of_layers([(e.image, e.mask, "") for e in data.entries])
    assert data.like_strokes
    found = data.check(None, TINY | STROKES)
    assert found.problems == ()
    data.entries[0].mask.data[data.entries[0].mask.data == 1] = 0
    advice = " ".join(data.check(None, TINY | STROKES).advice)
    assert "1 of 3 masks have no stroke of background" in advice
    assert "cell 0" in advice


def test_advice_names_masks_without_objects_and_many_values() -> None:
    data = layers_of(4)
    data.entries[2].mask.data[:] = 0
    data.entries[0].mask.data[0, :9] = np.arange(2, 11)
    advice = " ".join(data.check(change(Recipe(), TINY)).advice)
    assert "1 of 4 masks mark no object (cell 2)" in advice
    assert "10 values beside background (1, 2, 3, …)" in advice


def test_the_recipe_should_not_group_by_itself() -> None:
    advice = layers_of(3).check(change(Recipe(), TINY | {"split.group": "file"})).advice
    assert "set split.group to auto" in " ".join(advice)


def test_an_empty_dataset_says_what_is_missing(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "heart" / "training" / "SAMPLE-A_0003.dcm", tmp_path)
    data = Dataset.of_pairing(find_pairs(tmp_path))
    assert data.check().problems[0].startswith("There is no image with a mask (SAMPLE-A_0003.dcm: ")
    with pytest.raises(InputError, match="There is no image with a mask"):
        data.write(tmp_path)
    assert "tick" in layers_of(1).with_entry(0, use=False).check().problems[0]


def test_work_can_be_cancelled_between_images() -> None:
    def stop(done: int, total: int, text: str) -> None:
        if done == 1:
            raise InterruptedError

    for work in (layers_of(3).check, layers_of(3).examples):
        with pytest.raises(InterruptedError):
            work(progress=stop)


def test_what_the_table_trains_is_what_was_checked(tmp_path: Path) -> None:
    data = layers_of(3)
    assert plan(data.write(tmp_path)) == data.check().plan


@pytest.mark.parametrize(
    ("images", "labels", "expected"),
    [
        (["a", "b"], ["b_mask", "a labels"], ["a labels", "b_mask"]),
        (["image_1", "image_2"], ["mask_2", "mask_1"], ["mask_1", "mask_2"]),
        (["cells"], ["Labels"], ["Labels"]),
        (["a", "b"], ["Labels"], [None, None]),
        (["a", "b"], ["a", "Labels"], ["a", "Labels"]),
        (["a", "b"], ["b truth", "a [1]"], ["a [1]", "b truth"]),
        (["a"], ["x", "y"], [None]),
        (["img1", "img2"], [], [None, None]),
    ],
)
def test_labels_are_suggested_by_name_or_size(
    images: list[str], labels: list[str], expected: list[str | None]
) -> None:
    found = suggest_labels(
        [Image(np.zeros((8, 9)), name=name) for name in images],
        [Labels(np.zeros((8, 9), np.uint8), name=name) for name in labels],
    )
    assert [None if layer is None else layer.name for layer, _ in found] == expected
    assert all(bool(reason) == (layer is not None) for layer, reason in found)


def test_labels_of_another_size_are_never_suggested() -> None:
    image = Image(np.zeros((8, 9)), name="a")
    assert suggest_labels([image], [Labels(np.zeros((8, 8), np.uint8), name="a_mask")]) == [(None, "")]


def test_real_patients_are_groups(real_data: Path) -> None:
    data = Dataset.of_pairing(find_pairs(real_data / "left-ventricle" / "training"))
    assert len({entry.group for entry in data.entries}) >= 2
    assert data.check(None, TINY).problems == ()


def test_entries_are_read_from_where_they_lie() -> None:
    path = SAMPLES / "heart" / "training" / "SAMPLE-A_0003.dcm"
    entry = Entry("a", path, path.with_suffix(".png"), "g")
    image, mask = Dataset((entry,)).read(entry)
    np.testing.assert_array_equal(image.data, read(path).data)
    assert image.grid == mask.grid
