"""Colors for labels, for the formats that keep one with each."""

from __future__ import annotations

import colorsys

__all__ = ["color_of"]

# Hues that follow each other by this part of a turn stay apart, however many there are.
_NEXT_HUE = 0.618034


def color_of(index: int) -> tuple[float, float, float]:
    """Red, green and blue, in [0, 1], of the label that comes at this place, from 0."""
    return colorsys.hsv_to_rgb(index * _NEXT_HUE % 1, 0.7, 0.9)
