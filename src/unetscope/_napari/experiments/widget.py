"""The Experiments widget: compare recipes over one dataset, several seeds each, and tell which is better."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtCore import Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QFileDialog,
    QLineEdit,
    QMenu,
    QMessageBox,
    QPushButton,
)

from unetscope._napari.experiments.begin import (
    Data,
    Request,
    command_to_go_on,
    is_taken,
    prepare,
)
from unetscope._napari.experiments.choices import as_text
from unetscope._napari.experiments.data import DataPart, OutputPart
from unetscope._napari.experiments.grid import GridPart
from unetscope._napari.experiments.outcome import Outcome, describe_model, model_of, read_outcome
from unetscope._napari.experiments.process import ExperimentProcess
from unetscope._napari.experiments.recent import Recent
from unetscope._napari.experiments.results import ResultsPart
from unetscope._napari.experiments.setup import SetupPart
from unetscope._napari.jobs.bar import JobBar
from unetscope._napari.jobs.worker import Job, start
from unetscope._napari.parts.buttons import push_button, side_by_side
from unetscope._napari.parts.fold import Fold
from unetscope._napari.parts.panel import Panel
from unetscope._napari.settings import recall, remember
from unetscope._words import count
from unetscope.errors import UNetScopeError
from unetscope.recipe.recipe import Target
from unetscope.training.folder import ENDED

if TYPE_CHECKING:
    import napari

__all__ = ["ExperimentsWidget"]

_NAME = "experiments"
_LEAST_WIDTH = 330
_STOPPED = "Stopped; what is done is kept. Press Go on to do the rest."


class ExperimentsWidget(Panel):
    """Choose recipes, run them all in a process of its own, and show which is better.

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
        self._reading: Job | None = None
        self._read_again = False
        self._state: Mapping[str, Any] = {}
        self._recent = Recent(kept.get("recent", ()))
        self.process = ExperimentProcess(self)
        self.setup = SetupPart(self.session, self.say, kept)
        self.data = DataPart(self.session, kept)
        parent = kept.get("parent")
        self.output = OutputPart(self.data, self._suggested_name, Path(parent) if parent else None)
        self.job_bar = JobBar()
        self.grid = GridPart()
        self.results = ResultsPart(self.say)
        self._command = QLineEdit()
        self._command.setReadOnly(True)
        self._make_buttons()
        self._arrange()
        self._connect()
        self._update()

    @property
    def busy(self) -> bool:
        """Whether an experiment is being prepared, or runs in a process of ours."""
        return self._job is not None or self.process.running

    @property
    def can_go_on(self) -> bool:
        """Whether the experiment that is shown has something left to do, and nobody does it here."""
        watcher = self.process.watcher
        return not self.busy and watcher is not None and bool(watcher.states) and not watcher.complete

    def start(self) -> None:
        """Write dataset and comparison, and run what is chosen in a new folder."""
        self.say("")
        choice, data, out = self.setup.choice, self.data.data, self.output.folder
        try:
            data.check()
        except UNetScopeError as error:
            self.say(str(error))
            return
        if not choice.arms:
            self.say("There is nothing to train: tick at least one recipe.")
            return
        if is_taken(out):
            self.output.suggest_anew()
            self.say(f"{out.name} is not free: press Start again to use {self.output.folder.name}.")
            return
        target, planned = self._target(data)
        request = Request(choice, self.setup.all_arms, data, out, target, planned)
        self._remember()
        self._prepare(request)

    def go_on(self) -> None:
        """Do what is left of the experiment that is shown."""
        folder = self.process.folder
        if folder is None or not self.can_go_on:
            return
        data = self._recent.data_of(folder) or self.data.data
        if data.folder is None:
            self.say("Choose the folder or table of its images above, and press Go on again.")
        elif self._nobody_else_runs_it():
            self._attempt(lambda: self._launch(folder, command_to_go_on(folder, data), data))

    def stop(self) -> None:
        """End the experiment soon; what is done is kept."""
        if self._attempt(self.process.stop):
            self.say("Stopping after this epoch; all that is done is kept.")

    def open(self, folder: Path) -> None:
        """Show an experiment: one that has ended, or that runs elsewhere."""
        if self._attempt(lambda: self.process.watch(folder)):
            self._show_experiment(folder)
            self._command_fold.setVisible(False)

    def _suggested_name(self) -> str:
        choice = self.setup.which.currentText()
        return f"{self.data.name}-comparison" if self.setup.choice.custom else choice

    def _target(self, data: Data) -> tuple[Target, bool]:
        """How masks are read as far as it is known, and whether a plan has to tell the rest."""
        of_session = self.session.recipe.target
        said = Target(ignore=of_session.ignore, background=of_session.background)
        if self.setup.kind is not None:
            return Target.model_validate({**said.model_dump(), "kind": self.setup.kind}), False
        plan = self.session.plan
        if plan is not None and data.dataset is self.session.dataset:
            return plan.recipe.target, False
        return said, True

    def _prepare(self, request: Request) -> None:
        job = self._job = start(
            lambda job: prepare(request, job.step),
            title="Preparing the experiment",
            on_done=lambda command: self._begin(request, command),
            on_failed=self.say,
            on_end=lambda: self._after_preparing(job),
            bar=self.job_bar,
            owner=self,
        )
        self._update()

    def _begin(self, request: Request, command: list[str]) -> None:
        self._job = None
        self._attempt(lambda: self._launch(request.out, command, request.data))

    def _after_preparing(self, job: Job) -> None:
        if self._job is job:
            self._job = None
        self._update()
        if not self.busy:
            self.output.suggest()
            self.idle.emit()

    def _launch(self, folder: Path, command: list[str], data: Data) -> None:
        self.process.start(folder, command)
        self._recent.add(folder, data)
        self._show_experiment(folder)
        self._command.setText(as_text(command))
        self._command_fold.setVisible(True)

    def _show_experiment(self, folder: Path) -> None:
        self.say("")
        self._state = {"state": "preparing"}
        self._setup_fold.expand(expanded=False)
        self._shown.title.setText(folder.name)
        self._shown.title.setToolTip(str(folder))
        self.grid.begin(self.process.watcher)
        self.results.clear(folder)
        self._shown.setVisible(True)
        self._recent.add(folder)
        self._remember()
        self._update()

    def _attempt(self, action: Callable[[], None]) -> bool:
        """Do something, and say it if it is refused."""
        try:
            action()
        except UNetScopeError as error:
            self.say(str(error))
            return False
        return True

    def _take_status(self, status: Mapping[str, Any]) -> None:
        self._state = status
        self._take_news()

    def _take_news(self) -> None:
        self.grid.show_states()
        self._show_curves()
        self._update()

    def _show_curves(self) -> None:
        key = self.grid.wanted
        if key is not None:
            self._attempt(lambda: self.grid.show_history(key, self.process.history(key)))

    def _read_results(self) -> None:
        """Read the results again, once at a time."""
        folder = self.process.folder
        if folder is None:
            return
        if self._reading is not None:
            self._read_again = True
            return
        self._read_again = False
        self._reading = start(
            lambda _: (folder, read_outcome(folder)),
            title="Reading the results",
            on_done=self._take_results,
            on_failed=self.say,
            on_end=self._after_reading,
            owner=self,
        )

    def _take_results(self, read: tuple[Path, Outcome]) -> None:
        folder, outcome = read
        if folder == self.process.folder:
            self.grid.show_scores(outcome.scores)
            self.results.show_outcome(outcome)

    def _after_reading(self) -> None:
        self._reading = None
        if self._read_again:
            self._read_results()

    def _use_model_of_arm(self, arm: str) -> None:
        outcome = self.results.outcome
        if outcome is None:
            return

        def use() -> None:
            cell = model_of(outcome.results, arm)
            self._use_model(cell.run.path, describe_model(cell, len(outcome.results.facts(arm))))

        self._attempt(use)

    def _use_model_of_cell(self, arm: str, seed: int) -> None:
        watcher = self.process.watcher
        if watcher is not None:
            run = watcher.folder.cell(arm, seed).run
            if run.model_path.is_file():
                self._use_model(run.path, f"{arm}, seed {seed}, is now the model of 4 Predict and 5 Metrics.")
            else:
                self.say(f"{arm}, seed {seed}, has no model yet.")

    def _use_model(self, run: Path, sentence: str) -> None:
        self.session.run = run
        self.session.model = run
        self.say(sentence)

    def _conclude(self, outcome: str) -> None:
        """Say how it ended."""
        self._state = {**self._state, "state": outcome}
        self.grid.show_states()
        self.grid.end()
        self.results.follow_report()
        if outcome != "failed":
            self._say_what_is_left(outcome)
        self.output.suggest()
        self._update()
        self.idle.emit()

    def _say_what_is_left(self, outcome: str) -> None:
        """Say which trainings broke down, or that there is something to go on with."""
        watcher = self.process.watcher
        failed = [state for state in watcher.states if state.state == "failed"] if watcher else []
        if failed:
            first = failed[0]
            self.say(
                f"{count(len(failed), 'training')} failed: {first.arm}, seed {first.seed}: {first.reason}"
            )
        elif outcome == "stopped" and watcher is not None and not watcher.complete:
            self.say(_STOPPED)

    def _fail(self, sentence: str) -> None:
        self.say(sentence)
        show_error(sentence)

    def _close(self) -> None:
        self._remember()
        for job in (self._job, self._reading):
            if job is not None:
                job.cancel()
        self.data.stop_following()
        self.process.close()
        self.grid.end()

    def _make_buttons(self) -> None:
        self.start_button = push_button("&Start", "Train and compare, in a new folder.", self.start)
        self.go_on_button = push_button(
            "&Go on", "Do what is left of the experiment that is shown; nothing is trained twice.", self.go_on
        )
        self.stop_button = push_button(
            "S&top", "End after the current epoch. All that is done is kept; go on at any time.", self.stop
        )
        self.open_button = QPushButton("Ear&lier experiments")
        self.open_button.setToolTip(
            "<p>Show an experiment that has ended, go on with it, or watch one that runs elsewhere.</p>"
        )
        menu = QMenu(self.open_button)
        menu.setToolTipsVisible(True)
        menu.aboutToShow.connect(self._fill_menu)
        self.open_button.setMenu(menu)

    def _arrange(self) -> None:
        self._setup_fold = Fold("What to compare", self.setup, self.data, self.output, self.setup.cost)
        self._setup_fold.expand()
        # The curves and three seeds side by side need it.
        self._setup_fold.setMinimumWidth(_LEAST_WIDTH)
        copy = push_button("Cop&y", "Copy the command to the clipboard.", self._copy_command)
        self._command_fold = Fold("The same on the command line", side_by_side(self._command, copy))
        self._command_fold.setVisible(False)
        self._shown = Fold("How it goes", self.grid)
        self._shown.expand()
        self._shown.setVisible(False)
        self.results.hide()
        for part in (
            self._setup_fold,
            side_by_side(self.start_button, self.go_on_button, self.stop_button),
            self.open_button,
            self.job_bar,
            self._shown,
            self.results,
            self._command_fold,
        ):
            self.body.addWidget(part)
        self.body.addStretch(1)

    def _connect(self) -> None:
        self.setup.changed.connect(self._update)
        self.setup.changed.connect(self.output.suggest)
        self.data.changed.connect(self._update)
        self.process.status_changed.connect(self._take_status)
        self.process.cells_changed.connect(self._take_news)
        self.process.scored.connect(self._read_results)
        self.process.failed.connect(self._fail)
        self.process.ended.connect(self._conclude)
        self.grid.looked_at.connect(self._show_curves)
        self.grid.chosen.connect(self._use_model_of_cell)
        self.results.arm_chosen.connect(self._use_model_of_arm)
        self.closed.connect(self._close)

    def _update(self, _: object = None) -> None:
        busy = self.busy
        self.start_button.setEnabled(not busy)
        self.go_on_button.setEnabled(self.can_go_on)
        # What runs elsewhere can be stopped, too.
        self.stop_button.setEnabled(self.process.watching and self._state.get("state", "") not in ENDED)
        for part in (self.setup, self.data, self.output, self.open_button):
            part.setEnabled(not busy)

    def _nobody_else_runs_it(self) -> bool:
        """Ask, if the folder says that somebody works on it; a computer that lost power leaves it so."""
        watcher = self.process.watcher
        if watcher is None or watcher.status.get("state", "stopped") in ENDED:
            return True
        text = f"{watcher.folder.path.name} seems to run elsewhere. Go on only if you know that it does not."
        buttons = QMessageBox.StandardButton.Ok | QMessageBox.StandardButton.Cancel
        return QMessageBox.question(self, "Go on", text, buttons) == QMessageBox.StandardButton.Ok

    def _fill_menu(self) -> None:
        menu = self.open_button.menu()
        assert menu is not None
        menu.clear()
        for folder in self._recent.folders:
            entry = menu.addAction(folder.name)
            entry.setToolTip(str(folder))
            entry.triggered.connect(lambda _=False, folder=folder: self.open(folder))
        if menu.actions():
            menu.addSeparator()
        menu.addAction("&Open a folder…").triggered.connect(lambda _=False: self._ask_for_folder())

    def _ask_for_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Open an experiment", str(self.output.folder.parent))
        if name:
            self.open(Path(name))

    def _copy_command(self) -> None:
        QGuiApplication.clipboard().setText(self._command.text())

    def _remember(self) -> None:
        parent = self.output.parent_folder
        remember(
            _NAME,
            {
                **self.setup.settings(),
                **self.data.settings(),
                "parent": None if parent is None else str(parent),
                "recent": self._recent.settings(),
            },
        )
