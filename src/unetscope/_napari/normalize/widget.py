"""The Normalize widget: how pixel values become what the network sees, tried on a layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QCheckBox, QDockWidget, QHBoxLayout, QLabel, QPushButton, QWidget

from unetscope import api
from unetscope._napari.jobs.worker import Job, start
from unetscope._napari.layers.layer import PASSING, add_layer, image_of, replace_data, selection_kept
from unetscope._napari.layers.place import axes_of, shape_of
from unetscope._napari.parts.chooser import LayerChooser
from unetscope._napari.parts.fields import value_of
from unetscope._napari.parts.form import FormBinding, RecipeForm
from unetscope._napari.parts.panel import Panel
from unetscope._napari.parts.plots import HistogramPlot
from unetscope._napari.parts.sentence import sentence_label
from unetscope._napari.settings import recall, remember
from unetscope.errors import UNetScopeError
from unetscope.io import Image
from unetscope.preprocess.frames import outer_axes
from unetscope.recipe.recipe import Preprocess

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

__all__ = ["NormalizeWidget"]

_FIELDS = ("preprocess.normalize", "preprocess.color", "preprocess.resize", "preprocess.crop")
_CENTER, _WIDTH = "preprocess.normalize.center", "preprocess.normalize.width"
# Of images with more pixels, only the slice and time point that are shown are previewed.
_LARGEST_PREVIEW = 2**25
_PAUSE_MS = 150
# Axis and position along it, of what is shown of a large image.
_Part = tuple[tuple[str, int], ...]
_PLANNED = "The recipe is “auto”: what you leave as it is here will be planned for your dataset."
_UNKNOWN = (
    "Statistics over the dataset are known when training begins, so there is no preview. Choose “image” or "
    "“channel” to see one."
)


class NormalizeWidget(Panel):
    """Chooses how images are normalized, resized and cropped for the network, and shows it on a layer.

    What is chosen is what the session's recipe holds. The layer stays as it is: the preview is a layer of its
    own, which is there as long as this widget is seen.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self._preview: Layer | None = None
        self._preview_of: tuple[Any, ...] = ()
        self._job: Job | None = None
        self._wanted: tuple[Any, ...] = ()
        self._window = (0.5, 1.0)
        self._seen = False
        self._dock: QDockWidget | None = None
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._update)
        self._build()
        self.binding = FormBinding(self.session, self.form, complete=self._with_partner)
        self.chooser.chosen.connect(self._change_layer)
        self.session.recipe_changed.connect(self._request)
        viewer.dims.events.current_step.connect(self._request)
        viewer.layers.events.removed.connect(self._forget_preview)
        self.closed.connect(self._end)
        self._change_layer(self.chooser.layer)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Show the preview, now that somebody looks."""
        super().showEvent(event)
        # Qt does not hide what lies behind another tab of a dock, but tells it so.
        dock = _dock_of(self)
        if dock is not None and dock is not self._dock:
            dock.visibilityChanged.connect(self._see)
            self._dock = dock
        self._see(seen=True)

    def hideEvent(self, event: QHideEvent | None) -> None:  # noqa: N802 - Qt's name
        """Take the preview away."""
        super().hideEvent(event)
        if event is not None and not event.spontaneous():
            self._see(seen=False)

    def _see(self, seen: bool) -> None:  # noqa: FBT001 - a Qt slot
        """Begin with the preview, or take it away, which would lie over the labels for no reason."""
        self._seen = seen
        if seen:
            self._pause.start()
            return
        self._pause.stop()
        if self._job is not None:
            self._job.cancel()
        self._remove_preview()

    def _build(self) -> None:
        self.chooser = LayerChooser(self.viewer, self._accepts, self)
        self.chooser.setToolTip("The image layer to try the settings on; it stays as it is.")
        title = QLabel("&Image")
        title.setBuddy(self.chooser)
        self.preview_box = QCheckBox("Show &preview as a layer")
        self.preview_box.setToolTip(
            "<p>Show what the network will see as a layer that follows the settings, as long as this tab is "
            "in front.</p>"
        )
        self.preview_box.setChecked(recall("normalize").get("preview", True))
        self.preview_box.clicked.connect(self._switch_preview)
        self.hint = sentence_label(_PLANNED)
        self.form = RecipeForm(_FIELDS)
        self.limits = sentence_label("")
        self.plot = HistogramPlot({"before": "Pixel value", "after": "Normalized value"})
        self.plot.setToolTip("How often values occur, before and after. Lines mark what becomes 0 and 1.")
        self.write_button = QPushButton("&Write normalized layer")
        self.write_button.setToolTip("Add what the network will see as a new layer, to keep or to save.")
        self.write_button.clicked.connect(self._write)
        self.reset_button = QPushButton("&Reset")
        self.reset_button.setToolTip("Forget what was changed here: back to the preset, file or plan.")
        self.reset_button.clicked.connect(self._reset)
        choice, buttons = QHBoxLayout(), QHBoxLayout()
        choice.addWidget(title)
        choice.addWidget(self.chooser, stretch=1)
        buttons.addWidget(self.write_button, stretch=1)
        buttons.addWidget(self.reset_button)
        self.body.addLayout(choice)
        self.body.addWidget(self.preview_box)
        self.body.addWidget(self.form)
        self.body.addWidget(self.hint)
        self.body.addWidget(self.limits)
        self.body.addWidget(self.plot, stretch=1)
        self.body.addLayout(buttons)
        self.body.addStretch()
        self._show_results(shown=False)

    def _accepts(self, layer: Layer) -> bool:
        from napari.layers import Image as ImageLayer

        return isinstance(layer, ImageLayer) and PASSING not in layer.metadata

    def _with_partner(self, name: str, value: Any) -> Mapping[str, Any]:
        """Center and width of the window are given together or not at all."""
        if name not in (_CENTER, _WIDTH):
            return {name: value}
        if value is None:
            return {_CENTER: None, _WIDTH: None}
        suggested = dict(zip((_CENTER, _WIDTH), self._window, strict=True))
        known = {key: value_of(self.session.recipe, key) for key in suggested}
        return {key: suggested[key] if known[key] is None else known[key] for key in known} | {name: value}

    def _change_layer(self, layer: Layer | None) -> None:
        self.write_button.setEnabled(layer is not None)
        if layer is not None:
            low, high = (float(limit) for limit in layer.contrast_limits)
            self._window = (low + high) / 2, high - low
            for name, number in zip((_CENTER, _WIDTH), self._window, strict=True):
                self.form.editor(name).editor.suggest(number)
        self._request()

    def _request(self, _: Any = None) -> None:
        """Update the preview soon, unless nothing has changed that it shows."""
        recipe = self.session.recipe
        self.hint.setVisible(self.session.basis == "auto" and self.session.plan is None)
        layer = self.chooser.layer
        at = () if layer is None else self._shown_part(layer)
        wanted = (layer, at, recipe.preprocess, recipe.network.dimensions, self.preview_box.isChecked())
        if wanted != self._wanted:
            self._wanted = wanted
            self._pause.start()

    def _shown_part(self, layer: Layer) -> _Part:
        """What of a large image is to be previewed; nothing for others, which are previewed whole."""
        if math.prod(shape_of(layer)) <= _LARGEST_PREVIEW:
            return ()
        try:
            letters = axes_of(layer)
            outer = outer_axes(image_of(layer), self.session.recipe.network.dimensions)
        except UNetScopeError:
            # The preview will say it.
            return ()
        position = layer.world_to_data(self.viewer.dims.point[-layer.ndim :])
        shown = {axis: round(float(position[letters.index(axis)])) for axis in outer}
        last = {axis: shape_of(layer)[letters.index(axis)] - 1 for axis in outer}
        return tuple((axis, min(max(shown[axis], 0), last[axis])) for axis in outer)

    def _update(self) -> None:
        layer, part, settings, dimensions, _ = self._wanted
        if self._job is not None:
            self._job.cancel()
        if not self._seen:
            return
        if layer is None:
            self._clear("Open an image to try the settings on.")
            return
        if settings.normalize.needs_dataset:
            self._clear(_UNKNOWN)
            return
        try:
            image = image_of(layer)
        except UNetScopeError as error:
            self._clear(str(error))
            return
        for axis, index in part:
            image = image.take(axis, index)
        self._job = start(
            lambda job: api.preview(image, settings, dimensions=dimensions, progress=job.share(0, 1)),
            title=f"Previewing {layer.name}",
            on_done=partial(self._show, layer, settings, part),
            on_failed=self._clear,
            owner=self,
        )

    def _show(self, layer: Layer, settings: Preprocess, part: _Part, preview: api.Preview) -> None:
        if layer not in self.viewer.layers:
            return
        self.limits.setText(preview.describe(settings.normalize))
        markers = {}
        if settings.normalize.method != "none":
            markers = {"→ 0": preview.limits[..., 0].min(), "→ 1": preview.limits[..., 1].max()}
        self.plot.show_histogram("before", *preview.before, markers)
        self.plot.show_histogram("after", *preview.after)
        self._show_results(shown=True)
        self.say("The image is large: this is for the part that is shown." if part else "")
        if self.preview_box.isChecked():
            self._show_layer(layer, preview)

    def _show_layer(self, layer: Layer, preview: api.Preview) -> None:
        image = preview.image
        kind = (layer, image.axes, image.is_rgb)
        if self._preview is not None and kind == self._preview_of:
            replace_data(self._preview, image)
        else:
            self._remove_preview()
            self._preview = self._add(layer, image, f"{layer.name} (preview)", metadata={PASSING: True})
            self._preview_of = kind
            # What lies on the image, such as labels, lies on its preview too.
            layers = self.viewer.layers
            layers.move(layers.index(self._preview), layers.index(layer) + 1)
        if not image.is_rgb:
            low, high = preview.after.edges[[0, -1]]
            self._preview.contrast_limits = min(0.0, low), max(1.0, high)

    def _add(self, layer: Layer, image: Image, name: str, **options: Any) -> Layer:
        with selection_kept(self.viewer):
            return add_layer(self.viewer, image, name=name, like=layer, **options)

    def _clear(self, sentence: str) -> None:
        """Show nothing, and say why."""
        self._show_results(shown=False)
        self._remove_preview()
        self.say(sentence)

    def _show_results(self, *, shown: bool) -> None:
        self.limits.setVisible(shown)
        self.plot.setVisible(shown)

    def _remove_preview(self) -> None:
        preview, self._preview = self._preview, None
        if preview is not None and preview in self.viewer.layers:
            self.viewer.layers.remove(preview)

    def _forget_preview(self, event: Any) -> None:
        """The user has removed the preview: no more of it."""
        if self._preview is not None and event.value == self._preview:
            self._preview = None
            # Not remembered: a viewer that closes removes its layers too.
            self.preview_box.setChecked(False)
            self._request()

    def _switch_preview(self) -> None:
        remember("normalize", {"preview": self.preview_box.isChecked()})
        if not self.preview_box.isChecked():
            self._remove_preview()
        self._request()

    def _write(self) -> None:
        layer, recipe = self.chooser.layer, self.session.recipe
        if layer is None:
            return
        settings, dimensions = recipe.preprocess, recipe.network.dimensions
        try:
            image = image_of(layer)
        except UNetScopeError as error:
            self.say(str(error))
            return
        start(
            lambda job: api.prepare(image, settings, dimensions=dimensions, progress=job.share(0, 1)),
            title=f"Normalizing {layer.name}",
            on_done=partial(self._keep, layer),
            on_failed=self.say,
            owner=self,
        )

    def _keep(self, layer: Layer, image: Image) -> None:
        new = self._add(layer, image, f"{layer.name} normalized")
        self.say(f"Added the layer “{new.name}”.")

    def _reset(self) -> None:
        kept = {
            name: value for name, value in self.session.changes.items() if not name.startswith("preprocess.")
        }
        try:
            self.session.begin_with(self.session.basis, kept)
        except UNetScopeError as error:
            self.say(str(error))
            return
        self.binding.forget()

    def _end(self) -> None:
        """Leave the viewer as if this widget had never been there."""
        self._pause.stop()
        self.session.recipe_changed.disconnect(self._request, missing_ok=True)
        self.viewer.dims.events.current_step.disconnect(self._request)
        self.viewer.layers.events.removed.disconnect(self._forget_preview)
        self.chooser.disconnect_viewer()
        self._remove_preview()


def _dock_of(widget: QWidget | None) -> QDockWidget | None:
    """The dock that a widget lies in, if any."""
    while widget is not None and not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    return widget
