"""Train and score the cells of an experiment, one after the other, and go on where it stopped."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from unetscope import api
from unetscope.errors import ModelError, OutputError, TrainingError, explain
from unetscope.experiments.dataset import Dataset, draw, examples_of, load_dataset, noisy
from unetscope.experiments.experiment import Arm, Budget, Condition, Experiment, to_yaml
from unetscope.experiments.folder import Cell, CellFacts, ExperimentFolder
from unetscope.experiments.results import Results
from unetscope.experiments.scoring import score, score_everything
from unetscope.io import output_folder, write_json, write_text
from unetscope.recipe import Recipe, change

if TYPE_CHECKING:
    from unetscope.experiments.report import Pictures
    from unetscope.training.dataset import Example
    from unetscope.training.loop import EpochRecord

__all__ = ["ExperimentRun", "Step", "prepare_experiment"]


@dataclass(frozen=True)
class Step:
    """Something that happened in an experiment.

    Attributes
    ----------
    cell : Cell
    done, of : int
        Cells that are finished, and all.
    record : EpochRecord or None
        An epoch that ended, or None when the cell is finished.
    """

    cell: Cell
    done: int
    of: int
    record: EpochRecord | None = None


class ExperimentRun:
    """An experiment that is about to begin or to go on; iterate to run it.

    Attributes
    ----------
    folder : ExperimentFolder
        It may hold more arms and seeds than are run now.
    experiment : Experiment
        What is run, with the one budget that counts.
    dataset : Dataset
    device : str
    """

    def __init__(
        self, folder: ExperimentFolder, experiment: Experiment, dataset: Dataset, device: str
    ) -> None:
        self.folder = folder
        self.experiment = experiment
        self.dataset = dataset
        self.device = device

    @property
    def waiting(self) -> list[Cell]:
        """The cells that are still to be trained and scored."""
        conditions = tuple(self.experiment.conditions)
        return [cell for cell in self.cells if not (cell.finished and cell.scored(conditions))]

    @property
    def cells(self) -> list[Cell]:
        """All cells of what is run: every arm from the first seed, then from the second, and so on."""
        return [self.folder.cell(arm, seed) for seed in self.experiment.seeds for arm in self.experiment.arms]

    def __iter__(self) -> Iterator[Step]:
        """Run what is not finished yet; whoever iterates may stop at any step, and nothing is lost."""
        of = len(self.cells)
        self._tell("preparing", None, of)
        with self._telling_failure(of):
            for condition in self.experiment.conditions:
                self._score_everything(condition)
            for cell in self.waiting:
                self._tell("training", cell, of)
                for record in self._train(cell):
                    yield Step(cell, self._done, of, record)
                    if self.folder.stop_requested:
                        self._tell("stopped", None, of)
                        return
                if cell.failure:
                    continue
                self._tell("scoring", cell, of)
                self._score(cell)
                yield Step(cell, self._done, of)
        self._tell("finished", None, of)

    def minutes(self, cell: Cell) -> float | None:
        """How long a cell may train; None where epochs alone decide."""
        arm, budget = self.experiment.arms[cell.arm], self.experiment.budget
        if arm.recipe == "auto":
            return budget.minutes_of_auto
        return budget.minutes

    def report(self) -> Path:
        """Write tables, numbers and the report of all finished cells; returns the report.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        from unetscope.experiments.report import write_report

        state = str(self.folder.status().get("state", "finished"))
        self._tell("reporting", None, len(self.cells))
        results = Results(self.folder)
        results.write()
        path = write_report(self.folder, self.pictures(results), results=results)
        self._tell(state, None, len(self.cells))
        return path

    def pictures(self, results: Results) -> Pictures:
        """The pixels that the report shows, with what each arm says about one training image."""
        from unetscope.experiments.report import Pictures
        from unetscope.experiments.report.charts import ranks

        tests = {example.name: example for example in self.dataset.tests if "T" not in example.image.axes}
        training = [example for example in self.dataset.of("training") if "T" not in example.image.axes]
        shown = [name for name in ranks(results) if name in tests]
        noises = {name: each.noise for name, each in self.folder.experiment.conditions.items() if each.noise}
        labels = {cell.arm: _labels(cell, training[:1], self.device) for cell in self._first_cells()}
        return Pictures(
            test={name: _pixels(example) for name, example in tests.items()},
            training={example.name: _pixels(example) for example in training},
            training_labels=labels,
            noisy={
                condition: {name: noisy(tests[name].image, sigma).channel_first() for name in shown}
                for condition, sigma in noises.items()
            },
        )

    def _first_cells(self) -> list[Cell]:
        """The finished cell of the first seed of every arm."""
        first: dict[str, Cell] = {}
        for cell in self.folder.finished():
            first.setdefault(cell.arm, cell)
        return list(first.values())

    @property
    def _done(self) -> int:
        return sum(cell.finished for cell in self.cells)

    def _tell(self, state: str, cell: Cell | None, of: int, message: str = "") -> None:
        self.folder.write_status(
            state=state,
            message=message,
            cell=None if cell is None else {"arm": cell.arm, "seed": cell.seed},
            done=self._done,
            of=of,
            pid=os.getpid(),
            device=self.device,
        )

    @contextmanager
    def _telling_failure(self, of: int) -> Iterator[None]:
        try:
            yield
        except (GeneratorExit, KeyboardInterrupt, SystemExit):
            self._tell("stopped", None, of)
            raise
        except Exception as error:
            self._tell("failed", None, of, explain(error))
            raise

    def _train(self, cell: Cell) -> Iterator[EpochRecord]:
        """Train a cell; a training that breaks down is a result too, and the other cells go on."""
        cell.forget_failure()
        training = self._training(cell)
        try:
            yield from training
        except TrainingError as error:
            if not cell.run.model_path.exists():
                cell.fail(str(error))
                return
            cell.run.write_status(state="finished", message=str(error))
        training.finish()

    def _training(self, cell: Cell) -> api.Training:
        from unetscope.training.run import Run
        from unetscope.training.session import describe_data

        arm = self.experiment.arms[cell.arm]
        examples = examples_of(self.dataset, arm, seed=cell.seed)
        if not cell.begun:
            recipe = recipe_of(arm, examples, self.experiment.budget, seed=cell.seed, device=self.device)
            run = Run.create(cell.run.path, recipe, describe_data(examples, recipe))
            return api.Training(run, examples, self.device)
        run = Run.open(cell.run.path)
        if describe_data(examples, run.recipe) != run.data:
            raise ModelError(
                f"{run.path} was trained on other images",
                expected="those of the experiment",
                fix="remove the folder of the cell, and run the experiment again",
            )
        run.clear_requests()
        return api.Training(run, examples, self.device)

    def _score(self, cell: Cell) -> None:
        from unetscope.model import Model

        model: Model = api.load_model(cell.run.path, device=self.device)
        predicted: dict[float, list[Any]] = {}
        seconds = 0.0
        for name, condition in self.experiment.conditions.items():
            if condition.noise not in predicted:
                images = [self._image(example, condition) for example in self.dataset.tests]
                started = time.perf_counter()
                predicted[condition.noise] = [api.predict(model, image) for image in images]
                seconds = seconds or time.perf_counter() - started
            report, labels = score(
                predicted[condition.noise], self.dataset.tests, condition, self.experiment.material.target
            )
            cell.write_scores(name, report, labels)
        cell.finish(self._facts(cell, model, seconds))

    def _image(self, example: Example, condition: Condition) -> Any:
        return noisy(example.image, condition.noise) if condition.noise else example.image

    def _score_everything(self, name: str) -> None:
        path = self.folder.everything_path(name)
        target = self.experiment.material.target
        if path.exists() or target.kind == "multiclass":
            return
        report = score_everything(self.dataset.tests, self.experiment.conditions[name], target)
        write_json(path, report.to_dict(), overwrite=True)

    def _facts(self, cell: Cell, model: Any, seconds: float) -> CellFacts:
        history = cell.run.history()
        roles = [entry.role for entry in cell.run.data]
        kept = model.provenance["scores"]
        return CellFacts(
            arm=cell.arm,
            seed=cell.seed,
            epochs=history[-1]["epoch"],
            best_epoch=kept["epoch"],
            train_seconds=history[-1]["seconds"],
            predict_seconds=seconds,
            images=len(self.dataset.tests),
            training_images=roles.count("training"),
            validation_images=roles.count("validation"),
            parameters=sum(weights.numel() for weights in model.network.parameters()),
            validation_dice=kept["validation dice"],
            threshold=model.threshold,
            device=self.device,
            machine=_machine(self.device),
            note=str(cell.run.status().get("message", "")),
        )


