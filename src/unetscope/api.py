"""What command line, plugin and scripts call: read, normalize, train, predict, evaluate.

Importing this module loads neither torch nor matplotlib; training and prediction load torch when they
are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.evaluation.report import Report
from unetscope.evaluation.score import score_image
from unetscope.io import Image, Pairing, find_pairs, is_image_file, read, read_mask
from unetscope.preprocess import Preparation
from unetscope.preprocess.frames import join_frames, split_frames
from unetscope.recipe import Recipe, change, read_recipe
from unetscope.recipe.fingerprint import Fingerprint, take_fingerprint
from unetscope.recipe.plan import Plan, plan_recipe
from unetscope.recipe.presets import preset
from unetscope.recipe.recipe import Normalize, Preprocess, Target

if TYPE_CHECKING:
    from unetscope.inference import Prediction
    from unetscope.model import Model
    from unetscope.training.dataset import Example
    from unetscope.training.loop import EpochRecord
    from unetscope.training.run import Run

__all__ = [
    "Data",
    "Training",
    "evaluate",
    "find_pairs",
    "fingerprint",
    "load_model",
    "normalize",
    "plan",
    "predict",
    "read",
    "read_mask",
    "resume",
    "train",
]

StrPath = str | Path
Data = StrPath | Sequence[tuple[Image, Image]]
"""A folder or CSV table of pairs, or images with their masks in memory."""


def normalize(image: Image, settings: Normalize | None = None) -> Image:
    """Normalize an image as training would; in a time series, each point by itself.

    Parameters
    ----------
    image : Image
    settings : Normalize, optional
        5th to 95th percentile become 0 and 1, clipped, unless given.

    Returns
    -------
    Image
        float32, on the same grid.

    Raises
    ------
    InputError
        For NaN pixels, or settings that need statistics of a training set.
    """
    settings = Normalize() if settings is None else settings
    if settings.scope == "dataset":
        raise InputError(
            "one image is to be normalized by the statistics of a dataset",
            expected="scope image or channel",
            fix="set normalize.scope=image",
        )
    preparation = Preparation(Preprocess(normalize=settings))
    dimensions = len(image.spatial_axes)
    frames = [preparation.normalized(frame) for frame in split_frames(image, dimensions)]
    data = join_frames(frames, image, dimensions)
    return image.with_data(data if "C" in image.axes else data.squeeze(-1 - dimensions))


def fingerprint(data: Data, masks: StrPath | None = None) -> Fingerprint:
    """The facts about a dataset that a plan is made from.

    Parameters
    ----------
    data : path, or sequence of (Image, Image)
    masks : path, optional
        A folder of masks, when they are not where `find_pairs` looks.

    Raises
    ------
    InputError
        If there are no usable pairs, or the images differ in kind.
    """
    examples, _ = _examples(data, masks, "auto")
    return _take_fingerprint(examples)


def plan(data: Data, masks: StrPath | None = None, *, minutes: float = 10.0, device: str = "auto") -> Plan:
    """Plan a recipe for a dataset, with its reasons.

    Parameters
    ----------
    data, masks
        As for `fingerprint`.
    minutes : float
        Time budget.
    device : str
        Where it will be trained; see `train`.

    Raises
    ------
    InputError
        As for `fingerprint`.
    """
    from unetscope.training.loop import choose_device

    return plan_recipe(fingerprint(data, masks), device=choose_device(device).type, minutes=minutes)


class Training:
    """A training that is about to begin or go on; iterate to train, one record per epoch.

    Attributes
    ----------
    run : Run
        Its folder.
    recipe : Recipe
    left_out : tuple of str
        Images that cannot be trained on, and why, one sentence each.
    """

    def __init__(
        self, run: Run, examples: Sequence[Example], device: str, *, left_out: tuple[str, ...] = ()
    ) -> None:
        from unetscope.training.loop import choose_device

        self.run = run
        self.left_out = left_out
        self.recipe = run.recipe
        self.device = choose_device(device)
        self._examples = examples

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the validation scores flatter, in sentences."""
        patients: dict[str, set[str]] = {}
        for example, entry in zip(self._examples, self.run.data, strict=True):
            if example.image.source.group is not None:
                patients.setdefault(example.image.source.group, set()).add(entry.role)
        shared = sum(len(roles) > 1 for roles in patients.values())
        if not shared:
            return ()
        return (
            f"slices of {shared} patient(s) are in training and in validation, so validation scores flatter; "
            "set split.group=patient for honest ones",
        )

    def __iter__(self) -> Iterator[EpochRecord]:
        """Train; whoever iterates may stop at any epoch, and the best model is kept."""
        from unetscope.training.session import fit

        yield from fit(self.run, self._examples, device=self.device)

    def finish(self) -> Report | None:
        """Score the best model on the validation images, on their own grids, and write metrics and curves.

        Returns
        -------
        Report or None
            None without validation images, or when not even one epoch was finished.
        """
        from unetscope.evaluation.plots import save, training_curves

        history = self.run.history()
        if history:
            save(training_curves(history), self.run.path / "curves.png", overwrite=True)
        roles = [entry.role for entry in self.run.data]
        kept = [e for e, role in zip(self._examples, roles, strict=True) if role == "validation"]
        if not kept or not self.run.model_path.exists():
            return None
        model = load_model(self.run.path, device=str(self.device))
        report = evaluate(
            [predict(model, example.image).labels for example in kept],
            [example.mask for example in kept],
            names=[example.name for example in kept],
            target=self.recipe.target,
        )
        self.run.write_metrics({"over": "validation images", **report.to_dict()})
        return report


