"""Any valid recipe survives YAML, JSON and being changed by its own values."""

from __future__ import annotations

import json
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from unetscope.recipe import Recipe, change, from_dict, from_yaml, recipe_keys, to_yaml

BOUNDS = {
    "ge": ("min_value", False),
    "gt": ("min_value", True),
    "le": ("max_value", False),
    "lt": ("max_value", True),
}


def bounds(metadata, *, open_ends):
    """Arguments of a strategy for numbers, from annotations such as Ge(0)."""
    found = {}
    for entry in metadata:
        for name, (argument, is_open) in BOUNDS.items():
            if (value := getattr(entry, name, None)) is not None:
                found[argument] = value
                if is_open and open_ends:
                    found[f"exclude_{argument.removesuffix('_value')}"] = True
                elif is_open:
                    found[argument] = value + (1 if argument == "min_value" else -1)
    return found


def values(kind, metadata=()) -> st.SearchStrategy[Any]:
    """Valid values of a type of the schema."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        inner = [
            m
            for entry in arguments[1:]
            for m in (entry.metadata if isinstance(entry, FieldInfo) else [entry])
        ]
        return values(arguments[0], [*metadata, *inner])
    if origin is not None:
        return of_parts(origin, arguments, metadata)
    if issubclass(kind, BaseModel):
        return sections(kind)
    if kind is float:
        return st.floats(**bounds(metadata, open_ends=True), allow_nan=False, allow_infinity=False)
    if kind is int:
        return st.integers(**bounds(metadata, open_ends=False))
    return {bool: st.booleans(), str: st.text(), type(None): st.none()}[kind]


def of_parts(origin, arguments, metadata):
    """The same for Literal, unions and tuples."""
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of([values(argument, metadata) for argument in arguments])
    assert origin is tuple
    if arguments[-1] is Ellipsis:
        return st.lists(values(arguments[0]), max_size=6)
    return st.tuples(*map(values, arguments)).map(list)


def sections(model):
    """Mappings for a section, each setting valid on its own; some are left out."""
    fields = {name: values(info.annotation, info.metadata) for name, info in model.model_fields.items()}
    return st.fixed_dictionaries({}, optional=fields)


@st.composite
def mappings(draw):
    """Mappings for a recipe, made consistent where settings depend on each other."""
    whole = draw(sections(Recipe))
    network = whole.setdefault("network", {})
    levels = network.setdefault("depth", 4) + 1
    dimensions = network.setdefault("dimensions", 2)
    part = st.floats(0, 1)
    network["widths"] = draw(st.none() | st.lists(st.integers(1, 99), min_size=levels, max_size=levels))
    network["dropout"] = draw(part | st.lists(part, min_size=levels, max_size=levels))

    sizes = st.none() | st.lists(st.integers(1, 512), min_size=dimensions, max_size=dimensions)
    for section, names in (("preprocess", ("resize", "crop")), ("training", ("patch",))):
        whole.setdefault(section, {}).update({name: draw(sizes) for name in names})
    normalize = whole["preprocess"].setdefault("normalize", {})
    normalize["low"], normalize["high"] = sorted(
        draw(st.lists(st.floats(0, 99.5), min_size=2, max_size=2, unique=True))
    )
    if (normalize.get("center") is None) != (normalize.get("width") is None):
        normalize["center"] = normalize["width"] = None
    if whole["training"].get("minutes") is None:
        whole["training"]["epochs"] = draw(st.integers(1))

    target, loss = whole.setdefault("target", {}), whole.setdefault("loss", {})
    target["values"] = draw(st.none() | st.lists(st.integers(), min_size=2, max_size=5, unique=True))
    target["background"] = 0 if target["values"] is not None else draw(st.integers(0, 9))
    if target.get("ignore") in (target["background"], *(target["values"] or ())):
        target["ignore"] = None
    kind, separate = target.setdefault("kind", "binary"), target.setdefault("separate", "gap")
    several = kind == "multiclass" or (kind == "instances" and separate == "boundary")
    head = "ce" if several else "bce"
    if kind != "instances":
        whole["preprocess"]["diameter"] = None
        whole["training"]["draw"] = "equally"
    elif whole["preprocess"].get("diameter") is not None:
        whole["preprocess"]["resize"] = whole["preprocess"]["crop"] = None
    loss["kind"] = draw(st.sampled_from([head, "dice", f"{head}+dice"]))
    if loss["kind"] == "dice":
        loss["border"] = None
    return whole


def recipes():
    return mappings().map(from_dict)


@given(recipes())
def test_yaml_gives_a_recipe_back(recipe):
    assert from_yaml(to_yaml(recipe)) == recipe


@given(recipes())
def test_json_gives_a_recipe_back(recipe):
    assert from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


@given(mappings())
def test_what_is_given_is_kept_and_the_rest_takes_defaults(whole):
    def compare(given_, got, default):
        for name, value in got.items():
            if name not in given_:
                assert value == default[name]
            elif isinstance(value, dict):
                compare(given_[name], value, default[name] or {"w0": 10, "sigma": 5, "balance": True})
            else:
                assert value == given_[name]

    compare(whole, from_dict(whole).to_dict(), Recipe().to_dict())


@given(recipes(), recipes())
def test_a_recipe_changed_to_all_values_of_another_is_the_other(before, after):
    def leaves(plain, prefix=""):
        for name, value in plain.items():
            if isinstance(value, dict):
                yield from leaves(value, f"{prefix}{name}.")
            else:
                yield prefix + name, value

    settings = dict(leaves(after.to_dict()))
    assert settings.keys() <= set(recipe_keys())
    if after.loss.border is None:
        settings["loss.border"] = None
    assert change(before, settings) == after


@given(recipes())
def test_equal_recipes_are_one_in_a_set(recipe):
    again = from_dict(recipe.to_dict())
    assert again is not recipe
    assert len({recipe, again}) == 1
