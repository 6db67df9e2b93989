"""Everything that is counted of masks that number their objects, and the scores that are made of it.

Beside the matches of `unetscope.evaluation.matching`, at ten thresholds:

=======  =============================================================================================
score    definition
=======  =============================================================================================
mean AP  mean of TP / (TP + FP + FN) at the thresholds 0.50, 0.55, … 0.95 (`IOU_THRESHOLDS`)
AJI      Σ |Gᵢ ∩ Sⱼ₍ᵢ₎| / (Σ |Gᵢ ∪ Sⱼ₍ᵢ₎| + Σ |Sₖ| of those never chosen); j(i) is the predicted object with
         the highest IoU with the true object Gᵢ
SEG      mean over true objects R of |R ∩ S| / |R ∪ S|, where S is the predicted object that covers more
         than half of R; 0 if there is none
merges   predicted objects that cover more than half of each of several true objects
splits   true objects inside which several predicted objects lie, each by more than half of itself
=======  =============================================================================================

AJI is the aggregated Jaccard index as Kumar et al. 2017 define it (doi:10.1109/TMI.2017.2677499,
algorithm 1): several true objects may choose the same predicted object, which then counts several times in
the denominator. Of n equal objects that are merged into one, AJI is 1 / n: no better than if the others were
missed. This is what papers report as AJI; "AJI+" takes every object once and is another number. A true object
without overlap adds its area to the denominator.

SEG is that of the Cell Tracking Challenge (Maška et al. 2014, doi:10.1093/bioinformatics/btu080; 2023,
doi:10.1038/s41592-023-01879-y). It takes no notice of false objects.

Merges and splits are the under- and over-segmentation of Hoover et al. 1996 (doi:10.1109/34.506791), each
the other with truth and prediction exchanged; a merge is also what the Cell Tracking Challenge calls a vertex
to be split (Matula et al. 2015, doi:10.1371/journal.pone.0144959). So that a speck beside a cell makes
neither, all parts but the largest together have to be a tenth (`SPECK`) of the whole. Caicedo et al. 2019
(doi:10.1002/cyto.a.23863) leave out overlaps with an IoU up to 0.1 instead, which misses a clump of more than
ten cells. An object can be found, with an IoU of 0.5 or more, and be split or merged, too.

Everything adds up over images, and the scores of the sums are the pooled ones: AP, F1 and PQ are then those
of `stardist.matching.matching_dataset`, AJI and SEG those over all objects of all images, as their authors
define them. Where a fraction is 0/0, the rule of `unetscope.evaluation.metrics` holds: 1.0 where there is no
object in truth and prediction, 0.0 otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.evaluation.matching import ObjectCounts, best_pairs, counts_at
from unetscope.evaluation.overlaps import Overlaps, find_overlaps

__all__ = [
    "IOU_THRESHOLDS",
    "OBJECT_METRICS",
    "SPECK",
    "InstanceCounts",
    "Relations",
    "connected_objects",
    "count_objects",
    "object_scores",
    "pool_objects",
]

IOU_THRESHOLDS: tuple[float, ...] = tuple(percent / 100 for percent in range(50, 100, 5))
"""From which intersection over union on objects match; the mean AP is over all of these."""

SPECK = 0.1
"""Parts that are less of the whole than this, all but the largest together, make no merge and no split."""

_NONE = (0,) * len(IOU_THRESHOLDS)


@dataclass(frozen=True)
class InstanceCounts:
    """Everything that is counted of objects; can be added, also with `sum`.

    Attributes
    ----------
    true, predicted : int
        Number of objects in the truth and in the prediction.
    tp : tuple of int
        Matches at each of `IOU_THRESHOLDS`.
    iou_sum : tuple of float
        Sum of the intersection over union of these matches.
    common, united : int
        Pixels in numerator and denominator of the aggregated Jaccard index.
    covered : float
        Sum over true objects of the Jaccard index with the predicted object that covers more than half of
        them: what SEG is the mean of.
    merges, splits : int
        Predicted objects that are merges, and true objects that are split.
    """

    true: int = 0
    predicted: int = 0
    tp: tuple[int, ...] = _NONE
    iou_sum: tuple[float, ...] = _NONE
    common: int = 0
    united: int = 0
    covered: float = 0.0
    merges: int = 0
    splits: int = 0

    def __post_init__(self) -> None:
        for name, values in (("tp", self.tp), ("iou_sum", self.iou_sum)):
            if len(values) != len(IOU_THRESHOLDS):
                raise InputError(
                    f"{name} of the objects has {len(values)} values",
                    expected=f"{len(IOU_THRESHOLDS)}, one for each threshold",
                    fix="score the images again",
                )

    def __add__(self, other: InstanceCounts) -> InstanceCounts:
        def added(name: str) -> Any:
            one, more = getattr(self, name), getattr(other, name)
            if isinstance(one, tuple):
                return tuple(a + b for a, b in zip(one, more, strict=True))
            return one + more

        return InstanceCounts(**{each.name: added(each.name) for each in fields(self)})

    def __radd__(self, start: int) -> InstanceCounts:
        """Let `sum` begin at its default of 0."""
        return self if start == 0 else NotImplemented

    def at(self, threshold: float = 0.5) -> ObjectCounts:
        """Matches at one of `IOU_THRESHOLDS`.

        Raises
        ------
        InputError
            If it is none of them.
        """
        if threshold not in IOU_THRESHOLDS:
            raise InputError(
                f"the threshold for matching objects is {threshold:g}",
                expected=f"one of {', '.join(f'{each:g}' for each in IOU_THRESHOLDS)}",
                fix="take one of these, or match_objects",
            )
        place = IOU_THRESHOLDS.index(threshold)
        tp = self.tp[place]
        return ObjectCounts(tp, self.predicted - tp, self.true - tp, self.iou_sum[place])

    @property
    def count_error(self) -> int:
        """How many more objects were predicted than there are; negative if fewer."""
        return self.predicted - self.true

    @property
    def mean_ap(self) -> float:
        """Mean of the average precision over `IOU_THRESHOLDS`, in [0, 1]."""
        return sum(self.at(each).average_precision for each in IOU_THRESHOLDS) / len(IOU_THRESHOLDS)

    @property
    def aji(self) -> float:
        """Aggregated Jaccard index, in [0, 1]."""
        return self.common / self.united if self.united else 1.0

    @property
    def seg(self) -> float:
        """Mean Jaccard index of the true objects, in [0, 1]."""
        return self.covered / self.true if self.true else float(self.predicted == 0)


def count_objects(
    truth: NDArray[Any], predicted: NDArray[Any], *, valid: NDArray[np.bool_] | None = None
) -> InstanceCounts:
    """Count everything about the objects of one image.

    Parameters
    ----------
    truth, predicted : ndarray of int, any shape
        One value per object, in any order; 0 is the background.
    valid : ndarray of bool, optional
        Which pixels count; all unless given. An object without such a pixel is none.

    Returns
    -------
    InstanceCounts

    Raises
    ------
    InputError
        If the shapes differ or values are not integer.

    Notes
    -----
    Of several predicted objects with the same IoU, AJI takes the one with more common pixels, then the one
    that comes first in the image: the values of labels do not matter.
    """
    overlaps = find_overlaps(truth, predicted, valid)
    matches = [counts_at(overlaps, threshold) for threshold in IOU_THRESHOLDS]
    related = Relations(overlaps)
    common, united = _aggregated(overlaps)
    return InstanceCounts(
        true=overlaps.true_areas.size,
        predicted=overlaps.areas.size,
        tp=tuple(each.tp for each in matches),
        iou_sum=tuple(each.iou_sum for each in matches),
        common=common,
        united=united,
        covered=float(overlaps.iou[related.covers].sum()),
        merges=int(related.merges.sum()),
        splits=int(related.splits.sum()),
    )


@dataclass(frozen=True, eq=False)
class Relations:
    """What objects are to each other; pairs and objects are those of the `Overlaps`.

    Attributes
    ----------
    overlaps : Overlaps
    """

    overlaps: Overlaps

    @cached_property
    def matches(self) -> NDArray[np.intp]:
        """Places of the pairs that match at an intersection over union of 0.5."""
        return best_pairs(self.overlaps, 0.5)

    @cached_property
    def covers(self) -> NDArray[np.bool_]:
        """Pairs whose predicted object covers more than half of the true one, (N,)."""
        covers: NDArray[np.bool_] = 2 * self.overlaps.common > self.overlaps.true_areas[self.overlaps.rows]
        return covers

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """Pairs whose predicted object lies inside the true one by more than half, (N,)."""
        inside: NDArray[np.bool_] = 2 * self.overlaps.common > self.overlaps.areas[self.overlaps.columns]
        return inside

    @cached_property
    def merges(self) -> NDArray[np.bool_]:
        """Predicted objects that are merges, (P,)."""
        return _of_several(self.overlaps.areas, self.overlaps.columns, self.overlaps.common, self.covers)

    @cached_property
    def splits(self) -> NDArray[np.bool_]:
        """True objects that are split, (T,)."""
        return _of_several(self.overlaps.true_areas, self.overlaps.rows, self.overlaps.common, self.inside)


def _of_several(
    areas: NDArray[np.int64],
    wholes: NDArray[np.intp],
    common: NDArray[np.int64],
    part: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Which wholes have several parts that are no specks; `wholes`, `common` and `part` are of pairs."""
    wholes, common = wholes[part], common[part]
    together, largest = np.zeros(areas.size, np.int64), np.zeros(areas.size, np.int64)
    np.add.at(together, wholes, common)
    np.maximum.at(largest, wholes, common)
    several: NDArray[np.bool_] = (together - largest) / areas >= SPECK
    return several


