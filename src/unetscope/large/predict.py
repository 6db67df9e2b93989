"""Segment an image that does not fit into memory, going on where an earlier attempt stopped."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from unetscope import api
from unetscope.errors import OutputError
from unetscope.io import Image
from unetscope.io.write import refuse_existing
from unetscope.large.assemble import assemble
from unetscope.large.cluster import on_cluster
from unetscope.large.job import Job, JobFolder, Request, request_for
from unetscope.large.segment import image_of, model_of, segment_block, segment_blocks
from unetscope.large.settle import check, settle

if TYPE_CHECKING:
    from unetscope.inference import Progress

__all__ = ["LARGE_PIXELS", "UNFINISHED", "Step", "is_large_image", "predict_large"]

LARGE_PIXELS = {2: 2**26, 3: 2**28}
"""Planes and volumes of more pixels are segmented block by block: their maps would take gigabytes."""

UNFINISHED = ".blocks"
"""How the name of a folder of finished blocks goes on after that of the result."""


@dataclass(frozen=True)
class Step:
    """How far it is.

    Attributes
    ----------
    done, total : int
        Blocks.
    pixels : dict of int to int, or None
        Label → number of pixels, in the last step.
    diameter : float or None
        Of the objects, given or estimated, where the model brings them to one size.
    """

    done: int
    total: int
    pixels: dict[int, int] | None = None
    diameter: float | None = None


def is_large_image(image: Image, dimensions: int) -> bool:
    """Whether an image is better segmented block by block.

    Parameters
    ----------
    image : Image
        May lie on disk.
    dimensions : int
        Of the network: one of planes looks at the slices of a volume one by one.
    """
    return math.prod(image.grid[-dimensions:]) > LARGE_PIXELS[dimensions]


def predict_large(
    model: Path,
    source: Path,
    out: Path,
    *,
    threshold: float | None = None,
    diameter: float | None = None,
    device: str = "auto",
    scheduler: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Iterator[Step]:
    """Segment an image of any size.

    Parameters
    ----------
    model : Path
        A model file, a run folder, or the name of a model that comes with the package.
    source : Path
        A plane or a volume, with or without channels; what is larger than memory should be stored in tiles
        or chunks (OME-Zarr, OME-TIFF).
    out : Path
        The OME-Zarr store to write, of labels on the image's own grid.
    threshold, diameter : float, optional
        See `unetscope.api.predict`.
    device : str
        See `unetscope.api.train`.
    scheduler : str, optional
        Address of a Dask cluster, ``tcp://…``, whose workers share the blocks. They must see model, image and
        `out` under the same paths.
    overwrite : bool
        Whether an earlier result, or unfinished blocks of something else, may be replaced.
    progress : callable, optional
        Called often, with the part of the whole that is done, from 0 to 1; not with a scheduler.

    Yields
    ------
    Step
        After each block, and when the result is there. Stopping between two keeps what is finished.

    Raises
    ------
    InputError
        If the image does not suit the model, or the recipe brings whole images to one size.
    OutputError
        If the result cannot be written, or there are blocks of another job.

    Notes
    -----
    Finished blocks lie in a folder beside the result until it is complete; the same call goes on with them.
    Labels are those of the whole image at once, as long as no object reaches further than three typical
    diameters beyond a block; parts of larger ones are joined where they meet. Statistics for the
    normalization, if each image has its own, are taken over evenly spaced pixels, about 16 million.
    """
    refuse_existing(out, overwrite=overwrite)
    request = request_for(api.find_model(model), source, threshold, diameter)
    image, loaded = image_of(request), model_of(request, device)
    check(image, loaded)
    # Workers elsewhere have another folder to begin with.
    store = JobFolder(out.resolve().with_name(f"{out.name}{UNFINISHED}"))
    job = _begun(store, request, overwrite=overwrite)
    if job is None:
        job = settle(request, image, loaded)
        store.begin(job)
    blocks = list(job.blocks())
    missing = [block for block in blocks if not store.has(block)]
    done = len(blocks) - len(missing)
    yield Step(done, len(blocks))
    if scheduler is None:
        parts = partial(_part_of, progress, done, len(blocks))
        finished = segment_blocks(store.path, missing, device=device, progress=parts)
    else:
        finished = on_cluster(partial(segment_block, store.path, device=device), missing, scheduler)
    try:
        for _ in finished:
            done += 1
            yield Step(done, len(blocks))
    finally:
        if not any(map(store.has, blocks)):
            # What fails at its first block, as a threshold of 2 does, is not in the way of the next attempt.
            shutil.rmtree(store.path)
    objects = loaded.recipe.target.kind == "instances"
    pixels = assemble(job, store, image, out, objects=objects, overwrite=overwrite)
    shutil.rmtree(store.path)
    yield Step(done, len(blocks), pixels, job.diameter)


def _begun(store: JobFolder, request: Request, *, overwrite: bool) -> Job | None:
    """The job of this request, if it is under way."""
    job = store.read()
    if job is not None and job.request == request:
        return job
    if store.path.exists():
        if not overwrite:
            raise OutputError(
                f"{store.path} holds unfinished blocks of another image, model or setting",
                expected="those of this one, or none",
                fix="choose another place, or pass --overwrite (overwrite=True)",
            )
        shutil.rmtree(store.path)
    return None


def _part_of(progress: Progress | None, done: int, total: int, number: int) -> Progress | None:
    from unetscope.inference.progress import part_of

    return part_of(progress, done + number, total)
