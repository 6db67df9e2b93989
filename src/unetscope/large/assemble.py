"""Finished blocks put together: one number for each object, in one store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.io import Image
from unetscope.io.write import write_zarr_blocks
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
    write_zarr_blocks(out, image.with_data(empty, axes=image.spatial_axes), parts(), overwrite=overwrite)
    return dict(sorted(pixels.items()))


def _numbers(blocks: list[Block], store: JobFolder) -> dict[tuple[int, ...], NDArray[np.int32]]:
    """For each block: the number in the whole image of each of its own numbers."""
    objects = {block.index: store.take(block, "objects")[0] for block in blocks}
    same = _joined(blocks, store, objects)
    names = np.unique(np.concatenate([np.zeros(0, np.int64), *objects.values()]))
    roots = np.array([_root(same, int(name)) for name in names] if same else names, dtype=np.int64)
    final = np.unique(roots, return_inverse=True)[1].astype(np.int32) + 1
    return {
        index: np.concatenate([[0], final[np.searchsorted(names, mine)]]).astype(np.int32)
        for index, mine in objects.items()
    }


def _joined(
    blocks: list[Block], store: JobFolder, objects: dict[tuple[int, ...], NDArray[np.int64]]
) -> dict[int, int]:
    """Objects that no block saw whole: which earlier one each of their parts belongs to.

    Two parts are one object if at least half of what the smaller one shows at the seam lies beside the other.
    """
    by_index = {block.index: block for block in blocks}
    same: dict[int, int] = {}
    for block in blocks:
        for axis in range(len(block.index)):
            other = by_index.get(block.before(axis))
            if other is None:
                continue
            here, here_cut = store.take(block, f"first{axis}", "cut")
            there, there_cut = store.take(other, f"last{axis}", "cut")
            for mine, its in _meeting(here, there):
                a, b = int(objects[block.index][mine - 1]), int(objects[other.index][its - 1])
                if a != b and (here_cut[mine - 1] or there_cut[its - 1]):
                    first, second = sorted((_root(same, a), _root(same, b)))
                    if first != second:
                        same[second] = first
    return same


def _meeting(here: NDArray[np.uint32], there: NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
    both = (here > 0) & (there > 0)
    if not both.any():
        return
    pairs, shared = np.unique(np.stack([here[both], there[both]]), axis=1, return_counts=True)
    shown = np.bincount(here.ravel()), np.bincount(there.ravel())
    for mine, its, count in zip(*pairs.tolist(), shared.tolist(), strict=True):
        if 2 * count >= min(shown[0][mine], shown[1][its]):
            yield mine, its


def _root(same: dict[int, int], name: int) -> int:
    while name in same:
        name = same[name]
    return name
