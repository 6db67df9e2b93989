"""Files and folders as layers: DICOM series, single files, stacks of files, and images with their masks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unetscope._napari.layers.layer import layer_data
from unetscope.errors import InputError, UNetScopeError
from unetscope.io import Image, bare_name, read, read_mask
from unetscope.io._files import SUFFIXES, kind_of, suffix_of
from unetscope.io.masks.segmentation import is_segmentation
from unetscope.io.pairs.conventions import CONVENTIONS

if TYPE_CHECKING:
    from unetscope.io.dicom.series import Series
    from unetscope.io.pairs.matching import Match

__all__ = ["LABELS", "LayerData", "Opened", "open_dicom", "open_file", "open_pairs", "open_stack"]

LayerData = tuple[Any, dict[str, Any], str]

LABELS = "{} labels"
"""How the layer with the labels of an image is called; the Dataset widget finds the two by it."""

_MOST_SERIES = 20
_MOST_PAIRS = 100
_MOST_BYTES = 512 * 2**20
_FOR_ALL = "To work with all of them, choose the folder in Plugins > UNetScope > 1 Dataset."


@dataclass
class Opened:
    """Layers, and what a person should know about them.

    Attributes
    ----------
    layers : list of layer-data tuples
    notes : list of str
        Sentences, each once.
    """

    layers: list[LayerData] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self, image: Image, *, name: str | None = None, labels: bool = False, visible: bool = True
    ) -> None:
        """Add a layer, and the notes of its source."""
        data, options, kind = layer_data(image, kind="labels" if labels else "image", name=name)
        self.layers.append((data, options | {"visible": visible}, kind))
        self.note(*image.source.notes)

    def note(self, *sentences: str) -> None:
        """Add what is not said yet."""
        self.notes += [sentence for sentence in dict.fromkeys(sentences) if sentence not in self.notes]


def open_file(path: Path) -> Opened:
    """Open one image of any kind but DICOM; a 3D Slicer segmentation becomes labels.

    Raises
    ------
    ReadError, InputError
        As `unetscope.io.read`.
    """
    opened = Opened()
    if suffix_of(path) == ".seg.nrrd":
        opened.add(read_mask(path), labels=True)
    else:
        opened.add(read(path, lazy=True))
    return opened


def open_dicom(path: Path | Sequence[Path]) -> Opened:
    """Open DICOM: a file, a DICOMDIR, a folder, or some files; one layer for each series, lazily if large.

    Raises
    ------
    ReadError, InputError
        If there is no DICOM image, or none of the series can be read.
    """
    from unetscope.io.dicom.series import find_series

    if isinstance(path, Path) and path.is_file() and is_segmentation(path):
        opened = Opened()
        opened.add(read_mask(path), labels=True)
        return opened
    series = find_series(path)
    whole = path if isinstance(path, Path) else path[0].parent
    return _open_series(series, bare_name(whole) if whole.is_file() else whole.name)


def _open_series(series: Sequence[Series], name: str) -> Opened:
    images: list[tuple[str, Image]] = []
    errors: list[UNetScopeError] = []
    for one in series[:_MOST_SERIES]:
        try:
            images.append((name if len(series) == 1 else one.label, one.read(lazy=True)))
        except UNetScopeError as error:
            errors.append(error)
    if not images:
        raise errors[0]
    opened = Opened()
    # The last layer lies on top.
    for label, image in images[::-1]:
        opened.add(image, name=label, visible=image is images[0][1])
    if len(series) > 1:
        opened.note(
            f"{name} holds {len(series)} series: {len(images)} are layers now, of which the first is shown. "
            "Click on the eye of another to see it."
        )
    opened.note(*map(str, errors))
    return opened


def open_stack(paths: Sequence[Path]) -> Opened:
    """Open files as one stack: DICOM by position, others along an axis T in the given order.

    Raises
    ------
    ReadError, InputError
        If a file cannot be read, or the files differ in size.
    """
    if kind_of(paths[0]) == "dicom":
        return open_dicom(paths)
    images = [read(path) for path in paths]
    for image in images[1:]:
        if (_grid(image), image.data.dtype) != (_grid(images[0]), images[0].data.dtype):
            raise InputError(
                f"{image.name} has {_size(image)} and {images[0].name} {_size(images[0])}",
                expected="files of the same size, spacing and type, to open them as a stack",
                fix="open them one by one",
            )
    opened = Opened()
    opened.add(_stacked(images, paths[0].parent), name=paths[0].parent.name)
    return opened


def open_pairs(folder: Path) -> Opened:
    """Open a folder of images with masks: as volumes if they are the slices of DICOM series, else as a stack.

    A stack has an axis T, along which the images follow each other; images that differ in size from most
    others are left out, and a note says so. Not more than 100 pairs or 512 MB are opened.

    Raises
    ------
    InputError
        If no image has a mask, or none of the pairs can be read.
    """
    from unetscope.io.pairs.matching import match_names

    found = match_names(folder, None).found
    if not found:
        raise InputError(
            f"{folder} holds no image with a mask",
            expected=f"images with masks by a convention ({CONVENTIONS})",
            fix="open its files one by one",
        )
    return _open_volumes(found) or _open_planes(folder, found)


def _open_volumes(found: Sequence[Match]) -> Opened | None:
    """Open the series that the images make, each with its labels; None if not every slice has a mask."""
    from unetscope.io.dicom.series import find_series

    masks = {match.image: match.mask for match in found}
    if not all(SUFFIXES.get(suffix_of(image), "dicom") == "dicom" and image.is_file() for image in masks):
        return None
    series = find_series(list(masks))
    volumes: list[tuple[str, Image, Image]] = []
    try:
        for one in series:
            volumes.append((_common_name(one.files), *_with_labels(one.read(), masks)))
            if sum(image.data.nbytes for _, image, _ in volumes) > _MOST_BYTES:
                break
    except UNetScopeError:
        # No stack, or one with masks that do not fit its slices: they are still planes.
        return None
    opened = Opened()
    # The last layer lies on top.
    for name, image, labels in volumes[::-1]:
        opened.add(image, name=name, visible=image is volumes[0][1])
        opened.add(labels, name=LABELS.format(name), labels=True, visible=image is volumes[0][1])
    if len(volumes) < len(series):
        opened.note(f"Shown are {len(volumes)} of {len(series)} series. {_FOR_ALL}")
    return opened


def _with_labels(image: Image, masks: Mapping[Path, Path]) -> tuple[Image, Image]:
    """Put the masks of the slices of a series together as the slices are.

    Raises
    ------
    InputError
        If the image is a single plane or in color, or a mask does not fit.
    """
    planes = [read_mask(masks[file]).data for file in image.source.files]
    shape = (len(planes), *image.grid[-2:])
    if len(planes) < 2 or math.prod(shape) != image.data.size or any(p.shape != shape[1:] for p in planes):
        raise InputError(f"{image.name} is no stack with a mask for each slice")
    return image, image.with_data(np.reshape(planes, image.data.shape))


def _common_name(files: Sequence[Path]) -> str:
    """What names of files have in common at the beginning: ``SAMPLE-A`` of ``SAMPLE-A_0001`` and so on."""
    first, last = min(file.name for file in files), max(file.name for file in files)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:same].rstrip("0123456789").rstrip("_-. ") or files[0].parent.name


def _open_planes(folder: Path, found: Sequence[Match]) -> Opened:
    opened = Opened()
    problems: list[UNetScopeError] = []
    pairs = list(_read_pairs(found, problems.append))
    if not pairs:
        raise problems[0]
    alike: dict[Any, list[tuple[Image, Image]]] = {}
    for image, mask in pairs:
        alike.setdefault((_grid(image), image.data.dtype, _grid(mask)), []).append((image, mask))
    most = max(alike.values(), key=len)
    images, labels = zip(*most, strict=True)
    name = bare_name(images[0].source.path or folder) if len(most) == 1 else folder.name
    opened.add(_stacked(images, folder), name=name)
    opened.add(_stacked(labels, folder), name=LABELS.format(name), labels=True)
    if len(most) < len(found):
        opened.note(
            f"Shown are {len(most)} of {len(found)} pairs of {folder.name}: those of {_size(images[0])} "
            f"among the first {len(pairs)}. {_FOR_ALL}"
        )
    opened.note(*map(str, problems))
    return opened


def _read_pairs(
    found: Sequence[Match], on_problem: Callable[[UNetScopeError], None]
) -> Iterator[tuple[Image, Image]]:
    size = 0
    for match in found[:_MOST_PAIRS]:
        try:
            image = read(match.image)
            pair = image, read_mask(match.mask, on=image)
        except UNetScopeError as error:
            on_problem(error)
            continue
        size += sum(one.data.nbytes for one in pair)
        yield pair
        if size > _MOST_BYTES:
            return


def _grid(image: Image) -> tuple[Any, ...]:
    spacing = tuple(float(f"{step:.5g}") for step in image.spacing)
    return image.axes, image.data.shape, image.channels, spacing, image.units


def _size(image: Image) -> str:
    return f"{' × '.join(map(str, image.grid))} pixels of type {image.data.dtype}"


def _stacked(images: Sequence[Image], folder: Path) -> Image:
    """One image of several, along T; a single one as it is."""
    first = images[0]
    if len(images) == 1:
        return first
    if "T" in first.axes:
        data = np.concatenate([image.data for image in images])
    else:
        data = np.stack([image.data for image in images])
    notes = tuple(dict.fromkeys(note for image in images for note in image.source.notes))
    files = tuple(image.source.path for image in images if image.source.path is not None)
    # They may come from different places in a patient, or from different patients.
    source = replace(first.source, path=folder, format="array", group=None, files=files, notes=notes)
    return replace(
        first, data=data, axes="T" + first.axes.removeprefix("T"), source=source, affine=None, levels=()
    )
