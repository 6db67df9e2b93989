"""Pairs of image and mask: found by name or in a table, read once, checked."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unetscope.errors import InputError
from unetscope.io._files import StrPath, is_image_file, reading
from unetscope.io.image import Image
from unetscope.io.masks import read_mask
from unetscope.io.pairs.conventions import CONVENTIONS, Match, Unpaired, match_names, natural
from unetscope.io.reader import read
from unetscope.io.write import write_csv

__all__ = ["Pair", "Pairing", "Unpaired", "find_pairs", "list_images", "match_masks"]

_MOST_LABELS = 256
_GroupRule = Callable[[Path, Image | None], str]


@dataclass(frozen=True)
class Pair:
    """An image and its mask, as they were found and checked.

    Attributes
    ----------
    image, mask : Path
        The two files.
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
    """

    pairs: tuple[Pair, ...]
    unpaired: tuple[Unpaired, ...] = ()

    def usable(self) -> tuple[Pair, ...]:
        """Return the pairs without problems."""
        return tuple(pair for pair in self.pairs if pair.usable)

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
            troubles += [f"{file.path.name}: {file.why}" for file in self.unpaired]
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

        Raises
        ------
        OutputError
            If the file exists and may not be replaced, or cannot be written.
        """
        folder = Path(path).absolute().parent
        rows = [
            {
                "image": _relative(pair.image, folder),
                "mask": _relative(pair.mask, folder),
                "group": pair.group,
            }
            for pair in self.pairs
        ]
        return write_csv(path, rows, ("image", "mask", "group"), overwrite=overwrite)

    @classmethod
    def from_csv(cls, path: StrPath, group: str = "auto") -> Pairing:
        """Read a table with the columns image, mask and, if wanted, group.

        Parameters
        ----------
        path : path
            The table; its paths are relative to its folder.
        group : str
            As in `find_pairs`; with ``"auto"`` the column comes first.

        Raises
        ------
        InputError
            If the table cannot be read, lacks a column, or names no pair.
        """
        path = Path(path)
        rows = _read_table(path)
        rule = _group_rule(group)
        pairs, unpaired = [], []
        for row in rows:
            image = path.parent / row["image"]
            if not row["mask"]:
                unpaired.append(Unpaired(image, f"{path.name} names no mask for it"))
                continue
            match = Match(image, path.parent / row["mask"], f"listed in {path.name}")
            pairs.append(_examine(match, rule, row.get("group", "") if group == "auto" else ""))
        return cls(tuple(pairs), tuple(unpaired))


def find_pairs(images: StrPath, masks: StrPath | None = None, *, group: str = "auto") -> Pairing:
    """Find the mask of each image in a folder, read both, and check that they fit.

    Masks are looked for in the folder `masks` if given, with the images' names; otherwise by all of
    these conventions: ``images/`` beside ``masks/``; a subfolder ``masks/``, ``labels/``, ``GT/``, …;
    beside the image, as ``X.png`` of ``X.dcm``, ``X.dcm.png``, or ``X_mask``, ``X_seg``, ``X_manual1``, …
    Upper and lower case count the same. An image for which they name different masks stays unpaired.

    Parameters
    ----------
    images : path
        A folder, or a CSV table with the columns image, mask and group.
    masks : path, optional
        A folder of masks.
    group : str
        What must stay on one side of a split. ``"auto"``: the table's column, else the patient of a DICOM
        file, else the file; ``"file"``; ``"patient"``; or ``"regex:PATTERN"``, searched in the file name
        of the image, where the first group, or else the whole match, counts.

    Returns
    -------
    Pairing
        Pairs, good and bad, and all files that are in none.

    Raises
    ------
    InputError
        If there are no images, a folder is missing, or `group` is unknown or does not fit an image.
    """
    images = Path(images)
    if images.suffix.lower() == ".csv" and not images.is_dir():
        if masks is not None:
            raise InputError(
                f"{images.name} names the masks already",
                expected="a table or two folders",
                fix="leave masks out",
            )
        return Pairing.from_csv(images, group)
    rule = _group_rule(group)
    matches = match_names(images, None if masks is None else Path(masks))
    if not matches.images:
        raise InputError(
            f"{images} holds no images",
            expected=f"images with masks by a convention ({CONVENTIONS})",
            fix="choose the folder with the images",
        )
    pairs = tuple(_examine(match, rule) for match in matches.found)
    return Pairing(pairs, tuple(sorted(matches.unpaired, key=lambda file: natural(file.path))))


