"""Nano-CT slices of a battery electrode: packed bright particles, gray binder, dark pores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from _make_common import SEED, Field, smooth_noise, wavy_outline, write_png, write_tiff
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["write_xray"]

SHAPE = (160, 160)
COUNT = 6
PORE, BINDER, PARTICLE = 0, 1, 2
GRAY = (20_500.0, 29_500.0, 44_000.0)
"""Mean value of pore, binder and particle; of 16 bits, as a reconstruction scales them."""


def write_xray(folder: Path) -> None:
    """Write ``images/*.tif`` (uint16) and ``masks/*.png`` (uint8: 0 pore, 1 binder, 2 particle)."""
    for index in range(COUNT):
        rng = np.random.default_rng([SEED, 3, index])
        classes = _pack(rng)
        write_tiff(folder / "images" / f"slice_{index + 1:02d}.tif", _scan(rng, classes))
        write_png(folder / "masks" / f"slice_{index + 1:02d}.png", classes)


def _pack(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Drop particles, large ones first, wherever they hardly overlap; binder or pore fills the gaps."""
    rows, columns = np.indices(SHAPE).astype(np.float64)
    gap = np.full(SHAPE, np.inf)
    radii = np.concatenate([rng.uniform(28, 46, 2), rng.uniform(12, 21, 14), rng.uniform(4, 10, 180)])
    for radius in radii:
        y, x = rng.uniform(-10, SHAPE[0] + 10), rng.uniform(-10, SHAPE[1] + 10)
        room = gap[int(np.clip(y, 0, SHAPE[0] - 1)), int(np.clip(x, 0, SHAPE[1] - 1))]
        # Small particles may cling together, large ones only touch.
        if room > radius * (0.9 if radius > 10 else 0.7):
            waviness = 0.04 if radius > 10 else 0.11
            gap = np.minimum(gap, wavy_outline(rng, rows - y, columns - x, radius, waviness))
    # Binder clings to the particles: pores open where the gap is wide and the blotches allow it.
    porous = smooth_noise(rng, SHAPE, 5) + 0.25 * smooth_noise(rng, SHAPE, 1.5) + 0.22 * (gap - 3)
    classes = np.where(porous > 0.15, PORE, BINDER)
    classes = np.where(gap < 0, PARTICLE, classes)
    cracked = (np.abs(smooth_noise(rng, SHAPE, 4)) < 0.16) & (smooth_noise(rng, SHAPE, 7) > 1) & (gap < -6)
    return np.where(cracked, PORE, classes).astype(np.uint8)


def _scan(rng: np.random.Generator, classes: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Give each class its texture, then blur, add rings around the rotation axis, and noise."""
    values = np.take(GRAY, classes)
    values += np.where(classes == PARTICLE, 1_600, 2_600) * smooth_noise(rng, SHAPE, 3)
    values += 1_400 * smooth_noise(rng, SHAPE, 9) + 1_800 * smooth_noise(rng, SHAPE, 30)
    values = gaussian_filter(values, 1.4) + 500 * _rings(rng) + 900 * smooth_noise(rng, SHAPE, 0.7)
    return np.clip(np.rint(values), 12_000, 56_000).astype(np.uint16)


def _rings(rng: np.random.Generator) -> Field:
    """Concentric rings, of unit strength, around an axis outside the picture."""
    rows, columns = np.indices(SHAPE).astype(np.float64)
    radius = np.hypot(rows - rng.uniform(-80, -20), columns - rng.uniform(-80, -20))
    profile = smooth_noise(rng, (1, 512), 1)[0]
    return np.interp(radius, np.arange(512), profile)
