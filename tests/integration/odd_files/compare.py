"""What unetscope makes of an odd file, compared with what is expected of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope import errors
from unetscope.io import Image, read

from .table import fingerprint

__all__ = ["differences", "problems"]


def problems(expected: dict[str, Any], path: Path) -> list[str]:
    """Read a file with unetscope and say what is not as expected; nothing if all is."""
    try:
        image = read(path)
    except errors.UNetScopeError as error:
        kind = getattr(errors, expected.get("error", ""), ())
        if isinstance(error, kind) and re.search(expected["match"], str(error)):
            return []
        return [f"refused with {type(error).__name__}: {error}"]
    if "error" in expected:
        return [f"read as {image.axes} {image.data.shape}, not refused"]
    return differences(expected, image)


def differences(expected: dict[str, Any], image: Image) -> list[str]:
    """Say what of an image is not as expected; nothing if all is."""
    got = {
        "axes": image.axes,
        "shape": list(image.data.shape),
        "dtype": image.data.dtype.name,
        "values": fingerprint(image.data),
    }
    wrong = [
        f"{what} {value}, not {expected[what]}" for what, value in got.items() if value != expected[what]
    ]
    if "spacing" in expected:
        stated = image.spacing if image.units == "mm" else None
        if not np.allclose(stated or 0, expected["spacing"] or 0, rtol=1e-4):
            wrong.append(f"spacing {image.spacing} {image.units}, not {expected['spacing']} mm")
    if affine := expected.get("affine"):
        wrong += _place_differs(np.array(affine), image)
    return wrong


def _place_differs(expected: NDArray[Any], image: Image) -> list[str]:
    if image.affine is None:
        return ["place unknown"]
    # The step from slice to slice of a single slice is only a convention.
    columns = [0, 1, 2, 3] if "Z" in image.axes else [1, 2, 3]
    # 0.1 mm at 500 pixels from the first; other libraries step along directions of rounded numbers.
    tolerance = np.array([2e-4, 2e-4, 2e-4, 1e-3])
    if (np.abs(image.affine[:3] - expected) < tolerance)[:, columns].all():
        return []
    return [f"place {image.affine[:3].round(4).tolist()}, not {expected.tolist()}"]
