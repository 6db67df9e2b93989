"""``python -m unetscope.cli.child RUN train …``: the command line as the viewer starts it.

It yields to other programs, so that the viewer stays smooth, and ends soon after whoever started it: when
its standard input is closed, which happens even if the viewer crashes, it stops training and keeps the best
model.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from pathlib import Path

from unetscope.cli import main
from unetscope.training.folder import ENDED, RunFolder

__all__ = ["end_with_parent", "yield_to_others"]

_NICENESS = 10
_SECONDS_TO_LIVE = 8


def yield_to_others() -> None:
    """Lower the priority of this process; Windows does that when a process is started."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)


def end_with_parent(run: Path) -> None:
    """Wait for the end of standard input, in a thread, and then end the training in a run folder.

    The training is asked to stop, interrupted as by Ctrl-C a second later, and again while it computes its
    scores, which nobody waits for. What is still there after some seconds is ended at once: model and
    history are in the run folder, and are never half-written.
    """
    threading.Thread(target=_wait_and_end, args=(RunFolder(run),), daemon=True).start()


def _wait_and_end(folder: RunFolder) -> None:
    # Not through sys.stdin, whose lock the interpreter wants when it ends.
    while os.read(0, 1):
        pass
    if folder.path.is_dir():
        folder.request_stop()
    for _ in range(_SECONDS_TO_LIVE):
        time.sleep(1)
        _thread.interrupt_main()
    if folder.status().get("state", "finished") not in ENDED:
        folder.write_status(state="stopped")
    os._exit(130)


if __name__ == "__main__":
    # Leave by way of all that cleans up, when the viewer is told to end the process at once.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    yield_to_others()
    end_with_parent(Path(sys.argv[1]))
    code = main(sys.argv[2:])
    # All is written. Taking torch apart can last as long as an epoch on a busy machine, and the viewer waits.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
