"""The split: groups stay whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unetscope.errors import InputError
from unetscope.recipe.recipe import Split
from unetscope.training.split import divide

groups = st.lists(st.sampled_from([f"patient {i}" for i in range(12)]), min_size=1, max_size=40)
several = groups.filter(lambda names: len(set(names)) > 1)
parts = st.floats(0.01, 0.99)
choices = st.sampled_from(["random", "last"])
seeds = st.integers(0, 2**32 - 1)


@given(several, parts, choices, seeds)
def test_groups_are_whole_and_every_image_is_used_once(
    names: list[str], part: float, choose: str, seed: int
) -> None:
    division = divide(names, Split(validation=part, choose=choose), seed=seed)
    assert sorted(division.training + division.validation) == list(range(len(names)))
    assert list(division.training) == sorted(division.training)
    assert list(division.validation) == sorted(division.validation)
    trained = {names[i] for i in division.training}
    validated = {names[i] for i in division.validation}
    assert not trained & validated
    assert trained
    assert validated
    assert len(division.validation) >= part * len(names) - 1e-6 or len(trained) == 1


@given(several, parts, choices, seeds)
def test_no_group_validates_without_need(names: list[str], part: float, choose: str, seed: int) -> None:
    """Without its last chosen group, the validation set is too small."""
    division = divide(names, Split(validation=part, choose=choose), seed=seed)
    sizes = {names[i]: names.count(names[i]) for i in division.validation}
    assert len(division.validation) - max(sizes.values()) < part * len(names)


@given(several, parts, seeds, st.randoms(use_true_random=False))
def test_a_random_choice_does_not_depend_on_the_order(names, part, seed, random) -> None:
    shuffled = random.sample(names, len(names))
    settings = Split(validation=part)
    first, second = divide(names, settings, seed=seed), divide(shuffled, settings, seed=seed)
    assert {names[i] for i in first.validation} == {shuffled[i] for i in second.validation}


def test_other_seeds_choose_other_groups() -> None:
    names = [f"image {i}" for i in range(10)]
    chosen = {divide(names, Split(validation=0.2), seed=seed).validation for seed in range(20)}
    assert len(chosen) > 5
    assert divide(names, Split(), seed=3) == divide(names, Split(), seed=3)


def test_last_takes_the_last_groups() -> None:
    names = ["a", "a", "b", "c", "c", "d"]
    assert divide(names, Split(validation=0.15, choose="last"), seed=0).validation == (5,)
    assert divide(names, Split(validation=0.2, choose="last"), seed=0).validation == (3, 4, 5)
    assert divide(names, Split(validation=0.99, choose="last"), seed=0).training == (0, 1)


@pytest.mark.parametrize(("part", "count"), [(0.2, 20), (0.07, 7), (0.29, 29), (0.55, 55)])
def test_the_part_is_exact_where_it_can_be(part: float, count: int) -> None:
    names = [f"{i:03}" for i in range(100)]
    assert len(divide(names, Split(validation=part), seed=0).validation) == count


def test_no_validation() -> None:
    division = divide(["a", "a"], Split(validation=0), seed=0)
    assert (division.training, division.validation) == ((0, 1), ())


def test_one_group_cannot_be_divided() -> None:
    with pytest.raises(InputError) as caught:
        divide(["mouse 1"] * 3, Split(), seed=0)
    assert "all 3 images belong to the group 'mouse 1'" in str(caught.value)
    assert "split.validation=0" in str(caught.value)


def test_no_images() -> None:
    with pytest.raises(InputError, match="all 0 images"):
        divide([], Split(), seed=0)


# --- roles that somebody gave ---


def _sides(groups: str, roles: list[str], settings: Split) -> str:
    """One letter per image."""
    division = divide(list(groups), settings, seed=0, roles=roles)
    sides = dict.fromkeys(division.training, "t") | dict.fromkeys(division.validation, "v")
    sides |= dict.fromkeys(division.test, "x")
    return "".join(sides[i] for i in range(len(groups)))


@pytest.mark.parametrize(
    ("groups", "roles", "expected"),
    [
        # Who validates is given: the recipe chooses no others.
        ("abcde", {0: "validation"}, "vtttt"),
        ("abcde", {0: "validation", 1: "test", 2: "training"}, "vxttt"),
        # It is not: the last of those without a role validate, and never test images.
        ("abcde", {4: "test"}, "tttvx"),
        ("abcde", {4: "training", 3: "training"}, "ttvtt"),
        ("ab", {0: "training"}, "tv"),
        # Images without a role go with their group.
        ("aabbc", {0: "test", 3: "validation"}, "xxvvt"),
    ],
)
def test_given_roles_are_kept(groups: str, roles: dict[int, str], expected: str) -> None:
    given = [roles.get(i, "") for i in range(len(groups))]
    assert _sides(groups, given, Split(validation=0.2, choose="last")) == expected


def test_who_validates_may_be_given_without_a_part() -> None:
    assert _sides("abc", ["", "validation", "test"], Split(validation=0)) == "tvx"


def test_the_part_is_that_of_the_images_that_are_no_test() -> None:
    roles = ["test"] * 50 + [""] * 50
    division = divide([f"{i:03}" for i in range(100)], Split(validation=0.2), seed=0, roles=roles)
    assert (len(division.training), len(division.validation), len(division.test)) == (40, 10, 50)


@given(several, st.data(), parts, choices, seeds)
def test_groups_stay_whole_with_roles_too(names, data, part, choose, seed) -> None:
    wanted = {name: data.draw(st.sampled_from(["", "", "training", "validation", "test"])) for name in names}
    try:
        division = divide(
            names, Split(validation=part, choose=choose), seed=seed, roles=[wanted[name] for name in names]
        )
    except InputError:
        assert list(wanted.values()).count("") < 2
        return
    assert sorted(division.training + division.validation + division.test) == list(range(len(names)))
    assert division.training
    assert division.validation
    for role in ("training", "validation", "test"):
        positions = getattr(division, role)
        assert {i for i, name in enumerate(names) if wanted[name] == role} <= set(positions)
        assert not {names[i] for i in positions} & {n for i, n in enumerate(names) if i not in positions}
        assert role != "test" or {wanted[names[i]] for i in positions} <= {"test"}


@pytest.mark.parametrize(
    ("groups", "roles", "found"),
    [
        ("aab", ["test", "training", ""], "the group 'a' has images for test and for training"),
        ("ab", ["training", "training"], "no group without a role is left to validate on"),
        ("abc", ["test", "test", ""], "no group without a role is left to validate on"),
        ("ab", ["test", "validation"], "no image is left to train on: 1 are to validate and 1 to test"),
    ],
)
def test_roles_that_cannot_be_kept(groups: str, roles: list[str], found: str) -> None:
    with pytest.raises(InputError) as caught:
        divide(list(groups), Split(), seed=0, roles=roles)
    assert caught.value.found == found
