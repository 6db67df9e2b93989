"""Segmentations in layers, as 3D Slicer writes them where segments overlap or once overlapped."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np

from unetscope.errors import InputError
from unetscope.io.image import Image

__all__ = ["flatten_layers"]


def flatten_layers(image: Image) -> Image:
    """Put the layers of a segmentation into one, if its segments don't overlap.

    Parameters
    ----------
    image : Image
        One channel per layer, with the tag ``segments``: (layer, label, name) of each segment.

    Returns
    -------
    Image
        The labels of the file, or where segments of several layers share a label, their places in the list,
        from 1; the tag ``labels`` has their names.

    Raises
    ------
    InputError
        If segments overlap.
    """
    segments = image.source.tags["segments"]
    layers = np.moveaxis(image.data, image.axes.index("C"), 0)
    drawn = [layers[layer] == label for layer, label, _ in segments]
    for (i, one), (j, other) in combinations(enumerate(drawn), 2):
        if shared := np.count_nonzero(one & other):
            raise InputError(
                f"the segments {segments[i][2]!r} and {segments[j][2]!r} of {image.name} "
                f"overlap in {shared} pixels",
                expected="one label per pixel",
                fix="remove the overlap in 3D Slicer, or export the segments one by one",
            )
    labels = [label for _, label, _ in segments]
    if len(set(labels)) < len(labels):
        labels = list(range(1, len(labels) + 1))
    data = np.zeros(layers.shape[1:], np.min_scalar_type(max(labels)))
    for inside, label in zip(drawn, labels, strict=True):
        data[inside] = label
    names = {label: name for label, (_, _, name) in zip(labels, segments, strict=True)}
    mask = image.with_data(data, axes=image.axes.replace("C", ""))
    return replace(mask, source=replace(image.source, tags={**image.source.tags, "labels": names}))
