"""The layers that show, while a network is trained, what it says about one image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unetscope import api
from unetscope._napari.jobs.worker import Job, start
from unetscope._napari.layers.colors import prediction_colors
from unetscope._napari.layers.layer import PASSING, Kind, add_layer, replace_data, selection_kept

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from unetscope.io import Image
    from unetscope.training.folder import Preview

__all__ = ["PreviewLayers"]


class PreviewLayers:
    """An image and its latest prediction, as layers of our own.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._kind = ""
        self._name = ""
        self._image: Layer | None = None
        self._labels: Layer | None = None
        self._reading: Job | None = None

    @property
    def removed(self) -> bool:
        """Whether the user has removed the prediction."""
        return self._labels is not None and self._labels not in self._viewer.layers

    def begin(self, kind: str) -> None:
        """Forget the last training; `kind` is what this one learns to segment."""
        self.remove()
        self._kind = kind

    def show(self, preview: Preview) -> None:
        """Show a prediction, instead of the one before.

        Parameters
        ----------
        preview : Preview
        """
        if preview.name != self._name:
            self.remove()
            self._name = preview.name
            self._read_image(preview)
        if self._labels is None:
            colors = prediction_colors(self._kind)
            self._labels = self._add(preview.labels, "labels", _title(preview), opacity=0.4, **colors)
        elif self._labels in self._viewer.layers:
            replace_data(self._labels, preview.labels)
            self._labels.name = _title(preview)

    def remove(self) -> None:
        """Take both layers out of the viewer, where the user has left them there."""
        self.close()
        for layer in (self._labels, self._image):
            if layer is not None and layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._name, self._image, self._labels = "", None, None

    def close(self) -> None:
        """Begin nothing more."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _read_image(self, preview: Preview) -> None:
        path = preview.labels.source.path
        if path is not None:
            self._reading = start(
                lambda _: api.read(path), title=f"Reading {preview.name}", on_done=self._show_image
            )

    def _show_image(self, image: Image) -> None:
        self._reading = None
        self._image = self._add(
            image, "image", f"watched: {_layer_name(self._name)}", metadata={PASSING: True}
        )
        # Below the prediction, which may have been there first.
        if self._labels in self._viewer.layers:
            layers = self._viewer.layers
            layers.move(layers.index(self._image), layers.index(self._labels))

    def _add(self, image: Image, kind: Kind, name: str, **options: Any) -> Layer:
        with selection_kept(self._viewer):
            return add_layer(self._viewer, image, kind=kind, name=name, **options)


def _title(preview: Preview) -> str:
    return f"prediction: {_layer_name(preview.name)} (epoch {preview.epoch})"


def _layer_name(name: str) -> str:
    """The name of an image, as its layer has it if the file is a copy of that."""
    return name.removesuffix(".ome.tif")
