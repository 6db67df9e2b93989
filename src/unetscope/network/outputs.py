"""What the maps of a network mean: classes first, then what tells objects apart.

Told apart by distance, one extra map says how deep inside its object a pixel lies. Told apart by center, the
first extra map says where objects meet, and one more for each axis how far it is from a pixel to the center
of its object, in units of half a typical diameter.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unetscope.network.unet import UNet
from unetscope.recipe import Recipe

__all__ = ["activate", "class_logits", "network_for"]


def network_for(recipe: Recipe, channels: int, values: Sequence[int], *, diameter: float = 2.0) -> UNet:
    """The network of a recipe, with new weights.

    Parameters
    ----------
    recipe : Recipe
    channels : int
        Of the images.
    values : sequence of int
        Label of each class, background first.
    diameter : float
        Of a typical object, pixels, where offsets to its center are learned. Half of it is their unit.
    """
    target = recipe.target
    # Told apart by boundaries: background, inside, rim.
    classes = len(values) if target.kind == "multiclass" else 3 if target.by_boundary else 1
    extra = 1 + recipe.network.dimensions if target.by_center else int(target.by_distance)
    return UNet(recipe.network, channels, classes + extra, extra=extra, unit=diameter / 2)


def class_logits(network: UNet, logits: Tensor) -> Tensor:
    """The maps that are classes.

    Parameters
    ----------
    network : UNet
    logits : (B, K, *grid) Tensor
    """
    return logits[:, : logits.shape[1] - network.extra]


def activate(network: UNet, logits: Tensor) -> Tensor:
    """Logits of one frame as what they stand for.

    Parameters
    ----------
    network : UNet
    logits : (K, *grid) Tensor

    Returns
    -------
    (K, *grid) Tensor
        Classes: sigmoid for one, softmax for several. The first extra map, in [0, 1]: sigmoid. Offsets: in
        pixels.
    """
    classes, extra = logits.split([len(logits) - network.extra, network.extra])
    probabilities = torch.sigmoid(classes) if len(classes) == 1 else torch.softmax(classes, dim=0)
    return torch.cat([probabilities, torch.sigmoid(extra[:1]), extra[1:] * float(network.unit)])
