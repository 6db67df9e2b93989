"""The part of the Experiments widget that shows what came out: tables, answers, bars."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, QSignalBlocker, Qt, QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QTableView,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from unetscope._napari.experiments.outcome import Outcome, Table
from unetscope._napari.metrics.table import VALUE, SortedScores
from unetscope._napari.parts.buttons import push_button
from unetscope._napari.parts.editors import ChoiceBox
from unetscope._napari.parts.plots import BarPlot
from unetscope._napari.parts.sentence import sentence_label
from unetscope.errors import UNetScopeError
from unetscope.evaluation.report import TITLES
from unetscope.experiments.results import Answer
from unetscope.io.write import write_csv

__all__ = ["ResultsPart", "TableModel"]

_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_NAME_WIDTH = 100
_NO_ANSWERS = "No question can be answered yet."
_VERDICTS = {"better": "▲ Better", "worse": "▼ Worse", "not shown": "○ Not shown"}


class TableModel(QAbstractTableModel):
    """A `Table` for a view."""

    def __init__(self, table: Table, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.table = table

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """Number of rows."""
        return 0 if parent is not None and parent.isValid() else len(self.table.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """Number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self.table.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, plain value, alignment, or more about a cell."""
        entry = self.table.rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _LEFT if isinstance(entry.value, str) else _RIGHT
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"<p>{html.escape(entry.tip)}</p>" if entry.tip else None
        return {Qt.ItemDataRole.DisplayRole: entry.text, VALUE: entry.value}.get(Qt.ItemDataRole(role))

    def headerData(  # noqa: N802 - Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Titles, and what they mean."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        column = self.table.columns[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.title
        return f"<p>{html.escape(column.tip)}</p>" if role == Qt.ItemDataRole.ToolTipRole else None


class ResultsPart(QWidget):
    """Arms, answers, images and bars of an experiment.

    Parameters
    ----------
    say : callable
        Told, in one sentence, what was written or went wrong.

    Attributes
    ----------
    arm_chosen : Signal(str)
        The user wants the model of this arm.
    outcome : Outcome or None
        What is shown.
    """

    arm_chosen = Signal(str)

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say
        self._folder = Path()
        self.outcome: Outcome | None = None
        self.over = sentence_label()
        self.arms = _SortedTable("Scores of the recipes")
        self.images = _SortedTable("Scores of the test images")
        self.answers = _Answers()
        self.bars = BarPlot()
        self.condition, self.metric = ChoiceBox(), ChoiceBox()
        self.condition.setToolTip("<p>How the test images are scored.</p>")
        self.metric.setToolTip("<p>The score of the bars.</p>")
        self.report_button = push_button(
            "Open &report", "Show the report, with all tables and pictures, in the browser.", self.open_report
        )
        self.csv_button = push_button(
            "Export CS&V…", "Write every score of every image, recipe and seed.", self._ask_for_csv
        )
        self._arrange()
        self.arms.view.clicked.connect(self._choose_arm)
        self.arms.view.activated.connect(self._choose_arm)
        self.condition.activated.connect(lambda _: self._show_condition())
        self.metric.activated.connect(lambda _: self._show_condition())

    @property
    def report_path(self) -> Path:
        """The report of the experiment that is shown."""
        return self._folder / "report.html"

    def clear(self, folder: Path) -> None:
        """Show nothing; results of this experiment come later."""
        self._folder, self.outcome = folder, None
        self.hide()

    def show_outcome(self, outcome: Outcome) -> None:
        """Show results, and what the user has chosen of them before."""
        self.outcome = outcome
        self.over.setText(outcome.over())
        self.arms.show_table(outcome.arms_table())
        self.answers.show_answers(outcome.answers)
        _refill(self.condition, outcome.conditions, outcome.conditions)
        _refill(self.metric, [TITLES.get(key, key) for key in outcome.metrics], outcome.metrics)
        for part in (self.condition, self._conditions.labelForField(self.condition)):
            if part is not None:
                part.setVisible(len(outcome.conditions) > 1)
        self._show_condition()
        self.follow_report()
        self.show()

    def follow_report(self) -> None:
        """Offer the report if it is there."""
        self.report_button.setEnabled(self.report_path.is_file())

    def open_report(self) -> None:
        """Show the report in the browser."""
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.report_path))):
            self._say(f"No program opens it; the report is {self.report_path}.")

    def write_csv(self, path: Path) -> None:
        """Write every score."""
        if self.outcome is None:
            return
        rows = self.outcome.results.rows()
        columns = list(dict.fromkeys(key for row in rows for key in row))
        try:
            # The dialog has asked whether the file may be replaced.
            self._say(f"Written: {write_csv(path, rows, columns, overwrite=True)}")
        except UNetScopeError as error:
            self._say(str(error))

    def _arrange(self) -> None:
        self._conditions = QFormLayout()
        self._conditions.setContentsMargins(0, 0, 0, 0)
        self._conditions.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._conditions.addRow("Images scored", self.condition)
        self._conditions.addRow("Bars of", self.metric)
        self.tabs = QTabWidget()
        for title, part in (
            ("Table", self.arms),
            ("Answers", self.answers),
            ("Images", self.images),
            ("Bars", _scrolled(self.bars)),
        ):
            self.tabs.addTab(part, title)
        self.tabs.setMinimumHeight(260)
        buttons = QHBoxLayout()
        buttons.addWidget(self.report_button)
        buttons.addWidget(self.csv_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.over)
        layout.addWidget(self.tabs, 1)
        layout.addLayout(self._conditions)
        layout.addLayout(buttons)

    def _show_condition(self) -> None:
        if self.outcome is None or not self.outcome.conditions:
            return
        condition, metric = self.condition.currentData(), self.metric.currentData()
        self.images.show_table(self.outcome.images_table(condition))
        bars = self.outcome.bars(condition, metric)
        named = dict(zip(_shortened(bars), bars.values(), strict=True))
        self.bars.show_scores({self.metric.currentText(): named})

    def _choose_arm(self, index: QModelIndex) -> None:
        key = self.arms.key(index)
        if key is not None:
            self.arm_chosen.emit(key)

    def _ask_for_csv(self) -> None:
        suggestion = self._folder.with_name(f"{self._folder.name}-scores.csv")
        name, _ = QFileDialog.getSaveFileName(self, "Export all scores", str(suggestion), "Tables (*.csv)")
        if name:
            path = Path(name)
            self.write_csv(path if path.suffix else path.with_suffix(".csv"))


class _SortedTable(QWidget):
    """A sortable view of a `Table`, which keeps its order when the table is replaced."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.sorted = SortedScores(self)
        self.view = QTableView()
        self.view.setModel(self.sorted)
        self.view.setSortingEnabled(True)
        self.view.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.view.setWordWrap(False)
        self.view.setTabKeyNavigation(False)
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(self.view.fontMetrics().height() + 8)
        self.view.setAccessibleName(name)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addWidget(self.view)

    def show_table(self, table: Table) -> None:
        """Show another table, in the order of the last if it has the same columns."""
        old = self.sorted.sourceModel()
        same = isinstance(old, TableModel) and old.table.columns == table.columns
        self.sorted.setSourceModel(TableModel(table, self))
        if old is not None:
            old.deleteLater()
        if not same:
            self.view.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
            self.view.resizeColumnsToContents()
            # Room for the first score; tooltips have the whole of long names.
            for column, entry in enumerate(table.rows[0] if table.rows else ()):
                if isinstance(entry.value, str):
                    self.view.setColumnWidth(column, min(self.view.columnWidth(column), _NAME_WIDTH))

    def key(self, index: QModelIndex) -> str | None:
        """What a row of the view is about."""
        model = self.sorted.sourceModel()
        if not isinstance(model, TableModel) or not index.isValid():
            return None
        return model.table.keys[self.sorted.mapToSource(index).row()]


