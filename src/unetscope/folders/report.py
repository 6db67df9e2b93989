"""Write a comparison as a folder that a person can read and pass on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

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
    text = "\n\n".join(["# Segmentation report", report.to_markdown("summary"), *pictures, "## All images"])
    text += f"\n\n{report.to_markdown()}\n"
    return write_text(out / "report.md", text, overwrite=overwrite)


def _cases(comparison: Comparison) -> list[Any]:
    from unetscope.evaluation.cases import Case

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
        truth = true_labels(comparison.truth[position].data, comparison.target)
        predicted = np.where(truth == IGNORED, 0, comparison.predicted[position].data)
        truth = np.maximum(truth, 0)
        if comparison.target.kind == "instances":
            truth, predicted = truth > 0, predicted > 0
        dice = report.scores[position].dice
        cases.append(Case(f"{', '.join(ranks)}: {name}, Dice {dice:.3f}", image.data, truth, predicted))
    return cases