def prepare_experiment(
    experiment: Experiment,
    data: Path,
    out: Path,
    *,
    budget: str | float | None = None,
    test: Path | None = None,
    masks: Path | None = None,
    device: str = "auto",
    overwrite: bool = False,
) -> ExperimentRun:
    """Read the data and settle who trains and who tests; begin the folder, or go on with it.

    Parameters
    ----------
    experiment : Experiment
    data : Path
        See `load_dataset`, also for `test` and `masks`.
    out : Path
        The folder. If it holds the same experiment on the same data, finished cells are kept.
    budget : str or float, optional
        The name of one of the experiment's budgets, or minutes for each training. Unless given, ``full`` on
        a graphics card and ``cpu`` elsewhere, if there are such.
    device : str
        ``"auto"`` (CUDA, else MPS, else CPU), or a torch device.
    overwrite : bool
        Whether another experiment in the folder may be replaced.

    Raises
    ------
    UNetScopeError
        For anything wrong with experiment, data or folder, before training begins.
    """
    from unetscope.training.loop import choose_device

    chosen = choose_device(device)
    settled = experiment.with_budget(budget, default="cpu" if chosen.type == "cpu" else "full")
    dataset = load_dataset(data, settled.material, test=test, masks=masks)
    for arm in settled.arms.values():
        _check(arm, dataset, settled.budget)
    folder = _begin(settled, dataset, out, overwrite=overwrite)
    folder.clear_requests()
    return ExperimentRun(folder, settled, dataset, str(chosen))


