"""How far a prediction is, told often enough to show it and to stop it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn

__all__ = ["Progress", "part_of", "watched"]

Progress = Callable[[float], None]
"""Called with the part that is done, from 0 to 1; whatever it raises stops the work."""

_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def part_of(progress: Progress | None, index: int, count: int) -> Progress | None:
    """The progress of one of several equal parts, told as that of the whole."""
    if progress is None:
        return None
    return lambda done: progress((index + done) / count)


@contextmanager
def watched(network: nn.Module, progress: Progress | None) -> Iterator[None]:
    """Tell the progress of a forward pass before each of its convolutions.

    Parameters
    ----------
    network : Module
    progress : callable or None

    Notes
    -----
    One pass over a large tile can take many seconds, too long to wait for a cancel. The convolutions of a
    U-Net are a fair clock: in 2D, half the resolution with twice the channels costs the same.
    """
    if progress is None:
        yield
        return
    convolutions = [module for module in network.modules() if isinstance(module, _CONVOLUTIONS)]
    calls = itertools.count()
    hooks = [
        convolution.register_forward_pre_hook(lambda *_: progress(next(calls) / len(convolutions)))
        for convolution in convolutions
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
