"""A convolution takes the faster way, and gives what torch gives."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unetscope.network import Convolution2d, Convolution3d, UNet, convolution, for_inference
from unetscope.recipe.recipe import Network


@pytest.fixture(autouse=True)
def _as_with_avx2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution, "_CHANNELS", 64)


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ways that convolutions have gone."""
    gone = []

    def note(name: str, function: Any) -> None:
        def noted(*arguments: Any, **settings: Any) -> Tensor:
            gone.append(name)
            result: Tensor = function(*arguments, **settings)
            return result

        owner = nn.functional if name == "conv2d" else convolution
        monkeypatch.setattr(owner, name, noted)

    note("learn_squares", convolution.learn_squares)
    note("convolve_squares", convolution.convolve_squares)
    note("conv2d", nn.functional.conv2d)
    return gone


def test_wide_layers_learn_and_predict_in_squares(ways: list[str]) -> None:
    layer = Convolution2d(64, 64, 3, padding=1)
    image = torch.randn(1, 64, 32, 32)
    expected = nn.functional.conv2d(image, layer.weight, layer.bias, padding=1)
    ways.clear()
    learned = layer(image)
    layer.freeze()
    predicted = layer(image)
    assert ways == ["learn_squares", "convolve_squares"]
    assert learned.requires_grad
    assert not predicted.requires_grad
    torch.testing.assert_close(learned, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(predicted, expected.detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("channels", "kernel", "side", "dtype"),
    [
        (32, 3, 64, torch.float32),
        (64, 1, 64, torch.float32),
        (64, 3, 8, torch.float32),
        (64, 3, 64, torch.float64),
        (64, 3, 64, torch.bfloat16),
    ],
)
def test_others_go_torchs_way(
    ways: list[str], channels: int, kernel: int, side: int, dtype: torch.dtype
) -> None:
    layer = Convolution2d(channels, channels, kernel, padding=kernel // 2, dtype=dtype)
    layer(torch.randn(1, channels, side, side, dtype=dtype))
    layer.freeze()
    layer(torch.randn(1, channels, side // 4, side // 4, dtype=dtype))
    assert ways == ["conv2d", "conv2d"]


def test_half_precision_goes_torchs_way(ways: list[str]) -> None:
    layer = Convolution2d(64, 64, 3, padding=1)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(1, 64, 32, 32)).dtype == torch.bfloat16
    assert ways == ["conv2d"]


def test_a_device_that_does_not_compute_is_not_asked_to(ways: list[str]) -> None:
    layer = Convolution2d(64, 64, 3, padding=1)
    layer.freeze()
    assert layer.to("meta")(torch.randn(1, 64, 32, 32, device="meta")).shape == (1, 64, 32, 32)
    assert ways == ["conv2d"]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_features_get_the_format_of_the_weights(memory_format: torch.memory_format) -> None:
    layer = Convolution2d(4, 8, 3, padding=1).to(memory_format=memory_format)  # type: ignore[call-overload]
    for given in (torch.contiguous_format, torch.channels_last):
        image = torch.randn(2, 4, 8, 8).contiguous(memory_format=given)
        assert layer(image).is_contiguous(memory_format=memory_format)


def test_weights_are_those_of_torchs_layer() -> None:
    layer = Convolution2d(64, 64, 3, padding=1)
    before = set(layer.state_dict())
    layer.freeze()
    assert set(layer.state_dict()) == before == {"weight", "bias"}
    copied = pickle.loads(pickle.dumps(copy.deepcopy(layer)))
    assert torch.equal(copied.transformed, layer.transformed)


@pytest.mark.parametrize("padding", [(1, 1, 1), (0, 1, 1)])
@pytest.mark.parametrize("grid", [(4, 6, 9), (12, 30, 20)])
def test_volumes_give_what_torch_gives(padding: tuple[int, int, int], grid: tuple[int, int, int]) -> None:
    layer = Convolution3d(5, 7, 3, padding=padding)
    image = torch.randn(1, 5, *grid, requires_grad=True)
    expected = nn.functional.conv3d(image, layer.weight, layer.bias, padding=padding)
    torch.testing.assert_close(layer(image), expected, rtol=1e-5, atol=1e-5)
    towards = torch.randn_like(expected)
    found = torch.autograd.grad(layer(image), [image, *layer.parameters()], towards)
    wanted = torch.autograd.grad(expected, [image, *layer.parameters()], towards)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
def test_volumes_take_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, image = Convolution3d(2, 2, 3), torch.randn(1, 2, 4, 4, 4)
    with torch.profiler.profile() as few:
        layer(image)
    assert "aten::mkldnn_convolution" in {event.name for event in few.events()}
    assert layer.double()(image.double()).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        assert layer.float()(image).dtype == torch.bfloat16
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert layer(image).dtype == torch.float32


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_wide_network_learns_as_with_torchs_layers(
    monkeypatch: pytest.MonkeyPatch, ways: list[str], norm: str, padding: str
) -> None:
    torch.manual_seed(0)
    network = UNet(Network(depth=1, width=64, norm=norm, padding=padding), 1, 1)
    image = torch.randn(1, 1, *[network.valid_size(20)] * 2)

    def learn(few: int) -> tuple[float, list[Tensor], Tensor]:
        monkeypatch.setattr(convolution, "_SQUARES_TO_LEARN", few)
        learner = copy.deepcopy(network)
        loss = learner(image).square().mean()
        loss.backward()
        gradients = [parameter.grad for parameter in learner.parameters()]
        monkeypatch.setattr(convolution, "_SQUARES", few)
        return loss.item(), gradients, for_inference(learner.eval())(image)

    in_squares = learn(1)
    assert {"learn_squares", "convolve_squares"} < set(ways)
    ways.clear()
    as_torch_does = learn(10**9)
    assert set(ways) == {"conv2d"}
    assert in_squares[0] == pytest.approx(as_torch_does[0], rel=1e-5)
    for mine, theirs in zip(in_squares[1], as_torch_does[1], strict=True):
        # Rounding decides on which side of zero some features lie; and before a batch norm, an offset has no
        # effect, and its gradient is nothing but rounding.
        assert (mine - theirs).norm() <= 1e-2 * theirs.norm() + 1e-6
    torch.testing.assert_close(in_squares[2], as_torch_does[2], rtol=1e-3, atol=1e-4)
