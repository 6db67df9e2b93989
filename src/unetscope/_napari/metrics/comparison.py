"""Two reports beside each other, over the images that both have."""

from __future__ import annotations

import math
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from unetscope._napari.metrics.scores import Other
from unetscope._napari.metrics.table import shown_columns
from unetscope._napari.parts.sentence import sentence_label
from unetscope.evaluation import Report, pair_reports
from unetscope.evaluation.report import show_value

__all__ = ["ComparisonTab"]

_NOTHING = "Choose a second run, or a report folder, to compare the same images in both."
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class ComparisonTab(QWidget):
    """Mean ± std of two reports, and of the difference image by image.

    Signals
    -------
    wanted : Path
        The user chose what to compare with.
    left : ()
        The user compares no more.
    """

    wanted = Signal(object)
    left = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.text = sentence_label(_NOTHING)
        self.choose_button = QPushButton("&Compare with…")
        self.choose_button.setToolTip("<p>The folder of another run, or of a report.</p>")
        self.leave_button = QPushButton("&Stop comparing")
        self.leave_button.setToolTip("<p>Show the first run alone again.</p>")
        self.leave_button.setEnabled(False)
        self.table = _table()
        buttons = QHBoxLayout()
        buttons.addWidget(self.choose_button)
        buttons.addWidget(self.leave_button)
        layout = QVBoxLayout(self)
        layout.addLayout(buttons)
        layout.addWidget(self.text)
        layout.addWidget(self.table, 1)
        self.choose_button.clicked.connect(self._ask)
        self.leave_button.clicked.connect(self.left)

    def compare(self, name: str, report: Report, other: Other) -> None:
        """Show the difference.

        Raises
        ------
        InputError
            If the two have no image in common; nothing is shown then.
        """
        self.clear()
        paired = pair_reports(report, other.report)
        columns = [key for key in shown_columns(report) if key in paired.differences]
        titles = dict(zip(report.columns, report.header, strict=True))
        self.table.setHorizontalHeaderLabels(["A", "B", "B − A"])
        self.table.setRowCount(len(columns))
        self.table.setVerticalHeaderLabels([titles[key] for key in columns])
        for row, key in enumerate(columns):
            difference = paired.differences[key]
            cells = difference.first, difference.second, (difference.mean, difference.std)
            for column, (mean, std) in enumerate(cells):
                item = QTableWidgetItem(_mean_and_std(key, mean, std, signed=column == 2))
                item.setTextAlignment(_RIGHT)
                item.setToolTip(f"Mean ± std over {difference.n} images")
                self.table.setItem(row, column, item)
        self.table.show()
        self.leave_button.setEnabled(True)
        n = len(paired.names)
        images = "image" if n == 1 else "images"
        text = f"A: {name}\nB: {other.name}\nMean ± std over {n} {images} that both have"
        text += ", and of the differences image by image."
        if paired.left_out:
            text += f" Left out: {len(paired.left_out)} that only one has, or with other masks."
        self.text.setText(text)

    def clear(self) -> None:
        """Show nothing."""
        self.table.hide()
        self.table.setRowCount(0)
        self.leave_button.setEnabled(False)
        self.text.setText(_NOTHING)

    def _ask(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder of another run, or of a report")
        if name:
            self.wanted.emit(Path(name))


def _table() -> QTableWidget:
    table = QTableWidget(0, 3)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionMode(QAbstractItemView.SelectionMode.ContiguousSelection)
    table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
    table.verticalHeader().setDefaultSectionSize(2 * table.fontMetrics().height() + 6)
    table.setTabKeyNavigation(False)
    table.setAccessibleName("Comparison of two reports")
    table.hide()
    return table


def _mean_and_std(key: str, mean: float, std: float, *, signed: bool) -> str:
    text = show_value(key, abs(mean) if signed else mean)
    if signed and mean and not math.isnan(mean):
        text = f"{'−' if mean < 0 else '+'}{text}"
    return f"{text}\n± {show_value(key, std)}"
