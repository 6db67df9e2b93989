"""The Metrics widget: how good are predictions, image by image, and where are they wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from unetscope._napari import settings
from unetscope._napari.commands import offer
from unetscope._napari.jobs.bar import JobBar
from unetscope._napari.jobs.worker import Job, start
from unetscope._napari.metrics.comparison import ComparisonTab
from unetscope._napari.metrics.export import ExportButton
from unetscope._napari.metrics.layers import CaseLayers
from unetscope._napari.metrics.scores import Case, Other, RunScores, Scores
from unetscope._napari.metrics.sources import FoldersPage, LayersPage, Page, RunPage, Work
from unetscope._napari.metrics.table import ScoreTable, shown_columns
from unetscope._napari.parts.panel import Panel
from unetscope._napari.parts.plots import BarPlot, CurvePlot
from unetscope._napari.parts.sentence import sentence_label
from unetscope.errors import InputError, UNetScopeError
from unetscope.evaluation import Report, read_report
from unetscope.evaluation.report import TITLES
from unetscope.recipe import Recipe

if TYPE_CHECKING:
    import napari.viewer

__all__ = ["MetricsWidget"]

_HINT = "Scores of predictions against masks: choose a run, layers, or two folders above."
_RUN = "A training run"
_NO_CURVES = "Only a training run has curves."
# Milliseconds: who walks through the images with the keyboard waits for the last one only.
_PAUSE = 150
# A bar from 0 to 1; counts and distances have no place there.
_NO_SHARES = ("true_objects", "predicted_objects", "merges", "splits", "hausdorff95", "mean_surface_distance")
_AXES = {"T": "time point", "Z": "slice"}
_OUTCOMES = {
    "correct": ("found", "Correct pixels"),
    "false positive": ("too much", "False positive pixels"),
    "false negative": ("missed", "False negative pixels"),
    "wrong class": ("wrong class", "Pixels of a wrong class"),
    "found": ("found", "Predicted objects that match a true one (IoU of 0.5 or more)"),
    "false": ("false", "Predicted objects that match none"),
    "missed": ("missed", "True objects that none matches"),
    "merged": ("merged", "Predicted objects that are several true ones"),
    "split": ("split", "Parts of a true object that is split"),
}


class MetricsWidget(Panel):
    """Scores of a run, of layers or of folders: table, curves, bars, and the images behind them.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.scores: Scores | None = None
        self.other: Other | None = None
        self._measuring: Job | None = None
        self._segmenting: Job | None = None
        self._layers = CaseLayers(viewer)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE)
        self._pause.timeout.connect(self._show_case)
        self._build_sources()
        self._build_tabs()
        self._connect()
        self._recall()

    def show_scores(self, scores: Scores) -> None:
        """Show a table of scores, with its plots."""
        self._leave_case()
        self.say("")
        self.scores = scores
        self.table.show_report(scores.report)
        self.legend.show_colors(scores.colors)
        self.over.setText(f"Mean ± std over {scores.over} (population std). {scores.caution}".strip())
        self.export_button.offer(scores)
        self.tabs.show()
        self.export_button.show()
        self._compare()

    def show_run(self, run: Path) -> None:
        """Show the scores of a run, if it has any yet; for a run that goes on they come when it ends."""
        self.source.setCurrentText(_RUN)
        if not self.run_page.show_run(run):
            return
        try:
            self.show_scores(RunScores(run, read_report(run)))
        except UNetScopeError:
            self.say(f"{run.name} has no scores yet; training writes them when it ends.")

    def compare_with(self, path: Path) -> None:
        """Show another run or report beside the first."""
        try:
            self.other = Other.of(path)
        except UNetScopeError as error:
            self.say(str(error))
            return
        self._compare()

    def show_next(self) -> None:
        """Show the next image of the table."""
        self.table.step(1)

    def show_previous(self) -> None:
        """Show the image before in the table."""
        self.table.step(-1)

    def toggle_outcomes(self) -> None:
        """Hide the overlay of outcomes, or show it again."""
        self._layers.toggle()

    def _build_sources(self) -> None:
        self.run_page = RunPage()
        self.layers_page = LayersPage(self.viewer, self._layers.owns)
        self.folders_page = FoldersPage()
        self.pages: dict[str, Page] = {
            _RUN: self.run_page,
            "Layers in the viewer": self.layers_page,
            "Folders of predictions and masks": self.folders_page,
        }
        self.source = QComboBox()
        self.source.addItems(list(self.pages))
        self.source.setToolTip("<p>What to score.</p>")
        label = QLabel("&Measure")
        label.setBuddy(self.source)
        row = QHBoxLayout()
        row.addWidget(label)
        row.addWidget(self.source, 1)
        self.body.addLayout(row)
        for page in self.pages.values():
            self.body.addWidget(page)
        self._show_page()

    def _build_tabs(self) -> None:
        self.over = sentence_label(_HINT)
        self.progress = JobBar()
        self.table, self.bars, self.comparison = ScoreTable(), BarPlot(), ComparisonTab()
        self.curves, self._no_curves = CurvePlot(), QLabel(_NO_CURVES)
        self.export_button = ExportButton(self.say, self.progress.follow)
        self.tabs = QTabWidget()
        self.tabs.addTab(self._table_page(), "Table")
        self.tabs.addTab(_column(self._no_curves, self.curves), "Curves")
        self.tabs.addTab(_column(self.bars), "Bars")
        self.tabs.addTab(self.comparison, "Compare")
        self.body.addWidget(self.progress)
        self.body.addWidget(self.over)
        self.body.addWidget(self.tabs, 1)
        self.body.addWidget(self.export_button)
        # Takes the room while there is nothing to show.
        self.body.addStretch(0)
        self.tabs.hide()
        self.export_button.hide()

    def _table_page(self) -> QWidget:
        self.legend = _Legend()
        row = QHBoxLayout()
        for text, choose in (
            ("&Best", self.table.choose_best),
            ("Media&n", self.table.choose_median),
            ("W&orst", self.table.choose_worst),
        ):
            button, word = QPushButton(text), text.replace("&", "")
            by = "by Dice, or by PQ where masks number objects"
            button.setToolTip(f"<p>Show the {word.lower()} image, {by}. In the table: key {word[0]}.</p>")
            button.clicked.connect(choose)
            row.addWidget(button)
        page = _column(self.table)
        layout = page.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.addLayout(row)
        layout.addWidget(self.legend)
        return page

    def _connect(self) -> None:
        for page in self.pages.values():
            page.requested.connect(self._measure)
            page.refused.connect(self.say)
        self.source.currentIndexChanged.connect(self._show_page)
        self.source.currentIndexChanged.connect(self._remember)
        self.table.chosen.connect(self._choose)
        self.comparison.wanted.connect(self.compare_with)
        self.comparison.left.connect(self._leave_comparison)
        self.session.run_changed.connect(self._follow_run)
        self.session.recipe_changed.connect(self._follow_recipe)
        self.closed.connect(self._stop)
        self._offer_commands()

    def _recall(self) -> None:
        known = settings.recall("metrics")
        source = known.get("source")
        if source in self.pages:
            self.source.setCurrentText(source)
        if self.session.run is not None:
            self.show_run(self.session.run)
        self._follow_recipe(self.session.recipe)

    def _offer_commands(self) -> None:
        offer(self.viewer, "next", self.show_next)
        offer(self.viewer, "previous", self.show_previous)
        offer(self.viewer, "overlay", self.toggle_outcomes)

    def _show_page(self) -> None:
        for words, page in self.pages.items():
            page.setVisible(words == self.source.currentText())

    def _remember(self) -> None:
        settings.remember("metrics", {"source": self.source.currentText()})

    def _follow_run(self, run: Path | None) -> None:
        # Whoever looks at something else is not interrupted when a training ends.
        if run is not None and self.source.currentText() == _RUN:
            self.show_run(run)
        elif run is not None:
            self.run_page.show_run(run)

    def _follow_recipe(self, recipe: Recipe) -> None:
        for page in (self.layers_page, self.folders_page):
            page.meaning.suggest(recipe.target)

    def _measure(self, title: str, work: Work) -> None:
        if self._measuring is not None:
            self._measuring.cancel()
        self.say(f"{title}…")
        self._measuring = start(work, title=title, on_done=self.show_scores, on_failed=self.say, owner=self)
        self.progress.follow(self._measuring)

    def _choose(self) -> None:
        # The keys belong to the table that was used last.
        self._offer_commands()
        self._pause.start()

    def _show_case(self) -> None:
        scores, index = self.scores, self.table.current
        if scores is None or index is None:
            return
        self._leave_case()
        name = scores.report.scores[index].name
        self.say(f"Looking at {name}…")
        self._segmenting = start(
            lambda job: scores.case(index, job.share(0, 1)),
            title=f"Segmenting {name}",
            on_done=self._show,
            on_failed=self.say,
            owner=self,
        )

    def _leave_case(self) -> None:
        self._pause.stop()
        if self._segmenting is not None:
            self._segmenting.cancel()

    def _show(self, case: Case) -> None:
        self._layers.show(case)
        # What was just added is nothing to measure.
        self.layers_page.refresh()
        at = ", ".join(f"{_AXES[axis]} {place + 1}" for axis, place in case.where.items())
        self.say(f"Shown: {case.name}{f', {at}' if at else ''}")

    def _compare(self) -> None:
        """Draw the plots, and the comparison if there is something to compare with."""
        if self.scores is None:
            return
        shown = [Other(self.scores.name, self.scores.report, self.scores.history)]
        self.comparison.clear()
        if self.other is not None:
            try:
                self.comparison.compare(self.scores.name, self.scores.report, self.other)
                shown.append(_told_apart(self.other, shown[0]))
            except InputError as error:
                self.say(str(error))
        self.bars.show_scores({each.name: _shares(each.report) for each in shown})
        self.curves.clear()
        for each in shown:
            if each.history:
                self.curves.show_history(each.history, each.name)
        self._no_curves.setVisible(not any(each.history for each in shown))

    def _leave_comparison(self) -> None:
        self.other = None
        self._compare()

    def _stop(self) -> None:
        self._pause.stop()
        self.layers_page.stop_following()
        self.session.run_changed.disconnect(self._follow_run, missing_ok=True)
        self.session.recipe_changed.disconnect(self._follow_recipe, missing_ok=True)


