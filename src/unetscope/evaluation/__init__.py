"""Predictions against truths: pixel counts, overlap scores, surface distances, reports.

Figures are in `unetscope.evaluation.plots`, which is not imported here: it needs matplotlib.
"""

from __future__ import annotations

from unetscope.evaluation.metrics import (
    METRICS,
    Counts,
    accuracy,
    count,
    count_classes,
    dice,
    f1,
    iou,
    macro,
    mean_iou,
    measure,
    precision,
    recall,
    specificity,
)
from unetscope.evaluation.report import ClassSummary, Report
from unetscope.evaluation.score import ImageScore, score_image
from unetscope.evaluation.surface import surface_distances

__all__ = [
    "METRICS",
    "ClassSummary",
    "Counts",
    "ImageScore",
    "Report",
    "accuracy",
    "count",
    "count_classes",
    "dice",
    "f1",
    "iou",
    "macro",
    "mean_iou",
    "measure",
    "precision",
    "recall",
    "score_image",
    "specificity",
    "surface_distances",
]
