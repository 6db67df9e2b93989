"""The report of an experiment, for people: what was asked, what came out, and how it was done.

Markdown for whoever keeps results beside code, and one page of HTML to open and pass on. Both are made of the
same blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from unetscope import __version__
from unetscope._words import count
from unetscope.evaluation.report import TITLES, Report, show_value
from unetscope.experiments.experiment import Experiment
from unetscope.experiments.folder import ExperimentFolder
from unetscope.experiments.report.blocks import (
    Block,
    Foreign,
    Heading,
    Items,
    Notice,
    Paragraph,
    Picture,
    Table,
    to_markdown,
)
from unetscope.experiments.report.figures import FIGURES, Pictures, draw_figures
from unetscope.experiments.report.page import to_html
from unetscope.experiments.report.setup import setup_blocks
from unetscope.experiments.results import Results, Summary
from unetscope.io.write import write_text

__all__ = ["report_blocks", "write_report"]

_SECONDS = ("train_seconds", "predict_seconds")
_FILES = (
    "Beside this report, results.csv holds every score of every image and seed, summary.csv the tables, and "
    "results.json everything together. The folder cells holds what was trained, a folder for each recipe and "
    f"seed, with its model and predictions. Written by UNetScope {__version__}."
)


def write_report(
    folder: ExperimentFolder, pictures: Pictures | None = None, *, results: Results | None = None
) -> Path:
    """Write ``report.md``, ``report.html`` and ``figures/*.png`` into the folder of an experiment.

    Cells that are not finished are left out, and the report says so. Earlier files are replaced; a figure of
    an earlier report that is not drawn any more is removed.

    Parameters
    ----------
    folder : ExperimentFolder
    pictures : Pictures, optional
        Pixels; figures that need them are left out unless given.
    results : Results, optional
        Of the folder, where they are read already.

    Returns
    -------
    Path
        ``report.html``, which is one file that needs no other.

    Raises
    ------
    UNetScopeError
        If results are damaged, or the report cannot be written.
    """
    from unetscope.evaluation.plots import save

    results = Results(folder) if results is None else results
    drawn: list[Picture] = []
    place = folder.path / "figures"
    place.mkdir(exist_ok=True)
    for drawing in draw_figures(folder, results, pictures):
        path = f"figures/{drawing.name}.png"
        save(drawing.figure, folder.path / path, overwrite=True)
        drawn.append(Picture(path, drawing.title, drawing.caption))
    for name in FIGURES:
        if f"figures/{name}.png" not in {picture.path for picture in drawn}:
            (place / f"{name}.png").unlink(missing_ok=True)
    blocks = report_blocks(folder, results, drawn)
    files = {picture.path: (folder.path / picture.path).read_bytes() for picture in drawn}
    write_text(folder.path / "report.md", to_markdown(blocks), overwrite=True)
    return write_text(folder.path / "report.html", to_html(blocks, files), overwrite=True)


def report_blocks(folder: ExperimentFolder, results: Results, figures: Sequence[Picture] = ()) -> list[Block]:
    """The report, block by block.

    Parameters
    ----------
    folder : ExperimentFolder
    results : Results
        Of the same folder.
    figures : sequence of Picture
        What was drawn.
    """
    experiment = results.experiment
    blocks: list[Block] = [Heading(experiment.title or experiment.name, 1), *_missing(results)]
    blocks += [Paragraph(_asked(folder, results)), Heading("Answers"), *_answers(results)]
    if results.cells:
        blocks += [Heading("Scores"), *_scores(folder, results), _cost(results)]
        blocks += [Heading("Every image"), *_images(results)]
    if figures:
        blocks += [Heading("Figures"), *figures]
    blocks += [Heading("How it was done"), *setup_blocks(folder, results)]
    if experiment.document:
        blocks += [Heading("What the document says"), Foreign(experiment.document)]
    return [*blocks, Heading("Files"), Paragraph(_FILES)]


def _missing(results: Results) -> Iterator[Block]:
    """What is not finished, and why."""
    waiting: dict[str, list[str]] = {}
    for cell in results.waiting:
        waiting.setdefault(cell.arm, []).append(str(cell.seed))
    if waiting:
        cells = "; ".join(f"{arm} ({_seeds(seeds)})" for arm, seeds in waiting.items())
        yield Notice(
            "This experiment is not finished. Of "
            f"{count(len(results.folder.cells), 'training')} these are missing: {cells}."
        )
    unscored = [
        f"“{name}”"
        for name in results.experiment.conditions
        if not all(cell.scored([name]) for cell in results.cells)
    ]
    if unscored:
        yield Notice(f"Some models are not scored yet as {' and '.join(unscored)}.")
    failures = [(f"{each.arm}, seed {each.seed}:", each.failure) for each in results.waiting if each.failure]
    if failures:
        yield Paragraph("Some trainings broke down:")
        yield Items(tuple(failures))
    status = results.folder.status()
    if status.get("state") == "failed" and status.get("message"):
        yield Notice(f"The experiment ended early. {status['message']}")


def _asked(folder: ExperimentFolder, results: Results) -> str:
    experiment = results.experiment
    tests = [entry for entry in folder.images if entry["role"] == "test"]
    arms, seeds = count(len(experiment.arms), "recipe"), count(len(experiment.seeds), "seed")
    conditions = len(experiment.conditions)
    text = (
        f"The experiment “{experiment.name}” trains {arms} from {seeds} each, and scores every model on the "
        f"same {count(len(tests), 'test image')}"
    )
    text += f" in {conditions} ways." if conditions > 1 else "."
    return f"{text} The score that decides is {_title(experiment.main)}."


def _answers(results: Results) -> Iterator[Block]:
    answers = results.answers()
    points = [(each.contrast.question, each.sentence) for each in answers]
    answered = [each.contrast for each in answers]
    points += [
        (each.question, f"{each.better} and {each.than}: no answer yet.")
        for each in results.experiment.contrasts
        if each not in answered
    ]
    if points:
        yield Items(tuple(points))
    else:
        yield Paragraph("No two recipes were to be compared; the tables below show how each one does.")
    if answers:
        yield Paragraph(
            "A difference is called better or worse only if its 95 % interval does not hold 0. With several "
            "seeds the interval allows for both chances: which images were tested, and which seeds taken."
        )


def _scores(folder: ExperimentFolder, results: Results) -> Iterator[Block]:
    experiment = results.experiment
    for name, condition in experiment.conditions.items():
        if (table := _score_table(folder, results, name)) is not None:
            if len(experiment.conditions) > 1 and condition.about:
                yield Paragraph(f"{name}: {condition.about}")
            yield table
    yield Paragraph(_over(results))
    sources = tuple(
        (f"{each.arm}, in the document:", each.about) for each in experiment.published if each.about
    )
    if sources:
        yield Items(tuple(dict.fromkeys(sources)))


def _score_table(folder: ExperimentFolder, results: Results, condition: str) -> Table | None:
    experiment = results.experiment
    metrics, main = experiment.metrics, experiment.main
    rows: list[tuple[str, ...]] = []
    aside: set[int] = set()
    for arm in experiment.arms:
        summary = results.summary(arm, condition)
        if summary is not None:
            scores = (_with_spread(each, summary) for each in metrics)
            rows.append((arm, *scores, show_value(main, summary.image_std.get(main)), _worst(summary, main)))
        published = _published(experiment, arm, condition)
        if published.keys() & set(metrics):
            aside.add(len(rows))
            numbers = (f"{published[each]:g}" if each in published else "" for each in metrics)
            rows.append((f"{arm}, in the document", *numbers, "", ""))
    baseline = folder.everything(condition)
    if baseline is not None:
        aside.add(len(rows))
        rows.append(("calling everything the object", *_baseline(baseline, metrics, main)))
    if all(results.summary(arm, condition) is None for arm in experiment.arms):
        return None
    header = ("", *map(_title, metrics), "Spread over images", f"Worst {_title(main)}")
    return Table(f"Scores: {condition}", header, tuple(rows), frozenset(aside))


def _baseline(report: Report, metrics: Sequence[str], main: str) -> tuple[str, ...]:
    return (
        *(show_value(each, report.mean.get(each)) for each in metrics),
        show_value(main, report.std.get(main)),
        "",
    )


def _published(experiment: Experiment, arm: str, condition: str) -> dict[str, float]:
    """What the document says, also where nothing of ours is finished."""
    found: dict[str, float] = {}
    for each in experiment.published:
        if each.arm == arm and experiment.condition(each.condition) == condition:
            found |= each.scores
    return found


def _with_spread(metric: str, summary: Summary) -> str:
    mean, std = summary.mean.get(metric), summary.std.get(metric)
    spread = "" if std is None or math.isnan(std) else f" ± {show_value(metric, std)}"
    return show_value(metric, mean) + spread


def _worst(summary: Summary, main: str) -> str:
    name, value = summary.worst
    return f"{show_value(main, value)}, {name}"


def _over(results: Results) -> str:
    """What the numbers of the tables are over."""
    summaries = results.summaries()
    images = count(max(each.images for each in summaries), "test image")
    numbers = sorted({len(each.seeds) for each in summaries})
    text = f"Each score is the mean over {images} of what one seed gives, and the mean of that over the seeds"
    if numbers == [1]:
        text += ". There is one seed for each recipe, so nothing is known about the spread over seeds."
    else:
        each = f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"
        text += f", ± their sample standard deviation, from {each} seeds for each recipe."
    text += (
        f" Spread over images is the standard deviation of {_title(results.experiment.main)} over them, "
        "mean over seeds. The worst image is that of the mean over seeds."
    )
    text += " An image with no object in truth and prediction scores 1."
    if results.experiment.material.target.kind == "multiclass":
        text += (
            " Of several classes, each that occurs in an image counts the same; background is none of them."
        )
    if "object_f1" in results.experiment.metrics:
        text += " Objects match if they overlap with an IoU of 0.5 or more."
    return f"{text} Rows in italics are no trainings of ours."


def _cost(results: Results) -> Table:
    experiment = results.experiment
    rows: list[tuple[str, ...]] = []
    aside: set[int] = set()
    for arm in experiment.arms:
        summary = next((each for each in results.summaries() if each.arm == arm), None)
        if summary is not None:
            rows.append(_cost_row(arm, summary))
        told = {
            key: value
            for name in experiment.conditions
            for key, value in _published(experiment, arm, name).items()
        }
        if told.keys() & set(_SECONDS):
            aside.add(len(rows))
            seconds = (f"{told[key]:g}" if key in told else "" for key in _SECONDS)
            rows.append((f"{arm}, in the document", *seconds, "", "", "", ""))
    images = max(each.images for each in results.summaries())
    header = (
        "",
        "Training (s)",
        f"Predicting {count(images, 'image')} (s)",
        "Epochs",
        "Parameters",
        "Training images",
        "Seeds",
    )
    return Table("What they cost", header, tuple(rows), frozenset(aside))


def _cost_row(arm: str, summary: Summary) -> tuple[str, ...]:
    return (
        arm,
        _seconds(*summary.train_seconds),
        _seconds(*summary.predict_seconds),
        f"{summary.epochs:.0f}",
        f"{summary.parameters:,}",
        str(summary.training_images),
        ", ".join(map(str, summary.seeds)),
    )


def _seconds(mean: float, std: float) -> str:
    digits = 0 if mean >= 100 else 1 if mean >= 1 else 2
    return f"{mean:.{digits}f}" + ("" if math.isnan(std) else f" ± {std:.{digits}f}")


def _images(results: Results) -> Iterator[Block]:
    experiment = results.experiment
    for condition in experiment.conditions:
        arms = [arm for arm in experiment.arms if results.summary(arm, condition) is not None]
        if not arms:
            continue
        rows = results.image_rows(condition)
        grouped = len({row["group"] for row in rows}) < len(rows)
        header = ("Image", *(["Group"] if grouped else []), *arms)
        cells = tuple(
            (
                str(row["name"]),
                *([str(row["group"])] if grouped else []),
                *(show_value(experiment.main, row.get(arm)) for arm in arms),
            )
            for row in rows
        )
        caption = f"{_title(experiment.main)} of every test image, mean over seeds: {condition}"
        yield Table(caption, header, cells, folded=True)


def _title(metric: str) -> str:
    return TITLES.get(metric, metric)


def _seeds(seeds: Sequence[str]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}"
