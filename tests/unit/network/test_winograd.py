"""Convolutions in squares compute what torch's convolution computes, there and back."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from unetscope.network import winograd
from unetscope.network.winograd import convolve_squares, count_squares, learn_squares, transform_weights


def _case(batch: int, channels: tuple[int, int], grid: tuple[int, int], dtype: torch.dtype) -> list[Tensor]:
    torch.manual_seed(0)
    features = torch.randn(batch, channels[0], *grid, dtype=dtype, requires_grad=True)
    weight = torch.randn(channels[1], channels[0], 3, 3, dtype=dtype, requires_grad=True)
    bias = torch.randn(channels[1], dtype=dtype, requires_grad=True)
    return [features, weight, bias]


SIZES = st.integers(3, 19)


@given(
    st.integers(1, 3),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.tuples(SIZES, SIZES),
    st.tuples(st.integers(0, 1), st.integers(0, 1)),
    st.tuples(st.booleans(), st.sampled_from([1, 2000, 10**6])),
)
def test_results_are_those_of_torch(batch, channels, grid, padding, others) -> None:
    has_bias, at_a_time = others
    features, weight, bias = _case(batch, channels, grid, torch.float64)
    given_bias = bias if has_bias else None
    expected = functional.conv2d(features, weight, given_bias, padding=padding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "_AT_A_TIME", at_a_time)
        learned = learn_squares(features, weight, given_bias, padding)
        with torch.no_grad():
            predicted = convolve_squares(features, transform_weights(weight), given_bias, padding)
    torch.testing.assert_close(learned, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(predicted, expected.detach(), rtol=1e-10, atol=1e-10)
    assert learned.is_contiguous(memory_format=torch.channels_last)
    assert count_squares(features.shape, padding) == batch * -(-expected.shape[2] // 4) * -(
        -expected.shape[3] // 4
    )


@pytest.mark.parametrize("kept", [0, 10**6])
@pytest.mark.parametrize("at_a_time", [1, 10**6])
@pytest.mark.parametrize(("grid", "padding"), [((8, 4), (1, 1)), ((7, 3), (0, 1)), ((9, 6), (0, 0))])
def test_gradients_are_exact(
    monkeypatch: pytest.MonkeyPatch,
    kept: int,
    at_a_time: int,
    grid: tuple[int, int],
    padding: tuple[int, int],
) -> None:
    monkeypatch.setattr(winograd, "_KEPT", kept)
    monkeypatch.setattr(winograd, "_AT_A_TIME", at_a_time)
    features, weight, bias = _case(2, (2, 1), grid, torch.float64)
    assert torch.autograd.gradcheck(learn_squares, (features, weight, bias, padding))


def test_single_precision_rounds_a_little_more_than_torch() -> None:
    features, weight, bias = (each.detach() for each in _case(1, (256, 64), (32, 32), torch.float32))
    exact = functional.conv2d(features.double(), weight.double(), bias.double(), padding=1)
    mine = learn_squares(features, weight, bias, (1, 1))
    theirs = functional.conv2d(features, weight, bias, padding=1)
    off = [float((each - exact).square().mean().sqrt() / exact.std()) for each in (mine, theirs)]
    assert off[0] < 5e-6
    assert off[0] < 10 * off[1]


def test_only_what_is_asked_for_gets_a_gradient() -> None:
    features, weight, _ = _case(1, (3, 2), (8, 8), torch.float32)
    learn_squares(features.detach(), weight, None, (1, 1)).sum().backward()
    assert features.grad is None
    assert weight.grad is not None
