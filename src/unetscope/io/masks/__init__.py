"""Masks: integer labels from whatever people draw them with."""

from __future__ import annotations

from unetscope.io.masks.classes import find_classes, find_colors
from unetscope.io.masks.mask import read_mask

__all__ = ["find_classes", "find_colors", "read_mask"]
