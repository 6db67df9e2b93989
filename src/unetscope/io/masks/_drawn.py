"""What all masks that are drawn as outlines share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.io.image import Image, Source

__all__ = ["drawn_on", "require_plane", "value_of"]


def require_plane(path: Path, image: Image) -> None:
    """Make sure that outlines can be drawn on an image.

    Raises
    ------
    InputError
        If the image has slices or time points.
    """
    if image.spatial_axes != "YX" or "T" in image.axes:
        raise InputError(
            f"{path.name} holds outlines of one plane and {image.name} has the axes {image.axes}",
            expected="an image of one plane",
            fix="save the annotations of the stack as labels",
        )


def value_of(path: Path, kind: str | None, classes: Mapping[str, int] | None) -> int:
    """Label of a class; without any class in the data set, everything drawn is 1.

    Raises
    ------
    InputError
        If the class has no label, or there are classes and this object has none.
    """
    if not classes and kind is None:
        return 1
    if kind is None or classes is None or kind not in classes:
        known = ", ".join(classes or ()) or "no names"
        raise InputError(
            f"{path.name} holds an object " + (f"of class {kind!r}" if kind else "without a class"),
            expected=f"classes that have a label ({known})",
            fix="give each class its label (classes), or number the objects",
        )
    return classes[kind]


def drawn_on(
    image: Image,
    data: NDArray[Any],
    path: Path,
    kind: str,
    notes: tuple[str, ...],
    *,
    classes: Mapping[str, int] | None = None,
    objects: bool = False,
) -> Image:
    """Put labels that were drawn on the grid of an image into an image of their own."""
    tags: dict[str, Any] = {}
    if objects:
        tags["reading"] = {"objects": True}
    elif classes:
        tags = {
            "labels": {label: name for name, label in classes.items()},
            "reading": {"classes": dict(classes)},
        }
    mask = image.with_data(data, axes=image.spatial_axes)
    return replace(mask, source=Source(path, kind, tags=tags, notes=notes))