class _Legend(QWidget):
    """The colors of the outcomes, in words."""

    def __init__(self) -> None:
        super().__init__()
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)

    def show_colors(self, colors: Mapping[str, str]) -> None:
        """Show these names of outcomes with their colors."""
        while (item := self._row.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        side = self.fontMetrics().ascent()
        for outcome, color in colors.items():
            square = QPixmap(side, side)
            square.fill(QColor(color))
            short, meaning = _OUTCOMES[outcome]
            patch, words = QLabel(), QLabel(short)
            patch.setPixmap(square)
            for part in (patch, words):
                part.setToolTip(f"<p>{meaning}, in the layer “outcome”.</p>")
                self._row.addWidget(part)
            self._row.addStretch(1)


def _column(*widgets: QWidget) -> QWidget:
    page = QWidget()
    layout = QVBoxLayout(page)
    layout.setContentsMargins(4, 4, 4, 4)
    for widget in widgets:
        layout.addWidget(widget)
    return page


def _shares(report: Report) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of the scores between 0 and 1, by title."""
    keys = [key for key in shown_columns(report) if key not in _NO_SHARES]
    return {TITLES[key]: (report.mean[key], report.std[key]) for key in keys}


def _told_apart(other: Other, first: Other) -> Other:
    return other._replace(name=f"{other.name} (2)") if other.name == first.name else other
