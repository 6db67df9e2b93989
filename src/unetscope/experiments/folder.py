"""The folder that an experiment fills.

```
experiment.yaml          what is compared, with the budget that was chosen
dataset.json             every image: name, group, role, and a hash of its pixels and mask
status.json              what is done now (as in a run folder)
cells/ARM/seed-N/        one cell
    run/                 the run folder of its training
    scores-CONDITION.json    the report on the test images (`read_report` reads it)
    labels-CONDITION.npz     the predicted labels, by the name of the image
    cell.json            facts about the finished cell; written last
everything-CONDITION.json    the scores of calling every pixel the object (binary and instances)
results.csv  summary.csv  results.json  report.md  report.html  figures/
```

Whoever watches an experiment needs nothing else, and no torch.
"""

from __future__ import annotations

import json
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import ModelError
from unetscope.evaluation import Report, read_report
from unetscope.experiments.experiment import Experiment, read_experiment, slug
from unetscope.io.write import atomic, write_json, write_text
from unetscope.training.folder import RunFolder, WatchedFolder, damaged

__all__ = ["Cell", "CellFacts", "ExperimentFolder", "slug"]

# What reading labels that are none may end in.
_UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class CellFacts:
    """What is known of a finished cell besides its scores.

    Attributes
    ----------
    arm : str
    seed : int
    epochs, best_epoch : int
        How many were trained, and which one the model is of.
    train_seconds : float
        Of the training loop with validation.
    predict_seconds : float
        For all test images, once.
    images : int
        Test images.
    training_images, validation_images : int
    parameters : int
        Weights of the network.
    validation_dice : float or None
        Of the kept epoch.
    threshold : float or None
    device, machine : str
    note : str
        Why training ended before its time, if it did.
    """

    arm: str
    seed: int
    epochs: int
    best_epoch: int
    train_seconds: float
    predict_seconds: float
    images: int
    training_images: int
    validation_images: int
    parameters: int
    validation_dice: float | None
    threshold: float | None
    device: str
    machine: str
    note: str = ""


@dataclass(frozen=True)
class Cell:
    """One arm trained from one seed; finished or not."""

    folder: Path
    arm: str
    seed: int

    @property
    def run(self) -> RunFolder:
        """The folder of its training; not there before it begins."""
        return RunFolder(self.folder / "run")

    @property
    def finished(self) -> bool:
        """Whether it is trained and scored."""
        return self._facts_path.is_file()

    def scored(self, conditions: Iterable[str]) -> bool:
        """Whether there are scores for all these conditions."""
        return all(self._scores_path(condition).is_file() for condition in conditions)

    @property
    def begun(self) -> bool:
        """Whether its training has a run folder."""
        return (self.run.path / "data.json").is_file()

    @property
    def failure(self) -> str:
        """Why the training broke down before there was a model; empty if it did not."""
        try:
            return self._failure_path.read_text(encoding="utf-8")
        except OSError:
            return ""

    def fail(self, sentence: str) -> None:
        """Say that the training broke down; a later call of the experiment tries again."""
        write_text(self._failure_path, sentence, overwrite=True)

    def forget_failure(self) -> None:
        """Begin anew after a training that broke down."""
        if self._failure_path.exists():
            shutil.rmtree(self.folder)

    def facts(self) -> CellFacts:
        """What is known of the finished cell.

        Raises
        ------
        ModelError
            If the file is missing or damaged.
        """
        try:
            return CellFacts(**json.loads(self._facts_path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            raise damaged(self._facts_path) from None

    def report(self, condition: str) -> Report:
        """The scores on the test images.

        Raises
        ------
        InputError
            If there are none.
        """
        return read_report(self._scores_path(condition))

    def labels(self, condition: str) -> dict[str, NDArray[Any]]:
        """The predicted labels of the test images, by name.

        Raises
        ------
        ModelError
            If the file is missing or damaged.
        """
        path = self._labels_path(condition)
        try:
            # NumPy leaves a file open that it cannot read.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                names = json.loads(str(arrays["names"]))
                return {name: arrays[f"labels_{index}"] for index, name in enumerate(names)}
        except _UNREADABLE:
            raise damaged(path) from None

    def write_scores(self, condition: str, report: Report, labels: dict[str, NDArray[Any]]) -> None:
        """Keep what came out under a condition.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        path = self._labels_path(condition)
        arrays: dict[str, Any] = {f"labels_{index}": array for index, array in enumerate(labels.values())}
        with atomic(path, overwrite=True) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, names=np.array(json.dumps(list(labels))), **arrays)
        write_json(self._scores_path(condition), report.to_dict(), overwrite=True)

    def finish(self, facts: CellFacts) -> None:
        """Say that the cell is finished; called last."""
        write_json(self._facts_path, asdict(facts), overwrite=True)

    def _scores_path(self, condition: str) -> Path:
        return self.folder / f"scores-{slug(condition)}.json"

    def _labels_path(self, condition: str) -> Path:
        return self.folder / f"labels-{slug(condition)}.npz"

    @property
    def _facts_path(self) -> Path:
        return self.folder / "cell.json"

    @property
    def _failure_path(self) -> Path:
        return self.folder / "failure.txt"


class ExperimentFolder(WatchedFolder):
    """The folder of an experiment, to look at.

    Parameters
    ----------
    path : Path
    """

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the folder of an experiment.

        Raises
        ------
        ModelError
            If it is none.
        """
        if not (path / "experiment.yaml").is_file():
            raise ModelError(
                f"{path} is not the folder of an experiment",
                expected="a folder that `unetscope experiment` wrote",
                fix="check the path",
            )
        return cls(path)

    @cached_property
    def experiment(self) -> Experiment:
        """What is compared."""
        return read_experiment(self.path / "experiment.yaml")

    @property
    def images(self) -> list[dict[str, str]]:
        """Name, group, role and hashes of every image.

        Raises
        ------
        ModelError
            If the file is missing or damaged.
        """
        try:
            entries = json.loads((self.path / "dataset.json").read_text(encoding="utf-8"))
            if not all(entry.keys() >= {"name", "group", "role"} for entry in entries):
                raise ValueError("an image has no name, group or role")
            return list(entries)
        except (OSError, ValueError, TypeError, AttributeError):
            raise damaged(self.path / "dataset.json") from None

    def clear(self) -> None:
        """Forget everything that an earlier experiment left here."""
        shutil.rmtree(self.path / "cells", ignore_errors=True)
        for path in (*self.path.glob("everything-*.json"), self.status_path, self.path / "dataset.json"):
            path.unlink(missing_ok=True)

    @property
    def cells(self) -> list[Cell]:
        """All cells in the order in which they are trained: every arm from the first seed, and so on."""
        return [self.cell(arm, seed) for seed in self.experiment.seeds for arm in self.experiment.arms]

    def cell(self, arm: str, seed: int) -> Cell:
        """The cell of an arm and a seed."""
        return Cell(self.path / "cells" / slug(arm) / f"seed-{seed}", arm, seed)

    def finished(self) -> Iterator[Cell]:
        """The cells that are trained and scored."""
        return (cell for cell in self.cells if cell.finished)

    def everything(self, condition: str) -> Report | None:
        """The scores of calling every pixel the object, where that means anything."""
        path = self.everything_path(condition)
        return read_report(path) if path.is_file() else None

    def everything_path(self, condition: str) -> Path:
        """Where these scores are kept."""
        return self.path / f"everything-{slug(condition)}.json"
