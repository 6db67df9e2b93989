"""Write a comparison as a folder that a person can read and pass on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope import api
from unetscope.evaluation.cases import Case
from unetscope.evaluation.objects import connected_objects
from unetscope.evaluation.report import TITLES
from unetscope.folders.compare import Comparison
from unetscope.io import output_folder, write_csv, write_json, write_text
from unetscope.preprocess import IGNORED, true_labels

__all__ = ["write_report"]


def write_report(
    comparison: Comparison, out: Path, *, history: Sequence[Mapping[str, Any]] = (), overwrite: bool = False
) -> Path:
    """Write a report folder: Markdown with figures, the table as CSV, and all numbers as JSON.

    Parameters
    ----------
    comparison : Comparison
    out : Path
        The folder; made if need be.
    history : sequence of mapping
        Epoch records of the training, for its curves.
    overwrite : bool
        Whether an earlier report may be replaced.

    Returns
    -------
    Path
        ``report.md`` in the folder.

    Raises
    ------
    OutputError
        If the folder holds something already, or cannot be written.
    """
    from unetscope.evaluation.plots import case_panels, save, score_bars, training_curves

    output_folder(out, overwrite=overwrite)
    report = comparison.report
    write_json(out / "scores.json", report.to_dict(), overwrite=overwrite)
    rows = report.rows()
    write_csv(out / "scores.csv", rows, list(rows[0]), overwrite=overwrite)
    figures = {"scores.png": ("Scores", score_bars(report))}
    if any(image is not None for image in comparison.images):
        figures["cases.png"] = ("Best, median and worst image", case_panels(_cases(comparison)))
    if history:
        figures["curves.png"] = ("Training", training_curves(history))
    for name, (_, figure) in figures.items():
        save(figure, out / name, overwrite=overwrite)
    pictures = [f"## {title}\n\n![{title}]({name})" for name, (title, _) in figures.items()]
    head = ["# Segmentation report", *comparison.notes, report.to_markdown("summary")]
    text = "\n\n".join([*head, *pictures, "## All images"])
    text += f"\n\n{report.to_markdown()}\n"
    return write_text(out / "report.md", text, overwrite=overwrite)


def _cases(comparison: Comparison) -> list[Case]:
    report = comparison.report
    titles: dict[str, list[str]] = {}
    for title, score in (("best", report.best()), ("median", report.median()), ("worst", report.worst())):
        titles.setdefault(score.name, []).append(title)
    cases = []
    for name, ranks in titles.items():
        position = comparison.names.index(name)
        image = comparison.images[position]
        if image is None:
            continue
        value = report.values[report.ranked_by][position]
        title = f"{', '.join(ranks)}: {name}, {TITLES[report.ranked_by]} {value:.3f}"
        cases.append(_case(comparison, position, title, image.data))
    return cases


def _case(comparison: Comparison, position: int, title: str, image: NDArray[Any]) -> Case:
    truth, predicted = comparison.truth[position], comparison.predicted[position]
    labels = true_labels(truth.data, comparison.target)
    known, shown = labels != IGNORED, np.maximum(labels, 0)
    if comparison.report.scores[position].objects is not None:
        outcomes = api.outcomes(truth, predicted, target=comparison.target).data
        return Case(title, image, shown, np.where(known, connected_objects(predicted.data), 0), outcomes)
    if comparison.target.kind == "instances":
        return Case(title, image, shown > 0, known & (predicted.data > 0))
    return Case(title, image, shown, np.where(known, predicted.data, 0))