class _Answers(QScrollArea):
    """One paragraph for each question: the verdict first, then the sentence with all numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.text.setMargin(6)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setWidget(self.text)

    def show_answers(self, answers: Sequence[Answer]) -> None:
        """Show these answers."""
        self.text.setText("".join(map(_paragraph, answers)) or f"<p>{_NO_ANSWERS}</p>")


def _paragraph(answer: Answer) -> str:
    contrast, found = answer.contrast, answer.significance
    question = contrast.question or f"Is {contrast.better} better than {contrast.than}?"
    verdict = _VERDICTS[found.verdict]
    return f"<p><b>{verdict}</b> · <i>{html.escape(question)}</i><br>{html.escape(answer.sentence)}</p>"


def _shortened(names: Iterable[str]) -> list[str]:
    """Names that leave room for bars, each still another one."""
    longest, found = 14, list[str]()
    for name in names:
        text = name if len(name) <= longest else f"{name[: longest - 1]}…"
        number = 2
        while text in found:
            text = f"{name[: longest - 4]}… {number}"
            number += 1
        found.append(text)
    return found


def _refill(box: ChoiceBox, texts: Sequence[str], values: Sequence[str]) -> None:
    """Offer other values; what was chosen stays if it is among them."""
    before = box.currentData()
    with QSignalBlocker(box):
        box.clear()
        for text, value in zip(texts, values, strict=True):
            box.addItem(text, value)
        box.setCurrentIndex(max(box.findData(before), 0))


def _scrolled(part: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidget(part)
    area.setWidgetResizable(True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area
