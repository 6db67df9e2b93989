"""What a network learns about objects told apart by center, made from their numbers on the device."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["center_offsets", "contacts"]

# Pixels from which two objects are seen, to each side: wide enough to survive smoothing, and narrower than a
# small nucleus.
_REACH = 2


def contacts(objects: Tensor) -> Tensor:
    """Pixels with two different objects, or more, at most two pixels away along each axis.

    Parameters
    ----------
    objects : (B, *grid) float Tensor
        One whole number per object; 0 is background, below 0 nobody labeled.

    Returns
    -------
    (B, *grid) bool Tensor
    """
    nowhere = torch.finfo(objects.dtype).max
    present = objects > 0
    highest = _largest_around(objects)
    lowest = -_largest_around(torch.where(present, -objects, -nowhere))
    return (highest > 0) & (highest != lowest)


def center_offsets(objects: Tensor, most: int) -> Tensor:
    """How far it is from each pixel to the center of mass of its object, along each axis.

    Parameters
    ----------
    objects : (B, *grid) float Tensor
        As for `contacts`.
    most : int
        The highest number that can occur; asking the pixels would wait for the device.

    Returns
    -------
    (B, D, *grid) float32 Tensor
        Pixels; 0 outside the objects. Of an object that is cut off, the part that is there has the center.
    """
    numbers = objects.clamp(min=0).long()
    count = most + 1
    first = count * torch.arange(len(numbers), device=numbers.device)
    index = (numbers + first.reshape(-1, *[1] * (numbers.ndim - 1))).flatten()
    # Sums of whole numbers are the same in whatever order a device adds them up.
    nothing = torch.zeros(count * len(numbers), dtype=torch.long, device=numbers.device)
    sizes = nothing.index_add(0, index, torch.ones_like(index)).clamp(min=1)
    offsets = []
    for axis, length in enumerate(numbers.shape[1:], start=1):
        shape = [-1 if at == axis else 1 for at in range(numbers.ndim)]
        places = torch.arange(length, device=numbers.device).reshape(shape).expand(numbers.shape)
        sums = nothing.index_add(0, index, places.flatten())
        offsets.append((sums / sizes)[index].reshape(numbers.shape) - places)
    return torch.stack(offsets, dim=1).float() * (objects > 0)[:, None]


def _largest_around(values: Tensor) -> Tensor:
    """Of all values at most `_REACH` pixels away along each axis; axis by axis, which is faster."""
    for axis in range(1, values.ndim):
        length = values.shape[axis]
        largest = values.clone()
        for shift in range(1, min(_REACH, length - 1) + 1):
            ahead, behind = (values.narrow(axis, start, length - shift) for start in (shift, 0))
            for start, others in ((0, ahead), (shift, behind)):
                part = largest.narrow(axis, start, length - shift)
                torch.maximum(part, others, out=part)
        values = largest
    return values
