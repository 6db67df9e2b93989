"""Convolutions that compute in the way that takes least time where they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from unetscope.network.winograd import convolve_squares, count_squares, learn_squares, transform_weights

__all__ = ["Convolution2d", "Convolution3d"]

# Squares instead of torch's own convolution, on two cores with AVX2: a prediction is 1.2 times as fast with
# 64 channels in and out, 1.7 with 128 and 2.2 with 256, a training step 1.25 to 2; with 32 it is slower. With
# wider vectors, which was not measured, the products gain more than the additions, which wait for memory.
_CHANNELS = 64 if torch.backends.cpu.get_cpu_capability() == "AVX2" else 128
# With fewer squares, reading the transformed weights, four times as large, takes longer than what is saved;
# while they are learned, they have to be transformed in every step, too.
_SQUARES, _SQUARES_TO_LEARN = 16, 64


class Convolution2d(nn.Conv2d):
    """A convolution of stride 1 in two dimensions, with the weights and the results of `torch.nn.Conv2d`.

    On a CPU in single precision, where it is faster, it computes in squares (`unetscope.network.winograd`),
    which rounds differently. Otherwise features get the memory format of the weights.

    Parameters
    ----------
    *arguments, **settings
        Those of `torch.nn.Conv2d`.
    """

    # In squares, once they do not change any more.
    transformed: Tensor | None = None

    def forward(self, features: Tensor) -> Tensor:
        """(B, K, H, W) of (B, C, H, W)."""
        return self.padded_with(features, cast("tuple[int, int]", self.padding))

    def padded_with(self, features: Tensor, padding: Sequence[int]) -> Tensor:
        """The same with other padding than the layer's own: so many zeros at both ends of each axis."""
        if self._gains(features, padding):
            if self.transformed is not None:
                return convolve_squares(features, self.transformed, self.bias, padding)
            return learn_squares(features, self.weight, self.bias, padding)
        if not self.weight.is_contiguous(memory_format=torch.channels_last):
            features = features.contiguous()
        return nn.functional.conv2d(features, self.weight, self.bias, padding=tuple(padding))

    def freeze(self) -> None:
        """Get ready to predict: the weights must not change any more, and get no gradients."""
        self.requires_grad_(requires_grad=False)
        if self._can_gain():
            self.transformed = transform_weights(self.weight)

    def _can_gain(self) -> bool:
        return (
            self.kernel_size == (3, 3)
            and min(self.in_channels, self.out_channels) >= _CHANNELS
            and self.weight.device.type == "cpu"
            and self.weight.dtype == torch.float32
        )

    def _gains(self, features: Tensor, padding: Sequence[int]) -> bool:
        least = _SQUARES_TO_LEARN if self.transformed is None else _SQUARES
        return (
            self._can_gain()
            and count_squares(features.shape, padding) >= least
            and not torch.is_autocast_enabled("cpu")
        )


class Convolution3d(nn.Conv3d):
    """A convolution of stride 1 in three dimensions, with the weights and the results of `torch.nn.Conv3d`.

    Parameters
    ----------
    *arguments, **settings
        Those of `torch.nn.Conv3d`.

    Notes
    -----
    On a CPU, torch does not use oneDNN for a single volume whose channels × planes × rows are at most 20480,
    however long a row is (``use_mkldnn`` in ``ATen/native/Convolution.cpp``). What it uses instead took 2 to
    16 times as long.
    """

    def forward(self, features: Tensor) -> Tensor:
        """(B, K, D, H, W) of (B, C, D, H, W)."""
        return self.padded_with(features, cast("tuple[int, int, int]", self.padding))

    def padded_with(self, features: Tensor, padding: Sequence[int]) -> Tensor:
        """The same with other padding than the layer's own: so many zeros at both ends of each axis."""
        if self._suits_onednn(features):
            return torch.mkldnn_convolution(
                features, self.weight, self.bias, tuple(padding), self.stride, self.dilation, self.groups
            )
        return nn.functional.conv3d(features, self.weight, self.bias, padding=tuple(padding))

    def _suits_onednn(self, features: Tensor) -> bool:
        return (
            torch.backends.mkldnn.is_available()
            and features.device.type == self.weight.device.type == "cpu"
            and features.dtype == self.weight.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
        )
