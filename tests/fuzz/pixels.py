"""What all seeds are made of: small arrays, and pictures of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image as Pillow

__all__ = ["COLOR", "GREY", "PIXELS", "SECRET", "VOLUME", "Case", "picture", "single"]

Case = dict[str, bytes]
"""Names and contents of files; a name that ends in ``/`` is a folder. The first one is what is read."""

SECRET = "Zxqvjk"
"""Name and identifier of the patient in every DICOM seed; no message may hold it."""

PIXELS = (np.arange(8 * 6, dtype=np.uint16) * 37 % 256).reshape(8, 6)
GREY = PIXELS.astype(np.uint8)
COLOR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)
VOLUME = np.stack([PIXELS, PIXELS + 1, PIXELS + 2]).astype(np.int16)


def picture(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    """Write an array as Pillow does."""
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def single(name: str, make: Callable[[], bytes]) -> Callable[[], Case]:
    """Make cases of one file."""
    return lambda: {name: make()}
