"""A network over an image in strips: rows go in at the top, rows of logits come out at the bottom.

Every layer keeps the few rows that it will need once more, and passes on what it can already compute. No row
is computed twice, and what is in memory at a time does not depend on how long the image is. The maps of a
strip stay in the caches of a processor, which makes it faster than the whole image at once. "Rows" are slices
along the first spatial axis: of a volume, planes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from unetscope.inference.progress import Progress
from unetscope.network import Convolution2d, Convolution3d, UNet, central

__all__ = ["can_stream", "kept_rows", "rows_of_a_strip", "stream"]

_WHOLE_GRID = (nn.InstanceNorm2d, nn.InstanceNorm3d, nn.GroupNorm)
# Pixels of a strip, or voxels. With fewer, the time of a call shows; with more, maps leave the caches.
_PIXELS = {2: 2**17, 3: 2**19}
# Maps as wide as the first level's that a strip has at the same time while it is worked on.
_LIVE_MAPS = 5


def can_stream(network: UNet) -> bool:
    """Whether strips give what the whole image gives, faster.

    Normalization that looks at the whole grid (instance, group) needs the whole image, and other devices than
    a CPU need larger pieces of work.

    Parameters
    ----------
    network : UNet
    """
    on_cpu = next(network.parameters()).device.type == "cpu"
    return on_cpu and not any(isinstance(module, _WHOLE_GRID) for module in network.modules())


def rows_of_a_strip(network: UNet, grid: Sequence[int]) -> int:
    """How many rows are worked on at a time: all of a small image.

    Parameters
    ----------
    network : UNet
    grid : sequence of int
        Of the image, or the tile.
    """
    pixels = _PIXELS[network.settings.dimensions]
    if math.prod(grid) <= 2 * pixels:
        return grid[0]
    rows = round(pixels / math.prod(grid[1:]) / network.stride) * network.stride
    # The deepest level should get two rows, and some more for its two neighbors to be worth it.
    return max(rows, network.stride * (4 if network.settings.dimensions == 2 else 1))


def kept_rows(network: UNet, grid: Sequence[int]) -> int:
    """How many rows of the first level's maps are in memory at the same time, about.

    Parameters
    ----------
    network : UNet
    grid : sequence of int
        Of the image, or the tile.

    Notes
    -----
    Skip connections wait until what comes from below has caught up, a halo later; those of each level are
    half as large as those of the level above, together twice the first.
    """
    rows = rows_of_a_strip(network, grid)
    return 2 * (network.halo + rows) + _LIVE_MAPS * rows


def stream(network: UNet, image: Tensor, progress: Progress | None = None) -> Iterator[Tensor]:
    """The logits of an image, some rows at a time.

    Parameters
    ----------
    network : UNet
        In evaluation mode, on a CPU, without normalization over the whole grid; see `can_stream`.
    image : (1, C, *grid) float32 Tensor
        Of a grid that the network can take.
    progress : callable, optional
        Called before each strip; see `Progress`.

    Yields
    ------
    (1, K, rows, *rest) float32 Tensor
        From first to last; together what the network gives for the whole image. Up to rounding: libraries
        may choose another way for another size.
    """
    length = image.shape[2]
    step = rows_of_a_strip(network, image.shape[2:])
    strips = _Strips(network)
    for start in range(0, length, step):
        stop = min(start + step, length)
        if progress is not None:
            progress(start / length)
        logits = strips.push(image[:, :, start:stop], last=stop == length)
        if logits is not None:
            yield logits


class _Strips:
    """The state of all layers between two strips."""

    def __init__(self, network: UNet) -> None:
        self._down = [_Block(block) for block in network.down]
        self._pool = network.pool
        self._pooled = [_Rows() for _ in network.merge]
        self._up = [_Up(up) for up in network.up]
        self._skips = [_Rows() for _ in network.merge]
        self._merge = [_Block(block) for block in network.merge]
        self._head = _Convolution(cast("Convolution2d | Convolution3d", network.head))

    def push(self, rows: Tensor, *, last: bool) -> Tensor | None:
        """Work on the next rows; what comes out for it, if anything does yet."""
        features: Tensor | None = self._down[0].push(rows, last=last)
        for level, block in enumerate(self._down[1:]):
            if features is None:
                return None
            self._skips[level].put(features)
            waiting = self._pooled[level]
            waiting.put(features)
            if waiting.count < 2:
                return None
            features = block.push(self._pool(waiting.take(waiting.count // 2 * 2)), last=last)
        for up, merge, skips in zip(self._up, self._merge, reversed(self._skips), strict=True):
            features = None if features is None else up.push(features, last=last)
            if features is None:
                return None
            features = merge.push(skips.beside(features), features, last=last)
        return None if features is None else self._head.push(features, last=last)


class _Rows:
    """Rows that wait until they are asked for."""

    def __init__(self) -> None:
        self._strips: deque[Tensor] = deque()
        self._centered = False
        self.count = 0

    def put(self, rows: Tensor) -> None:
        self._strips.append(rows)
        self.count += rows.shape[2]

    def take(self, count: int) -> Tensor:
        """The next rows; at least one."""
        self.count -= count
        taken = []
        while count:
            strip = self._strips.popleft()
            if strip.shape[2] > count:
                self._strips.appendleft(strip[:, :, count:])
                strip = strip[:, :, :count]
            taken.append(strip)
            count -= strip.shape[2]
        return taken[0] if len(taken) == 1 else torch.cat(taken, dim=2)

    def beside(self, rows: Tensor) -> Tensor:
        """The rows of a skip connection that lie beside some that came from below; see `central`."""
        if not self._centered:
            # As many as at the other borders, where unpadded convolutions have taken them away.
            taken_away = (self._strips[0].shape[3] - rows.shape[3]) // 2
            if taken_away:
                self.take(taken_away)
            self._centered = True
        skip = self.take(rows.shape[2])
        return central(skip, rows.shape[2:])


class _Convolution:
    """A convolution of stride 1; it keeps the last rows of its input, one less than its kernel is long."""

    def __init__(self, layer: Convolution2d | Convolution3d) -> None:
        self._layer = layer
        self._kept: Tensor | None = None

    def push(self, *rows: Tensor, last: bool) -> Tensor | None:
        """What becomes of the next rows of all channels, which come in groups."""
        layer = self._layer
        length = layer.kernel_size[0]
        if length == 1:
            return cast("Tensor", layer(*rows))
        padding = cast("tuple[int, ...]", layer.padding)
        joined = _joined(rows, padding[0] if self._kept is None else self._kept, padding[0] if last else 0)
        # A copy, so that the rest of the strip is free.
        self._kept = joined[:, :, -(length - 1) :].clone()
        if joined.shape[2] < length:
            return None
        return layer.padded_with(joined, (0, *padding[1:]))


def _joined(groups: Sequence[Tensor], before: Tensor | int, after: int) -> Tensor:
    """All channels of some rows, written once, with rows or so many zeros before them, and zeros after."""
    first = groups[0]
    above = before if isinstance(before, int) else before.shape[2]
    channels, rows = sum(group.shape[1] for group in groups), above + first.shape[2] + after
    flat = first.ndim == 4 and first.is_contiguous(memory_format=torch.channels_last)
    joined = torch.empty(
        (1, channels, rows, *first.shape[3:]),
        memory_format=torch.channels_last if flat else torch.contiguous_format,
    )
    joined[:, :, :above] = 0 if isinstance(before, int) else before
    joined[:, :, rows - after :] = 0
    torch.cat(list(groups), dim=1, out=joined[:, :, above : rows - after])
    return joined


class _Block:
    """Convolutions, and what is done to each pixel by itself between them."""

    def __init__(self, block: nn.Module) -> None:
        self._layers = [
            _Convolution(layer) if isinstance(layer, Convolution2d | Convolution3d) else layer
            for layer in block.children()
        ]

    def push(self, *rows: Tensor, last: bool) -> Tensor | None:
        features: Sequence[Tensor] = rows
        for layer in self._layers:
            made = layer.push(*features, last=last) if isinstance(layer, _Convolution) else layer(*features)
            if made is None:
                return None
            features = [made]
        return features[0]


class _Up:
    """Upsampling; where it mixes neighbors, it keeps a row, and makes of it what lacked the next one."""

    def __init__(self, up: nn.Module) -> None:
        self._layers = up
        first = next(up.children())
        transposed = isinstance(first, nn.ConvTranspose2d | nn.ConvTranspose3d)
        self._mixes = not transposed or first.kernel_size[0] > 2  # type: ignore[index]
        # Unpadded, the outermost rows are cut off as the other borders are.
        self._cuts = any(isinstance(layer, nn.ZeroPad2d | nn.ZeroPad3d) for layer in up.children())
        self._kept: Tensor | None = None
        self._begun = False

    def push(self, rows: Tensor, *, last: bool) -> Tensor | None:
        if not self._mixes:
            return cast("Tensor", self._layers(rows))
        window = rows if self._kept is None else torch.cat([self._kept, rows], dim=2)
        self._kept = window[:, :, -1:].clone()
        if window.shape[2] == 1 and not last:
            # All that can be made of it lacks a neighbor.
            return None
        begins, self._begun = not self._begun, True
        fine = cast("Tensor", self._layers(window))
        if self._cuts:
            return fine
        return fine[:, :, 0 if begins else 1 : None if last else -1]
