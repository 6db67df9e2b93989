"""Where a table of scores comes from: a run, two folders, or layers; and the images behind its rows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from unetscope import api
from unetscope._napari.jobs.warm import import_torch
from unetscope._napari.layers.layer import image_of
from unetscope._napari.predict.kept_model import KeptModel
from unetscope._napari.predict.predicted import KEY
from unetscope._words import count
from unetscope.errors import InputError
from unetscope.evaluation import Report, read_report
from unetscope.evaluation.overlay import slice_to_look_at
from unetscope.folders import Comparison, compare_folders, compare_run, image_of_run
from unetscope.folders.run import Role
from unetscope.io import Image
from unetscope.preprocess import is_labeled
from unetscope.recipe.recipe import Target
from unetscope.training.folder import RunFolder

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Labels

__all__ = ["Case", "FolderScores", "LayerPair", "LayerScores", "Other", "RunScores", "Scores"]

Told = Callable[[float], None]
"""Told the part of the work that is done, from 0 to 1; may raise to stop it."""

_CAUTIONS = {
    "training": "The model learned from them: the scores say nothing about new images.",
    "validation": "They chose the best epoch and the threshold: for a final number, measure test images.",
    "test": "They took no part in training.",
}
_STROKES = "Only strokes count, which are the easy places: look at whole images, too."
# A person who has classes has fewer of them than a mask that numbers objects has values.
_MOST_CLASSES = 16
_LIKE_OBJECTS = "The masks hold {} different values: if each is an object of its own, choose “Objects”."
# Images of a run that are kept with their predictions, so that going back to one takes no time.
_KEPT = 6


@dataclass(frozen=True, eq=False)
class Case:
    """What is behind a row.

    Attributes
    ----------
    name : str
    image : Image or None
        What was segmented, where it is known.
    truth, predicted : Image
    outcomes : Image
        From `api.outcomes`.
    where : mapping of str to int
        Where to look first: the time point of the row, and the slice with the most mistakes, by axis.
    colors : mapping of str to str
        Names and colors of the outcomes, in the order of their values.
    layer : Labels layer or None
        The layer of the prediction, if all this is in the viewer already.
    """

    name: str
    image: Image | None
    truth: Image
    predicted: Image
    outcomes: Image
    where: Mapping[str, int]
    colors: Mapping[str, str]
    layer: Labels | None = None


class Scores(Protocol):
    """A table of scores, what it is over, and the images behind it.

    Attributes
    ----------
    name : str
        For legends.
    report : Report
    over : str
        What the scores are over, in words.
    caution : str
        What to keep in mind about them; may be empty.
    history : sequence of mapping
        Epochs of the training, if there was one.
    colors : mapping of str to str
        Names and colors of what becomes of pixels, or of objects.
    """

    name: str
    report: Report
    over: str
    caution: str
    history: Sequence[Mapping[str, Any]]
    colors: Mapping[str, str]

    def case(self, index: int, told: Told) -> Case:
        """The images behind a row; may take long."""

    def comparison(self, told: Told) -> Comparison:
        """All images with their predictions, for a report; may take long."""


class Other(NamedTuple):
    """Scores to compare with."""

    name: str
    report: Report
    history: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, path: Path) -> Other:
        """Read those of a run, of a report folder, or of a JSON file.

        Raises
        ------
        InputError
            If there are none.
        """
        history = RunFolder(path).history() if path.is_dir() else ()
        return cls(path.name, read_report(path), history)


class FolderScores:
    """Scores of files: predictions in one folder, masks in another."""

    history: Sequence[Mapping[str, Any]] = ()

    def __init__(self, comparison: Comparison, name: str) -> None:
        self.name = name
        self.report = comparison.report
        self.caution = _doubt(comparison.report)
        self.over = f"{count(self.report.n, 'image')} of {name}"
        self.colors = api.outcome_colors(comparison.target)
        self._comparison = comparison

    @classmethod
    def of(cls, predicted: Path, truth: Path, target: Target) -> FolderScores:
        """Compare two folders, or two files.

        Raises
        ------
        InputError
            If they do not fit together.
        """
        objects = target.kind == "instances"
        comparison = compare_folders(
            predicted, truth, objects=objects, ignore=target.ignore, background=target.background
        )
        return cls(comparison, predicted.name)

    def case(self, index: int, told: Told) -> Case:  # noqa: ARG002 - everything is there already
        """The images behind a row."""
        return _case_of(self._comparison, index)

    def comparison(self, told: Told) -> Comparison:  # noqa: ARG002 - everything is there already
        """All images with their predictions."""
        return self._comparison


class RunScores:
    """Scores of a run; its images are read and segmented when they are looked at.

    Parameters
    ----------
    run : Path
    report : Report
    role : {"training", "validation", "test"}
        Which images of the run they are.
    """

    def __init__(self, run: Path, report: Report, role: Role = "validation") -> None:
        folder = RunFolder.open(run)
        self.name = run.name
        self.report = report
        self.role = role
        self.over = f"{count(report.n, f'{role} image'.strip())} of run {run.name}"
        self.history: Sequence[Mapping[str, Any]] = folder.history()
        self._folder = folder
        self._target = folder.recipe.target
        self.colors = api.outcome_colors(self._target)
        self.caution = f"{_CAUTIONS[role]} {_STROKES if self._target.sparse else ''}".rstrip()
        self._model = KeptModel()
        self._cases: OrderedDict[int, Case] = OrderedDict()
        # One image at a time, also when the next one is asked for before the last one is done.
        self._lock = threading.Lock()

    @classmethod
    def of(cls, run: Path, role: Role, told: Told) -> RunScores:
        """Scores that the run has, or else make them, which may take long.

        Raises
        ------
        ModelError, InputError
            If it is no run, has no model or no such images.
        """
        if role == "validation":
            try:
                return cls(run, read_report(run))
            except InputError:
                # The training was killed before it could score, or is not over.
                pass
        import_torch()
        return cls(run, compare_run(run, role=role, progress=told).report, role)

    def case(self, index: int, told: Told) -> Case:
        """Read and segment the image of a row, unless that was done lately."""
        with self._lock:
            if index not in self._cases:
                self._cases[index] = self._segmented(index, told)
                if len(self._cases) > _KEPT:
                    self._cases.popitem(last=False)
            self._cases.move_to_end(index)
            return self._cases[index]

    def comparison(self, told: Told) -> Comparison:
        """Segment all images."""
        import_torch()
        return compare_run(self._folder.path, role=self.role, progress=told)

    def _segmented(self, index: int, told: Told) -> Case:
        image, truth = image_of_run(self._folder.path, self.report.scores[index].name)
        told(0)
        model = self._model.load(self._folder.model_path)
        predicted = api.predict(model, image, progress=told).labels
        return _case(self.report, index, (truth, predicted), self._target, image=image)


class LayerScores:
    """Scores of Labels layers, each against the Labels layer that holds its truth.

    Parameters
    ----------
    pairs : sequence of LayerPair
    target : Target
        How the truth is read.

    Raises
    ------
    InputError
        If prediction and truth differ in shape, or nothing is labeled.
    """

    history: Sequence[Mapping[str, Any]] = ()
    name = "layers"

    def __init__(self, pairs: Sequence[LayerPair], target: Target) -> None:
        rows = [
            (_Place(pair, point), name, predicted, truth)
            for pair in pairs
            for point, (name, truth, predicted) in enumerate(
                api.time_points(pair.name, pair.truth.load(), pair.predicted.load())
            )
            if is_labeled(truth.data, target)
        ]
        if not rows:
            raise InputError(
                "nothing is labeled in the truth",
                expected="labeled pixels",
                fix="choose another layer, or say otherwise what its labels mean",
            )
        self._places, names, predicted, truth = zip(*rows, strict=True)
        self.report = api.evaluate(predicted, truth, names=names, target=target)
        self.over = f"{count(self.report.n, 'image')} in the viewer"
        self.caution = _doubt(self.report)
        self.colors = api.outcome_colors(target)
        images = tuple(_point_of(pair.image, point) for pair, point in self._places)
        self._comparison = Comparison(names, predicted, truth, images, self.report, (), target)

    def case(self, index: int, told: Told) -> Case:  # noqa: ARG002 - everything is there already
        """The labels behind a row, all time points of them."""
        pair, point = self._places[index]
        case = _case(self.report, index, (pair.truth, pair.predicted), self._comparison.target, point=point)
        return replace(case, layer=pair.layer)

    def comparison(self, told: Told) -> Comparison:  # noqa: ARG002 - everything is there already
        """All labels."""
        return self._comparison


class LayerPair(NamedTuple):
    """A Labels layer with a prediction, and what it, the layer of its truth and that of its image hold."""

    name: str
    layer: Labels
    predicted: Image
    truth: Image
    image: Image | None

    @classmethod
    def of(cls, predicted: Labels, truth: Labels, layers: LayerList) -> LayerPair:
        """Look at two layers, and at the one that was segmented if it is among `layers`; in the GUI thread.

        Raises
        ------
        InputError
            If their axes cannot be named.
        """
        source = predicted.metadata.get(KEY, {}).get("image")
        image = image_of(layers[source]) if source in layers else None
        return cls(predicted.name, predicted, image_of(predicted), image_of(truth), image)


class _Place(NamedTuple):
    pair: LayerPair
    point: int


def _point_of(image: Image | None, point: int) -> Image | None:
    return None if image is None else image.time_points()[point].load()


def _case_of(comparison: Comparison, index: int) -> Case:
    pair = comparison.truth[index], comparison.predicted[index]
    return _case(comparison.report, index, pair, comparison.target, image=comparison.images[index])


def _case(
    report: Report,
    index: int,
    pair: tuple[Image, Image],
    target: Target,
    *,
    image: Image | None = None,
    point: int = 0,
) -> Case:
    labels = tuple(report.per_class)
    # Besides the background, which is always one of them.
    classes = labels if len(labels) > 2 else None
    truth, predicted = pair
    outcomes = api.outcomes(truth, predicted, target=target, classes=classes)
    where = _where(outcomes, point)
    colors = api.outcome_colors(target)
    return Case(report.scores[index].name, image, truth, predicted, outcomes, where, colors)


def _where(outcomes: Image, point: int) -> dict[str, int]:
    places = {}
    if "T" in outcomes.axes:
        places["T"] = point
        outcomes = outcomes.take("T", point)
    if "Z" in outcomes.axes:
        places["Z"] = slice_to_look_at(outcomes.data)
    return places


def _doubt(report: Report) -> str:
    """A word of caution if objects seem to have been taken for classes."""
    values = len(report.per_class)
    return _LIKE_OBJECTS.format(values) if values > _MOST_CLASSES else ""
