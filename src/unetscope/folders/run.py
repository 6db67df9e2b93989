"""The images of a run beside what its model says about them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from unetscope import api
from unetscope.errors import InputError
from unetscope.folders.compare import Comparison
from unetscope.io import Image, read, read_mask
from unetscope.preprocess import is_labeled
from unetscope.training.folder import DataEntry, RunFolder

if TYPE_CHECKING:
    from unetscope.inference import Progress

__all__ = ["Role", "compare_run", "image_of_run"]

Role = Literal["training", "validation", "test"]


def image_of_run(run: Path, name: str) -> tuple[Image, Image]:
    """Read an image of a run, with its mask.

    Parameters
    ----------
    run : Path
        The folder.
    name : str
        As reports of the run call it; that of one time point where the image is a series.

    Returns
    -------
    image, mask : Image

    Raises
    ------
    ModelError
        If the folder is no run.
    InputError
        If the run has no such image, or it is gone or was never a file.
    """
    for entry in RunFolder.open(run).data:
        if name == entry.name or name.startswith(f"{entry.name}, time "):
            for found, image, mask in _rows(entry):
                if found == name:
                    return image, mask
    raise InputError(
        f"the run {run} has no image {name}", expected="an image that it was given", fix="check data.json"
    )


def compare_run(run: Path, *, role: Role = "validation", progress: Progress | None = None) -> Comparison:
    """Segment the images of a run with its best model, and score them.

    Parameters
    ----------
    run : Path
        The folder.
    role : {"training", "validation", "test"}
        Which images. Only test images took no part in making the model.
    progress : callable, optional
        Called often, with the part that is done, from 0 to 1; what it raises stops the work.

    Raises
    ------
    ModelError
        If the folder is no run, or has no model yet.
    InputError
        If it has no such images, or they are gone or were never files.
    """
    from unetscope.inference.progress import part_of

    folder = RunFolder.open(run)
    entries = [entry for entry in folder.data if entry.role == role]
    target = folder.recipe.target
    rows = [row for entry in entries for row in _rows(entry)]
    unlabeled = {name for name, _, mask in rows if not is_labeled(mask.data, target)}
    rows = [row for row in rows if row[0] not in unlabeled]
    if not rows:
        raise InputError(
            f"the run {run} has no {role} images", expected="at least one", fix="choose other images"
        )
    model = api.load_model(run)
    names, images, truth = zip(*rows, strict=True)
    predicted = tuple(
        api.predict(model, image, progress=part_of(progress, index, len(images))).labels
        for index, image in enumerate(images)
    )
    report = api.evaluate(predicted, truth, names=names, target=target)
    left_out = tuple(f"{name}: nothing is labeled" for name in sorted(unlabeled))
    notes = [] if folder.start is None else [f"The training began with the weights of {folder.start}."]
    return Comparison(names, predicted, truth, images, report, left_out, target, tuple(notes))


def _rows(entry: DataEntry) -> Iterator[tuple[str, Image, Image]]:
    """Name, image and mask; of a series one time point after the other."""
    if not entry.image:
        raise InputError(
            f"{entry.name} was given as an array, which the run does not keep",
            expected="images in files",
            fix="train with files to look at them again",
        )
    image = read(Path(entry.image))
    mask = read_mask(Path(entry.mask), on=image, **entry.reading)
    for name, mask_point, image_point in api.time_points(entry.name, mask, image):
        yield name, image_point, mask_point
