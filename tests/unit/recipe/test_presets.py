"""Each preset against the facts of its report, in the order in which the reports were given."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from unetscope.errors import RecipeError
from unetscope.network import Convolution2d, UNet
from unetscope.recipe.presets import PRESETS, describe_preset, preset
from unetscope.recipe.recipe import Normalize, Recipe

NAMES = ["retina-vessels", "left-ventricle", "xray-multiclass", "cell-semantic", "hela-border"]
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def network(name, channels, outputs=1):
    # Without memory: only shapes are looked at.
    with torch.device("meta"):
        return UNet(preset(name).network, channels, outputs)


def count_parameters(name, channels, outputs=1):
    return sum(parameter.numel() for parameter in network(name, channels, outputs).parameters())


def convolutions(model):
    return [module for module in model.modules() if isinstance(module, CONVOLUTIONS)]


def traced(name, channels, size, outputs=1):
    """(kind, channels, size, parameters) of every convolution, in the order in which an image meets them."""
    model = network(name, channels, outputs)
    lines = []

    def note(module, _, output):
        kind = "up" if isinstance(module, nn.ConvTranspose2d) else "conv"
        parameters = sum(weights.numel() for weights in module.parameters())
        lines.append((kind, output.shape[1], output.shape[2], parameters))

    for module in convolutions(model):
        module.register_forward_hook(note)
    model(torch.empty((1, channels, size, size), device="meta"))
    return lines


def test_the_presets():
    assert list(PRESETS) == NAMES
    recipes = [preset(name) for name in NAMES]
    assert all(isinstance(recipe, Recipe) for recipe in recipes)
    assert [recipe.name for recipe in recipes] == NAMES
    nameless = {recipe.model_copy(update={"name": ""}) for recipe in recipes}
    assert len(nameless) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_described(name):
    first, blank, *rest = describe_preset(name).splitlines()
    assert first.endswith(".")
    assert blank == ""
    assert rest[0].startswith("From the report")
    assert any(line.startswith("Left open, and chosen: ") for line in rest)


@pytest.mark.parametrize("function", [preset, describe_preset])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("left_ventricle", "'left-ventricle'"),
        ("cells", "'cell-semantic'"),
        ("qqq", f"one of {', '.join(NAMES)}"),
    ],
)
def test_a_preset_that_does_not_exist(function, name, expected):
    with pytest.raises(RecipeError) as caught:
        function(name)
    assert str(caught.value) == f"there is no preset {name!r}; expected {expected}: see `unetscope presets`."


def test_retina_vessels():
    recipe = preset("retina-vessels")
    assert recipe.preprocess.resize == (128, 128)
    assert recipe.preprocess.color == "gray"
    assert recipe.preprocess.normalize == Normalize(method="minmax")
    assert recipe.target.kind == "binary"
    # Of 2, 3 and 4 layers, 3 are best; the first has 128 kernels, and a stripe one convolution.
    assert (recipe.network.depth, recipe.network.width, recipe.network.convs) == (3, 128, 1)
    assert recipe.network.upsampling == "transposed"
    assert (recipe.network.up_kernel, recipe.network.up_activation) == (2, True)
    assert recipe.loss.kind == "bce"
    assert recipe.optimizer.kind == "adam"
    assert recipe.split.validation == 0.2
    assert recipe.training.epochs == 100
    assert recipe.training.patience is not None


def test_left_ventricle():
    recipe = preset("left-ventricle")
    assert recipe.preprocess.normalize == Normalize(method="percentile", low=5, high=95, clip=True)
    assert recipe.preprocess.crop == (128, 128)
    assert recipe.network.level_widths == (32, 64, 128, 256, 512)
    assert not recipe.network.up_activation
    assert (recipe.loss.kind, recipe.loss.dice_smooth, recipe.loss.dice_over) == ("dice", 1e-5, "batch")
    assert recipe.loss.dice_form == "one-term"
    assert (recipe.optimizer.kind, recipe.optimizer.learning_rate) == ("adam", 5e-4)
    assert (recipe.training.batch_size, recipe.training.epochs) == (4, 100)
    assert recipe.training.monitor == "loss"
    assert recipe.training.patience is None
    assert (recipe.split.validation, recipe.split.choose) == (0.2, "last")
    assert recipe.prediction.threshold == 0.5


def test_left_ventricle_has_the_layers_of_the_listing():
    # (kind, inputs, outputs, kernel) of each line of get_unet.
    conv, up = Convolution2d, nn.ConvTranspose2d
    down = [(1, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256)]
    layers = [(conv, a, b, 3) for a, b in [*down, (256, 512), (512, 512)]]
    for width in (256, 128, 64, 32):
        layers += [(up, 2 * width, width, 2), (conv, 2 * width, width, 3), (conv, width, width, 3)]
    layers.append((conv, 32, 1, 1))
    model = network("left-ventricle", 1)
    ours = [(type(c), c.in_channels, c.out_channels, c.kernel_size[0]) for c in convolutions(model)]
    assert sorted(ours, key=str) == sorted(layers, key=str)
    assert sum((inputs * kernel**2 + 1) * outputs for _, inputs, outputs, kernel in layers) == 7_759_521
    assert count_parameters("left-ventricle", 1) == 7_759_521


def test_left_ventricle_has_the_summary_that_keras_would_print():
    # get_unet line by line: channels and size after each layer, and (9·inputs + 1)·outputs parameters, for
    # the transposed 2×2 ones (4·inputs + 1)·outputs, worked out from the listing.
    assert traced("left-ventricle", 1, 128) == [
        ("conv", 32, 128, 320),
        ("conv", 32, 128, 9_248),
        ("conv", 64, 64, 18_496),
        ("conv", 64, 64, 36_928),
        ("conv", 128, 32, 73_856),
        ("conv", 128, 32, 147_584),
        ("conv", 256, 16, 295_168),
        ("conv", 256, 16, 590_080),
        ("conv", 512, 8, 1_180_160),
        ("conv", 512, 8, 2_359_808),
        ("up", 256, 16, 524_544),
        ("conv", 256, 16, 1_179_904),
        ("conv", 256, 16, 590_080),
        ("up", 128, 32, 131_200),
        ("conv", 128, 32, 295_040),
        ("conv", 128, 32, 147_584),
        ("up", 64, 64, 32_832),
        ("conv", 64, 64, 73_792),
        ("conv", 64, 64, 36_928),
        ("up", 32, 128, 8_224),
        ("conv", 32, 128, 18_464),
        ("conv", 32, 128, 9_248),
        ("conv", 1, 128, 33),
    ]


def test_left_ventricle_activates_every_convolution_but_the_transposed_and_the_last():
    model = network("left-ventricle", 1)
    blocks = [*model.down, *model.merge]
    assert [type(layer) for block in blocks for layer in block] == [Convolution2d, nn.ReLU] * 18
    assert [type(layer) for up in model.up for layer in up] == [nn.ConvTranspose2d] * 4
    assert isinstance(model.head, nn.Conv2d)


def test_xray_multiclass():
    recipe = preset("xray-multiclass")
    assert recipe.target.kind == "multiclass"
    assert recipe.network.padding == "valid"
    assert recipe.network.norm == "batch"
    assert recipe.network.level_widths == (64, 128, 256, 512, 1024)
    assert (recipe.loss.kind, recipe.loss.dice_form, recipe.loss.dice_background) == (
        "ce+dice",
        "two-term",
        True,
    )
    assert recipe.optimizer.kind == "rmsprop"
    assert recipe.optimizer.weight_decay > 0
    assert recipe.optimizer.momentum > 0
    assert recipe.optimizer.clip_norm is not None
    assert (recipe.schedule.kind, recipe.schedule.patience) == ("plateau", 5)
    assert recipe.training.epochs == 200
    assert recipe.training.monitor == "dice"
    assert recipe.split.validation == 0.2


def test_xray_multiclass_pads_nothing_and_normalizes_each_convolution():
    model = network("xray-multiclass", 1, 3)
    kernels = [c for c in convolutions(model) if isinstance(c, nn.Conv2d)]
    assert all(c.padding == (0, 0) for c in kernels)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in model.modules()) == len(kernels) - 1
    assert kernels[-1].kernel_size == (1, 1)
    assert (kernels[-1].in_channels, kernels[-1].out_channels) == (64, 3)
    # Ronneberger et al. (2015), figure 1: 572 pixels become 388.
    assert model(torch.empty((1, 1, 572, 572), device="meta")).shape == (1, 3, 388, 388)


@pytest.mark.parametrize(("channels", "parameters"), [(3, 2_158_833), (1, 2_158_545)])
def test_cell_semantic_has_the_report_s_number_of_parameters(channels, parameters):
    assert count_parameters("cell-semantic", channels) == parameters


def test_cell_semantic():
    recipe = preset("cell-semantic")
    assert recipe.preprocess.resize == (64, 64)
    assert recipe.preprocess.color == "keep"
    assert recipe.target.kind == "binary"
    assert recipe.network.level_widths == (16, 32, 64, 128, 256)
    assert (recipe.network.up_kernel, recipe.network.up_activation, recipe.network.head_kernel) == (
        3,
        True,
        3,
    )
    assert not recipe.augmentation.is_geometric
    assert recipe.augmentation.flip == ()


def test_cell_semantic_has_the_layers_of_the_listing():
    # The lower half of the printed summary, conv2d_10 to conv2d_transpose_4.
    printed = [295040, 147584, 73792, 73792, 36928, 18464, 18464, 9248, 4624, 4624, 2320, 145]
    ours = [sum(p.numel() for p in c.parameters()) for c in convolutions(network("cell-semantic", 3))]
    for count in printed:
        assert ours.count(count) >= printed.count(count), count


def test_cell_semantic_has_the_sizes_of_the_listing():
    # Figure 4 names the encoder's, figure 6 the deepest block, figure 7 prints all below conv2d_10.
    encoder = [("conv", n, s) for n, s in ((16, 64), (32, 32), (64, 16), (128, 8), (256, 4)) for _ in "12"]
    printed = [
        ("conv", 128, 8, 295_040),
        ("conv", 128, 8, 147_584),
        ("up", 64, 16, 73_792),
        ("conv", 64, 16, 73_792),
        ("conv", 64, 16, 36_928),
        ("up", 32, 32, 18_464),
        ("conv", 32, 32, 18_464),
        ("conv", 32, 32, 9_248),
        ("up", 16, 64, 4_624),
        ("conv", 16, 64, 4_624),
        ("conv", 16, 64, 2_320),
        # Printed as a transposed convolution; with stride 1 it is the same layer.
        ("conv", 1, 64, 145),
    ]
    ours = traced("cell-semantic", 3, 64)
    assert [line[:3] for line in ours[:10]] == encoder
    assert ours[10][:3] == ("up", 128, 8)
    assert ours[11:] == printed


def test_hela_border():
    recipe = preset("hela-border")
    assert recipe.network.level_widths == (64, 128, 256, 512, 1024)
    assert (min(recipe.network.level_dropout), max(recipe.network.level_dropout)) == (0.1, 0.3)
    assert recipe.network.init == "he-normal"
    assert recipe.loss.kind == "bce"
    assert recipe.loss.border is not None
    assert (recipe.loss.border.w0, recipe.loss.border.sigma, recipe.loss.border.balance) == (10, 5, True)
    assert (recipe.optimizer.kind, recipe.optimizer.momentum, recipe.optimizer.nesterov) == (
        "sgd",
        0.99,
        True,
    )
    assert (recipe.training.batch_size, recipe.training.epochs, recipe.training.patience) == (1, 100, 5)
    assert recipe.training.monitor == "loss"
    assert recipe.augmentation.flip == ("X",)
    assert all((recipe.augmentation.rotation, recipe.augmentation.zoom, recipe.augmentation.stretch))


def test_hela_border_has_23_convolutional_layers_and_keeps_the_size():
    model = network("hela-border", 1)
    assert len(convolutions(model)) == 23
    assert model(torch.empty((1, 1, 512, 512), device="meta")).shape == (1, 1, 512, 512)


def test_hela_border_draws_its_weights_as_the_report_says():
    torch.manual_seed(0)
    settings = preset("hela-border").network.model_copy(update={"depth": 1, "dropout": 0.0})
    conv = UNet(settings, 1, 1).down[0][2]
    assert isinstance(conv, nn.Conv2d)
    # N = 64 channels of 3×3 incoming nodes.
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.02)
