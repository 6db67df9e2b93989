"""What napari asks when a path is opened: is it ours (decided from names and a few bytes), and its layers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from napari.utils.notifications import show_error, show_info

from unetscope._napari.files.opening import LayerData, Opened, open_dicom, open_file, open_pairs, open_stack
from unetscope.errors import ReadError, UNetScopeError
from unetscope.io._files import SUFFIXES, is_folder, is_store, kind_of, stem_of, suffix_of
from unetscope.io.pairs.conventions import (
    IMAGE_FOLDERS,
    MASK_FOLDERS,
    image_keys,
    is_mask_name,
    mask_keys,
)

__all__ = ["read_dicom", "read_file", "read_folder"]

PathOrPaths = str | list[str]
Reader = Callable[[PathOrPaths], list[LayerData]]
Place = tuple[list[Path], list[Path]]
"""The folders and the files of one folder."""

# How much of a folder is looked at before it is somebody else's.
_MOST_ENTRIES = 200
_MOST_HEADS = 8
# Patient, study and series; masks lie in the folder itself, or in those of its parts.
_DEEPEST = 4
_DEEPEST_MASKS = 2


def read_dicom(path: PathOrPaths) -> Reader | None:
    """Read DICOM files: one, the file DICOMDIR, or several as a stack.

    Parameters
    ----------
    path : str or list of str
        A list where napari opens files as a stack.

    Returns
    -------
    callable or None
        None if the first file is no DICOM file, unless its name promises one.
    """
    first, *_ = paths = _paths(path)
    if SUFFIXES.get(suffix_of(first)) != "dicom" and _kind(first) != "dicom":
        return None
    return _reader(lambda: open_dicom(first if len(paths) == 1 else paths))


def read_file(path: PathOrPaths) -> Reader | None:
    """Read PNG, NIfTI and NRRD files, one or several as a stack; None if the first is nothing we know."""
    first, *_ = paths = _paths(path)
    if _kind(first) in {None, "zip"}:
        return None
    return _reader(lambda: open_file(first) if len(paths) == 1 else open_stack(paths))


def read_folder(path: PathOrPaths) -> Reader | None:
    """Read a folder of images with masks, of DICOM files, or an OME-Zarr store.

    Returns
    -------
    callable or None
        None if the first few hundred names in it speak for none of these: a folder of pictures is napari's.
    """
    folder, *others = _paths(path)
    if others or not is_folder(folder):
        return None
    if is_store(folder):
        return _reader(lambda: open_file(folder))
    levels = list(_look_into(folder))
    if any(_names_masks(*place) for level in levels[:_DEEPEST_MASKS] for place in level):
        return _reader(lambda: open_pairs(folder))
    files = [file for level in levels for _, inner in level for file in inner]
    if any(_is_dicom(file) for file in islice(_candidates(files), _MOST_HEADS)):
        return _reader(lambda: open_dicom(folder))
    return None


def _paths(path: PathOrPaths) -> list[Path]:
    return [Path(path)] if isinstance(path, (str, os.PathLike)) else [Path(one) for one in path]


def _kind(path: Path) -> str | None:
    try:
        return kind_of(path)
    except ReadError:
        return None


def _reader(open_layers: Callable[[], Opened]) -> Reader:
    def layers(path: PathOrPaths) -> list[LayerData]:  # noqa: ARG001 - napari gives it twice
        try:
            opened = open_layers()
        except UNetScopeError as error:
            # napari replaces the error by "Tried opening with unetscope, but failed."
            show_error(str(error))
            raise
        if opened.notes:
            show_info("\n".join(opened.notes))
        return list(opened.layers)

    return layers


def _look_into(folder: Path) -> Iterator[list[Place]]:
    """Give the folders and files of a folder, then those of its folders, until enough was seen."""
    left = _MOST_ENTRIES
    inside = [folder]
    for _ in range(_DEEPEST):
        places: list[Place] = []
        for each in inside:
            places.append(_entries(each, left))
            left = max(left - sum(map(len, places[-1])), 0)
        inside = [each for folders, _ in places for each in folders]
        yield places


def _entries(folder: Path, most: int) -> Place:
    folders: list[Path] = []
    files: list[Path] = []
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, most):
                if not entry.name.startswith("."):
                    (folders if entry.is_dir() else files).append(Path(entry.path))
    except OSError:
        # What cannot be entered is not ours.
        return [], []
    return folders, files


def _names_masks(folders: Sequence[Path], files: Sequence[Path]) -> bool:
    """Whether names in one folder say that there are images with masks."""
    images = [file for file in files if suffix_of(file) in SUFFIXES]
    names = {folder.name.lower() for folder in folders}
    if names & MASK_FOLDERS and (images or names & IMAGE_FOLDERS):
        return True
    stems = {stem_of(file) for file in images}
    if len(stems) < len(images):
        # X.dcm beside X.png.
        return len({SUFFIXES[suffix_of(file)] for file in images}) > 1
    masks = {stem for stem in stems if is_mask_name(stem)}
    if not masks:
        return False
    wanted = {key for stem in stems - masks for key in image_keys(stem)}
    return any(wanted.intersection(mask_keys(stem)) for stem in masks)


def _candidates(files: Sequence[Path]) -> Iterator[Path]:
    """Files that may be DICOM: those named so first, then those without a suffix of another kind."""
    named = [file for file in files if SUFFIXES.get(suffix_of(file)) == "dicom"]
    bare = [file for file in files if not file.suffix or file.suffix[1:].isdigit()]
    yield from (*named, *bare)


def _is_dicom(file: Path) -> bool:
    return SUFFIXES.get(suffix_of(file)) == "dicom" or _kind(file) == "dicom"
