"""Where half precision pays."""

from __future__ import annotations

import functools

import torch

__all__ = ["gains_from_half"]


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
    capabilities = getattr(torch.cpu, "get_capabilities", dict)
    return device == "cpu" and bool(capabilities().get("amx_bf16"))
