"""The pairs of a dataset as a table: what is used, for what, and what is wrong, in words."""

from __future__ import annotations

import html
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, Signal

from unetscope._napari.dataset.dataset import Dataset
from unetscope._napari.dataset.entries import AUTOMATIC, PARTS, Alone, Entry, Part

if TYPE_CHECKING:
    from napari.layers import Layer

__all__ = ["NO_MASK", "PART_WORDS", "Column", "PairModel"]

NO_MASK = "–"
"""Stands where an image has no mask."""
PART_WORDS: dict[Part, str] = {
    "automatic": "auto",
    "training": "train",
    "validation": "validate",
    "test": "test",
}
"""How the table calls the parts."""

_EDITABLE = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled


class Column(IntEnum):
    """Columns of the table."""

    USE = 0
    IMAGE = 1
    MASK = 2
    GROUP = 3
    PART = 4
    STATUS = 5


_TITLES = {
    Column.USE: (
        "Use",
        "Whether the pair is used at all. Space switches it. ✓ usable, ! worth a look, ✗ not usable; the "
        "column Status says why.",
    ),
    Column.IMAGE: ("Image", "Double-click, or press Enter, to look at a pair in the viewer."),
    Column.MASK: ("Mask", "File or layer with the labels of the image."),
    Column.GROUP: (
        "Group",
        "What stays together: patient, slide, animal, time series. A group never trains and validates, "
        "because its images resemble each other. Press F2 to change it, for all selected rows.",
    ),
    Column.PART: (
        "Part",
        "Training images teach, validation images choose the best model, test images are kept for the final "
        "measurement. “auto” leaves it to the recipe. Press F2 to change it, for all selected rows.",
    ),
    Column.STATUS: ("Status", "Whether the pair can be used, and why not."),
}


