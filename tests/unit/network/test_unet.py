"""The U-Net: shapes, options, start of the weights, and how far a pixel reaches."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from unetscope.network import UNet
from unetscope.recipe.recipe import Network


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_same_padding_keeps_the_grid(depth: int, dimensions: int) -> None:
    network = UNet(Network(dimensions=dimensions, depth=depth, width=2), 2, 3)
    grid = (network.stride, 2 * network.stride, network.stride)[-dimensions:]
    assert network.stride == 2**depth
    assert network.margin == 0
    assert network(torch.zeros(2, 2, *grid)).shape == (2, 3, *grid)


@pytest.mark.parametrize(("dimensions", "depth"), [(2, 1), (2, 2), (2, 3), (2, 4), (3, 1), (3, 2)])
def test_valid_padding_takes_the_margin(dimensions: int, depth: int) -> None:
    network = UNet(Network(dimensions=dimensions, depth=depth, width=2, padding="valid"), 1, 2)
    size = network.valid_size(1)
    longer = network.valid_size(size - 2 * network.margin + 1)
    grid = (longer, size, size)[:dimensions]
    output = network(torch.zeros(1, 1, *grid))
    assert output.shape == (1, 2, *(length - 2 * network.margin for length in grid))


def test_the_sizes_of_the_paper() -> None:
    network = UNet(Network(depth=4, width=1, padding="valid"), 1, 2)
    assert network.margin == 92
    assert network.valid_size(388) == 572
    assert network.valid_size(389) == 588
    assert network(torch.zeros(1, 1, 572, 572)).shape == (1, 2, 388, 388)


@pytest.mark.parametrize("up", [{}, {"up_kernel": 3}, {"upsampling": "interpolate"}])
@pytest.mark.parametrize("head_kernel", [1, 3])
@pytest.mark.parametrize("convs", [1, 2])
def test_valid_sizes_are_what_the_network_returns(
    up: dict[str, object], head_kernel: int, convs: int
) -> None:
    settings = Network(depth=2, width=1, padding="valid", head_kernel=head_kernel, convs=convs, **up)
    network = UNet(settings, 1, 1)
    for wanted in (1, 5, 8, 21):
        size = network.valid_size(wanted)
        got = network(torch.zeros(1, 1, size, size)).shape[-1]
        assert got == size - 2 * network.margin
        assert wanted <= got < wanted + network.stride


OPTIONS = {
    "norm": ["batch", "instance", "group", "none"],
    "activation": ["relu", "leaky-relu"],
    "upsampling": ["transposed", "interpolate"],
    "up_kernel": [2, 3],
    "up_activation": [False, True],
    "head_kernel": [1, 3],
    "init": ["he-normal", "glorot-uniform"],
    "dropout": [0.0, 0.5, (0.0, 0.2)],
    "convs": [1, 3],
    "padding": ["same", "valid"],
}


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in OPTIONS.items() for v in values])
def test_every_option_builds_and_learns(name: str, value: object, dimensions: int) -> None:
    settings = Network(**{"dimensions": dimensions, "depth": 1, "width": 2, "norm": "group", name: value})
    torch.manual_seed(0)
    network = UNet(settings, 1, 2)
    size = network.valid_size(4)
    network(torch.randn(2, 1, *[size] * dimensions)).square().mean().backward()
    for name_, parameter in network.named_parameters():
        assert parameter.grad is not None, name_
        assert torch.isfinite(parameter.grad).all(), name_
    assert network.head.weight.grad.abs().sum() > 0
    assert network.down[0][0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("option", "module"),
    [
        ({"norm": "batch"}, nn.BatchNorm2d),
        ({"norm": "instance"}, nn.InstanceNorm2d),
        ({"norm": "group"}, nn.GroupNorm),
        ({"activation": "leaky-relu"}, nn.LeakyReLU),
        ({"upsampling": "interpolate"}, nn.Upsample),
        ({"dropout": 0.5}, nn.Dropout),
    ],
)
def test_options_change_the_modules(option: dict[str, object], module: type[nn.Module]) -> None:
    def count(settings: Network) -> int:
        return sum(isinstance(part, module) for part in UNet(settings, 1, 1).modules())

    assert count(Network(depth=2, width=2)) == 0
    assert count(Network(depth=2, width=2, **option)) > 0


def test_dropout_per_level() -> None:
    network = UNet(Network(depth=2, width=2, dropout=(0, 0, 0.5)), 1, 1)
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.5]


@pytest.mark.parametrize(
    ("padding", "grid", "message"),
    [
        ("same", (32, 33), r"depth 4 cannot take \[32, 33\]; use \[32, 48\]"),
        ("valid", (572, 573), r"depth 4 cannot take \[572, 573\]; use \[572, 588\]"),
        ("valid", (4, 572), r"depth 4 cannot take \[4, 572\]; use \[188, 572\]"),
    ],
)
def test_an_impossible_grid_names_the_next_size(padding: str, grid: tuple[int, int], message: str) -> None:
    network = UNet(Network(depth=4, width=1, padding=padding), 1, 1)
    with pytest.raises(ValueError, match=message):
        network(torch.zeros(1, 1, *grid))


def test_he_normal_has_the_deviation_of_its_inputs() -> None:
    torch.manual_seed(0)
    network = UNet(Network(depth=2, width=32), 4, 3)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 2000:
            inputs = module.in_channels * math.prod(module.kernel_size)
            assert module.weight.std().item() == pytest.approx(math.sqrt(2 / inputs), rel=0.05), name
            assert (module.bias == 0).all()
        if isinstance(module, nn.ConvTranspose2d):
            # Kernel 2 with stride 2: one tap of every input channel meets an output pixel.
            assert module.weight.std().item() == pytest.approx(math.sqrt(2 / module.in_channels), rel=0.05), (
                name
            )


def test_he_normal_keeps_the_variance_of_activations() -> None:
    torch.manual_seed(0)
    network = UNet(Network(depth=1, width=64, convs=1), 64, 1)
    first = network.down[0][0](torch.randn(4, 64, 32, 32).relu() * math.sqrt(2))
    assert first.var().item() == pytest.approx(2, rel=0.2)


def test_glorot_uniform_fills_its_bounds() -> None:
    torch.manual_seed(0)
    network = UNet(Network(depth=1, width=32, init="glorot-uniform"), 4, 3)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.weight.numel() > 1000:
            taps = math.prod(module.kernel_size)
            bound = math.sqrt(6 / ((module.in_channels + module.out_channels) * taps))
            assert 0.98 * bound < module.weight.abs().max().item() <= bound


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("up", [{}, {"up_kernel": 3}, {"upsampling": "interpolate"}])
@pytest.mark.parametrize(("depth", "convs", "head_kernel"), [(1, 1, 1), (1, 2, 3), (2, 2, 1), (3, 1, 3)])
@torch.inference_mode()
def test_just_the_halo_reaches_a_part_of_the_output(
    padding: str, up: dict[str, object], depth: int, convs: int, head_kernel: int
) -> None:
    settings = Network(depth=depth, width=2, padding=padding, convs=convs, head_kernel=head_kernel, **up)
    network = UNet(settings, 1, 1).double().eval()
    for parameter in network.parameters():
        # Nothing cancels, and no activation is off.
        parameter.fill_(1)
    stride, margin = network.stride, network.margin
    first = (network.halo // stride + 1) * stride
    size, width = network.valid_size(2 * first + stride), network.valid_size(1)
    part = (..., slice(first, first + stride), slice(None))
    image = torch.ones(1, 1, size, width, dtype=torch.float64)
    reached = []
    for row in range(size):
        changed = image.clone()
        changed[:, :, row] = 2
        if not network(changed)[part].equal(network(image)[part]):
            reached.append(row)
    start, stop = first + margin, first + stride + margin
    assert max(start - reached[0], reached[-1] + 1 - stop) == network.halo


@pytest.mark.parametrize("up", [{}, {"up_kernel": 3}, {"upsampling": "interpolate"}])
@torch.inference_mode()
def test_valid_padding_invents_nothing(up: dict[str, object]) -> None:
    """A part of the image gives the same part of the output."""
    torch.manual_seed(0)
    network = UNet(Network(depth=2, width=3, padding="valid", **up), 1, 1).eval()
    part, step = network.valid_size(1), 2 * network.stride
    image = torch.randn(1, 1, part + step, part + step)
    kept = part - 2 * network.margin
    for row, column in itertools.product((0, network.stride, step), repeat=2):
        cut = network(image[..., row : row + part, column : column + part])
        whole = network(image)[..., row : row + kept, column : column + kept]
        torch.testing.assert_close(cut, whole, atol=1e-5, rtol=1e-5)
