"""Short-axis cardiac MR: three patients, eight slices, end of diastole and end of systole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _make_common import SEED, Field, cover, smooth_noise, wavy_outline, write_png
from _make_dicom import Slice, write_slice
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["write_heart"]

SIZE = 128
SPACING = 1.4
"""Distance between pixels, mm."""
SLICES = 8
TRIGGER_TIMES = (0.0, 320.0)
"""Time after the R wave of end of diastole and end of systole, ms."""

LUNG, MUSCLE, LIVER, FAT = 24.0, 105.0, 150.0, 440.0


@dataclass(frozen=True)
class Patient:
    """A heart: lengths in mm, angles in radians from the column axis toward the rows."""

    letter: str
    center: tuple[float, float]
    """Left ventricle from the middle of the picture (row, column)."""
    septum: float
    """Direction from the left to the right ventricle."""
    radius: float
    """Of the left-ventricular cavity at the base, end of diastole."""
    wall: float
    contraction: float
    """Radius at end of systole over that at end of diastole."""
    blood: float
    """Signal of blood, before the coil's shading."""
    noise: float


PATIENTS = (
    Patient("A", (6.0, 8.0), np.pi - 0.15, 26.0, 9.0, 0.68, 330.0, 9.0),
    Patient("B", (-4.0, 2.0), np.pi - 0.75, 23.0, 10.5, 0.72, 290.0, 11.0),
    Patient("C", (2.0, -2.0), np.pi + 0.25, 29.0, 8.0, 0.80, 370.0, 8.0),
)


@dataclass(frozen=True)
class View:
    """One slice at one phase, as all painters see it: offsets in mm from the ventricle's center."""

    patient: Patient
    index: int
    systole: bool
    dy: Field
    dx: Field

    @property
    def depth(self) -> float:
        """0 at the base, 1 at the last slice."""
        return self.index / (SLICES - 1)

    @property
    def cavity(self) -> float:
        """Radius of the left-ventricular cavity: half an ellipsoid, shorter in systole."""
        length = 1.10 if self.systole else 1.14
        taper = np.sqrt(1 - (self.depth / length) ** 2)
        return float(self.patient.radius * taper * (self.patient.contraction if self.systole else 1))

    @property
    def wall(self) -> float:
        """Thickness of the myocardium: the same muscle, so thicker where the cavity shrinks."""
        return self.patient.wall * (1.4 if self.systole else 1) * (1 - 0.25 * self.depth)

    def offset(self, angle: float, distance: float) -> tuple[Field, Field]:
        """Offsets from a point at an angle from the septum and a distance from the ventricle's center."""
        direction = self.patient.septum + angle
        return self.dy - distance * np.sin(direction), self.dx - distance * np.cos(direction)

    def along(self, angle: float) -> Field:
        """How far each pixel lies in a direction, given as an angle from the septum."""
        direction = self.patient.septum + angle
        return self.dy * np.sin(direction) + self.dx * np.cos(direction)


def write_heart(folder: Path) -> None:
    """Write ``training/`` (patients A and C, masks beside) and ``test/`` (patient B, masks in ``GT/``).

    Images are int16 DICOM; masks are uint8 PNG, 255 in the cavity of the left ventricle with its
    papillary muscles.
    """
    for patient in PATIENTS:
        images = folder / ("test" if patient.letter == "B" else "training")
        masks = images / "GT" if patient.letter == "B" else images
        for index in range(SLICES):
            for phase, trigger_time in enumerate(TRIGGER_TIMES):
                pixels, cavity = _scan(patient, index, phase)
                instance = index * len(TRIGGER_TIMES) + phase + 1
                stem = f"SAMPLE-{patient.letter}_{instance:04d}"
                facts = Slice(patient.letter, index, phase, instance, trigger_time, SPACING)
                write_slice(images / f"{stem}.dcm", pixels, facts)
                write_png(masks / f"{stem}.png", np.where(cavity, 255, 0).astype(np.uint8))


