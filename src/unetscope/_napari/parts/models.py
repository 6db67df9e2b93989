"""What widgets say about the models that come with the package."""

from __future__ import annotations

import html
from pathlib import Path

from unetscope import api
from unetscope.errors import UNetScopeError

__all__ = ["explain_model"]


def explain_model(path: Path) -> str:
    """What a model finds, for a tooltip; its path where nobody has written that down."""
    try:
        story = api.read_card(path).about
    except UNetScopeError as error:
        return f"<p>{html.escape(str(error))}</p>"
    return f"<p>{html.escape(str(path) if story is None else story.description)}</p>"
