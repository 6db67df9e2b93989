"""An experiment in a process of its own, which the viewer starts, watches and asks to stop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from qtpy.QtCore import Signal

from unetscope._napari.experiments.cells import ExperimentWatcher, Key
from unetscope._napari.jobs.process import FolderProcess
from unetscope.experiments import ExperimentFolder

__all__ = ["ExperimentProcess"]


class ExperimentProcess(FolderProcess):
    """One experiment: in a process that this one starts, or in a folder that somebody else fills.

    Signals
    -------
    cells_changed : ()
        Something has changed in the state of the cells; the states of `watcher` have it.
    scored : ()
        There are more cells with scores than before; told of those that were done already, too.
    """

    cells_changed = Signal()
    scored = Signal()
    what = "experiment"
    remedy = "close other programs, and go on with it"

    @property
    def folder(self) -> Path | None:
        """The folder of the experiment that was started or opened last."""
        return self._path

    @property
    def watcher(self) -> ExperimentWatcher | None:
        """What is known of it."""
        return cast("ExperimentWatcher | None", self._watcher)

    @property
    def watching(self) -> bool:
        """Whether news are still looked for."""
        return bool(self._timer.isActive())

    def start(self, folder: Path, command: Sequence[str]) -> None:
        """Begin an experiment, or go on with it.

        Parameters
        ----------
        folder : Path
            Of the experiment; made if it is not there.
        command : sequence of str
            Arguments of the command line, which name this folder.

        Raises
        ------
        UNetScopeError
            If an experiment runs already, or the process cannot be started.
        """
        self._refuse_a_second()
        self._launch(ExperimentWatcher(ExperimentFolder(folder), begun=False), command)
        self.status_changed.emit({"state": "preparing", "message": "", "device": ""})

    def watch(self, folder: Path) -> None:
        """Look at an experiment that somebody else runs, or that has ended.

        Raises
        ------
        UNetScopeError
            If the folder is not that of an experiment, or one was started here and runs.
        """
        self._refuse_a_second()
        opened = ExperimentFolder.open(folder)
        # What cannot be understood is refused now, not by a timer.
        opened.cells  # noqa: B018
        self._begin(ExperimentWatcher(opened, begun=True), None)

    def history(self, key: Key) -> list[dict[str, Any]]:
        """The epochs of one training; empty where nothing is known.

        Raises
        ------
        ModelError
            If the file is damaged.
        """
        return [] if self.watcher is None else self.watcher.history(key)

    def _tell_news(self) -> bool:
        watcher = cast("ExperimentWatcher", self._watched)
        status = watcher.new_status()
        if status is not None:
            self.status_changed.emit(status)
        changed = watcher.new_states()
        if changed:
            self.cells_changed.emit()
        if any(state.state == "done" for state in changed):
            self.scored.emit()
        return status is not None or bool(changed)

    def _kept(self) -> str:
        watcher = cast("ExperimentWatcher", self._watched)
        if not watcher.done:
            return ""
        return f"What is done already is in {watcher.folder.path}: go on from there."
