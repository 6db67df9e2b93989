"""What the built-in experiments have in common."""

from __future__ import annotations

import inspect
from typing import Any, TypedDict

from unetscope.experiments.experiment import Arm, Budget, Contrast

__all__ = ["FULL", "auto", "is_auto_better", "words"]

FULL = Budget(about="The lengths of the report, not ended by the clock; auto takes its usual 10 minutes.")


class _Words(TypedDict):
    title: str
    document: str


def words(text: str | None) -> _Words:
    """Title and document of an experiment from a module's docstring, whose first line is the title."""
    title, _, document = inspect.cleandoc(text or "").partition("\n\n")
    return {"title": title.removesuffix("."), "document": document}


def auto(settings: dict[str, Any] | None = None, *, about: str = "") -> Arm:
    """The arm of our default; its settings say what is asked of it, not how it is done."""
    return Arm(settings=settings or {}, about=f"Our default, planned for these images. {about}".strip())


def is_auto_better(
    *than: str, metric: str = "dice", conditions: tuple[str | None, ...] = (None,)
) -> tuple[Contrast, ...]:
    """Ask whether our default is better than arms of the report, under each of the conditions."""
    return tuple(
        Contrast(
            better="auto",
            than=arm,
            metric=metric,
            condition=condition,
            question=f"Is auto better than {arm!r}{f', {condition}' if condition else ''}?",
        )
        for condition in conditions
        for arm in than
    )
