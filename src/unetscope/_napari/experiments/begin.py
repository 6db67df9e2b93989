"""What is written before an experiment begins, and read when it goes on; knows no Qt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unetscope import api
from unetscope._napari.experiments.choices import Choice, command, comparison
from unetscope._napari.jobs.warm import import_torch
from unetscope._napari.train.runs import default_parent, is_free
from unetscope.errors import InputError
from unetscope.experiments import ExperimentFolder, Material
from unetscope.experiments.experiment import to_yaml
from unetscope.io.write import output_folder, write_text
from unetscope.recipe.recipe import Target
from unetscope.training.folder import TABLE

if TYPE_CHECKING:
    from unetscope._napari.dataset.dataset import Dataset
    from unetscope.training.dataset import Example

__all__ = [
    "Data",
    "Request",
    "command_to_go_on",
    "copies_of",
    "is_taken",
    "known_data",
    "parent_of",
    "prepare",
    "recipe_path",
]

Progress = Callable[[int, int, str], None]

_FOLDER = "unetscope-experiments"


@dataclass(frozen=True)
class Data:
    """The images of an experiment: a dataset of the viewer, or a folder.

    Attributes
    ----------
    dataset : Dataset or None
    folder : Path or None
        A folder or table of pairs; it may hold the folders ``training`` and ``test``.
    test : Path or None
        A folder of test pairs.
    """

    dataset: Dataset | None = None
    folder: Path | None = None
    test: Path | None = None

    def check(self) -> None:
        """Refuse nothing at all, and what is not there.

        Raises
        ------
        InputError
            In one sentence.
        """
        if self.dataset is None and self.folder is None:
            raise InputError(
                "there are no images to train on", expected="images with masks", fix="choose a folder of them"
            )
        for path in (self.folder, self.test):
            if path is not None and not path.exists():
                raise InputError(f"{path} does not exist", expected="images with masks", fix="check the path")

    def examples(self, *, objects: bool, progress: Progress) -> Sequence[Example]:
        """Read what can be trained on; in a job, because torch is imported."""
        if self.dataset is not None:
            return self.dataset.examples(objects=objects, progress=progress)
        assert self.folder is not None
        import_torch()
        from unetscope.experiments.dataset import load_dataset

        progress(0, 0, f"reading {self.folder.name}")
        return load_dataset(self.folder, Material(), test=self.test).examples


@dataclass(frozen=True)
class Request:
    """Everything that is wanted when Start is pressed.

    Attributes
    ----------
    choice : Choice
    all_arms : int
        How many arms could have been ticked.
    data : Data
    out : Path
        A folder that is free.
    target : Target
        How masks are read, as far as the user has said it; only for a comparison of one's own.
    planned : bool
        Whether the rest of the target is to be read from the masks.
    """

    choice: Choice
    all_arms: int
    data: Data
    out: Path
    target: Target
    planned: bool


def prepare(request: Request, progress: Progress) -> list[str]:
    """Write dataset and comparison, and tell the command that runs the experiment.

    Parameters
    ----------
    request : Request
    progress : callable

    Raises
    ------
    UNetScopeError
        If the images cannot be read, or something cannot be written.
    """
    choice, data, out = request.choice, request.data, request.out
    data.check()
    source, arms = choice.name, request.all_arms
    if choice.custom:
        target = _target(request, progress)
        made = comparison(choice, target, name=out.name)
        output_folder(out.parent, overwrite=True)
        # Beside the folder, as a person who types the command would have it.
        source, arms = str(write_text(recipe_path(out), to_yaml(made))), len(choice.arms)
    place = data.folder
    if data.dataset is not None:
        place = data.dataset.write(copies_of(out), progress=progress)
    assert place is not None
    return command(choice, source, place, out, test=data.test, all_arms=arms)


def recipe_path(out: Path) -> Path:
    """The file of a comparison: beside the folder, and of the same name."""
    return out.with_name(f"{out.name}.yaml")


def copies_of(out: Path) -> Path:
    """The folder of the table of a dataset, and of copies of layers: beside that of the experiment."""
    return out.with_name(f"{out.name}-data")


def is_taken(out: Path) -> bool:
    """Whether anything is there that an experiment in this folder would have to replace."""
    return not is_free(out) or not is_free(copies_of(out)) or recipe_path(out).exists()


def command_to_go_on(out: Path, data: Data) -> list[str]:
    """The command that does what is left of an experiment.

    Parameters
    ----------
    out : Path
    data : Data
        Where its images are, with a folder or table; the program checks that they are the same.

    Raises
    ------
    ModelError
        If this is not the folder of an experiment.
    """
    known = ExperimentFolder.open(out).experiment
    words = ["experiment", str(out / "experiment.yaml"), str(data.folder), "--out", str(out)]
    if len(known.budgets) == 1:
        words += ["--budget", next(iter(known.budgets))]
    words += ["--seeds", *map(str, known.seeds)]
    return words if data.test is None else [*words, "--test", str(data.test)]


def known_data(out: Path) -> Data | None:
    """The dataset of the viewer that an experiment was begun with, if there was one."""
    table = copies_of(out) / TABLE
    return Data(folder=table) if table.is_file() else None


def parent_of(data: Data, documents: Path) -> Path:
    """Where the experiments on these images go unless the user knows better."""
    if data.dataset is None and data.folder is not None:
        return data.folder.absolute().parent / _FOLDER
    return default_parent(data.dataset, documents).with_name(_FOLDER)


def _target(request: Request, progress: Progress) -> Target:
    """How the masks are read: as the user has said, or as a plan for these images would."""
    if not request.planned:
        return request.target
    examples = request.data.examples(objects=False, progress=progress)
    progress(0, 0, "looking at the masks")
    said = {"target.ignore": request.target.ignore, "target.background": request.target.background}
    return api.plan_examples(examples, settings=said).recipe.target
