"""Segmentations of 3D Slicer as one label image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError, ReadError
from unetscope.io.image import Image
from unetscope.io.volumes.nrrd import read_nrrd

__all__ = ["read_nrrd_labels"]


def read_nrrd_labels(path: Path) -> Image:
    """Read NRRD as labels: a segmentation of several layers becomes one, where its segments do not overlap.

    Segments keep their labels; if these repeat in different layers, segments are numbered in their order.

    Returns
    -------
    Image
        As `read_nrrd` gives it, and ``source.tags["labels"]`` takes labels to names.

    Raises
    ------
    ReadError
        If the file cannot be read.
    InputError
        If segments overlap.
    """
    image = read_nrrd(path)
    segments = image.source.tags.get("segments")
    if segments is None or "C" not in image.axes:
        return image
    labels, names, notes = _merged(image.data, segments, path)
    tags = {**image.source.tags, "labels": names}
    source = replace(image.source, tags=tags, notes=image.source.notes + notes)
    return replace(image.with_data(labels, axes=image.axes.replace("C", "")), source=source)


def _merged(
    layers: NDArray[Any], segments: tuple[tuple[int, int, str], ...], path: Path
) -> tuple[NDArray[Any], dict[int, str], tuple[str, ...]]:
    """Give the labels, their names, and what is odd about them."""
    stored = [label for _, label, _ in segments]
    notes = []
    numbers = stored
    if len(set(stored)) < len(stored):
        numbers = list(range(1, len(stored) + 1))
        notes.append(f"The {len(stored)} segments share labels in different layers and were numbered anew.")
    names = {number: name for number, (_, _, name) in zip(numbers, segments, strict=True)}
    labels = np.zeros(layers.shape[1:], np.min_scalar_type(max(numbers)))
    for number, (layer, label, name) in zip(numbers, segments, strict=True):
        if not 0 <= layer < len(layers):
            raise ReadError(
                f"{path.name} has the segment {name!r} in layer {layer} of {len(layers)}",
                expected="a complete, undamaged file",
                fix="save it again in 3D Slicer",
            )
        inside = layers[layer] == label
        covered = labels[inside]
        if others := np.unique(covered[covered > 0]).tolist():
            raise InputError(
                f"the segments {names[others[0]]!r} and {name!r} of {path.name} overlap "
                f"in {np.count_nonzero(covered == others[0])} pixels",
                expected="one label per pixel",
                fix="export the segments you need, or make them exclusive in 3D Slicer",
            )
        labels[inside] = number
    if lost := np.count_nonzero(layers) - np.count_nonzero(labels):
        notes.append(f"{lost} pixels have a label that belongs to no segment and were left out.")
    return labels, names, tuple(notes)
