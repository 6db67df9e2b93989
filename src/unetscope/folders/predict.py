"""Segment every image of a folder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unetscope import api
from unetscope.errors import InputError, OutputError
from unetscope.folders.index import INDEX, PredictedFile, read_index
from unetscope.io import (
    Image,
    bare_name,
    find_series,
    kind_by_name,
    list_images,
    output_folder,
    read,
    write_float,
    write_json,
    write_mask,
)
from unetscope.large import UNFINISHED, Step, is_large_image, predict_large

if TYPE_CHECKING:
    from unetscope.inference import Prediction

__all__ = ["FORMATS", "ONE_TIME_POINT", "predict_files"]

FORMATS = {
    "png": ".png",
    "tiff": ".tif",
    "zarr": ".ome.zarr",
    "nifti": ".nii.gz",
    "nrrd": ".seg.nrrd",
    "dicom": ".dcm",
}
"""Formats of label files, and how their names end."""
ONE_TIME_POINT = ("nrrd", "dicom")
"""Those that hold no time series."""

_Job = tuple[str, Path, Callable[[], Image]]


def predict_files(
    model: Path,
    source: Path,
    out: Path,
    *,
    series: bool = False,
    file_format: str = "auto",
    probabilities: bool = False,
    threshold: float | None = None,
    diameter: float | None = None,
    device: str = "auto",
    overwrite: bool = False,
    scheduler: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> Iterator[tuple[PredictedFile, int]]:
    """Segment a file, or every image of a folder.

    What is too large for memory is segmented in blocks, and always written as OME-Zarr. Stopped at any time,
    the same call goes on with it.

    Parameters
    ----------
    model : Path
        A model file, a run folder, or the name of a model that comes with the package.
    source : Path
        An image, or a folder of images (masks beside them are left alone).
    series : bool
        Take the DICOM files of a folder, or of a DICOMDIR, as series: one result each, ``FOLDER`` or
        ``FOLDER_1``, …. A 3D model always does.
    out : Path
        Folder for the results, one file of labels per image; one per time point, ``NAME_t1``, …, in the
        formats that hold no more.
    file_format : str
        One of `FORMATS`; ``"dicom"`` writes segmentation objects that refer to the image's own files.
        ``"auto"``: PNG for planes, TIFF for volumes and time series.
    probabilities : bool
        Also write ``NAME_probabilities.tif``, float32.
    threshold : float, optional
        Instead of the model's own.
    diameter : float, optional
        Of the objects in pixels, in all images; estimated in each unless given. See `api.predict`.
    device : str
        See `api.train`.
    overwrite : bool
        Whether earlier results may be replaced.
    scheduler : str, optional
        Address of a Dask cluster that segments every image in blocks; see `predict_large`.
    progress : callable, optional
        Called often, with the part of the current image that is done, from 0 to 1; what it raises ends the
        work between two results.

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
    if file_format not in {"auto", *FORMATS}:
        raise InputError(
            f"the format is {file_format!r}",
            expected=f"auto, {', '.join(FORMATS)}",
            fix="choose one of these",
        )
    loaded = api.load_model(model, device=device)
    dimensions = loaded.recipe.network.dimensions
    series = series or (dimensions == 3 and _holds_series(source))
    jobs = _jobs(source, series=series)
    unfinished = any(out.glob(f"*{UNFINISHED}"))
    _results_folder(out, overwrite=overwrite or unfinished)
    index = read_index(out)
    asked: dict[str, Any] = {"threshold": threshold, "diameter": diameter, "progress": progress}
    wanted: dict[str, Any] = {
        "file_format": file_format,
        "probabilities": probabilities,
        "overwrite": overwrite,
    }
    total = len(jobs)
    finished = _by_image(index) if unfinished and not overwrite else {}

    def keep() -> None:
        # Whatever stops the loop, a result without its entry would lose its physical grid.
        if index:
            write_json(out / INDEX, list(index.values()), overwrite=True)

    try:
        for name, path, reader in jobs:
            started = time.perf_counter()
            origin = str(path.resolve())
            if origin in finished:
                yield from ((earlier, total) for earlier in finished[origin])
                continue
            image = reader()
            in_blocks = not series and (scheduler is not None or is_large_image(image, dimensions))
            if in_blocks:
                keep()
                store = out / f"{name}{FORMATS['zarr']}"
                segment = partial(predict_large, model, path, device=device, scheduler=scheduler, **asked)
                results = _in_blocks(segment, image, store, **wanted)
            else:
                results = _at_once(name, partial(api.predict, loaded, image.load(), **asked), out, **wanted)
            for place, (result, parts) in enumerate(results):
                total += parts - 1 if place == 0 else 0
                entry = replace(
                    result,
                    image=origin,
                    objects=loaded.recipe.target.kind == "instances",
                    seconds=round(time.perf_counter() - started, 4),
                )
                index[entry.labels] = asdict(entry)
                yield entry, total
                started = time.perf_counter()
            if in_blocks:
                keep()
    finally:
        keep()


