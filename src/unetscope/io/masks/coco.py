"""COCO: one JSON file with the objects of all images of a folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from unetscope.errors import InputError, ReadError
from unetscope.io.image import Image
from unetscope.io.masks._drawn import drawn_on, require_plane, value_of
from unetscope.io.masks._json import coordinates, malformed, read_json
from unetscope.io.masks.canvas import Canvas, Pixels, ranges

__all__ = ["CocoFile", "open_coco", "read_coco"]


@dataclass(frozen=True)
class CocoFile:
    """The parts of a COCO file that make masks.

    Attributes
    ----------
    path : Path
    images : dict of str to list of dict
        Entries by the last part of their file name, in lower case.
    annotations : dict of int to list of dict
        By the id of their image.
    categories : dict of int to str
        Those that are used.
    """

    path: Path
    images: dict[str, list[dict[str, Any]]]
    annotations: dict[int, list[dict[str, Any]]]
    categories: dict[int, str]

    def entry_of(self, image: Path) -> dict[str, Any] | None:
        """Find the entry of an image by its name, and by its folders where names repeat.

        Raises
        ------
        InputError
            If several entries fit.
        """
        entries = self.images.get(image.name.lower(), [])
        if len(entries) > 1:
            folders = image.resolve().as_posix().lower()
            entries = [entry for entry in entries if folders.endswith(f"/{_file_name(entry).lower()}")]
        if len(entries) > 1:
            raise InputError(
                f"{self.path.name} lists {image.name} {len(entries)} times",
                expected="one entry per image",
                fix="remove the others",
            )
        return entries[0] if entries else None

    def classes(self) -> dict[str, int]:
        """Label of each category by name: its id or, where an id is 0, its place in their order, from 1.

        Raises
        ------
        InputError
            If two categories in use share a name.
        """
        ids = sorted(self.categories)
        labels = {i: (i if 0 not in ids else place) for place, i in enumerate(ids, start=1)}
        if len(set(self.categories.values())) < len(ids):
            raise InputError(
                f"{self.path.name} uses two categories of one name",
                expected="a name for each category",
                fix="rename one of them",
            )
        return {self.categories[i]: label for i, label in labels.items()}


def read_coco(
    path: Path, image: Image, *, classes: Mapping[str, int] | None = None, objects: bool = False
) -> Image:
    """Draw the objects that a COCO file lists for an image.

    Polygons are drawn by pycocotools, whose coordinates count from the corner of the image: the center of
    pixel (r, c) lies at x = c + 0.5, y = r + 0.5. Run-length codes hold whole pixels.

    Parameters
    ----------
    path : Path
        The JSON file.
    image : Image
        One of the images that it lists, found by the name of its file; one plane.
    classes : mapping of str to int, optional
        Label of each category by name; `CocoFile.classes` unless given.
    objects : bool
        Number the objects, from 1 in the order of the file, whatever their category.

    Raises
    ------
    ReadError
        If the file is damaged or too large, or pycocotools is needed and not installed.
    InputError
        If it is no COCO file, lacks the image, says another size, an object lies wholly below earlier
        ones, or numbered objects are asked for where a region stands for a crowd.
    """
    require_plane(path, image)
    file = open_coco(path)
    entry = None if image.source.path is None else file.entry_of(image.source.path)
    if entry is None:
        raise InputError(
            f"{path.name} does not list {image.name}",
            expected="an image of the data set",
            fix="choose another",
        )
    size = (entry.get("height"), entry.get("width"))
    if size != image.grid:
        raise InputError(
            f"{path.name} says {size[0]} × {size[1]} pixels of {image.name}, which has {image.grid}",
            expected="the image that was annotated",
            fix="export images and annotations together",
        )
    annotations = file.annotations.get(entry["id"], [])
    crowds = sum(bool(annotation.get("iscrowd")) for annotation in annotations)
    if objects and crowds:
        raise InputError(
            f"{path.name} marks {crowds} regions of {image.name} as crowds, which are no single objects",
            expected="every object outlined",
            fix="outline them, leave the image out, or learn classes",
        )
    classes = file.classes() if classes is None else classes
    canvas = Canvas(f"{path.name} on {image.name}", image.grid)
    for number, annotation in enumerate(annotations, start=1):
        value = number if objects else value_of(path, file.categories[annotation["category_id"]], classes)
        canvas.add(f"object {number}", _inside(path, annotation, image.grid), value)
    data, notes = canvas.finish()
    return drawn_on(image, data, path, "coco", notes, classes=classes, objects=objects)


def open_coco(path: Path) -> CocoFile:
    """Read and check a COCO file; the one that was read last is kept, for the next image of its folder.

    Raises
    ------
    ReadError
        If the file is damaged or too large.
    InputError
        If it is no COCO file.
    """
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        stamp = 0
    return _open(path, stamp)


@lru_cache(maxsize=1)
def _open(path: Path, stamp: int) -> CocoFile:  # noqa: ARG001  a changed file is read again
    content = read_json(path, "a COCO file")
    keys = ("images", "annotations", "categories")
    lists: list[Any] = [content.get(key) for key in keys] if isinstance(content, dict) else []
    if not lists or not all(
        isinstance(part, list) and all(isinstance(item, dict) for item in part) for part in lists
    ):
        raise InputError(
            f"{path.name} is no COCO file",
            expected="lists of images, annotations and categories",
            fix="export the annotations as COCO",
        )
    images: dict[str, list[dict[str, Any]]] = defaultdict(list)
    annotations: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for entry in lists[0]:
        _require(path, entry, id=int, file_name=str)
        images[PurePosixPath(_file_name(entry)).name.lower()].append(entry)
    for annotation in lists[1]:
        _require(path, annotation, image_id=int, category_id=int)
        annotations[annotation["image_id"]].append(annotation)
    for category in lists[2]:
        _require(path, category, id=int, name=str)
    names = {category["id"]: category["name"] for category in lists[2]}
    used = {annotation["category_id"] for annotation in lists[1]}
    if unknown := sorted(used - set(names)):
        raise malformed(path, f"objects of the category {unknown[0]}, which it does not list")
    return CocoFile(path, dict(images), dict(annotations), {i: names[i] for i in sorted(used)})


def _require(path: Path, item: dict[str, Any], **fields: type) -> None:
    for name, kind in fields.items():
        value: Any = item.get(name)
        if type(value) is not kind or (isinstance(value, int) and not 0 <= value < 2**32):
            word = "number" if kind is int else "text"
            raise malformed(path, f"an entry whose {name} is missing or no {word}")


def _file_name(entry: dict[str, Any]) -> str:
    name: str = entry["file_name"]
    return name.replace("\\", "/").removeprefix("./").lstrip("/")


def _inside(path: Path, annotation: dict[str, Any], grid: tuple[int, ...]) -> Pixels:
    """Which pixels an object covers."""
    found = annotation.get("segmentation")
    if isinstance(found, dict):
        return _decode(path, found, grid)
    if not isinstance(found, list) or not found:
        raise malformed(path, "an object without outline (a box is no mask)")
    polygons = [coordinates(path, polygon) for polygon in found]
    if any(polygon.ndim != 1 or len(polygon) < 6 or len(polygon) % 2 for polygon in polygons):
        raise malformed(path, "an outline of fewer than three points")
    # pycocotools takes memory for the whole length of an outline, also outside of the image.
    reach = 2 * max(grid)
    if any(polygon.min() < -reach or polygon.max() > 2 * reach for polygon in polygons):
        raise malformed(path, "an outline far outside of its image")
    try:
        from pycocotools import mask as coco
    except ImportError as error:
        raise ReadError(
            f"{path.name} holds polygons, which pycocotools draws, and that is not installed",
            fix='run pip install "unetscope[coco]"',
        ) from error
    drawn = coco.merge(coco.frPyObjects([polygon.tolist() for polygon in polygons], *grid))
    return _decode(path, {"size": list(grid), "counts": drawn["counts"].decode()}, grid)


def _decode(path: Path, code: dict[str, Any], grid: tuple[int, ...]) -> Pixels:
    """Expand a run-length code, which counts column by column, if it covers the image exactly.

    pycocotools leaves to chance what a code does not cover.
    """
    counts = code.get("counts")
    runs = _uncompressed(path, counts) if isinstance(counts, str) else counts
    if (
        code.get("size") != list(grid)
        or not isinstance(runs, list)
        or not all(isinstance(run, int) and run >= 0 for run in runs)
        or sum(runs) != grid[0] * grid[1]
    ):
        raise malformed(path, "a run-length code that does not cover its image")
    lengths = np.array(runs[1::2], np.intp)
    starts = np.cumsum(runs, dtype=np.intp)[: 2 * len(lengths) : 2]
    columns, rows = np.divmod(np.repeat(starts, lengths) + ranges(lengths), grid[0])
    return rows, columns


def _uncompressed(path: Path, text: str) -> list[int]:
    """Read COCO's text form: five bits per letter, lowest first, runs as differences to the last but one."""
    runs: list[int] = []
    number, shift = 0, 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise malformed(path, "a run-length code with other letters")
        number |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            if bits & 16:
                number -= 1 << shift
            runs.append(number + (runs[-2] if len(runs) > 2 else 0))
            number, shift = 0, 0
    return runs
