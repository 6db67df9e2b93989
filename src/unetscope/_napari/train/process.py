"""Training in a process of its own, which the viewer starts, watches and asks to pause or stop.

The run folder is all that the two know of each other (see `unetscope.training.folder`), so that a run that
was started elsewhere is watched in the same way.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from qtpy.QtCore import QCoreApplication, QObject, QTimer, Signal

from unetscope._napari.jobs.warm import make_layers
from unetscope._napari.jobs.worker import Job
from unetscope._napari.train.child import Child
from unetscope._napari.train.watch import RunWatcher
from unetscope.errors import TrainingError, UNetScopeError
from unetscope.recipe import Recipe
from unetscope.training.folder import ENDED, Preview, RunFolder

__all__ = ["TrainingProcess"]

_LOG = logging.getLogger(__name__)
_MILLISECONDS_BETWEEN_LOOKS = 300
_SECONDS_TO_CLOSE = 3.0


class TrainingProcess(QObject):
    """One training: in a process that this one starts, or in a folder that somebody else trains in.

    Signals
    -------
    status_changed : dict
        What `RunFolder.status` says, whenever it says something else.
    recorded : list of dict
        Epochs that ended, with the keys of `EpochRecord`. After a training was resumed an epoch may come
        again; the later one counts.
    previewed : Preview
        A prediction of one image by the best model so far.
    failed : str
        Why training ended without having been asked to, in one sentence.
    ended : str
        How training ended: ``"finished"``, ``"stopped"`` or ``"failed"``. Always the last signal.
    """

    status_changed = Signal(dict)
    recorded = Signal(list)
    previewed = Signal(object)
    failed = Signal(str)
    ended = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._child: Child | None = None
        self._watcher: RunWatcher | None = None
        self._reading: Job | None = None
        self._outcome = ""
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

    @property
    def run(self) -> Path | None:
        """The run folder."""
        return None if self._watcher is None else self._watcher.folder.path

    def start(
        self,
        table: Path,
        run: Path,
        recipe: Recipe,
        *,
        device: str = "auto",
        overwrite: bool = False,
        previews: bool = True,
    ) -> None:
        """Begin to train.

        Parameters
        ----------
        table : Path
            A folder or table of pairs, as `unetscope train` takes it; it may lie in the run folder.
        run : Path
            The run folder; made if it is not there.
        recipe : Recipe
        device : str
            ``"auto"``, or a torch device.
        overwrite : bool
            Whether a run that is in the folder already may be replaced.
        previews : bool
            Whether to keep a current prediction of one validation image.

        Raises
        ------
        UNetScopeError
            If a training runs already, or the process cannot be started.
        """
        self._refuse_a_second()
        command = ["train", str(table), "--out", str(run), "--device", device]
        if overwrite:
            command.append("--overwrite")
        self._launch(run, command, recipe=recipe, previews=previews)

    def resume(self, run: Path, *, device: str = "auto", previews: bool = True) -> None:
        """Go on with a run that was stopped; see `start`."""
        self._refuse_a_second()
        RunFolder.open(run)
        self._launch(run, ["resume", str(run), "--device", device], recipe=None, previews=previews)

    def watch(self, run: Path) -> None:
        """Look at a run that somebody else trains, or that has ended.

        Raises
        ------
        UNetScopeError
            If the folder is not a run, or a training was started here.
        """
        self._refuse_a_second()
        self._begin(RunWatcher(RunFolder.open(run), begun=True), None)

    def pause(self) -> None:
        """Ask the training to wait after this epoch, or within some seconds."""
        self._news.folder.request_pause()

    def go_on(self) -> None:
        """Let a training that waits go on."""
        self._news.folder.clear_pause()

    def stop(self) -> None:
        """Ask the training to end after this epoch, or within some seconds; the best model is scored then."""
        self._news.folder.request_stop()

    def kill(self) -> None:
        """End the process now; the best model so far is kept."""
        if self._child is not None:
            self._child.terminate()

    def close(self) -> None:
        """Watch no longer, and end what was started here: within three seconds, keeping the best model.

        Nothing is emitted any more.
        """
        self._timer.stop()
        self._outcome = ""
        if self._reading is not None:
            self._reading.cancel()
        if self._child is not None:
            child, self._child = self._child, None
            child.close(_SECONDS_TO_CLOSE)
            self._correct_status("stopped")

    @property
    def _news(self) -> RunWatcher:
        if self._watcher is None:
            raise TrainingError("no training was started or opened", expected="one", fix="start one")
        return self._watcher

    def _refuse_a_second(self) -> None:
        if self._child is not None:
            raise TrainingError(
                f"a training is running already, in {self.run}",
                expected="one at a time",
                fix="stop it first",
            )

    def _launch(self, run: Path, command: Sequence[str], *, recipe: Recipe | None, previews: bool) -> None:
        watcher = RunWatcher(RunFolder(run), begun=False)
        options = ["--previews"] if previews else []
        child = Child(run, [*command, *options], recipe)
        # Not a bound method, of which Qt would not keep the object.
        self.destroyed.connect(partial(child.abandon))
        self._begin(watcher, child)
        self.status_changed.emit({"state": "preparing", "message": "", "device": "", "epoch": 0})

    def _begin(self, watcher: RunWatcher, child: Child | None) -> None:
        self._watcher, self._child, self._outcome = watcher, child, ""
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

    def _tell_news(self) -> bool:
        """Emit what is new in the run folder; whether there was something."""
        status = self._news.new_status()
        if status is not None:
            self.status_changed.emit(status)
        records = self._news.new_records()
        if records:
            self.recorded.emit(records)
        previewed = self._reading is None and self._news.new_preview()
        if previewed:
            self._read_preview()
        return status is not None or bool(records) or previewed

    def _read_preview(self) -> None:
        folder = self._news.folder

        def read(_: Job) -> Preview | None:
            # It is going to be a layer, and may be the first.
            make_layers()
            return folder.preview()

        self._reading = Job(read, "Reading the current prediction")
        self._reading.done.connect(self._show_preview)
        self._reading.failed.connect(_LOG.warning)
        self._reading.finished.connect(self._after_reading)
        self._reading.start()

    def _show_preview(self, preview: Preview | None) -> None:
        if preview is not None:
            self.previewed.emit(preview)

    def _after_reading(self) -> None:
        self._reading = None
        if self._outcome and self._news.new_preview():
            self._read_preview()
        elif self._outcome:
            self.ended.emit(self._outcome)

    def _conclude(self, child: Child) -> None:
        """Tell how the process that was started here has ended."""
        self._child = None
        state = self._news.status.get("state")
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
        """Tell how a run that somebody else trained has ended, if it has."""
        status = self._news.status
        # Runs of earlier versions have none.
        state = status.get("state", "stopped")
        if state in ENDED:
            if state == "failed":
                self.failed.emit(status["message"])
            self._end(state)

    def _end(self, outcome: str) -> None:
        self._timer.stop()
        self._outcome = outcome
        if self._reading is None:
            self.ended.emit(outcome)

    def _correct_status(self, state: str, message: str = "") -> None:
        """Write down the end of a process that could not do that itself."""
        self._news.new_status()
        if self._news.begun and self._news.status.get("state") not in ENDED:
            self._news.folder.write_status(state=state, message=message)

    def _why(self, child: Child) -> str:
        """One sentence about a process that failed, and one about what is left of its work."""
        if self._news.status.get("state") == "failed":
            sentence = str(self._news.status["message"])
        elif child.killed:
            sentence = (
                "Training was ended from outside, as the system does when memory runs out: close other "
                "programs or set a smaller training.patch, and resume."
            )
        else:
            sentence = child.last_words()
        return f"{sentence} {self._kept()}".rstrip()

    def _kept(self) -> str:
        folder = self._news.folder
        if not self._news.begun or not folder.model_path.exists():
            return ""
        best = [record["epoch"] for record in folder.history() if record["best"]]
        of_epoch = f", of epoch {best[-1]}," if best else ""
        return f"The best model so far{of_epoch} is in {folder.path}."
