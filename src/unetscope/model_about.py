"""The story of a model that is passed on: what it is for, what it learned from, how good it is, its limits.

It lies in the provenance of a model file, so that it cannot get lost (Mitchell et al. 2019, Model Cards for
Model Reporting).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unetscope._words import count
from unetscope.errors import ModelError

__all__ = ["About", "DataSource", "HeldOut"]

Text = Annotated[str, Field(min_length=1)]
Images = Annotated[int, Field(ge=1)]


class _Part(BaseModel):
    """Frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class DataSource(_Part):
    """Images that a model learned from."""

    name: Text
    """What they are called."""
    source: Text
    """Where they come from: who published them, and where."""
    license: Text
    """Under which they may be used: ``"CC0"``."""
    images: Images
    """How many of them trained and validated."""


class HeldOut(_Part):
    """Scores on images that took no part in making the model."""

    data: Text
    """What they are called."""
    images: Images
    """How many."""
    objects: Annotated[int, Field(ge=1)] | None = None
    """How many objects in them, where objects are counted."""
    measured: Text
    """What the numbers are: over what, in which way, with which settings."""
    scores: dict[Text, float]
    """Name → value, the most important first."""

    @property
    def summary(self) -> str:
        """All of it in one line."""
        values = ", ".join(f"{name} {value:.3f}" for name, value in self.scores.items())
        return f"{values} on {count(self.images, 'held-out image')} ({self.data})"


class About(_Part):
    """What a person has to know of a model before using it."""

    title: Text
    """A few words."""
    description: Text
    """One line: what it finds, in which images."""
    data: Annotated[tuple[DataSource, ...], Field(min_length=1)]
    """What it learned from."""
    training: Text
    """How it was trained, and from which command it comes out again."""
    minutes: Annotated[float, Field(gt=0)]
    """How long that took."""
    held_out: Annotated[tuple[HeldOut, ...], Field(min_length=1)]
    """How good it is."""
    limits: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Where it fails, and what it was never shown; one sentence each."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, source: str) -> Self:
        """Build from what `to_dict` gives.

        Parameters
        ----------
        values : mapping
        source : str
            Name of the file, for messages.

        Raises
        ------
        ModelError
            If something is missing or wrong, naming the first.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            place = ".".join(map(str, problem["loc"])) or "all of it"
            raise ModelError(
                f"the description of {source} is not readable ({place})",
                expected="what this program wrote",
                fix="copy the file again, or update unetscope",
            ) from None

    @property
    def licenses(self) -> tuple[str, ...]:
        """Licenses of the data, each once."""
        return tuple(dict.fromkeys(each.license for each in self.data))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts, ready for JSON."""
        return self.model_dump(mode="json")

    def to_markdown(self, facts: Mapping[str, object] | None = None) -> str:
        """The whole story as a page.

        Parameters
        ----------
        facts : mapping, optional
            Of the file itself, such as size and channels; shown below the description.
        """
        data = [
            f"- {each.name}: {count(each.images, 'image')}, {each.license}. {each.source}"
            for each in self.data
        ]
        blocks = [f"# {self.title}", self.description]
        if facts:
            blocks.append("\n".join(f"- {name}: {value}" for name, value in facts.items()))
        blocks += ["## What it learned from", "\n".join(data)]
        blocks += ["## How it was trained", f"{self.training} It took {self.minutes:.3g} minutes."]
        blocks += ["## How good it is", *map(_table, self.held_out)]
        blocks += ["## Limits", "\n".join(f"- {limit}" for limit in self.limits)]
        return "\n\n".join(blocks) + "\n"


def _table(held_out: HeldOut) -> str:
    """Scores of one set of images, in Markdown."""
    objects = "" if held_out.objects is None else f" with {count(held_out.objects, 'object')}"
    head = f"{held_out.data}: {count(held_out.images, 'image')}{objects} that took no part in the training."
    rows = [held_out.scores, ["---"] * len(held_out.scores), [f"{v:.3f}" for v in held_out.scores.values()]]
    return "\n".join([f"{head} {held_out.measured}", "", *(f"| {' | '.join(row)} |" for row in rows)])
