"""Show a pair in the viewer, and give an image a layer to paint its labels on."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from unetscope._napari.layers.layer import add_layer, image_of, release
from unetscope.io import Image

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels, Layer

__all__ = ["PairLayers"]

# Of the shorter side of an image: what is easily painted with.
_BRUSH = 1 / 40


class PairLayers:
    """The layers of one pair at a time.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._shown: list[Layer] = []

    def show(self, name: str, image: Image, mask: Image | None) -> None:
        """Show a pair from files instead of the one before.

        What the user has painted on, or an image with labels of the user's, stays.
        """
        self.clear()
        like = add_layer(self._viewer, image, name=name)
        self._shown = [like]
        if mask is not None:
            labels = add_layer(self._viewer, mask, kind="labels", name=f"{name} mask", like=like)
            labels.events.paint.connect(self.keep)
            self._shown.append(labels)
        self._viewer.reset_view()

    def keep(self, _: object = None) -> list[Layer]:
        """Leave what is shown in the viewer for good: it is the user's from now on."""
        kept, self._shown = self._shown, []
        for layer in kept:
            release(layer)
        return kept

    def clear(self) -> None:
        """Take what is shown out of the viewer."""
        for layer in self._shown:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._shown = []

    def choose(self, *layers: Layer, among: Collection[Layer] = (), at: int | None = None) -> None:
        """Show layers of the user, and make the last of them active.

        Parameters
        ----------
        *layers : Layer
            Those that are in the viewer no longer are left out.
        among : collection of Layer
            All that take turns: the others are hidden, for they would lie over these.
        at : int, optional
            The slice or time point to go to.
        """
        present = [layer for layer in layers if layer in self._viewer.layers]
        for layer in {*among, *present}:
            layer.visible = layer in present
        if present:
            self._viewer.layers.selection.active = present[-1]
        if present and at is not None:
            index = [at] + [0] * (present[-1].ndim - 1)
            axis = self._viewer.dims.ndim - present[-1].ndim
            self._viewer.dims.set_point(axis, present[-1].data_to_world(index)[0])

    def annotate(self, layer: Layer, *, among: Collection[Layer] = ()) -> Labels:
        """Add an empty Labels layer on the grid of an image, ready to paint.

        Parameters
        ----------
        layer : Image layer
        among : collection of Layer
            As for `choose`.
        """
        image = image_of(layer)
        axes = image.axes.replace("C", "")
        shape = tuple(n for n, axis in zip(image.data.shape, image.axes, strict=True) if axis != "C")
        empty = image.with_data(np.zeros(shape, np.uint16), axes=axes)
        labels = add_layer(self._viewer, empty, kind="labels", name=f"{layer.name} labels", like=layer)
        release(labels)
        self.choose(layer, labels, among=among)
        labels.brush_size = max(2, round(min(image.grid[-2:]) * _BRUSH))
        labels.selected_label = 1
        # Last, for a layer that is made visible or active lays the brush down.
        labels.mode = "paint"
        return labels
