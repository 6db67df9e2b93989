"""Several recipes on one dataset, several seeds each: trained, scored alike, compared, and reported."""

from __future__ import annotations

from unetscope.experiments.answers import Answer
from unetscope.experiments.experiment import (
    Arm,
    Budget,
    Condition,
    Contrast,
    Experiment,
    Material,
    Published,
    read_experiment,
)
from unetscope.experiments.folder import Cell, CellFacts, ExperimentFolder
from unetscope.experiments.results import Results, Summary

__all__ = [
    "Answer",
    "Arm",
    "Budget",
    "Cell",
    "CellFacts",
    "Condition",
    "Contrast",
    "Experiment",
    "ExperimentFolder",
    "Material",
    "Published",
    "Results",
    "Summary",
    "read_experiment",
]
