"""The parts of the Experiments widget that say which images are used, and where the results go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qtpy.QtCore import QStandardPaths, Signal
from qtpy.QtWidgets import QFileDialog, QFormLayout, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from unetscope._napari.experiments.begin import Data, is_taken, parent_of
from unetscope._napari.parts.editors import ChoiceBox
from unetscope._napari.parts.sentence import sentence_label
from unetscope._napari.session import Session
from unetscope._napari.train.runs import dataset_name

__all__ = ["DataPart", "OutputPart"]

_HERE, _FOLDER = "those of 1 Dataset", "a folder"
_NOTHING_HERE = "No images are chosen in 1 Dataset yet; choose some there, or a folder here."
_ABOUT_FOLDER = (
    "Images with masks, as 1 Dataset finds them; the folder may hold the folders training and test."
)
_TESTS = "Images that are marked as test there are scored; without any, a fifth of the groups is kept for it."


class DataPart(QWidget):
    """The session's dataset, or a folder with images of its own.

    Parameters
    ----------
    session : Session
    kept : mapping
        What `settings` gave the last time.

    Attributes
    ----------
    changed : Signal()
        Other images are chosen.
    """

    changed = Signal()

    def __init__(self, session: Session, kept: Mapping[str, Any]) -> None:
        super().__init__()
        self._session = session
        self.which = ChoiceBox()
        self.which.addItems([_HERE, _FOLDER])
        self.which.setToolTip("<p>Images with masks; some train, some validate, some are only scored.</p>")
        self.text = sentence_label()
        self.folder = _PathRow("Folder of images with masks", "Folder or table of images with masks")
        self.test = _PathRow("Folder of test images with masks", "Folder of test images; may stay empty")
        self._form = QFormLayout()
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._form.addRow("I&mages", self.which)
        self._form.addRow("Folder", self.folder)
        self._form.addRow("Test folder", self.test)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._form)
        layout.addWidget(self.text)
        self.which.setCurrentText(kept.get("images", _HERE))
        self.folder.path.setText(kept.get("folder", ""))
        self.test.path.setText(kept.get("test", ""))
        self.which.activated.connect(self._show)
        for row in (self.folder, self.test):
            row.path.textChanged.connect(self._show)
        session.dataset_changed.connect(self._show)
        self._show()

    @property
    def data(self) -> Data:
        """What is chosen; nothing is checked."""
        if self.which.currentText() == _HERE:
            return Data(self._session.dataset)
        return Data(None, self.folder.value, self.test.value)

    @property
    def name(self) -> str:
        """A name for what is done with these images."""
        data = self.data
        return dataset_name(data.dataset) if data.folder is None else data.folder.stem

    def use_folder(self, folder: Path, test: Path | None = None) -> None:
        """Choose a folder as if a person had."""
        self.which.setCurrentText(_FOLDER)
        self.folder.path.setText(str(folder))
        self.test.path.setText("" if test is None else str(test))
        self._show()

    def settings(self) -> dict[str, Any]:
        """What should survive a restart."""
        return {
            "images": self.which.currentText(),
            "folder": self.folder.path.text(),
            "test": self.test.path.text(),
        }

    def stop_following(self) -> None:
        """Listen to the session no longer."""
        self._session.dataset_changed.disconnect(self._show, missing_ok=True)

    def _show(self, _: object = None) -> None:
        here = self.which.currentText() == _HERE
        for row in (self.folder, self.test):
            row.setVisible(not here)
            label = self._form.labelForField(row)
            if label is not None:
                label.setVisible(not here)
        dataset = self._session.dataset
        if not here:
            self.text.setText(_ABOUT_FOLDER)
        elif dataset is None:
            self.text.setText(_NOTHING_HERE)
        else:
            self.text.setText(f"{dataset.describe()} {_TESTS}")
        self.changed.emit()


class OutputPart(QWidget):
    """The folder of the next experiment: a free one beside the last, unless the user chooses another.

    Parameters
    ----------
    data : DataPart
    name : callable
        Of the experiment that is chosen.
    parent_folder : Path or None
        Where the user wants experiments; beside the images for None.
    """

    def __init__(self, data: DataPart, name: Callable[[], str], parent_folder: Path | None) -> None:
        super().__init__()
        self._data = data
        self._name = name
        self._suggested = ""
        self.parent_folder = parent_folder
        self.row = _PathRow("Folder for experiments", "Where this and later experiments get a folder each")
        self.row.path.setAccessibleName("Folder of the experiment")
        self.row.path.setToolTip(
            "<p>Folder for all trainings, tables and the report. To go on with an experiment, open it "
            "below.</p>"
        )
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.addRow("Results in", self.row)
        self.row.chosen = self._choose_parent
        data.changed.connect(self.suggest)
        self.suggest()

    @property
    def folder(self) -> Path:
        """What is entered."""
        return (self.row.value or Path()).absolute()

    def suggest(self, _: object = None) -> None:
        """Put in the next free folder, unless the user has written something else."""
        if self.row.path.text() == self._suggested:
            self.suggest_anew()

    def suggest_anew(self) -> None:
        """Put in the next free folder, whatever the user has written."""
        parent = self.parent_folder or parent_of(self._data.data, _documents())
        self._suggested = str(_free(parent, self._name()))
        self.row.path.setText(self._suggested)

    def _choose_parent(self, folder: Path) -> None:
        self.parent_folder = folder
        self.suggest_anew()


class _PathRow(QWidget):
    """A path to type, and a button to choose it."""

    def __init__(self, title: str, explanation: str) -> None:
        super().__init__()
        self._title = title
        self.path = QLineEdit()
        self.path.setAccessibleName(title)
        self.path.setToolTip(f"<p>{explanation}</p>")
        self.button = QPushButton("…")
        self.button.setAccessibleName(f"Choose: {title}")
        self.button.setToolTip(f"<p>{explanation}</p>")
        self.button.setFixedWidth(2 * self.fontMetrics().height())
        self.chosen: Callable[[Path], None] = lambda folder: self.path.setText(str(folder))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.path, 1)
        row.addWidget(self.button)
        self.button.clicked.connect(self._ask)

    @property
    def value(self) -> Path | None:
        """What is entered; None for nothing."""
        text = self.path.text().strip()
        return Path(text).expanduser().absolute() if text else None

    def _ask(self) -> None:
        name = QFileDialog.getExistingDirectory(self, self._title, self.path.text())
        if name:
            self.chosen(Path(name))


def _free(parent: Path, name: str) -> Path:
    """The first of ``name-1``, ``name-2``, … that replaces nothing."""
    number = 1
    while (folder := parent / f"{name}-{number}").exists() or is_taken(folder):
        number += 1
    return folder


def _documents() -> Path:
    places = QStandardPaths.StandardLocation.DocumentsLocation
    return Path(QStandardPaths.writableLocation(places) or Path.home())
