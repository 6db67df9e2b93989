"""GeoJSON: the annotations of one image as polygons, as QuPath exports them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.io.image import Image
from unetscope.io.masks._drawn import drawn_on, require_plane, value_of
from unetscope.io.masks._json import coordinates, malformed, read_json
from unetscope.io.masks.canvas import Canvas, polygon_pixels

__all__ = ["class_names", "read_geojson"]

_PARTS = {"Polygon", "MultiPolygon", "GeometryCollection"}


@dataclass(frozen=True)
class _Area:
    """The rings of all parts of a feature, in (x, y), and its class."""

    name: str
    kind: str | None
    rings: list[NDArray[np.float64]]


def read_geojson(
    path: Path, image: Image, *, classes: Mapping[str, int] | None = None, objects: bool = False
) -> Image:
    """Draw the polygons of a GeoJSON file on the grid of its image.

    As in QuPath, coordinates count from the corner of the image: the center of pixel (r, c) lies at
    x = c + 0.5, y = r + 0.5. A polygon holds the pixels whose centers lie in it and not in its holes.

    Parameters
    ----------
    path : Path
        A FeatureCollection, a list of features, or a feature.
    image : Image
        The image that was annotated; one plane.
    classes : mapping of str to int, optional
        Label of each classification. Needed where features have one, unless objects are numbered: one
        file cannot know the numbers of the data set.
    objects : bool
        Number the features, from 1 in the order of the file, whatever their class.

    Raises
    ------
    ReadError
        If the file is damaged or too large.
    InputError
        If it is no GeoJSON, a class has no label, or a feature lies wholly below earlier ones.
    """
    require_plane(path, image)
    canvas = Canvas(path.name, image.grid)
    areas, others = _areas(path)
    for number, area in enumerate(areas, start=1):
        value = number if objects else value_of(path, area.kind, classes)
        centered = [ring - 0.5 for ring in area.rings]
        canvas.add(area.name, polygon_pixels(centered, image.grid), value)
    data, notes = canvas.finish()
    if others:
        notes += (f"{path.name} also holds {others} points or lines, which were left out.",)
    return drawn_on(image, data, path, "geojson", notes, classes=classes, objects=objects)


def class_names(path: Path) -> set[str | None]:
    """Name the classifications of a GeoJSON file; None stands for features without one."""
    return {area.kind for area in _areas(path)[0]}


def _areas(path: Path) -> tuple[list[_Area], int]:
    """The areas of a file, and the number of features that are no areas."""
    content = read_json(path, "a GeoJSON file")
    features: Any = content if isinstance(content, list) else [content]
    if isinstance(content, dict) and content.get("type") == "FeatureCollection":
        features = content.get("features")
    if not isinstance(features, list) or not all(
        isinstance(feature, dict) and feature.get("type") == "Feature" for feature in features
    ):
        raise InputError(
            f"{path.name} is no GeoJSON",
            expected="a FeatureCollection, as QuPath exports it",
            fix="export the annotations again",
        )
    areas, others = [], 0
    for number, feature in enumerate(features, start=1):
        polygons = [p for geometry in _geometries(path, feature) for p in _polygons(path, geometry)]
        others += not polygons
        if polygons:
            areas.append(_Area(f"feature {number}", _kind(feature), [r for rings in polygons for r in rings]))
    return areas, others


def _geometries(path: Path, feature: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The geometry of a feature, or those that it collects; collections of collections are refused."""
    geometry = feature.get("geometry")
    if isinstance(geometry, dict) and geometry.get("type") == "GeometryCollection":
        parts = geometry.get("geometries")
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            raise malformed(path, "a collection without geometries")
        if any(part.get("type") == "GeometryCollection" for part in parts):
            raise malformed(path, "collections of collections")
        yield from parts
    elif isinstance(geometry, dict):
        yield geometry


def _polygons(path: Path, geometry: dict[str, Any]) -> list[list[NDArray[np.float64]]]:
    kind, found = geometry.get("type"), geometry.get("coordinates")
    if not isinstance(kind, str) or kind not in _PARTS:
        return []
    polygons = [found] if kind == "Polygon" else found
    if not isinstance(polygons, list) or not all(isinstance(rings, list) and rings for rings in polygons):
        raise malformed(path, "a polygon without outline")
    return [[_ring(path, ring) for ring in rings] for rings in polygons]


def _ring(path: Path, values: Any) -> NDArray[np.float64]:
    ring = coordinates(path, values)
    # A third coordinate is a height, which annotations of a plane don't need.
    if ring.ndim != 2 or len(ring) < 3 or ring.shape[1] not in {2, 3}:
        raise malformed(path, "an outline of fewer than three points")
    return ring[:, :2]


def _kind(feature: dict[str, Any]) -> str | None:
    properties = feature.get("properties")
    found = properties.get("classification") if isinstance(properties, dict) else None
    name = found.get("name") if isinstance(found, dict) else found
    return name if isinstance(name, str) and name else None
