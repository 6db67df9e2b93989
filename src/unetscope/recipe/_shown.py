"""How a setting is shown to a person; widgets read it from the JSON schema of the recipe."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from pydantic.fields import FieldInfo

__all__ = ["plain_title", "shown"]


def shown(
    title: str | None = None,
    *,
    unit: str | None = None,
    none: str | None = None,
    example: Any = None,
    step: float | str | None = None,
    only: dict[str, tuple[str, ...]] | None = None,
) -> FieldInfo:
    """Words for a setting whose name, type and docstring do not say everything.

    Parameters
    ----------
    title : str, optional
        In plain words; the setting's name unless given.
    unit : str, optional
        What follows the number: ``"px"``, ``"min"``, ``"%"``.
    none : str, optional
        What it means when the setting is left out, as short as a number.
    example : value, optional
        Where to begin when a setting that is left out gets a value.
    step : number or "log", optional
        What an arrow adds; "log" goes 1, 2, 5, 10.
    only : mapping of key to values, optional
        The setting counts only while that key has one of these values. A key without a dot is a neighbor in
        the same section.
    """
    extra: dict[str, Any] = {"unit": unit, "none": none, "step": step, "only": only}
    return Field(
        title=title,
        examples=None if example is None else [example],
        json_schema_extra={key: value for key, value in extra.items() if value is not None},
    )


def plain_title(name: str, _: Any) -> str:
    """``learning_rate`` as "Learning rate"."""
    return name.replace("_", " ").capitalize()
