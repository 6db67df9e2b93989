"""Cells in microscopy: does augmentation help a small U-Net that learns from 40 images.

**The report**, a notebook (40 images train, 10 test, all made 64×64 pixels small), trained a U-Net of 2.16
million parameters without and with augmentation. It shows curves of the mean IoU and pictures, and
concludes from the pictures that augmentation "does improve the precision". It gives no number.

**Left open or wrong, and what is done here.** It explains the mean IoU with boxes around objects, right
from an IoU of 0.5 on, but it predicts no boxes: it measures pixels. Here IoU is that of the pixels of the
cells, mean over images; mean IoU takes the background for a class, too, as Keras's metric of this name
does. Its curves "of testing data" are of the 10 images that it then reports on. Here 40 of 50 images train,
as there, 10 validate, and the test images are others.

It gives 2,158,545 parameters in the text and 2,158,833 in the table: the first is the net with one input
channel, the second with three. Which augmentation it took is not said; here it is flips, rotation by up to
15° and zoom by up to 20 %. Its sentence on slices of the liver belongs to another exercise. All else is
told by `unetscope presets --show cell-semantic`.

Images are scored on the report's grid of 64×64 pixels, and at full size, where small cells count.
"""

from __future__ import annotations

from unetscope.experiments.documents._parts import FULL, auto, is_auto_better, words
from unetscope.experiments.experiment import Arm, Budget, Condition, Contrast, Experiment, Material

__all__ = ["cells"]

_WITHOUT, _WITH = "without augmentation", "with augmentation"
_SMALL, _FULL_SIZE = "at 64 × 64", "full size"
_AUGMENTATION = {"augmentation.flip": ["Y", "X"], "augmentation.rotation": 15, "augmentation.zoom": 0.2}


def cells() -> Experiment:
    """Without and with augmentation, and our default; five seeds, for a training takes little time."""
    return Experiment(
        name="cells",
        **words(__doc__),
        material=Material(images=50),
        arms={
            _WITHOUT: Arm(recipe="cell-semantic", about="The first training of the report."),
            _WITH: Arm(recipe="cell-semantic", settings=_AUGMENTATION, about="The second."),
            "auto": auto(
                {"target.kind": "binary"}, about="Told, as the others, that cells need not be kept apart."
            ),
        },
        conditions={
            _SMALL: Condition(grid=(64, 64), about="As the report scores."),
            _FULL_SIZE: Condition(about="On the images' own pixels."),
        },
        seeds=(0, 1, 2, 3, 4),
        metrics=("iou", "mean_iou", "dice", "precision", "recall"),
        main="iou",
        contrasts=(
            *(
                Contrast(
                    better=_WITH,
                    than=_WITHOUT,
                    metric="iou",
                    condition=condition,
                    question=f"Does augmentation help, {condition}?",
                )
                for condition in (_SMALL, _FULL_SIZE)
            ),
            *is_auto_better(_WITH, metric="iou", conditions=(_SMALL, _FULL_SIZE)),
        ),
        budgets={
            "full": FULL,
            "cpu": Budget(
                minutes=1.25,
                auto_minutes=4,
                settings={"training.mixed_precision": True},
                seeds=(0, 1, 2),
                about="75 seconds each, which may end before the 100 epochs do, 4 minutes for auto; half "
                "precision where the processor has it; 3 seeds.",
            ),
        },
    )
