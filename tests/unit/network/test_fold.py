"""The network that predicts computes what the trained one does."""

from __future__ import annotations

import pytest
import torch

from unetscope.network import UNet, for_inference
from unetscope.recipe.recipe import Network


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_folding_changes_nothing_but_rounding(dimensions: int, norm: str) -> None:
    settings = Network(
        dimensions=dimensions, depth=2, width=4, norm=norm, dropout=0.2, activation="leaky-relu"
    )
    network = UNet(settings, 2, 3)
    image = torch.randn(2, 2, *[8] * dimensions)
    for _ in range(3):
        network(image)
    network.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = for_inference(network)
    torch.testing.assert_close(folded(image), network(image), rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    norms = [layer for layer in folded.modules() if "BatchNorm" in type(layer).__name__]
    assert not norms
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())
