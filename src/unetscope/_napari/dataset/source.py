"""Where the pairs come from: a folder, a table, or the layers of the viewer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from unetscope._napari.parts.fold import Fold

__all__ = ["FOLDER", "LAYERS", "SourcePart"]

FOLDER, LAYERS = "folder", "layers"
_KINDS = {FOLDER: "A folder or table", LAYERS: "Layers of this viewer"}
_LAYERS = (
    "Every Image layer is a row below; choose its Labels layer in the column Mask. What you paint until "
    "training begins counts."
)


class SourcePart(QWidget):
    """Chooses a folder or table, or the layers.

    Signals
    -------
    path_chosen : (Path, Path or None)
        Folder or table of images, and a folder of masks if they are elsewhere.
    layers_chosen
        The layers of the viewer are wanted.
    """

    path_chosen = Signal(object, object)
    layers_chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind = QComboBox()
        for value, text in _KINDS.items():
            self.kind.addItem(text, value)
        self.kind.setToolTip("<p>Train on files, or on what is open in the viewer and painted there.</p>")
        self.path = _line(
            "Folder or CSV table; or drop it here",
            "Folder with images and masks: images/ beside masks/, image.png beside image_mask.png, a folder "
            "per patient… or a CSV table with the columns image, mask and, if wanted, group and split.",
        )
        self.masks = _line("Beside the images", "Folder of the masks, if they are not with the images.")
        self.find_button = QPushButton("&Find pairs")
        self.find_button.setToolTip("<p>Look for images and their masks, and read each once to check it.</p>")
        self._hint = QLabel(_LAYERS)
        self._hint.setWordWrap(True)
        self._files = QWidget()
        self._lay_out()
        self.kind.activated.connect(self._follow_kind)
        self.path.returnPressed.connect(self.find)
        self.masks.returnPressed.connect(self.find)
        self.find_button.clicked.connect(self.find)
        self._show_kind()

    @property
    def uses_layers(self) -> bool:
        """Whether the pairs are layers."""
        return bool(self.kind.currentData() == LAYERS)

    def show_path(self, path: Path, masks: Path | None = None) -> None:
        """Put in a folder or table."""
        self.show_kind(FOLDER)
        self.path.setText(str(path))
        self.masks.setText("" if masks is None else str(masks))

    def show_kind(self, kind: str) -> None:
        """Put in ``"folder"`` or ``"layers"``."""
        self.kind.setCurrentIndex(max(self.kind.findData(kind), 0))
        self._show_kind()

    def find(self) -> None:
        """Tell what was put in."""
        text, masks = self.path.text().strip(), self.masks.text().strip()
        if text:
            self.path_chosen.emit(_path(text), _path(masks) if masks else None)

    def _lay_out(self) -> None:
        label = QLabel("&Images from")
        label.setBuddy(self.kind)
        first = QHBoxLayout()
        first.addWidget(label)
        first.addWidget(self.kind, 1)
        elsewhere = QWidget()
        row = QHBoxLayout(elsewhere)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.masks, 1)
        row.addWidget(self._browse("Choose the folder of masks", [("Folder…", self._ask_for_masks)]))
        second = QHBoxLayout()
        second.addWidget(self.path, 1)
        choices = [("Folder…", self._ask_for_folder), ("Table (CSV)…", self._ask_for_table)]
        second.addWidget(self._browse("Choose a folder or a table", choices))
        files = QVBoxLayout(self._files)
        files.setContentsMargins(0, 0, 0, 0)
        files.addLayout(second)
        files.addWidget(Fold("Masks are in another folder", elsewhere))
        files.addWidget(self.find_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(first)
        layout.addWidget(self._files)
        layout.addWidget(self._hint)

    def _browse(self, explanation: str, choices: list[tuple[str, Callable[[], None]]]) -> QPushButton:
        button = QPushButton("Browse")
        button.setToolTip(f"<p>{explanation}.</p>")
        button.setAccessibleName(explanation)
        if len(choices) == 1:
            button.clicked.connect(choices[0][1])
            return button
        menu = QMenu(button)
        for text, slot in choices:
            menu.addAction(text, slot)
        button.setMenu(menu)
        return button

    def _follow_kind(self) -> None:
        self._show_kind()
        if self.uses_layers:
            self.layers_chosen.emit()
        else:
            self.find()

    def _show_kind(self) -> None:
        self._files.setVisible(not self.uses_layers)
        self._hint.setVisible(self.uses_layers)

    def _ask_for_folder(self) -> None:
        self._take(
            self.path, QFileDialog.getExistingDirectory(self, "Folder of images with masks", self.path.text())
        )

    def _ask_for_table(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, "Table of images and masks", self.path.text(), "Tables (*.csv)"
        )
        self._take(self.path, name)

    def _ask_for_masks(self) -> None:
        start = self.masks.text() or self.path.text()
        self._take(self.masks, QFileDialog.getExistingDirectory(self, "Folder of masks", start))

    def _take(self, line: QLineEdit, name: str) -> None:
        if name:
            line.setText(name)
            self.find()


def _line(placeholder: str, explanation: str) -> QLineEdit:
    line = QLineEdit()
    line.setPlaceholderText(placeholder)
    line.setToolTip(f"<p>{explanation}</p>")
    line.setAccessibleName(placeholder)
    # What is dropped is a path for the whole widget, not text for the line.
    line.setAcceptDrops(False)
    return line


def _path(text: str) -> Path:
    return Path(text).expanduser()
