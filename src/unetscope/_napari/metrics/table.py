"""The table of scores: one row per image, sortable, with mean ± std below it whatever the order."""

from __future__ import annotations

import math
import re
from typing import Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHeaderView,
    QSizePolicy,
    QTableView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from unetscope.evaluation import Report
from unetscope.evaluation.report import show_value

__all__ = ["ScoreModel", "ScoreTable", "SortedScores", "shown_columns"]

VALUE = Qt.ItemDataRole.UserRole
"""Role of the plain value of a cell: a str for the name, else a float."""

_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_NAME_WIDTH = 120

# The scores in the order of their columns, and what they mean. F1 of pixels is Dice, and accuracy is near 1
# for every small object: the files have them. Where masks number objects only Dice is of pixels.
_MEANINGS = {
    "dice": "Overlap of prediction and truth: twice the common area by the sum of both areas. 1 is perfect.",
    "iou": "Overlap of prediction and truth: common area by the area of both together. Never above Dice.",
    "precision": "Part of what was predicted that is right: low where too much is predicted.",
    "recall": "Part of what is there that was found: low where something is missed.",
    "object_f1": "How well objects are found: 1 if every true object overlaps with a predicted one of its "
    "own (IoU of 0.5 or more), and nothing else was predicted.",
    "ap50": "Objects that match (IoU of 0.5 or more) by all that are found, invented or missed.",
    "ap75": "The same for objects that match well: IoU of 0.75 or more.",
    "mean_ap": "Mean of the same over IoU 0.5, 0.55 … 0.95: how well objects are found and outlined.",
    "panoptic_quality": "Object F1 times the mean IoU of the objects that match.",
    "aji": "Aggregated Jaccard index: common pixels of objects by all of them, with false and missed ones.",
    "seg": "Mean IoU of true objects with what covers more than half of them; false objects do not count.",
    "true_objects": "Number of objects in the truth.",
    "predicted_objects": "Number of objects that were predicted.",
    "merges": "Predicted objects that cover more than half of each of several true ones.",
    "splits": "True objects in which several predicted ones lie by more than half.",
    "hausdorff95": "95 % of each outline is no farther from the other than this; “-” where one is missing.",
    "mean_surface_distance": "Mean distance between the outlines; “-” where one is missing.",
}


def shown_columns(report: Report) -> tuple[str, ...]:
    """Keys of the scores that the widgets show, in their order."""
    return tuple(key for key in _MEANINGS if key in report.printed)


