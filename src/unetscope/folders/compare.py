"""Compare a folder of predictions with the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unetscope import api
from unetscope.errors import InputError, UNetScopeError
from unetscope.evaluation.report import Report
from unetscope.folders.index import read_index
from unetscope.io import Image, match_masks, read, read_mask
from unetscope.recipe.recipe import Target

__all__ = ["Comparison", "compare_folders"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A folder of predictions beside its truth.

    Attributes
    ----------
    names : tuple of str
    predicted, truth : tuple of Image
    images : tuple of Image or None
        What was segmented, where the index of the predictions says so and the file is still there.
    report : Report
    left_out : tuple of str
        Files without a partner, and why.
    objects : bool
        Whether labels number objects, all of which were compared with the background.
    """

    names: tuple[str, ...]
    predicted: tuple[Image, ...]
    truth: tuple[Image, ...]
    images: tuple[Image | None, ...]
    report: Report
    left_out: tuple[str, ...]
    objects: bool


def compare_folders(predicted: Path, truth: Path, *, objects: bool = False) -> Comparison:
    """Score predictions against the masks of the same names.

    Parameters
    ----------
    predicted, truth : Path
        Two folders, or two files.
    objects : bool
        The masks number their objects: all of them together are compared with the background. Known
        already where `predict_files` wrote the predictions.

    Raises
    ------
    InputError
        If no prediction has a mask, or a mask cannot be read or lies on another grid.
    """
    left_out: tuple[str, ...] = ()
    index = read_index(predicted if predicted.is_dir() else predicted.parent)
    if predicted.is_file() != truth.is_file():
        file, other = (predicted, truth) if predicted.is_file() else (truth, predicted)
        raise InputError(
            f"{file} is a file and {other} is not",
            expected="two files or two folders",
            fix="give both of one kind",
        )
    if predicted.is_file():
        pairs = [(predicted, truth)]
    else:
        pairs, left_out = match_masks(predicted, truth)
        maps = tuple(f"{entry['probabilities']}:" for entry in index.values() if entry["probabilities"])
        left_out = tuple(sentence for sentence in left_out if not sentence.startswith(maps))
    if not pairs:
        raise InputError(
            f"no file in {predicted} has a mask of the same name in {truth}",
            expected="predictions named as the masks",
            fix="check the two folders",
        )
    numbered = objects or any(entry["objects"] for entry in index.values())
    rows = [row for pair in pairs for row in _time_points(*pair, index.get(pair[0].name))]
    names, labels, masks, images = zip(*rows, strict=True)
    target = Target(kind="instances") if numbered else None
    report = api.evaluate(labels, masks, names=names, target=target)
    return Comparison(names, labels, masks, images, report, left_out, numbered)


def _time_points(
    predicted: Path, truth: Path, entry: dict[str, Any] | None
) -> Iterator[tuple[str, Image, Image, Image | None]]:
    """Name, prediction, truth and image of a pair of files, one after the other for a time series."""
    labels, image = _on_grid(read_mask(predicted), entry), _source_image(entry)
    rows = api.time_points(predicted.name, read_mask(truth, on=labels), labels)
    # A time point that was written by itself came from an image of many.
    points = [] if image is None else image.time_points()
    shown: Sequence[Image | None] = points if len(points) == len(rows) else [None] * len(rows)
    for (name, mask, part), one in zip(rows, shown, strict=True):
        yield name, part, mask, one


def _on_grid(labels: Image, entry: dict[str, Any] | None) -> Image:
    """Give labels the spacing that their file could not keep."""
    if entry is None or len(entry["spacing"]) != len(labels.spacing):
        return labels
    return replace(labels, spacing=tuple(entry["spacing"]), units=entry["units"])


def _source_image(entry: dict[str, Any] | None) -> Image | None:
    if entry is None or not Path(entry["image"]).exists():
        return None
    try:
        return read(Path(entry["image"]))
    except UNetScopeError:
        # Only a picture in the report depends on it.
        return None
