"""Reports made again from their files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unetscope.errors import InputError
from unetscope.evaluation.matching import ObjectCounts
from unetscope.evaluation.metrics import Counts
from unetscope.evaluation.objects import InstanceCounts
from unetscope.evaluation.report import Report
from unetscope.evaluation.score import ImageScore

__all__ = ["read_report"]

# Of a run, and of a report folder.
_NAMES = ("metrics.json", "scores.json")


def read_report(path: Path | str) -> Report:
    """Read the report of a run, of a folder that ``unetscope evaluate --out`` wrote, or of a JSON file.

    Parameters
    ----------
    path : Path or str
        A folder with ``metrics.json`` or ``scores.json``, or such a file.

    Returns
    -------
    Report
        Equal to the one that was written.

    Raises
    ------
    InputError
        If there is none, it is damaged, or it was written before scores of images were kept.
    """
    path = Path(path)
    files = [path / name for name in _NAMES] if path.is_dir() else [path]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        raise InputError(
            f"there are no scores in {path}",
            expected=f"a folder with {' or '.join(_NAMES)}",
            fix="choose a run that has ended, or a report",
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return Report(tuple(_score(row, content) for row in content["images"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise InputError(
            f"{file} does not hold the scores of images",
            expected="what training or evaluate writes when it ends",
            fix="score the images again",
        ) from None


def _score(row: Mapping[str, Any], content: Mapping[str, Any]) -> ImageScore:
    def distance(key: str) -> float | None:
        # JSON has no NaN: where distances were measured, null is one.
        return math.nan if row[key] is None and key in content["mean"] else row[key]

    return ImageScore(
        row["name"],
        {int(label): Counts(**counts) for label, counts in row["counts"].items()},
        hausdorff95=distance("hausdorff95"),
        mean_surface_distance=distance("mean_surface_distance"),
        units=content["units"],
        objects=_objects(row["objects"]) if "objects" in row else None,
    )


def _objects(counts: Mapping[str, Any]) -> InstanceCounts | ObjectCounts:
    # Earlier versions counted matches at one threshold.
    if isinstance(counts["tp"], int):
        return ObjectCounts(**counts)
    # JSON has no tuples.
    return InstanceCounts(**{**counts, "tp": tuple(counts["tp"]), "iou_sum": tuple(counts["iou_sum"])})
