"""One block: what it becomes, and what its neighbors have to know of it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unetscope import api
from unetscope.errors import InputError
from unetscope.io import Image, read
from unetscope.large.blocks import Block
from unetscope.large.job import JobFolder, Request

if TYPE_CHECKING:
    from unetscope.inference import Progress
    from unetscope.model import Model

__all__ = ["cut_out", "image_of", "model_of", "segment_block"]


def segment_block(
    folder: Path, block: Block, *, device: str = "auto", progress: Progress | None = None
) -> None:
    """Segment a block of a job, and keep it in the job's folder.

    Parameters
    ----------
    folder : Path
        Of the job; every machine that takes part must see it, the model and the image under the same path.
    block : Block
    device : str
        See `api.load_model`.
    progress : callable, optional
        See `api.predict`.

    Notes
    -----
    Objects are known everywhere by their first pixel, in the order of the whole grid. Two blocks that both
    see all of an object give it the same name without knowing of each other. One that reaches beyond what
    a block sees is marked, to be joined with its other parts later.
    """
    store = JobFolder(folder)
    job = store.read()
    if job is None:
        raise InputError(f"{folder} holds no job", expected="job.json", fix="begin again")
    model = replace(model_of(job.request, device), scaling=job.scaling)
    prediction = api.predict(
        model,
        cut_out(image_of(job.request), block.outer),
        threshold=job.request.threshold,
        diameter=job.diameter,
        progress=progress,
    )
    labels = prediction.labels.data
    if model.recipe.target.kind == "instances":
        store.put(block, _named(labels, block, job.grid))
    else:
        store.put(block, {"labels": labels[block.inner]})


@lru_cache(maxsize=1)
def model_of(request: Request, device: str) -> Model:
    """The model of a request, loaded once in a process."""
    return api.load_model(request.model, device=device)


@lru_cache(maxsize=1)
def image_of(request: Request) -> Image:
    """The image of a request, read once in a process; it may lie on disk."""
    return read(request.image, lazy=True)


def cut_out(image: Image, part: tuple[slice, ...]) -> Image:
    """A part of an image's spatial grid, in memory. Its place is of no use here, and stays as it was."""
    everything: tuple[Any, ...] = (..., *part)
    data: Any = image.data[everything]
    if not isinstance(data, np.ndarray):
        # On a cluster, Dask would ask the cluster, all of whose threads may wait for just that.
        data = data.compute(scheduler="threads")
    return replace(image, data=data, levels=())


def _named(labels: NDArray[np.int32], block: Block, grid: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    """The objects in a block's core, numbered by themselves, and what their numbers stand for."""
    numbers, places = np.unique(labels, return_index=True)
    starts = [outer.start for outer in block.outer]
    first = np.ravel_multi_index(
        tuple(
            place + start for place, start in zip(np.unravel_index(places, labels.shape), starts, strict=True)
        ),
        grid,
    )
    cut = np.zeros(len(numbers), dtype=bool)
    for axis, (outer, length) in enumerate(zip(block.outer, grid, strict=True)):
        ends = [0] * (outer.start > 0) + [-1] * (outer.stop < length)
        for end in ends:
            cut |= np.isin(numbers, np.take(labels, end, axis=axis))
    core = labels[block.inner]
    inside, compact = np.unique(core, return_inverse=True)
    # 0 stays background, also where the core has none.
    shift = int(inside[0] != 0)
    compact = (compact.reshape(core.shape) + shift).astype(np.uint32)
    kept = np.searchsorted(numbers, inside[inside != 0])
    faces = {}
    for axis in range(core.ndim):
        faces[f"first{axis}"] = np.take(compact, 0, axis=axis)
        faces[f"last{axis}"] = np.take(compact, -1, axis=axis)
    return {
        "labels": compact,
        "objects": first[kept].astype(np.int64),
        "cut": cut[kept],
        **faces,
    }
