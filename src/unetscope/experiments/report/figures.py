"""The figures of an experiment, one after the other, with what is to be said about each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from unetscope._words import count
from unetscope.evaluation.report import TITLES
from unetscope.experiments.report.charts import arm_bars, bar_metrics, image_spread, size_curve
from unetscope.experiments.report.curves import arm_curves
from unetscope.experiments.report.details import misclassified, noise_panels, object_panels, weight_panels
from unetscope.experiments.report.panels import Pictures, arm_panels

if TYPE_CHECKING:
    from unetscope.experiments.folder import ExperimentFolder
    from unetscope.experiments.results import Results

__all__ = ["FIGURES", "Drawing", "Pictures", "draw_figures"]

FIGURES = ("bars", "images", "size", "panels", "objects", "misclassified", "weights", "noise", "curves")
"""Names of all figures that a report may have, in their order."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure with its words.

    Attributes
    ----------
    name : str
        One of `FIGURES`; the name of its file without the ending.
    title : str
    caption : str
        What is shown, over what.
    figure : Figure
    """

    name: str
    title: str
    caption: str
    figure: Figure


def draw_figures(
    folder: ExperimentFolder, results: Results, pictures: Pictures | None = None
) -> Iterator[Drawing]:
    """Draw all figures for which there is something to show, in the order of `FIGURES`.

    Parameters
    ----------
    folder : ExperimentFolder
    results : Results
        Of the same folder; without a finished cell there are no figures.
    pictures : Pictures, optional
        Pixels; figures that need them are left out unless given.
    """
    if not results.cells:
        return
    yield from _charts(folder, results)
    if pictures is not None:
        yield from _pictures(results, pictures)
    if (figure := arm_curves(results)) is not None:
        caption = (
            "One thin line for each seed. Dice of the training images is measured on augmented samples while "
            "the network still learns, that of the validation images after each epoch."
        )
        yield Drawing("curves", "Training", caption, figure)


def _charts(folder: ExperimentFolder, results: Results) -> Iterator[Drawing]:
    experiment = results.experiment
    main = TITLES.get(experiment.main, experiment.main)
    everything = {
        name: report for name in experiment.conditions if (report := folder.everything(name)) is not None
    }
    if bar_metrics(results):
        caption = f"Mean over {_images(results)}, then mean over seeds."
        if everything:
            caption += " The pale bars at the bottom are what calling every pixel the object scores."
        yield Drawing("bars", "Scores of the arms", caption, arm_bars(results, everything))
    caption = f"{main} of each of {_images(results)}, mean over seeds. A line joins the dots of one image."
    yield Drawing("images", "Scores of the images", caption, image_spread(results))
    if (figure := size_curve(results)) is not None:
        caption = f"{main}, mean over {_images(results)}. Dots are seeds, the line is their mean."
        yield Drawing("size", "How many training images are needed", caption, figure)


def _pictures(results: Results, pictures: Pictures) -> Iterator[Drawing]:
    experiment = results.experiment
    main = TITLES.get(experiment.main, experiment.main)
    if (figure := arm_panels(results, pictures)) is not None:
        caption = (
            f"The best, the median and the worst test image by {main}, mean over arms and seeds. Predictions "
            f"are those of the first seed, scored as in “{experiment.first_condition}”."
        )
        if experiment.material.target.kind == "instances" and not experiment.material.target.sparse:
            caption += (
                " Colors say what became of each object: found with an IoU of 0.5 or more, false, missed, "
                "several true ones merged, or a part of one that is split."
            )
        yield Drawing("panels", "Predictions", caption, figure)
    if (figure := object_panels(results, pictures)) is not None:
        caption = (
            "Where most objects touch, from close up. An object has the color of the true one that it covers "
            "most, and is gray if it covers none: where two have become one, one color is missing."
        )
        yield Drawing("objects", "Which objects are told apart", caption, figure)
    if "misclassified" in experiment.figures and (figure := misclassified(results, pictures)) is not None:
        caption = "The worst test image. Pixels that are wrong have the color of their true class."
        yield Drawing("misclassified", "Which pixels are wrong", caption, figure)
    if "weights" in experiment.figures and (figure := weight_panels(results, pictures)) is not None:
        caption = "Weights of the pixels of a training image in the loss, on the grid of its file."
        yield Drawing("weights", "Border weights", caption, figure)
    if "noise" in experiment.figures and (figure := noise_panels(results, pictures)) is not None:
        caption = "A test image without and with the noise that the conditions add, all in one gray scale."
        yield Drawing("noise", "Noise", caption, figure)


def _images(results: Results) -> str:
    return count(max(each.images for each in results.summaries()), "test image")
