"""Recipes to and from text: YAML files, ``key=value`` settings, and errors that name the right key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from unetscope.errors import RecipeError
from unetscope.recipe.recipe import Recipe

__all__ = [
    "change",
    "from_dict",
    "from_yaml",
    "parse_yaml",
    "read_recipe",
    "read_text",
    "recipe_keys",
    "to_yaml",
]

# Besides its own errors, PyYAML lets through what fails inside it: an impossible date, ``!!bool word``.
_YAML_ERRORS = (yaml.YAMLError, ValueError, KeyError, IndexError, AttributeError)

# Keys that are less alike (see `_likeness`) have nothing to do with each other.
_LIKE = 0.9


def from_dict(values: Mapping[str, Any], *, source: str = "the recipe") -> Recipe:
    """Build a recipe from nested mappings.

    Parameters
    ----------
    values : mapping
        As `Recipe.to_dict` gives them; what is left out takes its default.
    source : str
        Name of the file or place, for messages.

    Raises
    ------
    RecipeError
        For the first unknown key (naming the nearest right one) or wrong value.
    """
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise _explain(error, source) from None


def from_yaml(text: str, *, source: str = "the recipe") -> Recipe:
    """Build a recipe from YAML text; see `from_dict`."""
    values = parse_yaml(text, source=source)
    if not isinstance(values, dict):
        raise RecipeError(f"{source} holds no settings", expected="key: value lines", fix="correct the file")
    return from_dict(values, source=source)


def parse_yaml(text: str, *, source: str) -> Any:
    """What YAML text holds.

    Raises
    ------
    RecipeError
        If it is not YAML, naming the line.
    """
    try:
        return yaml.safe_load(text)
    except _YAML_ERRORS as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where is not None else ""
        raise RecipeError(
            f"{source} is not valid YAML{line}", expected="key: value lines", fix="correct the file"
        ) from None


def to_yaml(recipe: Recipe) -> str:
    """The complete recipe as YAML; `from_yaml` gives it back equal."""
    return yaml.safe_dump(recipe.to_dict(), sort_keys=False, allow_unicode=True, width=100)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file (YAML).

    Raises
    ------
    RecipeError
        If the file cannot be read or is not a recipe.
    """
    return from_yaml(read_text(path, expected="a recipe in YAML"), source=path.name)


def read_text(path: Path, *, expected: str) -> str:
    """The text of a file.

    Raises
    ------
    RecipeError
        If it cannot be read, with what was expected there.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise RecipeError(
            f"{path} cannot be read ({reason})", expected=expected, fix="check the path"
        ) from None


def change(recipe: Recipe, settings: str | Iterable[str] | Mapping[str, Any]) -> Recipe:
    """A copy of a recipe with some settings changed.

    The cross entropy in the loss follows ``target.kind``, for several classes need another one than a single
    object, unless ``loss.kind`` is among the settings.

    Parameters
    ----------
    recipe : Recipe
        What to start from.
    settings : str, iterable of str, or mapping
        ``"network.depth=3"`` strings, whose values are read as YAML, or ``{"network.depth": 3}``. A section
        that is given as a mapping changes what it names and keeps the rest.

    Raises
    ------
    RecipeError
        For an unknown key, a wrong value, or a setting without ``=``.

    Examples
    --------
    >>> change(Recipe(), ["network.depth=3", "training.minutes=5"]).network.depth
    3
    """
    values = recipe.to_dict()
    if isinstance(settings, str):
        settings = [settings]
    pairs = list(settings.items() if isinstance(settings, Mapping) else map(_parse, settings))
    for key, value in pairs:
        *sections, last = key.split(".")
        place = values
        for section in sections:
            if place.get(section, ...) is None:
                place[section] = {}
            place = place.get(section, ...)
            if not isinstance(place, dict):
                raise _unknown(key, "the settings")
        if last not in place and key not in recipe_keys():
            raise _unknown(key, "the settings")
        before = place.get(last)
        place[last] = before | value if isinstance(before, dict) and isinstance(value, dict) else value
    if not _names("loss", "kind", pairs):
        _fit_loss(values)
    return from_dict(values, source="the settings")


def recipe_keys() -> tuple[str, ...]:
    """All dotted keys of a recipe, sections included, in the order of the schema."""
    return tuple(_keys(Recipe, ""))


def _keys(model: type[BaseModel], prefix: str) -> Iterable[str]:
    for name, info in model.model_fields.items():
        yield prefix + name
        annotation = info.annotation
        for kind in (annotation, *get_args(annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _keys(kind, f"{prefix}{name}.")


def _parse(setting: str) -> tuple[str, Any]:
    key, equals, text = setting.partition("=")
    if not equals:
        raise RecipeError(
            f"the setting {setting!r} has no '='",
            expected="key=value",
            fix="write for example network.depth=3",
        )
    try:
        return key.strip(), yaml.safe_load(text)
    except _YAML_ERRORS:
        raise RecipeError(
            f"the value of {key.strip()} is {text!r}",
            expected="a number, a word or a [list]",
            fix="correct it",
        ) from None


def _names(section: str, key: str, pairs: Iterable[tuple[str, Any]]) -> bool:
    """Whether settings name a key, by its dotted name or in a mapping for its section."""
    return any(
        name == f"{section}.{key}" or (name == section and (not isinstance(value, dict) or key in value))
        for name, value in pairs
    )


def _fit_loss(values: dict[str, Any]) -> None:
    """Take the cross entropy that goes with the target: ce for several classes, of which rims are one."""
    target, loss = values["target"], values["loss"]
    if isinstance(target, dict):
        kind, separate = target.get("kind"), target.get("separate")
        several = kind == "multiclass" or (kind == "instances" and separate == "boundary")
        entropy = "ce" if several else "bce"
        parts = loss["kind"].split("+")
        loss["kind"] = "+".join(part if part == "dice" else entropy for part in parts)


def _unknown(key: str, source: str) -> RecipeError:
    name = max(recipe_keys(), key=lambda name: _likeness(key, name))
    if _likeness(key, name) < _LIKE:
        name = ""
    return RecipeError(
        f"unknown key {key!r} in {source}",
        expected=f"{name!r}" if name else "a key of the schema",
        fix="correct the name" if name else "see `unetscope presets --show default` for all keys",
    )


def _likeness(key: str, name: str) -> float:
    """0 to 2: how alike two dotted keys are as a whole, and how alike their last parts."""
    parts = key.rsplit(".", 1)[-1], name.rsplit(".", 1)[-1]
    return sum(difflib.SequenceMatcher(None, *pair).ratio() for pair in ((key, name), parts))


def _explain(error: ValidationError, source: str) -> RecipeError:
    problem = error.errors(include_url=False)[0]
    # Union branches and validators appear in the location as names that are no keys.
    parts = [str(part) for part in problem["loc"]]
    if problem["type"] == "extra_forbidden":
        return _unknown(".".join(parts), source)
    known = set(recipe_keys())
    key = ""
    for part in parts:
        longer = f"{key}.{part}" if key else part
        if longer not in known:
            break
        key = longer
    reason = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if problem["type"] == "value_error":
        return RecipeError(f"{key or 'wrong combination'} in {source}: {reason}")
    if problem["type"] == "missing":
        reason = "more numbers"
    return RecipeError(
        f"{key or 'a value'} is {problem['input']!r} in {source}", expected=reason, fix="correct the value"
    )
