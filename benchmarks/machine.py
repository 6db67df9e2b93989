"""What the machine is on which a number was measured."""

from __future__ import annotations

import os
import platform
from pathlib import Path

__all__ = ["this_machine"]


def this_machine() -> str:
    """Processor and number of cores; Linux does not tell Python the former."""
    name = platform.processor() or platform.machine()
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        models = (line.split(":", 1)[1] for line in listed.read_text().splitlines() if "model name" in line)
        name = " ".join(next(models, name).split())
    return f"{name}, {os.cpu_count()} cores"
