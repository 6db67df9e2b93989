"""Buttons that explain themselves, and things side by side."""

from __future__ import annotations

import html
from collections.abc import Callable

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

__all__ = ["push_button", "side_by_side"]


def push_button(text: str, explanation: str, action: Callable[[], object] | None = None) -> QPushButton:
    """A button with a tooltip.

    Parameters
    ----------
    text : str
        With ``&`` before the letter of its shortcut.
    explanation : str
        A sentence or two, in plain text.
    action : callable, optional
        What it does.
    """
    button = QPushButton(text)
    # As rich text, which Qt breaks into lines.
    button.setToolTip(f"<p>{html.escape(explanation)}</p>")
    if action is not None:
        button.clicked.connect(lambda _: action())
    return button


def side_by_side(*parts: QWidget) -> QWidget:
    """Widgets side by side, without margins."""
    widget = QWidget()
    layout = QHBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        layout.addWidget(part)
    return widget