def prepare_training(
    data: Data,
    out: StrPath,
    *,
    masks: StrPath | None = None,
    recipe: Recipe | str | Path = "auto",
    settings: Mapping[str, Any] | Sequence[str] = (),
    device: str = "auto",
    overwrite: bool = False,
) -> Training:
    """Read and split the data, settle the recipe, and write the beginning of the run folder.

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
    from unetscope.training.run import Run
    from unetscope.training.session import describe_data

    place = choose_device(device)
    chosen = None if recipe == "auto" else change(_settle(recipe), settings)
    # The plan looks at the data, but how the data are grouped may be one of the settings.
    group = change(Recipe(), settings).split.group if chosen is None else chosen.split.group
    examples, unusable = _examples(data, masks, group)
    if chosen is None:
        facts = _take_fingerprint(examples)
        chosen = change(plan_recipe(facts, device=place.type).recipe, settings)
    run = Run.create(Path(out), chosen, describe_data(examples, chosen), overwrite=overwrite)
    return Training(run, examples, device, left_out=unusable)


def train(
    data: Data,
    out: StrPath,
    *,
    masks: StrPath | None = None,
    recipe: Recipe | str | Path = "auto",
    settings: Mapping[str, Any] | Sequence[str] = (),
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
        data, out, masks=masks, recipe=recipe, settings=settings, device=device, overwrite=overwrite
    )
    return _consume(training, on_epoch)


def prepare_resume(path: StrPath, *, device: str = "auto") -> Training:
    """Continue an interrupted run where its checkpoint left it.

    Raises
    ------
    ModelError
        If the folder is not a run, or is damaged.
    InputError
        If its images or masks are gone or have changed.
    """
    from unetscope.training.dataset import Example
    from unetscope.training.run import Run

    run = Run.open(Path(path))
    run.check_data()
    run.clear_stop()
    examples = [
        Example(entry.name, entry.group, read(Path(entry.image)), read_mask(Path(entry.mask)))
        for entry in run.data
    ]
    return Training(run, examples, device)


def resume(
    path: StrPath, *, device: str = "auto", on_epoch: Callable[[EpochRecord], None] | None = None
) -> Run:
    """Continue an interrupted run to its end; see `prepare_resume`."""
    return _consume(prepare_resume(path, device=device), on_epoch)


def load_model(path: StrPath, *, device: str = "auto") -> Model:
    """Load a model file, or the best model of a run folder.

    Raises
    ------
    ModelError
        If there is no model, or it is damaged, foreign or of a newer format.
    """
    from unetscope.model import Model
    from unetscope.training.loop import choose_device
    from unetscope.training.run import Run

    path = Path(path)
    return Model.load(Run.open(path).model_path if path.is_dir() else path, device=choose_device(device))


def predict(
    model: Model | StrPath, image: Image | NDArray[Any] | StrPath, *, threshold: float | None = None
) -> Prediction:
    """Segment one image.

    Parameters
    ----------
    model : Model or path
        A model, its file, or a run folder.
    image : Image, ndarray or path
        An array is taken as (Y, X) or (Z, Y, X) without channels; use an Image for anything else.
    threshold : float, optional
        Instead of the model's own.

    Returns
    -------
    Prediction
        Labels and probabilities on the image's own grid.

    Raises
    ------
    InputError
        If the image does not fit the model, or the threshold is no probability or has no meaning for it.
    """
    from unetscope.inference import predict_image
    from unetscope.model import Model

    if not isinstance(model, Model):
        model = load_model(model)
    _check_threshold(threshold, model)
    if isinstance(image, str | Path):
        image = read(image)
    elif not isinstance(image, Image):
        image = Image(image, "ZYX"[-image.ndim :])
    return predict_image(model, image, threshold=threshold)


def evaluate(
    predicted: Sequence[Image],
    truth: Sequence[Image],
    *,
    names: Sequence[str] | None = None,
    target: Target | None = None,
) -> Report:
    """Score predictions against the truth, image by image.

    Parameters
    ----------
    predicted, truth : sequence of Image
        Label images, in the same order and on the same grids. Distances are in the units of `predicted`.
    names : sequence of str, optional
        For the table; the names of the truth unless given.
    target : Target, optional
        How masks are read, from the recipe. Without it every mask value is a class; with instances, all
        objects together are compared with the background.

    Raises
    ------
    InputError
        If there is nothing to compare, or grids differ.
    """
    if len(predicted) != len(truth):
        raise InputError(
            f"there are {len(predicted)} predictions and {len(truth)} masks",
            expected="one mask per prediction",
        )
    target = Target(kind="multiclass") if target is None else target
    pairs = [(_truth(t, target), _predicted(p, target)) for t, p in zip(truth, predicted, strict=True)]
    occurring = sorted(
        {int(v) for pair in pairs for labels in pair for v in np.unique(labels)} - {target.ignore}
    )
    in_truth = {int(v) for labels, _ in pairs for v in np.unique(labels)} - {0, target.ignore}
    # With several classes, an image that holds only one of them is still scored by that class.
    classes = occurring if len(in_truth) > 1 else None
    names = [image.name for image in truth] if names is None else names
    return Report(
        tuple(
            score_image(name, t, p, classes=classes, spacing=on.spacing, units=on.units, ignore=target.ignore)
            for name, (t, p), on in zip(names, pairs, predicted, strict=True)
        )
    )


def _check_threshold(threshold: float | None, model: Model) -> None:
    if threshold is None:
        return
    if not 0 < threshold < 1:
        raise InputError(
            f"the threshold is {threshold:g}", expected="a probability between 0 and 1", fix="correct it"
        )
    if model.recipe.target.kind == "multiclass":
        raise InputError(
            f"the model chooses the likeliest of {len(model.values)} classes, for which the threshold "
            f"{threshold:g} has no meaning",
            expected="no threshold",
            fix="leave it out",
        )


def _truth(mask: Image, target: Target) -> NDArray[Any]:
    """The mask with all objects as 1, unless they are classes; ignored pixels stay what they are."""
    if target.kind == "multiclass":
        return mask.data
    foreground = (mask.data > target.threshold).astype(np.int64)
    if target.ignore is not None:
        foreground[mask.data == target.ignore] = target.ignore
    return foreground


def _predicted(labels: Image, target: Target) -> NDArray[Any]:
    return labels.data if target.kind == "multiclass" else (labels.data > 0).astype(np.int64)


def _settle(recipe: Recipe | str | Path) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, Path) or recipe.endswith((".yaml", ".yml")):
        return read_recipe(Path(recipe))
    return preset(recipe)


def left_out(pairing: Pairing) -> tuple[str, ...]:
    """Why images or masks of a dataset are not used, one sentence each."""
    unusable = [f"{pair.image.name}: {pair.problems[0]}" for pair in pairing.pairs if pair.problems]
    alone = [f"{file.path.name}: {file.why}" for file in pairing.unpaired if is_image_file(file.path)]
    return (*unusable, *alone)


def _examples(data: Data, masks: StrPath | None, group: str) -> tuple[list[Example], tuple[str, ...]]:
    """All that can be trained on, and a sentence for each file that cannot."""
    from unetscope.training.dataset import Example

    if isinstance(data, str | Path):
        pairing = find_pairs(data, masks, group=group)
        pairing.check()
        examples = [
            Example(pair.image.name, pair.group, read(pair.image), read_mask(pair.mask))
            for pair in pairing.usable()
        ]
        return examples, left_out(pairing)
    examples = [
        Example(f"image {i}", image.source.group or f"image {i}", image, mask)
        for i, (image, mask) in enumerate(data, start=1)
    ]
    return examples, ()


def _take_fingerprint(examples: Sequence[Example]) -> Fingerprint:
    groups = {example.group for example in examples}
    return take_fingerprint(((example.image, example.mask) for example in examples), groups=len(groups))


def _consume(training: Training, on_epoch: Callable[[EpochRecord], None] | None) -> Run:
    for record in training:
        if on_epoch is not None:
            on_epoch(record)
    training.finish()
    return training.run