def list_images(folder: StrPath) -> list[Path]:
    """List the images of a folder, and leave out the masks that lie beside them.

    Parameters
    ----------
    folder : path
        Images, or a folder that holds ``images/`` and ``masks/``.

    Returns
    -------
    list of Path
        In natural order of their names.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    return match_names(Path(folder), None).images


def match_masks(predictions: StrPath, masks: StrPath) -> tuple[list[tuple[Path, Path]], tuple[str, ...]]:
    """Find the mask of each prediction by name.

    Parameters
    ----------
    predictions, masks : path
        Two folders of label images.

    Returns
    -------
    list of (Path, Path)
        Prediction and mask.
    tuple of str
        Image files without a partner, and why, one sentence each.

    Raises
    ------
    InputError
        If a folder does not exist.
    """
    matches = match_names(Path(predictions), Path(masks))
    alone = tuple(f"{file.path.name}: {file.why}" for file in matches.unpaired if is_image_file(file.path))
    return [(match.image, match.mask) for match in matches.found], alone


def _examine(match: Match, rule: _GroupRule, group: str = "") -> Pair:
    """Read both files once and note what is wrong with them."""
    problems: list[str] = []
    notes: list[str] = []
    image = _attempt(read, match.image, problems)
    mask = _attempt(read_mask, match.mask, problems)
    if image is not None and mask is not None and image.grid != mask.grid:
        problems.append(f"the image has {_times(image.grid)} pixels and the mask {_times(mask.grid)}")
    if (
        image is not None
        and image.data.dtype.kind == "f"
        and (odd := np.count_nonzero(~np.isfinite(image.data)))
    ):
        problems.append(f"{odd} pixels of the image are no finite numbers")
    labels: tuple[int, ...] = ()
    foreground = 0.0
    if mask is not None:
        values = np.unique(mask.data)
        labels = tuple(values[:_MOST_LABELS].tolist())
        foreground = float(np.count_nonzero(mask.data) / max(mask.data.size, 1))
        if len(values) == 1:
            notes.append("the mask has no foreground" if not foreground else f"the whole mask is {labels[0]}")
    known = image or mask
    return Pair(
        match.image,
        match.mask,
        group or rule(match.image, image),
        match.reason,
        tuple(problems),
        tuple(notes),
        labels,
        known.grid if known is not None else (),
        foreground,
    )


def _attempt(reader: Callable[[StrPath], Image], path: Path, problems: list[str]) -> Image | None:
    try:
        return reader(path)
    except InputError as error:
        problems.append(str(error))
        return None


def _times(grid: tuple[int, ...]) -> str:
    return " by ".join(map(str, grid))


def _group_rule(group: str) -> _GroupRule:
    """Turn the name of a grouping into a function of the image's path and the image, if it was readable."""
    if group.startswith("regex:"):
        return _by_pattern(group.removeprefix("regex:"))
    rules: dict[str, _GroupRule] = {
        "auto": _by_patient_or_file,
        "file": _by_file,
        "patient": _by_patient,
    }
    if group not in rules:
        raise InputError(
            f"the grouping is {group!r}",
            expected="auto, file, patient or regex:PATTERN",
            fix="choose one of these",
        )
    return rules[group]


def _by_file(path: Path, image: Image | None) -> str:  # noqa: ARG001
    return path.stem


def _by_patient_or_file(path: Path, image: Image | None) -> str:
    return (image and image.source.group) or path.stem


def _by_patient(path: Path, image: Image | None) -> str:
    # An unreadable image is a problem of its pair already, and never comes to a split.
    if image is None:
        return path.stem
    if image.source.group is None:
        raise InputError(
            f"{path.name} names no patient",
            expected="DICOM images with a patient identifier, to group by patient",
            fix="group by file, by a pattern of the names, or by a column of a table",
        )
    return image.source.group


def _by_pattern(text: str) -> _GroupRule:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise InputError(
            f"the pattern {text!r} is no regular expression ({error})",
            expected="a pattern such as (.+)_",
            fix="correct it",
        ) from error

    def rule(path: Path, image: Image | None) -> str:  # noqa: ARG001
        found = pattern.search(path.name)
        part = found and (found.group(1) if pattern.groups else found.group())
        if not part:
            raise InputError(
                f"{path.name} has no part that matches {text!r}",
                expected="a match in every image's name, to group by",
                fix="correct the pattern",
            )
        return part

    return rule


def _read_table(path: Path) -> list[dict[str, str]]:
    damage = (csv.Error, UnicodeDecodeError)
    with reading(path, "a CSV table", damage), path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file, restval="")
        columns = tuple(table.fieldnames or ())
        rows = [
            {name: (value or "").strip() for name, value in row.items() if name in {"image", "mask", "group"}}
            for row in table
        ]
    if not {"image", "mask"} <= set(columns):
        raise InputError(
            f"{path.name} has the columns {', '.join(columns) or 'of an empty file'}",
            expected="a comma-separated table with the columns image and mask",
            fix="add or rename the columns",
        )
    rows = [row for row in rows if row["image"]]
    if not rows:
        raise InputError(
            f"{path.name} lists no images", expected="one row per image", fix="fill in the table"
        )
    return rows


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return path.absolute().as_posix()
