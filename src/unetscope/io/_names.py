"""Names of files: how people sort them, and which never mean anything."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["is_clutter", "natural"]

_CLUTTER = {"thumbs.db", "desktop.ini", "__macosx"}


def natural(path: Path) -> list[tuple[int, str]]:
    """Sort key by which ``im2`` comes before ``im10``."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(part), "") if i % 2 else (0, part) for i, part in enumerate(parts)]


def is_clutter(path: Path) -> bool:
    """Whether a file is hidden, or was put there by a file manager."""
    return path.name.startswith(".") or path.name.lower() in _CLUTTER
