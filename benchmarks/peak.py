"""What a machine can do at most, and how much there is to do: products of matrices, and FLOP."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from unetscope.network import UNet

__all__ = ["network_flop", "product_peak", "wait_for"]


def product_peak(
    device: torch.device, dtype: torch.dtype = torch.float32, *, side: int = 2048, seconds: float = 2.0
) -> float:
    """FLOP/s of the product of two square matrices, the best of as many as there is time for."""
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    best, begun = math.inf, time.perf_counter()
    torch.mm(left, right)
    while time.perf_counter() - begun < seconds:
        wait_for(device)
        started = time.perf_counter()
        torch.mm(left, right)
        wait_for(device)
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best


def network_flop(network: UNet, shape: Sequence[int], *, training: bool) -> int:
    """FLOP of the products in one pass of a batch, forward only or there and back.

    Parameters
    ----------
    network : UNet
        Stays as it is; nothing is computed.
    shape : sequence of int
        Of the batch, (B, C, *grid).
    training : bool
        Whether the gradients of all weights are wanted.
    """
    shadow = copy.deepcopy(network).to("meta").train(training).requires_grad_(training)
    counter = FlopCounterMode(display=False)
    with counter, torch.set_grad_enabled(training):
        logits = shadow(torch.empty(*shape, device="meta"))
        if training:
            logits.sum().backward()
    return counter.get_total_flops()


def wait_for(device: torch.device) -> None:
    """Wait until a device has done all that it was asked for; a processor is never behind."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
