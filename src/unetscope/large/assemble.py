"""Finished blocks put together: one number for each object, in one store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.io import Image
from unetscope.large.blocks import Block
from unetscope.large.job import Job, JobFolder

__all__ = ["assemble"]


def assemble(
    job: Job, store: JobFolder, image: Image, out: Path, *, objects: bool, overwrite: bool
) -> dict[int, int]:
    """Write the labels of the whole image.

    Parameters
    ----------
    job : Job
        All of whose blocks are finished.
    store : JobFolder
    image : Image
        For the place of the result; its pixels are not read.
    out : Path
        An OME-Zarr store.
    objects : bool
        Whether labels number objects, 1, 2, … in the order of their first pixels.
    overwrite : bool
        Whether a store of this name may be replaced.

    Returns
    -------
    dict of int to int
        Label → number of pixels.
    """
    from unetscope.io.write.zarr import write_zarr_blocks

    blocks = list(job.blocks())
    numbers = _numbers(blocks, store) if objects else None
    pixels: dict[int, int] = {}

    def parts() -> Iterator[tuple[tuple[slice, ...], NDArray[Any]]]:
        for block in blocks:
            (labels,) = store.take(block, "labels")
            if numbers is not None:
                labels = numbers[block.index][labels]
            for value, count in zip(*np.unique(labels, return_counts=True), strict=True):
                pixels[int(value)] = pixels.get(int(value), 0) + int(count)
            yield block.core, labels

    dtype = np.dtype(np.int32) if objects else store.take(blocks[0], "labels")[0].dtype
    # Shape and type without pixels.
    empty = np.broadcast_to(np.zeros((), dtype), job.grid)
    shown = image.with_data(empty, axes=image.spatial_axes)
    write_zarr_blocks(out, shown, parts(), overwrite=overwrite, within=store.path)
    return dict(sorted(pixels.items()))


def _numbers(blocks: list[Block], store: JobFolder) -> dict[tuple[int, ...], NDArray[np.int32]]:
    """For each block: the number in the whole image of each of its own numbers."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    objects = {block.index: store.take(block, "objects")[0] for block in blocks}
    names = np.unique(np.concatenate(list(objects.values())))
    one, other = np.searchsorted(
        names, np.array(list(_joined(blocks, store, objects)), np.int64).reshape(-1, 2)
    ).T
    joined = coo_array((np.ones(one.size, bool), (one, other)), shape=(names.size, names.size))
    group = connected_components(joined, directed=False)[1]
    # Names are in the order of the grid, and the first of a group is that of the whole object.
    first = np.unique(group, return_index=True)[1][group]
    final = np.unique(first, return_inverse=True)[1].astype(np.int32) + 1
    return {
        index: np.concatenate([[0], final[np.searchsorted(names, mine)]]).astype(np.int32)
        for index, mine in objects.items()
    }


def _joined(
    blocks: list[Block], store: JobFolder, objects: dict[tuple[int, ...], NDArray[np.int64]]
) -> Iterator[tuple[int, int]]:
    """Two names of one object that no block saw whole.

    Two parts are one object if at least half of what the smaller one shows at the seam lies beside the other.
    """
    by_index = {block.index: block for block in blocks}
    for block in blocks:
        for axis in range(len(block.index)):
            other = by_index.get(block.before(axis))
            if other is None:
                continue
            here, here_cut = store.take(block, f"first{axis}", "cut")
            there, there_cut = store.take(other, f"last{axis}", "cut")
            for mine, its in _meeting(here, there):
                if here_cut[mine - 1] or there_cut[its - 1]:
                    yield objects[block.index][mine - 1], objects[other.index][its - 1]


def _meeting(here: NDArray[np.uint32], there: NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
    both = (here > 0) & (there > 0)
    if not both.any():
        return
    pairs, shared = np.unique(np.stack([here[both], there[both]]), axis=1, return_counts=True)
    shown = np.bincount(here.ravel()), np.bincount(there.ravel())
    for mine, its, count in zip(*pairs.tolist(), shared.tolist(), strict=True):
        if 2 * count >= min(shown[0][mine], shown[1][its]):
            yield mine, its
