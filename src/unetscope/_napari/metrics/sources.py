"""Where the scores of the Metrics widget come from: a run, layers in the viewer, or two folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from unetscope._napari.dataset.suggest import labels_layers, suggest_labels
from unetscope._napari.jobs.worker import Job
from unetscope._napari.layers.layer import is_ours
from unetscope._napari.metrics.scores import FolderScores, LayerPair, LayerScores, RunScores, Scores
from unetscope._napari.predict.predicted import KEY
from unetscope.errors import InputError, UNetScopeError
from unetscope.recipe.recipe import Target
from unetscope.training.folder import RunFolder

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels, Layer

__all__ = ["FoldersPage", "LayersPage", "MaskMeaning", "Page", "RunPage"]

Work = Callable[[Job], Scores]

_ROLES = {
    "validation": "validation images",
    "test": "test images",
    "training": "training images",
}
_MEANINGS = {
    "Classes: each value is one": Target(kind="multiclass"),
    "Objects: each value is one object": Target(kind="instances"),
    "Strokes: 0 not labeled, 1 background": Target(kind="multiclass", ignore=0, background=1),
}


class Page(QWidget):
    """One kind of source.

    Signals
    -------
    requested : str, callable
        The user wants scores: what to call the work, and the function that does it in a job.
    refused : str
        Why it cannot be done, in one sentence.
    """

    requested = Signal(str, object)
    refused = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.form = QFormLayout(self)
        self.form.setContentsMargins(0, 0, 0, 0)
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)


class RunPage(Page):
    """A training run: the images that it kept for validation, or others."""

    def __init__(self) -> None:
        super().__init__()
        self.run: Path | None = None
        self.path = PathEdit("Choose the folder of a run", "<p>The folder that training wrote.</p>")
        self.role = QComboBox()
        self.role.setToolTip(
            "<p>Which images of the run are scored. Validation images chose the best epoch, so their scores "
            "are a little too good; test images took no part in training.</p>"
        )
        self.form.addRow("R&un", self.path)
        self.form.addRow("&Images", self.role)
        self.path.chosen.connect(self.open)
        self.role.activated.connect(self._ask)

    def open(self, run: Path) -> None:
        """Show a run and ask for its scores, which are made if it has none."""
        if self.show_run(run):
            self._ask()

    def show_run(self, run: Path) -> bool:
        """Show a run, without its scores; False if it kept no images to be scored."""
        self.run = run
        self.path.setText(str(run))
        self.role.clear()
        try:
            roles = [entry.role for entry in RunFolder.open(run).data]
        except UNetScopeError as error:
            self.refused.emit(str(error))
            return False
        for role, words in _ROLES.items():
            if role in roles:
                self.role.addItem(f"{roles.count(role)} {words}", role)
        if "validation" in roles:
            return True
        self.refused.emit(f"{run.name} kept no images for validation; choose others to score.")
        self.role.setCurrentIndex(-1)
        return False

    def _ask(self) -> None:
        run, role = self.run, self.role.currentData()
        if run is not None and role is not None:
            self.requested.emit(f"Scoring {run.name}", lambda job: RunScores.of(run, role, job.share(0, 1)))


class LayersPage(Page):
    """Labels layers: predictions, and their truths.

    Parameters
    ----------
    viewer : napari.Viewer
    hidden : callable
        Which layers not to offer.
    """

    def __init__(self, viewer: ViewerModel, hidden: Callable[[Layer], bool]) -> None:
        super().__init__()
        self._viewer = viewer
        self._hidden = hidden
        self._pairs: list[tuple[Labels, Labels]] = []
        self.predicted, self.truth, self.meaning = QComboBox(), QComboBox(), MaskMeaning()
        for box, text in (
            (self.predicted, "<p>The Labels layer to score, such as a result of 4 Predict.</p>"),
            (self.truth, "<p>The Labels layer that says what is right, on the same image.</p>"),
        ):
            box.setToolTip(text)
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.measure_button = QPushButton("Meas&ure")
        self.measure_button.setToolTip("<p>Score this prediction.</p>")
        self.add_button = QPushButton("&Add to table")
        self.add_button.setToolTip("<p>Score this prediction together with those in the table.</p>")
        buttons = QHBoxLayout()
        buttons.addWidget(self.measure_button)
        buttons.addWidget(self.add_button)
        self.form.addRow("Pr&ediction", self.predicted)
        self.form.addRow("&Truth", self.truth)
        self.form.addRow("Mas&ks hold", self.meaning)
        self.form.addRow(buttons)
        self.measure_button.clicked.connect(lambda: self._ask([]))
        self.add_button.clicked.connect(lambda: self._ask(self._pairs))
        self.predicted.activated.connect(self._suggest_truth)
        viewer.layers.events.connect(self._follow)
        self.refresh()

    def refresh(self) -> None:
        """Offer the layers that there are now."""
        from napari.layers import Labels

        layers = [a for a in self._viewer.layers if isinstance(a, Labels) and not self._hidden(a)]
        before = self.predicted.currentData()
        # Results first where a prediction is asked for, and layers of the user first for the truth.
        _offer(self.predicted, sorted(layers, key=lambda layer: not is_ours(layer)))
        _offer(self.truth, sorted(layers, key=is_ours))
        if len(layers) > 1 and self.truth.currentData() == self.predicted.currentData():
            self.truth.setCurrentIndex(1 - min(self.truth.currentIndex(), 1))
        if self.predicted.currentData() != before:
            self._suggest_truth()
        self.measure_button.setEnabled(len(layers) > 1)
        self._pairs = [pair for pair in self._pairs if all(layer in layers for layer in pair)]
        self.add_button.setEnabled(bool(self._pairs))

    def stop_following(self) -> None:
        """Look at the viewer no longer."""
        self._viewer.layers.events.disconnect(self._follow)

    def _follow(self, event: Any) -> None:
        if event.type in ("inserted", "removed", "reordered", "name"):
            self.refresh()
        # Who has just segmented an image wants to know how good that is.
        if event.type == "inserted" and KEY in event.value.metadata:
            places = range(self.predicted.count())
            self.predicted.setCurrentIndex(
                next((i for i in places if self.predicted.itemData(i) == event.value), -1)
            )
            self._suggest_truth()

    def _suggest_truth(self) -> None:
        """Choose the labels that belong to the image of the prediction, if it is clear which do."""
        predicted = self.predicted.currentData()
        name = None if predicted is None else predicted.metadata.get(KEY, {}).get("image")
        if name not in self._viewer.layers:
            return
        ((truth, _),) = suggest_labels([self._viewer.layers[name]], labels_layers(self._viewer.layers))
        if truth is not None:
            places = range(self.truth.count())
            self.truth.setCurrentIndex(next((i for i in places if self.truth.itemData(i) == truth), -1))

    def _ask(self, before: list[tuple[Labels, Labels]]) -> None:
        pair = self.predicted.currentData(), self.truth.currentData()
        pairs = [*(other for other in before if other[0] != pair[0]), pair]
        try:
            if pair[0] == pair[1]:
                raise InputError(
                    f"the layer {pair[0].name!r} is chosen as prediction and as truth",
                    expected="two layers",
                    fix="choose another one",
                )
            looked_at = [LayerPair.of(*each, self._viewer.layers) for each in pairs]
        except InputError as error:
            self.refused.emit(str(error))
            return
        self._pairs, target = pairs, self.meaning.target
        self.add_button.setEnabled(True)
        self.requested.emit("Measuring layers", lambda _: LayerScores(looked_at, target))


class FoldersPage(Page):
    """A folder of predictions and a folder of masks with the same names."""

    def __init__(self) -> None:
        super().__init__()
        self.predicted = PathEdit(
            "Choose the folder of predictions", "<p>The folder with the predicted masks.</p>"
        )
        self.truth = PathEdit(
            "Choose the folder of masks", "<p>The folder with the true masks, named as the predictions.</p>"
        )
        self.meaning = MaskMeaning()
        self.measure_button = QPushButton("Meas&ure")
        self.measure_button.setToolTip("<p>Score all predictions that have a mask of the same name.</p>")
        self.form.addRow("Pr&edictions", self.predicted)
        self.form.addRow("Mas&ks", self.truth)
        self.form.addRow("Masks hol&d", self.meaning)
        self.form.addRow(self.measure_button)
        self.measure_button.clicked.connect(self._ask)

    def _ask(self) -> None:
        if not self.predicted.text() or not self.truth.text():
            self.refused.emit("Choose both folders first.")
            return
        predicted, truth, target = Path(self.predicted.text()), Path(self.truth.text()), self.meaning.target
        self.requested.emit(
            f"Comparing {predicted.name} with {truth.name}",
            lambda _: FolderScores.of(predicted, truth, target),
        )


class MaskMeaning(QComboBox):
    """How the values of masks are read."""

    def __init__(self) -> None:
        super().__init__()
        self._suggested = 0
        for words, target in _MEANINGS.items():
            self.addItem(words, target)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "<p>Classes: the same value means the same thing in all images. Objects: the values number "
            "objects, which are matched with those of the truth. Strokes: only what was painted counts.</p>"
        )

    @property
    def target(self) -> Target:
        """What is chosen."""
        target: Target = self.currentData()
        return target

    def suggest(self, target: Target) -> None:
        """Choose what fits a recipe, unless the user knew better than the same suggestion before."""
        place = 2 if target.sparse else 1 if target.kind == "instances" else 0
        if place != self._suggested:
            self._suggested = place
            self.setCurrentIndex(place)


class PathEdit(QWidget):
    """The path of a folder, to type or to choose.

    Signals
    -------
    chosen : Path
        The user entered another one.
    """

    chosen = Signal(object)

    def __init__(self, title: str, tip: str) -> None:
        super().__init__()
        self._title = title
        self._edit = QLineEdit()
        self._edit.setToolTip(tip)
        self._edit.setAccessibleName(title)
        self._button = QPushButton("…")
        self._button.setToolTip(f"<p>{title}.</p>")
        self._button.setAccessibleName(title)
        self._button.setMaximumWidth(32)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._edit, 1)
        row.addWidget(self._button)
        self.setFocusProxy(self._edit)
        self._edit.returnPressed.connect(self._tell)
        self._button.clicked.connect(self._ask)

    def text(self) -> str:
        """What is entered."""
        return self._edit.text().strip()

    def setText(self, text: str) -> None:  # noqa: N802 - as Qt's editors call it
        """Show a path."""
        self._edit.setText(text)

    def _tell(self) -> None:
        if self.text():
            self.chosen.emit(Path(self.text()).expanduser())

    def _ask(self) -> None:
        name = QFileDialog.getExistingDirectory(self, self._title, self.text())
        if name:
            self.setText(name)
            self._tell()


def _offer(box: QComboBox, layers: list[Labels]) -> None:
    """Offer these layers, and keep the choice if it is among them."""
    chosen = box.currentData()
    box.clear()
    for layer in layers:
        box.addItem(layer.name, layer)
    # napari hands out a new proxy of a layer each time: they are equal, and not the same.
    box.setCurrentIndex(layers.index(chosen) if chosen in layers else 0 if layers else -1)
