from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from unetscope.errors import RecipeError
from unetscope.recipe import Recipe, from_dict
from unetscope.recipe.recipe import BorderWeights, Loss, Network, Normalize, Target

SECTIONS = [name for name, info in Recipe.model_fields.items() if isinstance(info.default, BaseModel)]


def test_the_sections():
    assert SECTIONS == [
        "preprocess",
        "target",
        "network",
        "loss",
        "optimizer",
        "schedule",
        "augmentation",
        "training",
        "split",
        "prediction",
    ]


def test_a_recipe_is_frozen():
    recipe = Recipe()
    with pytest.raises(ValidationError, match="frozen"):
        recipe.seed = 1
    for section in SECTIONS:
        part = getattr(recipe, section)
        name = next(iter(type(part).model_fields))
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, name, getattr(part, name))


def test_recipes_are_compared_by_their_settings():
    assert Recipe() == Recipe()
    assert hash(Recipe()) == hash(Recipe())
    assert Recipe(seed=1) != Recipe()
    assert Recipe(network=Network(depth=3)) != Recipe()
    assert Recipe(network=Network(depth=4)) == Recipe()


@pytest.mark.parametrize(
    "model", [Recipe, *(type(getattr(Recipe(), name)) for name in SECTIONS), BorderWeights]
)
def test_every_setting_that_needs_words_has_them(model):
    """The command line and the widgets show them; a section is described by its own docstring."""
    assert model.__doc__
    for info in model.model_fields.values():
        assert info.description is None or info.description.endswith((".", "…"))


def test_a_recipe_becomes_plain_values():
    plain = Recipe(network=Network(depth=1, widths=(4, 8), dropout=(0.0, 0.5))).to_dict()
    assert plain["network"]["widths"] == [4, 8]
    assert plain["network"]["dropout"] == [0.0, 0.5]
    assert plain["loss"]["border"] is None
    assert list(plain) == ["name", *SECTIONS, "seed"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"preprocess": {"normalize": {"low": 50, "high": 40}}},
            "preprocess.normalize in the recipe: low 50.0 is not below high 40.0.",
        ),
        (
            {"preprocess": {"normalize": {"center": 5}}},
            "preprocess.normalize in the recipe: center and width belong together: give both or neither.",
        ),
        (
            {"target": {"values": [1, 1]}},
            "target in the recipe: values (1, 1) are not two or more different mask values.",
        ),
        (
            {"target": {"values": [1]}},
            "target in the recipe: values (1,) are not two or more different mask values.",
        ),
        (
            {"network": {"depth": 2, "widths": [4, 8]}},
            "network in the recipe: widths has 2 numbers but depth 2 needs 3.",
        ),
        (
            {"network": {"dropout": [0.1]}},
            "network in the recipe: dropout has 1 numbers but depth 4 needs 5.",
        ),
        (
            {"loss": {"kind": "dice", "border": {}}},
            "loss in the recipe: border weights belong to a cross entropy; choose kind bce or ce.",
        ),
        (
            {"training": {"epochs": None}},
            "training in the recipe: neither epochs nor minutes is given: give a budget.",
        ),
        (
            {"target": {"kind": "multiclass"}},
            "wrong combination in the recipe: loss.kind bce is for one class; "
            "choose ce or ce+dice for target.kind multiclass.",
        ),
        (
            {"loss": {"kind": "ce"}},
            "wrong combination in the recipe: "
            "loss.kind ce needs target.kind multiclass, not binary; choose bce.",
        ),
        (
            {"target": {"kind": "instances"}, "loss": {"kind": "ce+dice"}},
            "wrong combination in the recipe: "
            "loss.kind ce needs target.kind multiclass, not instances; choose bce.",
        ),
        (
            {"target": {"kind": "instances", "separate": "boundary"}},
            "wrong combination in the recipe: loss.kind bce is for one class; "
            "choose ce or ce+dice for target.separate boundary.",
        ),
        (
            {"preprocess": {"diameter": 20}},
            "wrong combination in the recipe: "
            "preprocess.diameter needs target.kind instances, whose objects have one.",
        ),
        *(
            (
                {"preprocess": {"diameter": 20, name: [8, 8]}, "target": {"kind": "instances"}},
                "wrong combination in the recipe: "
                "preprocess.diameter resizes each image: leave out resize and crop.",
            )
            for name in ("resize", "crop")
        ),
        *(
            (
                {section: {name: [8, 8]}, "network": {"dimensions": 3}},
                "wrong combination in the recipe: "
                f"{section}.{name} has 2 numbers but network.dimensions is 3.",
            )
            for section, name in (("preprocess", "resize"), ("preprocess", "crop"), ("training", "patch"))
        ),
    ],
)
def test_settings_that_contradict_each_other(values, sentence):
    with pytest.raises(RecipeError) as caught:
        from_dict(values)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "values",
    [
        {"target": {"kind": "multiclass"}, "loss": {"kind": "ce"}},
        {"target": {"kind": "multiclass"}, "loss": {"kind": "dice"}},
        {"target": {"kind": "instances"}, "loss": {"kind": "bce", "border": {}}},
        {"network": {"dimensions": 3}, "training": {"patch": [8, 16, 16]}},
        {"training": {"epochs": None, "minutes": 0.5}},
        {"preprocess": {"normalize": {"low": 0, "high": 100}}},
    ],
)
def test_settings_that_go_together(values):
    from_dict(values)


