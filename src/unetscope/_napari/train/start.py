"""The part of the Train widget that says which weights the training begins with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QFileDialog, QFormLayout, QLabel, QWidget

from unetscope import api
from unetscope._napari.parts.editors import ChoiceBox
from unetscope._napari.parts.models import explain_model
from unetscope._napari.session import Session
from unetscope.errors import UNetScopeError

__all__ = ["StartPart"]

_NEW = "The network knows nothing yet, and learns from your images alone."
_FILTER = "Models (*.safetensors)"
# What asks for a file; no model.
_ASK = "file"


class StartPart(QWidget):
    """A new network, a model that comes along, or one from a file.

    Parameters
    ----------
    session : Session
    say : callable
        Told, in one sentence, what went wrong.
    """

    def __init__(self, session: Session, say: Callable[[str], None]) -> None:
        super().__init__()
        self._session = session
        self._say = say
        self.models = ChoiceBox()
        self.models.setToolTip(
            "<p>Whose weights the training begins with. A model that has learned similar images needs fewer "
            "of yours, and less time; network, normalization and what is told apart are then its own.</p>"
        )
        self.models.setSizeAdjustPolicy(ChoiceBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.models.setMinimumContentsLength(12)
        label = QLabel("Start &from")
        label.setBuddy(self.models)
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addRow(label, self.models)
        self.models.activated.connect(self._choose)
        session.start_changed.connect(self._follow)
        self._follow()

    def begin_with(self, path: Path | None) -> None:
        """Begin with a model, or with new weights, as if a person had chosen it."""
        try:
            if path is not None:
                api.read_card(path)
        except UNetScopeError as error:
            self._say(str(error))
            self._follow()
        else:
            self._say("")
            self._session.start = path

    def _choose(self, index: int) -> None:
        chosen = self.models.itemData(index)
        if chosen != _ASK:
            self.begin_with(chosen)
            return
        name, _ = QFileDialog.getOpenFileName(self, "Start from a model", "", _FILTER)
        if name:
            self.begin_with(Path(name))
        else:
            self._follow()

    def _follow(self, _: object = None) -> None:
        """Show what the session holds."""
        chosen, shipped = self._session.start, api.shipped_models()
        items: list[tuple[str, Path | None, str]] = [("new network", None, _NEW)]
        items += [(name, path, explain_model(path)) for name, path in shipped.items()]
        if chosen is not None and chosen not in shipped.values():
            items.append((_name(chosen), chosen, str(chosen)))
        with QSignalBlocker(self.models):
            self.models.clear()
            for index, (text, path, explanation) in enumerate(items):
                self.models.addItem(text, path)
                self.models.setItemData(index, explanation, Qt.ItemDataRole.ToolTipRole)
            self.models.addItem("a model file…", _ASK)
            self.models.setCurrentIndex([path for _, path, _ in items].index(chosen))


def _name(path: Path) -> str:
    try:
        return api.model_name(path)
    except UNetScopeError:
        return path.name
