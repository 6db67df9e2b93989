"""The part of the Train widget that shows how far a training is: state, time left, curves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QProgressBar, QVBoxLayout, QWidget

from unetscope._napari.jobs.worker import CancelableBar
from unetscope._napari.parts.plots import CurvePlot
from unetscope._napari.train.runs import describe_device, describe_time
from unetscope.recipe import Recipe
from unetscope.training.budget import budget_used, time_left

__all__ = ["ProgressPart"]

_STEPS = 1000
_STATES = {
    "preparing": "Reading the images",
    "training": "Training",
    "paused": "Paused",
    "scoring": "Measuring the best model",
    "finished": "Finished",
    "stopped": "Stopped",
    "failed": "Failed",
}
_TIMED = ("training",)
_OVER = ("finished", "stopped", "failed")


class ProgressPart(QWidget):
    """State, epoch, time left, best Dice so far, and the curves.

    Attributes
    ----------
    history : list of mapping
        The epochs of the run that is shown, each once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: list[Mapping[str, Any]] = []
        self._recipe = Recipe()
        self._status: Mapping[str, Any] = {}
        self._arrived = 0.0
        self._activity: _Activity | None = None
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setRange(0, _STEPS)
        self.bar.setToolTip(
            "How much of the budget, epochs or minutes, is used; patience may end it earlier."
        )
        self.curves = CurvePlot()
        self.curves.hide()
        self.curves.setToolTip(
            "<p>Loss and Dice per epoch, with a threshold of 0.5. When training ends, the best model is "
            "measured on the images' own grids, with the threshold that suits it.</p>"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.state, self.bar, self.curves):
            layout.addWidget(part)
        self._clock = QTimer(self)
        self._clock.setInterval(1000)
        self._clock.timeout.connect(self._show)

    def begin(self, name: str, recipe: Recipe, stop: Callable[[], None]) -> None:
        """Show a training from its beginning.

        Parameters
        ----------
        name : str
            Of the run.
        recipe : Recipe
            Its budget decides how far it is.
        stop : callable
            What the cancel of napari's activity dock does.
        """
        self.end()
        self.history, self._recipe, self._status = [], recipe, {"state": "preparing"}
        self._arrived = time.monotonic()
        self.curves.clear()
        self.curves.hide()
        self._activity = _Activity(f"Training {name}", stop)
        self._clock.start()
        self._show()

    def take_status(self, status: Mapping[str, Any]) -> None:
        """Show what the training does now."""
        if status.get("state") != self._status.get("state"):
            self._arrived = time.monotonic()
        self._status = status
        self._show()

    def take_records(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Show epochs that ended; of one that comes again, the later counts."""
        for record in records:
            while self.history and self.history[-1]["epoch"] >= record["epoch"]:
                self.history.pop()
            self.history.append(record)
        self._arrived = time.monotonic()
        self.curves.show_history(self.history)
        self.curves.show()
        self._show()

    def end(self) -> None:
        """Show no more than what is known."""
        self._clock.stop()
        activity, self._activity = self._activity, None
        if activity is not None:
            activity.close()

    def sentence(self) -> str:
        """State, epoch, time left, best Dice and device in words."""
        state = self._status.get("state", "preparing")
        parts = [_STATES.get(state, state)]
        if self.history:
            parts.append(f"epoch {self.history[-1]['epoch']}")
        left = time_left(self._recipe, self.history)
        if state in ("training", "paused") and left is not None:
            parts.append(f"about {describe_time(left - self._since_last)} left")
        judged = [record for record in self.history if record["best"] and record["val_dice"] is not None]
        if judged:
            best = judged[-1]
            parts.append(f"best validation Dice {best['val_dice']:.3f} (epoch {best['epoch']})")
        parts.append(describe_device(self._status.get("device", "")))
        return " · ".join(filter(None, parts))

    @property
    def _since_last(self) -> float:
        """Seconds of training since what is known last."""
        return time.monotonic() - self._arrived if self._status.get("state") in _TIMED else 0.0

    def _show(self) -> None:
        self.state.setText(self.sentence())
        state = self._status.get("state")
        used = 0.0
        if self.history:
            last = self.history[-1]
            used = budget_used(self._recipe, last["epoch"], last["seconds"] + self._since_last)
        # Nothing is known yet while the images are read.
        self.bar.setRange(0, 0 if state == "preparing" else _STEPS)
        if state != "preparing":
            self.bar.setValue(_STEPS if state == "finished" else round(_STEPS * used))
        if self._activity is not None:
            self._activity.show(round(_STEPS * used))


class _Activity:
    """The bar in napari's activity dock; whenever it is moved, napari handles events."""

    def __init__(self, title: str, stop: Callable[[], None]) -> None:
        self._moving = False
        self._bar = CancelableBar(total=_STEPS, desc=title, cancel_callback=stop)

    def show(self, steps: int) -> None:
        """Move the bar, unless it is just being moved."""
        if self._moving or steps == self._bar.n:
            return
        self._moving = True
        # The viewer may have been closed, and its bars with it.
        with suppress(RuntimeError):
            self._bar.update(steps - self._bar.n)
        self._moving = False

    def close(self) -> None:
        """Take the bar away."""
        with suppress(RuntimeError):
            self._bar.close()
