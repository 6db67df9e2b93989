"""The network over a whole image: at once when it fits, otherwise in tiles that agree with that.

Tiles overlap by a halo that is at least the network's receptive radius and are placed on multiples of its
stride, so that each kept pixel is computed from the same numbers as in the whole image. Normalization
that looks at the whole grid (instance, group) is the exception: there, tiles only come close.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unetscope.inference.progress import Progress, watched
from unetscope.network import UNet

__all__ = ["Tile", "pixels_for_memory", "plan_tiles", "predict_logits", "tile_for_memory"]

# Feature maps of the first level that live at the same time during a forward pass, roughly.
_LIVE_MAPS = 6


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


def pixels_for_memory(network: UNet, megabytes: float) -> float:
    """How many pixels a forward pass that takes about this much memory for feature maps can have."""
    return megabytes * 2**20 / (4 * _LIVE_MAPS * network.settings.level_widths[0])


def tile_for_memory(network: UNet, grid: Sequence[int], megabytes: float) -> tuple[int, ...]:
    """The largest near-square tile whose forward pass takes about this much memory.

    Parameters
    ----------
    network : UNet
    grid : sequence of int
        The whole grid; returned unchanged when it fits.
    megabytes : float
        Memory for the feature maps.
    """
    pixels = pixels_for_memory(network, megabytes)
    if math.prod(grid) <= pixels:
        return tuple(grid)
    tile = list(grid)
    while math.prod(tile) > pixels:
        longest = tile.index(max(tile))
        if tile[longest] <= network.stride:
            break
        tile[longest] = math.ceil(tile[longest] / 2 / network.stride) * network.stride
    # A tile that is mostly halo computes everything many times over.
    least = 2 * math.ceil(network.receptive_radius / network.stride) * network.stride + network.stride
    return tuple(min(max(length, least), n) for length, n in zip(tile, grid, strict=True))


@torch.inference_mode()
def predict_logits(
    network: UNet,
    image: NDArray[np.float32],
    *,
    tile: Sequence[int] | None = None,
    megabytes: float = 2048,
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
    progress : callable, optional
        See `Progress`.

    Returns
    -------
    (K, *grid) float32 Tensor
        On the CPU.

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
    padded = np.pad(image, [(0, 0), *pads], mode="reflect")
    device = next(network.parameters()).device
    logits = torch.empty((network.out_channels, *sizes))
    parts = list(tiles)
    with watched(network, progress, passes=len(parts)):
        for part in parts:
            batch = torch.from_numpy(np.ascontiguousarray(padded[(slice(None), *part.source)]))[None]
            if batch.ndim == 4:
                batch = batch.contiguous(memory_format=torch.channels_last)
            output = network(batch.to(device))[0]
            logits[(slice(None), *part.target)] = output[(slice(None), *part.kept)].float().cpu()
    return logits[(slice(None), *(slice(length) for length in grid))].clone()


_Plan = tuple[list[tuple[int, int]], list[int], Iterator[Tile]]


def _plan_same(network: UNet, grid: Sequence[int], tile: Sequence[int]) -> _Plan:
    """Padding per axis, size of the padded output, and the tiles."""
    sizes = [network.valid_size(length) for length in grid]
    pads = [(0, size - length) for size, length in zip(sizes, grid, strict=True)]
    # A tile as long as the image means the image at once, padding included.
    tile = [size if t >= length else t for size, length, t in zip(sizes, grid, tile, strict=True)]
    return pads, sizes, plan_tiles(sizes, tile, network.receptive_radius, network.stride)


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
                (slice(i * core, i * core + source), slice(core), slice(i * core, (i + 1) * core))
                for i in range(count)
            ]
        )
    return pads, sizes, _product(axes)


def _product(axes: Sequence[Sequence[tuple[slice, slice, slice]]]) -> Iterator[Tile]:
    for parts in itertools.product(*axes):
        yield Tile(*zip(*parts, strict=True))
