"""The commands and how they are run."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import nullcontext
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, CycloptsError, Group, Parameter

from unetscope import __version__
from unetscope._words import count
from unetscope.cli.output import (
    describe_budget,
    note,
    progress,
    say,
    show_epoch,
    training_progress,
    write_result,
)
from unetscope.errors import UNetScopeError, explain

if TYPE_CHECKING:
    from unetscope.api import Training

__all__ = ["app", "run"]

app = App(
    name="unetscope",
    version=__version__,
    help="""Segment images with a U-Net: from DICOM, PNG or TIFF files to measured results.

    A first try on made-up heart images: unetscope demo

    In the viewer napari, with the same images: unetscope gui

    On your own images, which lie in a folder together with masks that you drew:

    1. unetscope plan DATA — looks at them and says how it would train.
    2. unetscope train DATA --minutes 10 --out RUN
    3. unetscope predict RUN NEW_IMAGES --out RESULT
    4. unetscope evaluate RESULT MASKS — compares results with masks.

    Add --debug to any command to see where an error came from.""",
    help_format="plaintext",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
_settings = Group("Settings", sort_key=1)

Flag = Annotated[bool, Parameter(negative="", show_default=False)]
Json = Annotated[
    bool, Parameter(name="--json", negative="", show_default=False, help="Print the result as JSON.")
]
Masks = Annotated[
    Path | None,
    Parameter(help="Folder of the masks, if they are not beside the images or in a subfolder such as masks."),
]
Device = Annotated[str, Parameter(help="Where to compute: auto, cpu, cuda or mps.")]
Overwrite = Annotated[
    bool, Parameter(negative="", show_default=False, help="Replace what an earlier call wrote there.")
]


def run(arguments: list[str]) -> int:
    """Run a command and turn errors into one sentence and an exit code."""
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A console that lacks ± or µm shows a question mark instead of failing.
            stream.reconfigure(errors="replace")
    try:
        _check_team(arguments)
        app(arguments, exit_on_error=False, print_error=False)
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does; Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  only developers want a traceback
        if debug:
            traceback.print_exc()
        sentence, code = _explain(error)
        note(f"{_speaker()}: {sentence}")
        return code
    return 0


def _in_team() -> bool:
    """Whether torchrun has started several processes."""
    return "TORCHELASTIC_RUN_ID" in os.environ and os.environ["WORLD_SIZE"] != "1"


def _check_team(arguments: list[str]) -> None:
    if _in_team() and arguments[:1] not in (["train"], ["resume"]):
        raise UNetScopeError(
            "torchrun has started several processes",
            expected="a command that they work on together, train or resume",
            fix="run this one without torchrun",
        )


def _speaker() -> str:
    """Who says what went wrong."""
    return f"unetscope (process {os.environ['RANK']})" if _in_team() else "unetscope"


def _explain(error: BaseException) -> tuple[str, int]:
    """One sentence and an exit code."""
    match error:
        case UNetScopeError():
            return str(error), error.exit_code
        case CycloptsError():
            command = " ".join(["unetscope", *(error.command_chain or ())])
            return f"{' '.join(str(error).split())} See `{command} --help`.", 2
        case KeyboardInterrupt():
            return "interrupted.", 130
    return f"{explain(error)} Run again with --debug to see where.", UNetScopeError.exit_code


@app.command
def demo(*, out: Path = Path("unetscope-demo"), minutes: float = 1.5, overwrite: Overwrite = False) -> None:
    """Train on sample heart images, segment an unseen patient, and write a report; takes about 2 minutes.

    Parameters
    ----------
    out
        Folder for the run, the predictions and the report.
    minutes
        Training time.
    """
    from unetscope.demo import run_demo

    report = run_demo(out, minutes=minutes, overwrite=overwrite, on_message=note)
    say(report)


@app.command
def presets(*, show: str | None = None, json: Json = False) -> None:
    """List the presets, or show one as a recipe file to copy and change.

    Parameters
    ----------
    show
        Name of a preset, or "default" for every setting with its default.
    """
    from unetscope.errors import RecipeError
    from unetscope.recipe import Recipe, to_yaml
    from unetscope.recipe.presets import PRESETS, describe_preset, preset

    if show == "auto":
        raise RecipeError(
            "the recipe of auto depends on the data", expected="another name", fix="see `unetscope plan DATA`"
        )
    if show is not None:
        recipe = Recipe() if show == "default" else preset(show)
        if json:
            write_result(recipe.to_dict())
            return
        if show != "default":
            note(describe_preset(show) + "\n")
        say(to_yaml(recipe))
    elif json:
        write_result({name: describe_preset(name) for name in PRESETS})
    else:
        summaries = {"auto": "Planned for your data; see `unetscope plan DATA`. The default."}
        summaries |= {name: describe_preset(name).splitlines()[0] for name in PRESETS}
        say("\n".join(f"{name:16} {summary}" for name, summary in summaries.items()))


@app.command
def plan(
    data: Path,
    /,
    *,
    masks: Masks = None,
    minutes: float = 10.0,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="", consume_multiple=True)] = None,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Look at a dataset and say how `train` would go about it, and why.

    Parameters
    ----------
    data
        Folder of images with masks, or a CSV table with the columns image, mask, group and split.
    minutes
        Training time to plan for.
    set_
        Changes to the recipe, such as --set target.ignore=0 target.background=1 for sparse annotation.
    from_
        Plan for going on with a model; see `train`.
    """
    from unetscope import api
    from unetscope.recipe import change, to_yaml

    settings = set_ or ()
    known = api.before_planning(settings)
    start = None if from_ is None else api.StartModel(from_)
    numbered = "instances" in (known.target.kind, start and start.recipe.target.kind)
    examples, left_out = api.load_examples(data, masks, group=known.split.group, objects=numbered)
    planned = api.plan_examples(examples, minutes=minutes, device=device, settings=settings, start=from_)
    recipe = change(planned.recipe, settings)
    if start is not None:
        start.check(recipe, examples)
    if json:
        write_result({"recipe": recipe.to_dict(), "reasons": list(planned.reasons)})
        return
    groups = {example.group for example in examples}
    say(f"{count(len(examples), 'image')} with masks in {count(len(groups), 'group')}.")
    for sentence in left_out:
        say(f"  left out: {sentence}")
    for reason in planned.reasons:
        say(f"- {reason}")
    say(f"\nThe recipe, to be changed with --set or as a file:\n\n{to_yaml(recipe)}")


