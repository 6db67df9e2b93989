"""Answers to the questions of an experiment, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unetscope.evaluation import Significance
from unetscope.evaluation.report import TITLES
from unetscope.evaluation.significance import SMALLER_IS_BETTER
from unetscope.experiments.experiment import Contrast

__all__ = ["Answer", "answer"]

_VERDICTS = {"better": "better", "worse": "worse", "not shown": "not shown to be better"}


@dataclass(frozen=True)
class Answer:
    """What the finished cells say to one question of the experiment.

    Attributes
    ----------
    contrast : Contrast
    significance : Significance
        Of the one arm minus the other, over the seeds that are finished for both.
    sentence : str
        In words, with the numbers and what they are over, and what they do not say.
    """

    contrast: Contrast
    significance: Significance
    sentence: str


def answer(
    contrast: Contrast,
    found: Significance,
    *,
    condition: str = "",
    units: str = "",
    remarks: tuple[str, ...] = (),
) -> Answer:
    """Put what was found into words.

    Parameters
    ----------
    contrast : Contrast
    found : Significance
    condition : str
        How both were scored, where that has to be said.
    units : str
        Of distances.
    remarks : tuple of str
        What else the numbers do not say, without a full stop.
    """
    distance = contrast.metric in SMALLER_IS_BETTER
    digits = 2 if distance else 3
    said = "".join(f" {remark[0].upper()}{remark[1:]}." for remark in (*found.remarks, *remarks))
    sentence = (
        f"{contrast.better} against {contrast.than}{f', {condition}' if condition else ''}: "
        f"{TITLES[contrast.metric]} {_signed(found.mean, digits)}{f' {units}' if distance else ''} "
        f"({_spread(found, digits)}{found.over}): {_VERDICTS[found.verdict]}.{said}"
    )
    return Answer(contrast, found, sentence)


def _spread(found: Significance, digits: int) -> str:
    if math.isnan(found.p):
        return ""
    interval = f"{_signed(found.low, digits)} to {_signed(found.high, digits)}"
    p = "p < 0.001" if found.p < 0.001 else f"p = {found.p:.{3 if found.p < 0.1 else 2}f}"
    return f"{100 * found.confidence:g} % interval {interval}, {p}; "


def _signed(value: float, digits: int) -> str:
    return "undefined" if math.isnan(value) else f"{value:+.{digits}f}".replace("-", "−")
