"""Choose a model: one that comes along, a recent one, a file, a run folder, or something dropped."""

from __future__ import annotations

import html
from datetime import datetime
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QMenu,
    QPushButton,
    QWidget,
)

from unetscope import api
from unetscope._napari import settings
from unetscope._napari.parts.models import explain_model
from unetscope._napari.parts.sentence import sentence_label
from unetscope._words import count
from unetscope.errors import UNetScopeError
from unetscope.model_card import ModelCard

__all__ = ["ModelChooser", "describe_card"]

_MOST = 8
_FILTER = "Models (*.safetensors)"


class ModelChooser(QWidget):
    """A list of models with the card of the chosen one.

    Attributes
    ----------
    card : ModelCard or None
        What the chosen model says about itself; None without a model that can be used.
    chosen : Signal(Path)
        A person has chosen a model.
    """

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.card: ModelCard | None = None
        self.models = QComboBox()
        self.models.setToolTip(
            "<p>The trained model to segment with: one that comes with UNetScope, a file "
            "<i>model.safetensors</i>, or the folder of a run, of which the best model is taken. Files and "
            "folders can be dropped here.</p>"
        )
        # A long name is cut off; it must not make the dock wider.
        self.models.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.models.setMinimumContentsLength(12)
        self.models.setPlaceholderText("Choose or open one")
        self.models.activated.connect(self._pick)
        label = QLabel("&Model")
        label.setBuddy(self.models)
        self.open_button = QPushButton("&Open…")
        self.open_button.setToolTip("Open another model: a file, or the folder that training wrote.")
        menu = QMenu(self)
        menu.addAction("Model &file…", self._open_file)
        menu.addAction("&Run folder…", self._open_folder)
        self.open_button.setMenu(menu)
        self.about = sentence_label()
        self.about.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(label, 0, 0)
        layout.addWidget(self.models, 0, 1)
        layout.addWidget(self.open_button, 0, 2)
        layout.addWidget(self.about, 1, 0, 1, 3)
        layout.setColumnStretch(1, 1)
        self.setAcceptDrops(True)
        self._fill(None)

    @property
    def path(self) -> Path | None:
        """The model that is chosen."""
        path: Path | None = self.models.currentData()
        return path

    def last(self) -> Path | None:
        """The model that was used last, if it is still there."""
        return next(iter(_recent()), None)

    def show_model(self, path: Path | None) -> None:
        """Show a model and its card, without telling anybody, and remember it for the next start."""
        self._fill(path)
        self.card = None
        self.about.setToolTip("")
        if path is None:
            self.about.setText("Train a model, choose one that comes along, or open one.")
            return
        try:
            card = api.read_card(path)
            self.about.setText(describe_card(card))
            self.about.setToolTip(_limits(card))
        except UNetScopeError as error:
            self.about.setText(f"⚠ {html.escape(str(error))}")
            return
        self.card = card
        recent = [path, *(other for other in _recent() if other != path)]
        settings.remember("predict", {"models": list(map(_remembered, recent[:_MOST]))})

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802 - Qt's name
        """Take what may be a model."""
        if event is not None and any(_is_model(path) for path in _dropped(event)):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802 - Qt's name
        """Choose the model that was dropped."""
        for path in _dropped(event) if event is not None else ():
            if _is_model(path):
                self.chosen.emit(path)
                return

    def _fill(self, chosen: Path | None) -> None:
        shipped = api.shipped_models()
        paths = [path for path in _recent() if path not in shipped.values()]
        if chosen is not None and chosen not in (*shipped.values(), *paths):
            paths.insert(0, chosen)
        items = [(f"{name} (comes along)", path, explain_model(path)) for name, path in shipped.items()]
        items += [(_short_name(path), path, str(path)) for path in paths]
        with QSignalBlocker(self.models):
            self.models.clear()
            for index, (text, path, explanation) in enumerate(items):
                self.models.addItem(text, path)
                self.models.setItemData(index, explanation, Qt.ItemDataRole.ToolTipRole)
            known = [path for _, path, _ in items]
            self.models.setCurrentIndex(known.index(chosen) if chosen is not None else -1)

    def _pick(self, index: int) -> None:
        self.chosen.emit(self.models.itemData(index))

    def _open_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open a model", self._start(), _FILTER)
        if name:
            self.chosen.emit(Path(name))

    def _open_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Open the folder of a run", self._start())
        if name:
            self.chosen.emit(Path(name))

    def _start(self) -> str:
        return "" if self.path is None else str(self.path.parent)


