"""Augmentation: all geometric changes of a training sample in one resampling.

A sample is described by where its center lies in the image and by a linear map from sample offsets to
image offsets; elastic deformation adds smooth displacements. The part of the image that the sample can
reach is cut out (mirrored beyond the border) and resampled once: linearly for images and weights, by the
nearest pixel for targets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from unetscope.recipe.recipe import Augmentation

__all__ = ["Placement", "change_values", "place", "resample"]

_AXES = "ZYX"
# Displacements beyond this many standard deviations are cut off: they would fold the image.
_ELASTIC_LIMIT = 3.0


@dataclass(frozen=True)
class Placement:
    """Where a sample lies in its image.

    Attributes
    ----------
    center : (D,) float64 ndarray
        Image coordinates of the sample's center, pixels.
    matrix : (D, D) float64 ndarray
        Image offset of a sample offset.
    flips : tuple of bool
        Whether each axis is mirrored.
    elastic : (D, *coarse) float32 ndarray or None
        Displacements of a coarse grid over the sample, pixels.
    """

    center: NDArray[np.float64]
    matrix: NDArray[np.float64]
    flips: tuple[bool, ...]
    elastic: NDArray[np.float32] | None = None

    @property
    def is_exact(self) -> bool:
        """Whether the sample falls on image pixels, so that nothing is interpolated."""
        return self.elastic is None and bool((self.matrix == np.eye(len(self.matrix))).all())


def place(
    center: NDArray[np.float64], size: Sequence[int], settings: Augmentation, rng: np.random.Generator
) -> Placement:
    """Draw a placement around a center.

    Parameters
    ----------
    center : (D,) ndarray
        Image coordinates, pixels.
    size : sequence of int
        Size of the sample, pixels.
    settings : Augmentation
    rng : Generator

    Returns
    -------
    Placement
        Exact, on whole pixels, if nothing geometric is asked for or drawn.
    """
    dimensions = len(size)
    flips = tuple(axis in settings.flip and rng.random() < 0.5 for axis in _AXES[-dimensions:])
    matrix, elastic = np.eye(dimensions), None
    if settings.is_geometric and rng.random() < settings.probability:
        matrix = _matrix(dimensions, settings, rng)
        center = center + rng.uniform(-settings.shift, settings.shift, dimensions) * size
        if settings.elastic > 0:
            coarse = [math.ceil(length / settings.elastic_spacing) + 1 for length in size]
            drawn = rng.normal(0, settings.elastic, (dimensions, *coarse))
            limit = _ELASTIC_LIMIT * settings.elastic
            elastic = np.clip(drawn, -limit, limit).astype(np.float32)
    return Placement(center, matrix, flips, elastic)


def resample(
    arrays: Sequence[NDArray[np.float32]],
    placements: Sequence[Placement],
    size: Sequence[int],
    *,
    labels: int,
) -> Tensor:
    """Cut samples out of their images.

    Parameters
    ----------
    arrays : sequence of (C, *grid) float32 ndarray
        One per sample; grids may differ.
    placements : sequence of Placement
    size : sequence of int
        Size of the samples.
    labels : int
        How many of the last channels are labels, which are never interpolated.

    Returns
    -------
    (B, C, *size) float32 Tensor
    """
    samples = [_sample(array, where, size, labels) for array, where in zip(arrays, placements, strict=True)]
    return torch.stack(
        [
            sample.flip([axis for axis, flip in enumerate(where.flips, start=1) if flip])
            for sample, where in zip(samples, placements, strict=True)
        ]
    )


def change_values(images: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Change contrast, brightness and gamma of each sample, and add noise.

    Parameters
    ----------
    images : (B, C, *grid) float32 Tensor
    settings : Augmentation
    generator : torch.Generator
        On the device of `images`.

    Returns
    -------
    (B, C, *grid) float32 Tensor
    """

    def draw(limit: float) -> Tensor:
        shape = (len(images), *[1] * (images.ndim - 1))
        return (2 * torch.rand(shape, generator=generator, device=images.device) - 1) * limit

    axes = tuple(range(1, images.ndim))
    if settings.gamma > 0:
        low, high = images.amin(axes, keepdim=True), images.amax(axes, keepdim=True)
        span = (high - low).clamp(min=1e-6)
        images = ((images - low) / span) ** torch.exp(draw(math.log1p(settings.gamma))) * span + low
    if settings.contrast > 0:
        mean = images.mean(axes, keepdim=True)
        images = (images - mean) * (1 + draw(settings.contrast)) + mean
    if settings.brightness > 0:
        images = images + draw(settings.brightness)
    if settings.noise > 0:
        noise = torch.randn(images.shape, generator=generator, device=images.device)
        # Half of the samples get none, so that noise is survived and clean images are not unlearned.
        images = images + noise * draw(settings.noise).clamp(min=0)
    return images


