"""A network that computes the same in less time, for prediction only."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from unetscope.network.convolution import Convolution2d
from unetscope.network.unet import UNet

__all__ = ["for_inference"]

_BATCH_NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)


def for_inference(network: UNet) -> UNet:
    """A copy with batch normalization folded into the convolutions before it, and the fastest memory format.

    Parameters
    ----------
    network : UNet
        In evaluation mode; it stays as it is.

    Returns
    -------
    UNet
        Its results differ by rounding. It cannot be trained, and its weights are not those of a model file.
    """
    folded = copy.deepcopy(network)
    for blocks in (folded.down, folded.merge):
        for place, block in enumerate(blocks):
            assert isinstance(block, nn.Sequential)
            blocks[place] = _folded(block)
    if network.settings.dimensions == 2:
        # On CPUs, volumes gain nothing by it.
        folded = folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for layer in folded.modules():
        if isinstance(layer, Convolution2d):
            layer.freeze()
    return folded.requires_grad_(requires_grad=False)


def _folded(block: nn.Sequential) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer in block:
        if isinstance(layer, _BATCH_NORMS):
            layers[-1] = fuse_conv_bn_eval(cast("nn.Conv2d | nn.Conv3d", layers[-1]), layer)
        else:
            layers.append(layer)
    return nn.Sequential(*layers)
