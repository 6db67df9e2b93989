"""Segment every image of a folder."""

from __future__ import annotations

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
    progress: Callable[[float], None] | None = None,
) -> Iterator[tuple[PredictedFile, int]]:
    """Segment a file, or every image of a folder.

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
    volumes = loaded.recipe.network.dimensions == 3
    jobs = _jobs(source, series=series or (volumes and _holds_series(source)))
    _results_folder(out, overwrite=overwrite)
    index = read_index(out)
    numbered = loaded.recipe.target.kind == "instances"
    total = len(jobs)
    try:
        for name, path, reader in jobs:
            started = time.perf_counter()
            prediction = api.predict(
                loaded, reader(), threshold=threshold, diameter=diameter, progress=progress
            )
            parts = _parts(name, prediction, file_format)
            total += len(parts) - 1
            for part_name, part in parts:
                result = _write_result(
                    part, part_name, out, file_format, probabilities=probabilities, overwrite=overwrite
                )
                seconds = round(time.perf_counter() - started, 4)
                result = replace(result, image=str(path.resolve()), objects=numbered, seconds=seconds)
                index[result.labels] = asdict(result)
                yield result, total
                started = time.perf_counter()
    finally:
        # Whatever stops the loop, a result without its entry would lose its physical grid.
        if index:
            write_json(out / INDEX, list(index.values()), overwrite=True)


def _results_folder(out: Path, *, overwrite: bool) -> None:
    """Make the folder; earlier predictions may be replaced, but never images or masks drawn by hand."""
    output_folder(out, overwrite=overwrite)
    if any(out.iterdir()) and not (out / INDEX).is_file():
        raise OutputError(
            f"{out} holds files that predict did not write",
            expected="a new folder, or one of earlier predictions",
            fix="choose another folder",
        )


def _jobs(source: Path, *, series: bool) -> list[_Job]:
    """Name, path and reader of each image, so that one is in memory at a time."""
    if source.is_file() and not series:
        return [(bare_name(source), source, lambda: read(source))]
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
        (name if names.count(name) == 1 else path.name.replace(".", "_"), path, partial(read, path))
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
