"""The losses of the presets against the formulas of the five reports, as these print them.

Written in plain Python and NumPy, from the reports: nothing here comes from the code that is tested.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from unetscope.recipe.presets import preset
from unetscope.training.losses import dice_loss, pixel_loss, segmentation_loss
from unetscope.training.weights import border_term, class_term, weight_map

Array = NDArray[np.float64]

# Two images of 2×2 pixels.
P = np.array([[[0.8, 0.3], [0.6, 0.1]], [[0.2, 0.4], [0.9, 0.7]]])
Y = np.array([[[1, 0], [0, 0]], [[0, 1], [1, 1]]])


def maps(p: Array) -> Tensor:
    """Logits (B, 1, Y, X) whose sigmoid is p."""
    return torch.tensor(np.log(p / (1 - p)), dtype=torch.float32)[:, None]


def softmaps(p: Array) -> Tensor:
    """Logits (B, K, Y, X) whose softmax is p, for p (B, K, Y, X)."""
    return torch.tensor(np.log(p) + 3, dtype=torch.float32)


# 000: equation (1), the negative log-likelihood.


def log_likelihood(p: Array, y: NDArray[np.int_]) -> float:
    return -sum(
        each_y * math.log(each_p) + (1 - each_y) * math.log(1 - each_p)
        for each_p, each_y in zip(p.ravel(), y.ravel(), strict=True)
    )


def test_000_log_likelihood() -> None:
    # ln 0.8 + ln 0.7 + ln 0.4 + ln 0.9 + ln 0.8 + ln 0.4 + ln 0.9 + ln 0.7, by hand.
    assert log_likelihood(P, Y) == pytest.approx(3.2029, abs=5e-5)
    loss = segmentation_loss(maps(P), torch.tensor(Y), preset("retina-vessels").loss)
    # The report sums over examples; the mean has its minimum at the same weights.
    assert loss.item() == pytest.approx(log_likelihood(P, Y) / Y.size, abs=1e-6)


# 001: dice_coef of the listing, over the flattened batch, eps = 1e-5.


def dice_coef(y_true: NDArray[np.int_], y_pred: Array) -> float:
    eps = 1e-5
    y_true_f, y_pred_f = y_true.flatten(), y_pred.flatten()
    intersection = np.sum(y_true_f * y_pred_f)
    return float((2.0 * intersection + eps) / (np.sum(y_true_f) + np.sum(y_pred_f) + eps))


def test_001_dice_over_the_whole_batch() -> None:
    # Σ true·pred = 0.8 + 0.4 + 0.9 + 0.7 = 2.8, Σ true = 4, Σ pred = 4.
    assert dice_coef(Y, P) == pytest.approx(5.6 / 8, abs=1e-5)
    loss = segmentation_loss(maps(P), torch.tensor(Y), preset("left-ventricle").loss)
    assert loss.item() == pytest.approx(1 - dice_coef(Y, P), abs=1e-6)
    # Image by image it would be (1.6/2.8 + 4/5.2)/2 = 0.67.
    each = np.mean([dice_coef(y, p) for y, p in zip(Y, P, strict=True)])
    assert each == pytest.approx(0.6703, abs=1e-4)


def test_001_epsilon_decides_where_nothing_is_to_be_found() -> None:
    nothing = np.zeros_like(Y)
    # 8 pixels of 5e-6: Dice is 1e-5 / (4e-5 + 1e-5).
    faint = np.full(P.shape, 5e-6)
    assert dice_coef(nothing, faint) == pytest.approx(0.2)
    loss = segmentation_loss(maps(faint), torch.tensor(nothing), preset("left-ventricle").loss)
    assert loss.item() == pytest.approx(0.8, abs=1e-5)


# 002: DL2 for each class against the others, mean over all three classes, and the cross entropy.

Q = np.array(
    [
        [[[0.7, 0.1]], [[0.2, 0.3]], [[0.1, 0.6]]],
        [[[0.3, 0.5]], [[0.6, 0.3]], [[0.1, 0.2]]],
    ]
)
CLASSES = np.array([[[0, 2]], [[1, 1]]])
EPSILON = 1e-5


def dl2(p: Array, r: NDArray[np.bool_]) -> float:
    pairs = [(float(a), float(b)) for a, b in zip(p.ravel(), r.ravel(), strict=True)]
    objects = sum(a * b for a, b in pairs) + EPSILON
    background = sum((1 - a) * (1 - b) for a, b in pairs) + EPSILON
    return (
        1
        - objects / (sum(a + b for a, b in pairs) + EPSILON)
        - background / (sum(2 - a - b for a, b in pairs) + EPSILON)
    )


def test_002_two_term_dice_of_each_class() -> None:
    terms = [dl2(Q[:, k], k == CLASSES) for k in range(3)]
    # Class 2: r is 1 once, p there 0.6, Σp = 1.0: 1 − 0.6/2 − (0.9 + 0.9 + 0.8)/6.
    assert terms[2] == pytest.approx(1 - 0.6 / 2 - 2.6 / 6, abs=1e-5)
    settings = preset("xray-multiclass").loss
    dice = dice_loss(softmaps(Q), torch.tensor(CLASSES), settings)
    assert dice.item() == pytest.approx(np.mean(terms), abs=1e-6)


def test_002_the_sum_with_the_cross_entropy() -> None:
    terms = [dl2(Q[:, k], k == CLASSES) for k in range(3)]
    entropy = -(math.log(0.7) + math.log(0.6) + math.log(0.6) + math.log(0.3)) / 4
    loss = segmentation_loss(softmaps(Q), torch.tensor(CLASSES), preset("xray-multiclass").loss)
    assert loss.item() == pytest.approx(entropy + np.mean(terms), abs=1e-6)


def test_002_a_perfect_prediction_costs_nothing() -> None:
    right = np.stack([np.where(k == CLASSES, 1 - 2e-9, 1e-9) for k in range(3)], axis=1)
    assert dl2(right[:, 1], CLASSES == 1) == pytest.approx(0, abs=1e-5)
    loss = segmentation_loss(softmaps(right), torch.tensor(CLASSES), preset("xray-multiclass").loss)
    assert loss.item() == pytest.approx(0, abs=1e-5)


# 004: equations (4) and (5), with w_0 = 10 and σ = 5 of the preset.

# Two cells of one pixel, at opposite corners: a triangle with the sides 3, 4 and 5.
CELLS = np.zeros((4, 5), dtype=np.int16)
CELLS[0, 0], CELLS[3, 4] = 1, 2
TRUTH = (CELLS > 0).astype(np.int16)
# (row, column): distances to the nearest cell and to the second nearest.
DISTANCES = {(0, 0): (0, 5), (3, 4): (0, 5), (0, 4): (3, 4), (3, 0): (3, 4), (0, 1): (1, math.sqrt(18))}


def border() -> Array:
    """Both distances of every pixel, from all pixels of both cells, and the second term of equation (5)."""
    rows, columns = np.indices(CELLS.shape)
    to_first, to_second = np.hypot(rows, columns), np.hypot(rows - 3, columns - 4)
    return np.asarray(10 * np.exp(-((to_first + to_second) ** 2) / (2 * 5**2)))


def test_004_border_term_on_a_hand_computed_case() -> None:
    term = border_term(CELLS, w0=10, sigma=5)
    for (row, column), (d1, d2) in DISTANCES.items():
        assert term[row, column] == pytest.approx(10 * math.exp(-((d1 + d2) ** 2) / 50), rel=1e-5)
    # 10·e^(−1/2) on the cells, 10·e^(−49/50) at the other corners.
    assert term[0, 0] == pytest.approx(6.0653, abs=1e-4)
    assert term[0, 4] == pytest.approx(3.7531, abs=1e-4)
    np.testing.assert_allclose(term, border(), rtol=1e-5)


def test_004_class_weights_counteract_imbalance() -> None:
    # 2 of 20 pixels are cell, 18 are not: 20/(2·2) and 20/(2·18).
    weights = class_term(TRUTH)
    assert weights[0, 0] == weights[3, 4] == pytest.approx(5)
    assert weights[TRUTH == 0] == pytest.approx(20 / 36)


def test_004_weight_map_is_their_sum() -> None:
    settings = preset("hela-border").loss.border
    assert settings is not None
    expected = np.where(TRUTH > 0, 5, 20 / 36) + border()
    np.testing.assert_allclose(weight_map(CELLS, TRUTH, settings), expected, rtol=1e-5)
    # By hand: 5 + 6.0653 on a cell and 0.5556 + 3.7531 at a corner.
    assert weight_map(CELLS, TRUTH, settings)[3, 4] == pytest.approx(11.0653, abs=1e-4)
    assert weight_map(CELLS, TRUTH, settings)[3, 0] == pytest.approx(4.3087, abs=1e-4)


def energy_as_printed(p: Array, truth: NDArray[np.int16], weights: Array) -> float:
    """Σ w(x) log p_l(x)(x), without the minus sign that equation (4) lacks."""
    of_truth = np.where(truth > 0, p, 1 - p)
    return float(sum((weights * np.log(of_truth)).ravel()))


def test_004_energy_with_its_minus_sign() -> None:
    rng = np.random.default_rng(0)
    p, weights = rng.uniform(0.05, 0.95, CELLS.shape), np.where(TRUTH > 0, 5, 20 / 36) + border()
    printed = energy_as_printed(p, TRUTH, weights)
    settings = preset("hela-border").loss
    logits, target = maps(p[None]), torch.tensor(TRUTH)[None]
    given = torch.tensor(weights, dtype=torch.float32)[None]
    loss = segmentation_loss(logits, target, settings, given)
    assert printed < 0
    assert loss.item() == pytest.approx(-printed / CELLS.size, rel=1e-5)
    # What is right costs less than what is wrong, so that making it small teaches the truth.
    right = np.where(TRUTH > 0, 0.99, 0.01)
    assert energy_as_printed(right, TRUTH, weights) > energy_as_printed(1 - right, TRUTH, weights)
    costs = [segmentation_loss(maps(q[None]), target, settings, given).item() for q in (right, 1 - right)]
    assert costs[0] < costs[1]


def test_004_cross_entropy_with_its_minus_sign() -> None:
    """Equation (3) lacks its minus sign, too."""
    printed = sum(
        y * math.log(p) + (1 - y) * math.log(1 - p) for p, y in zip(P.ravel(), Y.ravel(), strict=True)
    )
    assert pixel_loss(maps(P), torch.tensor(Y)).item() == pytest.approx(-printed / Y.size, abs=1e-6)


def test_004_every_pixel_is_pushed_by_its_weight() -> None:
    """The gradient of −(1/N) Σ w log p_l is w (p − l) / N for the logits."""
    settings = preset("hela-border").loss
    assert settings.border is not None
    weights = weight_map(CELLS, TRUTH, settings.border)
    logits = torch.zeros(1, 1, *CELLS.shape, requires_grad=True)
    segmentation_loss(logits, torch.tensor(TRUTH)[None], settings, torch.tensor(weights)[None]).backward()
    assert logits.grad is not None
    expected = weights * (0.5 - TRUTH) / CELLS.size
    np.testing.assert_allclose(logits.grad[0, 0].numpy(), expected, rtol=1e-5)
