"""The layers that show predictions: made once and updated then, unless the user has taken them over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from unetscope._napari.layers.colors import prediction_colors
from unetscope._napari.layers.layer import Kind, add_layer, is_ours, release, replace_data, selection_kept
from unetscope.io import Image
from unetscope.preprocess.frames import place_part

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from unetscope.inference import Prediction

__all__ = ["KEY", "Predicted", "PredictedLayers"]

KEY = "unetscope prediction"
"""Where the metadata say what a prediction is of: image (name of the layer), model (path), threshold; and the
diameter of the objects, for a model that brings them to one size."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """The prediction of a layer, or of a part of it.

    Attributes
    ----------
    source : Layer
    image : Image
        All that the layer shows.
    part : mapping of str to int
        Time point and slice that were predicted; empty for all of it.
    prediction : Prediction
    model : Path
    """

    source: Layer
    image: Image
    part: Mapping[str, int]
    prediction: Prediction
    model: Path

    @property
    def labels(self) -> Image:
        """The labels on the grid of the whole image."""
        return self._whole(self.prediction.labels)

    @property
    def probabilities(self) -> Image:
        """The probabilities on the grid of the whole image."""
        return self._whole(self.prediction.probabilities)

    def at(self, threshold: float) -> Predicted:
        """The same with labels of another threshold."""
        return replace(self, prediction=self.prediction.at(threshold))

    def _whole(self, result: Image) -> Image:
        return place_part(result, self.image, self.part) if self.part else result


class PredictedLayers:
    """What is shown of which layer.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._shown: WeakKeyDictionary[Layer, dict[Kind, ref[Layer]]] = WeakKeyDictionary()
        self._writing = False

    def show(self, predicted: Predicted, *, probability: bool) -> None:
        """Show a prediction, in the layers of an earlier one where there are any.

        Parameters
        ----------
        predicted : Predicted
        probability : bool
            Whether to add a layer of probabilities; one that is there already is updated in any case.
        """
        source = predicted.source
        facts: dict[str, Any] = {
            "image": source.name,
            "model": str(predicted.model),
            "threshold": predicted.prediction.labeling.threshold,
        }
        if predicted.prediction.diameter is not None:
            facts["diameter"] = predicted.prediction.diameter
        with selection_kept(self._viewer):
            if probability or self.layer(source, "image") is not None:
                self._put(
                    source,
                    predicted.probabilities,
                    "image",
                    name=f"{source.name} probability",
                    contrast_limits=(0, 1),
                    colormap="viridis",
                    opacity=0.5,
                    metadata={KEY: facts},
                )
            layer = self._put(
                source,
                predicted.labels,
                "labels",
                name=f"{source.name} prediction",
                metadata={KEY: facts},
                **prediction_colors(predicted.prediction.labeling.kind),
            )
        layer.metadata = {**layer.metadata, KEY: facts}

    def layer(self, source: Layer, kind: Kind) -> Layer | None:
        """The layer that shows labels ("labels") or probabilities ("image") of another and is still ours."""
        layer = self._shown.get(source, {}).get(kind, lambda: None)()
        return layer if layer is not None and layer in self._viewer.layers and is_ours(layer) else None

    def source_of(self, layer: Layer) -> Layer | None:
        """The layer whose prediction a layer shows; None for layers that show none."""
        for source, shown in self._shown.items():
            if any(known() is layer for known in shown.values()):
                return source if source in self._viewer.layers else None
        return None

    def _put(self, source: Layer, image: Image, kind: Kind, **options: Any) -> Layer:
        layer = self.layer(source, kind)
        if layer is not None:
            self._writing = True
            try:
                replace_data(layer, image)
            finally:
                self._writing = False
            return layer
        layer = add_layer(self._viewer, image, kind=kind, like=source, **options)
        self._shown.setdefault(source, {})[kind] = ref(layer)
        if kind == "labels":
            layer.events.paint.connect(self._hand_over)
            layer.events.data.connect(self._hand_over)
        return layer

    def _hand_over(self, event: Any) -> None:
        """Labels that somebody has corrected are worth more than a new prediction."""
        if not self._writing:
            release(event.source)
