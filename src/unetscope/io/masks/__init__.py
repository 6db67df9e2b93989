"""Masks: integer labels from whatever people draw them with."""

from __future__ import annotations

from unetscope.io.masks.mask import read_mask

__all__ = ["read_mask"]
