"""Work in a process of its own, on a folder, which the viewer starts, watches and asks to stop.

The folder is all that the two know of each other (see `unetscope.training.folder`), so that work that was
started elsewhere is watched in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from qtpy.QtCore import QCoreApplication, QObject, QTimer, Signal

from unetscope._napari.jobs.child import Child
from unetscope._napari.jobs.watch import FolderWatcher
from unetscope.errors import TrainingError, UNetScopeError
from unetscope.recipe import Recipe
from unetscope.training.folder import ENDED

__all__ = ["FolderProcess"]

_MILLISECONDS_BETWEEN_LOOKS = 300
_SECONDS_TO_CLOSE = 3.0


class FolderProcess(QObject):
    """Base of what trains: in a process that this one starts, or in a folder that somebody else works on.

    Signals
    -------
    status_changed : dict
        What the status of the folder says, whenever it says something else.
    failed : str
        Why the work ended without having been asked to, in one sentence.
    ended : str
        How it ended: ``"finished"``, ``"stopped"`` or ``"failed"``. Always the last signal.
    """

    status_changed = Signal(dict)
    failed = Signal(str)
    ended = Signal(str)

    what: ClassVar[str]
    """What is done, for messages: ``"training"``."""
    remedy: ClassVar[str]
    """What to do when the system ended the process: ``"close other programs, and resume"``."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._child: Child | None = None
        self._watcher: FolderWatcher[Any] | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_MILLISECONDS_BETWEEN_LOOKS)
        self._timer.timeout.connect(self._look)
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close)

    @property
    def running(self) -> bool:
        """Whether a process that was started here still runs."""
        return self._child is not None and self._child.running

    def stop(self) -> None:
        """Ask the work to end after this epoch, or within some seconds; what it has is kept."""
        self._watched.folder.request_stop()

    def kill(self) -> None:
        """End the process now; what is written already is kept."""
        if self._child is not None:
            self._child.terminate()

    def close(self) -> None:
        """Watch no longer, and end what was started here: within three seconds, keeping what it has.

        Nothing is emitted any more.
        """
        self._timer.stop()
        if self._child is not None:
            child, self._child = self._child, None
            child.close(_SECONDS_TO_CLOSE)
            self._correct_status("stopped")

    def _tell_news(self) -> bool:
        """Emit what is new in the folder; whether there was something."""
        raise NotImplementedError

    def _kept(self) -> str:
        """One sentence about what is left of work that failed; empty for nothing."""
        raise NotImplementedError

    @property
    def _watched(self) -> FolderWatcher[Any]:
        if self._watcher is None:
            raise TrainingError(f"no {self.what} was started or opened", expected="one", fix="start one")
        return self._watcher

    @property
    def _path(self) -> Path | None:
        return None if self._watcher is None else self._watcher.folder.path

    def _refuse_a_second(self) -> None:
        if self._child is not None:
            article = "an" if self.what[0] in "aeiou" else "a"
            raise TrainingError(
                f"{article} {self.what} is running already, in {self._path}",
                expected="one at a time",
                fix="stop it first",
            )

    def _launch(
        self, watcher: FolderWatcher[Any], command: Sequence[str], *, recipe: Recipe | None = None
    ) -> None:
        child = Child(watcher.folder.path, command, recipe, what=self.what)
        # Not a bound method, of which Qt would not keep the object.
        self.destroyed.connect(partial(child.abandon))
        self._begin(watcher, child)

    def _begin(self, watcher: FolderWatcher[Any], child: Child | None) -> None:
        self._watcher, self._child = watcher, child
        self._timer.start()

    def _look(self) -> None:
        # Asked first, so that all that was written before the end is read.
        over = self._child is not None and not self._child.running
        try:
            told = self._tell_news()
        except UNetScopeError as error:
            self.close()
            self.failed.emit(str(error))
            self._end("failed")
            return
        if over and self._child is not None:
            self._conclude(self._child)
        elif self._child is None and not told:
            # Not at the first look: between the last epoch and its scores a run seems to have ended.
            self._conclude_watching()

    def _conclude(self, child: Child) -> None:
        """Tell how the process that was started here has ended."""
        self._child = None
        state = self._watched.status.get("state")
        if child.asked_to_end or state == "stopped":
            self._correct_status("stopped")
            self._end("stopped")
        elif child.code == 0:
            self._end(state if state in ENDED else "finished")
        else:
            sentence = self._why(child)
            self._correct_status("failed", sentence)
            self.failed.emit(sentence)
            self._end("failed")

    def _conclude_watching(self) -> None:
        """Tell how work that somebody else does has ended, if it has."""
        status = self._watched.status
        # Runs of earlier versions have none.
        state = status.get("state", "stopped")
        if state in ENDED:
            if state == "failed":
                self.failed.emit(status["message"])
            self._end(state)

    def _end(self, outcome: str) -> None:
        self._timer.stop()
        self.ended.emit(outcome)

    def _correct_status(self, state: str, message: str = "") -> None:
        """Write down the end of a process that could not do that itself."""
        self._watched.new_status()
        if self._watched.begun and self._watched.status.get("state") not in ENDED:
            self._watched.folder.write_status(state=state, message=message)

    def _why(self, child: Child) -> str:
        """One sentence about a process that failed, and one about what is left of its work."""
        if self._watched.status.get("state") == "failed":
            sentence = str(self._watched.status["message"])
        elif child.killed:
            sentence = (
                f"{self.what.capitalize()} was ended from outside, as the system does when memory runs out: "
                f"{self.remedy}."
            )
        else:
            sentence = child.last_words()
        return f"{sentence} {self._kept()}".rstrip()
