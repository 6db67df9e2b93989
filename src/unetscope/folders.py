"""Whole folders: predict every image, score every prediction, and write the report.

`predict_files` leaves an index beside its results, ``predictions.json``, which tells where each result came
from and on which physical grid it lies; a PNG cannot say that itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from unetscope import api
from unetscope.errors import InputError, OutputError, UNetScopeError
from unetscope.evaluation.report import Report
from unetscope.io import Image, list_images, match_masks, read, read_mask, read_series
from unetscope.io.write import output_folder, write_csv, write_float, write_json, write_mask, write_text
from unetscope.recipe.recipe import Target

__all__ = ["Comparison", "PredictedFile", "compare_folders", "predict_files", "write_report"]

INDEX = "predictions.json"


@dataclass(frozen=True)
class PredictedFile:
    """One prediction on disk.

    Attributes
    ----------
    image : str
        What was segmented: a file, or the folder of a series.
    labels : str
        File name of the labels.
    probabilities : str
        File name of the probabilities; empty if they were not wanted.
    spacing : tuple of float
    units : str
        The physical grid of the labels.
    objects : bool
        Whether the labels number objects, rather than name classes.
    pixels : dict
        Label value → number of pixels.
    seconds : float
        For reading, predicting and writing.
    """

    image: str
    labels: str
    probabilities: str
    spacing: tuple[float, ...]
    units: str
    objects: bool
    pixels: dict[int, int]
    seconds: float


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


def predict_files(
    model: Path,
    source: Path,
    out: Path,
    *,
    probabilities: bool = False,
    threshold: float | None = None,
    device: str = "auto",
    overwrite: bool = False,
) -> Iterator[tuple[PredictedFile, int]]:
    """Segment a file, or every image of a folder.

    Parameters
    ----------
    model : Path
        A model file or a run folder.
    source : Path
        An image, a folder of images (masks beside them are left alone), or, for a 3D model, a folder of
        DICOM series.
    out : Path
        Folder for the results: ``NAME.png`` for planes, ``NAME.tif`` for volumes and series.
    probabilities : bool
        Also write ``NAME_probabilities.tif``, float32.
    threshold : float, optional
        Instead of the model's own.
    device : str
        See `api.train`.
    overwrite : bool
        Whether earlier results may be replaced.

    Yields
    ------
    (PredictedFile, int)
        Each result, and the number of results that there will be.

    Raises
    ------
    UNetScopeError
        For a model, image or folder that cannot be used. Results written before are kept, and listed in
        the index.
    """
    loaded = api.load_model(model, device=device)
    jobs = _jobs(source, dimensions=loaded.recipe.network.dimensions)
    _results_folder(out, overwrite=overwrite)
    index = _read_index(out)
    numbered = loaded.recipe.target.kind == "instances"
    try:
        for name, path, image in jobs:
            started = time.perf_counter()
            prediction = api.predict(loaded, read(path) if image is None else image, threshold=threshold)
            result = _write(prediction, name, path, out, probabilities=probabilities, overwrite=overwrite)
            seconds = round(time.perf_counter() - started, 4)
            result = replace(result, objects=numbered, seconds=seconds)
            index[result.labels] = asdict(result)
            yield result, len(jobs)
    finally:
        # Whatever stops the loop, a result without its entry would lose its physical grid.
        if index:
            write_json(out / INDEX, list(index.values()), overwrite=True)


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
    index = _read_index(predicted if predicted.is_dir() else predicted.parent)
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
    labels = tuple(_on_grid(read_mask(path), index.get(path.name)) for path, _ in pairs)
    masks = tuple(read_mask(path) for _, path in pairs)
    names = tuple(path.name for path, _ in pairs)
    images = tuple(_source_image(index.get(name)) for name in names)
    numbered = objects or any(entry["objects"] for entry in index.values())
    target = Target(kind="instances") if numbered else None
    report = api.evaluate(labels, masks, names=names, target=target)
    return Comparison(names, labels, masks, images, report, left_out, numbered)


def write_report(
    comparison: Comparison, out: Path, *, history: Sequence[dict[str, Any]] = (), overwrite: bool = False
) -> Path:
    """Write a report folder: Markdown with figures, the table as CSV, and all numbers as JSON.

    Parameters
    ----------
    comparison : Comparison
    out : Path
        The folder; made if need be.
    history : sequence of dict
        Epoch records of the training, for its curves.
    overwrite : bool
        Whether an earlier report may be replaced.

    Returns
    -------
    Path
        ``report.md`` in the folder.

    Raises
    ------
    OutputError
        If the folder holds something already, or cannot be written.
    """
    from unetscope.evaluation.plots import case_panels, save, score_bars, training_curves

    output_folder(out, overwrite=overwrite)
    report = comparison.report
    write_json(out / "scores.json", report.to_dict(), overwrite=overwrite)
    rows = report.rows()
    write_csv(out / "scores.csv", rows, list(rows[0]), overwrite=overwrite)
    figures = {"scores.png": ("Scores", score_bars(report))}
    if any(image is not None for image in comparison.images):
        figures["cases.png"] = ("Best, median and worst image", case_panels(_cases(comparison)))
    if history:
        figures["curves.png"] = ("Training", training_curves(history))
    for name, (_, figure) in figures.items():
        save(figure, out / name, overwrite=overwrite)
    pictures = [f"## {title}\n\n![{title}]({name})" for name, (title, _) in figures.items()]
    text = "\n\n".join(["# Segmentation report", report.to_markdown("summary"), *pictures, "## All images"])
    text += f"\n\n{report.to_markdown()}\n"
    return write_text(out / "report.md", text, overwrite=overwrite)


def _results_folder(out: Path, *, overwrite: bool) -> None:
    """Make the folder; earlier predictions may be replaced, but never images or masks drawn by hand."""
    output_folder(out, overwrite=overwrite)
    if any(out.iterdir()) and not (out / INDEX).is_file():
        raise OutputError(
            f"{out} holds files that predict did not write",
            expected="a new folder, or one of earlier predictions",
            fix="choose another folder",
        )


def _jobs(source: Path, *, dimensions: int) -> list[tuple[str, Path, Image | None]]:
    """Name, path and, where it takes more than one file, the image."""
    if source.is_file():
        return [(source.stem, source, None)]
    if not source.exists():
        raise InputError(f"{source} does not exist", expected="an image or a folder", fix="check the path")
    if dimensions == 3 and any(path.suffix.lower() == ".dcm" for path in list_images(source)):
        series = read_series(source)
        return [(f"{source.name}_{i}", source, image) for i, image in enumerate(series, start=1)]
    paths = list_images(source)
    if not paths:
        raise InputError(f"{source} holds no images", expected="images to segment", fix="check the folder")
    stems = [path.stem for path in paths]
    # a.png and a.tif must not write to one result.
    return [
        (path.stem if stems.count(path.stem) == 1 else path.name.replace(".", "_"), path, None)
        for path in paths
    ]


def _write(
    prediction: Any, name: str, path: Path, out: Path, *, probabilities: bool, overwrite: bool
) -> PredictedFile:
    import numpy as np

    labels = prediction.labels
    suffix = ".png" if labels.axes == "YX" and labels.data.max(initial=0) < 2**16 else ".tif"
    where: dict[str, Any] = {"spacing": labels.spacing, "units": labels.units, "overwrite": overwrite}
    write_mask(out / f"{name}{suffix}", labels.data, **where)
    maps = f"{name}_probabilities.tif" if probabilities else ""
    if probabilities:
        write_float(out / maps, prediction.probabilities.data, axes=prediction.probabilities.axes, **where)
    values, counts = np.unique(labels.data, return_counts=True)
    return PredictedFile(
        image=str(path.resolve()),
        labels=f"{name}{suffix}",
        probabilities=maps,
        spacing=labels.spacing,
        units=labels.units,
        objects=False,
        pixels={int(value): int(count) for value, count in zip(values, counts, strict=True)},
        seconds=0.0,
    )


def _read_index(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / INDEX
    if not path.is_file():
        return {}
    wanted = {field.name for field in fields(PredictedFile)}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        if all(wanted <= entry.keys() for entry in entries):
            return {entry["labels"]: entry for entry in entries}
    except (OSError, ValueError, TypeError, AttributeError):
        pass
    raise InputError(
        f"{path} is damaged", expected="the index that predict wrote", fix="predict to a new folder"
    )


def _on_grid(labels: Image, entry: dict[str, Any] | None) -> Image:
    """Give labels the spacing that their file could not keep."""
    if entry is None or len(entry["spacing"]) != len(labels.spacing):
        return labels
    return replace(labels, spacing=tuple(entry["spacing"]), units=entry["units"])


def _source_image(entry: dict[str, Any] | None) -> Image | None:
    if entry is None or not Path(entry["image"]).is_file():
        return None
    try:
        return read(Path(entry["image"]))
    except UNetScopeError:
        # Only a picture in the report depends on it.
        return None


def _cases(comparison: Comparison) -> list[Any]:
    from unetscope.evaluation.cases import Case

    report = comparison.report
    titles: dict[str, list[str]] = {}
    for title, score in (("best", report.best()), ("median", report.median()), ("worst", report.worst())):
        titles.setdefault(score.name, []).append(title)
    cases = []
    for name, ranks in titles.items():
        position = comparison.names.index(name)
        image = comparison.images[position]
        if image is None:
            continue
        truth, predicted = comparison.truth[position].data, comparison.predicted[position].data
        if comparison.objects:
            truth, predicted = truth > 0, predicted > 0
        dice = report.scores[position].dice
        cases.append(Case(f"{', '.join(ranks)}: {name}, Dice {dice:.3f}", image.data, truth, predicted))
    return cases
