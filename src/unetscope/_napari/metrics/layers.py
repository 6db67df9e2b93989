"""Show what is behind a row of scores: image, truth, prediction, and what became of pixels or objects."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap

from unetscope._napari.layers.layer import Kind, add_layer, layer_data, release, replace_data
from unetscope._napari.metrics.scores import Case
from unetscope.errors import InputError
from unetscope.io import Image

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["CaseLayers"]

Part = tuple[str, Image, Kind]

# What a user may have changed, and wants the same for the next image.
_LOOK = ("visible", "opacity", "blending")


class CaseLayers:
    """The layers of one case at a time; ours, until the user paints on one, which then stays as it is.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layers: dict[str, Layer] = {}
        self._like: Layer | None = None
        self._colors: Mapping[str, str] = {}
        self._extent: Any = None

    def show(self, case: Case) -> None:
        """Show a case instead of the one before; of layers that are in the viewer only the outcomes.

        The look of the layers, and which of them are visible, stays. The viewer goes to the slice with the
        most mistakes.
        """
        parts = _parts(case)
        # To take a layer out of a viewer and put one in takes a quarter of a second, to change one no time.
        if not self._changed(case, parts):
            self._rebuild(case, parts)
        self._like, self._colors = case.layer, case.colors
        self._look_at(case)

    def owns(self, layer: Layer) -> bool:
        """Whether this is one of them."""
        # Not `is`: plugins get proxies, a new one each time.
        return layer in self._layers.values()

    def toggle(self) -> None:
        """Hide the outcomes, or show them again."""
        outcome = self._layers.get("outcome")
        if outcome is not None:
            outcome.visible = not outcome.visible

    def _changed(self, case: Case, parts: list[Part]) -> bool:
        """Change the layers that are there; False if they do not fit."""
        layers = self._layers
        if list(layers) != [role for role, _, _ in parts] or case.layer != self._like:
            return False
        if not all(_fits(image, layers[role], self._viewer) for role, image, _ in parts):
            return False
        try:
            for role, image, kind in parts:
                replace_data(layers[role], image)
                layers[role].name = f"{case.name} {role}"
                if kind == "image":
                    _show_range(layers[role], image)
        except InputError:
            return False
        # Unless they say something else, the user may have chosen others.
        if case.colors != self._colors:
            layers["outcome"].colormap = _colormap(case.colors)
        return True

    def _rebuild(self, case: Case, parts: list[Part]) -> None:
        active = self._viewer.layers.selection.active
        before, self._layers = self._layers, {}
        for role, image, kind in parts:
            self._layers[role] = self._add(role, case, image, kind, before.get(role))
        self._remove(before)
        if active in self._viewer.layers:
            self._viewer.layers.selection.active = active

    def _add(self, role: str, case: Case, image: Image, kind: Kind, before: Layer | None) -> Layer:
        options: dict[str, Any] = {"visible": role in ("image", "outcome")}
        if role == "outcome":
            options |= {"colormap": _colormap(case.colors), "opacity": 0.6}
        if before is not None:
            options |= {name: getattr(before, name) for name in _LOOK}
        layer = add_layer(
            self._viewer, image, kind=kind, name=f"{case.name} {role}", like=case.layer, **options
        )
        if kind == "labels":
            layer.events.paint.connect(self._hand_over)
        return layer

    def _hand_over(self, event: Any) -> None:
        """Leave a layer that the user corrects to the user."""
        release(event.source)
        self._layers = {role: layer for role, layer in self._layers.items() if layer != event.source}

    def _remove(self, layers: dict[str, Layer]) -> None:
        for layer in layers.values():
            # The user may have removed it already.
            with suppress(ValueError):
                self._viewer.layers.remove(layer)

    def _look_at(self, case: Case) -> None:
        outcome = self._layers["outcome"]
        extent = outcome.extent.world.tolist()
        if case.layer is None and extent != self._extent:
            self._viewer.reset_view()
        self._extent = extent
        # Axes are told from the last, where the layers of a viewer begin to count.
        places = {case.outcomes.axes.index(axis) - outcome.ndim: at for axis, at in case.where.items()}
        corner = np.zeros(outcome.ndim)
        for axis, at in places.items():
            corner[axis] = at
        world = outcome.data_to_world(corner)
        dims = self._viewer.dims
        for axis in places:
            dims.set_point(dims.ndim + axis, world[axis])


def _parts(case: Case) -> list[Part]:
    if case.layer is not None:
        return [("outcome", case.outcomes, "labels")]
    labels: list[Part] = [
        # Copies, for the user may paint on them, and the case is kept.
        ("truth", case.truth.with_data(case.truth.data.copy()), "labels"),
        ("prediction", case.predicted.with_data(case.predicted.data.copy()), "labels"),
        ("outcome", case.outcomes, "labels"),
    ]
    return labels if case.image is None else [("image", case.image, "image"), *labels]


def _fits(image: Image, layer: Layer, viewer: ViewerModel) -> bool:
    """Whether a layer of ours can show an image instead of the last one."""
    axes = len(image.axes) - ("C" in image.axes and getattr(layer, "rgb", False))
    return layer in viewer.layers and layer.ndim == axes and not image.levels and not layer.multiscale


def _show_range(layer: Any, image: Image) -> None:
    """Show the values that the image has, as a new layer would."""
    layer.reset_contrast_limits()
    options = layer_data(image)[1]
    if "contrast_limits" in options:
        layer.contrast_limits = options["contrast_limits"]


def _colormap(named: Mapping[str, str]) -> DirectLabelColormap:
    colors: dict[int | None, str] = dict(enumerate(named.values(), start=1))
    return DirectLabelColormap(color_dict={None: "transparent", 0: "transparent"} | colors)
