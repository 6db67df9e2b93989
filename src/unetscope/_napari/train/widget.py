"""Train a U-Net: choose a recipe, start, watch, stop, and go on with the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer, Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QLineEdit,
    QMenu,
    QPushButton,
    QScrollArea,
)

from unetscope import api
from unetscope._napari.jobs.bar import JobBar
from unetscope._napari.jobs.worker import Job, start
from unetscope._napari.parts.buttons import push_button, side_by_side
from unetscope._napari.parts.fold import Fold
from unetscope._napari.parts.panel import Panel
from unetscope._napari.settings import recall, remember
from unetscope._napari.train.data import DataPart, RunFolderPart
from unetscope._napari.train.preview import PreviewLayers
from unetscope._napari.train.process import TrainingProcess
from unetscope._napari.train.progress import ProgressPart
from unetscope._napari.train.recipe import RecipePart
from unetscope._napari.train.runs import command_line, describe_scores, is_free
from unetscope._napari.train.start import StartPart
from unetscope.errors import UNetScopeError
from unetscope.recipe import Recipe
from unetscope.recipe.plan import Plan
from unetscope.training.folder import COPIES, RunFolder

if TYPE_CHECKING:
    import napari

    from unetscope._napari.dataset.dataset import Dataset
    from unetscope.training.folder import Preview

__all__ = ["TrainWidget"]

_NAME = "train"
_NEXT = "Go on with 4 Predict or 5 Metrics."


class TrainWidget(Panel):
    """Train a network on the session's dataset, in a process of its own, and show how it goes.

    Parameters
    ----------
    viewer : napari.Viewer

    Signals
    -------
    idle
        Whatever was begun has ended, in whichever way; `status` says how.
    """

    idle = Signal()

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        kept = recall(_NAME)
        self._job: Job | None = None
        self._state = ""
        self._waits = False
        self._sparse = False
        self.process = TrainingProcess(self)
        self.previews = PreviewLayers(viewer)
        self.data = DataPart(self.session, self.say)
        self.start_from = StartPart(self.session, self.say)
        self.recipe = RecipePart(self.session, self.say)
        self.run_folder = RunFolderPart(self.session, _folder(kept.get("parent")))
        self.job_bar = JobBar()
        self.progress = ProgressPart()
        self.preview_box = QCheckBox("Show the current prediction of one i&mage")
        self.preview_box.setToolTip(
            "<p>Adds that image, and what the best network so far says about it, as layers. Not for huge "
            "images where every second counts.</p>"
        )
        self.preview_box.setChecked(bool(kept.get("previews", True)))
        # Only after the layout has made room for it.
        self._reveal = QTimer(self, singleShot=True, interval=50)
        self._command = QLineEdit()
        self._command.setReadOnly(True)
        self._make_buttons()
        self._arrange()
        self._connect()
        self._recall_recipe(kept)
        self._update_buttons()

    @property
    def busy(self) -> bool:
        """Whether a training is being prepared, or runs in a process of ours."""
        return self._job is not None or self.process.running

    def start(self) -> None:
        """Plan if that is still to do, write the dataset to the run folder, and train."""
        dataset, folder = self.session.dataset, self.run_folder.folder
        self.say("")
        if dataset is None:
            self.say("There is nothing to train on: choose images with masks first.")
        elif not is_free(folder):
            self.run_folder.suggest_anew()
            self.say(f"{folder} is not empty: press Start again to train in {self.run_folder.folder.name}.")
        elif self.session.basis == "auto" and self.session.plan is None:
            self.plan(then=self.start)
        else:
            self._write_and_train(dataset, folder)

    def plan(self, then: Callable[[], None] = lambda: None) -> None:
        """Look at the data, plan a recipe, and do something with it then."""
        dataset = self.session.dataset
        if dataset is None:
            self.say("There is nothing to plan for: choose images with masks first.")
            return
        recipe = self.session.recipe
        start = self.session.start
        masks = {"target.ignore": recipe.target.ignore, "target.background": recipe.target.background}

        def work(job: Job) -> Plan:
            examples = dataset.examples(progress=job.step)
            job.step(0, 0, "planning")
            minutes = recipe.training.minutes or 10.0
            return api.plan_examples(examples, minutes=minutes, settings=masks, start=start)

        def done(plan: Plan) -> None:
            if self.session.dataset is not dataset or self.session.start != start:
                self.say("The images or the model were changed meanwhile: press Start again.")
                return
            self.session.plan = plan
            then()

        self._begin_job(work, "Looking at the images", done)

    def pause_or_go_on(self) -> None:
        """Let the training wait after this epoch, or go on."""
        self._attempt(self.process.go_on if self._waits else self.process.pause)
        self._waits = not self._waits
        self._update_buttons()

    def stop(self) -> None:
        """End the training soon; its best model is kept and measured."""
        if self._attempt(self.process.stop):
            self.say("Stopping after this epoch; the best model is kept.")

    def resume(self, folder: Path) -> None:
        """Go on with a run that was stopped."""
        self._open(folder, lambda: self.process.resume(folder, previews=self.preview_box.isChecked()))

    def watch(self, folder: Path) -> None:
        """Look at a run that is trained elsewhere, or has ended."""
        self._open(folder, lambda: self.process.watch(folder))

    def _write_and_train(self, dataset: Dataset, folder: Path) -> None:
        recipe, model = self.session.recipe, self.session.start

        def train(table: Path) -> None:
            previews = self.preview_box.isChecked()
            if self._attempt(
                lambda: self.process.start(table, folder, recipe, start=model, previews=previews)
            ):
                self._show_run(folder, recipe, model)

        self._remember()
        self._begin_job(
            lambda job: dataset.write(folder / COPIES, progress=job.step), "Preparing the images", train
        )

    def _open(self, folder: Path, begin: Callable[[], None]) -> None:
        """Go on with, or look at, the run in a folder."""
        try:
            run = RunFolder.open(folder)
            recipe, start = run.recipe, None if run.start is None else run.start_path
            begin()
        except UNetScopeError as error:
            self.say(str(error))
        else:
            self._show_run(folder, recipe, start)

    def _show_run(self, folder: Path, recipe: Recipe, start: Path | None) -> None:
        self.say("")
        self._state, self._waits, self._sparse = "preparing", False, recipe.target.sparse
        self.previews.begin(recipe.target.kind)
        self.progress.begin(folder.name, recipe, self.stop)
        self.progress.setVisible(True)
        self._command.setText(command_line(folder, start))
        self._command_fold.setVisible(True)
        self._update_buttons()

    def _begin_job(self, work: Callable[[Job], Any], title: str, done: Callable[[Any], None]) -> None:
        """Work in a thread; what follows may begin another job."""

        def go_on(result: Any) -> None:
            self._job = None
            self.say("")
            self._attempt(lambda: done(result))

        def ended() -> None:
            if not job.running and self._job is job:
                self._job = None
            if not self.busy:
                self.run_folder.suggest()
            self._update_buttons()
            if not self.busy:
                self.idle.emit()

        job = self._job = start(
            work,
            title=title,
            on_done=go_on,
            on_failed=self.say,
            on_end=ended,
            bar=self.job_bar,
            owner=self,
        )
        self._update_buttons()

    def _attempt(self, action: Callable[[], None]) -> bool:
        """Do something, and say it if it is refused."""
        try:
            action()
        except UNetScopeError as error:
            self.say(str(error))
            return False
        return True

    def _take_status(self, status: Mapping[str, Any]) -> None:
        before, self._state = self._state, status.get("state", self._state)
        if "paused" in (before, self._state) and before != self._state:
            self._waits = self._state == "paused"
        self.progress.take_status(status)
        remarks = [*status.get("warnings", ()), *(f"left out: {one}" for one in status.get("left_out", ()))]
        if remarks:
            self.say("\n".join(f"{remark[:1].upper()}{remark[1:]}" for remark in remarks))
        self._update_buttons()

    def _take_records(self, records: list[dict[str, Any]]) -> None:
        if not self.progress.history:
            self._reveal.start()
        self.progress.take_records(records)

    def _scroll_to_curves(self) -> None:
        area = self.findChild(QScrollArea)
        if area is not None:
            area.ensureWidgetVisible(self.progress)

    def _take_preview(self, preview: Preview) -> None:
        if self.previews.removed:
            self.preview_box.setChecked(False)
        if self.preview_box.isChecked():
            self._attempt(lambda: self.previews.show(preview))

    def _conclude(self, outcome: str) -> None:
        """Say how it ended, and hand the model to the other widgets."""
        self._state = outcome
        self.progress.end()
        run = self.process.run
        if run is not None and outcome != "failed":
            folder = RunFolder(run)
            trained = folder.model_path.exists()
            scores = describe_scores(folder.metrics(), self.progress.history, sparse=self._sparse)
            self.say(f"{scores} {_NEXT if trained else ''}".strip())
            if trained:
                self.session.run = run
                self.session.model = run
        self.run_folder.suggest()
        self._update_buttons()
        self.idle.emit()

    def _fail(self, sentence: str) -> None:
        self.say(sentence)
        show_error(sentence)

    def _close(self) -> None:
        self._remember()
        if self.data.job is not None:
            self.data.job.cancel()
        self.previews.close()
        self.process.close()
        self.progress.end()

    def _make_buttons(self) -> None:
        self.start_button = push_button("&Start", "Train a new network, in a new run folder.", self.start)
        self.pause_button = push_button(
            "P&ause", "Wait after the current epoch; a pause uses up no time budget.", self.pause_or_go_on
        )
        self.stop_button = push_button(
            "S&top and keep best", "End after the current epoch, and keep the best model so far.", self.stop
        )
        self.open_button = QPushButton("Earlier r&uns")
        self.open_button.setToolTip("<p>Go on with a run that was stopped, or watch one from elsewhere.</p>")
        menu = QMenu(self.open_button)
        menu.setToolTipsVisible(True)
        for text, explanation, action in (
            ("&Resume a run…", "Train on from where a run was stopped.", self.resume),
            (
                "&Watch a run…",
                "Show a run that is trained elsewhere, or its curves when it has ended.",
                self.watch,
            ),
        ):
            entry = menu.addAction(text)
            entry.setToolTip(explanation)
            entry.triggered.connect(lambda _=False, text=text, action=action: self._ask_for_run(text, action))
        self.open_button.setMenu(menu)

    def _arrange(self) -> None:
        copy = push_button("Cop&y", "Copy the command to the clipboard.", self._copy_command)
        self._command_fold = Fold("The same on the command line", side_by_side(self._command, copy))
        self._command_fold.setVisible(False)
        self.progress.setVisible(False)
        for part in (
            self.data,
            self.start_from,
            self.recipe,
            self.run_folder,
            self.preview_box,
            side_by_side(self.start_button, self.pause_button, self.stop_button),
            self.open_button,
            self.job_bar,
            self.progress,
            self._command_fold,
        ):
            self.body.addWidget(part)
        self.body.addStretch(1)

    def _connect(self) -> None:
        self.recipe.plan_wanted.connect(self.plan)
        self.preview_box.toggled.connect(self._toggle_previews)
        self.session.dataset_changed.connect(self._update_buttons)
        self.process.status_changed.connect(self._take_status)
        self.process.recorded.connect(self._take_records)
        self._reveal.timeout.connect(self._scroll_to_curves)
        self.process.previewed.connect(self._take_preview)
        self.process.failed.connect(self._fail)
        self.process.ended.connect(self._conclude)
        self.closed.connect(self._close)

    def _update_buttons(self, _: object = None) -> None:
        busy, runs = self.busy, self._state in ("preparing", "training", "paused")
        self.start_button.setEnabled(not busy and self.session.dataset is not None)
        self.pause_button.setEnabled(self._state in ("training", "paused"))
        self.pause_button.setText("&Go on" if self._waits else "P&ause")
        self.stop_button.setEnabled(runs)
        self.recipe.set_editable(not busy)
        for part in (self.data.open_button, self.start_from, self.run_folder, self.open_button):
            part.setEnabled(not busy)

    def _toggle_previews(self, wanted: bool) -> None:  # noqa: FBT001 - a Qt slot
        if not wanted:
            self.previews.remove()

    def _copy_command(self) -> None:
        QGuiApplication.clipboard().setText(self._command.text())

    def _ask_for_run(self, text: str, action: Callable[[Path], None]) -> None:
        title = text.replace("&", "").rstrip("…")
        name = QFileDialog.getExistingDirectory(self, title, str(self.run_folder.folder.parent))
        if name:
            action(Path(name))

    def _recall_recipe(self, kept: Mapping[str, Any]) -> None:
        """Begin as the last time, unless another widget has begun already."""
        if self.session.basis != "auto" or self.session.changes:
            return
        minutes = kept.get("minutes")
        with suppress(UNetScopeError):
            self.session.begin_with(
                kept.get("basis", "auto"), {} if minutes is None else {"training.minutes": minutes}
            )

    def _remember(self) -> None:
        parent = self.run_folder.parent_folder
        remember(
            _NAME,
            {
                "basis": self.session.basis,
                "minutes": self.session.changes.get("training.minutes"),
                "parent": None if parent is None else str(parent),
                "previews": self.preview_box.isChecked(),
            },
        )


def _folder(name: str | None) -> Path | None:
    return Path(name) if name else None
