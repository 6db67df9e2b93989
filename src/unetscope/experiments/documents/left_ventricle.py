"""Left ventricle in cardiac MR: precision, recall, Dice, Jaccard index and time of one U-Net.

**The report** (short-axis slices: 48 train, 12 validate, 20 test) trained once for 100 epochs:

| over 20 images | Precision | Recall | Dice | Jaccard |
|---|---|---|---|---|
| mean | 0.7194 | 0.8272 | 0.7496 | 0.6372 |
| standard deviation | 0.2540 | 0.2398 | 0.2169 | 0.2233 |

Training took 39.8 s and the prediction of the 20 test images 1.07 s, on a machine that is not named. The
best image has a Dice of 0.966, the 50th percentile 0.7731, the worst 0.

**Left open or wrong, and what is done here.** The network is that of the report's listing, layer by layer.
It takes scores image by image and averages them. They are 0/0 where a mask or a prediction is empty, and a
single one would have made the mean NaN, so there were none among its 20 images. Here an image that is
rightly empty scores 1, and 0 if only one of the two is empty.

Its program lists the test images and their masks separately, unsorted, and pairs them by position: where
the system lists the two folders in different orders, images meet the masks of others. Here they are paired
by name. As printed it does not run (the name of a mask has two gaps for one value; `[0,:,:,:0]` is empty).

It scores the central 128×128 pixels, and we the whole slice. That is the same as long as no ventricle is
cut off.

All arms have its split, in which the last fifth of the files validates. Slices of one patient train and
validate, so the validation score flatters; the patients of the test are others. All else is told by
`unetscope presets --show left-ventricle`.
"""

from __future__ import annotations

from unetscope.experiments.documents._parts import FULL, auto, is_auto_better, words
from unetscope.experiments.experiment import Arm, Budget, Experiment, Material, Published
from unetscope.recipe.recipe import Split

__all__ = ["left_ventricle"]


def left_ventricle() -> Experiment:
    """The recipe as published, and our default."""
    return Experiment(
        name="left-ventricle",
        **words(__doc__),
        material=Material(split=Split(validation=0.2, group="file", choose="last")),
        arms={
            "as published": Arm(recipe="left-ventricle", about="The recipe of the report."),
            "auto": auto(),
        },
        contrasts=(*is_auto_better("as published"), *is_auto_better("as published", metric="iou")),
        published=(
            Published(
                arm="as published",
                scores={
                    "precision": 0.7194,
                    "recall": 0.8272,
                    "dice": 0.7496,
                    "iou": 0.6372,
                    "train_seconds": 39.843,
                    "predict_seconds": 1.072,
                },
                about="Section Evaluation; 20 test images, one training.",
            ),
        ),
        budgets={
            "full": FULL,
            "cpu": Budget(
                minutes=5,
                auto_minutes=4,
                about="5 minutes, which may end before the 100 epochs do; 4 for auto.",
            ),
        },
    )
