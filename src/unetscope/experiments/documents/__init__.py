"""The built-in experiments: what five classroom reports on U-Nets tried, and our default beside it.

Each has a module, whose docstring is what the experiment says of its report: what is asked, and, in Markdown,
what was published, what the report leaves open or gets wrong, and what is done here.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

from unetscope.errors import RecipeError
from unetscope.experiments.documents.cells import cells
from unetscope.experiments.documents.hela import hela
from unetscope.experiments.documents.left_ventricle import left_ventricle
from unetscope.experiments.documents.retina import retina
from unetscope.experiments.documents.xray import xray
from unetscope.experiments.experiment import Experiment

__all__ = ["EXPERIMENTS", "describe_experiment", "experiment"]


def experiment(name: str) -> Experiment:
    """A built-in experiment.

    Raises
    ------
    RecipeError
        If there is no such experiment, naming the nearest.
    """
    if name not in EXPERIMENTS:
        near = difflib.get_close_matches(name, EXPERIMENTS, n=1, cutoff=0.3)
        raise RecipeError(
            f"there is no experiment {name!r}",
            expected=f"{near[0]!r}" if near else f"one of {', '.join(EXPERIMENTS)}",
            fix="see `unetscope experiments`, or give a YAML file",
        )
    return EXPERIMENTS[name]()


def describe_experiment(name: str) -> str:
    """What an experiment is about, in Markdown: what is asked in the first line, then its report.

    Raises
    ------
    RecipeError
        As for `experiment`.
    """
    found = experiment(name)
    return f"{found.title}\n\n{found.document}"


EXPERIMENTS: dict[str, Callable[[], Experiment]] = {
    "retina": retina,
    "left-ventricle": left_ventricle,
    "xray": xray,
    "cells": cells,
    "hela": hela,
}
"""Name → function that makes the experiment."""
