"""Small words of messages and tables."""

from __future__ import annotations

__all__ = ["count"]


def count(number: int, thing: str) -> str:
    """``"1 image"``, ``"2 images"``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