def _matrix(dimensions: int, settings: Augmentation, rng: np.random.Generator) -> NDArray[np.float64]:
    """Rotation and shear in the plane of the last two axes, zoom and stretch along all."""
    angle, shear = (math.radians(rng.uniform(-limit, limit)) for limit in (settings.rotation, settings.shear))
    plane = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = np.eye(dimensions)
    matrix[-2:, -2:] = plane @ np.array([[1.0, math.tan(shear)], [0.0, 1.0]])
    scale = (1 + rng.uniform(-settings.zoom, settings.zoom)) * (
        1 + rng.uniform(-settings.stretch, settings.stretch, dimensions)
    )
    # A zoom of 1.2 makes objects larger: a sample pixel spans less of the image.
    return matrix / scale


def _sample(array: NDArray[np.float32], where: Placement, size: Sequence[int], labels: int) -> Tensor:
    if where.is_exact:
        first = np.floor(where.center - np.asarray(size) / 2 + 1).astype(int)
        return torch.from_numpy(_cut(array, first, size))
    offsets = _positions(where, size)
    low, high = (limit.numpy() for limit in offsets.flatten(0, -2).aminmax(dim=0))
    first = np.floor(where.center + low).astype(int)
    length = np.ceil(where.center + high).astype(int) - first + 1
    region = torch.from_numpy(_cut(array, first, length))[None]
    # grid_sample wants coordinates in [-1, 1] over the region, last axis first.
    positions = offsets + torch.from_numpy(where.center - first).float()
    grid = (positions * 2 / torch.from_numpy(np.maximum(length - 1, 1)) - 1).flip(-1)[None].float()
    count = len(array) - labels
    image = functional.grid_sample(region[:, :count], grid, "bilinear", "border", align_corners=True)
    if not labels:
        return image[0]
    label = functional.grid_sample(region[:, count:], grid, "nearest", "border", align_corners=True)
    return torch.cat([image, label], dim=1)[0]


def _positions(where: Placement, size: Sequence[int]) -> Tensor:
    """Image offsets from the center of every sample pixel: (*size, D) float32."""
    axes = [torch.arange(length, dtype=torch.float32) - (length - 1) / 2 for length in size]
    offsets = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    offsets = offsets @ torch.from_numpy(where.matrix.T).float()
    if where.elastic is None:
        return offsets
    mode = "bicubic" if len(size) == 2 else "trilinear"
    fine = functional.interpolate(
        torch.from_numpy(where.elastic)[None], tuple(size), mode=mode, align_corners=True
    )
    return offsets + fine[0].movedim(0, -1)


def _cut(array: NDArray[np.float32], first: NDArray[np.int_], size: Sequence[int]) -> NDArray[np.float32]:
    """A box of (C, *size), mirrored where it leaves the array."""
    ends = [start + length for start, length in zip(first, size, strict=True)]
    if all(start >= 0 and end <= n for start, end, n in zip(first, ends, array.shape[1:], strict=True)):
        return array[(slice(None), *map(slice, first, ends))].copy()
    index = [
        _mirrored(np.arange(start, end), n)
        for start, end, n in zip(first, ends, array.shape[1:], strict=True)
    ]
    box: tuple[Any, ...] = (slice(None), *np.ix_(*index))
    return array[box]


def _mirrored(index: NDArray[np.int_], length: int) -> NDArray[np.int_]:
    """Reflect positions outside 0 … length-1 back inside, without repeating the edge."""
    if length == 1:
        return np.zeros_like(index)
    period = 2 * (length - 1)
    index = np.abs(index) % period
    return np.minimum(index, period - index)
