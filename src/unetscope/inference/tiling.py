"""The network over a whole image: at once when it fits, otherwise in tiles that agree with that.

Tiles overlap by the network's halo and are placed on multiples of its stride, so that each kept pixel is
computed from the same numbers as in the whole image. On a CPU a tile is worked on in strips and can be as
long as the image. Normalization that looks at the whole grid (instance, group) is the exception: there, tiles
only come close.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unetscope.inference.progress import Progress, part_of, watched
from unetscope.inference.strips import can_stream, kept_rows, rows_of_a_strip, stream
from unetscope.network import UNet, kept_memory

__all__ = ["Tile", "feature_bytes", "plan_tiles", "predict_logits", "tile_for_memory"]

# Feature maps of the first level that live at the same time during a forward pass, roughly.
_LIVE_MAPS = 6
# Bytes of feature maps. What is smaller, glibc keeps by itself.
_WORTH_KEEPING = 2**25


@dataclass(frozen=True)
class Tile:
    """One piece of work.

    Attributes
    ----------
    source : tuple of slice
        What the network reads.
    kept : tuple of slice
        The part of its output that is kept.
    target : tuple of slice
        Where that part goes.
    """

    source: tuple[slice, ...]
    kept: tuple[slice, ...]
    target: tuple[slice, ...]


def plan_tiles(grid: Sequence[int], tile: Sequence[int], halo: int, stride: int) -> Iterator[Tile]:
    """Tiles that cover a grid.

    Parameters
    ----------
    grid : sequence of int
        Lengths, multiples of `stride`.
    tile : sequence of int
        Longest allowed source along each axis, halo included.
    halo : int
        Pixels to read beyond what is kept, where the grid goes on; rounded up to a multiple of `stride`.
    stride : int
        Tiles start on multiples of this.

    Returns
    -------
    iterator of Tile
    """
    halo = math.ceil(halo / stride) * stride
    return _product([list(_plan_axis(n, t, halo, stride)) for n, t in zip(grid, tile, strict=True)])


def _plan_axis(length: int, tile: int, halo: int, stride: int) -> Iterator[tuple[slice, slice, slice]]:
    core = length if tile >= length else max((tile - 2 * halo) // stride, 1) * stride
    for start in range(0, length, core):
        stop = min(start + core, length)
        first, last = max(start - halo, 0), min(stop + halo, length)
        yield slice(first, last), slice(start - first, stop - first), slice(start, stop)


def tile_for_memory(network: UNet, grid: Sequence[int], megabytes: float) -> tuple[int, ...]:
    """The largest near-square tile whose forward pass takes about this much memory.

    Parameters
    ----------
    network : UNet
        If it can stream (see `can_stream`), the first axis is never cut.
    grid : sequence of int
        The whole grid; returned unchanged when it fits.
    megabytes : float
        Memory for the feature maps.
    """
    first = int(can_stream(network))
    tile = list(grid)
    while feature_bytes(network, tile) > megabytes * 2**20:
        longest = max(range(first, len(tile)), key=tile.__getitem__)
        if tile[longest] <= network.stride:
            break
        tile[longest] = math.ceil(tile[longest] / 2 / network.stride) * network.stride
    # A tile that is mostly halo computes everything many times over.
    least = 2 * math.ceil(network.halo / network.stride) * network.stride + network.stride
    return tuple(min(max(length, least), n) for length, n in zip(tile, grid, strict=True))


def feature_bytes(network: UNet, grid: Sequence[int]) -> int:
    """Memory for the feature maps that live at the same time in a forward pass over a grid, roughly."""
    pixels = _LIVE_MAPS * math.prod(grid)
    if can_stream(network):
        pixels = min(pixels, kept_rows(network, grid) * math.prod(grid[1:]))
    return 4 * network.settings.level_widths[0] * pixels


@torch.inference_mode()
def predict_logits(
    network: UNet,
    image: NDArray[np.float32],
    *,
    tile: Sequence[int] | None = None,
    megabytes: float = 2048,
    then: Callable[[Tensor], Tensor] | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Logits of one image of any size.

    Parameters
    ----------
    network : UNet
        In evaluation mode.
    image : (C, *grid) float32 ndarray
        Prepared.
    tile : sequence of int, optional
        Tile size, halo included; chosen from `megabytes` when left out.
    megabytes : float
        Memory to use for feature maps.
    then : callable, optional
        What becomes of logits (K, …), pixel by pixel, before they are kept: all at once they would take their
        memory twice.
    progress : callable, optional
        See `Progress`.

    Returns
    -------
    (K, *grid) float32 Tensor
        On the CPU; what `then` made of them.

    Notes
    -----
    With same padding the image is extended at its end to a multiple of the stride, and with valid padding
    all around by the margin that the network takes away; both mirror the image (Ronneberger et al. 2015,
    figure 2).
    """
    grid = image.shape[1:]
    tile = tile_for_memory(network, grid, megabytes) if tile is None else tile
    plan = _plan_same if network.settings.padding == "same" else _plan_valid
    pads, sizes, tiles = plan(network, grid, tile)
    padded = np.pad(image, [(0, 0), *pads], mode="reflect") if np.any(pads) else image
    logits = torch.empty((network.out_channels, *sizes))
    parts = list(tiles)
    with kept_memory() if feature_bytes(network, tile) > _WORTH_KEEPING else contextlib.nullcontext():
        for index, part in enumerate(parts):
            batch = torch.from_numpy(np.ascontiguousarray(padded[(slice(None), *part.source)]))[None]
            if batch.ndim == 4:
                batch = batch.contiguous(memory_format=torch.channels_last)
            done = 0
            for rows in _output(network, batch, part_of(progress, index, len(parts))):
                _keep(rows if then is None else then(rows), part, logits, done)
                done += rows.shape[1]
    if logits.shape[1:] == grid:
        return logits
    return logits[(slice(None), *(slice(length) for length in grid))].clone()


