"""Plain PyTorch: what one writes without much thought, and what ours is beside.

The layers are PyTorch's own. In the training loop nothing is augmented or averaged, weights stay in the
memory format in which PyTorch makes them, and each batch is stacked from a list of arrays.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from unetscope.network import Convolution2d, Convolution3d, UNet
from unetscope.recipe import Recipe
from unetscope.recipe.recipe import Loss, Optimizer
from unetscope.training.dataset import Sample

__all__ = ["PlainTraining", "with_plain_layers"]


def with_plain_layers(network: UNet) -> UNet:
    """A copy of a network whose layers are those of PyTorch, with the same weights."""
    plain = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    for parent in list(plain.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, Convolution2d | Convolution3d):
                kind = nn.Conv2d if isinstance(layer, Convolution2d) else nn.Conv3d
                own = kind(layer.in_channels, layer.out_channels, layer.kernel_size, padding=layer.padding)
                own.weight, own.bias = layer.weight, layer.bias
                setattr(parent, name, own)
    return plain


class PlainTraining:
    """A copy of a network, the samples that it learns from, and the usual lines.

    Parameters
    ----------
    network : UNet
        Stays as it is.
    recipe : Recipe
        Its loss, optimizer and batch; whole samples are trained on.
    samples : sequence of Sample
    """

    def __init__(self, network: UNet, recipe: Recipe, samples: Sequence[Sample]) -> None:
        self.network = with_plain_layers(network)
        self.recipe = recipe
        self.optimizer = _optimizer(self.network.parameters(), recipe.optimizer)
        self._margin = network.margin
        self._channels = samples[0].channels
        self._arrays = [_padded(sample.array, network) for sample in samples]

    def epoch(self, steps: int) -> float:
        """Learn from so many batches, drawn from the shuffled samples; their mean loss."""
        size, count = self.recipe.training.batch_size, len(self._arrays)
        rng = np.random.default_rng(0)
        order = np.concatenate([rng.permutation(count) for _ in range(-(-steps * size // count))])
        self.network.train()
        losses = []
        for step in range(steps):
            chosen = order[step * size : (step + 1) * size]
            batch = torch.from_numpy(np.stack([self._arrays[i] for i in chosen]))
            losses.append(self._step(batch))
        return float(np.mean(losses))

    def _step(self, batch: Tensor) -> float:
        cut = slice(self._margin, -self._margin or None)
        rest = batch[:, self._channels :, cut, cut]
        logits = self.network(batch[:, : self._channels])
        weights = rest[:, 0] if rest.shape[1] > 1 else None
        loss = _loss(logits, rest[:, -1].long(), weights, self.recipe.loss)
        self.optimizer.zero_grad()
        loss.backward()
        if self.recipe.optimizer.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.optimizer.clip_norm)
        self.optimizer.step()
        return loss.item()


def _padded(array: NDArray[np.float32], network: UNet) -> NDArray[np.float32]:
    """Mirrored at the rims to a size that the network takes."""
    missing = [network.valid_size(length) - length for length in array.shape[1:]]
    return np.pad(array, [(0, 0), *((m // 2, m - m // 2) for m in missing)], mode="reflect")


def _optimizer(parameters: Iterable[nn.Parameter], settings: Optimizer) -> torch.optim.Optimizer:
    shared = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    match settings.kind:
        case "adam":
            return torch.optim.Adam(parameters, eps=settings.epsilon, **shared)
        case "adamw":
            return torch.optim.AdamW(parameters, eps=settings.epsilon, **shared)
        case "sgd":
            nesterov = settings.nesterov and settings.momentum > 0
            return torch.optim.SGD(parameters, momentum=settings.momentum, nesterov=nesterov, **shared)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, momentum=settings.momentum, eps=settings.epsilon, **shared)


def _loss(logits: Tensor, target: Tensor, weights: Tensor | None, settings: Loss) -> Tensor:
    """Cross entropy, Dice or their sum, of images of which every pixel is labeled."""
    classes = logits.shape[1]
    if classes == 1:
        truth = (target > 0).float()[:, None]
        p, r = torch.sigmoid(logits), truth
    else:
        truth = functional.one_hot(target, classes).permute(0, 3, 1, 2).float()
        p, r = torch.softmax(logits, 1), truth
        if not settings.dice_background:
            p, r = p[:, 1:], r[:, 1:]
    total = logits.new_zeros(())
    if settings.cross_entropy is not None and classes > 1:
        total = total + functional.cross_entropy(logits, target)
    elif settings.cross_entropy is not None:
        weight = None if weights is None else weights[:, None]
        total = total + functional.binary_cross_entropy_with_logits(logits, truth, weight)
    if settings.has_dice:
        over = (0, 2, 3) if settings.dice_over == "batch" else (2, 3)
        smooth = settings.dice_smooth
        both, either = (p * r).sum(over), (p + r).sum(over)
        if settings.dice_form == "one-term":
            each = 1 - (2 * both + smooth) / (either + smooth)
        else:
            neither = ((1 - p) * (1 - r)).sum(over)
            each = 1 - (both + smooth) / (either + smooth)
            each = each - (neither + smooth) / ((2 - p - r).sum(over) + smooth)
        total = total + each.mean()
    return total
