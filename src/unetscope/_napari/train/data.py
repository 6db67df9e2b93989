"""The part of the Train widget that says what is trained on, and where the run goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import QStandardPaths
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from unetscope import api
from unetscope._napari.dataset.dataset import Dataset
from unetscope._napari.jobs.bar import JobBar
from unetscope._napari.jobs.worker import Job, start
from unetscope._napari.session import Session
from unetscope._napari.train.runs import dataset_name, default_parent, next_folder
from unetscope.io import Pairing

__all__ = ["DataPart", "RunFolderPart"]

_NO_DATA = (
    "Nothing to train on yet: choose images with masks in 1 Dataset, or open a folder that holds images and "
    "masks of the same names."
)
_COMPLETE = "Masks are complete: every pixel counts, 0 is background."
_STROKES = "Masks hold strokes only: {ignore} is not labeled and does not count, {background} is background."


class DataPart(QWidget):
    """What the session's dataset is, or a folder chooser where there is none.

    Parameters
    ----------
    session : Session
    say : callable
        Told, in one sentence, what went wrong.
    """

    def __init__(self, session: Session, say: Callable[[str], None]) -> None:
        super().__init__()
        self._session = session
        self._say = say
        self.job: Job | None = None
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.open_button = QPushButton("Open fol&der of pairs…")
        self.job_bar = JobBar()
        self.open_button.setToolTip(
            "<p>Train on the images of a folder that have a mask in it: image.png and image_mask.png, or "
            "folders named images and masks.</p>"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        layout.addWidget(self.open_button)
        layout.addWidget(self.job_bar)
        self.open_button.clicked.connect(self._ask_for_folder)
        session.dataset_changed.connect(self._follow)
        session.recipe_changed.connect(self._follow)
        self._follow()

    def open(self, folder: Path) -> None:
        """Find the pairs of a folder, and make them the dataset."""
        if self.job is not None:
            self.job.cancel()
        self.open_button.setEnabled(False)
        self.job = start(
            lambda _: api.find_pairs(folder),
            title=f"Looking for images with masks in {folder.name}",
            on_done=self._take,
            on_failed=self._say,
            on_end=lambda: self.open_button.setEnabled(True),
            bar=self.job_bar,
            owner=self,
        )

    def _take(self, pairing: Pairing) -> None:
        self._say("")
        self._session.dataset = Dataset.of_pairing(pairing)

    def _ask_for_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder of images with masks")
        if name:
            self.open(Path(name))

    def _follow(self, _: object = None) -> None:
        dataset = self._session.dataset
        self.open_button.setVisible(dataset is None)
        if dataset is None:
            self.text.setText(_NO_DATA)
            return
        recipe = self._session.recipe
        target = recipe.target
        mode = _COMPLETE
        if target.ignore is not None:
            mode = _STROKES.format(ignore=target.ignore, background=target.background)
        self.text.setText(f"{dataset.describe(recipe)}\n{mode}")


class RunFolderPart(QWidget):
    """The folder of the next run: a free one in the place of the last, unless the user chooses another.

    Parameters
    ----------
    session : Session
    parent_folder : Path or None
        Where the user wants the runs of all datasets; beside each dataset for None.
    """

    def __init__(self, session: Session, parent_folder: Path | None) -> None:
        super().__init__()
        self._session = session
        self.parent_folder = parent_folder
        self._suggested = ""
        self.path = QLineEdit()
        self.path.setToolTip(
            "<p>Folder for the run: its recipe, model, curves and scores. It must be new; an earlier run is "
            "never replaced.</p>"
        )
        self.path.setAccessibleName("Run folder")
        self.choose_button = QPushButton("Where…")
        self.choose_button.setToolTip(
            "<p>Choose the folder in which this and later runs get a folder each.</p>"
        )
        label = QLabel("Run folder")
        label.setBuddy(self.path)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(label)
        row.addWidget(self.path, 1)
        row.addWidget(self.choose_button)
        self.choose_button.clicked.connect(self._ask_for_parent)
        session.dataset_changed.connect(self.suggest)
        self.suggest()

    @property
    def folder(self) -> Path:
        """What is entered."""
        return Path(self.path.text().strip()).expanduser().absolute()

    def suggest(self, _: object = None) -> None:
        """Put in the next free folder, unless the user has written something else."""
        if self.path.text() == self._suggested:
            self.suggest_anew()

    def suggest_anew(self) -> None:
        """Put in the next free folder, whatever the user has written."""
        dataset = self._session.dataset
        parent = self.parent_folder or default_parent(dataset, _documents())
        self._suggested = str(next_folder(parent, dataset_name(dataset)))
        self.path.setText(self._suggested)

    def _ask_for_parent(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder for runs", str(self.folder.parent))
        if name:
            self.parent_folder = Path(name)
            self.suggest_anew()


def _documents() -> Path:
    places = QStandardPaths.StandardLocation.DocumentsLocation
    return Path(QStandardPaths.writableLocation(places) or Path.home())
