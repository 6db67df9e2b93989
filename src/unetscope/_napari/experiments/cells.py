"""How far an experiment is: the state of every cell, the time that is left; knows no Qt and no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Any, Literal

from unetscope._napari.jobs.watch import FolderWatcher, RunWatcher
from unetscope._napari.train.runs import describe_time
from unetscope._words import count
from unetscope.errors import ModelError
from unetscope.experiments import Cell, ExperimentFolder
from unetscope.recipe import Recipe
from unetscope.training.budget import time_left
from unetscope.training.folder import ENDED

__all__ = ["CellState", "ExperimentWatcher", "Key", "State", "progress_sentence"]

Key = tuple[str, int]
"""A cell: its arm and its seed."""

State = Literal["waiting", "training", "scoring", "stopped", "failed", "done"]

# What still costs time.
_TO_COME = ("waiting", "training", "scoring", "stopped")
_STATES = {
    "preparing": "Reading the images",
    "training": "Training",
    "scoring": "Measuring on the test images",
    "reporting": "Writing the report",
    "finished": "Finished",
    "stopped": "Stopped",
    "failed": "Failed",
}


@dataclass(frozen=True)
class CellState:
    """What is known of one training of an experiment.

    Attributes
    ----------
    arm : str
    seed : int
    state : str
        ``"waiting"``, ``"training"``, ``"scoring"``, ``"stopped"``, ``"failed"`` or ``"done"``.
    epoch : int
        The last that ended; 0 before the first.
    dice : float or None
        On the validation images, of the best epoch so far.
    seconds : float
        Of training and predicting, for a cell that is done; of training so far for others.
    reason : str
        Why it failed, or ended before its time; else empty.
    """

    arm: str
    seed: int
    state: State = "waiting"
    epoch: int = 0
    dice: float | None = None
    seconds: float = 0.0
    reason: str = ""

    @property
    def key(self) -> Key:
        """Arm and seed."""
        return self.arm, self.seed

    def words(self, score: float | None = None) -> str:
        """What a narrow table shows of it.

        Parameters
        ----------
        score : float or None
            On the test images, once it is known.
        """
        if self.state == "done":
            return "done" if score is None else f"{score:.3f}"
        if self.state in ("waiting", "failed"):
            return self.state
        if not self.epoch:
            return "begins" if self.state == "training" else self.state
        at = f"epoch {self.epoch}"
        best = "" if self.dice is None else f" · {self.dice:.3f}"
        return f"{at}{best}" if self.state == "training" else f"{self.state}, {at}"


@dataclass
class _Watched:
    """A cell that is not done, with what was read of its run."""

    cell: Cell
    state: CellState
    run: RunWatcher | None = None
    history: list[dict[str, Any]] = field(default_factory=list)

    @cached_property
    def recipe(self) -> Recipe:
        """What it is trained with; only once it has begun."""
        return self.cell.run.recipe


class ExperimentWatcher(FolderWatcher[ExperimentFolder]):
    """Gives every piece of news of the folder of an experiment once.

    Parameters
    ----------
    folder : ExperimentFolder
    begun : bool
        False while an experiment is being started in the folder; see `FolderWatcher`.
    """

    def __init__(self, folder: ExperimentFolder, *, begun: bool) -> None:
        super().__init__(folder, begun=begun)
        self._cells: dict[Key, _Watched] = {}
        self._known = False

    @property
    def states(self) -> tuple[CellState, ...]:
        """All cells, in the order in which they are trained; empty while nothing is known."""
        return tuple(watched.state for watched in self._cells.values())

    @property
    def current(self) -> Key | None:
        """The cell that is trained or scored now."""
        return _key(self.status.get("cell"))

    @property
    def done(self) -> int:
        """How many cells are done."""
        return sum(state.state == "done" for state in self.states)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return bool(self._cells) and self.done == len(self._cells)

    def history(self, key: Key) -> list[dict[str, Any]]:
        """The epochs of a cell's training; read anew unless it is being trained.

        Raises
        ------
        ModelError
            If the file is damaged.
        """
        watched = self._cells.get(key)
        if watched is None:
            return []
        return list(watched.history) if watched.run is not None else watched.cell.run.history()

    def new_states(self) -> list[CellState]:
        """The cells of which something has changed since the last time.

        Raises
        ------
        UNetScopeError
            If a file of the experiment is damaged.
        """
        first = not self._known
        if not self.begun or not self._find_cells():
            return []
        changed = []
        for watched in self._cells.values():
            state = watched.state if watched.state.state == "done" else self._look_at(watched)
            if state != watched.state:
                watched.state = state
                changed.append(state)
        return list(self.states) if first else changed

    def seconds_left(self) -> float | None:
        """About how long the cells that are not done still take; None as long as nobody knows.

        Notes
        -----
        A cell is expected to take as long as the mean of those of its arm that are done, or of all that are
        done. Before the first is done, the budget of the one in training tells.
        """
        waiting = [watched for watched in self._cells.values() if watched.state.state in _TO_COME]
        expected = [self._expected(watched) for watched in waiting]
        if not waiting or any(seconds is None for seconds in expected):
            return None
        spent = [watched.state.seconds for watched in waiting]
        return sum(
            max(seconds - used, 0.0)
            for seconds, used in zip(expected, spent, strict=True)
            if seconds is not None
        )

    def _find_cells(self) -> bool:
        """Know the cells, as soon as the folder tells which they are."""
        if not self._known and (self.folder.path / "experiment.yaml").is_file():
            # Not a cached property: a later call may have added arms and seeds.
            self.folder = ExperimentFolder.open(self.folder.path)
            cells = self.folder.cells
            self._cells = {(c.arm, c.seed): _Watched(c, CellState(c.arm, c.seed)) for c in cells}
            self._known = True
        return self._known

    def _look_at(self, watched: _Watched) -> CellState:
        cell = watched.cell
        if cell.finished:
            facts = cell.facts()
            watched.run = None
            return CellState(
                cell.arm,
                cell.seed,
                "done",
                facts.epochs,
                facts.validation_dice,
                facts.train_seconds + facts.predict_seconds,
                facts.note,
            )
        if cell.failure:
            return CellState(cell.arm, cell.seed, "failed", reason=cell.failure)
        if not cell.begun:
            return CellState(cell.arm, cell.seed)
        self._read(watched)
        return CellState(
            cell.arm,
            cell.seed,
            self._state_of_begun(watched),
            watched.history[-1]["epoch"] if watched.history else 0,
            _best(watched.history),
            watched.history[-1]["seconds"] if watched.history else 0.0,
        )

    def _read(self, watched: _Watched) -> None:
        """Read the epochs that ended since the last time; one that comes again replaces the first."""
        if watched.run is None:
            watched.run, watched.history = RunWatcher(watched.cell.run, begun=True), []
        watched.run.new_status()
        for record in watched.run.new_records():
            while watched.history and watched.history[-1]["epoch"] >= record["epoch"]:
                watched.history.pop()
            watched.history.append(record)

    def _state_of_begun(self, watched: _Watched) -> State:
        if self.status.get("state") in ENDED or self.current != (watched.cell.arm, watched.cell.seed):
            return "stopped"
        return "scoring" if self.status.get("state") == "scoring" else "training"

    def _expected(self, watched: _Watched) -> float | None:
        done = [other.state for other in self._cells.values() if other.state.state == "done"]
        same = [state.seconds for state in done if state.arm == watched.state.arm]
        if same or done:
            return fmean(same or [state.seconds for state in done])
        # Nothing is done yet: what the first training still takes counts for all.
        current = self._cells.get(self.current) if self.current is not None else None
        if current is None or not current.history:
            return None
        left = time_left(current.recipe, current.history)
        return None if left is None else current.history[-1]["seconds"] + left


def progress_sentence(watcher: ExperimentWatcher) -> str:
    """State, cells that are done, the present one and the time left, in words."""
    status, states = watcher.status, watcher.states
    state = status.get("state", "preparing")
    parts = [_STATES.get(state, state)]
    if watcher.current is not None and state in ("training", "scoring"):
        arm, seed = watcher.current
        parts[0] += f" {arm}, seed {seed}" if state == "training" else f": {arm}, seed {seed}"
    if states:
        parts.append(f"{watcher.done} of {count(len(states), 'training')} done")
    failed = sum(each.state == "failed" for each in states)
    if failed:
        parts.append(f"{failed} failed")
    left = watcher.seconds_left() if state in ("training", "scoring") else None
    if left is not None:
        parts.append(f"about {describe_time(left)} left")
    return " · ".join(parts)


def _key(cell: Any) -> Key | None:
    """The cell that a status names."""
    if not isinstance(cell, Mapping):
        return None
    try:
        return str(cell["arm"]), int(cell["seed"])
    except (KeyError, TypeError, ValueError):
        raise ModelError(
            f"the status names no cell but {cell!r}", expected="an arm and a seed", fix="run it again"
        ) from None


def _best(history: Sequence[Mapping[str, Any]]) -> float | None:
    """Validation Dice of the epoch that is kept so far."""
    judged = [r["val_dice"] for r in history if r["best"] and r["val_dice"] is not None]
    return judged[-1] if judged else None
