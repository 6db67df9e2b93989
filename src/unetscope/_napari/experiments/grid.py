"""The part of the Experiments widget that shows how far an experiment is: every cell, and its curves."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QPalette, QResizeEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QProgressBar,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from unetscope._napari.experiments.cells import CellState, ExperimentWatcher, Key, progress_sentence
from unetscope._napari.parts.plots import CurvePlot
from unetscope._napari.parts.sentence import sentence_label
from unetscope._napari.train.runs import describe_time

__all__ = ["GridPart"]

_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEAST_NAME = 90
_MOST_ROWS = 8
_KEY = Qt.ItemDataRole.UserRole
_HELP = (
    "<p>A row for each recipe, a column for each seed. What is done has its score on the test images, what "
    "is trained now the epoch and the best Dice so far on the validation images. Click one to see its "
    "curves; double-click one that is done to predict with its model.</p>"
)


class GridPart(QWidget):
    """State, time left, arms × seeds, and the curves of one cell.

    Attributes
    ----------
    chosen : Signal(str, int)
        The user wants the model of this cell.
    shown : (str, int) or None
        The cell whose curves the user wants to see; None for the one in training.
    """

    chosen = Signal(str, int)
    looked_at = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.shown: Key | None = None
        self._watcher: ExperimentWatcher | None = None
        self._scores: Mapping[Key, float] = {}
        self._layout: tuple[tuple[str, ...], tuple[int, ...]] = ((), ())
        self.state = sentence_label()
        self.bar = QProgressBar()
        self.bar.setFormat("%v of %m")
        self.bar.setToolTip("<p>How many of the trainings are done.</p>")
        self.table = _table()
        self.caption = sentence_label()
        self.curves = CurvePlot()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.state, self.bar, self.table, self.caption, self.curves):
            layout.addWidget(part)
        # Epochs may take minutes, and the time that is left is told meanwhile.
        self._clock = QTimer(self)
        self._clock.setInterval(1000)
        self._clock.timeout.connect(self._tell)
        self.table.cellClicked.connect(self._look_at)
        self.table.cellDoubleClicked.connect(self._choose)
        self.begin()

    def begin(self, watcher: ExperimentWatcher | None = None) -> None:
        """Show another experiment, of which nothing is known yet."""
        self._watcher, self._scores, self.shown = watcher, {}, None
        self._layout = ((), ())
        self.table.setRowCount(0)
        self.table.hide()
        self._hide_curves()
        self.bar.setRange(0, 0)
        self._tell()
        if watcher is not None:
            self._clock.start()

    def end(self) -> None:
        """Tell the time no longer; nothing changes any more."""
        self._clock.stop()
        self._tell()
        if self._watcher is not None and not self._watcher.states:
            self.bar.setRange(0, 1)

    def show_states(self) -> None:
        """Show what has changed."""
        if self._watcher is None:
            return
        states = self._watcher.states
        self._fit(states)
        for state in states:
            self._show(state)
        self.table.share_width()
        self.bar.setRange(0, max(len(states), 1))
        self.bar.setValue(self._watcher.done)
        self._tell()

    def show_scores(self, scores: Mapping[Key, float]) -> None:
        """Show the scores of cells that are done."""
        self._scores = scores
        self.show_states()

    def show_history(self, key: Key, history: Sequence[Mapping[str, Any]]) -> None:
        """Show the curves of a cell."""
        self.caption.setText(f"{key[0]}, seed {key[1]}" if history else "")
        self.caption.setVisible(bool(history))
        self.curves.setVisible(bool(history))
        if history:
            self.curves.show_history(history)

    @property
    def wanted(self) -> Key | None:
        """The cell whose curves are to be shown."""
        if self.shown is not None or self._watcher is None:
            return self.shown
        return self._watcher.current

    def _hide_curves(self) -> None:
        self.curves.clear()
        self.curves.hide()
        self.caption.hide()

    def _tell(self) -> None:
        if self._watcher is not None:
            self.state.setText(progress_sentence(self._watcher))

    def _fit(self, states: Sequence[CellState]) -> None:
        """Rows and columns for these cells."""
        arms = tuple(dict.fromkeys(state.arm for state in states))
        seeds = tuple(dict.fromkeys(state.seed for state in states))
        if (arms, seeds) == self._layout:
            return
        self._layout = arms, seeds
        self.table.setRowCount(len(arms))
        self.table.setColumnCount(1 + len(seeds))
        self.table.setHorizontalHeaderLabels(["Recipe", *(f"Seed {seed}" for seed in seeds)])
        for row, arm in enumerate(arms):
            item = QTableWidgetItem(arm)
            item.setTextAlignment(_LEFT)
            item.setToolTip(f"<p>{html.escape(arm)}</p>")
            self.table.setItem(row, 0, item)
        self.table.show()

    def _show(self, state: CellState) -> None:
        arms, seeds = self._layout
        row, column = arms.index(state.arm), 1 + seeds.index(state.seed)
        item = self.table.item(row, column)
        if item is None:
            item = QTableWidgetItem()
            item.setTextAlignment(_RIGHT)
            item.setData(_KEY, state.key)
            self.table.setItem(row, column, item)
        item.setText(state.words(self._scores.get(state.key)))
        item.setToolTip(f"<p>{html.escape(_tip(state))}</p>")
        font = item.font()
        font.setBold(state.state in ("training", "scoring"))
        item.setFont(font)
        waiting = state.state in ("waiting", "stopped")
        group = QPalette.ColorGroup.Disabled if waiting else QPalette.ColorGroup.Active
        item.setForeground(self.palette().brush(group, QPalette.ColorRole.Text))

    def _key(self, row: int, column: int) -> Key | None:
        item = self.table.item(row, column)
        key = None if item is None else item.data(_KEY)
        return None if key is None else (str(key[0]), int(key[1]))

    def _look_at(self, row: int, column: int) -> None:
        key = self._key(row, column)
        # The name of a recipe leads back to what is trained now.
        self.shown = None if self._watcher is not None and key == self._watcher.current else key
        self.looked_at.emit()

    def _choose(self, row: int, column: int) -> None:
        key = self._key(row, column)
        if key is not None:
            self.chosen.emit(*key)


def _tip(state: CellState) -> str:
    """All that is known of a cell."""
    parts = [f"{state.arm}, seed {state.seed}: {state.state}"]
    if state.epoch > 0:
        parts.append(f"{state.epoch} epochs")
    if state.dice is not None:
        parts.append(f"best Dice on the validation images {state.dice:.3f}")
    if state.seconds:
        parts.append(describe_time(state.seconds))
    return ". ".join(filter(None, [", ".join(parts), state.reason]))


class _Table(QTableWidget):
    """As much room for each seed as it needs, the rest for the names of the recipes, and no empty rows."""

    def share_width(self) -> None:
        """Share the room between the columns, and make room for a scroll bar if it is too little."""
        self.resizeColumnsToContents()
        seeds = range(1, self.columnCount())
        left = self.viewport().width() - sum(self.columnWidth(column) for column in seeds)
        self.setColumnWidth(0, max(left, _LEAST_NAME))
        height = min(self.rowCount(), _MOST_ROWS) * self.verticalHeader().defaultSectionSize()
        height += self.horizontalHeader().sizeHint().height() + 2 * self.frameWidth()
        if left < _LEAST_NAME:
            height += self.horizontalScrollBar().sizeHint().height()
        self.setFixedHeight(height)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802 - Qt's name
        """Share the room anew."""
        super().resizeEvent(event)
        self.share_width()


def _table() -> _Table:
    table = _Table(0, 1)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    table.setTextElideMode(Qt.TextElideMode.ElideRight)
    table.setWordWrap(False)
    table.setTabKeyNavigation(False)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(table.fontMetrics().height() + 8)
    table.setAccessibleName("Trainings of the experiment, by recipe and seed")
    table.setToolTip(_HELP)
    return table