def _scan(patient: Patient, index: int, phase: int) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Image and cavity of one slice at one phase."""
    rows, columns = (np.indices((SIZE, SIZE)) - (SIZE - 1) / 2) * SPACING
    view = View(patient, index, phase == 1, rows - patient.center[0], columns - patient.center[1])
    number = ord(patient.letter)
    # Shapes belong to the patient and textures to the slice; only the noise is new in each phase.
    shapes = np.random.default_rng([SEED, 1, number])
    texture = np.random.default_rng([SEED, 1, number, index])
    noise = np.random.default_rng([SEED, 1, number, index, phase])
    signal = _organs(view, shapes, texture)
    signal, cavity = _heart(view, shapes, texture, signal)
    signal, skin = _chest_wall(view, shapes, texture, signal)
    # The surface coil hears best what lies next to it.
    signal = gaussian_filter(signal, 0.55) * (0.85 + 0.75 * np.exp(np.minimum(skin, 0) / 45))
    real, imaginary = patient.noise * noise.standard_normal((2, SIZE, SIZE))
    magnitude = np.hypot(signal + real, imaginary)
    return np.rint(magnitude).astype(np.int16), cavity < 0


def _lay(canvas: Field, distance: Field, value: Field | float, edge: float = 1.5) -> Field:
    """Cover the inside of an outline (distances in mm) with a value."""
    return canvas + cover(distance, edge) * (value - canvas)


def _grain(rng: np.random.Generator, sigma: float, strength: float) -> Field:
    """Relative texture of a tissue: around 1, never negative."""
    return np.maximum(1 + strength * smooth_noise(rng, (SIZE, SIZE), sigma), 0)


def _organs(view: View, shapes: np.random.Generator, texture: np.random.Generator) -> Field:
    """Lung with its vessels, liver, stomach and descending aorta: what lies around the heart."""
    blood = view.patient.blood
    vessels = np.clip(smooth_noise(texture, (SIZE, SIZE), 1.1) - 2.0, 0, 1)
    canvas = LUNG * _grain(texture, 2, 0.4) * _grain(texture, 14, 0.4) + 260 * vessels

    liver = wavy_outline(shapes, *view.offset(-1.15, 122 - 4 * view.depth), 78, waviness=0.04)
    portal = np.clip(smooth_noise(texture, (SIZE, SIZE), 1.8) - 2.0, 0, 1)
    canvas = _lay(canvas, liver - 2.5, FAT * 0.45)
    canvas = _lay(canvas, liver, LIVER * _grain(texture, 6, 0.06) + 160 * portal)

    # Same signal and nearly the shape of the ventricle: only the place tells them apart.
    stomach = wavy_outline(texture, *view.offset(-2.2, 78), 17 + 6 * view.depth, waviness=0.09)
    around = wavy_outline(texture, *view.offset(-2.25, 92), 42, waviness=0.07)
    canvas = _lay(canvas, around, FAT * 0.45 * _grain(texture, 2.5, 0.4), edge=4)
    canvas = _lay(canvas, stomach - 5.5, MUSCLE * _grain(texture, 2, 0.15), edge=3)
    canvas = _lay(canvas, stomach, 0.95 * blood * _grain(texture, 3, 0.08), edge=3)

    aorta = wavy_outline(texture, *view.offset(np.pi + 0.15, 62), 10.5, waviness=0.03)
    spine = wavy_outline(texture, *view.offset(np.pi + 0.3, 74), 18, waviness=0.1)
    canvas = _lay(canvas, spine, MUSCLE * _grain(texture, 2, 0.3), edge=4)
    canvas = _lay(canvas, aorta - 2, MUSCLE * 0.7)
    return _lay(canvas, aorta, 1.05 * blood * _grain(texture, 3, 0.05))


def _heart(
    view: View, shapes: np.random.Generator, texture: np.random.Generator, canvas: Field
) -> tuple[Field, Field]:
    """Pericardial fat, right ventricle, myocardium and left ventricle; also the cavity's outline."""
    blood = view.patient.blood
    outer = view.cavity + view.wall
    cavity = wavy_outline(shapes, view.dy, view.dx, view.cavity, waviness=0.03)
    cavity += 0.5 * smooth_noise(texture, (SIZE, SIZE), 2.5)
    muscle = wavy_outline(shapes, view.dy, view.dx, outer, waviness=0.025)
    right = _right_ventricle(view, shapes, outer)

    surface = np.minimum(muscle, right - 2)
    fat = np.clip(0.4 + 0.7 * smooth_noise(texture, (SIZE, SIZE), 5), 0, 1)
    canvas = canvas + cover(surface - 4.5, 3) * fat * (0.8 * FAT - canvas)
    # Fat and water cancel where they share a pixel: a dark line around the heart.
    canvas = _lay(canvas, surface - 1.2, 0.3 * MUSCLE)
    canvas = _lay(canvas, right - 2, MUSCLE)
    trabeculae = np.clip(smooth_noise(texture, (SIZE, SIZE), 1.5) - 0.6, 0, 1) * cover(-right - 7, 8)
    canvas = _lay(canvas, right, blood * (0.97 * _grain(texture, 4, 0.06) - 0.45 * trabeculae))
    canvas = _lay(canvas, muscle, MUSCLE * _grain(texture, 2.5, 0.09))
    canvas = _lay(canvas, cavity, blood * _grain(texture, 3, 0.05))
    return _papillary_muscles(view, texture, cavity, canvas), cavity


