"""Turn images and masks into color pictures to look at side by side; no drawing here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.evaluation.metrics import check_masks
from unetscope.evaluation.object_overlay import OBJECT_OUTCOMES, paint_objects
from unetscope.evaluation.overlay import CLASSES, OUTCOMES, outcome_labels, paint, rgb
from unetscope.evaluation.score import align_labels
from unetscope.preprocess import separate_objects

__all__ = ["CLASSES", "Case", "Panels", "panels_of"]

_OBJECT = ("#FFFFFF",)


@dataclass(frozen=True, eq=False)
class Case:
    """One image with its truth and prediction, to look at.

    Attributes
    ----------
    title : str
        Written above its row, such as ``"best: a.png, Dice 0.95"``.
    image : ndarray
        (Y, X), (C, Y, X) or (Y, X, 3); for masks in 3D (Z, Y, X), (C, Z, Y, X) or (Z, Y, X, 3). Three
        channels are shown as red, green and blue, other numbers of channels by their mean.
    truth, predicted : (Y, X) or (Z, Y, X) ndarray of int or bool
        Labels. Of a stack the slice with the most object in the truth is shown.
    outcomes : ndarray of uint8, optional
        Given where labels number objects, on the same grid: what became of each object, from
        `unetscope.evaluation.object_overlay.object_outcomes`.
    """

    title: str
    image: NDArray[Any]
    truth: NDArray[Any]
    predicted: NDArray[Any]
    outcomes: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class Panels:
    """Pictures of several cases in common colors.

    Attributes
    ----------
    rows : tuple
        For each case image, truth, prediction and comparison: (Y, X, 3) float32 in [0, 1].
    labels : tuple of int
        Foreground classes in the order of `CLASSES`; one at most if there are no classes.
    outcomes : mapping of str to str
        What the colors of the comparisons say: `OUTCOMES` or `OBJECT_OUTCOMES`.
    """

    rows: tuple[tuple[NDArray[np.float32], ...], ...]
    labels: tuple[int, ...]
    outcomes: Mapping[str, str]


def panels_of(cases: Sequence[Case], classes: Sequence[int] | None = None) -> Panels:
    """Make the pictures of all cases.

    Gray values, also those that are stored as colors, and colors of more than 8 bits, are stretched between
    their 1st and 99th percentile.

    Parameters
    ----------
    cases : sequence of Case
        At least one.
    classes : sequence of int, optional
        All labels of the data set, as for `unetscope.evaluation.score_image`.

    Raises
    ------
    InputError
        If the shapes of a case do not fit together.
    """
    if len({case.outcomes is None for case in cases}) > 1:
        raise InputError(
            "the masks of some cases number objects and those of others do not",
            expected="cases of one kind",
            fix="show them in two figures",
        )
    planes = [_plane(case, classes) for case in cases]
    if cases[0].outcomes is not None:
        return Panels(tuple(map(_object_row, planes)), (), OBJECT_OUTCOMES)
    found = [set(np.unique([plane.truth, plane.predicted]).tolist()) - {0} for plane in planes]
    named = set(classes or ()) - {0}
    labels = sorted(named.union(*found))
    # Without a case of several classes the masks show one object, whatever its value in each file.
    palette = CLASSES if max(map(len, [named, *found])) > 1 else _OBJECT
    rows = tuple(
        (
            plane.image,
            _colored(plane.truth, labels, palette),
            _colored(plane.predicted, labels, palette),
            paint(plane.outcomes, OUTCOMES.values(), plane.image),
        )
        for plane in planes
    )
    return Panels(rows, tuple(labels) if palette is CLASSES else tuple(labels[:1]), OUTCOMES)


class _Plane(NamedTuple):
    image: NDArray[np.float32]
    truth: NDArray[Any]
    predicted: NDArray[Any]
    outcomes: NDArray[np.uint8]


def _plane(case: Case, classes: Sequence[int] | None) -> _Plane:
    check_masks(case.truth, case.predicted, case.title)
    image, truth, predicted, outcomes = _channels_last(case), case.truth, case.predicted, case.outcomes
    if outcomes is None:
        predicted = align_labels(truth, predicted, classes)
        outcomes = outcome_labels(truth, predicted, classes=classes)
    else:
        check_masks(truth, outcomes, case.title)
    if truth.ndim == 3:
        area = np.count_nonzero(truth, axis=(1, 2))
        largest = np.flatnonzero(area == area.max())
        middle = largest[len(largest) // 2]
        image, truth, predicted = image[middle], truth[middle], predicted[middle]
        outcomes = outcomes[middle]
    return _Plane(_displayed(image), truth, predicted, outcomes)


def _object_row(plane: _Plane) -> tuple[NDArray[np.float32], ...]:
    # Lines between objects anew: of a picture that was made smaller by leaving out pixels some are gone.
    outcomes = np.where(separate_objects(plane.predicted), np.uint8(0), plane.outcomes)
    return (
        plane.image,
        paint_objects(plane.truth, plane.truth),
        paint_objects(plane.truth, plane.predicted),
        paint(outcomes, OBJECT_OUTCOMES.values(), plane.image),
    )


def _channels_last(case: Case) -> NDArray[Any]:
    image, grid = case.image, case.truth.shape
    if len(grid) in (2, 3):
        if image.shape == grid:
            return image[..., np.newaxis]
        if image.shape[1:] == grid:
            return np.moveaxis(image, 0, -1)
        if image.shape == (*grid, 3):
            return image
    raise InputError(
        f"the image of {case.title} has shape {image.shape} and its mask {grid}",
        expected="a mask in 2D or 3D, and an image on its grid, with a channel axis in front if any",
        fix="show the image on which the mask was made",
    )


def _displayed(image: NDArray[Any]) -> NDArray[np.float32]:
    """Stretch (Y, X, C) values to (Y, X, 3) in [0, 1]."""
    colored = image.shape[-1] == 3 and bool((image != image[..., :1]).any())
    if colored and image.dtype == np.uint8:
        return image.astype(np.float32) / np.float32(255)
    if image.shape[-1] != 3:
        image = image.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    low, high = np.percentile(image, [1, 99])
    if low == high:
        low, high = image.min(), image.max()
    span = float(high) - float(low)
    stretched = np.clip((image.astype(np.float32) - low) / (span or 1.0), 0, 1)
    return stretched.astype(np.float32)


def _colored(labels: NDArray[Any], classes: Sequence[int], palette: Sequence[str]) -> NDArray[np.float32]:
    picture = np.zeros((*labels.shape, 3), np.float32)
    for index, label in enumerate(classes):
        picture[labels == label] = rgb(palette[index % len(palette)])
    return picture