def _is_model(path: Path) -> bool:
    """Whether a path may be a model: a safetensors file, or a run folder."""
    return path.suffix == ".safetensors" or (path / "recipe.yaml").is_file()


def _dropped(event: QDropEvent) -> list[Path]:
    """The files and folders that are dropped."""
    data = event.mimeData()
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()] if data is not None else []


def describe_card(card: ModelCard) -> str:
    """What a model does and how good it is, in a few sentences of rich text.

    Parameters
    ----------
    card : ModelCard
    """
    provenance = card.provenance
    scores = provenance.get("scores") or {}
    trained = f"Trained on {provenance.get('training images', 'an unknown number of')} images"
    if scores.get("validation dice") is not None:
        others = count(provenance.get("validation images", 0), "validation image")
        trained += f"; Dice {scores['validation dice']:.3f} on {others}"
        fixed = card.recipe.prediction.threshold
        if card.recipe.target.kind != "multiclass":
            # Not that of Metrics, where the threshold is the tuned one.
            trained += f" at threshold {0.5 if fixed == 'auto' else fixed:g}"
    written = f"{datetime.fromtimestamp(card.path.stat().st_mtime).astimezone():%Y-%m-%d}"
    if "unetscope" in provenance:
        written += f" by UNetScope {provenance['unetscope']}"
    network = f"U-Net of depth {card.recipe.network.depth}, {card.parameters:,} parameters; {written}"
    sentences = [trained, _input(card), network]
    if card.about is not None:
        # Honest scores are worth more than those that chose the epoch; the other ones are in the tooltip.
        sentences[0] = card.about.held_out[0].summary
        sentences.append(f"Data: {', '.join(card.about.licenses)}. {card.about.limits[0]}")
    elif card.start is not None:
        sentences.insert(1, f"Its training began with the model {card.start.name}")
    lines = "<br>".join(f"{html.escape(sentence.rstrip('.'))}." for sentence in sentences)
    head = _what(card) if card.about is None else html.escape(card.about.title)
    return f"<b>{head}</b><br>{lines}"


def _limits(card: ModelCard) -> str:
    """How good a model is, and where it fails, as far as somebody has written it down."""
    if card.about is None:
        return ""
    lines = (*(each.summary for each in card.about.held_out), *card.about.limits)
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<p>{html.escape(card.about.description)}</p><ul>{items}</ul>"


def _what(card: ModelCard) -> str:
    if card.recipe.target.kind == "instances":
        return "Finds single objects and numbers them"
    if card.recipe.target.kind == "multiclass":
        values = ", ".join(map(str, card.values[1:]))
        return f"Tells {len(card.values) - 1} classes from the background: labels {values}"
    return f"Tells objects from the background: label {card.values[-1]}"


def _input(card: ModelCard) -> str:
    names = ", ".join(card.channels)
    kind = "gray images" if len(card.channels) == 1 else f"images of {len(card.channels)} channels ({names})"
    crop = card.recipe.preprocess.crop
    looks = f"; looks at their central {' × '.join(map(str, crop))} pixels only" if crop is not None else ""
    if card.recipe.network.dimensions == 3:
        return f"Takes volumes as a whole (3D), {kind} only{looks}"
    return f"Takes {kind}, stacks slice by slice (2D){looks}"


def _short_name(path: Path) -> str:
    """Enough of a path to tell runs apart: those whose folder is called ``run`` have it in the one above."""
    folder = path.parent if path.suffix == ".safetensors" else path
    return f"{folder.parent.name}/{folder.name}" if folder.name == "run" else folder.name or str(path)


def _recent() -> list[Path]:
    """The models that were used last and are still there, the latest first."""
    models, shipped = settings.recall("predict").get("models", []), api.shipped_models()
    texts = [text for text in models if isinstance(text, str)] if isinstance(models, list) else []
    paths = [shipped.get(text, Path(text)) for text in texts]
    return [path for path in paths if path.exists()]


def _remembered(path: Path) -> str:
    """A model as the settings keep it: by its name if it comes along, for the program may move."""
    return next((name for name, its in api.shipped_models().items() if its == path), str(path))
