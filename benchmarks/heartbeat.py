"""How smooth the viewer stays while it trains: the lateness of a timer in its event loop.

    python benchmarks/heartbeat.py
    python benchmarks/heartbeat.py --data ../shared/data/left-ventricle/training --seconds 60 --why 50
    xvfb-run -a python benchmarks/heartbeat.py --out benchmarks/results/heartbeat.json

A timer fires every 10 ms; what comes later than that is what a person feels. First nothing happens, then the
dataset is opened, planned for, and trained on through the Train widget, with live curves and the current
prediction as layers. The time that the GUI thread computed between two beats is told beside the lateness,
because a busy computer is late without anybody's fault. ``--why MS`` prints where the GUI thread was when a
beat was later than that.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import re
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QEventLoop, Qt, QTimer

from machine import this_machine

INTERVAL = 0.01
SECONDS_TO_WAIT = 600
STALLS = 5


class Heart:
    """Beats in the event loop, and notes how late each beat is.

    Attributes
    ----------
    late : list of float
        Milliseconds after the beat was due.
    busy : list of float
        Milliseconds that the thread computed since the beat before.
    """

    def __init__(self, why: float | None) -> None:
        self.late: list[float] = []
        self.busy: list[float] = []
        self.stalls: Counter[str] = Counter()
        self._last = time.perf_counter()
        self._computed = time.thread_time()
        self._thread = threading.get_ident()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(round(1000 * INTERVAL))
        self._timer.timeout.connect(self._beat)
        self._timer.start()
        if why is not None:
            threading.Thread(target=self._look_on, args=(why / 1000,), daemon=True).start()

    def take(self) -> dict[str, Any]:
        """What was noted since the last time."""
        late, busy = np.array(self.late), np.array(self.busy)
        self.late.clear()
        self.busy.clear()
        stalls, self.stalls = self.stalls, Counter()
        return {
            "stalls": dict(stalls.most_common(STALLS)),
            "beats": len(late),
            **{f"late_{name}_ms": round(float(v), 1) for name, v in _summary(late).items()},
            **{f"busy_{name}_ms": round(float(v), 1) for name, v in _summary(busy).items()},
        }

    def _beat(self) -> None:
        now, computed = time.perf_counter(), time.thread_time()
        self.late.append(max(0.0, 1000 * (now - self._last - INTERVAL)))
        self.busy.append(1000 * (computed - self._computed))
        self._last, self._computed = now, computed

    def _look_on(self, limit: float) -> None:
        """Note where the GUI thread is whenever a beat is overdue."""
        with tempfile.TemporaryFile("w+") as file:
            while True:
                time.sleep(limit / 5)
                if time.perf_counter() - self._last > INTERVAL + limit:
                    file.seek(0)
                    file.truncate()
                    # Not sys._current_frames: a frame that is held keeps the painters in it alive.
                    faulthandler.dump_traceback(file, all_threads=True)
                    file.seek(0)
                    self.stalls[_where(file.read(), self._thread)] += 1


def _where(dump: str, thread: int) -> str:
    """The functions of a thread in a dump of `faulthandler`, innermost first."""
    lines = dump.partition(f"{thread:x} (")[2].partition("\n\n")[0].splitlines()[1:]
    found = re.findall(r'File "(.*)", line (\d+) in (\S+)', "\n".join(lines))
    names = [f"{Path(path).name}:{line} {name}" for path, line, name in found if "importlib" not in path]
    return " < ".join(names)


def _summary(values: np.ndarray) -> dict[str, float]:
    return {"p50": np.median(values), "p99": np.percentile(values, 99), "max": values.max()}


def main() -> None:
    """Open a viewer, train in it, and tell how it felt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of pairs; the sample heart images unless given")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--why", type=float, metavar="MS", help="print what was done in stalls of so many ms")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        os.environ["NAPARI_CONFIG"] = str(Path(work) / "settings.yaml")
        phases = measure(arguments, Path(work) / "runs")
    result = {
        "machine": this_machine(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "interval_ms": 1000 * INTERVAL,
        "phases": phases,
    }
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(result))
    for name, phase in phases.items():
        for where, count in phase["stalls"].items():
            print(f"\n{name}, {count} times in:\n  {where}")


def measure(arguments: argparse.Namespace, runs: Path) -> dict[str, dict[str, Any]]:
    """The beats of each phase, by its name."""
    import napari

    from unetscope._napari.settings import remember
    from unetscope.samples import sample_folder

    remember("train", {"parent": str(runs), "minutes": (arguments.seconds + 60) / 60})
    viewer = napari.Viewer()
    viewer.window.resize(1366, 768)
    heart = Heart(arguments.why)
    phases = {}
    wait_until(lambda: False, 3)
    heart.take()
    wait_until(lambda: False, 5)
    phases["nothing happens"] = heart.take()
    _, train = viewer.window.add_plugin_dock_widget("unetscope", "3 Train")
    wait_until(lambda: False, 2)
    phases["the widget opens"] = heart.take()
    train.data.open(arguments.data or sample_folder("heart") / "training")
    wait_until(lambda: train.session.dataset is not None)
    phases["the dataset opens"] = heart.take()
    train.start()
    wait_until(lambda: train.process.running)
    phases["planning"] = heart.take()
    wait_until(lambda: bool(train.progress.history))
    phases["until the first epoch"] = heart.take()
    wait_until(lambda: not train.process.running, arguments.seconds)
    phases["training"] = heart.take()
    phases["training"]["epochs"] = len(train.progress.history)
    phases["training"]["layers"] = [layer.name for layer in viewer.layers]
    train.stop()
    wait_until(lambda: not train.process.running)
    phases["scoring"] = heart.take()
    # What napari itself takes for a layer of labels, however it is added.
    viewer.add_labels(np.eye(256, dtype=np.uint8))
    wait_until(lambda: False, 1)
    phases["napari adds labels"] = heart.take()
    viewer.close()
    return phases


def wait_until(condition: Callable[[], bool], seconds: float = SECONDS_TO_WAIT) -> None:
    """Let the event loop run until something is so, or the time is over."""
    loop, deadline = QEventLoop(), time.monotonic() + seconds
    timer = QTimer()
    timer.timeout.connect(lambda: loop.quit() if condition() or time.monotonic() > deadline else None)
    timer.start(50)
    loop.exec()


def table(result: dict[str, Any]) -> str:
    """The phases as text."""
    columns = [f"{what}_{name}_ms" for what in ("late", "busy") for name in ("p50", "p99", "max")]
    lines = [f"{'':24}" + "".join(f"{column[:-3].replace('_', ' '):>10}" for column in columns)]
    for name, phase in result["phases"].items():
        lines.append(f"{name:24}" + "".join(f"{phase[column]:10.1f}" for column in columns))
    return "\n".join([*lines, f"milliseconds; load average {result['load']}"])


if __name__ == "__main__":
    main()
