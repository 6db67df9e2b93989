"""Training: prepare, iterate, finish; or all at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unetscope.api.data import Data, StrPath, before_planning, load_examples, plan_examples
from unetscope.api.models import load_model
from unetscope.api.prediction import evaluate, predict
from unetscope.api.start import StartModel
from unetscope.errors import explain
from unetscope.evaluation.report import Report
from unetscope.io import read, read_mask
from unetscope.preprocess import true_labels
from unetscope.recipe import Recipe, change, read_recipe
from unetscope.recipe.presets import preset

if TYPE_CHECKING:
    from unetscope.inference import Prediction
    from unetscope.model import Model
    from unetscope.training.dataset import Example
    from unetscope.training.loop import EpochRecord
    from unetscope.training.run import Run

__all__ = ["Training", "find_recipe", "prepare_resume", "prepare_training", "resume", "train"]


class Training:
    """A training that is about to begin or go on; iterate to train, one record per epoch.

    Attributes
    ----------
    run : Run
        Its folder.
    recipe : Recipe
    left_out : tuple of str
        Images that cannot be trained on, and why, one sentence each.
    team : Team
        The processes that train together, as torchrun started them; only the first one writes.
    """

    def __init__(
        self, run: Run, examples: Sequence[Example], device: str, *, left_out: tuple[str, ...] = ()
    ) -> None:
        from unetscope.training.loop import choose_device
        from unetscope.training.team import join_team

        self.team = join_team()
        self.run = run
        self.left_out = left_out
        self.recipe = run.recipe
        self.device = choose_device(self.team.device_name(device))
        self._examples = examples
        self._outcome = "stopped"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the validation scores flatter, in sentences."""
        patients: dict[str, set[str]] = {}
        for example, entry in zip(self._examples, self.run.data, strict=True):
            if example.image.source.group is not None:
                patients.setdefault(example.image.source.group, set()).add(entry.role)
        shared = {
            role: sum({"training", role} <= roles for roles in patients.values())
            for role in ("validation", "test")
        }
        start = self.run.start
        seen = start.seen if start is not None else 0
        known = f"{seen} image(s) that validate or test have taught the model that this training begins with"
        learned = (f"{known}, so scores on them flatter; keep the split of that run",) if seen else ()
        return learned + tuple(
            f"slices of {number} patient(s) are in training and in {role}, so {role} scores flatter; "
            "set split.group=patient for honest ones"
            for role, number in shared.items()
            if number
        )

    def __iter__(self) -> Iterator[EpochRecord]:
        """Train; whoever iterates may stop at any epoch, and the best model is kept."""
        from unetscope.training.session import fit

        self.run.write_status(
            state="preparing",
            message="",
            device=str(self.device),
            pid=os.getpid(),
            epoch=0,
            left_out=self.left_out,
            warnings=self.warnings,
        )
        with self._telling_failure():
            yield from fit(self.run, self._examples, device=self.device, team=self.team)
        self._outcome = "stopped" if self.run.stop_requested else "finished"
        self.run.write_status(state=self._outcome)

    def previews(self) -> AbstractContextManager[Callable[[EpochRecord], None]]:
        """A function to give every record to; it keeps a current prediction of one image in the run folder.

        The time that it takes is not counted, and what is trained stays the same.
        """
        from unetscope.training.preview import preview_writer

        if not self.team.leads:
            return nullcontext(lambda _: None)
        return preview_writer(self.run, self._examples, device=self.device)

    def finish(self) -> Report | None:
        """Score the best model on the validation images, on their own grids, and write metrics and curves.

        Returns
        -------
        Report or None
            None without validation images, or when not even one epoch was finished; and in all processes of
            a team but the first.
        """
        if not self.team.leads:
            return None
        self.run.write_status(state="scoring")
        with self._telling_failure():
            report = self._score()
        self.run.write_status(state=self._outcome)
        return report

    def _score(self) -> Report | None:
        from unetscope.evaluation.plots import save, training_curves

        history = self.run.history()
        if history:
            save(training_curves(history), self.run.path / "curves.png", overwrite=True)
        kept = self._of("validation")
        if not kept or not self.run.model_path.exists():
            return None
        model = load_model(self.run.path, device=str(self.device))
        predictions = [predict(model, example.image) for example in kept]
        if self.recipe.target.kind == "instances" and not self.recipe.target.by_gap:
            predictions = self._separate(model, predictions)
        report = evaluate(
            [prediction.labels for prediction in predictions],
            [example.mask for example in kept],
            names=[example.name for example in kept],
            target=self.recipe.target,
        )
        self.run.write_metrics({"over": "validation images", **report.to_dict()})
        return report

    def _separate(self, model: Model, predictions: Sequence[Prediction]) -> list[Prediction]:
        """Settle how maps become objects on the validation images, and keep it in the model."""
        from unetscope.training.objects import smallest_object, tune_labeling

        masks = {
            role: [true_labels(example.mask.data, self.recipe.target) for example in self._of(role)]
            for role in ("training", "validation")
        }
        labeling = replace(
            predictions[0].labeling,
            minimum_size=self.recipe.prediction.minimum_size or smallest_object(masks["training"]),
        )
        fixed = self.recipe.prediction.threshold != "auto"
        labeling = tune_labeling(predictions, masks["validation"], labeling, keep_threshold=fixed)
        self.run.save_model(
            replace(
                model,
                threshold=labeling.threshold,
                seed=labeling.seed,
                minimum_size=labeling.minimum_size,
            )
        )
        return [prediction.labeled(labeling) for prediction in predictions]

    def _of(self, role: str) -> list[Example]:
        roles = [entry.role for entry in self.run.data]
        return [example for example, its in zip(self._examples, roles, strict=True) if its == role]

    @contextmanager
    def _telling_failure(self) -> Iterator[None]:
        """Whoever watches the run folder learns how it ended, too."""
        try:
            yield
        except (GeneratorExit, KeyboardInterrupt, SystemExit):
            self.run.write_status(state="stopped")
            raise
        except Exception as error:
            self.run.write_status(state="failed", message=explain(error))
            raise


