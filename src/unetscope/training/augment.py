"""Augmentation: all geometric changes of a training sample in one resampling.

A sample is described by where its center lies in the image and by a linear map from sample offsets to
image offsets; elastic deformation adds smooth displacements. The parts of the images that the samples of a
batch can reach are resampled once and together, on the device that holds the images: linearly for images and
weights, by the nearest pixel for targets, and mirrored beyond the border.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
# How far interpolated displacements can go beyond those that they come from: the sum of the absolute weights
# of bicubic interpolation is at most 1.375 along each axis.
_OVERSHOOT = {2: 1.375**2, 3: 1.0}


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
    arrays: Sequence[Tensor], placements: Sequence[Placement], size: Sequence[int], *, labels: int
) -> Tensor:
    """Cut samples out of their images.

    Parameters
    ----------
    arrays : sequence of (C, *grid) float32 Tensor
        One per sample, on one device; grids may differ.
    placements : sequence of Placement
    size : sequence of int
        Size of the samples.
    labels : int
        How many of the last channels are labels, which are never interpolated.

    Returns
    -------
    (B, C, *size) float32 Tensor
        On the device of `arrays`.
    """
    samples = arrays[0].new_empty((len(arrays), len(arrays[0]), *size))
    together: dict[tuple[int, ...], list[int]] = {}
    for index, (array, where) in enumerate(zip(arrays, placements, strict=True)):
        if where.is_exact:
            samples[index] = _cut(array, where, size)
        else:
            together.setdefault(tuple(array.shape[1:]), []).append(index)
    for places in together.values():
        made = _interpolate([arrays[i] for i in places], [placements[i] for i in places], size, labels)
        if len(places) == len(arrays):
            return made
        samples[places] = made
    return samples


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


def _cut(array: Tensor, where: Placement, size: Sequence[int]) -> Tensor:
    """A box of (C, *size) on whole pixels, mirrored where it leaves the array."""
    first = np.floor(where.center - np.asarray(size) / 2 + 1).astype(int)
    for axis, (start, length, n) in enumerate(zip(first, size, array.shape[1:], strict=True), start=1):
        if 0 <= start <= n - length:
            array = array.narrow(axis, int(start), length)
        else:
            index = torch.from_numpy(_mirrored(np.arange(start, start + length), n))
            array = array.index_select(axis, index.to(array.device))
    return array.flip([axis for axis, flip in enumerate(where.flips, start=1) if flip])


def _mirrored(index: NDArray[np.int_], length: int) -> NDArray[np.int_]:
    """Reflect positions outside 0 … length-1 back inside, without repeating the edge."""
    if length == 1:
        return np.zeros_like(index)
    period = 2 * (length - 1)
    index = np.abs(index) % period
    return np.minimum(index, period - index)


def _interpolate(
    arrays: Sequence[Tensor], placements: Sequence[Placement], size: Sequence[int], labels: int
) -> Tensor:
    """Samples of images of one size, (B, C, *size)."""
    first, length = _reached(placements, size, arrays[0].shape[1:])
    regions = torch.stack(
        [
            array[(slice(None), *map(slice, start, start + length))]
            for array, start in zip(arrays, first, strict=True)
        ]
    )
    grid = _positions(placements, size, first, length, regions.device)
    count = regions.shape[1] - labels
    # Mirrored at the centers of the pixels at the border, as `_mirrored` does.
    images = functional.grid_sample(regions[:, :count], grid, "bilinear", "reflection", align_corners=True)
    if not labels:
        return images
    nearest = functional.grid_sample(regions[:, count:], grid, "nearest", "reflection", align_corners=True)
    return torch.cat([images, nearest], dim=1)


def _reached(
    placements: Sequence[Placement], size: Sequence[int], shape: Sequence[int]
) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """The first pixels (B, D) and the common length (D,) of the parts of images that samples can reach.

    A part ends where its image does, or beyond all that is reached, so that mirroring it mirrors the image.
    """
    last = np.asarray(shape) - 1
    half = (np.asarray(size) - 1) / 2
    centers = np.stack([where.center for where in placements])
    reach = np.stack([abs(where.matrix) @ half for where in placements])
    for index, where in enumerate(placements):
        if where.elastic is not None:
            farthest = abs(where.elastic).reshape(len(size), -1).max(axis=1)
            reach[index] += farthest * _OVERSHOOT[len(size)]
    low, high = np.floor(centers - reach).astype(int) - 1, np.ceil(centers + reach).astype(int) + 1
    # What lies beyond a border is mirrored into the image.
    inner, outer = np.minimum(low, 2 * last - high), np.maximum(high, -low)
    first, end = np.clip(inner, 0, last), np.clip(outer, 0, last)
    length = (end - first).max(axis=0) + 1
    return np.minimum(first, last + 1 - length), length


def _positions(
    placements: Sequence[Placement],
    size: Sequence[int],
    first: NDArray[np.int_],
    length: NDArray[np.int_],
    device: torch.device,
) -> Tensor:
    """Where sample pixels lie in parts of images, as `grid_sample` wants it: (B, *size, D) float32.

    That is in [-1, 1] over the part, last axis first.
    """
    dimensions = len(size)
    scale = 2 / np.maximum(length - 1, 1)
    theta = np.empty((len(placements), dimensions, dimensions + 1))
    for row, where, start in zip(theta, placements, first, strict=True):
        signs = np.where(where.flips, -1, 1)
        row[:, :-1] = scale[:, None] * where.matrix * (signs * (np.asarray(size) - 1) / 2)
        row[:, -1] = scale * (where.center - start) - 1
    theta[:, :, :-1] = theta[:, ::-1, -2::-1]
    theta[:, :, -1] = theta[:, ::-1, -1]
    shape = [len(placements), 1, *size]
    grid = functional.affine_grid(torch.from_numpy(theta).float().to(device), shape, align_corners=True)
    if all(where.elastic is None for where in placements):
        return grid
    coarse = torch.from_numpy(_displacements(placements, scale)).to(device)
    mode = "bicubic" if dimensions == 2 else "trilinear"
    fine = functional.interpolate(coarse, tuple(size), mode=mode, align_corners=True)
    return grid + fine.movedim(1, -1)


def _displacements(placements: Sequence[Placement], scale: NDArray[np.float64]) -> NDArray[np.float32]:
    """Coarse displacements of samples, mirrored as these are: (B, D, *coarse), last axis first.

    `scale` is what a pixel of each axis counts.
    """
    shape = next(where.elastic.shape for where in placements if where.elastic is not None)
    coarse = np.zeros((len(placements), *shape), np.float32)
    for index, where in enumerate(placements):
        if where.elastic is not None:
            flipped = tuple(axis for axis, flip in enumerate(where.flips, start=1) if flip)
            coarse[index] = np.flip(where.elastic, flipped) * scale.reshape(-1, *[1] * len(scale))
    return np.ascontiguousarray(coarse[:, ::-1])
