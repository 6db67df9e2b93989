"""A label for sentences."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel, QSizePolicy

__all__ = ["sentence_label"]


def sentence_label(text: str = "") -> QLabel:
    """Make a label that wraps a long sentence, instead of making the dock wider."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label
