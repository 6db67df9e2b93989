"""One configurable U-Net for images and volumes (Ronneberger, Fischer, Brox 2015)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unetscope.network.convolution import Convolution2d, Convolution3d
from unetscope.recipe.recipe import Network

__all__ = ["UNet", "central"]

_CONV: dict[int, type[nn.Module]] = {2: Convolution2d, 3: Convolution3d}
_UP: dict[int, type[nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_POOL: dict[int, type[nn.Module]] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_BATCH: dict[int, type[nn.Module]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_INSTANCE: dict[int, type[nn.Module]] = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
_CUT: dict[int, type[nn.Module]] = {2: nn.ZeroPad2d, 3: nn.ZeroPad3d}
_LINEAR = {2: "bilinear", 3: "trilinear"}


class UNet(nn.Module):
    """Down and up again, with a skip connection at every level.

    Parameters
    ----------
    settings : Network
        Depth, widths, padding, normalization and the rest.
    in_channels : int
        Channels of the image.
    out_channels : int
        Maps of logits: 1 for binary, otherwise one per class; and `extra` more.
    extra : int
        How many of the last maps are no classes (see `unetscope.network.outputs`).
    unit : float
        Of the maps that are offsets, pixels; kept with the weights.

    Notes
    -----
    Input (B, in_channels, *grid), output (B, out_channels, *grid) logits. With same padding the grid must
    be divisible by `stride`; with valid padding it must be one of `valid_sizes`, and the output is
    smaller by `margin` on every side.
    """

    def __init__(
        self, settings: Network, in_channels: int, out_channels: int, *, extra: int = 0, unit: float = 1.0
    ) -> None:
        super().__init__()
        self.settings = settings
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.extra = extra
        # Not a constant of the recipe: it is measured, and who goes on with these weights needs the same.
        self.register_buffer("unit", torch.tensor(unit), persistent=extra > 1)
        self.unit: Tensor
        widths, dropout = settings.level_widths, settings.level_dropout
        self.down = nn.ModuleList(
            _block(settings, before, width, rate)
            for before, width, rate in zip((in_channels, *widths), widths, dropout, strict=False)
        )
        self.pool = _POOL[settings.dimensions](2)
        levels = range(settings.depth - 1, -1, -1)
        self.up = nn.ModuleList(_upsampling(settings, widths[level + 1], widths[level]) for level in levels)
        self.merge = nn.ModuleList(
            _block(settings, 2 * widths[level], widths[level], dropout[level]) for level in levels
        )
        kernel = settings.head_kernel
        self.head = _CONV[settings.dimensions](
            widths[0], out_channels, kernel, padding=kernel // 2 if settings.padding == "same" else 0
        )
        self.apply(self._initialize)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of an image batch; see the class for shapes.

        Raises
        ------
        ValueError
            If the grid is not one that the network can halve `depth` times, naming the next that is.
        """
        self._check(image.shape[2:])
        skips = []
        features = image
        for block in self.down[:-1]:
            features = block(features)
            skips.append(features)
            features = self.pool(features)
        features = self.down[-1](features)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips), strict=True):
            features = up(features)
            features = merge(torch.cat([central(skip, features.shape[2:]), features], dim=1))
        return self.head(features)

    @property
    def stride(self) -> int:
        """Grids shifted by this many pixels give the same result, shifted."""
        return int(2**self.settings.depth)

    @property
    def margin(self) -> int:
        """Pixels that valid padding takes away on every side; 0 with same padding."""
        if self.settings.padding == "same":
            return 0
        size = self.valid_size(1)
        return (size - self._output_size(size)) // 2

    @property
    def halo(self) -> int:
        """Pixels that must be seen beyond a part of the output that begins and ends at multiples of `stride`.

        Exact: followed from the output down to the deepest level and up again to the image.
        """
        settings = self.settings
        # Padded, a convolution looks at both sides; unpadded, at what comes after, and the result is shorter.
        before, after = (1, 1) if settings.padding == "same" else (0, 2)
        before, after = before * settings.convs, after * settings.convs
        # The first pixel of a part that begins at 0, and the last one of a part that ends before 0.
        head = settings.head_kernel // 2
        low, high = (-head, head - 1) if settings.padding == "same" else (0, 2 * head - 1)
        for _ in range(settings.depth):
            low, high = _below(settings, low - before, high + after)
        low, high = low - before, high + after
        for _ in range(settings.depth):
            low, high = 2 * low - before, 2 * high + 1 + after
        return max(self.margin - low, high + 1 - self.margin)

    def valid_size(self, output: int) -> int:
        """The smallest input length whose output is at least `output` pixels long.

        With same padding, the next multiple of `stride`.
        """
        if self.settings.padding == "same":
            return max(math.ceil(output / self.stride), 1) * self.stride
        size = output
        while self._output_size(size) < output:
            size += 1
        return size

    def _output_size(self, size: int) -> int:
        """Output length for an input length with valid padding; 0 if it cannot be halved that often."""
        settings = self.settings
        shrink = 2 * settings.convs
        cut = 2 if _up_mixes(settings) else 0
        for _ in range(settings.depth):
            size -= shrink
            if size <= 0 or size % 2:
                return 0
            size //= 2
        size -= shrink
        for _ in range(settings.depth):
            size = 2 * size - cut - shrink
        return max(size - 2 * (settings.head_kernel // 2), 0)

    def _check(self, grid: Sequence[int]) -> None:
        if self.settings.padding == "same":
            fits = all(length % self.stride == 0 for length in grid)
        else:
            fits = all(self._output_size(length) > 0 for length in grid)
        if not fits:
            nearest = [self._next_size(length) for length in grid]
            depth = self.settings.depth
            raise ValueError(f"a U-Net of depth {depth} cannot take {list(grid)}; use {nearest}")

    def _next_size(self, length: int) -> int:
        if self.settings.padding == "same":
            return self.valid_size(length)
        while self._output_size(length) <= 0:
            length += 1
        return length

    def _initialize(self, module: nn.Module) -> None:
        if not isinstance(module, (*_CONV.values(), *_UP.values())):
            return
        weight: Tensor = module.weight  # type: ignore[assignment]
        taps = weight[0, 0].numel()
        if self.settings.init == "glorot-uniform":
            bound = math.sqrt(6 / (taps * (weight.shape[0] + weight.shape[1])))
            nn.init.uniform_(weight, -bound, bound)
        else:
            # A transposed convolution is stored the other way around, and with stride 2 only one in
            # 2^dimensions of its taps meets each output pixel.
            up = isinstance(module, tuple(_UP.values()))
            inputs = weight.shape[0] * taps / 2 ** (weight.ndim - 2) if up else weight.shape[1] * taps
            nn.init.normal_(weight, std=math.sqrt(2 / inputs))
        if module.bias is not None:
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]


def _block(settings: Network, before: int, width: int, dropout: float) -> nn.Sequential:
    """The convolutions of one level, each with normalization and activation; dropout after the first."""
    layers: list[nn.Module] = []
    for index in range(settings.convs):
        conv = _CONV[settings.dimensions]
        layers.append(
            conv(before, width, 3, padding=int(settings.padding == "same"), bias=settings.norm == "none")
        )
        if settings.norm != "none":
            layers.append(_normalization(settings, width))
        layers.append(_activation(settings))
        if index == 0 and dropout > 0:
            layers.append(nn.Dropout(dropout))
        before = width
    return nn.Sequential(*layers)


def _upsampling(settings: Network, before: int, width: int) -> nn.Sequential:
    dimensions = settings.dimensions
    layers: list[nn.Module]
    if settings.upsampling == "interpolate":
        layers = [
            nn.Upsample(scale_factor=2, mode=_LINEAR[dimensions], align_corners=False),
            _CONV[dimensions](before, width, 1),
        ]
    else:
        extra = settings.up_kernel - 2
        layers = [
            _UP[dimensions](before, width, settings.up_kernel, stride=2, padding=extra, output_padding=extra)
        ]
    if settings.padding == "valid" and _up_mixes(settings):
        # At the rim a neighbor is missing, and valid padding invents none.
        layers.append(_CUT[dimensions](-1))
    if settings.up_activation:
        layers.append(_activation(settings))
    return nn.Sequential(*layers)


def _up_mixes(settings: Network) -> bool:
    """Whether upsampling computes a pixel from more than one of the level below."""
    return settings.upsampling == "interpolate" or settings.up_kernel == 3


def _below(settings: Network, low: int, high: int) -> tuple[int, int]:
    """The pixels of the level below of which upsampling makes those from `low` to `high`."""
    if not _up_mixes(settings):
        return low // 2, high // 2
    if settings.padding == "valid":
        # What lacks a neighbor has been cut off.
        low, high = low + 1, high + 1
    if settings.upsampling == "interpolate":
        return (low - 1) // 2, (high + 1) // 2
    return low // 2, -(-high // 2)


def _normalization(settings: Network, width: int) -> nn.Module:
    if settings.norm == "batch":
        return _BATCH[settings.dimensions](width)
    if settings.norm == "instance":
        return _INSTANCE[settings.dimensions](width, affine=True)
    return nn.GroupNorm(math.gcd(width, 8), width)


def _activation(settings: Network) -> nn.Module:
    return nn.ReLU(inplace=True) if settings.activation == "relu" else nn.LeakyReLU(0.01, inplace=True)


def central(skip: Tensor, grid: Sequence[int]) -> Tensor:
    """The central part of a skip connection, for valid padding; all of it with same padding.

    Parameters
    ----------
    skip : (B, C, *longer) Tensor
    grid : sequence of int
        Of what it is joined with.
    """
    for axis, length in enumerate(grid, start=2):
        skip = skip.narrow(axis, (skip.shape[axis] - length) // 2, length)
    return skip
