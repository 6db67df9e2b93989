"""The parts of the Predict widget: names of axes, a folder and its results, diameter, threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)
from superqt import QLabeledDoubleSlider

from unetscope._napari.parts.sentence import sentence_label
from unetscope.errors import InputError
from unetscope.folders.predict import FORMATS
from unetscope.model_card import ModelCard

__all__ = ["AxesBox", "DiameterPart", "FolderPart", "FolderWork", "ThresholdPart"]

_AXES = {
    3: {"ZYX": "slices", "TYX": "time points", "CYX": "channels"},
    4: {
        "TZYX": "time points, then slices",
        "CZYX": "channels, then slices",
        "TCYX": "time points, then channels",
    },
}
_FORMAT_NAMES = {
    "auto": "PNG for planes, TIFF for volumes",
    "png": "PNG",
    "tiff": "TIFF (OME)",
    "zarr": "OME-Zarr",
    "nifti": "NIfTI",
    "nrrd": "NRRD (3D Slicer)",
    "dicom": "DICOM segmentation",
}


class AxesBox(QComboBox):
    """What the first axes of a layer are, where the layer does not say so itself."""

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip(
            "<p>The layer does not say what its first axes are. Slices of a volume and time points are "
            "segmented; channels belong together and are what the network sees of each pixel.</p>"
        )
        self.activated.connect(self._choose)
        self._chosen: dict[int, str] = {}

    @property
    def axes(self) -> str | None:
        """Such as ``"ZYX"``; None where there is nothing to ask."""
        axes: str | None = self.currentData()
        return axes

    def ask(self, shape: tuple[int, ...] | None, card: ModelCard | None) -> None:
        """Offer what the axes of a layer of this shape may be; nothing to ask for None.

        The suggestion is slices, unless there are as many of them as the model has channels.
        """
        offers = _AXES.get(len(shape), {}) if shape is not None else {}
        with QSignalBlocker(self):
            self.clear()
            for axes, words in offers.items():
                self.addItem(words, axes)
            if offers and shape is not None:
                chosen = self._chosen.get(len(shape)) or _suggest(shape, list(offers), card)
                self.setCurrentIndex(self.findData(chosen))

    def _choose(self, index: int) -> None:
        axes = self.itemData(index)
        self._chosen[len(axes)] = axes


def _suggest(shape: tuple[int, ...], offers: list[str], card: ModelCard | None) -> str:
    if card is None or len(card.channels) < 2:
        return offers[0]
    fitting = [axes for axes in offers if "C" in axes and shape[axes.index("C")] == len(card.channels)]
    return fitting[0] if fitting else offers[0]


@dataclass(frozen=True)
class FolderWork:
    """What to do with a folder; see `unetscope.folders.predict_files`."""

    source: Path
    out: Path
    file_format: str
    series: bool
    overwrite: bool


class FolderPart(QWidget):
    """A folder of images, and where and how its results are written."""

    def __init__(self) -> None:
        super().__init__()
        self.source, self.out = QLineEdit(), QLineEdit()
        self.source.setPlaceholderText("a folder of images")
        self.source.setToolTip("All images in this folder are segmented; masks beside them are left alone.")
        self.out.setPlaceholderText("a new folder")
        self.out.setToolTip("Where the results are written, with predictions.json about all of them.")
        self.source.editingFinished.connect(self._suggest_out)
        self.format = QComboBox()
        for name in ("auto", *FORMATS):
            self.format.addItem(_FORMAT_NAMES[name], name)
        self.format.setToolTip("How the labels are written. TIFF, OME-Zarr, NIfTI and NRRD keep the spacing.")
        self.series = QCheckBox("DICOM files are ser&ies")
        self.series.setToolTip(
            "<p>Take the DICOM files of the folder as series, one result each, instead of one result for "
            "each file. A 3D model always does.</p>"
        )
        self.overwrite = QCheckBox("Replace &earlier results")
        self.overwrite.setToolTip("Otherwise nothing is written into a folder that holds results already.")
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addRow("Ima&ges", self._row(self.source, "Choose a folder of images"))
        layout.addRow("Res&ults", self._row(self.out, "Choose a folder for the results"))
        layout.addRow("Form&at", self.format)
        layout.addRow(self.series)
        layout.addRow(self.overwrite)

    def work(self) -> FolderWork:
        """What is to be done.

        Raises
        ------
        InputError
            If a folder is not chosen yet.
        """
        for edit, what in ((self.source, "images"), (self.out, "results")):
            if not edit.text().strip():
                raise InputError(f"no folder of {what} is chosen", fix="choose one")
        return FolderWork(
            source=Path(self.source.text().strip()).expanduser(),
            out=Path(self.out.text().strip()).expanduser(),
            file_format=self.format.currentData(),
            series=self.series.isChecked(),
            overwrite=self.overwrite.isChecked(),
        )

    def _row(self, edit: QLineEdit, title: str) -> QWidget:
        button = QPushButton("…")
        button.setToolTip(f"{title}.")
        button.setAccessibleName(title)
        button.setFixedWidth(30)
        button.clicked.connect(lambda: self._browse(edit, title))
        row = QWidget()
        row.setFocusProxy(edit)
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(edit)
        layout.addWidget(button)
        return row

    def _browse(self, edit: QLineEdit, title: str) -> None:
        folder = QFileDialog.getExistingDirectory(self, title, edit.text())
        if folder:
            edit.setText(folder)
            self._suggest_out()

    def _suggest_out(self) -> None:
        source = self.source.text().strip().rstrip("/\\")
        if source and not self.out.text().strip():
            self.out.setText(f"{source}_predicted")


class DiameterPart(QWidget):
    """How large the objects are, for models that bring them to one size; left empty it is estimated."""

    def __init__(self) -> None:
        super().__init__()
        self.edit = QLineEdit()
        self.edit.setPlaceholderText("estimated")
        self.edit.setClearButtonEnabled(True)
        self.edit.setToolTip(
            "<p>Diameter of the objects in pixels. The model has learned objects of one size, and every "
            "image is resized to it. Left empty, it is estimated in each image; give it where that goes "
            "wrong, for example where there are few objects.</p>"
        )
        self.found = QLabel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.edit, 1)
        layout.addWidget(self.found)
        self.setFocusProxy(self.edit)
        self._usable = False

    @property
    def usable(self) -> bool:
        """Whether the model brings objects to one size."""
        return self._usable

    def diameter(self) -> float | None:
        """What a person has entered, pixels; None to have it estimated, or where it has no meaning.

        Raises
        ------
        InputError
            If it is no size.
        """
        text = self.edit.text().strip().replace(",", ".").removesuffix("px").strip()
        if not self._usable or not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value < math.inf:
            raise InputError(
                f"the diameter is {self.edit.text()!r}",
                expected="pixels, above 0",
                fix="correct it, or leave it empty to have it estimated",
            )
        return value

    def show_card(self, card: ModelCard | None) -> None:
        """Follow the model; what was found by another one is forgotten."""
        self._usable = card is not None and card.recipe.preprocess.diameter is not None
        self.found.clear()

    def show_found(self, diameters: Sequence[float]) -> None:
        """Tell what was estimated, in one image or in several."""
        low, high = (f"{end(diameters):.3g}" for end in (min, max)) if diameters else ("", "")
        span = low if low == high else f"{low} to {high}"
        self.found.setText(f"found {span} px" if span else "")


class ThresholdPart(QWidget):
    """The threshold, or why there is none.

    Attributes
    ----------
    changed : Signal()
        A person has moved it.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._own = 0.5
        self._moved = False
        self.slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0.01, 0.99)
        self.slider.setSingleStep(0.01)
        self.slider.setPageStep(0.05)
        self.slider.setDecimals(2)
        self.slider.setToolTip(
            "<p>Pixels with at least this probability are the object. Lower finds more, higher is stricter. "
            "Labels that were just predicted follow at once.</p>"
        )
        self.slider.valueChanged.connect(self._move)
        label = QLabel("&Threshold")
        label.setBuddy(self.slider)
        self.reset = QPushButton()
        self.reset.clicked.connect(self._reset)
        self.reason = sentence_label("The likeliest class wins: several classes have no threshold.")
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(label, 0, 0)
        layout.addWidget(self.slider, 0, 1)
        layout.addWidget(self.reset, 1, 1)
        layout.addWidget(self.reason, 2, 0, 1, 2)
        layout.setColumnStretch(1, 1)
        self.show_card(None)

    @property
    def threshold(self) -> float | None:
        """What a person has chosen instead of the model's own; None for the model's own."""
        return round(self.slider.value(), 2) if self._moved else None

    @property
    def usable(self) -> bool:
        """Whether the model has a threshold."""
        return self.slider.isEnabled()

    @property
    def shown(self) -> float:
        """The threshold that holds, chosen or the model's own."""
        return self._own if self.threshold is None else self.threshold

    def show_card(self, card: ModelCard | None) -> None:
        """Begin with the threshold of a model."""
        several = card is not None and card.recipe.target.kind == "multiclass"
        self._own = 0.5 if card is None else card.threshold
        tuned = card is not None and card.recipe.prediction.threshold == "auto"
        self.reset.setText(f"&Reset to {self._own:g}")
        self.reset.setToolTip(
            "The threshold with the best Dice on the validation images."
            if tuned
            else "The threshold that the recipe of the model sets."
        )
        self.reason.setVisible(several)
        self.slider.setEnabled(card is not None and not several)
        self._show_own()

    def _show_own(self) -> None:
        self._moved = False
        with QSignalBlocker(self.slider):
            self.slider.setValue(self._own)
        self.reset.setEnabled(False)

    def _move(self) -> None:
        self._moved = True
        self.reset.setEnabled(True)
        self.changed.emit()

    def _reset(self) -> None:
        self._show_own()
        self.changed.emit()
