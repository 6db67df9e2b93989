"""The part of the Experiments widget that says what is compared, on which data, and for how long."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from unetscope._napari.experiments.choices import (
    CUSTOM,
    Choice,
    built_in,
    cost,
    current_recipe,
    names,
    recipe_file,
    recipes,
)
from unetscope._napari.parts.buttons import push_button, side_by_side
from unetscope._napari.parts.editors import ChoiceBox
from unetscope._napari.parts.fold import Fold
from unetscope._napari.parts.sentence import sentence_label
from unetscope._napari.parts.wheel import leave_wheel
from unetscope._napari.session import Session
from unetscope.errors import UNetScopeError
from unetscope.experiments import Arm, Experiment

__all__ = ["SetupPart"]

_MINUTES = "minutes each"
_KINDS = {
    "as in the masks": None,
    "one kind of object": "binary",
    "several classes": "multiclass",
    "separate objects": "instances",
}
_MOST_ROWS = 7
_CUSTOM_TITLE = "Train the ticked recipes alike on one dataset, and tell which is better."
_RECIPES = "Recipes (*.yaml *.yml)"


class SetupPart(QWidget):
    """Which recipes, how many seeds, how many minutes.

    Parameters
    ----------
    session : Session
        Its recipe can be compared, too.
    say : callable
        Told, in one sentence, what went wrong.
    kept : mapping
        What `settings` gave the last time.

    Attributes
    ----------
    changed : Signal()
        Something else is chosen.
    """

    changed = Signal()

    def __init__(self, session: Session, say: Callable[[str], None], kept: Mapping[str, Any]) -> None:
        super().__init__()
        self._session = session
        self._say = say
        self._custom = recipes()
        # Names of the arms that are not ticked, by experiment.
        self._off: dict[str, set[str]] = {CUSTOM: set(self._custom) - {"auto"}}
        self._make_editors()
        self._arrange()
        self._recall(kept)
        self._show_experiment()
        self.budget.setCurrentText(kept.get("budget", ""))
        self._explain_budget()
        self._connect()
        self._tell()

    @property
    def choice(self) -> Choice:
        """What is chosen now."""
        budget = self.budget.currentText()
        return Choice(
            self.which.currentText(),
            {name: arm for name, arm in self._arms.items() if name not in self._unticked},
            self._seeds(),
            "" if budget == _MINUTES else budget,
            self.minutes.value() if budget == _MINUTES else None,
        )

    @property
    def kind(self) -> str | None:
        """How the masks are to be read, for a comparison of one's own; None for as a plan says."""
        return _KINDS[self.masks.currentText()]

    @property
    def all_arms(self) -> int:
        """How many arms there are to tick."""
        return len(self._arms)

    def settings(self) -> dict[str, Any]:
        """What should survive a restart."""
        return {
            "experiment": self.which.currentText(),
            "budget": self.budget.currentText(),
            "minutes": self.minutes.value(),
            "seeds": self.seeds.value(),
            "masks": self.masks.currentText(),
            "files": [arm.recipe for arm in self._custom.values() if arm.recipe.endswith((".yaml", ".yml"))],
            "off": sorted(self._off[CUSTOM]),
        }

    def choose(self, name: str) -> None:
        """Choose an experiment as if a person had."""
        self.which.setCurrentText(name)
        self._begin_anew()

    def tick(self, names: Sequence[str]) -> None:
        """Tick these arms, and no others."""
        for row in range(self.arms.count()):
            item = self.arms.item(row)
            assert item is not None
            ticked = item.text() in names
            item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)

    def add_file(self, path: Path) -> None:
        """Add the recipe of a file to those that can be compared, and tick it."""
        try:
            name, arm = recipe_file(path, self._custom)
        except UNetScopeError as error:
            self._say(str(error))
        else:
            self._add(name, arm)

    def add_current(self) -> None:
        """Add the recipe of the session as it is now, and tick it."""
        self._add(*current_recipe(self._session.basis, self._session.changes, self._custom))

    def _add(self, name: str, arm: Arm) -> None:
        self._say("")
        self._custom[name] = arm
        self._show_experiment()
        item = self.arms.item(self.arms.count() - 1)
        if item is not None:
            self.arms.scrollToItem(item)

    @property
    def _experiment(self) -> Experiment | None:
        """The built-in experiment that is chosen."""
        name = self.which.currentText()
        return None if name == CUSTOM else built_in(name)

    @property
    def _arms(self) -> dict[str, Arm]:
        experiment = self._experiment
        return self._custom if experiment is None else experiment.arms

    @property
    def _unticked(self) -> set[str]:
        return self._off.setdefault(self.which.currentText(), set())

    def _seeds(self) -> tuple[int, ...]:
        """As many as wanted: those of the experiment, and then the next numbers."""
        known = self._known_seeds()[: self.seeds.value()]
        more = (seed for seed in range(10**6) if seed not in known)
        return (*known, *(next(more) for _ in range(self.seeds.value() - len(known))))

    def _known_seeds(self) -> tuple[int, ...]:
        experiment = self._experiment
        if experiment is None:
            return ()
        budget = experiment.budgets.get(self.budget.currentText())
        return (budget.seeds if budget is not None else None) or experiment.seeds

    def _make_editors(self) -> None:
        self.which = ChoiceBox()
        self.which.addItems(names())
        self.which.setToolTip(
            "<p>The experiments of five published reports, or a comparison of recipes of your choice.</p>"
        )
        self.title = sentence_label()
        self.document = sentence_label()
        self.document.setTextFormat(Qt.TextFormat.MarkdownText)
        self.document.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.about = Fold("About this experiment", self.document)
        self.arms = QListWidget()
        self.arms.setAccessibleName("Recipes to compare")
        self.arms.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.file_button = push_button(
            "Add recipe &file…", "Compare a recipe file (YAML) too, such as one saved in 3 Train."
        )
        self.current_button = push_button(
            "Add &current recipe", "Compare the recipe that 3 Train shows, with all that was changed there."
        )
        self.budget = ChoiceBox()
        self.minutes = QDoubleSpinBox()
        self.minutes.setRange(0.1, 10_000)
        self.minutes.setDecimals(1)
        self.minutes.setValue(3)
        self.minutes.setToolTip("<p>How long each training takes at most.</p>")
        self.seeds = QSpinBox()
        self.seeds.setRange(1, 20)
        self.seeds.setValue(3)
        self.seeds.setToolTip(
            "<p>How often each recipe is trained, each time from other random numbers. With one training of "
            "each, nobody knows whether a difference is more than chance.</p>"
        )
        self.masks = ChoiceBox()
        self.masks.addItems(list(_KINDS))
        self.masks.setToolTip(
            "<p>How masks are read for the scores: every value above 0 is the object, each value is a class, "
            "or each value is an object of its own.</p>"
        )
        self.cost = sentence_label()
        leave_wheel(self.minutes, self.seeds)

    def _arrange(self) -> None:
        self.form = QFormLayout()
        self.form.setContentsMargins(0, 0, 0, 0)
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.form.addRow(_label("E&xperiment", self.which), self.which)
        self.buttons = side_by_side(self.file_button, self.current_button)
        self._masks_label = _label("&Masks hold", self.masks)
        below = QFormLayout()
        below.setContentsMargins(0, 0, 0, 0)
        below.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        below.addRow(_label("Bud&get", self.budget), side_by_side(self.budget, self.minutes))
        below.addRow(_label("&Seeds", self.seeds), self.seeds)
        below.addRow(self._masks_label, self.masks)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self.form)
        for part in (self.title, self.about, self.arms, self.buttons):
            layout.addWidget(part)
        layout.addLayout(below)

    def _recall(self, kept: Mapping[str, Any]) -> None:
        if kept.get("experiment") in names():
            self.which.setCurrentText(kept["experiment"])
        self.minutes.setValue(float(kept.get("minutes", self.minutes.value())))
        self.seeds.setValue(int(kept.get("seeds", self.seeds.value())))
        if kept.get("masks") in _KINDS:
            self.masks.setCurrentText(kept["masks"])
        for file in kept.get("files", ()):
            # A file may be gone since; that is no news for who has just opened the widget.
            if Path(file).is_file():
                self.add_file(Path(file))
        self._off[CUSTOM] = set(kept.get("off", self._off[CUSTOM]))

    def _connect(self) -> None:
        self.which.activated.connect(lambda _: self._begin_anew())
        self.budget.activated.connect(lambda _: self._follow_budget())
        self.arms.itemChanged.connect(self._take_tick)
        self.minutes.valueChanged.connect(self._tell)
        self.seeds.valueChanged.connect(self._tell)
        self.masks.activated.connect(self._tell)
        self.file_button.clicked.connect(self._ask_for_file)
        self.current_button.clicked.connect(self.add_current)

    def _begin_anew(self) -> None:
        """Show another experiment, with the budget that fits most computers and as many seeds as it has."""
        with QSignalBlocker(self.budget):
            self.budget.clear()
        self._show_experiment()
        self.seeds.setValue(len(self._known_seeds()) or self.seeds.value())

    def _show_experiment(self) -> None:
        experiment = self._experiment
        self.title.setText(_CUSTOM_TITLE if experiment is None else experiment.title)
        self.document.setText("" if experiment is None else experiment.document)
        self.about.setVisible(experiment is not None and bool(experiment.document))
        for part in (self.buttons, self.masks, self._masks_label):
            part.setVisible(experiment is None)
        self._fill_arms()
        self._fill_budgets(experiment)
        self._tell()

    def _fill_arms(self) -> None:
        with QSignalBlocker(self.arms):
            self.arms.clear()
            for name, arm in self._arms.items():
                item = QListWidgetItem(name)
                item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
                off = name in self._unticked
                item.setCheckState(Qt.CheckState.Unchecked if off else Qt.CheckState.Checked)
                item.setToolTip(f"<p>{html.escape(arm.about or arm.recipe)}</p>")
                self.arms.addItem(item)
        row = max(self.arms.sizeHintForRow(0), self.fontMetrics().height())
        rows = min(self.arms.count(), _MOST_ROWS)
        self.arms.setFixedHeight(rows * row + 2 * self.arms.frameWidth() + 4)

    def _fill_budgets(self, experiment: Experiment | None) -> None:
        before = self.budget.currentText()
        budgets = {} if experiment is None else experiment.budgets
        with QSignalBlocker(self.budget):
            self.budget.clear()
            self.budget.addItems([*sorted(budgets, key=_fits_first), _MINUTES])
            for row in range(self.budget.count()):
                known = budgets.get(self.budget.itemText(row))
                self.budget.setItemData(row, known.about if known else "", Qt.ItemDataRole.ToolTipRole)
            if self.budget.findText(before) >= 0:
                self.budget.setCurrentText(before)
        self._explain_budget()

    def _follow_budget(self) -> None:
        self._explain_budget()
        self.seeds.setValue(len(self._known_seeds()) or self.seeds.value())
        self._tell()

    def _explain_budget(self) -> None:
        about = self.budget.currentData(Qt.ItemDataRole.ToolTipRole) or "How long each training takes."
        self.budget.setToolTip(f"<p>{html.escape(about)}</p>")
        self.minutes.setVisible(self.budget.currentText() == _MINUTES)

    def _take_tick(self, item: QListWidgetItem) -> None:
        if item.checkState() == Qt.CheckState.Checked:
            self._unticked.discard(item.text())
        else:
            self._unticked.add(item.text())
        self._tell()

    def _tell(self, _: object = None) -> None:
        try:
            self.cost.setText(cost(self.choice))
        except UNetScopeError as error:
            self.cost.setText(str(error))
        self.changed.emit()

    def _ask_for_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Add a recipe", "", _RECIPES)
        if name:
            self.add_file(Path(name))


def _fits_first(budget: str) -> tuple[bool, str]:
    """What fits a common computer comes first: it is chosen unless the user knows better."""
    return budget != "cpu", budget


def _label(text: str, buddy: QWidget) -> QLabel:
    label = QLabel(text)
    label.setBuddy(buddy)
    return label
