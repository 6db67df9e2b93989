"""Pairs of image and mask, and the table of them that people edit and reopen."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from unetscope.errors import InputError, OutputError
from unetscope.io._files import StrPath, exists, reading
from unetscope.io.image import Image
from unetscope.io.masks import read_mask
from unetscope.io.masks.colors import Color, color_name, parse_color
from unetscope.io.pairs.conventions import CONVENTIONS
from unetscope.io.pairs.matching import Unpaired
from unetscope.io.reader import read
from unetscope.io.write import write_csv

__all__ = ["Pair", "Pairing", "Role", "Row", "Table", "read_table"]

Role = Literal["", "training", "validation", "test"]
"""What an image is for; empty where training decides."""

_MOST_BYTES = 64 * 2**20
_COLUMNS = ("image", "mask", "group", "split", "colors", "classes")
_ROLES: dict[str, Role] = {
    "": "",
    "train": "training",
    "training": "training",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
_MOST_LABEL = 2**16
# What spreadsheets take for a formula. The apostrophe before it is what they hide, and we take away.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


@dataclass(frozen=True)
class Pair:
    """An image and its mask, as they were found and checked.

    Attributes
    ----------
    image : Path
        A file, or the folder of a DICOM series.
    mask : Path
        A file, or a folder with one file per object.
    group : str
        What never straddles a split: patient, slide, or the file itself.
    reason : str
        Which convention joins the two, in plain words.
    problems : tuple of str
        Why the pair cannot be used; empty if it can.
    notes : tuple of str
        What is worth a look and no obstacle, such as a mask without foreground.
    labels : tuple of int
        The first 256 different values of the mask, ascending.
    grid : tuple of int
        Pixels along the image's spatial axes.
    foreground : float
        Share of the mask's pixels that are not 0, in [0, 1].
    split : {"", "training", "validation", "test"}
        What a table says the image is for.
    """

    image: Path
    mask: Path
    group: str
    reason: str
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    labels: tuple[int, ...] = ()
    grid: tuple[int, ...] = ()
    foreground: float = 0.0
    split: Role = ""

    @property
    def usable(self) -> bool:
        """Whether the pair has no problems."""
        return not self.problems


@dataclass(frozen=True)
class Pairing:
    """All pairs of a data set, and the files that are in none.

    Attributes
    ----------
    pairs : tuple of Pair
        In natural order of the images' names, or in the order of the table.
    unpaired : tuple of Unpaired
        Images without exactly one mask, masks without an image, and files that are no images.
    colors : mapping of (red, green, blue) to int
        Label of each color, if masks code classes by color.
    classes : mapping of str to int
        Label of each class, if masks are outlines that name theirs.
    objects : bool
        Whether outlines number their objects instead.
    """

    pairs: tuple[Pair, ...]
    unpaired: tuple[Unpaired, ...] = ()
    colors: Mapping[Color, int] = field(default_factory=dict)
    classes: Mapping[str, int] = field(default_factory=dict)
    objects: bool = False

    def usable(self) -> tuple[Pair, ...]:
        """Return the pairs without problems."""
        return tuple(pair for pair in self.pairs if pair.usable)

    def read(self, pair: Pair) -> tuple[Image, Image]:
        """Read an image and its mask, as labels on the grid of the image.

        Raises
        ------
        InputError
            If one of them cannot be read, or they do not fit.
        """
        image = read(pair.image)
        mask = read_mask(
            pair.mask, on=image, colors=self.colors, classes=self.classes or None, objects=self.objects
        )
        return image, mask

    def check(self) -> None:
        """Make sure that something can be learned from these pairs.

        Raises
        ------
        InputError
            If no pair is usable, or no mask has any foreground.
        """
        usable = self.usable()
        if not usable:
            troubles = [f"{pair.image.name}: {pair.problems[0]}" for pair in self.pairs]
            troubles += map(str, self.unpaired)
            first = f"; first: {troubles[0]}" if troubles else ""
            raise InputError(
                f"found {len(self.pairs)} pairs and {len(self.unpaired)} unpaired files, "
                f"and no image has a usable mask{first}",
                expected="at least one image with its mask",
                fix=f"name the files by one of the conventions ({CONVENTIONS}), or give a table",
            )
        if not any(pair.foreground for pair in usable):
            raise InputError(
                f"all {len(usable)} masks hold nothing but background, the first is {usable[0].mask.name}",
                expected="labels above 0 in at least one mask",
                fix="check that these are the masks",
            )

    def to_csv(self, path: StrPath, *, overwrite: bool = False) -> Path:
        """Write a table of image, mask and group, with paths relative to the table's folder.

        There is a column for the split if any pair has a role in it. The mappings from colors and classes
        to labels, if there are any, stand in each row as JSON. What a spreadsheet would take for a formula
        gets an apostrophe in front; `find_pairs` takes it away.

        Raises
        ------
        OutputError
            If the file exists and may not be replaced, or cannot be written.
        """
        folder = Path(path).absolute().parent
        colors = {color_name(color): label for color, label in self.colors.items()}
        shared = {
            name: json.dumps(table)
            for name, table in (("colors", colors), ("classes", self.classes))
            if table
        }
        rows = [
            {
                "image": _relative(pair.image, folder),
                "mask": _relative(pair.mask, folder),
                "group": pair.group,
                "split": pair.split,
            }
            for pair in self.pairs
        ]
        columns = _COLUMNS[: 4 if any(pair.split for pair in self.pairs) else 3]
        safe = [{name: _guarded(row[name]) for name in columns} | shared for row in rows]
        return write_csv(path, safe, (*columns, *shared), overwrite=overwrite)


@dataclass(frozen=True)
class Row:
    """An image of a table, and what the table says of it."""

    image: Path
    mask: Path | None
    group: str
    split: Role


@dataclass(frozen=True)
class Table:
    """The content of a table of pairs."""

    rows: list[Row]
    colors: dict[Color, int]
    classes: dict[str, int]


def read_table(path: Path) -> Table:
    """Read a table of pairs, as `Pairing.to_csv` or a spreadsheet writes it.

    Columns are separated by commas, semicolons or tabs; the text is UTF-8 or UTF-16.

    Raises
    ------
    ReadError
        If it cannot be read.
    InputError
        If it lacks a column, lists no images, splits them in unknown words, or its rows disagree about
        colors or classes.
    """
    with reading(path, "a CSV table", (csv.Error, UnicodeError)):
        text = _text_of(path)
        lines = text.splitlines(keepends=True)
        if lines and lines[0].lower().startswith("sep="):
            lines = lines[1:]
        heading = lines[0] if lines else ""
        delimiter = max(",;\t", key=heading.count)
        table = csv.DictReader(io.StringIO("".join(lines), newline=""), delimiter=delimiter, restval="")
        columns = tuple((name or "").strip().lower() for name in table.fieldnames or ())
        table.fieldnames = columns
        cells = [{name: _unguarded(row[name] or "") for name in _COLUMNS if name in columns} for row in table]
    if not {"image", "mask"} <= set(columns):
        raise InputError(
            f"{path.name} has the columns {', '.join(columns)[:200] or 'of an empty file'}",
            expected="a table with the columns image and mask",
            fix="add or rename the columns",
        )
    cells = [row for row in cells if row["image"].strip()]
    if not cells:
        raise InputError(
            f"{path.name} lists no images", expected="one row per image", fix="fill in the table"
        )
    rows = [
        Row(
            _named(path.parent, row["image"]),
            _named(path.parent, row["mask"]) if row["mask"].strip() else None,
            row.get("group", "").strip(),
            _role(path, row.get("split", "")),
        )
        for row in cells
    ]
    colors = _shared_mapping(path, "colors", cells)
    return Table(
        rows,
        {parse_color(color): label for color, label in colors.items()},
        _shared_mapping(path, "classes", cells),
    )


def _role(path: Path, cell: str) -> Role:
    try:
        return _ROLES[cell.strip().lower()]
    except KeyError:
        raise InputError(
            f"{path.name} has {cell[:40]!r} in the column split",
            expected="train, validation, test, or nothing",
            fix="correct it",
        ) from None


def _text_of(path: Path) -> str:
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(
            f"{path.name} has more than {_MOST_BYTES // 2**20} MB",
            expected="a table of images and masks",
            fix="choose the table, or split it",
        )
    data = path.read_bytes()
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    return data.decode(encoding)


def _shared_mapping(path: Path, column: str, cells: list[dict[str, str]]) -> dict[str, int]:
    """Read the mapping that all rows of a column share, or that only some state."""
    texts = dict.fromkeys(row[column] for row in cells if row.get(column, "").strip())
    mappings = [_mapping(path, column, text) for text in texts]
    if any(mapping != mappings[0] for mapping in mappings):
        raise InputError(
            f"the rows of {path.name} disagree in the column {column}",
            expected="one mapping for the whole data set",
            fix="change all rows, or leave all but one empty",
        )
    return mappings[0] if mappings else {}


def _mapping(path: Path, column: str, text: str) -> dict[str, int]:
    try:
        mapping: Any = json.loads(text)
    except (ValueError, RecursionError):
        mapping = None
    if not isinstance(mapping, dict) or not all(
        isinstance(label, int) and not isinstance(label, bool) and 0 <= label < _MOST_LABEL
        for label in mapping.values()
    ):
        raise InputError(
            f"{path.name} has {text[:40]!r} in the column {column}",
            expected='names and labels as JSON, such as {"#ff0000": 1}',
            fix="correct it",
        )
    return mapping


def _named(folder: Path, cell: str) -> Path:
    """The file that a cell names; blanks around the name are nobody's wish unless the file has them."""
    exact = folder / cell
    return exact if exists(exact) else folder / cell.strip()


def _guarded(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _relative(path: Path, folder: Path) -> str:
    try:
        text = Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        text = path.absolute().as_posix()
    try:
        text.encode()
    except UnicodeError as error:
        raise OutputError(
            f"the name {text!r} has characters that no text file can hold",
            expected="names in Unicode",
            fix="rename the file",
        ) from error
    return text
