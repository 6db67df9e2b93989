from __future__ import annotations

import pytest

from unetscope.errors import RecipeError
from unetscope.recipe import Recipe, change, from_dict, from_yaml, read_recipe, recipe_keys, to_yaml
from unetscope.recipe.presets import PRESETS, preset


def nested(key, value):
    """{"a": {"b": value}} for "a.b"."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def test_what_is_left_out_takes_its_default():
    assert from_dict({}) == Recipe()
    assert from_dict({"network": {"depth": 2}}).network.depth == 2
    assert from_dict({"network": {"depth": 2}}).network.width == Recipe().network.width


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("netwrok", "network"),
        ("sede", "seed"),
        ("network.dept", "network.depth"),
        ("network.level_widths", "network.widths"),
        ("preprocess.cropp", "preprocess.crop"),
        ("preprocess.normalize.hig", "preprocess.normalize.high"),
        ("preprocess.normalise", "preprocess.normalize"),
        ("loss.border.sgima", "loss.border.sigma"),
        ("optimizer.lr_rate", "optimizer.learning_rate"),
        ("augmentation.rotate", "augmentation.rotation"),
        ("prediction.treshold", "prediction.threshold"),
        # The right name in the wrong section, or in none.
        ("depth", "network.depth"),
        ("epochs", "training.epochs"),
        ("epoch", "training.epochs"),
        ("batch_size", "training.batch_size"),
        ("learning_rate", "optimizer.learning_rate"),
        ("training.learning_rate", "optimizer.learning_rate"),
        ("network.batch_size", "training.batch_size"),
    ],
)
def test_an_unknown_key_names_the_nearest_right_one(key, nearest):
    ways = {
        "the recipe": lambda: from_dict(nested(key, 1)),
        "the settings": lambda: change(Recipe(), {key: 1}),
        "my.yaml": lambda: from_yaml(str(nested(key, 1)), source="my.yaml"),
    }
    for source, way in ways.items():
        with pytest.raises(RecipeError) as caught:
            way()
        assert (
            str(caught.value) == f"unknown key {key!r} in {source}; expected {nearest!r}: correct the name."
        )


@pytest.mark.parametrize("key", ["", "xyzzy", "42"])
def test_an_unknown_key_that_is_like_no_other(key):
    with pytest.raises(RecipeError) as caught:
        change(Recipe(), {key: 1})
    assert str(caught.value) == (
        f"unknown key {key!r} in the settings; expected a key of the schema: "
        "see `unetscope presets --show default` for all keys."
    )


@pytest.mark.parametrize("key", ["network.depth.x", "seed.x", "training.patch.x", "network..depth"])
def test_a_key_below_a_setting(key):
    with pytest.raises(RecipeError, match=f"unknown key {key!r} in the settings; expected "):
        change(Recipe(), [f"{key}=1"])


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("network", 3, "network is 3 in the recipe; expected a valid dictionary or instance of Network"),
        ("network.depth", 9, "network.depth is 9 in the recipe; expected less than or equal to 6"),
        ("network.depth", None, "network.depth is None in the recipe; expected a valid integer"),
        ("network.dropout", 2, "network.dropout is 2 in the recipe; expected less than or equal to 1"),
        ("network.dimensions", 4, "network.dimensions is 4 in the recipe; expected 2 or 3"),
        (
            "loss.kind",
            "focal",
            "loss.kind is 'focal' in the recipe; expected 'bce', 'ce', 'dice', 'bce+dice' or ",
        ),
        ("loss.border", {"sigma": 0}, "loss.border.sigma is 0 in the recipe; expected greater than 0"),
        ("preprocess.crop", [8], "preprocess.crop is [8] in the recipe; expected more numbers"),
        (
            "preprocess.crop",
            [0, 8],
            "preprocess.crop is 0 in the recipe; expected greater than or equal to 1",
        ),
        ("augmentation.flip", ["Q"], "augmentation.flip is 'Q' in the recipe; expected 'Z', 'Y' or 'X'"),
        (
            "optimizer.learning_rate",
            float("nan"),
            "optimizer.learning_rate is nan in the recipe; expected a finite",
        ),
        ("seed", -1, "seed is -1 in the recipe; expected greater than or equal to 0"),
        ("name", 7, "name is 7 in the recipe; expected a valid string"),
    ],
)
def test_a_wrong_value_names_its_key(key, value, sentence):
    with pytest.raises(RecipeError) as caught:
        from_dict(nested(key, value))
    assert str(caught.value).startswith(sentence)
    assert str(caught.value).endswith(": correct the value.")


@pytest.mark.parametrize("name", PRESETS)
def test_yaml_gives_a_preset_back(name):
    assert from_yaml(to_yaml(preset(name))) == preset(name)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "x.yaml holds no settings"),
        ("- 1\n- 2", "x.yaml holds no settings"),
        ("seed", "x.yaml holds no settings"),
        ("seed: 1\nnetwork: [", "x.yaml is not valid YAML in line 2"),
        ("seed: 1\n\tname: a", "x.yaml is not valid YAML in line 2"),
        ("name: \x00", "x.yaml is not valid YAML"),
        ("name: 2020-13-45", "x.yaml is not valid YAML"),
        ("name: !!bool word", "x.yaml is not valid YAML"),
        ("name: !!int ''", "x.yaml is not valid YAML"),
        ("name: !!timestamp word", "x.yaml is not valid YAML"),
        ("name: !!python/object/apply:os.getcwd []", "x.yaml is not valid YAML in line 1"),
    ],
)
def test_text_that_is_no_recipe(text, found):
    with pytest.raises(RecipeError) as caught:
        from_yaml(text, source="x.yaml")
    assert str(caught.value) == f"{found}; expected key: value lines: correct the file."


def test_a_recipe_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(to_yaml(Recipe(name="größer", seed=7)), encoding="utf-8")
    assert read_recipe(path) == Recipe(name="größer", seed=7)
    path.write_bytes(b"\xef\xbb\xbfseed: 7\n")
    assert read_recipe(path) == Recipe(seed=7)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"dept: 3", "unknown key 'dept' in mine.yaml; expected 'network.depth': correct the name."),
        (b"a: [", "mine.yaml is not valid YAML in line 1; expected key: value lines: correct the file."),
        (b"\xff\xfe\x00", "{path} cannot be read (not text); expected a recipe in YAML: check the path."),
        (
            None,
            "{path} cannot be read (No such file or directory); expected a recipe in YAML: check the path.",
        ),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path, content, sentence):
    path = tmp_path / "mine.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert str(caught.value) == sentence.format(path=path)


def test_a_change_leaves_the_rest_and_the_original():
    before = preset("left-ventricle")
    after = change(before, ["network.depth=3", "split.group = patient"])
    assert (after.network.depth, after.split.group) == (3, "patient")
    assert (before.network.depth, before.split.group) == (4, "file")
    plain = after.to_dict()
    plain["network"]["depth"], plain["split"]["group"] = 4, "file"
    assert from_dict(plain) == before


@pytest.mark.parametrize("settings", [[], {}, (), iter([])])
def test_a_change_of_nothing(settings):
    assert change(preset("hela-border"), settings) == preset("hela-border")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("network.depth", "3", 3),
        ("optimizer.learning_rate", "1e-5", 1e-5),
        ("preprocess.crop", "[96, 64]", (96, 64)),
        ("preprocess.crop", "null", None),
        ("network.dropout", "[0, 0.1, 0.1, 0.2, 0.3]", (0, 0.1, 0.1, 0.2, 0.3)),
        ("network.norm", "none", "none"),
        ("augmentation.flip", "[Y, X]", ("Y", "X")),
        ("prediction.mirror", "true", True),
        ("prediction.threshold", "0.3", 0.3),
        ("prediction.threshold", "auto", "auto"),
        ("split.group", "'regex:(.+)_\\d'", "regex:(.+)_\\d"),
        ("split.group", "regex:^a=b", "regex:^a=b"),
        ("loss.border.w0", "4", 4.0),
        ("preprocess.normalize.low", "1", 1.0),
    ],
)
def test_a_change_by_text_and_by_value(key, text, value):
    by_text = change(Recipe(), [f"{key}={text}"])
    assert by_text == change(Recipe(), {key: value})
    place = by_text
    for part in key.split("."):
        place = getattr(place, part)
    assert place == value


def test_changes_are_checked_together():
    # Each alone would be refused.
    changed = change(
        Recipe(), ["target.kind=multiclass", "loss.kind=ce", "training.epochs=", "training.minutes=1"]
    )
    assert (changed.target.kind, changed.loss.kind) == ("multiclass", "ce")
    assert (changed.training.epochs, changed.training.minutes) == (None, 1)


@pytest.mark.parametrize(
    ("before", "kind", "after"),
    [
        ("bce+dice", "multiclass", "ce+dice"),
        ("bce", "multiclass", "ce"),
        ("dice", "multiclass", "dice"),
        ("bce+dice", "instances", "bce+dice"),
    ],
)
def test_the_loss_follows_the_kind_of_target_and_comes_back(before, kind, after):
    recipe = change(Recipe(), {"loss.kind": before})
    changed = change(recipe, [f"target.kind={kind}"])
    assert (changed.target.kind, changed.loss.kind) == (kind, after)
    assert change(changed, {"target": {"kind": "binary"}}) == recipe


def test_the_loss_follows_what_tells_objects_apart():
    recipe = change(Recipe(), ["target.kind=instances", "target.separate=boundary"])
    assert recipe.loss.kind == "ce+dice"
    # Whatever else is changed then, or before.
    assert change(recipe, ["seed=3"]).loss.kind == "ce+dice"
    assert change(recipe, ["target.separate=distance"]).loss.kind == "bce+dice"
    assert change(recipe, ["target.kind=binary"]).loss.kind == "bce+dice"


@pytest.mark.parametrize("loss", [{"loss.kind": "bce+dice"}, {"loss": {"kind": "bce+dice"}}])
def test_a_loss_that_is_asked_for_does_not_follow(loss):
    with pytest.raises(RecipeError, match=r"choose ce or ce\+dice for target.kind"):
        change(Recipe(), {"target.kind": "multiclass"} | loss)
    assert change(Recipe(), {"target.kind": "multiclass", "loss.dice_smooth": 1.0}).loss.kind == "ce+dice"


def test_a_later_change_wins():
    assert change(Recipe(), ["seed=1", "seed=2"]).seed == 2


def test_a_section_that_is_off_can_be_filled_in_and_switched_off():
    on = change(Recipe(), ["loss.border.sigma=3", "loss.border.w0=1"])
    assert on.loss.border is not None
    assert (on.loss.border.sigma, on.loss.border.w0, on.loss.border.balance) == (3, 1, True)
    assert change(on, ["loss.border=null"]) == Recipe()


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (
            "network",
            "the setting 'network' has no '='; expected key=value: write for example network.depth=3.",
        ),
        (
            "network.depth=[",
            "the value of network.depth is '['; expected a number, a word or a [list]: correct it.",
        ),
        (
            "name=2020-13-45",
            "the value of name is '2020-13-45'; expected a number, a word or a [list]: correct it.",
        ),
        (
            "network.depth=",
            "network.depth is None in the settings; expected a valid integer: correct the value.",
        ),
        (
            "network.depth=deep",
            "network.depth is 'deep' in the settings; expected a valid integer, unable to parse ",
        ),
    ],
)
def test_a_setting_that_is_none(setting, sentence):
    with pytest.raises(RecipeError) as caught:
        change(Recipe(), [setting])
    assert str(caught.value).startswith(sentence)


def test_the_keys_are_all_of_the_schema():
    def keys(values, prefix=""):
        for name, value in values.items():
            yield prefix + name
            if isinstance(value, dict):
                yield from keys(value, f"{prefix}{name}.")

    whole = change(Recipe(), {"loss.border.w0": 10})
    assert recipe_keys() == tuple(keys(whole.to_dict()))
    assert len(set(recipe_keys())) == len(recipe_keys())


def test_a_section_keeps_what_a_mapping_does_not_name():
    before = change(Recipe(), ["network.width=8"])
    after = change(before, {"network": {"depth": 3}})
    assert (after.network.width, after.network.depth) == (8, 3)


def test_one_setting_needs_no_list():
    assert change(Recipe(), "network.depth=3").network.depth == 3
