"""Predictions against truths: pixel and object counts, overlap scores, surface distances, reports.

Figures are in `unetscope.evaluation.plots`, which is not imported here: it needs matplotlib.
"""

from __future__ import annotations

from unetscope.evaluation.matching import ObjectCounts, match_objects
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
from unetscope.evaluation.objects import IOU_THRESHOLDS, OBJECT_METRICS, InstanceCounts, count_objects
from unetscope.evaluation.paired import Difference, Paired, pair_reports
from unetscope.evaluation.report import ClassSummary, Report
from unetscope.evaluation.saved import read_report
from unetscope.evaluation.score import ImageScore, score_image
from unetscope.evaluation.significance import Significance, paired_significance
from unetscope.evaluation.surface import surface_distances

__all__ = [
    "IOU_THRESHOLDS",
    "METRICS",
    "OBJECT_METRICS",
    "ClassSummary",
    "Counts",
    "Difference",
    "ImageScore",
    "InstanceCounts",
    "ObjectCounts",
    "Paired",
    "Report",
    "Significance",
    "accuracy",
    "count",
    "count_classes",
    "count_objects",
    "dice",
    "f1",
    "iou",
    "macro",
    "match_objects",
    "mean_iou",
    "measure",
    "pair_reports",
    "paired_significance",
    "precision",
    "read_report",
    "recall",
    "score_image",
    "specificity",
    "surface_distances",
]
