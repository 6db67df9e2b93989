"""The wheel scrolls a panel; it does not change what happens to be under the mouse."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QWidget

__all__ = ["leave_wheel"]


def leave_wheel(*widgets: QWidget) -> None:
    """Leave the wheel to the panel that boxes and sliders lie in."""
    for widget in widgets:
        guard = _Guard(widget)
        for part in (widget, *widget.findChildren(QWidget)):
            part.installEventFilter(guard)


class _Guard(QObject):
    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
        if event is None or event.type() != QEvent.Type.Wheel:
            return bool(super().eventFilter(watched, event))
        # Qt asks the parent next.
        event.ignore()
        return True
