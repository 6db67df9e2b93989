"""An experiment: several recipes, each trained from several seeds, on one dataset with one split.

The schema is validated and frozen like that of a recipe, and written to YAML the same way. A file of your
own needs no more than the arms::

    name: depth
    title: How deep need the U-Net be?
    arms:
      shallow: {recipe: auto, settings: {network.depth: 2}}
      deep: {recipe: auto, settings: {network.depth: 4}}
    contrasts:
      - {better: deep, than: shallow}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unetscope.errors import RecipeError
from unetscope.evaluation.objects import OBJECT_METRICS
from unetscope.evaluation.report import TITLES
from unetscope.recipe.recipe import NonNegative, Positive, Size, Split, Target
from unetscope.recipe.text import parse_yaml, read_text

__all__ = [
    "Arm",
    "Budget",
    "Condition",
    "Contrast",
    "Experiment",
    "Material",
    "Published",
    "from_dict",
    "read_experiment",
    "slug",
    "to_yaml",
]

# What may differ between two budgets that train the same.
_WORDS: dict[str, Any] = {"about": "", "seeds": None}
# How many there are says nothing about better or worse.
_COUNTS = ("true_objects", "predicted_objects", "count_error")
_SECONDS = ("train_seconds", "predict_seconds")
# Columns of the table of images, beside one for each arm.
_COLUMNS = ("name", "group")
Probability = Annotated[float, Field(gt=0, lt=1)]


class _Section(BaseModel):
    """Frozen, and strict about names, like the sections of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class Arm(_Section):
    """One row of the grid: what is trained."""

    recipe: str = "auto"
    """``auto``, the name of a preset, or the path of a recipe file."""
    settings: dict[str, Any] = {}
    """Changes to the recipe, such as ``{network.depth: 3}``."""
    images: Size | None = None
    """Train on so many images, drawn with the seed; smaller numbers are part of larger ones."""
    noise: NonNegative = 0.0
    """Add a noisy copy of every training and validation image: Gaussian noise of this standard deviation,
    in values of the files, drawn once and clipped to what the files can hold."""
    about: str = ""
    """What is special about it, in a sentence."""


class Condition(_Section):
    """One way to score a trained model on the test images."""

    noise: NonNegative = 0.0
    """Standard deviation of Gaussian noise that the test images get, in values of the files."""
    threshold: Probability | None = None
    """From which probability on a pixel is the object, instead of the model's own."""
    grid: tuple[Size, Size] | None = None
    """Score on a grid of so many rows and columns: truth and labels are sampled there (nearest)."""
    about: str = ""
    """What it is for, in a sentence."""


