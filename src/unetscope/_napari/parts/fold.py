"""A title that shows and hides what is below it."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

__all__ = ["Fold"]


class Fold(QWidget):
    """Widgets under a title; folded until somebody clicks on it, or presses space there.

    `superqt.QCollapsible` paints its arrow once, in the colors that the theme then had, and folds into each
    other leave gaps.

    Parameters
    ----------
    title : str
    *parts : QWidget

    Attributes
    ----------
    toggled : Signal(bool)
        Whether the parts are shown now.
    """

    toggled = Signal(bool)

    def __init__(self, title: str, *parts: QWidget) -> None:
        super().__init__()
        self.title = QToolButton()
        self.title.setText(title)
        self.title.setCheckable(True)
        self.title.setAutoRaise(True)
        self.title.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.title.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.title.setArrowType(Qt.ArrowType.RightArrow)
        self.title.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._content = QWidget()
        self._content.hide()
        self._inside = QVBoxLayout(self._content)
        self._inside.setContentsMargins(12, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.title)
        layout.addWidget(self._content)
        for part in parts:
            self._inside.addWidget(part)
        self.title.toggled.connect(self._show)

    @property
    def expanded(self) -> bool:
        """Whether the parts are shown."""
        return bool(self.title.isChecked())

    def expand(self, *, expanded: bool = True) -> None:
        """Show the parts, or hide them."""
        self.title.setChecked(expanded)

    def _show(self, expanded: bool) -> None:  # noqa: FBT001 - a Qt slot
        self.title.setArrowType(Qt.ArrowType.DownArrow if expanded else Qt.ArrowType.RightArrow)
        self._content.setVisible(expanded)
        self.toggled.emit(expanded)