def prepare_training(
    data: Data,
    out: StrPath,
    *,
    masks: StrPath | None = None,
    recipe: Recipe | str | Path = "auto",
    settings: Mapping[str, Any] | Sequence[str] = (),
    start: StrPath | None = None,
    device: str = "auto",
    overwrite: bool = False,
) -> Training:
    """Read and split the data, settle the recipe, and write the beginning of the run folder.

    In processes that torchrun started, only the first does that, and the others train along. When torchrun
    starts all of them again because one was lost, the run in the folder goes on from its checkpoint.

    Parameters
    ----------
    data : path, or sequence of (Image, Image)
        A folder of pairs, a CSV table, or images with masks in memory.
    out : path
        The run folder to write.
    masks : path, optional
        A folder of masks, when they are not where `find_pairs` looks.
    recipe : Recipe, str or Path
        A recipe, the name of a preset, ``"auto"``, or a YAML file.
    settings : mapping or sequence of str
        Changes to the recipe, ``{"training.epochs": 5}`` or ``["training.epochs=5"]``.
    start : path or str, optional
        A model, found as by `load_model`, whose weights the training begins with; a copy of it is kept in
        the run folder. The recipe ``"auto"`` then takes preprocessing, target, network and loss from it, and
        plans the rest; any other recipe must have the same network.
    device : str
        ``"auto"`` (CUDA, else MPS, else CPU), or a torch device.
    overwrite : bool
        Whether a run that is in the folder already may be replaced.

    Returns
    -------
    Training
        Iterate to train.

    Raises
    ------
    UNetScopeError
        For anything wrong with data, recipe or folder, before training begins.
    """
    from unetscope.training.loop import choose_device
    from unetscope.training.run import FollowedRun, Run, has_begun
    from unetscope.training.session import describe_data
    from unetscope.training.team import join_team

    team = join_team()
    device = team.device_name(device)
    # A device that is not there must be known before the run folder is begun.
    choose_device(device)
    chosen = None if recipe == "auto" else change(find_recipe(recipe), settings)
    # The plan looks at the data, but how the data are grouped and drawn may be one of the settings.
    known = before_planning(settings) if chosen is None else chosen
    model = None if start is None else StartModel(start)
    objects = "instances" in (known.target.kind, model and model.recipe.target.kind)
    begun = team.ask(lambda: has_begun(Path(out), team))
    with team.first_leads():
        examples, unusable = load_examples(data, masks, group=known.split.group, objects=objects)
        if begun or not team.leads:
            run = (Run if team.leads else FollowedRun).open(Path(out))
            run.check_same(describe_data(examples, run.recipe))
        else:
            if chosen is None:
                planned = plan_examples(examples, device=device, settings=settings, start=start)
                chosen = change(planned.recipe, settings)
            if model is not None:
                model.check(chosen, examples)
            entries = describe_data(examples, chosen)
            kept = None if model is None else model.content(entries)
            run = Run.create(Path(out), chosen, entries, start=kept, team=team, overwrite=overwrite)
    return Training(run, examples, device, left_out=unusable)