def test_the_width_of_each_level():
    assert Network(depth=4, width=64).level_widths == (64, 128, 256, 512, 1024)
    assert Network(depth=3, width=20, max_width=60).level_widths == (20, 40, 60, 60)
    assert Network(depth=1, widths=(5, 3)).level_widths == (5, 3)


def test_the_dropout_of_each_level():
    assert Network(depth=2, dropout=0.2).level_dropout == (0.2, 0.2, 0.2)
    assert Network(depth=2, dropout=(0, 0.1, 0.2)).level_dropout == (0, 0.1, 0.2)


@pytest.mark.parametrize(
    ("kind", "cross_entropy", "has_dice"),
    [
        ("bce", "bce", False),
        ("ce", "ce", False),
        ("dice", None, True),
        ("bce+dice", "bce", True),
        ("ce+dice", "ce", True),
    ],
)
def test_the_parts_of_a_loss(kind, cross_entropy, has_dice):
    assert Loss(kind=kind).cross_entropy == cross_entropy
    assert Loss(kind=kind).has_dice is has_dice


@pytest.mark.parametrize("amount", ["rotation", "zoom", "stretch", "shift", "shear", "elastic"])
def test_augmentation_that_moves_pixels(amount):
    def augmentation(**values):
        return from_dict({"augmentation": values}).augmentation

    assert augmentation(**{amount: 0.5}).is_geometric
    assert not augmentation(**{amount: 0.5}, probability=0).is_geometric
    assert not augmentation(noise=1, brightness=1, contrast=0.5, gamma=0.5, flip=["X"]).is_geometric


def test_the_default_normalization_is_the_left_ventricle_report_s():
    assert (Normalize().method, Normalize().low, Normalize().high, Normalize().clip) == (
        "percentile",
        5,
        95,
        True,
    )


def test_ignored_pixels_are_no_class():
    with pytest.raises(ValueError, match="ignore 2 is also one of values"):
        Target(kind="multiclass", values=(0, 1, 2), ignore=2)


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"ignore": 0}, "background and ignore are both 0; sparse annotation needs a background of its own"),
        ({"ignore": 3, "background": 3}, "background and ignore are both 3"),
        ({"background": 1, "values": (0, 1, 2)}, r"values \(0, 1, 2\) do not begin with background 1"),
        ({"background": 1, "values": (1, 0, 2)}, r"values \(1, 0, 2\) hold 0 beside background 1"),
    ],
)
def test_background_is_a_value_of_its_own(settings, found):
    with pytest.raises(ValueError, match=found):
        Target(**settings)


def test_what_sparse_annotation_is():
    assert Target(ignore=0, background=1).sparse
    assert not Target(ignore=255).sparse
    assert not Target().sparse
