"""The settings of a recipe as a form needs them, taken from its JSON schema; knows no Qt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from unetscope.recipe import Recipe

__all__ = ["RecipeField", "fields", "sections", "value_of"]

_WORDS = ("unit", "none", "step", "only")


@dataclass(frozen=True)
class RecipeField:
    """One setting of the recipe.

    Attributes
    ----------
    name : str
        Dotted: ``"training.batch_size"``.
    title : str
        In plain words.
    help : str
        What it does.
    kinds : tuple of mapping
        JSON schemas of what it may be, other than left out.
    optional : bool
        Whether it may be left out.
    words : mapping
        How to show it: "unit", "none", "step", "only"; see `unetscope.recipe._shown`.
    example : value
        Where to begin when it was left out; None where nothing suggests itself.
    """

    name: str
    title: str
    help: str
    kinds: tuple[Mapping[str, Any], ...]
    optional: bool
    words: Mapping[str, Any]
    example: Any

    def counts(self, recipe: Recipe) -> bool:
        """Whether the setting makes a difference in this recipe."""
        section = self.name.rpartition(".")[0]
        if section and value_of(recipe, section) is None:
            return False
        only: Mapping[str, Sequence[str]] = self.words.get("only", {})
        return all(
            value_of(recipe, key if "." in key else f"{section}.{key}") in values
            for key, values in only.items()
        )


def fields(names: Sequence[str] = ()) -> tuple[RecipeField, ...]:
    """The settings with these names.

    Parameters
    ----------
    names : sequence of str
        Dotted names, in the wanted order; that of a section stands for all settings in it. Everything, in the
        order of the schema, unless given.

    Raises
    ------
    KeyError
        For a name that the schema does not know.
    """
    known = _all_fields()
    chosen: dict[str, RecipeField] = {} if names else {field.name: field for field in known}
    for name in names:
        found = [field for field in known if f"{field.name}.".startswith(f"{name}.")]
        if not found:
            raise KeyError(name)
        chosen |= {field.name: field for field in found}
    return tuple(chosen.values())


def sections() -> dict[str, tuple[str, str]]:
    """Title and explanation of every section of the recipe, by name."""
    schema = Recipe.model_json_schema()
    parts = {name: _follow(part, schema["$defs"]) for name, part in schema["properties"].items()}
    return {
        name: (part["title"], part["description"]) for name, part in parts.items() if part["type"] == "object"
    }


def value_of(recipe: Recipe, name: str) -> Any:
    """The value of a setting by its dotted name; None within a section that is left out."""
    value: Any = recipe
    for part in name.split("."):
        value = None if value is None else getattr(value, part)
    return value


@cache
def _all_fields() -> tuple[RecipeField, ...]:
    schema = Recipe.model_json_schema()
    return tuple(_walk(schema, schema["$defs"], ""))


def _walk(section: Mapping[str, Any], sections: Mapping[str, Any], prefix: str) -> Iterator[RecipeField]:
    for key, part in section["properties"].items():
        name = f"{prefix}{key}"
        every = [_follow(kind, sections) for kind in part.get("anyOf", [part])]
        kinds = tuple(kind for kind in every if kind["type"] != "null")
        optional = len(kinds) < len(every)
        if optional or kinds[0]["type"] != "object":
            yield RecipeField(
                name=name,
                title=part["title"],
                help=" ".join(part["description"].split()),
                kinds=kinds,
                optional=optional,
                words={word: part[word] for word in _WORDS if word in part},
                example=part.get("examples", [None])[0],
            )
        if kinds[0]["type"] == "object":
            yield from _walk(kinds[0], sections, f"{name}.")


def _follow(part: Mapping[str, Any], sections: Mapping[str, Any]) -> Mapping[str, Any]:
    """The section that a part of the schema refers to, or the part itself."""
    found: Mapping[str, Any] = sections[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
    return found