@app.command
def pairs(
    data: Path,
    /,
    *,
    masks: Masks = None,
    colors: Annotated[list[str] | None, Parameter(negative="", consume_multiple=True)] = None,
    objects: Flag = False,
    out: Path | None = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Show which image belongs to which mask, why, and what is wrong with them.

    Parameters
    ----------
    data
        Folder of images with masks, or a CSV table with the columns image, mask, group and split.
    colors
        What the colors of color-coded masks stand for, such as --colors "#000000=0" "#ff0000=1".
    objects
        Outlines (COCO, GeoJSON) number their objects, instead of naming their classes.
    out
        Write the pairs to this CSV table, to be changed and given as DATA to any command.
    """
    from unetscope.cli.pairs import as_record, as_text, read_labels
    from unetscope.io import find_pairs

    pairing = find_pairs(data, masks, colors=read_labels(colors or ()), objects=objects)
    if json:
        write_result(as_record(pairing))
    else:
        say(as_text(pairing, data if data.is_dir() else data.parent))
    if out is not None:
        note(f"table: {pairing.to_csv(out, overwrite=overwrite)}")
    pairing.check()


@app.command
def info(path: Path, /, *, json: Json = False) -> None:
    """Tell what an image, a folder of DICOM series, a model file or a run folder is.

    Parameters
    ----------
    path
        An image, a folder of series, a model.safetensors file, the folder that `train` wrote, or the name of
        one of `unetscope models`.
    """
    from unetscope.cards import describe

    card = describe(path)
    if json:
        write_result(card)
    else:
        shown = {name: value for name, value in card.items() if name not in ("recipe", "about")}
        say("\n".join(f"{name:20} {value}" for name, value in shown.items()))


@app.command
def models(*, show: str | None = None, json: Json = False) -> None:
    """List the models that come with the program, or print all that is known of one.

    Parameters
    ----------
    show
        Name of a model.
    """
    from unetscope import api
    from unetscope.cards import describe_models, story_of, tell_story
    from unetscope.cli.models import as_text

    if show is None:
        found = describe_models()
        if json:
            write_result(found)
        else:
            say(as_text(found))
    elif json:
        write_result(story_of(api.read_card(show)).to_dict())
    else:
        say(tell_story(Path(show)))


@app.command
def unpack(archive: Path, /, *, out: Path, json: Json = False) -> None:
    """Unpack a ZIP archive of images safely: into a new folder, and nowhere else.

    Parameters
    ----------
    archive
        The ZIP file.
    out
        A folder that does not exist yet.
    """
    from unetscope.io.archive import unpack as unpack_archive

    files = unpack_archive(archive, out)
    if json:
        write_result([str(file) for file in files])
    else:
        say(f"{count(len(files), 'file')} in {out}")


@app.command
def train(
    data: Path,
    /,
    *,
    out: Path,
    masks: Masks = None,
    preset: Annotated[str | None, Parameter(group=_settings)] = None,
    recipe: Annotated[Path | None, Parameter(group=_settings)] = None,
    from_: Annotated[str | None, Parameter(name="--from", group=_settings)] = None,
    epochs: Annotated[int | None, Parameter(group=_settings)] = None,
    minutes: Annotated[float | None, Parameter(group=_settings)] = None,
    seed: Annotated[int | None, Parameter(group=_settings)] = None,
    set_: Annotated[
        list[str] | None, Parameter(name="--set", group=_settings, negative="", consume_multiple=True)
    ] = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    tensorboard: Flag = False,
    previews: Flag = False,
    json: Json = False,
) -> None:
    """Train a U-Net on images with masks. Stop at any time with Ctrl-C: the best model so far is kept.

    Parameters
    ----------
    data
        Folder of images with masks, or a CSV table with the columns image, mask, group and split.
    out
        Folder for the model and everything about the training.
    preset
        One of `unetscope presets`; "auto" plans for your data and is the default.
    recipe
        A recipe file (YAML) instead of a preset.
    from_
        Begin with the weights of a model, instead of new ones: one of `unetscope models`, a model file, or
        the folder of a run. Where images are alike, that takes fewer of them, and less time.
    epochs
        Passes over the training images, instead of the recipe's budget.
    minutes
        Training time, instead of the recipe's budget.
    seed
        For all that is drawn at random; with a budget in epochs, the same seed trains the same model.
    set_
        Changes to the recipe, such as --set network.depth=3 training.batch_size=8.
    tensorboard
        Also write curves for TensorBoard to the run folder (needs the extra `tensorboard`).
    previews
        Keep a current prediction of one validation image in the run folder, for whoever watches it.
    """
    from unetscope import api
    from unetscope.errors import RecipeError

    if preset is not None and recipe is not None:
        raise RecipeError("both --preset and --recipe are given", expected="one of them", fix="leave one out")
    training = api.prepare_training(
        data,
        out,
        masks=masks,
        recipe=recipe or preset or "auto",
        settings=_settings_of(epochs, minutes, seed, set_),
        start=from_,
        device=device,
        overwrite=overwrite,
    )
    _train(training, tensorboard=tensorboard, previews=previews, json=json)


@app.command
def resume(
    run: Path,
    /,
    *,
    device: Device = "auto",
    tensorboard: Flag = False,
    previews: Flag = False,
    json: Json = False,
) -> None:
    """Go on with a training that was interrupted.

    Parameters
    ----------
    run
        The folder that `train` wrote.
    tensorboard
        Also write curves for TensorBoard to the run folder.
    previews
        Keep a current prediction of one validation image in the run folder, for whoever watches it.
    """
    from unetscope import api

    training = api.prepare_resume(run, device=device)
    _train(training, tensorboard=tensorboard, previews=previews, json=json)


@app.command
def predict(
    model: Path,
    images: Path,
    /,
    *,
    out: Path,
    series: Flag = False,
    format_: Annotated[str, Parameter(name="--format")] = "auto",
    probabilities: Flag = False,
    threshold: float | None = None,
    diameter: float | None = None,
    device: Device = "auto",
    scheduler: str | None = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Segment images with a trained model; every result lies exactly on its image.

    An image that is too large for memory is segmented in blocks and written as OME-Zarr; stopped at any
    time, the same command goes on with it.

    Parameters
    ----------
    model
        The folder that `train` wrote, a model.safetensors file, or the name of one of `unetscope models`.
    images
        An image, or a folder of images.
    series
        Take the DICOM files of the folder as series: one result for each, not for each file.
    out
        Folder for the results: one mask per image, and predictions.json about all of them.
    format_
        Of the results: png, tiff, zarr (OME-Zarr), nifti, nrrd (3D Slicer), or dicom (segmentation objects);
        auto writes PNG for planes and TIFF for volumes.
    probabilities
        Also write the probabilities, as TIFF.
    threshold
        Probability from which on a pixel is the object, instead of the model's own.
    diameter
        Of the objects in pixels, for a model that brings them to one size; estimated in each image unless
        given.
    scheduler
        Address of a Dask cluster, tcp://HOST:PORT, whose workers segment every image in blocks.
    """
    from unetscope.folders import PredictedFile, predict_files

    results: list[PredictedFile] = []
    with progress(None, "predicting") as update:
        for result, total in predict_files(
            model,
            images,
            out,
            series=series,
            file_format=format_,
            probabilities=probabilities,
            threshold=threshold,
            diameter=diameter,
            device=device,
            overwrite=overwrite,
            scheduler=scheduler,
            progress=lambda part: update(len(results) + part),
        ):
            results.append(result)
            update(len(results), of=total, text=result.labels)
    seconds = sum(result.seconds for result in results)
    if json:
        write_result({"out": str(out), "images": list(map(asdict, results)), "seconds": seconds})
    else:
        each = seconds / len(results)
        say(f"{count(len(results), 'prediction')} in {out}, {seconds:.1f} s ({each:.2f} s an image)")


@app.command
def evaluate(
    predicted: Path,
    truth: Path,
    /,
    *,
    out: Path | None = None,
    json: Annotated[Path | None, Parameter(help="Write all numbers to this file, as JSON.")] = None,
    objects: Flag = False,
    ignore: int | None = None,
    background: int = 0,
    overwrite: Overwrite = False,
) -> None:
    """Compare results with masks: precision, recall, Dice, IoU and distances, image by image.

    Parameters
    ----------
    predicted
        Folder of results, or one of them.
    truth
        Folder of masks of the same names, or one mask.
    out
        Folder for a report with table and figures.
    objects
        The masks number their objects: compare all together with the background, and match them one by one
        (AP, F1, PQ, AJI, SEG, merges, splits).
    ignore
        Mask value of pixels that nobody labeled; 0 for sparse annotation.
    background
        Mask value of the background; usually 1 in sparse annotation.
    """
    from unetscope.folders import compare_folders, write_report
    from unetscope.io.write import write_json

    comparison = compare_folders(predicted, truth, objects=objects, ignore=ignore, background=background)
    for sentence in comparison.left_out:
        note(f"left out: {sentence}")
    say(comparison.report.table())
    if json is not None:
        write_json(json, comparison.report.to_dict(), overwrite=overwrite)
    if out is not None:
        note(f"report: {write_report(comparison, out, overwrite=overwrite)}")


@app.command
def experiments(*, show: str | None = None, json: Json = False) -> None:
    """List the experiments that are built in, or show one as a file to copy and change.

    Parameters
    ----------
    show
        Name of an experiment.
    """
    from unetscope.experiments.documents import EXPERIMENTS, experiment
    from unetscope.experiments.experiment import to_yaml

    if show is None:
        titles = {name: experiment(name).title for name in EXPERIMENTS}
        if json:
            write_result(titles)
        else:
            say("\n".join(f"{name:16} {title}" for name, title in titles.items()))
    elif json:
        write_result(experiment(show).to_dict())
    else:
        say(to_yaml(experiment(show)))


@app.command
def experiment(
    name: str,
    data: Path,
    /,
    *,
    out: Path | None = None,
    budget: str | None = None,
    arms: Annotated[list[str] | None, Parameter(negative="", consume_multiple=True)] = None,
    seeds: Annotated[list[int] | None, Parameter(negative="", consume_multiple=True)] = None,
    test: Path | None = None,
    masks: Masks = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Train several recipes on one dataset from several seeds, and compare them. Call it again to go on.

    Parameters
    ----------
    name
        One of `unetscope experiments`, or a YAML file.
    data
        Folder of images with masks, which may hold the folders training and test; or a CSV table.
    out
        Folder for all trainings, tables and the report; experiments/NAME unless given.
    budget
        A budget of the experiment, such as cpu or full, or minutes for each training.
    arms
        Only these rows of the experiment.
    seeds
        Instead of the experiment's.
    test
        Folder of the test images with their masks, if they are not in DATA.
    """
    from unetscope.cli.experiment import announce, find_experiment, result_table, run_experiment
    from unetscope.experiments.results import Results
    from unetscope.experiments.run import prepare_experiment

    chosen = find_experiment(name).only(arms=arms, seeds=seeds)
    run = prepare_experiment(
        chosen,
        data,
        out or Path("experiments") / chosen.name,
        budget=budget,
        test=test,
        masks=masks,
        device=device,
        overwrite=overwrite,
    )
    announce(run)
    try:
        run_experiment(run)
    except KeyboardInterrupt:
        if not any(run.folder.finished()):
            raise
        note("stopped; the same command goes on from here")
    report = run.report()
    results = Results(run.folder)
    if json:
        write_result(results.to_dict())
    else:
        say(result_table(results))
    note(f"report: {report}")


@app.command
def gui(*paths: Path, sample: str | None = None) -> None:
    """Open napari with all widgets docked, and files, folders or a sample set in it.

    Parameters
    ----------
    paths
        Files and folders to open: images, DICOM series, images with masks.
    sample
        A sample set to open: heart, fundus, xray or cells; heart if nothing else is to be opened.
    """
    try:
        from unetscope._napari.app import run_viewer
    except ImportError as error:
        raise UNetScopeError(
            f"the viewer cannot start ({error})",
            expected="napari with a Qt binding",
            fix='run pip install "unetscope[gui]"',
        ) from error
    run_viewer(paths, sample=sample or (None if paths else "heart"))


def _settings_of(
    epochs: int | None, minutes: float | None, seed: int | None, changes: list[str] | None
) -> list[str]:
    """All changes to the recipe as key=value, those of --set last."""
    settings = []
    if epochs is not None or minutes is not None:
        # A budget that is given replaces the recipe's, whichever kind that is.
        budgets = {"epochs": epochs, "minutes": minutes}
        settings += [f"training.{name}={'null' if b is None else b}" for name, b in budgets.items()]
    if seed is not None:
        settings.append(f"seed={seed}")
    return settings + (changes or [])


def _train(training: Training, *, tensorboard: bool, previews: bool, json: bool) -> None:
    if training.team.leads:
        _lead(training, tensorboard=tensorboard, previews=previews, json=json)
    else:
        for _ in training:
            pass


def _devices(training: Training) -> str:
    """Where a training computes, in words."""
    size = training.team.size
    return str(training.device) if size == 1 else f"{training.device.type} in {size} processes"


def _lead(training: Training, *, tensorboard: bool, previews: bool, json: bool) -> None:
    from unetscope.cards import describe
    from unetscope.training.tensorboard import scalar_writer

    recipe = training.recipe
    roles = [entry.role for entry in training.run.data]
    test = f"{roles.count('test')} left for a test, " if "test" in roles else ""
    start = training.run.start
    began = "" if start is None else f", from {start.name}"
    note(
        f"{recipe.name}{began}: {count(roles.count('training'), 'image')} to train on, "
        f"{roles.count('validation')} to validate, {test}"
        f"{describe_budget(recipe)} on {_devices(training)}; run folder {training.run.path}"
    )
    for sentence in training.left_out:
        note(f"left out: {sentence}")
    for sentence in training.warnings:
        note(f"careful: {sentence}")
    with (
        scalar_writer(training.run.path if tensorboard else None) as write,
        training.previews() if previews else nullcontext() as preview,
        training_progress(recipe) as advance,
    ):
        try:
            for record in training:
                write(record)
                note(show_epoch(record))
                advance(record)
                if preview is not None:
                    preview(record)
        except KeyboardInterrupt:
            if not training.run.model_path.exists():
                # Nothing was learned that could be kept.
                raise
            note("stopped; the best model so far is kept, and `unetscope resume` goes on from here")
    report = training.finish()
    if json:
        write_result(describe(training.run.path))
        return
    if report is not None:
        say(report.table("summary"))
    if training.run.model_path.exists():
        say(f"model: {training.run.model_path}")
    else:
        note("stopped before the end of the first epoch: there is no model yet")
