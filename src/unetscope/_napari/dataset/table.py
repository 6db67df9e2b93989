"""The table of pairs: sorts, opens pairs, and changes several at once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from qtpy.QtCore import (
    QAbstractItemModel,
    QCollator,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QLineEdit,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from unetscope._napari.dataset.entries import PARTS, Entry
from unetscope._napari.dataset.model import NO_MASK, PART_WORDS, Column, PairModel

__all__ = ["PairTable"]

_WIDTHS = {Column.USE: 46, Column.IMAGE: 120, Column.MASK: 56, Column.GROUP: 52, Column.PART: 98}


class PairTable(QTableView):
    """Shows a `PairModel`; several rows can be changed at once.

    Signals
    -------
    opened : int
        The user wants to see a pair: its row in the model.
    """

    opened = Signal(int)

    def __init__(self, model: PairModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.pairs = model
        self.sorted = _Sorted(self)
        self.sorted.setSourceModel(model)
        self.setModel(self.sorted)
        self.setSortingEnabled(True)
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(triggers.EditKeyPressed | triggers.DoubleClicked)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTextElideMode(Qt.TextElideMode.ElideLeft)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setAccessibleName("Pairs of image and mask")
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        self.horizontalHeader().setStretchLastSection(True)
        for column, width in _WIDTHS.items():
            self.setColumnWidth(column, width)
        self.setMinimumHeight(170)
        # Views do not keep their delegates alive.
        self._delegates = [_Part(self), _Mask(self), _Group(self)]
        for column, delegate in zip((Column.PART, Column.MASK, Column.GROUP), self._delegates, strict=True):
            self.setItemDelegateForColumn(column, delegate)
        self.doubleClicked.connect(self._open_unless_editable)

    @property
    def selected(self) -> list[int]:
        """Rows of the model that are selected, in the order of the table."""
        indexes = sorted(self.selectionModel().selectedRows(), key=QModelIndex.row)
        return [self.sorted.mapToSource(index).row() for index in indexes]

    @property
    def current(self) -> int | None:
        """Row of the model that the user is on."""
        index = self.currentIndex()
        return self.sorted.mapToSource(index).row() if index.isValid() else None

    def select(self, places: Collection[int]) -> None:
        """Select rows of the model."""
        selection = QItemSelection()
        for place in places:
            index = self.sorted.mapFromSource(self.pairs.index(place, 0))
            selection.select(index, index)
        flags = QItemSelectionModel.SelectionFlag
        model = self.selectionModel()
        if selection.indexes():
            model.setCurrentIndex(selection.indexes()[0], flags.NoUpdate)
        model.select(selection, flags.ClearAndSelect | flags.Rows)

    def edit_column(self, column: Column) -> None:
        """Let the user edit a column of the current row, for all selected rows."""
        current = self.currentIndex()
        if current.isValid():
            self.edit(current.siblingAtColumn(column))

    def places_for(self, index: QModelIndex) -> list[int]:
        """Rows of the model that an edit of this cell is meant for."""
        place = self.sorted.mapToSource(index).row()
        return self.selected if place in self.selected else [place]

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Enter opens the pair, and Space switches the selected ones on or off."""
        key = None if event is None else event.key()
        current = self.currentIndex()
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and current.isValid():
            self.opened.emit(self.sorted.mapToSource(current).row())
        elif key == Qt.Key.Key_Space and self.selected:
            rows = [self.pairs.row(place) for place in self.selected]
            self.pairs.change(self.selected, use=not all(isinstance(row, Entry) and row.use for row in rows))
        else:
            super().keyPressEvent(event)

    def _open_unless_editable(self, index: QModelIndex) -> None:
        if not index.flags() & Qt.ItemFlag.ItemIsEditable:
            self.opened.emit(self.sorted.mapToSource(index).row())


class _Sorted(QSortFilterProxyModel):
    """Sorts names as people do: 2 before 10. A row that is edited stays where it is."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setDynamicSortFilter(False)
        self._collator = QCollator()
        self._collator.setNumericMode(True)

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:  # noqa: N802 - Qt's name
        """Whether one cell comes before another in ascending order."""
        if left.column() == Column.USE:
            one, other = (index.data(Qt.ItemDataRole.CheckStateRole) for index in (left, right))
            return one == Qt.CheckState.Checked and other != Qt.CheckState.Checked
        return self._collator.compare(str(left.data()), str(right.data())) < 0


class _Many(QStyledItemDelegate):
    """Applies an edit to all selected rows."""

    field = ""

    def __init__(self, view: PairTable) -> None:
        super().__init__(view)
        self.view = view

    def value_of(self, editor: QWidget | None) -> Any:
        """What was entered; None for nothing."""
        return editor.text().strip() or None if isinstance(editor, QLineEdit) else None

    def setModelData(  # noqa: N802 - Qt's name
        self,
        editor: QWidget | None,
        model: QAbstractItemModel | None,  # noqa: ARG002
        index: QModelIndex,
    ) -> None:
        """Take over what was entered."""
        if (value := self.value_of(editor)) is not None:
            self.view.pairs.change(self.view.places_for(index), **{self.field: value})


class _Group(_Many):
    field = "group"


class _Choice(_Many):
    """Chooses from a list; what is chosen counts at once."""

    def choices(self) -> list[tuple[str, Any]]:
        """Texts and values."""
        raise NotImplementedError

    def createEditor(  # noqa: N802 - Qt's name
        self,
        parent: QWidget | None,
        option: QStyleOptionViewItem,  # noqa: ARG002
        index: QModelIndex,
    ) -> QWidget:
        """Make the list, with the present value chosen."""
        box = QComboBox(parent)
        for text, value in self.choices():
            box.addItem(text, value)
        box.setCurrentText(str(index.data()).partition(":")[0])
        box.activated.connect(lambda: self._settle(box))
        return box

    def setEditorData(self, editor: QWidget | None, index: QModelIndex) -> None:  # noqa: N802 - Qt's name
        """Keep what is chosen: the list was made with the present value."""

    def value_of(self, editor: QWidget | None) -> Any:
        """What was chosen."""
        return editor.currentData() if isinstance(editor, QComboBox) else None

    def _settle(self, box: QComboBox) -> None:
        self.commitData.emit(box)
        self.closeEditor.emit(box)


class _Part(_Choice):
    field = "split"

    def choices(self) -> list[tuple[str, Any]]:
        """The parts of a dataset."""
        return [(PART_WORDS[part], part) for part in PARTS]


class _Mask(_Choice):
    def choices(self) -> list[tuple[str, Any]]:
        """The Labels layers."""
        return [(NO_MASK, None), *((layer.name, layer) for layer in self.view.pairs.choices)]

    def setModelData(  # noqa: N802 - Qt's name
        self, editor: QWidget | None, model: QAbstractItemModel | None, index: QModelIndex
    ) -> None:
        """Take over the layer, for this row only."""
        if model is not None:
            model.setData(index, self.value_of(editor))
