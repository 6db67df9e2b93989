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
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from unetscope.cli import main
from unetscope.training.folder import ENDED, RunFolder

__all__ = ["ParentWatch", "yield_to_others"]

_NICENESS = 10
_SECONDS_TO_LIVE = 8


def yield_to_others() -> None:
    """Lower the priority of this process; Windows does that when a process is started."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)


class ParentWatch:
    """Waits for the end of standard input, in a thread, and then ends the training in a folder.

    The training is asked to stop, interrupted as by Ctrl-C a second later, and again while it computes its
    scores, which nobody waits for. What is still there after some seconds is ended at once: model and
    history are in the run folder, and are never half-written.

    Parameters
    ----------
    run : Path
        The folder.
    """

    def __init__(self, run: Path) -> None:
        self._folder = RunFolder(run)
        self._gone = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._wait_and_end, daemon=True)

    def start(self) -> None:
        """Begin to wait."""
        self._thread.start()

    def leave(self, code: int) -> NoReturn:
        """End this process, whose work is over.

        Parameters
        ----------
        code : int
            The exit code, unless the work was ended from here.
        """
        self._over.set()
        if self._gone.is_set():
            self._thread.join()
        os._exit(code)

    def _wait_and_end(self) -> None:
        # Not through sys.stdin, whose lock the interpreter wants when it ends.
        while os.read(0, 1):
            pass
        self._gone.set()
        ended_before = self._state in ENDED
        if self._folder.path.is_dir():
            self._folder.request_stop()
        for _ in range(_SECONDS_TO_LIVE):
            if self._over.wait(1):
                break
            _thread.interrupt_main()
        # An interrupt may have come while an earlier one was being written down; and one that comes while
        # something is imported or saved can end as any other error.
        if not ended_before and self._state not in ("finished", "stopped"):
            self._folder.write_status(state="stopped", message="")
        os._exit(130)

    @property
    def _state(self) -> str:
        # A folder in which nothing was begun needs no end.
        return str(self._folder.status().get("state", "finished"))


if __name__ == "__main__":
    # Leave by way of all that cleans up, when the viewer is told to end the process at once.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    yield_to_others()
    watch = ParentWatch(Path(sys.argv[1]))
    watch.start()
    code = 130
    with suppress(KeyboardInterrupt):
        code = main(sys.argv[2:])
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    # All is written. Taking torch apart can last as long as an epoch on a busy machine, and the viewer waits.
    sys.stdout.flush()
    sys.stderr.flush()
    watch.leave(code)
