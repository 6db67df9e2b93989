"""What the widgets of one viewer know together, so that the next one knows what the last one did."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

from psygnal import Signal

from unetscope.errors import RecipeError
from unetscope.recipe import Recipe, change, read_recipe
from unetscope.recipe.presets import preset
from unetscope.recipe.recipe import Training

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from unetscope._napari.dataset.dataset import Dataset
    from unetscope.recipe.plan import Plan

__all__ = ["Session"]

# Which values of a mask are not labeled, and which are background.
_ABOUT_MASKS = ("target.ignore", "target.background")
# What is known of the recipe of "auto" before there is a plan.
_UNPLANNED = Recipe(name="auto", training=Training(epochs=None, minutes=10.0))


class Session:
    """The dataset, recipe, run and model that a viewer's widgets work with.

    Every attribute has a signal that is emitted, with the new value, when it changes. Use `Session.of`,
    which gives all widgets of a viewer the same one.

    Attributes
    ----------
    dataset : Dataset or None
        The pairs to train on.
    basis : str
        Where the recipe begins: ``"auto"``, the name of a preset, or the path of a YAML file.
    changes : mapping of str to value
        What the user set beyond that, by dotted name: ``{"training.minutes": 3.0}``.
    start : Path or None
        The model whose weights the next training begins with; None for a new network.
    plan : Plan or None
        The plan for the dataset, once there is one; the recipe of ``"auto"`` begins with it.
    recipe : Recipe
        The basis with the changes: what training would use.
    run : Path or None
        The run folder that was trained, opened or is being trained.
    model : Path or None
        The model file, or run folder, to predict with.
    """

    dataset_changed = Signal(object)
    recipe_changed = Signal(object)
    start_changed = Signal(object)
    run_changed = Signal(object)
    model_changed = Signal(object)

    _of_viewer: ClassVar[WeakKeyDictionary[Any, Session]] = WeakKeyDictionary()

    def __init__(self) -> None:
        self._dataset: Dataset | None = None
        self._basis = "auto"
        self._changes: dict[str, Any] = {}
        self._plan: Plan | None = None
        self._start: Path | None = None
        self._base = _UNPLANNED
        self._recipe = self._base
        self._run: Path | None = None
        self._model: Path | None = None

    @classmethod
    def of(cls, viewer: ViewerModel) -> Session:
        """The session of a viewer, the same for every widget in it."""
        # napari hands a proxy to plugins, a new one to each widget.
        viewer = getattr(viewer, "__wrapped__", viewer)
        return cls._of_viewer.setdefault(viewer, cls())

    @property
    def dataset(self) -> Dataset | None:
        return self._dataset

    @dataset.setter
    def dataset(self, dataset: Dataset | None) -> None:
        self._forget_plan()
        self._dataset = dataset
        self.dataset_changed.emit(dataset)

    @property
    def start(self) -> Path | None:
        return self._start

    @start.setter
    def start(self, start: Path | None) -> None:
        self._forget_plan()
        self._start = start
        self.start_changed.emit(start)

    @property
    def basis(self) -> str:
        return self._basis

    @property
    def changes(self) -> Mapping[str, Any]:
        return dict(self._changes)

    @property
    def is_changed(self) -> bool:
        """Whether there are changes that `begin_with` would forget."""
        return self._changes.keys() != self._about_masks().keys()

    @property
    def recipe(self) -> Recipe:
        return self._recipe

    @property
    def plan(self) -> Plan | None:
        return self._plan

    @plan.setter
    def plan(self, plan: Plan | None) -> None:
        before, self._plan = self._plan, plan
        if self._basis != "auto":
            return
        try:
            self._settle("auto", _UNPLANNED if plan is None else plan.recipe, self._changes)
        except RecipeError:
            self._plan = before
            raise

    def begin_with(self, basis: str, changes: Mapping[str, Any] | None = None) -> None:
        """Begin with another basis, and forget the changes that were made to the last one.

        What was said about the masks stays, because they stay the same.

        Parameters
        ----------
        basis : str
            ``"auto"``, the name of a preset, or the path of a YAML file.
        changes : mapping, optional

        Raises
        ------
        RecipeError
            If there is no such preset, or the file cannot be read; nothing changes then.
        """
        if basis == "auto":
            base = _UNPLANNED if self._plan is None else self._plan.recipe
        elif basis.endswith((".yaml", ".yml")):
            base = read_recipe(Path(basis))
        else:
            base = preset(basis)
        self._settle(basis, base, {**self._about_masks(), **(changes or {})})

    def change(self, settings: Mapping[str, Any]) -> None:
        """Change settings of the recipe.

        Parameters
        ----------
        settings : mapping of str to value
            By dotted name; None where a setting may be left out.

        Raises
        ------
        RecipeError
            If a value is out of its range or does not go with the others; nothing changes then.
        """
        # The latest last: a section that was left out must not come back through an older change within it.
        kept = {name: value for name, value in self._changes.items() if name not in settings}
        self._settle(self._basis, self._base, {**kept, **settings})

    @property
    def run(self) -> Path | None:
        return self._run

    @run.setter
    def run(self, run: Path | None) -> None:
        self._run = run
        self.run_changed.emit(run)

    @property
    def model(self) -> Path | None:
        return self._model

    @model.setter
    def model(self, model: Path | None) -> None:
        self._model = model
        self.model_changed.emit(model)

    def _forget_plan(self) -> None:
        """What was planned for other images, or another network, says nothing about these."""
        try:
            self.plan = None
        except RecipeError:
            # Nor do changes that went with that plan only.
            self._changes = self._about_masks()
            self.plan = None

    def _about_masks(self) -> dict[str, Any]:
        return {name: value for name, value in self._changes.items() if name in _ABOUT_MASKS}

    def _settle(self, basis: str, base: Recipe, changes: Mapping[str, Any]) -> None:
        recipe = change(base, changes)
        self._basis = basis
        self._base, self._changes, self._recipe = base, dict(changes), recipe
        self.recipe_changed.emit(recipe)
