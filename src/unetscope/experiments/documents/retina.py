"""Vessels of the retina: how deep must a U-Net be, and what does min–max normalization do for it.

**The report**, a homework on fundus photographs (80 to train, 20 to test), trained U-Nets of 2, 3 and 4
layers for 100 epochs on gray images of 128×128 pixels, with and without min–max normalization:

| | Dice, with | IoU, with | Dice, without | IoU, without |
|---|---|---|---|---|
| 2 layers | 0.28 | 0.16 | 0.0 | 0.0 |
| 3 layers | 0.67 | 0.5 | 0.28 | 0.17 |
| 4 layers | 0.28 | 0.16 | 0.0 | 0.0 |

It says that the way its nets learned "was very random", and that the 3-layer net is best "because the gray
disk almost disappeared from predictions".

**Why its runs failed: a hypothesis, tested here.** Dice is 2·IoU / (1 + IoU) for every mask, so 0.28 beside
0.16 means nothing by itself. But three different trainings share this number, and an answer that does not
depend on the network has it: where everything is called vessel, recall is 1, precision and IoU are the
share p of vessel pixels, and Dice is 2p / (1 + p), which is 0.28 for p = 0.16. Where only the disk of the
eye is called vessel, p is the share within the disk. The report's conclusion says how that comes about:
"some pixels keep a low but non null intensity and are therefore classified as vessels". A sigmoid is hardly
ever quite 0, so a net that found the vessels and left the disk dark gray is scored as if it had found
nothing. And 0.0 is a net that answers exactly black everywhere: values up to 255 saturate the sigmoid, or
kill the ReLUs, from the start.

The condition "above black" counts as vessel what lies above half a gray level of 255. The hypothesis is
confirmed if recall is near 1 there, and precision near that of the row "everything" (or, for the disk,
somewhat above), while the same nets do well at the usual 0.5. It is refuted if the nets of 2 and 4 layers
fail at 0.5, too. The share of vessels depends on the photographs, and on how masks are made small, so 0.28
itself need not come back.

**Left open or wrong, and what is done here.** The printed listing of the 4-layer net repeats lines and is
cut off. It pools four times, with 128, 256, 256, 512 and 1024 channels, as the arm of depth 4 does. It
calls the skips residual connections, but draws and cites a U-Net; here they are concatenated. Of the 20
photographs here, 16 train instead of 64, so an epoch takes each of them four times: 100 epochs are as many
steps as in the report. Both eyes of a subject stay on one side of the split. All else is told by
`unetscope presets --show retina-vessels`.
"""

from __future__ import annotations

from typing import Any

from unetscope.experiments.documents._parts import FULL, auto, is_auto_better, words
from unetscope.experiments.experiment import (
    Arm,
    Budget,
    Condition,
    Contrast,
    Experiment,
    Material,
    Published,
)
from unetscope.recipe.recipe import Split

__all__ = ["retina"]

_SMALL, _FULL_SIZE, _ABOVE_BLACK = "at 128 × 128", "full size", "above black"
_LAYERS: dict[int, dict[str, Any]] = {
    2: {"network.depth": 2},
    3: {"network.depth": 3},
    4: {"network.depth": 4, "network.widths": [128, 256, 256, 512, 1024]},
}
# As many samples an epoch as the report has training images.
_EPOCH = {"training.samples": 64}
_UNSCALED = {"preprocess.normalize.method": "none"}
_DICE_AND_IOU = {
    "depth 2": (0.28, 0.16),
    "depth 3": (0.67, 0.5),
    "depth 4": (0.28, 0.16),
    "depth 2 unscaled": (0.0, 0.0),
    "depth 3 unscaled": (0.28, 0.17),
    "depth 4 unscaled": (0.0, 0.0),
}


def retina() -> Experiment:
    """Depth 2, 3 and 4, with and without normalization, and our default."""
    return Experiment(
        name="retina",
        **words(__doc__),
        # The eyes of a subject are Image_11L and Image_11R; files with other names are groups of their own.
        material=Material(split=Split(group=r"regex:^(Image_\d+|.+)")),
        arms={**_arms(), "auto": auto()},
        conditions={
            _SMALL: Condition(grid=(128, 128), about="As the report scores."),
            _FULL_SIZE: Condition(about="On the photographs' own pixels."),
            _ABOVE_BLACK: Condition(
                grid=(128, 128), threshold=0.002, about="All above half a gray level of 255 is vessel."
            ),
        },
        contrasts=_contrasts(),
        published=tuple(
            Published(
                arm=arm,
                condition=condition,
                scores={"dice": dice, "iou": iou},
                about="Section V, the table; on 20 test images.",
            )
            for condition in (_SMALL, _ABOVE_BLACK)
            for arm, (dice, iou) in _DICE_AND_IOU.items()
        ),
        budgets={
            "full": FULL,
            "cpu": Budget(
                minutes=2,
                auto_minutes=6,
                settings={
                    "network.width": 16,
                    "network.widths": None,
                    "training.batch_size": 4,
                    "training.mixed_precision": True,
                },
                about="16 feature channels on the first level instead of 128, with which an epoch takes "
                "most of a minute on two cores; batches of 4 instead of 32, with which few epochs make as "
                "many steps; half precision where the processor has it; 2 minutes each, 6 for auto.",
            ),
        },
    )


def _arms() -> dict[str, Arm]:
    name = "retina-vessels"
    scaled = {
        f"depth {n}": Arm(
            recipe=name, settings=_EPOCH | settings, about=f"{n} layers, min–max normalization."
        )
        for n, settings in _LAYERS.items()
    }
    unscaled = {
        f"depth {n} unscaled": Arm(
            recipe=name, settings=_EPOCH | settings | _UNSCALED, about=f"{n} layers, values up to 255."
        )
        for n, settings in _LAYERS.items()
    }
    return scaled | unscaled


def _contrasts() -> tuple[Contrast, ...]:
    depths = tuple(
        Contrast(
            better="depth 3",
            than=f"depth {n}",
            condition=condition,
            question=f"Are 3 layers better than {n}, {condition}?",
        )
        for condition in (_SMALL, _ABOVE_BLACK)
        for n in (2, 4)
    )
    scaling = tuple(
        Contrast(
            better=f"depth {n}",
            than=f"depth {n} unscaled",
            question=f"Does min–max normalization help the U-Net of {n} layers?",
        )
        for n in _LAYERS
    )
    return depths + scaling + is_auto_better("depth 3", conditions=(_SMALL, _FULL_SIZE))
