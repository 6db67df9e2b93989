"""The models that come with the program, as a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unetscope.model_about import HeldOut

__all__ = ["as_text"]


def as_text(models: Sequence[Mapping[str, Any]]) -> str:
    """A few lines about each model.

    Parameters
    ----------
    models : sequence of mapping
        From `unetscope.cards.describe_models`.
    """
    if not models:
        return "This version comes without models."
    return "\n".join(line for model in models for line in _lines(model))


def _lines(model: Mapping[str, Any]) -> list[str]:
    diameter = model["diameter"]
    size = "" if diameter is None else f"objects of about {diameter:.3g} px, "
    facts = f"{size}{', '.join(model['channels'])}, {model['bytes'] / 1e6:.1f} MB, "
    scores = [HeldOut.model_validate(each).summary for each in model["held_out"]]
    return [
        f"{model['name']:16} {model['description']}",
        *(f"{'':16} {line}" for line in (f"{facts}data {' and '.join(model['licenses'])}", *scores)),
    ]