class ScoreModel(QAbstractTableModel):
    """The images of a report and their scores; names first."""

    def __init__(self, report: Report, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._names = [score.name for score in report.scores]
        self._columns = shown_columns(report)
        self._values = [report.values[key] for key in self._columns]
        titles = dict(zip(report.columns, report.header, strict=True))
        self._titles = ["Image", *(titles[key] for key in self._columns)]

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """Number of images."""
        return 0 if parent is not None and parent.isValid() else len(self._names)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """Number of scores, and one for the name."""
        return 0 if parent is not None and parent.isValid() else len(self._titles)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, plain value, alignment, or the whole of a long name."""
        row, column = index.row(), index.column()
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if column else _LEFT
        if column == 0:
            wanted = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, VALUE)
            return self._names[row] if role in wanted else None
        value = self._values[column - 1][row]
        if role == Qt.ItemDataRole.DisplayRole:
            return show_value(self._columns[column - 1], value)
        return float(value) if role == VALUE else None

    def headerData(  # noqa: N802 - Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Titles, and what they mean."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._titles[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return _MEANINGS[self._columns[section - 1]] if section else "Image; click to sort."
        return None


class SortedScores(QSortFilterProxyModel):
    """Sorts numbers as numbers with undefined ones last, and names as people do: 2 before 10."""

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:  # noqa: N802 - Qt's name
        """Whether one cell comes before another in ascending order."""
        one, other = left.data(VALUE), right.data(VALUE)
        if isinstance(one, str):
            return _in_parts(one) < _in_parts(other)
        if math.isnan(one) or math.isnan(other):
            # Qt turns the answer around for a descending order.
            last = other if self.sortOrder() == Qt.SortOrder.AscendingOrder else one
            return math.isnan(last) and not (math.isnan(one) and math.isnan(other))
        return bool(one < other)


class ScoreTable(QWidget):
    """Table of a report, with a row for mean ± std that stays at the bottom.

    Signals
    -------
    chosen : int
        Another image was chosen, by mouse or keyboard: its place in the report.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.report: Report | None = None
        self.sorted = SortedScores(self)
        self.view = _view()
        self.view.setModel(self.sorted)
        self.view.selectionModel().currentRowChanged.connect(self._tell)
        self.view.setSortingEnabled(True)
        self.view.setAccessibleName("Scores of the images")
        self.summary = _summary_row()
        self._gap = QWidget()
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.view, 0, 0, 1, 2)
        layout.addWidget(self.summary, 1, 0)
        layout.addWidget(self._gap, 1, 1)
        self.view.horizontalHeader().sectionResized.connect(self._resize_summary)
        self.view.horizontalScrollBar().valueChanged.connect(self.summary.horizontalScrollBar().setValue)
        self.view.verticalScrollBar().rangeChanged.connect(self._leave_gap)
        self.view.typed.connect(self._choose_by_letter)

    def show_report(self, report: Report) -> None:
        """Show another report, in its own order; no image is chosen then."""
        self.report = report
        old = self.sorted.sourceModel()
        self.sorted.setSourceModel(ScoreModel(report, self))
        if old is not None:
            old.deleteLater()
        self.view.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self._show_summary(report)
        self._fit_columns()

    def choose(self, index: int) -> None:
        """Choose an image by its place in the report, also if it is chosen already."""
        at = self.sorted.mapFromSource(self.sorted.sourceModel().index(index, 0))
        if at.row() == self.view.currentIndex().row():
            self.chosen.emit(index)
        self.view.setCurrentIndex(at)
        self.view.scrollTo(at)
        self.view.setFocus()

    def choose_best(self) -> None:
        """Choose the best image, by Dice, or by panoptic quality where masks number objects."""
        self._choose_rank(-1)

    def choose_median(self) -> None:
        """Choose the image in the middle, the lower of two."""
        if self.report is not None:
            self._choose_rank((self.report.n - 1) // 2)

    def choose_worst(self) -> None:
        """Choose the worst image."""
        self._choose_rank(0)

    def step(self, rows: int) -> None:
        """Choose an image so many rows further down, as the table is sorted; none beyond its ends."""
        at = self.view.currentIndex()
        row = at.row() + rows if at.isValid() else 0
        if 0 <= row < self.sorted.rowCount():
            self.view.setCurrentIndex(self.sorted.index(row, 0))

    @property
    def current(self) -> int | None:
        """Place in the report of the chosen image."""
        at = self.view.currentIndex()
        return self.sorted.mapToSource(at).row() if at.isValid() else None

    def _choose_by_letter(self, letter: str) -> None:
        choose = {"B": self.choose_best, "M": self.choose_median, "W": self.choose_worst}.get(letter)
        if choose is not None:
            choose()

    def _choose_rank(self, rank: int) -> None:
        if self.report is not None:
            self.choose(self.report.ranking[rank])

    def _tell(self, current: QModelIndex) -> None:
        if current.isValid():
            self.chosen.emit(self.sorted.mapToSource(current).row())

    def _show_summary(self, report: Report) -> None:
        columns = shown_columns(report)
        texts = [
            f"{show_value(key, report.mean[key])}\n± {show_value(key, report.std[key])}" for key in columns
        ]
        self.summary.setColumnCount(1 + len(columns))
        for column, text in enumerate(["Mean\n± std", *texts]):
            item = QTableWidgetItem(text)
            item.setTextAlignment(_RIGHT if column else _LEFT)
            item.setToolTip(f"Over {report.n} images; population standard deviation.")
            self.summary.setItem(0, column, item)

    def _fit_columns(self) -> None:
        for table in (self.view, self.summary):
            table.resizeColumnsToContents()
        for column in range(self.summary.columnCount()):
            width = max(self.view.columnWidth(column), self.summary.columnWidth(column))
            width = min(width, _NAME_WIDTH) if column == 0 else width
            for table in (self.view, self.summary):
                table.setColumnWidth(column, width)
        self.summary.resizeRowsToContents()
        self.summary.setFixedHeight(self.summary.rowHeight(0) + 2 * self.summary.frameWidth())

    def _resize_summary(self, column: int, _: int, width: int) -> None:
        self.summary.setColumnWidth(column, width)

    def _leave_gap(self, _: int, most: int) -> None:
        """Keep both tables equally wide, so that they scroll together to the end."""
        self._gap.setFixedWidth(self.view.verticalScrollBar().sizeHint().width() if most else 0)


def _in_parts(name: str) -> list[str | int]:
    """Text and numbers in turn, text first. Qt's collator does it only where it was built with ICU."""
    return [
        int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", name.casefold()))
    ]


class _View(QTableView):
    """A table that tells which letters are typed in it, instead of looking for names that begin so."""

    typed = Signal(str)

    def keyboardSearch(self, search: str | None) -> None:  # noqa: N802 - Qt's name
        self.typed.emit((search or "").upper())


def _view() -> _View:
    view = _View()
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    view.setTextElideMode(Qt.TextElideMode.ElideLeft)
    view.setWordWrap(False)
    view.setTabKeyNavigation(False)
    view.verticalHeader().hide()
    view.verticalHeader().setDefaultSectionSize(view.fontMetrics().height() + 6)
    view.setMinimumHeight(150)
    view.setToolTip("Click an image, or use the arrow keys, to see it; B, M, W: best, median, worst.")
    return view


def _summary_row() -> QTableWidget:
    row = QTableWidget(1, 1)
    row.horizontalHeader().hide()
    row.verticalHeader().hide()
    row.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    row.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    for set_policy in (row.setHorizontalScrollBarPolicy, row.setVerticalScrollBarPolicy):
        set_policy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    row.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    row.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
    row.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    row.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return row
