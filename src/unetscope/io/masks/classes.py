"""Classes of a whole data set: one mapping from the names, or the colors, of its masks to labels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from unetscope.errors import InputError
from unetscope.io._files import StrPath
from unetscope.io.masks.colors import Color, colors_in, number_colors
from unetscope.io.masks.mask import read_values

__all__ = ["find_classes", "find_colors"]


def find_classes(paths: Iterable[StrPath]) -> dict[str, int]:
    """Find one mapping from class names to labels for masks drawn as outlines.

    Parameters
    ----------
    paths : iterable of path
        All masks of the data set; those that name no classes don't take part.

    Returns
    -------
    dict of str to int
        In COCO files the ids of the categories (or, where 0 is an id, their places in that order, from 1);
        classifications in GeoJSON are numbered from 1 in the order of their names. Empty if nothing is
        named.

    Raises
    ------
    ReadError
        If a file is damaged.
    InputError
        If COCO files give one name different labels, or it is used for both kinds of files.
    """
    from unetscope.io.masks.coco import open_coco
    from unetscope.io.masks.geojson import class_names

    listed: dict[str, int] = {}
    named: set[str] = set()
    for path in dict.fromkeys(map(Path, paths)):
        if path.suffix.lower() == ".geojson":
            named.update(name for name in class_names(path) if name)
        elif path.suffix.lower() == ".json":
            for name, label in open_coco(path).classes().items():
                if listed.setdefault(name, label) != label:
                    raise InputError(
                        f"the class {name!r} is {label} in {path.name} and {listed[name]} in another file",
                        expected="one label per class",
                        fix="say which label each class has (classes=)",
                    )
    if listed and named:
        raise InputError(
            "the classes are named in COCO and in GeoJSON files",
            expected="one kind of file",
            fix="say which label each class has (classes=)",
        )
    return listed or {name: label for label, name in enumerate(sorted(named), start=1)}


def find_colors(paths: Iterable[StrPath]) -> dict[Color, int]:
    """Find one mapping from colors to labels for masks that code classes by color.

    Parameters
    ----------
    paths : iterable of path
        All masks of the data set. Those without color (gray values, palette indices) don't take part.

    Returns
    -------
    dict of (red, green, blue) to int
        Black is 0; the other colors are numbered from 1, by red, then green, then blue. Empty if no mask
        holds a color.

    Raises
    ------
    InputError
        If there are more than 256 colors, as in a photograph, or none is black: which of them is the
        background must then be said.
    """
    found: set[Color] = set()
    for path in paths:
        image = read_values(Path(path))
        if image.is_rgb:
            found.update(colors_in(image))
    return number_colors(found)
