"""Part the planes of a series into those that can lie in one stack."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from unetscope.io.dicom.plane import Plane

__all__ = ["depths_of", "group_by_depth", "is_placed", "same_place_mm", "split_stacks"]

_Facts = tuple[float, ...]
_Part = Callable[[list[Plane]], list[list[Plane]]]

_SAME_PLACE = 0.05  # of a pixel
_SAME_PLACE_MM = 0.02
_SAME_DIRECTION = 1e-3
_SAME_LENGTH = 1e-2
_SAME_SPACING = 1e-3


def split_stacks(planes: Sequence[Plane]) -> list[tuple[list[Plane], tuple[str, ...]]]:
    """Part the planes of a series that cannot lie in one stack.

    Planes belong together that agree in size and kind of pixels, orientation and pixel spacing. Localizers
    are kept apart; so are the image types (magnitude and phase, water and fat, …) where each of them covers
    all positions.

    Returns
    -------
    list of (list of Plane, tuple of str)
        In the order of their first planes, each with what sets it apart from the others: ``"orientation"``.
    """
    stacks: list[tuple[list[Plane], tuple[str, ...]]] = [(list(planes), ())]
    for name, part in _DIFFERENCES.items():
        parted = [(part(stack), names) for stack, names in stacks]
        stacks = [
            (group, (*names, name) if len(groups) > 1 else names)
            for groups, names in parted
            for group in groups
        ]
    return stacks


def is_placed(plane: Plane) -> bool:
    """Whether a plane has a position and directions that are perpendicular and of length 1."""
    if plane.position is None or plane.orientation is None:
        return False
    row, column = plane.orientation[:3], plane.orientation[3:]
    products = (_dot(row, row) - 1, _dot(column, column) - 1, _dot(row, column))
    return all(abs(product) < _SAME_LENGTH for product in products)


def group_by_depth(planes: Sequence[Plane]) -> list[list[Plane]]:
    """Sort planes along their normal and collect those at the same depth."""
    depths = depths_of(planes)
    order = np.argsort(depths, kind="stable")
    tolerance = same_place_mm(planes[0])
    clusters = [[planes[order[0]]]]
    for before, after in pairwise(order):
        if depths[after] - depths[before] > tolerance:
            clusters.append([])
        clusters[-1].append(planes[after])
    return clusters


def depths_of(planes: Sequence[Plane]) -> NDArray[np.float64]:
    """Project the positions on one normal for all: scanners round the directions of each file differently."""
    normal = np.cross(*planes[0].directions())
    depths: NDArray[np.float64] = np.array([plane.position for plane in planes], float) @ normal
    return depths


def same_place_mm(plane: Plane) -> float:
    """Distance up to which two positions are the same but for rounding."""
    return _SAME_PLACE * min(plane.spacing) if plane.spacing else _SAME_PLACE_MM


def _by_key(key: Callable[[Plane], Hashable]) -> _Part:
    def part(planes: list[Plane]) -> list[list[Plane]]:
        groups: dict[Hashable, list[Plane]] = {}
        for plane in planes:
            groups.setdefault(key(plane), []).append(plane)
        return list(groups.values())

    return part


def _by_likeness(facts: Callable[[Plane], _Facts | None], tolerance: float) -> _Part:
    def part(planes: list[Plane]) -> list[list[Plane]]:
        homes = _homes(dict.fromkeys(map(facts, planes)), tolerance)
        return _by_key(lambda plane: homes[facts(plane)])(planes)

    return part


def _homes(facts: Iterable[_Facts | None], tolerance: float) -> dict[_Facts | None, int]:
    """Number the groups of facts that differ by less than the tolerance from the first of their group."""
    known = [fact for fact in facts if fact is not None]
    homes: dict[_Facts | None, int] = {None: -1}
    table, left = np.array(known, float), np.ones(len(known), bool)
    while left.any():
        first = int(left.argmax())
        alike = left & (np.abs(table - table[first]) < tolerance).all(axis=1)
        homes.update((known[i], first) for i in np.flatnonzero(alike))
        left &= ~alike
    return homes


def _relative(plane: Plane) -> _Facts | None:
    """Spacing such that equal ratios are equal differences."""
    return None if plane.spacing is None else tuple(map(math.log, plane.spacing))


def _is_localizer(plane: Plane) -> bool:
    return "LOCALIZER" in plane.image_type


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _by_image_type(planes: list[Plane]) -> list[list[Plane]]:
    """Part the planes by image type if each type alone covers all positions."""
    groups = _by_key(lambda plane: plane.image_type)(planes)
    if len(groups) == 1 or not is_placed(planes[0]):
        return [planes]
    everywhere = len(group_by_depth(planes))
    covering = [group for group in groups if len(group_by_depth(group)) == everywhere]
    return groups if len(covering) == len(groups) else [planes]


_DIFFERENCES: dict[str, _Part] = {
    "size or kind of pixels": _by_key(lambda plane: (plane.kind, plane.shape, plane.color)),
    "being a localizer": _by_key(_is_localizer),
    "having a position": _by_key(is_placed),
    "orientation": _by_likeness(lambda plane: plane.orientation, _SAME_DIRECTION),
    "pixel spacing": _by_likeness(_relative, _SAME_SPACING),
    "image type": _by_image_type,
}
