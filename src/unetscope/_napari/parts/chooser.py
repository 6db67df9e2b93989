"""A box that lists layers of the viewer and follows the active one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QWidget

from unetscope._napari.parts.editors import ChoiceBox

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["LayerChooser"]


class LayerChooser(ChoiceBox):
    """Chooses a layer; the active layer is chosen when it becomes active.

    Parameters
    ----------
    viewer : napari.Viewer
    accepts : callable
        Whether a layer is offered.
    parent : QWidget, optional

    Attributes
    ----------
    chosen : Signal(object)
        Another layer was chosen, or None because there is none left.
    """

    chosen = Signal(object)

    def __init__(
        self, viewer: ViewerModel, accepts: Callable[[Layer], bool], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._accepts = accepts
        self._layers: list[Layer] = []
        self._chosen: Layer | None = None
        self.setSizeAdjustPolicy(ChoiceBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.activated.connect(lambda index: self._choose(self._layers[index]))
        self._connections = [
            (viewer.layers.events.inserted, self._relist),
            (viewer.layers.events.removed, self._relist),
            (viewer.layers.events.reordered, self._relist),
            (viewer.layers.selection.events.active, self._follow),
        ]
        for emitter, slot in self._connections:
            emitter.connect(slot)
        self._relist()
        self._follow()

    @property
    def layer(self) -> Layer | None:
        """The layer that is chosen."""
        return self._chosen

    def disconnect_viewer(self) -> None:
        """Listen to the viewer no longer; before the box is deleted."""
        for emitter, slot in self._connections:
            emitter.disconnect(slot)
        for layer in self._layers:
            layer.events.name.disconnect(self._rename)
        self._connections, self._layers = [], []

    def _relist(self, _: Any = None) -> None:
        for layer in self._layers:
            layer.events.name.disconnect(self._rename)
        self._layers = [layer for layer in self._viewer.layers if self._accepts(layer)]
        for layer in self._layers:
            layer.events.name.connect(self._rename)
        self._rename()
        if self._chosen not in self._layers:
            self._choose(self._layers[-1] if self._layers else None)

    def _rename(self, _: Any = None) -> None:
        with QSignalBlocker(self):
            self.clear()
            self.addItems([layer.name for layer in self._layers])
            if self._chosen in self._layers:
                self.setCurrentIndex(self._layers.index(self._chosen))

    def _follow(self, _: Any = None) -> None:
        active = self._viewer.layers.selection.active
        if active is not None and active in self._layers:
            self._choose(active)

    def _choose(self, layer: Layer | None) -> None:
        if layer is None or layer != self._chosen:
            self._chosen = layer
            self.setCurrentIndex(self._layers.index(layer) if layer is not None else -1)
            self.chosen.emit(layer)
