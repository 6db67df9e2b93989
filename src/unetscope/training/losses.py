"""The losses: cross entropies, Dice, and their sum, over labeled pixels only."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from unetscope.preprocess import IGNORED
from unetscope.recipe.recipe import Loss

__all__ = ["contact_loss", "dice_loss", "distance_loss", "offset_loss", "pixel_loss", "segmentation_loss"]


def segmentation_loss(
    logits: Tensor,
    target: Tensor,
    settings: Loss,
    weights: Tensor | None = None,
    *,
    distances: Tensor | None = None,
    contacts: Tensor | None = None,
    offsets: Tensor | None = None,
) -> Tensor:
    """The loss that a recipe asks for.

    Parameters
    ----------
    logits : (B, K, *grid) Tensor
        K is 1 for one class against background, otherwise the number of classes; and more where there are
        distances, or contacts and offsets.
    target : (B, *grid) integer Tensor
        Class indices; pixels of -1 do not count.
    settings : Loss
    weights : (B, *grid) Tensor, optional
        Weights of the cross entropy's pixels.
    distances : (B, *grid) Tensor, optional
        How deep inside its object a pixel lies, in [0, 1], for the last map.
    contacts : (B, *grid) bool Tensor, optional
        Where objects meet, for the first map after the classes.
    offsets : (B, D, *grid) Tensor, optional
        How far it is to the center of a pixel's object, in the network's unit, for the last maps; with
        `contacts`.

    Returns
    -------
    Tensor
        Scalar, float32.
    """
    logits = logits.float()
    total = logits.new_zeros(())
    if distances is not None:
        total = total + distance_loss(logits[:, -1], distances, target)
        logits = logits[:, :-1]
    if contacts is not None and offsets is not None:
        axes = offsets.shape[1]
        total = total + contact_loss(logits[:, -axes - 1], contacts, target, settings)
        total = total + offset_loss(logits[:, -axes:], offsets, target)
        logits = logits[:, : -axes - 1]
    if settings.cross_entropy is not None:
        total = total + pixel_loss(logits, target, weights)
    if settings.has_dice:
        total = total + dice_loss(logits, target, settings)
    return total


def contact_loss(logits: Tensor, contacts: Tensor, target: Tensor, settings: Loss) -> Tensor:
    """Half of what the recipe's loss, without weights, says of the places where objects meet.

    Parameters
    ----------
    logits : (B, *grid) Tensor
    contacts : (B, *grid) bool Tensor
    target : (B, *grid) integer Tensor
        Pixels of -1 do not count.
    settings : Loss

    Returns
    -------
    Tensor
        Scalar.
    """
    truth = torch.where(target == IGNORED, IGNORED, contacts.long())
    return 0.5 * segmentation_loss(logits[:, None], truth, settings)


def offset_loss(logits: Tensor, offsets: Tensor, target: Tensor) -> Tensor:
    """Smooth L1 loss (Girshick 2015, arXiv:1504.08083) of offsets, summed over axes, mean over object pixels.

    Parameters
    ----------
    logits, offsets : (B, D, *grid) Tensor
        Predicted and true, in the same unit.
    target : (B, *grid) integer Tensor
        Only pixels above 0 count.

    Returns
    -------
    Tensor
        Scalar; 0 without objects.
    """
    inside = target > 0
    each = functional.smooth_l1_loss(logits, offsets, reduction="none").sum(1)
    return (each * inside).sum() / inside.sum().clamp(min=1)


def distance_loss(logits: Tensor, distances: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of the distances, over the labeled pixels.

    Parameters
    ----------
    logits, distances : (B, *grid) Tensor
        Before the sigmoid, and true, in [0, 1].
    target : (B, *grid) integer Tensor
        Pixels of -1 do not count.

    Returns
    -------
    Tensor
        Scalar in [0, 1]; 0 if nothing is labeled.
    """
    labeled = target != IGNORED
    return ((torch.sigmoid(logits) - distances).abs() * labeled).sum() / labeled.sum().clamp(min=1)


def pixel_loss(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross entropy, mean over the labeled pixels: binary (sigmoid) for one map, otherwise softmax.

    With weights, ``−(1/N) Σ w(x) log p_l(x)(x)`` (Ronneberger et al. 2015, equation 1, with the sign that
    makes it a loss, and divided by the number of pixels so that the step does not depend on image size).

    Parameters
    ----------
    logits : (B, K, *grid) float Tensor
    target : (B, *grid) integer Tensor
    weights : (B, *grid) Tensor, optional

    Returns
    -------
    Tensor
        Scalar; 0 if nothing is labeled.
    """
    labeled = target != IGNORED
    if logits.shape[1] == 1:
        truth = (target > 0).to(logits.dtype)
        each = functional.binary_cross_entropy_with_logits(logits[:, 0], truth, reduction="none")
    else:
        each = functional.cross_entropy(logits, target.long(), reduction="none", ignore_index=IGNORED)
    if weights is not None:
        each = each * weights
    return (each * labeled).sum() / labeled.sum().clamp(min=1)


def dice_loss(logits: Tensor, target: Tensor, settings: Loss) -> Tensor:
    """1 − Dice, mean over classes (and over images, if the recipe sums over each on its own).

    Parameters
    ----------
    logits : (B, K, *grid) float Tensor
    target : (B, *grid) integer Tensor
    settings : Loss
        ``dice_smooth`` is ε below.

    Returns
    -------
    Tensor
        Scalar: one-term in [0, 1]; two-term in [-0.5, 1], below 0 only where truth or its absence is empty;
        0 if nothing is labeled. Images in which nothing is labeled do not count.

    Notes
    -----
    With probabilities p and truth r: one-term is ``1 − (2Σpr + ε) / (Σp + Σr + ε)`` (Milletari et al. 2016
    without the squares); two-term is ``1 − (Σpr + ε) / (Σ(p+r) + ε) − (Σ(1−p)(1−r) + ε) / (Σ(2−p−r) + ε)``
    (Sudre et al. 2017, DL2).
    """
    classes = logits.shape[1]
    labeled = (target != IGNORED)[:, None]
    if classes == 1:
        p, r = torch.sigmoid(logits), (target > 0)[:, None]
    else:
        p = torch.softmax(logits, dim=1)
        index = torch.arange(classes, device=target.device).reshape(-1, *[1] * (target.ndim - 1))
        r = target[:, None] == index
        if not settings.dice_background:
            p, r = p[:, 1:], r[:, 1:]
    p, r = p * labeled, (r & labeled).to(p.dtype)
    grid = tuple(range(2, p.ndim))
    over = (0, *grid) if settings.dice_over == "batch" else grid
    both, either, count = (p * r).sum(over), (p + r).sum(over), labeled.sum(over).to(p.dtype)
    # Weighed with 0 instead of left out: how many images are seen would be asked of the device.
    seen = (count > 0).to(p.dtype).expand_as(both)
    smooth = settings.dice_smooth
    # What is not seen is divided by 1, because with ε = 0 it would be 0 / 0.
    below = smooth + (1 - seen)
    if settings.dice_form == "one-term":
        each = 1 - (2 * both + smooth) / (either + below)
    else:
        neither = count - either + both
        each = 1 - (both + smooth) / (either + below) - (neither + smooth) / (2 * count - either + below)
    return (each * seen).sum() / seen.sum().clamp(min=1)