def _right_ventricle(view: View, shapes: np.random.Generator, outer: float) -> Field:
    """Outline of the right ventricle: an oval that the left one dents into a crescent."""
    squeeze = 0.84 if view.systole else 1.0
    size = np.sqrt(max(1 - (view.depth / 1.08) ** 2, 0.0)) * squeeze
    away = view.along(0) - 0.78 * outer
    across = view.along(np.pi / 2) - 4
    oval = wavy_outline(shapes, across * 0.68, away, 30 * size, waviness=0.08)
    septum = outer + 1 - np.hypot(view.dy, view.dx)
    return np.maximum(oval, septum)


def _papillary_muscles(view: View, texture: np.random.Generator, cavity: Field, canvas: Field) -> Field:
    """Two muscles that stand in the cavity between base and apex, and the rough wall near the apex."""
    rough = np.clip(smooth_noise(texture, (SIZE, SIZE), 1.2) - 0.5 + view.depth, 0, 1)
    canvas = canvas - cover(-cavity - 4, 4) * cover(cavity) * 0.45 * rough * (canvas - MUSCLE)
    if not 2 <= view.index <= SLICES - 2:
        return canvas
    for angle, size in ((1.95, 4.4), (-2.05, 3.8)):
        dy, dx = view.offset(angle + 0.08 * view.depth, 0.66 * view.cavity)
        outline = wavy_outline(texture, dy, dx, size * (1.1 if view.systole else 1), waviness=0.15)
        canvas = _lay(canvas, np.maximum(outline, cavity), 1.15 * MUSCLE)
    return canvas


def _chest_wall(
    view: View, shapes: np.random.Generator, texture: np.random.Generator, canvas: Field
) -> tuple[Field, Field]:
    """Muscle, fat and skin on the right ventricle's side, air outside; also the skin's outline."""
    skin = wavy_outline(shapes, *view.offset(0.55 + np.pi, 90), 176, waviness=0.015)
    thorax = skin + 22 + 3 * smooth_noise(shapes, (SIZE, SIZE), 14)
    ribs = np.clip(smooth_noise(texture, (SIZE, SIZE), 3.5) - 0.9, 0, 1)
    canvas = _lay(canvas, -thorax, MUSCLE * _grain(texture, 2, 0.2) + 160 * ribs)
    canvas = _lay(canvas, -(skin + 11), FAT * _grain(texture, 3, 0.15))
    return _lay(canvas, -skin, 0.0), skin
