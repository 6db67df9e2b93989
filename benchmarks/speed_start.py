"""How long the first moments take, as whole processes; a part of ``speed.py``."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from turns import take_turns
from unetscope.samples import sample_folder

__all__ = ["measure_start"]

NOTHING = "python -c pass"
# At most so many seconds.
TARGETS = {"python -c 'import unetscope'": 0.1, "unetscope --help": 0.4}


def measure_start(*, rounds: int) -> Iterator[dict[str, Any]]:
    """One row for each command: its time, and what is left of it without that of Python alone."""
    script = str(Path(sys.executable).with_name("unetscope"))
    sample = min((sample_folder("heart") / "training").glob("*.dcm"))
    commands = {
        NOTHING: [sys.executable, "-c", "pass"],
        "python -c 'import unetscope'": [sys.executable, "-c", "import unetscope"],
        "unetscope --help": [script, "--help"],
        "unetscope info SAMPLE": [script, "info", str(sample)],
        "python -c 'import torch'": [sys.executable, "-c", "import torch"],
    }
    contenders = {name: _run(command) for name, command in commands.items()}
    for run in contenders.values():
        run()
    taken = take_turns(contenders, rounds=rounds, seconds=0, least=rounds)
    nothing = statistics.median(taken[NOTHING])
    for name, times in taken.items():
        seconds = statistics.median(times)
        yield {
            "command": name,
            "s": round(seconds, 4),
            "least, s": round(min(times), 4),
            "without Python, s": round(seconds - nothing, 4),
            "target, s": TARGETS.get(name),
        }


def _run(command: list[str]) -> Any:
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