def _at_once(
    name: str, segment: Callable[[], Prediction], out: Path, *, file_format: str, **options: bool
) -> Iterator[tuple[PredictedFile, int]]:
    """The results of an image that fits into memory, and how many they are."""
    parts = _parts(name, segment(), file_format)
    for part_name, part in parts:
        yield _write_result(part, part_name, out, file_format, **options), len(parts)


def _in_blocks(
    segment: Callable[..., Iterator[Step]],
    image: Image,
    store: Path,
    *,
    file_format: str,
    probabilities: bool,
    overwrite: bool,
) -> Iterator[tuple[PredictedFile, int]]:
    """The one result of an image that is segmented in blocks."""
    if file_format not in {"auto", "zarr"} or probabilities:
        raise InputError(
            f"{image.name} has {math.prod(image.grid):,} pixels and is segmented in blocks, which gives no "
            f"{'probabilities' if probabilities else file_format}",
            expected="labels as OME-Zarr",
            fix="leave --format and --probabilities out",
        )
    *_, last = segment(store, overwrite=overwrite)
    yield (
        PredictedFile(
            image="",
            labels=store.name,
            probabilities="",
            spacing=image.spacing,
            units=image.units,
            objects=False,
            pixels=last.pixels or {},
            seconds=0.0,
            diameter=last.diameter,
        ),
        1,
    )


def _by_image(index: dict[str, dict[str, Any]]) -> dict[str, list[PredictedFile]]:
    """The results that earlier calls have finished."""
    results: dict[str, list[PredictedFile]] = {}
    for entry in index.values():
        pixels = {int(value): count for value, count in entry["pixels"].items()}
        result = PredictedFile(**{**entry, "spacing": tuple(entry["spacing"]), "pixels": pixels})
        results.setdefault(result.image, []).append(result)
    return results


def _results_folder(out: Path, *, overwrite: bool) -> None:
    """Make the folder; earlier predictions may be replaced, but never images or masks drawn by hand."""
    output_folder(out, overwrite=overwrite)
    foreign = (path for path in out.iterdir() if not path.name.endswith(UNFINISHED))
    if any(foreign) and not (out / INDEX).is_file():
        raise OutputError(
            f"{out} holds files that predict did not write",
            expected="a new folder, or one of earlier predictions",
            fix="choose another folder",
        )


def _jobs(source: Path, *, series: bool) -> list[_Job]:
    """Name, path and reader of each image, so that one is in memory at a time."""
    if source.is_file() and not series:
        return [(bare_name(source), source, partial(read, source, lazy=True))]
    if not source.exists():
        raise InputError(f"{source} does not exist", expected="an image or a folder", fix="check the path")
    if series:
        found = find_series(source)
        names = [source.name] if len(found) == 1 else [f"{source.name}_{i + 1}" for i in range(len(found))]
        return [(name, source, one.read) for name, one in zip(names, found, strict=True)]
    paths = list_images(source)
    if not paths:
        raise InputError(f"{source} holds no images", expected="images to segment", fix="check the folder")
    names = [bare_name(path) for path in paths]
    # a.png and a.tif must not write to one result.
    return [
        (
            name if names.count(name) == 1 else path.name.replace(".", "_"),
            path,
            partial(read, path, lazy=True),
        )
        for name, path in zip(names, paths, strict=True)
    ]


def _holds_series(folder: Path) -> bool:
    return folder.is_dir() and any(kind_by_name(path) == "dicom" for path in list_images(folder))


def _parts(name: str, prediction: Prediction, file_format: str) -> list[tuple[str, Prediction]]:
    """What goes into a file each: all of it, or one time point for the formats that hold no more."""
    points = prediction.time_points()
    if file_format not in ONE_TIME_POINT or len(points) == 1:
        return [(name, prediction)]
    return [(f"{name}_t{i:0{len(str(len(points)))}}", point) for i, point in enumerate(points, start=1)]


def _write_result(
    prediction: Prediction, name: str, out: Path, file_format: str, *, probabilities: bool, overwrite: bool
) -> PredictedFile:
    labels, maps = prediction.labels, prediction.probabilities
    file = out / f"{name}{_suffix(labels, file_format)}"
    write_mask(file, labels, overwrite=overwrite)
    maps_file = f"{name}_probabilities.tif" if probabilities else ""
    if probabilities:
        grid: dict[str, Any] = {"axes": maps.axes, "spacing": maps.spacing, "units": maps.units}
        write_float(out / maps_file, maps.data, **grid, overwrite=overwrite)
    values, counts = np.unique(labels.data, return_counts=True)
    return PredictedFile(
        image="",
        labels=file.name,
        probabilities=maps_file,
        spacing=labels.spacing,
        units=labels.units,
        objects=False,
        pixels={int(value): int(count) for value, count in zip(values, counts, strict=True)},
        seconds=0.0,
        diameter=prediction.diameter,
    )


def _suffix(labels: Image, file_format: str) -> str:
    if file_format != "auto":
        return FORMATS[file_format]
    return FORMATS["png" if labels.axes == "YX" and labels.data.max(initial=0) < 2**16 else "tiff"]
