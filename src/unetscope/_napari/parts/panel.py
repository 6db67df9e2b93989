"""What all dock widgets have in common: they scroll on small screens and say what happens in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QSize, Qt, Signal
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from unetscope._napari.parts.sentence import sentence_label
from unetscope._napari.session import Session

if TYPE_CHECKING:
    from napari.components import ViewerModel

__all__ = ["Panel"]


class Panel(QWidget):
    """Base of the dock widgets.

    Parameters
    ----------
    viewer : napari.Viewer

    Attributes
    ----------
    session : Session
        What the widgets of this viewer share.
    body : QVBoxLayout
        Where a widget puts its parts; it scrolls when the screen is too small for them.
    closed : Signal()
        The user has closed the widget: whatever it has begun must end.
    """

    closed = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.viewer = viewer
        self.session = Session.of(viewer)
        content = QWidget()
        self.body = QVBoxLayout(content)
        self.body.setContentsMargins(6, 6, 6, 6)
        area = _Area()
        area.setWidget(content)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.status = sentence_label()
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.status.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)
        layout.addWidget(self.status)

    def say(self, sentence: str) -> None:
        """Show a sentence below the widget's parts, until the next one; nothing for an empty one."""
        self.status.setText(sentence)
        self.status.setVisible(bool(sentence))

    def event(self, event: QEvent | None) -> bool:
        """Tell that the widget was closed, which for napari means to take it out of its dock."""
        if event is not None and (
            event.type() == QEvent.Type.Close
            or (event.type() == QEvent.Type.ParentChange and self.parent() is None)
        ):
            self.closed.emit()
        return bool(super().event(event))


class _Area(QScrollArea):
    """Scrolls up and down only, so it is never narrower than what it holds."""

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(self._width(), super().minimumSizeHint().height())

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(max(self._width(), super().sizeHint().width()), super().sizeHint().height())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))

    def _width(self) -> int:
        content, bar = self.widget(), self.verticalScrollBar()
        return (content.minimumSizeHint().width() if content else 0) + (bar.sizeHint().width() if bar else 0)
