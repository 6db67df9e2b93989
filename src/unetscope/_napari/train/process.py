"""Training in a process of its own, which the viewer starts, watches and asks to pause or stop."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from qtpy.QtCore import QObject, Signal

from unetscope._napari.jobs.process import FolderProcess
from unetscope._napari.jobs.warm import make_layers
from unetscope._napari.jobs.watch import RunWatcher
from unetscope._napari.jobs.worker import Job
from unetscope.recipe import Recipe
from unetscope.training.folder import Preview, RunFolder

__all__ = ["TrainingProcess"]

_LOG = logging.getLogger(__name__)


class TrainingProcess(FolderProcess):
    """One training: in a process that this one starts, or in a folder that somebody else trains in.

    Signals
    -------
    recorded : list of dict
        Epochs that ended, with the keys of `EpochRecord`. After a training was resumed an epoch may come
        again; the later one counts.
    previewed : Preview
        A prediction of one image by the best model so far.
    """

    recorded = Signal(list)
    previewed = Signal(object)
    what = "training"
    remedy = "close other programs or set a smaller training.patch, and resume"

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reading: Job | None = None
        self._outcome = ""

    @property
    def run(self) -> Path | None:
        """The run folder."""
        return self._path

    def start(
        self,
        table: Path,
        run: Path,
        recipe: Recipe,
        *,
        start: Path | None = None,
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
        start : Path, optional
            The model whose weights the training begins with.
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
        if start is not None:
            command += ["--from", str(start)]
        if overwrite:
            command.append("--overwrite")
        self._launch_training(run, command, recipe=recipe, previews=previews)

    def resume(self, run: Path, *, device: str = "auto", previews: bool = True) -> None:
        """Go on with a run that was stopped; see `start`."""
        self._refuse_a_second()
        RunFolder.open(run)
        self._launch_training(run, ["resume", str(run), "--device", device], recipe=None, previews=previews)

    def watch(self, run: Path) -> None:
        """Look at a run that somebody else trains, or that has ended.

        Raises
        ------
        UNetScopeError
            If the folder is not a run, or a training was started here.
        """
        self._refuse_a_second()
        self._outcome = ""
        self._begin(RunWatcher(RunFolder.open(run), begun=True), None)

    def pause(self) -> None:
        """Ask the training to wait after this epoch, or within some seconds."""
        self._watched.folder.request_pause()

    def go_on(self) -> None:
        """Let a training that waits go on."""
        self._watched.folder.clear_pause()

    def close(self) -> None:
        """Watch no longer, and end what was started here; see `FolderProcess.close`."""
        self._outcome = ""
        if self._reading is not None:
            self._reading.cancel()
        super().close()

    @property
    def _news(self) -> RunWatcher:
        return cast("RunWatcher", self._watched)

    def _launch_training(
        self, run: Path, command: Sequence[str], *, recipe: Recipe | None, previews: bool
    ) -> None:
        options = ["--previews"] if previews else []
        self._outcome = ""
        self._launch(RunWatcher(RunFolder(run), begun=False), [*command, *options], recipe=recipe)
        self.status_changed.emit({"state": "preparing", "message": "", "device": "", "epoch": 0})

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

    def _end(self, outcome: str) -> None:
        self._timer.stop()
        self._outcome = outcome
        if self._reading is None:
            self.ended.emit(outcome)

    def _kept(self) -> str:
        folder = self._news.folder
        if not self._news.begun or not folder.model_path.exists():
            return ""
        best = [record["epoch"] for record in folder.history() if record["best"]]
        of_epoch = f", of epoch {best[-1]}," if best else ""
        return f"The best model so far{of_epoch} is in {folder.path}."