def train(
    data: Data,
    out: StrPath,
    *,
    masks: StrPath | None = None,
    recipe: Recipe | str | Path = "auto",
    settings: Mapping[str, Any] | Sequence[str] = (),
    start: StrPath | None = None,
    device: str = "auto",
    overwrite: bool = False,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> Run:
    """Train to the end; see `prepare_training` for the parameters.

    Parameters
    ----------
    on_epoch : callable, optional
        Called with the record of every epoch.

    Returns
    -------
    Run
        Its ``model_path`` is the best model.
    """
    training = prepare_training(
        data,
        out,
        masks=masks,
        recipe=recipe,
        settings=settings,
        start=start,
        device=device,
        overwrite=overwrite,
    )
    return _consume(training, on_epoch)


def prepare_resume(path: StrPath, *, device: str = "auto") -> Training:
    """Continue an interrupted run where its checkpoint left it.

    Raises
    ------
    ModelError
        If the folder is not a run, or is damaged; or its copy of the model that it began with is.
    InputError
        If its images or masks are gone or have changed.
    """
    from unetscope.training.dataset import Example
    from unetscope.training.run import FollowedRun, Run
    from unetscope.training.team import join_team

    team = join_team()
    with team.first_leads():
        run = (Run if team.leads else FollowedRun).open(Path(path))
        run.check_start()
        run.check_data()
        run.clear_requests()
    examples = []
    for entry in run.data:
        image = read(Path(entry.image))
        mask = read_mask(Path(entry.mask), on=image, **entry.reading)
        examples.append(Example(entry.name, entry.group, image, mask))
    return Training(run, examples, device)


def resume(
    path: StrPath, *, device: str = "auto", on_epoch: Callable[[EpochRecord], None] | None = None
) -> Run:
    """Continue an interrupted run to its end; see `prepare_resume`."""
    return _consume(prepare_resume(path, device=device), on_epoch)


def find_recipe(recipe: Recipe | str | Path) -> Recipe:
    """A recipe by what `train` takes: itself, a YAML file, or the name of a preset.

    Raises
    ------
    RecipeError
        If there is none.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, Path) or recipe.endswith((".yaml", ".yml")):
        return read_recipe(Path(recipe))
    return preset(recipe)


def _consume(training: Training, on_epoch: Callable[[EpochRecord], None] | None) -> Run:
    for record in training:
        if on_epoch is not None:
            on_epoch(record)
    training.finish()
    # Until the first process has scored the model and written how it did.
    training.team.wait()
    return training.run
