"""What the makers of all sets share: smooth random fields, wavy outlines, and files without dates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

__all__ = ["SEED", "Field", "cover", "smooth_noise", "wavy_outline", "write_png", "write_tiff"]

SEED = 2025

# float64 throughout: the last bits of exp and sin differ between processors, and in double precision
# they never reach the integers that are written.
Field = NDArray[np.float64]


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Field:
    """White noise blurred by `sigma` pixels, with mean 0 and standard deviation 1."""
    field = gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    return (field - field.mean()) / field.std()


def wavy_outline(rng: np.random.Generator, dy: Field, dx: Field, radius: float, waviness: float) -> Field:
    """Radial distance to a closed, irregular outline: negative inside, positive outside.

    Parameters
    ----------
    rng : Generator
        Draws the amplitudes and phases of the second to sixth harmonic of the radius.
    dy, dx : (H, W) float64
        Offset of each pixel from the center.
    radius : float
        Mean radius, in the units of the offsets.
    waviness : float
        Amplitude of the second harmonic over the radius; higher ones fall off with their order.
    """
    angle = np.arctan2(dy, dx)
    wave = np.zeros_like(angle)
    for order in range(2, 7):
        amplitude, phase = rng.uniform(0.4, 1) * waviness * 2 / order, rng.uniform(0, 2 * np.pi)
        wave += amplitude * np.cos(order * angle + phase)
    return np.hypot(dy, dx) - radius * (1 + wave)


def cover(distance: Field, edge: float = 1.0) -> Field:
    """Fraction of each pixel inside an outline, from 1 to 0 over a border of width `edge`."""
    return np.clip(0.5 - distance / edge, 0, 1)


def write_png(path: Path, pixels: NDArray[Any]) -> None:
    """Write a gray, RGB or (for booleans) 1-bit PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, optimize=True)


def write_tiff(path: Path, pixels: NDArray[Any]) -> None:
    """Write a one-page, zlib-compressed TIFF that names neither date nor software."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels, compression="zlib", metadata=None, software=False)
