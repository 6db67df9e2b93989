"""The columns of tables of scores: their keys, titles and digits, and what is to be said about them."""

from __future__ import annotations

import math

from unetscope.evaluation.metrics import METRICS
from unetscope.evaluation.objects import OBJECT_METRICS

__all__ = ["DISTANCES", "IN_PRINT", "SCORES", "TITLES", "notes_on_objects", "show_value"]

SCORES = (*METRICS, "accuracy")
"""Scores of pixels in tables."""

DISTANCES = ("hausdorff95", "mean_surface_distance")
"""Scores with a unit."""

IN_PRINT = (
    "dice",
    "object_f1",
    "ap50",
    "ap75",
    "mean_ap",
    "panoptic_quality",
    "aji",
    "seg",
    "true_objects",
    "predicted_objects",
    "merges",
    "splits",
)
"""Scores that are read in a table where masks number objects; the others are of pixels, or much the same."""

_NUMBERS = ("true_objects", "predicted_objects", "count_error", "merges", "splits")
_DIGITS = dict.fromkeys(_NUMBERS, 1) | dict.fromkeys(DISTANCES, 2)

TITLES = {
    "precision": "Precision",
    "recall": "Recall",
    "dice": "Dice",
    "iou": "IoU",
    "f1": "F1",
    "accuracy": "Accuracy",
    "mean_iou": "Mean IoU",
    "mean_dice": "Mean Dice",
    "object_f1": "Object F1",
    "ap50": "AP50",
    "ap75": "AP75",
    "mean_ap": "Mean AP",
    "panoptic_quality": "PQ",
    "aji": "AJI",
    "seg": "SEG",
    "true_objects": "Objects",
    "predicted_objects": "Predicted",
    "count_error": "Count error",
    "merges": "Merges",
    "splits": "Splits",
    **{key: key.upper() for key in OBJECT_METRICS if key.startswith("ap")},
    **{key: f"Object F1 at 0.{key[-2:]}" for key in OBJECT_METRICS if key.startswith("object_f1_")},
    "hausdorff95": "HD95",
    "mean_surface_distance": "MSD",
}
"""What tables and figures call the scores."""


def show_value(key: str, value: float | None) -> str:
    """Write a value of a column as tables do, ``"-"`` where it is undefined."""
    if value is None or math.isnan(value):
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.{_DIGITS.get(key, 4)}f}"


def notes_on_objects(printed: tuple[str, ...]) -> list[str]:
    """What a table with these columns says below about objects, a sentence for each line."""
    if "object_f1" not in printed:
        return []
    notes = ["Object F1 and PQ (panoptic quality): objects that overlap with an IoU of 0.5 or more match."]
    if "mean_ap" in printed:
        notes += [
            "AP50 and AP75: matches at an IoU of 0.5 and 0.75 by all objects, found, invented or missed. "
            "Mean AP: over 0.5, 0.55 … 0.95.",
            "AJI: aggregated Jaccard index. SEG: mean IoU of true objects with what covers more than half of "
            "them.",
            "Merges: predicted objects that cover several true ones. Splits: true objects in several parts.",
        ]
    return [*notes, "More scores, of pixels, other thresholds and distances, are in the CSV and JSON files."]
