"""Touching cells: does augmentation help, and do border weights keep cells apart.

**The report** on HeLa cells (134 images train and validate, 34 test) trained the U-Net of Ronneberger et
al. (2015) once without and once with augmentation:

| augmentation | IoU | F1 |
|---|---|---|
| without | 0.332 | 0.605 |
| with | 0.770 | 0.891 |

It computed the border weights of that paper and shows them in pictures, but had no time left to train with
them. Here that is done: the arms "with border weights" and "gap without border weights" both learn cells
with a gap where they touch, so their difference is that of the weights alone. The F1 of objects, matched
from an IoU of 0.5 on, tells whether cells come apart.

**Left open or wrong, and what is done here.** Its energy, Σ w(x) log p(x), and its cross entropy lack their
minus signs: made small as printed, they would make the truth improbable. The loss here is −(1/N) Σ w(x) log
p(x). It does not give w₀ and σ; they are 10 and 5 pixels, as in the paper. Its IoU and F1 cannot be means
over the same masks: F1 is 2·IoU / (1 + IoU) for every mask, so that a mean F1 is never above this of the
mean IoU, which is 0.50 for 0.332 and 0.87 for 0.770. How it computed them is not said; here both are of the
pixels of all cells of an image together, mean over images.

It made 12 altered copies of each image beforehand, also of those that validate. Here they are drawn anew in
every epoch, and validation images stay as they are. Its images are from differential interference contrast,
not from an electron microscope. As many images as there train, validate and test. All else is told by
`unetscope presets --show hela-border`.
"""

from __future__ import annotations

from typing import Any

from unetscope.experiments.documents._parts import FULL, auto, is_auto_better, words
from unetscope.experiments.experiment import Arm, Budget, Contrast, Experiment, Material, Published
from unetscope.recipe.recipe import Target

__all__ = ["hela"]

_PRESET = "hela-border"
_WITHOUT, _WITH = "without augmentation", "with augmentation"
_GAP, _WEIGHTS = "gap without border weights", "with border weights"
# The preset has what the authors planned; this is what they ran.
_AS_RUN: dict[str, Any] = {"target.kind": "binary", "loss.border": None}
_UNALTERED: dict[str, Any] = {
    "augmentation.flip": [],
    "augmentation.rotation": 0,
    "augmentation.zoom": 0,
    "augmentation.stretch": 0,
}


def hela() -> Experiment:
    """Without and with augmentation, with a gap between cells, with border weights, and our default."""
    return Experiment(
        name="hela",
        **words(__doc__),
        material=Material(target=Target(kind="instances"), images=134, test=34),
        arms={
            _WITHOUT: Arm(
                recipe=_PRESET, settings=_AS_RUN | _UNALTERED, about="The first training reported."
            ),
            _WITH: Arm(recipe=_PRESET, settings=_AS_RUN, about="The second."),
            _GAP: Arm(recipe=_PRESET, settings={"loss.border": None}, about="A gap where cells touch."),
            _WEIGHTS: Arm(recipe=_PRESET, about="The gap, and the weighted loss that was planned."),
            "auto": auto({"target.kind": "instances"}),
        },
        metrics=("iou", "f1", "object_f1"),
        main="iou",
        contrasts=_contrasts(),
        published=(
            Published(arm=_WITHOUT, scores={"iou": 0.332, "f1": 0.605}, about="Abstract; 34 test images."),
            Published(arm=_WITH, scores={"iou": 0.770, "f1": 0.891}, about="Abstract; 34 test images."),
        ),
        budgets={
            "full": FULL,
            "cpu": Budget(
                minutes=2.5,
                auto_minutes=4,
                settings={
                    "network.width": 16,
                    "training.patch": [128, 128],
                    "training.mixed_precision": True,
                },
                about="16 feature channels on the first level instead of 64, one patch of 128×128 pixels of "
                "each image in an epoch, half precision where the processor has it; 2.5 minutes each, 4 for "
                "auto.",
            ),
        },
        figures=("weights",),
    )


def _contrasts() -> tuple[Contrast, ...]:
    return (
        *(
            Contrast(
                better=_WITH, than=_WITHOUT, metric=metric, question=f"Does augmentation help, by {name}?"
            )
            for metric, name in (("iou", "IoU"), ("f1", "F1"))
        ),
        Contrast(
            better=_WEIGHTS,
            than=_GAP,
            metric="object_f1",
            question="Do border weights separate touching cells better?",
        ),
        Contrast(
            better=_GAP,
            than=_WITH,
            metric="object_f1",
            question="Does the gap alone separate touching cells better?",
        ),
        *is_auto_better(_WITH, metric="iou"),
        *is_auto_better(_WEIGHTS, metric="object_f1"),
    )