class Material(_Section):
    """What is done with the dataset before anything is trained."""

    target: Target = Target()
    """How masks are read for the scores, whatever a recipe makes of them."""
    tile: Size | None = None
    """Cut images into squares of so many pixels, which count as images; what is left at the rim is
    dropped. Tiles of one image stay in its group."""
    images: Size | None = None
    """Take no more images than this for training and validation together, spread evenly over the names."""
    test: Size | None = None
    """Take no more test images than this, spread evenly over the names."""
    test_part: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Where the dataset has no test images of its own: this part of the groups, drawn once for all."""
    split: Split = Split()
    """Which images validate: the same for all arms and seeds, whatever their recipes say."""


class Budget(_Section):
    """How much each cell may cost."""

    minutes: Positive | None = None
    """Training time: the budget of ``auto``, and for other recipes an end beside their number of epochs."""
    auto_minutes: Positive | None = None
    """Training time of ``auto``, where it is another."""
    settings: dict[str, Any] = {}
    """Changes to the recipes other than ``auto``, such as a smaller width."""
    seeds: tuple[int, ...] | None = None
    """Fewer seeds than the experiment asks for."""
    about: str = ""
    """What it changes, in a sentence."""

    @property
    def minutes_of_auto(self) -> float:
        """Training time of ``auto``; 10 minutes, as always, where the budget does not say."""
        return self.auto_minutes or self.minutes or 10.0


class Contrast(_Section):
    """The question whether one arm is better than another."""

    better: str
    """The arm of which it is asked."""
    than: str
    """The arm that it is compared with."""
    metric: str = "dice"
    """A score of the report: dice, iou, f1, object_f1, …"""
    condition: str | None = None
    """How both are scored; the first condition when left out."""
    question: str = ""
    """In words."""


class Published(_Section):
    """Numbers that a document reports, to stand beside ours."""

    arm: str
    condition: str | None = None
    """The first condition when left out."""
    scores: dict[str, float]
    """By the keys of a report (dice, iou, …), or ``train_seconds`` and ``predict_seconds``."""
    about: str = ""
    """Where they stand."""


class Experiment(_Section):
    """Everything that decides an experiment, apart from the images."""

    name: str
    title: str = ""
    """A line that says what is asked."""
    document: str = ""
    """What was published and what was left open, in Markdown."""
    material: Material = Material()
    arms: Annotated[dict[str, Arm], Field(min_length=1)]
    conditions: Annotated[dict[str, Condition], Field(min_length=1)] = {"test images": Condition()}
    """The first is the main one."""
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0, 1, 2)
    metrics: Annotated[tuple[str, ...], Field(min_length=1)] = ("precision", "recall", "dice", "iou")
    """Scores in the tables and the bar plot."""
    main: str = "dice"
    """The score that decides."""
    contrasts: tuple[Contrast, ...] = ()
    published: tuple[Published, ...] = ()
    budgets: dict[str, Budget] = {}
    """By name: ``full`` is as published, ``cpu`` fits two cores."""
    figures: tuple[Literal["weights", "misclassified", "noise"], ...] = ()
    """Pictures beside the usual ones: border weights of a training mask; wrong pixels in the color of
    their true class; an image with and without the noise of the conditions."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        arms = [name for each in self.contrasts for name in (each.better, each.than)]
        arms += [each.arm for each in self.published]
        conditions = [each.condition for each in self.contrasts] + [each.condition for each in self.published]
        _check("arm", arms, self.arms)
        _check("condition", [name for name in conditions if name is not None], self.conditions)
        if self.material.target.kind == "multiclass":
            for name, condition in self.conditions.items():
                if condition.threshold is not None:
                    raise ValueError(f"the threshold of {name!r} has no meaning for several classes")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {self.seeds} are not all different")
        _check_names("arm", self.arms)
        _check_names("condition", self.conditions)
        return self

    @model_validator(mode="after")
    def _known_scores(self) -> Self:
        asked = [each.metric for each in self.contrasts]
        for name in (self.main, *self.metrics, *asked):
            if name not in TITLES:
                raise ValueError(f"there is no score {name!r}, only {', '.join(TITLES)}")
            if name in OBJECT_METRICS and self.material.target.kind != "instances":
                raise ValueError(f"{name} needs masks that number objects: material.target.kind instances")
        for name in (self.main, *asked):
            if name in _COUNTS:
                raise ValueError(f"{name} says how many there are, not what is better")
        for name in (key for each in self.published for key in each.scores):
            if name not in (*TITLES, *_SECONDS):
                raise ValueError(f"there is no score {name!r}, only {', '.join((*TITLES, *_SECONDS))}")
        for each in self.contrasts:
            if each.better == each.than:
                raise ValueError(f"{each.better!r} is compared with itself")
        return self

    @property
    def first_condition(self) -> str:
        """The name of the condition that counts where none is named."""
        return next(iter(self.conditions))

    def condition(self, name: str | None) -> str:
        """The name of a condition, the first for None."""
        return name or self.first_condition

    @property
    def budget(self) -> Budget:
        """The budget that counts, once `with_budget` has chosen it; an empty one before."""
        return next(iter(self.budgets.values())) if len(self.budgets) == 1 else Budget()

    def with_budget(self, budget: str | float | None = None, *, default: str = "cpu") -> Experiment:
        """The experiment with one budget only.

        Parameters
        ----------
        budget : str or float, optional
            The name of a budget, or minutes for each training.
        default : str
            The budget to take when none is named, if there is such.

        Raises
        ------
        RecipeError
            If there is no such budget.
        """
        if budget is None:
            chosen = {default: self.budgets[default]} if default in self.budgets else {}
        elif isinstance(budget, str) and budget in self.budgets:
            chosen = {budget: self.budgets[budget]}
        else:
            chosen = {f"{budget} minutes": Budget(minutes=_minutes(budget, self))}
        seeds = next((each.seeds for each in chosen.values() if each.seeds), self.seeds)
        return self.model_copy(update={"budgets": chosen, "seeds": seeds})

    def agrees_with(self, other: Experiment) -> bool:
        """Whether cells of the other experiment may stand beside those of this one.

        Words, questions and seeds may differ, and there may be other arms and conditions; what has the same
        name must be the same.
        """
        if any(getattr(self, name) != getattr(other, name) for name in ("name", "material")):
            return False
        if self.budget.model_copy(update=_WORDS) != other.budget.model_copy(update=_WORDS):
            return False
        sections: list[tuple[Mapping[str, _Section], Mapping[str, _Section]]] = [
            (self.arms, other.arms),
            (self.conditions, other.conditions),
        ]
        return all(
            mine[name].model_copy(update={"about": ""}) == theirs[name].model_copy(update={"about": ""})
            for mine, theirs in sections
            for name in mine.keys() & theirs.keys()
        )

    def joined(self, other: Experiment) -> Experiment:
        """The experiment together with the arms, conditions and seeds that only another one has.

        What the other asks and publishes about arms that are in both is left out. New arms come last, unless
        this experiment has all arms, in an order of its own.
        """
        first, last = (self, other) if other.arms.keys() <= self.arms.keys() else (other, self)
        asked = [each for each in other.contrasts if not {each.better, each.than} <= self.arms.keys()]
        published = [each for each in other.published if each.arm not in self.arms]
        values = self.to_dict() | {
            "arms": {**first.arms, **last.arms, **self.arms},
            "conditions": {**self.conditions, **other.conditions},
            "seeds": sorted({*self.seeds, *other.seeds}),
            "contrasts": [*self.contrasts, *asked],
            "published": [*self.published, *published],
        }
        return from_dict(values)

    def only(self, *, arms: Sequence[str] | None = None, seeds: Sequence[int] | None = None) -> Experiment:
        """Fewer arms, other seeds; questions and numbers about the other arms are left out.

        Raises
        ------
        RecipeError
            If there is no such arm.
        """
        kept = tuple(self.arms) if arms is None else arms
        for name in kept:
            if name not in self.arms:
                raise RecipeError(
                    f"the experiment {self.name} has no arm {name!r}",
                    expected=f"some of {', '.join(map(repr, self.arms))}",
                    fix="correct the name",
                )
        values = self.to_dict() | {
            "arms": {name: self.arms[name] for name in self.arms if name in kept},
            "contrasts": [each for each in self.contrasts if {each.better, each.than} <= set(kept)],
            "published": [each for each in self.published if each.arm in kept],
            "seeds": self.seeds if seeds is None else seeds,
        }
        if seeds is not None:
            # Who names the seeds means them, whatever a budget would take.
            values["budgets"] = {
                name: budget.model_copy(update={"seeds": None}) for name, budget in self.budgets.items()
            }
        return from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for YAML or JSON; what has its default is left out."""
        return self.model_dump(mode="json", exclude_defaults=True)


def _minutes(budget: str | float, experiment: Experiment) -> float:
    try:
        minutes = float(budget)
    except ValueError:
        minutes = 0
    if not 0 < minutes < float("inf"):
        raise RecipeError(
            f"the budget is {budget!r}",
            expected=f"one of {', '.join(experiment.budgets)}, or minutes"
            if experiment.budgets
            else "minutes",
            fix="correct it",
        )
    return minutes


def slug(name: str) -> str:
    """A name as part of a path: letters, digits, points and hyphens."""
    return re.sub(r"[^\w.]+", "-", name.strip()).strip("-.") or "unnamed"


def _check_names(kind: str, names: Iterable[str]) -> None:
    """Refuse names that would share a folder or file, where case does not count either."""
    known: dict[str, str] = {}
    for name in names:
        if kind == "arm" and name in _COLUMNS:
            raise ValueError(f"an arm cannot be called {name!r}, as a column of the tables is")
        other = known.setdefault(slug(name).casefold(), name)
        if other != name:
            raise ValueError(f"the {kind}s {other!r} and {name!r} would be kept in the same place")


def _check(kind: str, names: Iterable[str], known: Mapping[str, object]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"there is no {kind} {name!r}, only {', '.join(known)}")


def from_dict(values: Mapping[str, Any], *, source: str = "the experiment") -> Experiment:
    """Build an experiment from nested mappings.

    Raises
    ------
    RecipeError
        For the first unknown key or wrong value.
    """
    try:
        return Experiment.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = ".".join(map(str, problem["loc"]))
        reason = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        where = f"{key} in {source}" if key else source
        raise RecipeError(f"{where}: {reason}", fix="correct the file") from None


def read_experiment(path: Path) -> Experiment:
    """Read an experiment from a YAML file; paths of recipes in it are taken from its folder.

    Raises
    ------
    RecipeError
        If the file cannot be read or is not an experiment.
    """
    values = parse_yaml(read_text(path, expected="an experiment in YAML"), source=path.name)
    if not isinstance(values, dict):
        raise RecipeError(
            f"{path.name} holds no experiment", expected="at least arms", fix="correct the file"
        )
    experiment = from_dict({"name": path.stem, **values}, source=path.name)
    arms = {
        name: arm.model_copy(update={"recipe": str((path.parent / arm.recipe).resolve())})
        if arm.recipe.endswith((".yaml", ".yml"))
        else arm
        for name, arm in experiment.arms.items()
    }
    return experiment.model_copy(update={"arms": arms})


def to_yaml(experiment: Experiment) -> str:
    """The experiment as YAML; `read_experiment` gives it back equal."""
    return yaml.dump(experiment.to_dict(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class _Dumper(yaml.SafeDumper):
    """Writes long texts as a person would, and odd line breaks so that they come back."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML writes a next line (U+0085) and a separator as they are, and reads them as the end of a line.
    odd = any(letter in text for letter in "\x85\u2028\u2029")
    style = '"' if odd else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
