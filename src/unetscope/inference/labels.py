"""From probabilities to labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.inference.instances import label_objects, remove_small
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
    """

    kind: Kind
    values: tuple[int, ...]
    threshold: float
    minimum_size: int = 0

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

    def apply(self, probabilities: Image) -> Image:
        """Labels on the grid of the probabilities; the points of a time series each by itself.

        Parameters
        ----------
        probabilities : Image
            float32; with one channel per class for multi-class, without channel axis otherwise.
        """
        labels = [
            labels_from(
                point.channel_first(),
                kind=self.kind,
                values=self.values,
                threshold=self.threshold,
                minimum_size=self.minimum_size,
            )
            for point in probabilities.time_points()
        ]
        data = np.stack(labels) if "T" in probabilities.axes else labels[0]
        return probabilities.with_data(data, axes=probabilities.axes.replace("C", ""))


def labels_from(
    probabilities: NDArray[np.float32],
    *,
    kind: Kind,
    values: Sequence[int],
    threshold: float,
    minimum_size: int = 0,
) -> NDArray[Any]:
    """Turn the probabilities of one frame or volume into labels; see `Labeling` for the parameters.

    Parameters
    ----------
    probabilities : (K, *grid) float32 ndarray
        One map for binary and instances, one per class for multi-class.

    Returns
    -------
    (*grid) integer ndarray
        int32 object numbers for instances, otherwise the smallest type that holds `values`.
    """
    if kind == "instances":
        foreground = remove_small((probabilities[0] >= threshold).astype(np.uint8), minimum_size)
        return label_objects(foreground > 0)
    if kind == "multiclass":
        classes = probabilities.argmax(axis=0)
    else:
        classes = (probabilities[0] >= threshold).astype(np.intp)
    classes = remove_small(classes, minimum_size)
    dtype = np.result_type(np.uint8, np.min_scalar_type(min(values)), np.min_scalar_type(max(values)))
    return np.asarray(values, dtype=dtype)[classes]
