"""Write what the Metrics widget shows: table, figures, or the whole report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton

from unetscope._napari.jobs.worker import Job, start
from unetscope._napari.metrics.scores import Scores
from unetscope._napari.train.runs import next_folder
from unetscope.io.write import write_csv

__all__ = ["ExportButton"]

_FIGURES = "Figures (*.png *.svg)"


class ExportButton(QPushButton):
    """A menu of what can be written, for other programs and for papers.

    Parameters
    ----------
    say : callable
        Told, in one sentence, what was written or went wrong.
    follow : callable
        Given the jobs that may take long, to show their progress.
    """

    def __init__(self, say: Callable[[str], None], follow: Callable[[Job], None]) -> None:
        super().__init__("E&xport")
        self._say = say
        self._follow = follow
        self._scores: Scores | None = None
        self.setToolTip("<p>Write the table, figures, or a report with everything.</p>")
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        self.csv_action = menu.addAction("Table (CSV)…", self._ask_for_csv)
        self.csv_action.setToolTip("All scores of all images, with the columns that the command line writes.")
        self.bars_action = menu.addAction("Figure of the scores…", self._ask_for_bars)
        self.curves_action = menu.addAction("Figure of the training…", self._ask_for_curves)
        self.report_action = menu.addAction("Report folder…", self._ask_for_report)
        self.report_action.setToolTip(
            "Tables, figures, and pictures of the best, median and worst image: what the command line writes."
        )
        self.setMenu(menu)

    def offer(self, scores: Scores) -> None:
        """Write these scores from now on."""
        self._scores = scores
        self.curves_action.setEnabled(bool(scores.history))

    def write_csv(self, path: Path) -> None:
        """Write the table."""
        rows = self._current.report.rows()
        # The file dialog has asked already whether to replace a file; so below.
        self._write(path, lambda: write_csv(path, rows, list(rows[0]), overwrite=True))

    def write_bars(self, path: Path) -> None:
        """Draw mean ± std, and each image."""
        report = self._current.report

        def write() -> Path:
            from unetscope.evaluation.plots import save, score_bars

            return save(score_bars(report), path, overwrite=True)

        self._write(path, write)

    def write_curves(self, path: Path) -> None:
        """Draw loss and Dice of the training."""
        history = self._current.history

        def write() -> Path:
            from unetscope.evaluation.plots import save, training_curves

            return save(training_curves(history), path, overwrite=True)

        self._write(path, write)

    def write_report(self, folder: Path) -> None:
        """Write a report to a new folder; for a run all images are segmented again."""
        from unetscope.folders import write_report

        scores = self._current
        job = start(
            lambda job: write_report(scores.comparison(job.share(0, 1)), folder, history=scores.history),
            title=f"Writing the report {folder.name}",
            on_done=lambda path: self._say(f"The report is {path}."),
            on_failed=self._say,
            owner=self,
        )
        self._follow(job)

    @property
    def _current(self) -> Scores:
        assert self._scores is not None
        return self._scores

    def _write(self, path: Path, write: Callable[[], Path]) -> None:
        start(
            lambda _: write(),
            title=f"Writing {path.name}",
            on_done=lambda written: self._say(f"Written: {written}"),
            on_failed=self._say,
            owner=self,
        )

    def _ask_for_csv(self) -> None:
        self._ask("Write the table", "scores.csv", "Tables (*.csv)", self.write_csv)

    def _ask_for_bars(self) -> None:
        self._ask("Write the figure of the scores", "scores.png", _FIGURES, self.write_bars)

    def _ask_for_curves(self) -> None:
        self._ask("Write the figure of the training", "curves.png", _FIGURES, self.write_curves)

    def _ask(self, title: str, suggestion: str, kinds: str, write: Callable[[Path], None]) -> None:
        name, _ = QFileDialog.getSaveFileName(self, title, suggestion, kinds)
        if name:
            path = Path(name)
            write(path if path.suffix else path.with_suffix(Path(suggestion).suffix))

    def _ask_for_report(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder in which the report gets a folder of its own")
        if name:
            self.write_report(next_folder(Path(name), f"{self._current.name}-report"))
