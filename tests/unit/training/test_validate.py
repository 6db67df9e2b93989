"""Validation: the numbers of a few pixels by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from unetscope.evaluation.metrics import Counts, dice
from unetscope.preprocess import IGNORED
from unetscope.recipe import Recipe, change
from unetscope.training import validate as module
from unetscope.training.dataset import Sample
from unetscope.training.losses import segmentation_loss
from unetscope.training.validate import tune_threshold, validate

NOWHERE = np.empty((0, 2), int)
THRESHOLDS = [round(0.05 * i, 2) for i in range(2, 19)]


def _score(maps, targets, threshold: float) -> float:
    scores = []
    for p, r in zip(maps, targets, strict=True):
        labeled = r != IGNORED
        predicted, truth = (p >= threshold) & labeled, r == 1
        counts = Counts(
            tp=int((predicted & truth).sum()),
            fp=int((predicted & ~truth & labeled).sum()),
            fn=int((~predicted & truth).sum()),
            tn=0,
        )
        scores.append(dice(counts))
    return float(np.mean(scores))


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_the_threshold_is_the_best_of_all(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    targets = [rng.choice([IGNORED, 0, 1], p=[0.1, 0.6, 0.3], size=(6, 7)) for _ in range(count)]
    maps = [np.clip(0.4 * t + rng.random(t.shape) * 0.8, 0, 1).astype(np.float32) for t in targets]
    found = tune_threshold(maps, [t.astype(np.float32) for t in targets])
    scores = {t: _score(maps, targets, t) for t in THRESHOLDS}
    best = [t for t, score in scores.items() if score >= max(scores.values()) - 1e-9]
    assert found in best
    assert abs(found - 0.5) == pytest.approx(min(abs(t - 0.5) for t in best))


def test_equally_good_thresholds_give_the_middle() -> None:
    maps = [np.array([[0.0, 1.0]], np.float32)]
    assert tune_threshold(maps, [np.array([[0, 1]])]) == 0.5
    assert tune_threshold([np.zeros((1, 2), np.float32)], [np.array([[0, 1]])]) == 0.5
    assert tune_threshold(maps, [np.zeros((1, 2))]) == 0.5
    assert tune_threshold(maps, [np.full((1, 2), IGNORED)]) == 0.5


class _Fixed(nn.Module):
    """Answers with the image itself, which the test fills with logits."""

    extra = 0
    unit = torch.tensor(1.0)

    def forward(self, image: Tensor) -> Tensor:
        return image


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch):
    """Validates logits given as images."""

    def logits(network: nn.Module, data: np.ndarray) -> Tensor:
        return torch.from_numpy(data)

    def judge(images: list[tuple[np.ndarray, ...]], recipe: Recipe):
        monkeypatch.setattr(module, "predict_logits", logits)
        monkeypatch.setattr(module, "for_inference", lambda network: network)
        samples = [
            Sample("a", np.stack([*parts]).astype(np.float32), len(parts) - 1, NOWHERE, NOWHERE)
            for parts in images
        ]
        return validate(_Fixed(), samples, recipe)

    return judge


ONE = (np.array([[3.0, -2.0, 0.5, -1.0]]), np.array([[1, 0, 0, 1]]))
TWO = (np.array([[-3.0, -2.0, 1.5, 1.0]]), np.array([[0, IGNORED, 1, 1]]))


def test_dice_and_loss_are_means_over_images(judged) -> None:
    recipe = change(Recipe(), ["prediction.threshold=0.5"])
    result = judged([ONE, TWO], recipe)
    # One of two found and one wrong: 2/(2 + 1 + 1); then both of two.
    assert result.dice == pytest.approx((0.5 + 1) / 2)
    losses = [
        float(segmentation_loss(torch.tensor(p)[None, None], torch.tensor(r)[None], recipe.loss))
        for p, r in (ONE, TWO)
    ]
    assert result.loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert result.threshold == 0.5


def test_strokes_of_several_classes_are_judged(judged) -> None:
    sparse = change(Recipe(), {"target.kind": "multiclass", "target.ignore": 0, "target.background": 1})
    maps = np.array([[3.0, -1.0, -1.0]]), np.array([[0.0, 2.0, 0.0]]), np.array([[0.0, 0.0, 2.0]])
    result = judged([(*maps, np.array([[0, 1, 1]])), (*maps, np.array([[0, IGNORED, 2]]))], sparse)
    # Of the first class one of two pixels is found; the second is found, and claimed once too often.
    assert result.dice == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert result.threshold == 0.5


def test_strokes_of_all_images_are_judged_together(judged) -> None:
    sparse = change(Recipe(), {"target.ignore": 0, "target.background": 1})
    first = np.array([[3.0, 3.0, -2.0, -2.0]]), np.array([[1, 1, IGNORED, 1]])
    # Alone, background that is found right would be a Dice of 1, and one mistake a Dice of 0.
    second = np.array([[-1.0, 2.0]]), np.array([[0, IGNORED]])
    third = np.array([[1.0, -2.0]]), np.array([[0, 0]])
    assert judged([first, second], sparse).dice == pytest.approx(4 / 5)
    assert judged([first, second, third], sparse).dice == pytest.approx(4 / 6)
    # At 0.1 all three objects are found, with two mistakes; from 0.75 on two of them, with none.
    assert judged([first, second, third], sparse).threshold == 0.75


def test_a_fixed_threshold_is_kept_and_used(judged) -> None:
    result = judged([ONE], change(Recipe(), ["prediction.threshold=0.7"]))
    assert (result.threshold, result.dice) == (0.7, pytest.approx(2 / 3))


def test_an_automatic_threshold_is_tuned_but_dice_is_at_one_half(judged) -> None:
    result = judged([ONE], Recipe())
    assert result.dice == pytest.approx(0.5)
    # All found and one wrong, below sigmoid(-1) = 0.27: 4/5.
    assert result.threshold == 0.25


def test_several_classes_are_averaged_where_they_occur(judged) -> None:
    recipe = change(Recipe(), ["target.kind=multiclass", "loss.kind=ce"])
    maps = [np.array([[5.0, 0, 0, 0]]), np.array([[0, 5.0, 5.0, 0]]), np.array([[0, 0, 0, 5.0]])]
    result = judged([(*maps, np.array([[0, 1, 0, 2]])), (*maps, np.array([[0, 1, 1, 0]]))], recipe)
    first, second = (2 / 3 + 1) / 2, (1 + 0) / 2
    assert result.dice == pytest.approx((first + second) / 2)
    assert result.threshold == 0.5


def test_an_image_without_objects_that_predicts_none_is_right(judged) -> None:
    assert judged([(np.full((1, 3), -4.0), np.zeros((1, 3)))], Recipe()).dice == 1


def test_certain_and_wrong_has_a_finite_loss(judged) -> None:
    assert np.isfinite(judged([(np.full((1, 3), 200.0), np.zeros((1, 3)))], Recipe()).loss)
