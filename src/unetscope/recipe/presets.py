"""Presets: five U-Net systems from classroom reports, each exactly as its report describes it.

What a report leaves open is named in the docstring with what was chosen. All of them computed in single
precision, and so do the presets. Our own default is not here; it is planned for each dataset, see
`unetscope.recipe.plan`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

from unetscope.errors import RecipeError
from unetscope.recipe.recipe import (
    Augmentation,
    BorderWeights,
    Loss,
    Network,
    Normalize,
    Optimizer,
    Prediction,
    Preprocess,
    Recipe,
    Schedule,
    Split,
    Target,
    Training,
)

__all__ = ["PRESETS", "describe_preset", "preset"]


def preset(name: str) -> Recipe:
    """The recipe of a preset.

    Raises
    ------
    RecipeError
        If there is no such preset, naming the nearest.
    """
    return _find(name)()


def describe_preset(name: str) -> str:
    """What a preset is: the docstring of its function, first line first.

    Raises
    ------
    RecipeError
        As for `preset`.
    """
    lines = (_find(name).__doc__ or "").strip().splitlines()
    return "\n".join([lines[0], *(line.removeprefix("    ") for line in lines[1:])])


def _find(name: str) -> Callable[[], Recipe]:
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=1, cutoff=0.3)
        raise RecipeError(
            f"there is no preset {name!r}",
            expected=f"{near[0]!r}" if near else f"one of {', '.join(PRESETS)}",
            fix="see `unetscope presets`",
        )
    return PRESETS[name]


def retina_vessels() -> Recipe:
    """Retinal vessels in fundus photographs: one convolution per level, 128 wide, on 128×128 gray images.

    From the report: 512×512 photographs resized to 128×128, min–max normalization, one input channel,
    masks thresholded to vessel or not, U-Nets of 2, 3 and 4 layers of which the 3-layer one is best,
    transposed 2×2 convolutions with ReLU, sigmoid output, the binary log-likelihood as loss, Adam, 80/20
    validation split, 100 epochs with early stopping.

    Left open, and chosen: a layer is one pooling step (the printed listing of the "4-layer" net pools four
    times). The listing repeats lines and is cut off; widths double from its 128, so the 3-layer net has 128,
    256, 512 and 1024. It calls the skips residual connections but draws a U-Net, so they are
    concatenated. Gray is the luminance. A mask pixel above 0 is vessel. Its transposed convolutions keep the
    number of channels; here, as in the U-Net that it cites, they halve it. Keras's defaults where nothing is
    said: learning rate 0.001, batch 32, Glorot initialization. Early stopping waits 20 epochs for the
    validation loss.
    """
    return Recipe(
        name="retina-vessels",
        preprocess=Preprocess(color="gray", normalize=Normalize(method="minmax"), resize=(128, 128)),
        target=Target(kind="binary"),
        network=Network(depth=3, width=128, convs=1, up_activation=True, init="glorot-uniform"),
        loss=Loss(kind="bce"),
        optimizer=Optimizer(kind="adam", learning_rate=1e-3, epsilon=1e-7),
        training=Training(epochs=100, batch_size=32, monitor="loss", patience=20, mixed_precision=False),
        prediction=Prediction(threshold=0.5),
    )


def left_ventricle() -> Recipe:
    """Left ventricle in short-axis cardiac MR: 32-wide U-Net of depth 4 on the central 128×128 pixels.

    From the report and its listing: 5th to 95th percentile to [0, 1], center crop to 128×128, four levels of
    two 3×3 convolutions with ReLU (32, 64, 128, 256) and a middle one (512), transposed 2×2 convolutions
    without activation, sigmoid, loss 1 − Dice over the whole batch with ε = 1e-5, Adam at 0.0005, batch 4,
    100 epochs, the last 20 % of the files validate, the weights with the best validation loss are kept,
    threshold 0.5.

    Left open, and chosen: Keras's defaults, which are Glorot initialization and ε = 1e-7 in Adam. The files
    are taken in the order of their names. As in the report, slices of one patient stand on both sides of the
    split (split.group is file), so the validation score flatters; set split.group=patient for an honest one.
    """
    return Recipe(
        name="left-ventricle",
        preprocess=Preprocess(normalize=Normalize(method="percentile", low=5, high=95), crop=(128, 128)),
        target=Target(kind="binary"),
        network=Network(depth=4, width=32, convs=2, init="glorot-uniform"),
        loss=Loss(kind="dice", dice_smooth=1e-5, dice_over="batch"),
        optimizer=Optimizer(kind="adam", learning_rate=5e-4, epsilon=1e-7),
        training=Training(epochs=100, batch_size=4, monitor="loss", mixed_precision=False),
        split=Split(validation=0.2, group="file", choose="last"),
        prediction=Prediction(threshold=0.5),
    )


def xray_multiclass() -> Recipe:
    """Three classes in 16-bit X-ray slices: the 64-wide U-Net with batch norm and unpadded convolutions.

    From the report: two unpadded 3×3 convolutions per step, each with batch normalization and ReLU, 2×2
    max pooling, channels doubled at each step, transposed convolutions, cropped skips, a 1×1 convolution
    from 64 channels to the classes, cross entropy plus multi-class Dice loss in the two-term form averaged
    over all classes, RMSprop with weight decay and momentum, learning rate reduced on plateau (patience 5),
    gradient clipping by norm, 200 epochs in its noise experiment.

    Left open, and chosen: depth 4, as in Ronneberger et al. (2015). Learning rate 1e-5, weight decay 1e-8,
    momentum 0.999, clipping at norm 1, batch 1 and a plateau factor of 0.1 are the defaults of the public
    implementation that the report names. Normalization is minmax per image, since 16-bit values have to
    become small somehow. Validation is 20 % (100 of 500 in its baseline). The classes are the values in
    the masks.
    """
    return Recipe(
        name="xray-multiclass",
        preprocess=Preprocess(normalize=Normalize(method="minmax")),
        target=Target(kind="multiclass"),
        network=Network(depth=4, width=64, convs=2, padding="valid", norm="batch"),
        loss=Loss(kind="ce+dice", dice_form="two-term", dice_background=True),
        optimizer=Optimizer(
            kind="rmsprop", learning_rate=1e-5, momentum=0.999, weight_decay=1e-8, clip_norm=1.0
        ),
        schedule=Schedule(kind="plateau", factor=0.1, patience=5),
        training=Training(epochs=200, batch_size=1, monitor="dice", mixed_precision=False),
    )


def cell_semantic() -> Recipe:
    """Cells against background in 64×64 color images: 16-wide U-Net with 2.16 million parameters.

    From the report: images resized to 64×64 RGB, four levels of two 3×3 convolutions (16, 32, 64, 128) and
    a deepest one (256), 3×3 transposed convolutions with ReLU, a last 3×3 transposed convolution to one
    sigmoid map, one named initializer for all, 2,158,833 parameters with RGB input (2,158,545 with one
    channel, the other number it gives), 40 training and 10 test images, with and without augmentation.

    Left open, and chosen: the last layer has stride 1 and is therefore a plain 3×3 convolution. He-normal
    initialization, binary cross entropy, Adam at 0.001, batch 8, 100 epochs, values divided by their
    range (minmax), a fifth of the images to validate. Its sentence on slices of the liver belongs to another
    exercise. Augmentation is off, as in its first experiment; its second does not say which was used, flips,
    rotation and zoom are the usual ones.
    """
    return Recipe(
        name="cell-semantic",
        preprocess=Preprocess(normalize=Normalize(method="minmax"), resize=(64, 64)),
        target=Target(kind="binary"),
        network=Network(depth=4, width=16, convs=2, up_kernel=3, up_activation=True, head_kernel=3),
        loss=Loss(kind="bce"),
        optimizer=Optimizer(kind="adam", learning_rate=1e-3, epsilon=1e-7),
        training=Training(epochs=100, batch_size=8, monitor="loss", mixed_precision=False),
        prediction=Prediction(threshold=0.5),
    )


def hela_border() -> Recipe:
    """Touching cells in DIC microscopy: the 64-wide U-Net with the border-weighted cross entropy.

    From the report: 512×512 images, the U-Net of Ronneberger et al. (2015) with 23 convolutional layers and
    ReLU, dropout at each level from 0.1 to 0.3, weights drawn with standard deviation √(2/N), SGD with
    Nesterov momentum 0.99, batch 1, at most 100 epochs, early stopping when the validation loss stands still
    for 5 epochs and the best weights restored, augmentation by rotation, zoom, change of width and height
    and horizontal flip, binary cross entropy weighted by
    w(x) = w_c(x) + w_0 exp(−(d1 + d2)² / 2σ²).

    The report computed these weights but ran out of time to train with them: it trained cells against
    background with the plain cross entropy. Here they are used, and cells are kept apart by a gap; set
    loss.border=null and target.kind=binary for what it ran.

    Left open, and chosen: w_0 = 10 and σ = 5 as in Ronneberger et al. (2015). The report's energy lacks its
    minus sign. Values go to their range (minmax). Padding is same, since its predictions are as large as
    its images. Dropout rises by 0.05 a level. Learning rate 0.001: with Keras's default of 0.01 the weighted
    loss kills the network in its first epoch, as momentum makes steps 100 times as long. Amounts of
    augmentation: 15°, 20 % zoom, 20 % stretch. Its 12 stored copies per image are drawn anew in every epoch
    here, and validation images stay as they are.
    """
    return Recipe(
        name="hela-border",
        preprocess=Preprocess(normalize=Normalize(method="minmax")),
        target=Target(kind="instances", separate="gap"),
        network=Network(depth=4, width=64, convs=2, dropout=(0.1, 0.15, 0.2, 0.25, 0.3)),
        loss=Loss(kind="bce", border=BorderWeights(w0=10, sigma=5)),
        optimizer=Optimizer(kind="sgd", learning_rate=0.001, momentum=0.99, nesterov=True),
        augmentation=Augmentation(flip=("X",), rotation=15, zoom=0.2, stretch=0.2),
        training=Training(epochs=100, batch_size=1, monitor="loss", patience=5, mixed_precision=False),
        prediction=Prediction(threshold=0.5),
    )


PRESETS: dict[str, Callable[[], Recipe]] = {
    "retina-vessels": retina_vessels,
    "left-ventricle": left_ventricle,
    "xray-multiclass": xray_multiclass,
    "cell-semantic": cell_semantic,
    "hela-border": hela_border,
}
"""Name → function that makes the recipe."""
