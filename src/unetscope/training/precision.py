"""Where half precision and channels as the last axis pay."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch

__all__ = ["gains_from_channels_last", "gains_from_half"]


@functools.cache
def gains_from_half(device: str) -> bool:
    """Whether convolutions in bfloat16 are faster than in float32.

    They are on CUDA, and on processors with matrix instructions for bfloat16 (Intel AMX): measured there, a
    training step takes a half to a quarter of the time. On a processor without, it takes several times as
    long.

    Parameters
    ----------
    device : str
        ``"cuda"``, ``"cpu"`` or ``"mps"``.
    """
    if device == "cuda":
        return True
    # Older versions of torch do not tell.
    tell: Callable[[], Mapping[str, Any]] = getattr(torch.cpu, "get_capabilities", dict)
    return device == "cpu" and bool(tell().get("amx_bf16"))


def gains_from_channels_last(device: str) -> bool:
    """Whether a training step in two dimensions is faster with the channels of a pixel side by side.

    On a processor with AVX2 but without AVX-512 it is slower, although prediction gains there: the gradients
    of the weights take so long that a step of 256×256 pixels lasts up to a third longer.

    Parameters
    ----------
    device : str
        As for `gains_from_half`.
    """
    return device != "cpu" or torch.backends.cpu.get_cpu_capability() != "AVX2"
