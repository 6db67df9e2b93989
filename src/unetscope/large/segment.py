"""Blocks: what they become, and what their neighbors have to know of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
from unetscope.large.job import Job, JobFolder, Request

if TYPE_CHECKING:
    from unetscope.inference import Progress
    from unetscope.model import Model

__all__ = ["cut_out", "image_of", "model_of", "segment_block", "segment_blocks"]


def segment_block(folder: Path, block: Block, *, device: str = "auto") -> None:
    """Segment a block of a job, and keep it in the job's folder.

    Parameters
    ----------
    folder : Path
        Of the job; every machine that takes part must see it, the model and the image under the same path.
    block : Block
    device : str
        See `api.load_model`.

    Notes
    -----
    Objects are known everywhere by their first pixel, in the order of the whole grid. Two blocks that both
    see all of an object give it the same name without knowing of each other. One that reaches beyond what
    a block sees is marked, to be joined with its other parts later.
    """
    for _ in segment_blocks(folder, [block], device=device):
        pass


def segment_blocks(
    folder: Path,
    blocks: Sequence[Block],
    *,
    device: str = "auto",
    progress: Callable[[int], Progress | None] = lambda _: None,
) -> Iterator[None]:
    """Segment some blocks one after the other; while one is predicted, those around it are read and written.

    Parameters
    ----------
    folder, device
        See `segment_block`.
    blocks : sequence of Block
    progress : callable
        For the number of a block, what `api.predict` calls.

    Yields
    ------
    None
        When another block is in the folder.
    """
    store = JobFolder(folder)
    job = store.read()
    if job is None:
        raise InputError(f"{folder} holds no job", expected="job.json", fix="begin again")
    image = image_of(job.request)
    with ThreadPoolExecutor(max_workers=1) as beside:
        kept: Future[None] | None = None
        coming = beside.submit(cut_out, image, blocks[0].outer) if blocks else None
        for number, block in enumerate(blocks):
            assert coming is not None
            seen = coming.result()
            if number + 1 < len(blocks):
                coming = beside.submit(cut_out, image, blocks[number + 1].outer)
            found = _segmented(job, block, seen, device, progress(number))
            if kept is not None:
                kept.result()
                yield
            kept = beside.submit(store.put, block, found)
        if kept is not None:
            kept.result()
            yield


def _segmented(
    job: Job, block: Block, seen: Image, device: str, progress: Progress | None
) -> dict[str, NDArray[Any]]:
    """What is kept of a block."""
    model = replace(model_of(job.request, device), scaling=job.scaling)
    prediction = api.predict(
        model, seen, threshold=job.request.threshold, diameter=job.diameter, progress=progress
    )
    labels = prediction.labels.data
    if model.recipe.target.kind == "instances":
        return _named(labels, block, job.grid)
    return {"labels": labels[block.inner]}


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
    places = _first_places(labels)
    starts = [outer.start for outer in block.outer]
    first = np.ravel_multi_index(
        tuple(
            place + start for place, start in zip(np.unravel_index(places, labels.shape), starts, strict=True)
        ),
        grid,
    )
    cut = np.zeros(len(places), dtype=bool)
    for axis, (outer, length) in enumerate(zip(block.outer, grid, strict=True)):
        ends = [0] * (outer.start > 0) + [-1] * (outer.stop < length)
        for end in ends:
            cut[np.take(labels, end, axis=axis)] = True
    core = labels[block.inner]
    inside = np.zeros(len(places), dtype=bool)
    inside[core] = True
    # 0 stays background, also where the core has none.
    inside[0] = True
    compact = (np.cumsum(inside) - 1).astype(np.uint32)[core]
    kept = np.flatnonzero(inside)[1:]
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


def _first_places(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Where each number from 0 on comes first in the flat array; 0 for those that do not come."""
    flat = labels.ravel()
    places = np.zeros(int(flat.max()) + 1, dtype=np.int64)
    # Of several values for one place, the last one stays.
    places[flat[::-1]] = np.arange(flat.size)[::-1]
    return places
