from __future__ import annotations

import pytest
import torch

from unetscope.training.precision import gains_from_channels_last, gains_from_half


@pytest.mark.parametrize(("device", "capabilities", "gains"), [
    ("cuda", {}, True),
    ("mps", {"amx_bf16": True}, False),
    ("cpu", {"amx_bf16": True}, True),
    ("cpu", {"amx_bf16": False, "avx512_bf16": True}, False),
    ("cpu", {}, False),
])  # fmt: skip
def test_half_precision_is_used_where_it_is_faster(
    monkeypatch: pytest.MonkeyPatch, device: str, capabilities: dict[str, bool], gains: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    gains_from_half.cache_clear()
    assert gains_from_half(device) is gains
    gains_from_half.cache_clear()


def test_a_torch_that_cannot_tell_computes_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    gains_from_half.cache_clear()
    assert not gains_from_half("cpu")
    gains_from_half.cache_clear()


@pytest.mark.parametrize(
    ("device", "capability", "gains"),
    [("cuda", "AVX2", True), ("cpu", "AVX2", False), ("cpu", "AVX512", True), ("cpu", "DEFAULT", True)],
)
def test_channels_are_last_where_steps_are_faster(
    monkeypatch: pytest.MonkeyPatch, device: str, capability: str, gains: bool
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert gains_from_channels_last(device) is gains
