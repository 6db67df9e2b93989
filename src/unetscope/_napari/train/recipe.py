"""The part of the Train widget that shows the recipe and changes it."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from unetscope._napari.parts.buttons import push_button
from unetscope._napari.parts.editors import ChoiceBox
from unetscope._napari.parts.fields import sections
from unetscope._napari.parts.fold import Fold
from unetscope._napari.parts.form import FormBinding, RecipeForm
from unetscope._napari.session import Session
from unetscope.errors import UNetScopeError
from unetscope.io.write import write_text
from unetscope.recipe import to_yaml
from unetscope.recipe.presets import PRESETS, describe_preset

__all__ = ["RecipePart"]

_AUTO = "Planned for your data: normalization, network and training are chosen to suit it."
_UNPLANNED = "All other settings are planned when training starts."
_FILES = "Recipes (*.yaml *.yml)"
# What most people set; everything else is folded.
_BUDGET = ("training.minutes",)
_FRONT = ("training.epochs", "target.kind", "network.dimensions")


class RecipePart(QWidget):
    """Where the recipe begins, the settings that matter, and all others folded.

    Parameters
    ----------
    session : Session
    say : callable
        Told, in one sentence, what went wrong or was done.

    Attributes
    ----------
    plan_wanted : Signal()
        The user wants to see what would be planned.
    """

    plan_wanted = Signal()

    def __init__(self, session: Session, say: Callable[[str], None]) -> None:
        super().__init__()
        self._session = session
        self._say = say
        self._editable = True
        self.basis = ChoiceBox()
        self.plan_button = push_button(
            "Show pla&n", "Look at the data now and show every setting that auto chooses."
        )
        self.reset_button = push_button("&Reset", "Take back all changes, which are those in bold.")
        self.open_button = push_button(
            "&Open recipe…", "Begin with a recipe file (YAML), such as one that was saved here."
        )
        self.save_button = push_button(
            "Sav&e recipe…", "Write all settings to a YAML file that the command line takes too."
        )
        self._planned_later = QLabel(_UNPLANNED)
        self._planned_later.setWordWrap(True)
        self._about = QLabel()
        self._about.setWordWrap(True)
        self._about.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._about_fold = Fold("About this recipe", self._about)
        self.forms = {"budget": RecipeForm(_BUDGET), "front": RecipeForm(_FRONT)}
        self._folds = [self._section(name, *words) for name, words in sections().items()]
        self._arrange()
        self._binding = FormBinding(session, *self.forms.values())
        self._fill_basis()
        self._connect()
        self._follow()

    def set_editable(self, editable: bool) -> None:  # noqa: FBT001 - as Qt's setters
        """Let the recipe be changed, or only be looked at."""
        self._editable = editable
        for form in self.forms.values():
            form.setEnabled(editable)
        self._follow()

    def save(self, path: Path) -> None:
        """Write the recipe as it is now.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        # The dialog has asked whether the file may be replaced.
        write_text(path, to_yaml(self._session.recipe), overwrite=True)
        self._say(f"The recipe is in {path}.")

    def begin_with(self, basis: str) -> None:
        """Begin with another recipe as if a person had chosen it; the time budget stays."""
        budget = {name: value for name, value in self._session.changes.items() if name in _BUDGET}
        self._begin_with(basis, budget)

    def _begin_with(self, basis: str, changes: dict[str, object]) -> None:
        try:
            self._session.begin_with(basis, changes)
        except UNetScopeError as error:
            self._say(str(error))
        else:
            self._say("")
        self._binding.forget()
        self._follow()

    def _arrange(self) -> None:
        top = QFormLayout()
        top.setContentsMargins(0, 0, 0, 0)
        label = QLabel("Rec&ipe")
        label.setBuddy(self.basis)
        top.addRow(label, self.basis)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        for part in (self.forms["budget"], self.forms["front"]):
            layout.addWidget(part)
        later = QHBoxLayout()
        later.addWidget(self._planned_later, 1)
        later.addWidget(self.plan_button)
        layout.addLayout(later)
        self.forms["seed"] = RecipeForm(("seed",))
        self._all = Fold("All settings", *self._folds, self.forms["seed"])
        layout.addWidget(self._about_fold)
        layout.addWidget(self._all)
        buttons = QHBoxLayout()
        for button in (self.open_button, self.save_button, self.reset_button):
            buttons.addWidget(button)
        layout.addLayout(buttons)

    def _connect(self) -> None:
        self.basis.activated.connect(self._choose)
        self.plan_button.clicked.connect(self.plan_wanted)
        self.reset_button.clicked.connect(self._reset)
        self.open_button.clicked.connect(self._ask_what_to_open)
        self.save_button.clicked.connect(self._ask_where_to_save)
        self._session.recipe_changed.connect(self._follow)
        self._session.dataset_changed.connect(self._follow)

    def _section(self, name: str, title: str, explanation: str) -> Fold:
        self.forms[name] = RecipeForm((name,))
        section = Fold(title, self.forms[name])
        section.title.setToolTip(f"<p>{html.escape(explanation)}</p>")
        return section

    def _fill_basis(self) -> None:
        self.basis.addItem("auto", "auto")
        self.basis.setItemData(0, _AUTO, Qt.ItemDataRole.ToolTipRole)
        for name in PRESETS:
            self.basis.addItem(name, name)
            summary = describe_preset(name).splitlines()[0]
            self.basis.setItemData(self.basis.count() - 1, summary, Qt.ItemDataRole.ToolTipRole)

    def _choose(self, index: int) -> None:
        basis = self.basis.itemData(index)
        if basis != self._session.basis:
            self.begin_with(basis)

    def _reset(self) -> None:
        self._begin_with(self._session.basis, {})

    def _ask_what_to_open(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open recipe", "", _FILES)
        if name:
            self.begin_with(name)

    def _ask_where_to_save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Save recipe", f"{self._session.recipe.name}.yaml", _FILES
        )
        if not name:
            return
        try:
            self.save(Path(name))
        except UNetScopeError as error:
            self._say(str(error))

    def _follow(self, _: object = None) -> None:
        """Show what the session holds."""
        session = self._session
        self._show_basis(session.basis)
        unplanned = session.basis == "auto" and session.plan is None
        for part in (self._planned_later, self.plan_button):
            part.setVisible(unplanned)
        for part in (self.forms["front"], self._all, self._about_fold):
            part.setVisible(not unplanned)
        for part in (self.basis, self.open_button):
            part.setEnabled(self._editable)
        self.plan_button.setEnabled(self._editable and session.dataset is not None)
        self.reset_button.setEnabled(self._editable and session.is_changed)
        self.save_button.setEnabled(not unplanned)
        self._about.setText(_about(session))

    def _show_basis(self, basis: str) -> None:
        index = self.basis.findData(basis)
        if index < 0:
            index = self.basis.count()
            with QSignalBlocker(self.basis):
                self.basis.addItem(Path(basis).name, basis)
            self.basis.setItemData(index, basis, Qt.ItemDataRole.ToolTipRole)
        self.basis.setCurrentIndex(index)
        self.basis.setToolTip(f"<p>Where the settings begin.</p><p>{html.escape(_summary(basis))}</p>")


def _summary(basis: str) -> str:
    if basis == "auto":
        return _AUTO
    return describe_preset(basis).splitlines()[0] if basis in PRESETS else basis


def _about(session: Session) -> str:
    """Why auto chose these values, or what the report says that a preset is from."""
    if session.basis == "auto":
        return "" if session.plan is None else "\n".join(f"• {reason}" for reason in session.plan.reasons)
    if session.basis in PRESETS:
        # Lines of the docstring are wrapped by the label.
        paragraphs = describe_preset(session.basis).split("\n\n")
        return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    return f"From the file {session.basis}."
