"""The pairs: their table, what can be done with several rows at once, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from unetscope._napari.dataset.dataset import Dataset
from unetscope._napari.dataset.entries import PARTS
from unetscope._napari.dataset.model import PART_WORDS, Column, PairModel
from unetscope._napari.dataset.table import PairTable
from unetscope._napari.parts.sentence import sentence_label
from unetscope.errors import InputError
from unetscope.recipe import Recipe

if TYPE_CHECKING:
    from napari.layers import Labels

__all__ = ["PairsPart", "sentences"]

_FRAMES = (
    "<p>Lets some slices of a stack, or time points, train and others validate, and leaves out those on "
    "which nothing is painted. Neighbors resemble each other, so validation scores flatter.</p>"
)


class PairsPart(QWidget):
    """The table of pairs and what belongs to it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = PairModel(self)
        self.table = PairTable(self.model)
        self.all_button, self.none_button = QPushButton("&All"), QPushButton("&None")
        self.rows_button = QPushButton("Selected &rows")
        self.frames = QCheckBox("Each slice or time &point is a pair of its own")
        self.counts, self.trouble = sentences(), sentences()
        self._explain()
        rows = QHBoxLayout()
        for button in (self.all_button, self.none_button, self.rows_button):
            rows.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.trouble)
        layout.addLayout(rows)
        layout.addWidget(self.counts)
        layout.addWidget(self.frames)
        self.all_button.clicked.connect(lambda: self._use_all(use=True))
        self.none_button.clicked.connect(lambda: self._use_all(use=False))
        self.table.selectionModel().currentRowChanged.connect(self._show_trouble)
        self.frames.hide()
        self.trouble.hide()

    def show_dataset(self, dataset: Dataset, choices: Sequence[Labels] = ()) -> None:
        """Show a dataset, with the same rows selected; see `PairModel.show`."""
        names = {self.model.row(place).name for place in self.table.selected}
        self.model.show(dataset, choices=choices)
        self.table.select([p for p in range(self.model.rowCount()) if self.model.row(p).name in names])
        self._show_trouble()
        self.frames.setVisible(self.frames.isChecked() or any(entry.frames > 1 for entry in dataset.entries))

    def describe(self, recipe: Recipe) -> None:
        """Say how many pairs there are, and what each would be for."""
        dataset = self.model.dataset
        self.counts.setText(dataset.describe(recipe) if dataset.entries or dataset.alone else "No pairs yet.")
        try:
            self.model.show_parts(dataset.parts(recipe) if dataset.chosen else ())
        except InputError:
            # The sentence with the counts says why.
            self.model.show_parts(())

    def _show_trouble(self) -> None:
        """Say what is wrong with the current row, which may be out of sight in the table."""
        place = self.table.current
        words = "" if place is None else self.model.trouble(place)
        self.trouble.setText(words)
        self.trouble.setVisible(bool(words))

    def _use_all(self, *, use: bool) -> None:
        self.model.change(range(len(self.model.dataset.entries)), use=use)

    def _change(self, **changes: Any) -> None:
        self.model.change(self.table.selected, **changes)

    def _explain(self) -> None:
        self.all_button.setToolTip("<p>Use all pairs that can be used.</p>")
        self.none_button.setToolTip("<p>Use no pair; then tick those that you want.</p>")
        self.rows_button.setToolTip(
            "<p>Change all selected rows at once. Select several with Shift or Ctrl.</p>"
        )
        self.frames.setToolTip(_FRAMES)
        menu = QMenu(self.rows_button)
        menu.addAction("Use", lambda: self._change(use=True))
        menu.addAction("Do not use", lambda: self._change(use=False))
        menu.addSeparator()
        for part in PARTS:
            menu.addAction(f"Part: {PART_WORDS[part]}", lambda part=part: self._change(split=part))
        menu.addSeparator()
        menu.addAction("Group…", lambda: self.table.edit_column(Column.GROUP))
        self.rows_button.setMenu(menu)


def sentences() -> QLabel:
    """A label for sentences that name files and layers, whose names may look like markup."""
    label = sentence_label()
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
