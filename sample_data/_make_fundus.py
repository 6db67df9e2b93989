"""Photographs of the back of the eye: optic disc, macula, and a tree of arteries and veins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _make_common import SEED, Field, cover, smooth_noise, write_png
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["write_fundus"]

SHAPE = (192, 208)
RADIUS = 92.0
"""Radius of the visible field, in pixels."""
ZOOM = 4
"""Vessels are drawn this much finer than the picture, since the smallest are a pixel wide."""
THINNEST = 1.1
"""Width at which a vessel is lost, in pixels."""
FUNDI = ((232, 88, 24), (196, 70, 26), (138, 84, 40))
"""Colors of the fundus, from fair to dark eyes, in 8-bit red, green, blue."""

Branch = list[tuple[float, float, float]]
"""Row, column and width of a vessel, in pixels, at each step along it."""


@dataclass(frozen=True)
class Sprout:
    """Where a vessel starts: position and width in pixels, heading in radians, bend in radians a pixel."""

    row: float
    column: float
    width: float
    heading: float
    bend: float


@dataclass(frozen=True)
class Eye:
    """What a drawing starts from: positions in pixels (row, column), side, and color."""

    disc: tuple[float, float]
    macula: tuple[float, float]
    temporal: int
    """+1 where the temple lies to the right of the picture, -1 to the left."""
    color: tuple[int, int, int]


def write_fundus(folder: Path) -> None:
    """Write ``images/*.png`` (RGB, 8 bit) and ``masks/*.png`` (1 bit, vessels), both eyes of three people."""
    for index in range(6):
        rng = np.random.default_rng([SEED, 2, index])
        temporal = -1 if index % 2 else 1
        middle = np.array(SHAPE) / 2
        disc = middle + np.array((rng.uniform(-6, 6), -temporal * rng.uniform(22, 32)))
        macula = disc + np.array((rng.uniform(2, 8), temporal * rng.uniform(54, 58)))
        eye = Eye((disc[0], disc[1]), (macula[0], macula[1]), temporal, FUNDI[index // 2])
        veins, arteries = _tree(rng, eye, width=3.9), _tree(rng, eye, width=2.9)
        picture = _photograph(rng, eye, veins, arteries)
        name = f"eye_{index // 2 + 1:02d}{'L' if temporal > 0 else 'R'}.png"
        write_png(folder / "images" / name, picture)
        write_png(folder / "masks" / name, np.maximum(veins, arteries) >= 0.5)


def _field() -> tuple[Field, Field, Field]:
    """Row and column of each pixel, and its distance from the center of the field."""
    rows, columns = np.indices(SHAPE).astype(np.float64)
    return rows, columns, np.hypot(rows - SHAPE[0] / 2, columns - SHAPE[1] / 2)


def _tree(rng: np.random.Generator, eye: Eye, width: float) -> Field:
    """Fraction of each pixel covered by one tree: trunks from the disc, and their branches."""
    # Arcades that bend around the macula, nasal trunks, and thin vessels toward the macula, each above and
    # below; angles are from the temporal direction, positive downward.
    sprouts = [
        Sprout(*eye.disc, width * share, side * (angle + rng.uniform(-0.2, 0.2)), -side * bend)
        for angle, bend, share in ((1.35, 0.011, 1), (2.45, 0, 0.7), (0.7, 0.003, 0.45))
        for side in (-1, 1)
    ]
    canvas = np.zeros((SHAPE[0] * ZOOM, SHAPE[1] * ZOOM), dtype=np.bool_)
    while sprouts:
        branch, more = _walk(rng, eye, sprouts.pop(0), canvas)
        sprouts += more
        _draw(canvas, branch)
    fine = canvas.reshape(SHAPE[0], ZOOM, SHAPE[1], ZOOM).mean(axis=(1, 3))
    return np.where(_field()[2] < RADIUS - 1, fine, 0)


def _draw(canvas: NDArray[np.bool_], branch: Branch) -> None:
    """Stamp a round spot on the fine canvas at every step of a vessel."""
    row, column, width = np.reshape(branch, (-1, 3)).T[:, :, None, None] * ZOOM
    reach = np.arange(-int(width.max(initial=0)) // 2 - 1, int(width.max(initial=0)) // 2 + 2)
    rows, columns = np.broadcast_arrays(np.rint(row) + reach[:, None], np.rint(column) + reach)
    spot = np.hypot(rows - row, columns - column) < width / 2
    spot &= (rows >= 0) & (rows < canvas.shape[0]) & (columns >= 0) & (columns < canvas.shape[1])
    canvas[rows[spot].astype(int), columns[spot].astype(int)] = True


def _walk(
    rng: np.random.Generator, eye: Eye, sprout: Sprout, canvas: NDArray[np.bool_]
) -> tuple[Branch, list[Sprout]]:
    """Follow a vessel in half-pixel steps until it thins out, leaves the field or meets its own tree."""
    row, column, width, heading = sprout.row, sprout.column, sprout.width, sprout.heading
    branch: Branch = []
    sprouts: list[Sprout] = []
    turn, until_fork = 0.0, rng.uniform(12, 26)
    while width > THINNEST:
        turn = 0.9 * turn + rng.normal(0, 0.009)
        heading += 0.5 * (turn + sprout.bend)
        step = np.array((np.sin(heading), eye.temporal * np.cos(heading)))
        row, column = row + 0.5 * step[0], column + 0.5 * step[1]
        if _blocked(eye, canvas, (row, column) + 3 * step, young=len(branch) < 16):
            break
        branch.append((row, column, width))
        width *= 0.9985
        until_fork -= 0.5
        if until_fork < 0:
            side = rng.choice((-1, 1))
            fork = heading + side * rng.uniform(0.6, 1.1)
            bend = -side * rng.uniform(0, 0.008)
            sprouts.append(Sprout(row, column, width * rng.uniform(0.5, 0.8), fork, bend))
            width *= 0.95
            heading -= side * 0.1
            until_fork = rng.uniform(14, 28)
    return branch, sprouts


def _blocked(eye: Eye, canvas: NDArray[np.bool_], ahead: NDArray[np.float64], *, young: bool) -> bool:
    """Whether a vessel must end: at the rim, before the macula, or (once off its parent) at its own tree."""
    if np.hypot(*(ahead - np.array(SHAPE) / 2)) > RADIUS + 2 or np.hypot(*(ahead - eye.macula)) < 15:
        return True
    row, column = np.clip(ahead, 0, np.array(SHAPE) - 1)
    return not young and bool(canvas[int(row * ZOOM), int(column * ZOOM)])


def _photograph(rng: np.random.Generator, eye: Eye, veins: Field, arteries: Field) -> NDArray[np.uint8]:
    """Color the fundus, lay the vessels over it, light it unevenly, and add the camera's blur and noise."""
    rows, columns, radius = _field()
    from_macula = np.hypot(rows - eye.macula[0], columns - eye.macula[1])
    choroid = 1 + 0.05 * smooth_noise(rng, SHAPE, 3) + 0.07 * smooth_noise(rng, SHAPE, 12)
    picture = choroid[..., None] * np.array(eye.color, dtype=np.float64)
    picture *= 1 - np.exp(-((from_macula / 15) ** 2))[..., None] * np.array((0.28, 0.42, 0.3))
    picture = _paint_disc(rng, eye, picture)
    picture *= 1 - veins[..., None] * np.array((0.30, 0.56, 0.45))
    picture *= 1 - arteries[..., None] * np.array((0.14, 0.42, 0.35))
    # The middle of a thick vessel reflects the flash.
    reflex = np.clip(gaussian_filter(arteries, 1) - 0.72, 0, 1)
    picture += reflex[..., None] * np.array((90, 110, 60))
    tilt = rng.uniform(-1, 1, 2)
    light = 1.08 - 0.32 * (radius / RADIUS) ** 2
    light += 0.16 * (tilt[0] * (rows / SHAPE[0] - 0.5) + tilt[1] * (columns / SHAPE[1] - 0.5))
    picture *= (light * cover(radius - RADIUS, edge=1.5))[..., None]
    picture = gaussian_filter(picture, (0.5, 0.5, 0))
    grain = np.stack([smooth_noise(rng, SHAPE, 0.5) for _ in range(3)], axis=-1) * (2.5, 2.5, 4)
    picture += grain * cover(radius - RADIUS)[..., None]
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _paint_disc(rng: np.random.Generator, eye: Eye, picture: Field) -> Field:
    """Blend in the optic disc, its brighter cup, and the glare around it."""
    rows, columns, _ = _field()
    distance = np.hypot((rows - eye.disc[0]) / 1.1, columns - eye.disc[1])
    size = rng.uniform(12, 15)
    glare = 0.25 * np.exp(-distance / 14)
    rim = cover(distance - size, edge=4)
    cup = cover(distance - 0.5 * size, edge=4)
    for weight, color in ((glare, (250, 170, 80)), (rim, (246, 176, 84)), (0.7 * cup, (255, 232, 150))):
        picture = picture + weight[..., None] * (np.array(color) - picture)
    return picture
