"""An image with its mask, each a file or a layer: read, looked at, divided into slices, copied to files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from unetscope._napari.layers.layer import image_of
from unetscope._napari.layers.place import axes_of
from unetscope.api import look_at
from unetscope.errors import InputError
from unetscope.io import Image, Pairing, bare_name, output_folder, read, read_mask, write_image, write_mask

if TYPE_CHECKING:
    from napari.layers import Layer

__all__ = [
    "AUTOMATIC",
    "PARTS",
    "Alone",
    "Entry",
    "Part",
    "Progress",
    "files_of",
    "frames_of",
    "looked_at",
    "read_entry",
]

Part = Literal["automatic", "training", "validation", "test"]
"""What an image is for; the recipe's split decides where it is automatic."""

AUTOMATIC: Part = "automatic"
PARTS: tuple[Part, ...] = (AUTOMATIC, "training", "validation", "test")

Progress = Callable[[int, int, str], None]
"""Told how many of how many things are done, and what is next; what it raises ends the work."""

_UNPAINTED = "nothing is painted here"
_NO_NAME = re.compile(r"[^\w.+ -]+")


@dataclass(frozen=True, eq=False)
class Entry:
    """An image with its mask.

    Attributes
    ----------
    name : str
        Of the file or layer; with the slice or time point, if it is only that.
    image, mask : Path or Layer
        Layers are read when their pixels are needed, so that the latest strokes count.
    group : str
        What never straddles a split.
    split : {"automatic", "training", "validation", "test"}
    use : bool
        Whether the user wants it.
    reason : str
        Why the two belong together, in plain words.
    problems : tuple of str
        Why it cannot be used; empty if it can.
    notes : tuple of str
        What is worth a look and no obstacle.
    frames : int
        How many slices or time points it has along its first axis; 1 for a plane.
    painted : tuple of bool
        For each of them, whether its mask marks anything; empty if nobody looked.
    at : int or None
        The one of them that this entry is; None for all.
    like_strokes : bool
        Whether the mask looks as if only strokes were painted; see `unetscope.api.Look`.
    """

    name: str
    image: Path | Layer
    mask: Path | Layer
    group: str
    split: Part = AUTOMATIC
    use: bool = True
    reason: str = ""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    frames: int = 1
    painted: tuple[bool, ...] = ()
    at: int | None = None
    like_strokes: bool = False

    @property
    def chosen(self) -> bool:
        """Whether it is wanted and can be used."""
        return self.use and not self.problems

    @property
    def role(self) -> Literal["", "training", "validation", "test"]:
        """Its part in the words of a table."""
        return "" if self.split == "automatic" else self.split


@dataclass(frozen=True, eq=False)
class Alone:
    """An image without a mask, or a mask without an image.

    Attributes
    ----------
    name : str
    source : Path or Layer
    why : str
        Why it is in no pair, and what may have been meant.
    """

    name: str
    source: Path | Layer
    why: str


def read_entry(
    entry: Entry, pairing: Pairing, *, objects: bool = False, lazy: bool = False
) -> tuple[Image, Image]:
    """Read an image and its mask.

    Parameters
    ----------
    entry : Entry
    pairing : Pairing
        How colors and names in files become labels.
    objects : bool
        Number the objects that outlines mark; see `find_pairs`.
    lazy : bool
        Leave the pixels of large images on disk.

    Raises
    ------
    InputError
        If one of them cannot be read, or they do not fit.
    """
    image = read(entry.image, lazy=lazy) if isinstance(entry.image, Path) else image_of(entry.image)
    image = image if lazy else image.load()
    if isinstance(entry.mask, Path):
        classes = pairing.classes or None
        mask = read_mask(entry.mask, on=image, colors=pairing.colors, classes=classes, objects=objects)
    else:
        mask = _labels_of(entry.mask, image).load()
    if entry.at is None:
        return image, mask
    return image.take(_outer(image), entry.at), mask.take(_outer(mask), entry.at)


def looked_at(entry: Entry, pairing: Pairing) -> Entry:
    """The same after a look at its mask: what is painted, and whether it fits the image."""
    try:
        image, mask = read_entry(entry, pairing, lazy=True)
        look = look_at(image, mask)
    except InputError as error:
        return replace(entry, group=entry.group or entry.name, problems=(str(error),))
    use = entry.use
    problems: tuple[str, ...] = ()
    if entry.at is not None:
        # A slice is wanted as soon as something is painted there.
        use = entry.use if look.painted == entry.painted else look.painted[0]
    elif not any(look.painted):
        problems = (f"nothing is painted in {entry.mask.name!r} yet",)
    return replace(
        entry,
        group=entry.group or image.source.group or entry.name,
        use=use,
        problems=problems,
        notes=_notes_of(look.painted),
        frames=len(look.painted),
        painted=look.painted,
        like_strokes=look.like_strokes,
    )


def frames_of(entry: Entry, pairing: Pairing) -> Iterator[Entry]:
    """Each slice or time point as an entry; those on which nothing is painted are not used.

    Raises
    ------
    InputError
        If a file cannot be read any more.
    """
    painted = entry.painted or look_at(*read_entry(entry, pairing, lazy=True)).painted
    if len(painted) == 1:
        yield entry
        return
    for i, marked in enumerate(painted):
        one = replace(entry, name=f"{entry.name} [{i}]", at=i, frames=1, painted=(marked,))
        yield replace(one, use=marked, notes=_notes_of(one.painted))


def files_of(
    entry: Entry, pairing: Pairing, copies: Path, taken: set[str], *, overwrite: bool
) -> tuple[Path, Path]:
    """The files of an entry, or copies where its image or mask has no file of its own.

    Parameters
    ----------
    entry : Entry
    pairing : Pairing
    copies : Path
        Image and mask are copied to folders of this name with ``_images`` and ``_masks``.
    taken : set of str
        Names of copies, each of which is there once.
    overwrite : bool
        Whether earlier copies may be replaced.

    Raises
    ------
    InputError
        If it cannot be read.
    OutputError
        If a copy cannot be written.
    """
    if isinstance(entry.image, Path) and isinstance(entry.mask, Path) and entry.at is None:
        return entry.image, entry.mask
    image, mask = read_entry(entry, pairing)
    name = _file_name(entry.name, taken)
    images, masks = (
        output_folder(copies.with_name(f"{copies.name}_{part}"), overwrite=True)
        for part in ("images", "masks")
    )
    return (
        write_image(images / name, image, overwrite=overwrite),
        write_mask(masks / name, mask, overwrite=overwrite),
    )


def _labels_of(layer: Layer, image: Image) -> Image:
    """The labels of a layer; axes that it does not name are those of its image."""
    axes = image.axes.replace("C", "")
    unnamed = layer.ndim == len(axes) and set(axes_of(layer)) != set(axes)
    return image_of(layer, axes=axes if unnamed else None)


def _notes_of(painted: Sequence[bool]) -> tuple[str, ...]:
    if all(painted):
        return ()
    if len(painted) == 1:
        return (_UNPAINTED,)
    return (f"{sum(painted)} of {len(painted)} slices or time points are painted, the others hold only 0",)


def _outer(image: Image) -> str:
    return "T" if "T" in image.axes else "Z"


def _file_name(name: str, taken: set[str]) -> str:
    """A name that every system takes, and that no other copy has."""
    stem = bare_name(Path(_NO_NAME.sub("_", name))).strip(" .") or "image"
    number, unique = 2, stem
    while unique.lower() in taken:
        number, unique = number + 1, f"{stem} {number}"
    taken.add(unique.lower())
    return f"{unique}.ome.tif"