def _output(network: UNet, batch: Tensor, progress: Progress | None) -> Iterator[Tensor]:
    """The output of one tile, (K, rows, *rest) at a time."""
    grid = batch.shape[2:]
    if can_stream(network) and rows_of_a_strip(network, grid) < grid[0]:
        for rows in stream(network, batch, progress):
            yield rows[0]
        return
    with watched(network, progress):
        yield network(batch.to(next(network.parameters()).device))[0]


def _keep(rows: Tensor, tile: Tile, logits: Tensor, done: int) -> None:
    """Write down what is kept of some rows of a tile, of which so many came before."""
    kept, target = tile.kept[0], tile.target[0]
    first, last = max(done, kept.start), min(done + rows.shape[1], kept.stop)
    if first < last:
        moved = target.start - kept.start
        chosen = rows[(slice(None), slice(first - done, last - done), *tile.kept[1:])]
        logits[(slice(None), slice(first + moved, last + moved), *tile.target[1:])] = chosen.float().cpu()


_Plan = tuple[list[tuple[int, int]], list[int], Iterator[Tile]]


def _plan_same(network: UNet, grid: Sequence[int], tile: Sequence[int]) -> _Plan:
    """Padding per axis, size of the padded output, and the tiles."""
    sizes = [network.valid_size(length) for length in grid]
    pads = [(0, size - length) for size, length in zip(sizes, grid, strict=True)]
    # A tile as long as the image means the image at once, padding included.
    tile = [size if t >= length else t for size, length, t in zip(sizes, grid, tile, strict=True)]
    return pads, sizes, plan_tiles(sizes, tile, network.halo, network.stride)


def _plan_valid(network: UNet, grid: Sequence[int], tile: Sequence[int]) -> _Plan:
    """The same for valid padding, where every tile is one that the network can take."""
    margin, stride = network.margin, network.stride
    pads, sizes, axes = [], [], []
    for length, longest in zip(grid, tile, strict=True):
        source = network.valid_size(length if longest >= length else max(longest - 2 * margin, stride))
        output = source - 2 * margin
        # Pooling must meet the same pixels in every tile.
        core = output if output >= length else output // stride * stride
        count = math.ceil(length / core)
        pads.append((margin, (count - 1) * core + source - margin - length))
        sizes.append(count * core)
        axes.append(
            [
                (slice(i * core, i * core + source), slice(0, core), slice(i * core, (i + 1) * core))
                for i in range(count)
            ]
        )
    return pads, sizes, _product(axes)


def _product(axes: Sequence[Sequence[tuple[slice, slice, slice]]]) -> Iterator[Tile]:
    for parts in itertools.product(*axes):
        yield Tile(*zip(*parts, strict=True))