class PairModel(QAbstractTableModel):
    """A dataset as a table: its entries, then what is in no pair.

    Signals
    -------
    edited : Dataset
        The dataset as the user has changed it.
    mask_chosen : (Layer, Layer or None)
        The labels that the user wants for an image, where both are layers.
    """

    edited = Signal(object)
    mask_chosen = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.dataset = Dataset()
        self.choices: Sequence[Layer] = ()
        self._parts: tuple[Part, ...] = ()

    def show(self, dataset: Dataset, *, choices: Sequence[Layer] = ()) -> None:
        """Show another dataset.

        Parameters
        ----------
        dataset : Dataset
        choices : sequence of Labels layers
            What a user may choose as masks, where images are layers.
        """
        self.beginResetModel()
        self.dataset, self.choices, self._parts = dataset, choices, ()
        self.endResetModel()

    def show_parts(self, parts: tuple[Part, ...]) -> None:
        """Show what each entry would be for, where that is automatic."""
        self._parts = parts
        if self.dataset.entries:
            last = len(self.dataset.entries) - 1
            self.dataChanged.emit(self.index(0, Column.PART), self.index(last, Column.PART))

    def row(self, place: int) -> Entry | Alone:
        """What a row shows."""
        entries = self.dataset.entries
        return entries[place] if place < len(entries) else self.dataset.alone[place - len(entries)]

    def trouble(self, place: int) -> str:
        """What is wrong with a row, or worth a look; empty if nothing is."""
        row = self.row(place)
        if isinstance(row, Entry):
            return " ".join(f"{row.name}: {sentence}" for sentence in (*row.problems, *row.notes)[:1])
        return f"{row.name}: {row.why}"

    def change(self, places: Sequence[int], **changes: Any) -> None:
        """Change `use`, `group` or `split` of entries; rows without a pair stay."""
        dataset = self.dataset
        for place in places:
            if place < len(dataset.entries):
                dataset = dataset.with_entry(place, **changes)
        self.dataset = dataset
        self._parts = ()
        self.dataChanged.emit(self.index(0, 0), self.index(max(self.rowCount() - 1, 0), len(Column) - 1))
        self.edited.emit(dataset)

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """Number of pairs and of what is in none."""
        if parent is not None and parent.isValid():
            return 0
        return len(self.dataset.entries) + len(self.dataset.alone)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        """Number of columns."""
        return 0 if parent is not None and parent.isValid() else len(Column)

    def headerData(  # noqa: N802 - Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Titles, and what they mean."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        title, meaning = _TITLES[Column(section)]
        return {Qt.ItemDataRole.DisplayRole: title, Qt.ItemDataRole.ToolTipRole: _wrapped(meaning)}.get(role)

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Which cells can be changed."""
        row = self.row(index.row())
        if index.column() == Column.MASK and self._is_layer(row):
            return _EDITABLE | Qt.ItemFlag.ItemIsEditable
        if isinstance(row, Entry) and not row.problems:
            if index.column() == Column.USE:
                return _EDITABLE | Qt.ItemFlag.ItemIsUserCheckable
            if index.column() in (Column.GROUP, Column.PART):
                return _EDITABLE | Qt.ItemFlag.ItemIsEditable
        return _EDITABLE

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, tick, the value to edit, or all that is known of the pair."""
        row, column = self.row(index.row()), Column(index.column())
        if role == Qt.ItemDataRole.CheckStateRole and column == Column.USE and isinstance(row, Entry):
            return Qt.CheckState.Checked if row.chosen else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(index.row(), column)
        if role == Qt.ItemDataRole.EditRole:
            return (
                row.split
                if column == Column.PART and isinstance(row, Entry)
                else self._text(index.row(), column)
            )
        if role == Qt.ItemDataRole.ToolTipRole:
            return _explain(row)
        return None

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802
        """Change one cell."""
        row = self.row(index.row())
        match Column(index.column()):
            case Column.USE if role == Qt.ItemDataRole.CheckStateRole:
                self.change([index.row()], use=Qt.CheckState(value) == Qt.CheckState.Checked)
            case Column.GROUP if str(value).strip():
                self.change([index.row()], group=str(value).strip())
            case Column.PART if value in PARTS:
                self.change([index.row()], split=value)
            case Column.MASK if self._is_layer(row):
                self.mask_chosen.emit(_image_of(row), value)
            case _:
                return False
        return True

    def _is_layer(self, row: Entry | Alone) -> bool:
        at = getattr(row, "at", None)
        return at is None and not isinstance(_image_of(row), Path)

    def _text(self, place: int, column: Column) -> str:
        row = self.row(place)
        if isinstance(row, Alone):
            texts = {Column.USE: "✗", Column.IMAGE: row.name, Column.MASK: NO_MASK, Column.STATUS: row.why}
        else:
            texts = {
                Column.USE: _sign(row),
                Column.IMAGE: row.name,
                Column.MASK: row.mask.name,
                Column.GROUP: row.group,
                Column.PART: self._part(place, row),
                Column.STATUS: _status(row),
            }
        return texts.get(column, "")

    def _part(self, place: int, entry: Entry) -> str:
        if not entry.chosen:
            return ""
        if entry.split != AUTOMATIC:
            return PART_WORDS[entry.split]
        part = self._parts[place] if self._parts else AUTOMATIC
        return PART_WORDS[AUTOMATIC] + ("" if part == AUTOMATIC else f": {PART_WORDS[part]}")


def _image_of(row: Entry | Alone) -> Path | Layer:
    return row.image if isinstance(row, Entry) else row.source


def _sign(entry: Entry) -> str:
    if entry.problems:
        return "✗"
    if not entry.use:
        return ""
    return "!" if entry.notes else "✓"


def _status(entry: Entry) -> str:
    if entry.problems:
        return entry.problems[0]
    words = [] if entry.use else ["not used"]
    return "; ".join([*words, *entry.notes]) or "usable"


def _explain(row: Entry | Alone) -> str:
    """All that is known of a row, as a tooltip that wraps."""
    if isinstance(row, Alone):
        return _wrapped(f"{row.source if isinstance(row.source, Path) else row.name}: {row.why}")
    places = [part for part in (row.image, row.mask) if isinstance(part, Path)]
    paths = [f"{places[0]} ← {places[1]}"] if len(places) == 2 else []
    together = [f"Together because: {row.reason}."] if row.reason else []
    return "".join(map(_wrapped, (*paths, *together, *row.problems, *row.notes)))


def _wrapped(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"
