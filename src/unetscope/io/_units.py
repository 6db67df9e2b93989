"""Lengths as files name them, and the resolutions that say nothing of a length."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["INCH_UM", "print_default", "to_length"]

INCH_UM = 25_400.0
"""Micrometers per inch."""

# One of the file's units, in one of ours.
_LENGTHS = {
    "pm": (1e-6, "µm"),
    "picometer": (1e-6, "µm"),
    "å": (1e-4, "µm"),
    "angstrom": (1e-4, "µm"),
    "nm": (1e-3, "µm"),
    "nanometer": (1e-3, "µm"),
    "um": (1.0, "µm"),
    "µm": (1.0, "µm"),
    "μm": (1.0, "µm"),
    r"\u00b5m": (1.0, "µm"),
    "micron": (1.0, "µm"),
    "microns": (1.0, "µm"),
    "micrometer": (1.0, "µm"),
    "mm": (1.0, "mm"),
    "millimeter": (1.0, "mm"),
    "cm": (10.0, "mm"),
    "centimeter": (10.0, "mm"),
    "inch": (25.4, "mm"),
    "m": (1e6, "µm"),
    "meter": (1e6, "µm"),
}
_DEFAULT_DPI = (72, 96, 100, 120, 144, 150, 200, 300, 600)


def to_length(size: Any, unit: Any) -> tuple[float, str] | None:
    """Give a size in µm or mm.

    Parameters
    ----------
    size, unit
        As found in a file: anything.

    Returns
    -------
    (float, str) or None
        None if `size` is no positive number or `unit` is none of length.
    """
    factor, name = _LENGTHS.get(str(unit).strip().lower(), (0.0, ""))
    try:
        length = float(size) * factor
    except (TypeError, ValueError, OverflowError):
        return None
    return (length, name) if 0 < length < math.inf else None


def print_default(spacing: tuple[float, float], units: str) -> str | None:
    """Tell that a spacing is nothing but the resolution that programs write by default.

    Screens and printers have 72, 96, 300, … dots per inch; cameras, drawing programs and plotting libraries
    write them into every file, whatever it shows.

    Parameters
    ----------
    spacing : (float, float)
        Row and column spacing.
    units : str
        ``"mm"`` or ``"µm"``.

    Returns
    -------
    str or None
        The sentence for `Source.notes`; None if the spacing is to be believed.
    """
    inch = INCH_UM if units == "µm" else INCH_UM / 1000
    # Whole pixels per meter or centimeter round the dots per inch.
    dpi = [next((d for d in _DEFAULT_DPI if abs(inch / size / d - 1) < 2e-3), None) for size in spacing]
    if dpi[0] is None or dpi[0] != dpi[1]:
        return None
    return f"Its {dpi[0]} dots per inch are a default of screens and printers, not taken as the pixel size."
