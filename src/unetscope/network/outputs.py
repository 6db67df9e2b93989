"""What the maps of a network mean: which are classes, and whether there is one of distances."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unetscope.network.unet import UNet
from unetscope.recipe import Recipe

__all__ = ["activate", "class_logits", "network_for"]


def network_for(recipe: Recipe, channels: int, values: Sequence[int]) -> UNet:
    """The network of a recipe, with new weights.

    Parameters
    ----------
    recipe : Recipe
    channels : int
        Of the images.
    values : sequence of int
        Label of each class, background first.
    """
    target = recipe.target
    # Told apart by boundaries: background, inside, rim.
    classes = len(values) if target.kind == "multiclass" else 3 if target.by_boundary else 1
    return UNet(recipe.network, channels, classes + int(target.by_distance), distance=target.by_distance)


def class_logits(network: UNet, logits: Tensor) -> Tensor:
    """The maps that are classes.

    Parameters
    ----------
    network : UNet
    logits : (B, K, *grid) Tensor
    """
    return logits[:, : logits.shape[1] - int(network.distance)]


def activate(network: UNet, logits: Tensor) -> Tensor:
    """Logits of one frame as probabilities: sigmoid for one class, softmax for several; distances in [0, 1].

    Parameters
    ----------
    network : UNet
    logits : (K, *grid) Tensor

    Returns
    -------
    (K, *grid) Tensor
    """
    classes = class_logits(network, logits[None])[0]
    probabilities = torch.sigmoid(classes) if len(classes) == 1 else torch.softmax(classes, dim=0)
    return torch.cat([probabilities, torch.sigmoid(logits[len(classes) :])])
