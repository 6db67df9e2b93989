"""From probabilities to labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.inference.instances import (
    fill_holes,
    gather_objects,
    grow_objects,
    keep_large,
    label_objects,
    remove_small,
)
from unetscope.inference.linking import link_frames
from unetscope.io.image import Image

__all__ = ["Labeling", "labels_from"]

Kind = Literal["binary", "multiclass", "instances"]


@dataclass(frozen=True)
class Labeling:
    """How the probabilities of a model become labels.

    Attributes
    ----------
    kind : {"binary", "multiclass", "instances"}
    values : tuple of int
        Label value of each class, background first.
    threshold : float
        Pixels at or above this are the object; not used for multi-class.
    minimum_size : int
        Connected parts with fewer pixels become background.
    seed : float
        For instances with guides: the core, or the part of the votes of a typical object, from which on an
        object begins.
    diameter : float
        Of a typical object, pixels; for instances told apart by center.
    link : bool
        For instances: whether an object of a time series keeps its number.
    """

    kind: Kind
    values: tuple[int, ...]
    threshold: float
    minimum_size: int = 0
    seed: float = 0.5
    diameter: float = 1.0
    link: bool = False

    def at(self, threshold: float) -> Labeling:
        """The same with another threshold.

        Raises
        ------
        InputError
            If it is no probability, or there are several classes.
        """
        if not 0 < threshold < 1:
            raise InputError(
                f"the threshold is {threshold:g}", expected="a probability between 0 and 1", fix="correct it"
            )
        if self.kind == "multiclass":
            raise InputError(
                f"the model chooses the likeliest of {len(self.values)} classes, for which the threshold "
                f"{threshold:g} has no meaning",
                expected="no threshold",
                fix="leave it out",
            )
        return replace(self, threshold=threshold)

    def apply(self, probabilities: Image, guides: Image | None = None) -> Image:
        """Labels on the grid of the probabilities.

        The points of a time series are labeled each by itself; if they are linked, the same object then gets
        the same number.

        Parameters
        ----------
        probabilities : Image
            float32; with one channel per class for multi-class, without channel axis otherwise.
        guides : Image, optional
            See `Prediction`.
        """
        points = probabilities.time_points()
        guiding = [None] * len(points) if guides is None else [each.data for each in guides.time_points()]
        labels = [
            labels_from(point.channel_first(), self, guide)
            for point, guide in zip(points, guiding, strict=True)
        ]
        data = np.stack(labels) if "T" in probabilities.axes else labels[0]
        if self.link and self.kind == "instances" and "T" in probabilities.axes:
            data = link_frames(data)
        return probabilities.with_data(data, axes=probabilities.axes.replace("C", ""))


def labels_from(
    probabilities: NDArray[np.float32], labeling: Labeling, guides: NDArray[np.float32] | None = None
) -> NDArray[Any]:
    """Turn the probabilities of one frame or volume into labels.

    Parameters
    ----------
    probabilities : (K, *grid) float32 ndarray
        One map for binary and instances, one per class for multi-class.
    labeling : Labeling
    guides : (G, *grid) float32 ndarray, optional
        For instances: what tells them apart; see `Prediction`.

    Returns
    -------
    (*grid) integer ndarray
        int32 object numbers for instances, otherwise the smallest type that holds the values.
    """
    if labeling.kind == "instances":
        foreground = probabilities[0] >= labeling.threshold
        if guides is None:
            return label_objects(remove_small(foreground.astype(np.uint8), labeling.minimum_size) > 0)
        if len(guides) == 1:
            objects = grow_objects(foreground, guides[0], seed=labeling.seed)
        else:
            objects = _gather(foreground, guides, labeling)
        return keep_large(fill_holes(objects), labeling.minimum_size)
    if labeling.kind == "multiclass":
        classes = probabilities.argmax(axis=0)
    else:
        classes = (probabilities[0] >= labeling.threshold).astype(np.intp)
    classes = remove_small(classes, labeling.minimum_size)
    values = labeling.values
    dtype = np.result_type(np.uint8, np.min_scalar_type(min(values)), np.min_scalar_type(max(values)))
    return np.asarray(values, dtype=dtype)[classes]


def _gather(
    foreground: NDArray[np.bool_], guides: NDArray[np.float32], labeling: Labeling
) -> NDArray[np.int32]:
    core, offsets = guides[0], guides[1:]
    if len(offsets) == foreground.ndim:
        return gather_objects(foreground, offsets, core, seed=labeling.seed, diameter=labeling.diameter)
    # A network of planes knows of no center in another slice: those of neighbors that overlap are one object.
    slices = [
        _gather(plane, np.concatenate([core[i : i + 1], offsets[:, i]]), labeling)
        for i, plane in enumerate(foreground)
    ]
    return link_frames(np.stack(slices))
