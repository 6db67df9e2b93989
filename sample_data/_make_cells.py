"""Crowded cells in differential interference contrast (DIC): relief shading, no bright halo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _make_common import SEED, Field, cover, smooth_noise, write_png, write_tiff
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from skimage.measure import label
from skimage.segmentation import find_boundaries, relabel_sequential

__all__ = ["write_cells"]

SHAPE = (160, 160)
COUNT = 6
SMALLEST = 140
"""Pixels that a cell has at least, also one cut by the edge of the picture."""
SHEAR = np.deg2rad(35)
"""Direction in which the microscope shears the two beams, from the column axis."""


def write_cells(folder: Path) -> None:
    """Write ``images/*.png`` (uint8) and ``masks/*.tif`` (uint16, one value a cell, 0 background)."""
    for index in range(COUNT):
        rng = np.random.default_rng([SEED, 4, index])
        seeds = _seed(rng, count=14 + 2 * index)
        cells = _spread(rng, seeds)
        write_png(folder / "images" / f"field_{index + 1:02d}.png", _shade(rng, cells))
        write_tiff(folder / "masks" / f"field_{index + 1:02d}.tif", cells)


def _seed(rng: np.random.Generator, count: int) -> list[tuple[float, float]]:
    """Centers of cells, at least a small cell's diameter apart, gathered around one or two colonies."""
    colonies = rng.uniform(0.25, 0.75, (2, 2)) * SHAPE
    seeds: list[tuple[float, float]] = []
    while len(seeds) < count:
        y, x = colonies[rng.integers(2)] + rng.normal(0, 42, 2)
        inside = 0 <= y < SHAPE[0] and 0 <= x < SHAPE[1]
        if inside and all(np.hypot(y - v, x - u) > 21 for v, u in seeds):
            seeds.append((y, x))
    return seeds


def _ellipse(rng: np.random.Generator, dy: Field, dx: Field, axes: tuple[float, float]) -> Field:
    """Distance from the center of a randomly turned ellipse, in units of its semi-axes."""
    turn = rng.uniform(0, np.pi)
    along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    return np.hypot(along / axes[0], across / axes[1])


def _spread(rng: np.random.Generator, seeds: list[tuple[float, float]]) -> NDArray[np.uint16]:
    """Let every cell spread over an ellipse with a ragged border, and meet its neighbors halfway."""
    rows, columns = np.indices(SHAPE).astype(np.float64)
    rows += 3.5 * smooth_noise(rng, SHAPE, 7) + 0.3 * smooth_noise(rng, SHAPE, 1.5)
    columns += 3.5 * smooth_noise(rng, SHAPE, 7) + 0.3 * smooth_noise(rng, SHAPE, 1.5)
    reach = np.stack(
        [_ellipse(rng, rows - y, columns - x, (rng.uniform(17, 25), rng.uniform(13, 18))) for y, x in seeds]
    )
    nearest = np.where(reach.min(axis=0) < 1, reach.argmin(axis=0) + 1, 0)
    # A warped border can cut off an islet: pieces are counted apart, and small ones are no cells.
    pieces = label(nearest, connectivity=1)
    pieces[(np.bincount(pieces.ravel()) < SMALLEST)[pieces]] = 0
    return relabel_sequential(pieces)[0].astype(np.uint16)


def _shade(rng: np.random.Generator, cells: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Show the slope of the optical thickness along the shear, as DIC does."""
    relief = gaussian_filter(_thickness(rng, cells), 0.7)
    slope = np.gradient(relief)
    shaded = slope[1] * np.cos(SHEAR) + slope[0] * np.sin(SHEAR)
    gray = 122 + 74 * shaded + 5 * smooth_noise(rng, SHAPE, 40) + 3.5 * smooth_noise(rng, SHAPE, 0.6)
    return np.clip(np.rint(gray), 0, 255).astype(np.uint8)


def _thickness(rng: np.random.Generator, cells: NDArray[np.uint16]) -> Field:
    """Optical thickness of the layer: flat domes with granules, nuclei and nucleoli."""
    border = find_boundaries(cells, mode="inner")
    depth = distance_transform_edt((cells > 0) & ~border)
    dome = 1 - np.exp(-depth / 2.5)
    granules = 0.22 * smooth_noise(rng, SHAPE, 1.1) + 0.5 * smooth_noise(rng, SHAPE, 3)
    thickness = dome * (2.2 + 0.55 * granules) + 0.05 * smooth_noise(rng, SHAPE, 1.5)
    rows, columns = np.indices(SHAPE).astype(np.float64)
    for value in range(1, int(cells.max()) + 1):
        y, x = np.unravel_index(np.argmax(np.where(cells == value, depth, 0)), SHAPE)
        dy, dx = rows - y, columns - x
        size = min(0.75 * depth[y, x], 7)
        nucleus = _ellipse(rng, dy, dx, (1.15 * size, 0.9 * size))
        thickness += np.where(cells == value, 0.9 * cover(nucleus - 1, edge=0.5), 0)
        for _ in range(rng.integers(1, 4)):
            v, u = rng.uniform(-0.4, 0.4, 2) * size
            thickness += 0.8 * np.exp(-((dy - v) ** 2 + (dx - u) ** 2) / 2.5)
    return thickness