def _aggregated(overlaps: Overlaps) -> tuple[int, int]:
    """Numerator and denominator of the aggregated Jaccard index."""
    rows, columns = overlaps.rows, overlaps.columns
    order = np.lexsort((columns, -overlaps.common, -overlaps.iou, rows))
    met, first = np.unique(rows[order], return_index=True)
    best = order[first]
    missed = np.ones(overlaps.true_areas.size, bool)
    missed[met] = False
    unused = np.ones(overlaps.areas.size, bool)
    unused[columns[best]] = False
    united = overlaps.union[best].sum() + overlaps.true_areas[missed].sum() + overlaps.areas[unused].sum()
    return int(overlaps.common[best].sum()), int(united)


def connected_objects(labels: NDArray[Any]) -> NDArray[Any]:
    """Numbered objects; of a mask that only tells object from background, its connected parts.

    Parameters
    ----------
    labels : ndarray of int or bool
        0 is the background.

    Returns
    -------
    ndarray of int
        `labels` as they are if they hold several nonzero values or none.
    """
    from scipy import ndimage

    inside = labels != 0
    values = labels[inside]
    if values.size and (values == values[0]).all():
        return np.asarray(ndimage.label(inside)[0])
    return labels


def object_scores(counts: ObjectCounts | InstanceCounts) -> dict[str, float]:
    """Scores of objects by the keys of reports and tables.

    Parameters
    ----------
    counts : ObjectCounts or InstanceCounts
        Of the first, which reports of earlier versions hold, there are fewer.
    """
    if isinstance(counts, ObjectCounts):
        return {
            "object_f1": counts.f1,
            "panoptic_quality": counts.panoptic_quality,
            "true_objects": counts.true,
            "predicted_objects": counts.predicted,
            "count_error": counts.count_error,
        }
    at = {round(100 * threshold): counts.at(threshold) for threshold in IOU_THRESHOLDS}
    return {
        "object_f1": at[50].f1,
        "ap50": at[50].average_precision,
        "ap75": at[75].average_precision,
        "mean_ap": counts.mean_ap,
        "panoptic_quality": at[50].panoptic_quality,
        "aji": counts.aji,
        "seg": counts.seg,
        "true_objects": counts.true,
        "predicted_objects": counts.predicted,
        "count_error": counts.count_error,
        "merges": counts.merges,
        "splits": counts.splits,
        **{f"ap{percent}": each.average_precision for percent, each in at.items() if percent not in (50, 75)},
        **{f"object_f1_{percent}": each.f1 for percent, each in at.items() if percent != 50},
    }


def pool_objects(counts: list[ObjectCounts | InstanceCounts]) -> ObjectCounts | InstanceCounts:
    """Add up the counts of images: all of them if every image has them, else matches at 0.5 only."""
    whole = [each for each in counts if isinstance(each, InstanceCounts)]
    if len(whole) == len(counts):
        return sum(whole, InstanceCounts())
    matches = [each.at() if isinstance(each, InstanceCounts) else each for each in counts]
    return sum(matches, ObjectCounts())


OBJECT_METRICS: tuple[str, ...] = tuple(object_scores(InstanceCounts()))
"""Keys of the scores of objects, in their order."""
