"""What `unetscope experiment` prints while it runs, and how its arguments are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unetscope._words import count
from unetscope.cli.output import note, show_epoch
from unetscope.experiments.documents import experiment as built_in
from unetscope.experiments.experiment import Experiment, read_experiment

if TYPE_CHECKING:
    from unetscope.experiments.results import Results
    from unetscope.experiments.run import ExperimentRun

__all__ = ["announce", "find_experiment", "result_table", "run_experiment"]


def find_experiment(name: str) -> Experiment:
    """An experiment by its name, or from a YAML file.

    Raises
    ------
    RecipeError
        If there is none.
    """
    if name.endswith((".yaml", ".yml")):
        return read_experiment(Path(name))
    return built_in(name)


def announce(run: ExperimentRun) -> None:
    """Say what will be done, before it is."""
    experiment, dataset = run.experiment, run.dataset
    note(f"{experiment.name}: {experiment.title or count(len(experiment.arms), 'recipe')}")
    for sentence in dataset.left_out:
        note(f"left out: {sentence}")
    note(
        f"{count(len(dataset.of('training')), 'image')} to train on, {len(dataset.of('validation'))} to "
        f"validate, {len(dataset.tests)} to test, on {run.device}; folder {run.folder.path}"
    )
    waiting, cells = len(run.waiting), len(run.cells)
    arms, seeds = count(len(experiment.arms), "arm"), count(len(experiment.seeds), "seed")
    sentence = f"{count(cells, 'training')} ({arms} × {seeds})"
    if waiting < cells:
        sentence += f", {cells - waiting} finished already"
    minutes = [run.minutes(cell) for cell in run.waiting]
    known = [each for each in minutes if each is not None]
    if known and len(known) == len(minutes):
        sentence += f"; at most {max(known):g} minutes each, {sum(known):.3g} in all"
    note(sentence)
    for name, budget in experiment.budgets.items():
        if budget.about:
            note(f"budget {name}: {budget.about}")


def run_experiment(run: ExperimentRun) -> None:
    """Run it, and say what happens."""
    for step in run:
        name = f"[{step.done}/{step.of}] {step.cell.arm}, seed {step.cell.seed}"
        if step.record is not None:
            note(f"{name}: {show_epoch(step.record)}")
            continue
        report = step.cell.report(run.experiment.first_condition)
        main = run.experiment.main
        note(f"{name}: {main} {report.mean[main]:.4f} on {count(report.n, 'test image')}")
    for cell in run.cells:
        if cell.failure:
            note(f"careful: {cell.arm}, seed {cell.seed} has no result: {cell.failure}")


def result_table(results: Results) -> str:
    """The table and the answers, as text."""
    from unetscope.evaluation.report import TITLES
    from unetscope.evaluation.table import aligned

    experiment = results.experiment
    rows = []
    for summary in results.summaries():
        scores = [f"{summary.mean[key]:.4f} ± {summary.std[key]:.4f}" for key in experiment.metrics]
        rows.append([summary.arm, summary.condition, *scores, f"{summary.train_seconds[0]:.0f}"])
    head = ["Arm", "Scored", *(TITLES.get(key, key) for key in experiment.metrics), "Training, s"]
    over = f"Mean over images, then mean ± sample std over {count(len(experiment.seeds), 'seed')}."
    answers = [f"- {answer.sentence}" for answer in results.answers()]
    return "\n".join([aligned(head, [rows]), "", over, *answers])