def recipe_of(
    arm: Arm, examples: Sequence[Example], budget: Budget, *, seed: int, device: str = "auto"
) -> Recipe:
    """The recipe that a cell is trained with.

    Parameters
    ----------
    arm : Arm
    examples : sequence of Example
        What it trains on; ``auto`` plans for them.
    budget : Budget
    seed : int
    device : str

    Raises
    ------
    RecipeError
        If there is no such preset or file, or a setting is wrong.
    """
    if arm.recipe == "auto":
        minutes = budget.minutes_of_auto
        plan = api.plan_examples(examples, minutes=minutes, device=device, settings=arm.settings)
        recipe = change(plan.recipe, arm.settings)
    else:
        # Settings of the budget last: it is what fits.
        recipe = change(api.find_recipe(arm.recipe), {**arm.settings, **budget.settings})
        if budget.minutes is not None:
            recipe = change(recipe, {"training.minutes": budget.minutes})
    return recipe.model_copy(update={"seed": seed})


def _check(arm: Arm, dataset: Dataset, budget: Budget) -> None:
    """Find out now what would end the experiment after hours."""
    draw(dataset, arm, seed=0)
    if arm.recipe != "auto":
        recipe_of(arm, (), budget, seed=0)


def _begin(experiment: Experiment, dataset: Dataset, out: Path, *, overwrite: bool) -> ExperimentFolder:
    """Begin the folder of an experiment, or make sure that it holds this one."""
    described = dataset.describe()
    if (out / "experiment.yaml").is_file() and not overwrite:
        known = ExperimentFolder(out)
        agrees = known.experiment.agrees_with(experiment)
        if not agrees or known.images != described:
            other = "this experiment on other images" if agrees else "another experiment or budget"
            raise OutputError(
                f"{out} holds {other}", expected="the same", fix="choose another --out, or add --overwrite"
            )
        experiment = experiment.joined(known.experiment)
    else:
        output_folder(out, overwrite=overwrite, apart_from=("log.txt", "experiment.yaml"))
        ExperimentFolder(out).clear()
        write_json(out / "dataset.json", described, overwrite=True)
    write_text(out / "experiment.yaml", to_yaml(experiment), overwrite=True)
    return ExperimentFolder(out)


def _pixels(example: Example) -> tuple[NDArray[Any], NDArray[Any]]:
    return example.image.channel_first(), example.mask.data


def _labels(cell: Cell, examples: Sequence[Example], device: str) -> dict[str, NDArray[Any]]:
    model = api.load_model(cell.run.path, device=device)
    return {example.name: api.predict(model, example.image).labels.data for example in examples}


def _machine(device: str) -> str:
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
