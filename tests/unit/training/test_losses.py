"""Losses against their formulas, written out on small arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from unetscope.preprocess import IGNORED
from unetscope.recipe.recipe import Loss
from unetscope.training.losses import dice_loss, distance_loss, offset_loss, pixel_loss, segmentation_loss

EPS = 1e-5


def _logits(p: np.ndarray) -> Tensor:
    return torch.logit(torch.tensor(p, dtype=torch.float64)).float()


P = np.array([[[0.9, 0.2], [0.6, 0.5]], [[0.1, 0.3], [0.8, 0.7]]])
R = np.array([[[1, 0], [1, 0]], [[0, 0], [0, 1]]])
BINARY = _logits(P)[:, None]
TARGET = torch.tensor(R)
# Three classes: probabilities of two images of two pixels, (B, K, Y, X).
Q = np.array([[[[0.7, 0.2]], [[0.2, 0.5]], [[0.1, 0.3]]], [[[0.1, 0.6]], [[0.3, 0.3]], [[0.6, 0.1]]]])
MULTI = torch.tensor(np.log(Q)).float()
CLASSES = torch.tensor([[[0, 1]], [[2, 0]]])


def _dice(p: np.ndarray, r: np.ndarray, eps: float = EPS) -> float:
    return (2 * (p * r).sum() + eps) / (p.sum() + r.sum() + eps)


def _two_terms(p: np.ndarray, r: np.ndarray, eps: float = EPS) -> float:
    return (
        1
        - ((p * r).sum() + eps) / ((p + r).sum() + eps)
        - (((1 - p) * (1 - r)).sum() + eps) / ((2 - p - r).sum() + eps)
    )


def _close(value: Tensor, expected: float) -> None:
    assert value.shape == ()
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected, abs=2e-6)


def test_dice_over_the_whole_batch() -> None:
    """Σpr = 2.2 and Σp + Σr = 4.1 + 3."""
    _close(dice_loss(BINARY, TARGET, Loss(kind="dice")), 1 - (4.4 + EPS) / (7.1 + EPS))
    _close(dice_loss(BINARY, TARGET, Loss(kind="dice")), 1 - _dice(P, R))


def test_dice_over_each_image() -> None:
    expected = 1 - (_dice(P[0], R[0]) + _dice(P[1], R[1])) / 2
    _close(dice_loss(BINARY, TARGET, Loss(kind="dice", dice_over="image")), expected)
    assert abs(expected - (1 - _dice(P, R))) > 0.01


@pytest.mark.parametrize("over", ["batch", "image"])
def test_two_term_dice(over: str) -> None:
    expected = _two_terms(P, R) if over == "batch" else (_two_terms(P[0], R[0]) + _two_terms(P[1], R[1])) / 2
    _close(dice_loss(BINARY, TARGET, Loss(kind="dice", dice_form="two-term", dice_over=over)), expected)


@pytest.mark.parametrize("form", ["one-term", "two-term"])
@pytest.mark.parametrize("background", [False, True])
def test_dice_of_several_classes(form: str, background: bool) -> None:
    one = _two_terms if form == "two-term" else lambda p, r: 1 - _dice(p, r)
    chosen = range(3) if background else range(1, 3)
    expected = np.mean([one(Q[:, c], CLASSES.numpy() == c) for c in chosen])
    settings = Loss(kind="dice", dice_form=form, dice_background=background)
    _close(dice_loss(MULTI, CLASSES, settings), expected)


@pytest.mark.parametrize("smooth", [0.0, 1.0])
def test_the_smoothing_is_the_recipes(smooth: float) -> None:
    _close(dice_loss(BINARY, TARGET, Loss(kind="dice", dice_smooth=smooth)), 1 - _dice(P, R, smooth))


def test_binary_cross_entropy() -> None:
    each = -np.log(np.where(R == 1, P, 1 - P))
    _close(pixel_loss(BINARY, TARGET), each.mean())
    weights = np.arange(8).reshape(2, 2, 2)
    _close(pixel_loss(BINARY, TARGET, torch.tensor(weights)), (each * weights).sum() / 8)


def test_softmax_cross_entropy() -> None:
    each = -np.log([0.7, 0.5, 0.6, 0.6])
    _close(pixel_loss(MULTI, CLASSES), each.mean())
    weights = np.array([1, 0, 3, 0.5])
    _close(
        pixel_loss(MULTI, CLASSES, torch.tensor(weights).float().reshape(2, 1, 2)), (each * weights).sum() / 4
    )


def test_cross_entropy_of_logits_that_are_no_log_probabilities() -> None:
    _close(pixel_loss(MULTI + 5, CLASSES), -np.log([0.7, 0.5, 0.6, 0.6]).mean())


@pytest.mark.parametrize("kind", ["bce", "dice", "bce+dice"])
def test_the_sum_is_what_the_kind_says(kind: str) -> None:
    weights = torch.full(TARGET.shape, 2.0)
    parts = {"bce": pixel_loss(BINARY, TARGET, weights), "dice": dice_loss(BINARY, TARGET, Loss())}
    expected = sum(float(parts[name]) for name in kind.split("+"))
    _close(segmentation_loss(BINARY, TARGET, Loss(kind=kind), weights), expected)


@pytest.mark.parametrize("kind", ["ce", "dice", "ce+dice"])
@pytest.mark.parametrize("form", ["one-term", "two-term"])
@pytest.mark.parametrize("over", ["batch", "image"])
def test_pixels_without_a_label_change_nothing(kind: str, form: str, over: str) -> None:
    generator = torch.Generator().manual_seed(0)
    for classes in (1, 3):
        binary = kind if kind == "dice" else f"b{kind}"
        settings = Loss(kind=binary if classes == 1 else kind, dice_form=form, dice_over=over)
        logits = torch.randn(2, classes, 4, 4, generator=generator)
        target = torch.randint(0, max(classes, 2), (2, 4, 4), generator=generator)
        labeled = (logits[..., :3], target[..., :3])
        target[..., 3] = -1
        changed = logits.clone()
        changed[..., 3] = 7
        expected = float(segmentation_loss(*labeled, settings))
        _close(segmentation_loss(logits, target, settings), expected)
        changed.requires_grad_()
        loss = segmentation_loss(changed, target, settings)
        _close(loss.detach(), expected)
        loss.backward()
        assert (changed.grad[..., 3] == 0).all()


@pytest.mark.parametrize("kind", ["ce", "dice", "ce+dice"])
@pytest.mark.parametrize("form", ["one-term", "two-term"])
@pytest.mark.parametrize("over", ["batch", "image"])
@pytest.mark.parametrize("smooth", [0.0, 1.0])
def test_images_without_a_label_do_not_count(kind: str, form: str, over: str, smooth: float) -> None:
    for classes in (1, 3):
        name = f"b{kind}" if classes == 1 and kind != "dice" else kind
        settings = Loss(kind=name, dice_form=form, dice_over=over, dice_smooth=smooth)
        logits = torch.randn(2, classes, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
        target = torch.tensor([[0, 1, 1, 0]] * 4).expand(2, 4, 4).clone()
        target[1] = -1
        expected = float(segmentation_loss(logits[:1].detach(), target[:1], settings))
        _close(segmentation_loss(logits, target, settings).detach(), expected)
        nothing = segmentation_loss(logits, torch.full_like(target, -1), settings)
        nothing.backward()
        assert nothing.item() == 0
        assert (logits.grad == 0).all()


@pytest.mark.parametrize("form", ["one-term", "two-term"])
@pytest.mark.parametrize("right", [True, False])
def test_gradients_are_finite_where_the_network_is_certain(form: str, right: bool) -> None:
    for classes in (1, 3):
        target = torch.tensor([[[0, 1, 1, 0]]])
        far = 1000.0 if right else -1000.0
        logits = (torch.nn.functional.one_hot(target, 3).movedim(-1, 1) * 2.0 - 1) * far
        logits = (logits[:, 1:2] if classes == 1 else logits).requires_grad_()
        settings = Loss(kind="bce+dice" if classes == 1 else "ce+dice", dice_form=form)
        loss = segmentation_loss(logits, target, settings)
        loss.backward()
        assert math.isfinite(loss.item())
        assert torch.isfinite(logits.grad).all()
        assert (loss.item() < 1e-4) is right


@pytest.mark.parametrize("kind", ["bce", "dice", "bce+dice"])
def test_nothing_labeled_is_finite(kind: str) -> None:
    logits = torch.randn(1, 1, 3, 3, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((1, 3, 3), -1), Loss(kind=kind))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_half_precision_logits_are_summed_in_single_precision() -> None:
    logits = torch.zeros(1, 1, 512, 512, dtype=torch.bfloat16)
    target = torch.ones(1, 512, 512, dtype=torch.long)
    _close(dice_loss(logits.float(), target, Loss()), 1 - 1 / 1.5)
    _close(segmentation_loss(logits, target, Loss(kind="dice")), 1 - 1 / 1.5)


def test_distances_add_their_mean_error_over_labeled_pixels() -> None:
    inside = torch.tensor([[[0.0, 1.0], [0.5, 0.0]], [[0.25, 0.0], [0.0, 1.0]]])
    target = TARGET.clone()
    target[0, 0, 0] = IGNORED
    maps = torch.cat([BINARY, torch.zeros_like(BINARY)], dim=1)
    both = segmentation_loss(maps, target, Loss(), distances=inside)
    # The sigmoid of 0 is 0.5; the first pixel does not count.
    error = (0.5 + 0 + 0.5 + 0.25 + 0.5 + 0.5 + 0.5) / 7
    assert float(both - segmentation_loss(BINARY, target, Loss())) == pytest.approx(error, abs=1e-6)
    assert distance_loss(maps[:, 1], inside, torch.full_like(target, IGNORED)) == 0


def test_contacts_and_offsets_add_half_a_loss_and_a_smooth_error() -> None:
    meet = torch.tensor([[[True, False], [False, False]], [[False, True], [True, False]]])
    target = torch.tensor([[[1, 1], [0, IGNORED]], [[1, 0], [0, 0]]])
    offsets = torch.zeros(2, 2, 2, 2)
    offsets[0, 0, 0, 0], offsets[0, 1, 0, 1], offsets[1, 0, 0, 1] = 3.0, 0.5, 99.0
    maps = torch.cat([BINARY, -BINARY, torch.zeros(2, 2, 2, 2)], dim=1)
    settings = Loss()
    both = segmentation_loss(maps, target, settings, contacts=meet, offsets=offsets)
    truth = torch.where(target == IGNORED, IGNORED, meet.long())
    expected = segmentation_loss(BINARY, target, settings) + 0.5 * segmentation_loss(-BINARY, truth, settings)
    # |3| − 1/2 and 0.5²/2 of the three pixels of objects; the fourth offset lies outside.
    _close(both, float(expected) + (2.5 + 0.125 + 0) / 3)
    assert offset_loss(maps[:, 2:], offsets, torch.zeros_like(target)) == 0


def test_volumes() -> None:
    _close(dice_loss(BINARY[None, 0][..., None], TARGET[None, 0][..., None], Loss()), 1 - _dice(P[0], R[0]))
