"""The layouts of data sets: in which folders the images are, and in which the masks may be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from unetscope.errors import InputError
from unetscope.io._files import is_folder, is_image_file, kind_by_name
from unetscope.io._names import is_clutter, natural
from unetscope.io.masks.mask import DRAWN
from unetscope.io.pairs.conventions import IMAGE_FOLDERS, MASK_FOLDERS, SPLIT_FOLDERS

__all__ = ["Content", "Place", "find_places", "look_into"]

_MOST_FILES = 100_000
_SEQUENCE = re.compile(r"\d\d")


@dataclass(frozen=True)
class Place:
    """A folder of images, and where their masks may be.

    Attributes
    ----------
    images : Path
        The folder.
    masks : tuple of Path
        Folders, or COCO files.
    case : str
        The patient or sequence that all images of the folder belong to; empty if they are of many.
    beside : bool
        Whether masks may lie among the images.
    """

    images: Path
    masks: tuple[Path, ...] = ()
    case: str = ""
    beside: bool = False


@dataclass(frozen=True)
class Content:
    """What a folder holds, each in natural order.

    Attributes
    ----------
    images : list of Path
        Image files and OME-Zarr stores.
    drawn : list of Path
        Files that may hold outlines.
    folders : list of Path
    others : list of Path
    """

    images: list[Path] = field(default_factory=list)
    drawn: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)

    @property
    def series(self) -> list[Path]:
        """The subfolders that hold DICOM files."""
        return [folder for folder in self.folders if _holds_dicom(folder)]


def look_into(folder: Path) -> Content:
    """Sort the content of a folder by kind, without hidden files and what file managers leave.

    Raises
    ------
    InputError
        If it is no folder, cannot be entered, or holds more than 100,000 files.
    """
    content = Content()
    for path in _listing(folder):
        if is_image_file(path):
            content.images.append(path)
        elif path.is_dir():
            content.folders.append(path)
        elif path.suffix.lower() in DRAWN:
            content.drawn.append(path)
        else:
            content.others.append(path)
    return content


def find_places(folder: Path, masks: Path | None) -> list[Place]:
    """Recognize the layout of a data set.

    Parameters
    ----------
    folder : Path
        Where the user says that the images are.
    masks : Path, optional
        A folder of masks or a COCO file; then no other place is searched.

    Raises
    ------
    InputError
        If a folder does not exist, or several subfolders could hold the images.
    """
    content = look_into(folder)
    if masks is not None:
        if not (masks.is_file() and masks.suffix.lower() == ".json"):
            _listing(masks)
        return [Place(folder, (masks,))]
    if place := _two_folders(folder, content):
        return [place]
    if sequences := _sequences(content):
        return sequences
    mask_folders = _named(content, MASK_FOLDERS)
    if content.images or mask_folders:
        return [Place(folder, mask_folders, beside=True)]
    if parts := _named(content, SPLIT_FOLDERS):
        return _only_part(folder, parts)
    return [place for case in content.folders if (place := _case(case))]


def _two_folders(folder: Path, content: Content) -> Place | None:
    """``images/`` with ``masks/`` beside it, or with a COCO file."""
    images = _named(content, IMAGE_FOLDERS)
    masks = _named(content, MASK_FOLDERS) or tuple(
        path for path in content.drawn if path.suffix.lower() == ".json"
    )
    if not (images and masks):
        return None
    if len(images) > 1:
        raise InputError(
            f"{folder} holds {_and(images)}",
            expected="one folder of images",
            fix="give both folders, images and masks",
        )
    inside = look_into(images[0])
    if not inside.images and (parts := _named(inside, SPLIT_FOLDERS)):
        raise InputError(
            f"{images[0]} holds {_and(parts)}",
            expected="one part of the data set",
            fix=f"give two folders, such as {images[0].name}/{parts[0].name} and "
            f"{masks[0].name}/{parts[0].name}",
        )
    return Place(images[0], masks)


def _sequences(content: Content) -> list[Place]:
    """Cell Tracking Challenge: ``01/t000.tif`` with ``01_GT/SEG/man_seg000.tif``."""
    names = {path.name: path for path in content.folders}
    truths = {name: path / "SEG" for name in names if (path := names.get(f"{name}_GT"))}
    return [
        Place(names[name], (truth,), case=name)
        for name, truth in truths.items()
        if _SEQUENCE.fullmatch(name) and truth.is_dir()
    ]


def _only_part(folder: Path, parts: tuple[Path, ...]) -> list[Place]:
    if len(parts) > 1:
        first = next((part for part in parts if part.name.lower().startswith("train")), parts[0])
        raise InputError(
            f"{folder} holds {_and(parts)}",
            expected="one part of the data set, because nobody trains on a test set",
            fix=f"choose one, such as {first}",
        )
    return find_places(parts[0], None)


def _case(folder: Path) -> Place | None:
    """One patient or one picture in a folder of its own."""
    content = look_into(folder)
    place = _two_folders(folder, content)
    if place is None and (content.images or content.series):
        place = Place(folder, _named(content, MASK_FOLDERS), beside=True)
    return place and Place(place.images, place.masks, folder.name, place.beside)


def _named(content: Content, names: set[str]) -> tuple[Path, ...]:
    return tuple(path for path in content.folders if path.name.lower() in names)


def _holds_dicom(folder: Path) -> bool:
    if folder.name.lower() in MASK_FOLDERS:
        return False
    return any(is_image_file(path) and kind_by_name(path) == "dicom" for path in _listing(folder))


def _listing(folder: Path) -> list[Path]:
    if not is_folder(folder):
        raise InputError(f"{folder} is not a folder", expected="a folder of images", fix="check the path")
    try:
        paths = [path for path in folder.iterdir() if not is_clutter(path)]
    except OSError as error:
        raise InputError(
            f"{folder} cannot be entered ({error.strerror or error})",
            expected="a folder that you may read",
            fix="change its permissions",
        ) from error
    if len(paths) > _MOST_FILES:
        raise InputError(
            f"{folder} holds {len(paths)} files",
            expected=f"at most {_MOST_FILES}",
            fix="choose the folder of one data set",
        )
    return sorted(paths, key=natural)


def _and(folders: tuple[Path, ...]) -> str:
    return " and ".join(f"{folder.name}/" for folder in folders)
