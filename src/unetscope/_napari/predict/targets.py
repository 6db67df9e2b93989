"""Which layers are segmented, as what, and how much of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unetscope._napari.layers.layer import image_of, is_ours
from unetscope._napari.layers.place import axes_of, is_named, shape_of
from unetscope.io import Image

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

    from unetscope._napari.predict.predicted import PredictedLayers

__all__ = ["Target", "chosen_layers", "describe_layers", "stepped_axes", "target_of"]

_NAMED = 3
_STEPS = {
    "": "",
    "Z": ", slice by slice",
    "T": ", time point by time point",
    "TZ": ", one slice after another",
}


@dataclass(frozen=True, eq=False)
class Target:
    """A layer to segment.

    Attributes
    ----------
    layer : Image layer
    image : Image
        All that it shows.
    part : mapping of str to int
        Time point and slice that are wanted; empty for all of it.
    """

    layer: ImageLayer
    image: Image
    part: Mapping[str, int]

    @property
    def wanted(self) -> Image:
        """What is to be segmented of the image."""
        image = self.image
        for axis, position in self.part.items():
            image = image.take(axis, position)
        return image


def chosen_layers(viewer: ViewerModel, predicted: PredictedLayers) -> list[ImageLayer]:
    """The image layers that are selected, those behind selected predictions, or the only one that there is.

    Parameters
    ----------
    viewer : napari.Viewer
    predicted : PredictedLayers

    Returns
    -------
    list of Image layers
        In the order of the layer list.
    """
    from napari.layers import Image as ImageLayer

    selected = [predicted.source_of(layer) or layer for layer in viewer.layers.selection]
    images = [
        layer
        for layer in viewer.layers
        if isinstance(layer, ImageLayer) and predicted.source_of(layer) is None
    ]
    chosen = [layer for layer in images if layer in selected]
    others = [layer for layer in images if not is_ours(layer)]
    return chosen or (others if len(others) == 1 else [])


def describe_layers(layers: Sequence[ImageLayer], axes: str) -> str:
    """Which layers those are, how large, and how a model goes through them.

    Parameters
    ----------
    layers : sequence of Image layers
    axes : str
        From `stepped_axes`.
    """
    if not layers:
        return "Select one or more images in the layer list."
    names = [f"{layer.name} ({' × '.join(map(str, shape_of(layer)))})" for layer in layers[:_NAMED]]
    more = f" and {len(layers) - _NAMED} more" if len(layers) > _NAMED else ""
    return ", ".join(names) + more + _STEPS[axes]


def stepped_axes(layer: ImageLayer, *, axes: str | None, dimensions: int) -> str:
    """The axes that a model goes along step by step: ``"T"``, ``"Z"``, ``"TZ"`` or none; see `target_of`."""
    letters = axes_of(layer, _known(layer, axes))
    return "".join(axis for axis in ("TZ" if dimensions == 2 else "T") if axis in letters)


def target_of(
    viewer: ViewerModel, layer: ImageLayer, *, axes: str | None, dimensions: int, shown_only: bool
) -> Target:
    """A layer as a model of so many dimensions takes it.

    Parameters
    ----------
    viewer : napari.Viewer
    layer : Image layer
    axes : str or None
        What its axes are, where it does not say so itself and has so many.
    dimensions : int
        Of the model.
    shown_only : bool
        Only the time point and, for a 2D model, the slice that the viewer shows.

    Raises
    ------
    InputError
        If the layer is no image, or these are no names for its axes.
    """
    known = _known(layer, axes)
    image = image_of(layer, axes=known)
    if not shown_only:
        return Target(layer, image, {})
    letters, shape = axes_of(layer, known), shape_of(layer)
    position = layer.world_to_data(viewer.dims.point)
    part = {}
    for axis in stepped_axes(layer, axes=axes, dimensions=dimensions):
        at = letters.index(axis)
        part[axis] = min(max(round(float(position[at])), 0), shape[at] - 1)
    return Target(layer, image, part)


def _known(layer: ImageLayer, axes: str | None) -> str | None:
    """What the user says that the axes are, where the layer does not say it and has so many."""
    return axes if axes is not None and not is_named(layer) and len(axes) == layer.ndim else None
