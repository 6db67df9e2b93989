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
from unetscope.recipe import Recipe, change
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
        Files without a partner, or without a labeled pixel.
    target : Target
        How the truth was read: instances if labels number objects, otherwise every value is a class.
    notes : tuple of str
        What else a reader of the scores should know, one sentence each.
    """

    names: tuple[str, ...]
    predicted: tuple[Image, ...]
    truth: tuple[Image, ...]
    images: tuple[Image | None, ...]
    report: Report
    left_out: tuple[str, ...]
    target: Target
    notes: tuple[str, ...] = ()


def compare_folders(
    predicted: Path, truth: Path, *, objects: bool = False, ignore: int | None = None, background: int = 0
) -> Comparison:
    """Score predictions against the masks of the same names.

    Parameters
    ----------
    predicted, truth : Path
        Two folders, or two files.
    objects : bool
        The masks number their objects: all of them together are compared with the background, and each is
        matched with those of the prediction. Known already where `predict_files` wrote the predictions.
    ignore, background : int
        Values in `truth` of pixels that nobody labeled, and of the background.

    Raises
    ------
    InputError
        If no prediction has a mask, a mask cannot be read or lies on another grid, or nothing is labeled.
    RecipeError
        If `ignore` and `background` are the same.
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
    target = change(Recipe(), {"target.ignore": ignore, "target.background": background}).target
    target = target.model_copy(update={"kind": "instances" if numbered else "multiclass"})
    rows = [row for pair in pairs for row in _time_points(*pair, index.get(pair[0].name))]
    names, labels, masks, images = zip(*rows, strict=True)
    report = api.evaluate(labels, masks, names=names, target=target)
    scored = {score.name for score in report.scores}
    left_out += tuple(f"{name}: nothing is labeled" for name in names if name not in scored)
    names, labels, masks, images = zip(*(row for row in rows if row[0] in scored), strict=True)
    return Comparison(names, labels, masks, images, report, left_out, target)


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
        yield name, _lying_on(part, one), _lying_on(mask, one), one


def _on_grid(labels: Image, entry: dict[str, Any] | None) -> Image:
    """Give labels the spacing that their file could not keep."""
    if entry is None or len(entry["spacing"]) != len(labels.spacing):
        return labels
    return replace(labels, spacing=tuple(entry["spacing"]), units=entry["units"])


def _lying_on(labels: Image, image: Image | None) -> Image:
    """Put labels where their image lies, which a picture of labels does not say."""
    if image is None or image.grid != labels.grid or labels.affine is not None:
        return labels
    place = {name: getattr(image, name) for name in ("spacing", "origin", "units", "affine")}
    return replace(labels, **place)


def _source_image(entry: dict[str, Any] | None) -> Image | None:
    if entry is None or not Path(entry["image"]).exists():
        return None
    try:
        return read(Path(entry["image"]))
    except UNetScopeError:
        # Only a picture in the report depends on it.
        return None
