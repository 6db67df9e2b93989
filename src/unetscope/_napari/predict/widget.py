"""Segment layers or folders with a trained model, and adjust the threshold while looking."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QPushButton

from unetscope import api
from unetscope._napari import settings
from unetscope._napari.commands import COMMANDS, offer
from unetscope._napari.jobs.bar import JobBar
from unetscope._napari.jobs.warm import import_torch
from unetscope._napari.jobs.worker import Job, start
from unetscope._napari.layers.place import is_named, shape_of
from unetscope._napari.parts.panel import Panel
from unetscope._napari.parts.sentence import sentence_label
from unetscope._napari.parts.wheel import leave_wheel
from unetscope._napari.predict.kept_model import KeptModel
from unetscope._napari.predict.model_chooser import ModelChooser
from unetscope._napari.predict.parts import AxesBox, DiameterPart, FolderPart, FolderWork, ThresholdPart
from unetscope._napari.predict.predicted import Predicted, PredictedLayers
from unetscope._napari.predict.targets import Target, chosen_layers, describe_layers, stepped_axes, target_of
from unetscope._napari.train.runs import describe_device
from unetscope.errors import InputError, ModelError, UNetScopeError
from unetscope.model_card import ModelCard

if TYPE_CHECKING:
    import napari
    from napari.layers import Image as ImageLayer

__all__ = ["PredictWidget"]

_LAYERS, _FOLDER = "layers", "folder"
_HIDDEN = "The image {} itself is hidden: click on its eye in the layer list to see it."
# Milliseconds without a move of the slider before the labels follow.
_REST = 60


class PredictWidget(Panel):
    """Segment with a model.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        # Layers are remembered here, and the viewer of a plugin gives a new proxy of each every time.
        self._viewer = getattr(viewer, "__wrapped__", viewer)
        self._shown = PredictedLayers(self._viewer)
        self._model = KeptModel()
        self._results: list[Predicted] = []
        self._job: Job | None = None
        self._relabeling: Job | None = None
        self._started = 0.0
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST)
        self._make_parts()
        self._lay_out()
        self._connect()
        if self.session.model is None and (last := self.chooser.last()) is not None:
            self.session.model = last
        else:
            self._show_model(self.session.model)

    @property
    def job(self) -> Job | None:
        """The segmentation that runs now, to follow or cancel it."""
        return self._job

    def segment(self) -> None:
        """Segment what is chosen: what the button and the key do."""
        if self._job is not None:
            self.say("The last segmentation still runs; cancel it, or wait for its end.")
            return
        card = self._current_card()
        try:
            if card is None:
                raise ModelError("there is no model to segment with", fix="train one, or open one")
            if self.what.currentData() == _FOLDER:
                self._segment_folder(card, self.folder.work())
            else:
                self._segment_layers(card, [self._target(layer, card) for layer in self._layers()])
        except UNetScopeError as error:
            self.say(f"⚠ {error}")

    def _segment_layers(self, card: ModelCard, targets: list[Target]) -> None:
        if not targets:
            raise InputError("no image is selected", fix="select one or more images in the layer list")
        threshold, diameter, kept = self.threshold.threshold, self.diameter.diameter(), self._model
        found: list[float | None] = []
        names = targets[0].layer.name if len(targets) == 1 else f"{len(targets)} layers"

        def work(job: Job) -> str:
            job.step(text="Reading the model")
            model = kept.load(card.path)
            for index, target in enumerate(targets):
                prediction = api.predict(
                    model,
                    target.wanted,
                    threshold=threshold,
                    diameter=diameter,
                    progress=job.share(index, len(targets), names),
                )
                found.append(prediction.diameter)
                job.produce(Predicted(target.layer, target.image, target.part, prediction, card.path))
            return str(model.device)

        def tell(device: str) -> None:
            seconds = time.monotonic() - self._started
            done = f"Segmented {names} in {seconds:.1f} s ({describe_device(device)})."
            hidden = next((target.layer.name for target in targets if not target.layer.visible), None)
            self.say(done if hidden is None else f"{done} {_HIDDEN.format(hidden)}")
            self._tell_diameters(found if diameter is None else ())

        self._results = []
        self._begin(work, f"Segmenting {names}", tell)

    def _segment_folder(self, card: ModelCard, folder: FolderWork) -> None:
        threshold, probabilities = self.threshold.threshold, self.probability.isChecked()
        diameter, found = self.diameter.diameter(), list[float | None]()

        def work(job: Job) -> int:
            from unetscope.folders import predict_files

            job.step(text="Reading the model")
            import_torch()
            done, total = 0, 0

            def tell(part: float) -> None:
                # How many there are is known with the first result.
                of = f" of {total}" if total else ""
                job.step(round(1000 * (done + part)), 1000 * total, f"Image {done + 1}{of}")

            for result, number in predict_files(
                card.path,
                folder.source,
                folder.out,
                series=folder.series,
                file_format=folder.file_format,
                probabilities=probabilities,
                threshold=threshold,
                diameter=diameter,
                overwrite=folder.overwrite,
                progress=tell,
            ):
                done, total = done + 1, number
                found.append(result.diameter)
            return done

        def conclude(count: int) -> None:
            self.say(f"{count} results: {folder.out}")
            self._tell_diameters(found if diameter is None else ())

        self._begin(work, f"Segmenting {folder.source.name}", conclude)

    def _tell_diameters(self, found: Sequence[float | None]) -> None:
        """Show what was estimated, if this model estimates."""
        self.diameter.show_found([each for each in found if each is not None and self.diameter.usable])

    def _begin(self, work: Callable[[Job], Any], title: str, on_done: Callable[[Any], None]) -> None:
        self.say("")
        self._started = time.monotonic()
        self._job = start(
            work,
            title=title,
            on_done=on_done,
            on_failed=self._fail,
            on_end=self._end,
            on_produced=self._take,
            bar=self.progress,
            owner=self,
        )
        self._job.cancelled.connect(self._tell_cancelled)
        self.button.setEnabled(False)

    def _take(self, predicted: Predicted) -> None:
        """Show one of the results; those of layers that are gone were wanted by nobody."""
        if predicted.source not in self._viewer.layers:
            return
        try:
            self._shown.show(predicted, probability=self.probability.isChecked())
        except UNetScopeError as error:
            self._fail(str(error))
            return
        # Meanwhile another model may be chosen, and with it another threshold.
        if self.chooser.card is not None and predicted.model == self.chooser.card.path:
            self._results.append(predicted)

    def _tell_cancelled(self) -> None:
        self.say("Cancelled. What was finished before is kept.")

    def _fail(self, sentence: str) -> None:
        self.say(f"⚠ {sentence}")
        show_error(sentence)

    def _end(self) -> None:
        self._job = None
        self._update()
        # The slider may have been moved meanwhile.
        self._relabel()

    def _relabel(self) -> None:
        """Let the labels follow the threshold, without predicting again."""
        threshold = self.threshold.shown
        late = [r for r in self._results if r.prediction.labeling.threshold != threshold]
        if not late or self._relabeling is not None or not self.threshold.usable:
            return

        def work(job: Job) -> None:
            for result in late:
                job.produce((result, result.at(threshold)))

        def end() -> None:
            self._relabeling = None
            # The slider may have gone on; but what failed once is not tried again.
            if self.threshold.shown != threshold:
                self._relabel()

        self._relabeling = start(
            work,
            title="Applying the threshold",
            on_done=lambda _: None,
            on_failed=self._fail,
            on_end=end,
            on_produced=self._replace,
            owner=self,
        )

    def _replace(self, change: tuple[Predicted, Predicted]) -> None:
        old, new = change
        # It may have been predicted again since, or its layer removed.
        if old in self._results:
            self._results[self._results.index(old)] = new
            self._shown.show(new, probability=False)

    def _current_card(self) -> ModelCard | None:
        """The card of the model, of which training may have written a better one since."""
        before = self.chooser.card
        self.chooser.show_model(self.session.model)
        if self.chooser.card != before:
            self.threshold.show_card(self.chooser.card)
            self.diameter.show_card(self.chooser.card)
        return self.chooser.card

    def _show_model(self, path: Path | None) -> None:
        self.chooser.show_model(path)
        self.threshold.show_card(self.chooser.card)
        self.diameter.show_card(self.chooser.card)
        # Labels of another model do not follow this one's threshold.
        self._results = []
        self._update()

    def _choose_model(self, path: Path) -> None:
        self.session.model = path

    def _layers(self) -> list[ImageLayer]:
        return chosen_layers(self._viewer, self._shown)

    def _target(self, layer: ImageLayer, card: ModelCard) -> Target:
        return target_of(
            self._viewer,
            layer,
            axes=self.axes.axes,
            dimensions=card.recipe.network.dimensions,
            shown_only=self.shown_only.isChecked() and self.shown_only.isEnabled(),
        )

    def _update(self, _: object = None) -> None:
        """Show what the button would do now."""
        self._results = [result for result in self._results if result.source in self._viewer.layers]
        folder = self.what.currentData() == _FOLDER
        layers = [] if folder else self._layers()
        card = self.chooser.card
        unnamed = next((layer for layer in layers if not is_named(layer) and layer.ndim > 2), None)
        self.axes.ask(None if unnamed is None else shape_of(unnamed), card)
        self._show_steps(layers, card)
        for part, shown in (
            (self.axes, self.axes.count() > 0),
            (self.targets, not folder),
            (self.shown_only, not folder and self.shown_only.isEnabled()),
            (self.folder, folder),
            (self.diameter, self.diameter.usable),
        ):
            part.setVisible(shown)
            if (label := self._form.labelForField(part)) is not None:
                label.setVisible(shown)
        self.button.setEnabled(self._job is None and card is not None and (folder or bool(layers)))

    def _show_steps(self, layers: list[ImageLayer], card: ModelCard | None) -> None:
        """Say which layers are segmented, and along which axes step by step."""
        steps = ""
        if layers and card is not None:
            dimensions = card.recipe.network.dimensions
            steps = stepped_axes(layers[0], axes=self.axes.axes, dimensions=dimensions)
        self.targets.setText(describe_layers(layers, steps))
        self.shown_only.setEnabled(bool(steps))
        self.shown_only.setText("Only the time &point shown" if steps == "T" else "Only the s&lice shown")

    def _make_parts(self) -> None:
        self.chooser = ModelChooser()
        self.what = QComboBox()
        self.what.addItem("Selected layers", _LAYERS)
        self.what.addItem("Folder of images", _FOLDER)
        self.what.setToolTip("Layers of this viewer, or all images of a folder without opening them.")
        self.targets = sentence_label()
        self.axes = AxesBox()
        self.shown_only = QCheckBox()
        self.shown_only.setToolTip(
            "<p>Segment only what the viewer shows now, which takes a moment, to see whether model and "
            "threshold suit before the whole stack is segmented.</p>"
        )
        self.folder = FolderPart()
        self.diameter = DiameterPart()
        self.probability = QCheckBox("Show pro&babilities too")
        self.probability.setToolTip(
            "<p>Also give the probability of each pixel: as a layer, or for a folder as TIFF files.</p>"
        )
        self.button = QPushButton("&Segment")
        self.button.setToolTip(f"Segment with this model ({COMMANDS['segment'].key} in the viewer).")
        self.progress = JobBar()
        self.threshold = ThresholdPart()
        recalled = settings.recall("predict")
        self.probability.setChecked(bool(recalled.get("probability", False)))
        leave_wheel(self.chooser.models, self.what, self.axes, self.folder.format, self.threshold.slider)

    def _lay_out(self) -> None:
        self._form = QFormLayout()
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._form.addRow("&What", self.what)
        self._form.addRow(self.targets)
        self._form.addRow("&First axis", self.axes)
        self._form.addRow(self.shown_only)
        self._form.addRow(self.folder)
        self._form.addRow("&Diameter", self.diameter)
        self._form.addRow(self.probability)
        self.body.addWidget(self.chooser)
        self.body.addLayout(self._form)
        for part in (self.button, self.progress, self.threshold):
            self.body.addWidget(part)
        self.body.addStretch()

    def _connect(self) -> None:
        self.chooser.chosen.connect(self._choose_model)
        self.what.activated.connect(self._update)
        self.axes.activated.connect(self._update)
        self.probability.toggled.connect(lambda on: settings.remember("predict", {"probability": on}))
        self.button.clicked.connect(self.segment)
        self.threshold.changed.connect(self._rest.start)
        self._rest.timeout.connect(self._relabel)
        self.session.model_changed.connect(self._show_model)
        self._events = [
            self._viewer.layers.events.inserted,
            self._viewer.layers.events.removed,
            self._viewer.layers.selection.events.changed,
        ]
        for event in self._events:
            event.connect(self._update)
        self.closed.connect(self._disconnect)
        offer(self._viewer, "segment", self.segment)

    def _disconnect(self) -> None:
        """Hear no more of the viewer, which may live longer."""
        self.session.model_changed.disconnect(self._show_model, missing_ok=True)
        for event in self._events:
            event.disconnect(self._update)
        self._events = []
