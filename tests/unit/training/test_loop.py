"""The loop: budgets, stopping, memory, numbers that are none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from unetscope.errors import TrainingError
from unetscope.network import UNet
from unetscope.recipe import Recipe
from unetscope.training import loop
from unetscope.training.dataset import Batches, Sample
from unetscope.training.loop import EpochRecord, TrainingState, choose_device, train_epochs
from unetscope.training.validate import Validation

MakeRecipe = Callable[..., Recipe]
MakeSamples = Callable[..., list[Sample]]


def _state(recipe: Recipe) -> TrainingState:
    torch.manual_seed(recipe.seed)
    return TrainingState(recipe, UNet(recipe.network, 1, 1))


def _weights(network: UNet) -> Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()]).clone()


def _train(
    recipe: Recipe, training: list[Sample], validation: list[Sample] | None = None
) -> tuple[TrainingState, list[EpochRecord]]:
    state = _state(recipe)
    return state, list(train_epochs(state, recipe, training, validation or []))


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets validation say what the test wants, epoch by epoch."""

    def say(dices: list[float], losses: list[float] | None = None) -> None:
        told = iter(zip(dices, losses or [1.0] * len(dices), strict=True))

        def validate(*arguments: object) -> Validation:
            dice, loss = next(told)
            return Validation(loss, dice, 0.4)

        monkeypatch.setattr(loop, "validate", validate)

    return say


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that goes on by `step` seconds whenever it is read."""
    fake = SimpleNamespace(now=0.0, step=1.0)

    def perf_counter() -> float:
        fake.now += fake.step
        return fake.now

    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=perf_counter))
    return fake


def test_records_count_from_one_and_hold_numbers(recipe: MakeRecipe, samples: MakeSamples) -> None:
    made = recipe("training.epochs=3", "optimizer.learning_rate=0.25")
    state, records = _train(made, samples(made), samples(made, 2, seed=1))
    assert [r.epoch for r in records] == [1, 2, 3]
    assert state.epoch == 3
    assert state.steps == 6
    for record in records:
        assert record.learning_rate == 0.25
        assert 0 <= record.train_dice <= 1
        assert 0 <= record.val_dice <= 1
        assert math.isfinite(record.train_loss + record.val_loss + record.images_per_second)
    assert records[0].seconds < records[1].seconds < records[2].seconds


def test_the_loss_goes_down(recipe: MakeRecipe, samples: MakeSamples) -> None:
    made = recipe("training.epochs=15", "optimizer.learning_rate=0.02")
    _, records = _train(made, samples(made))
    assert records[-1].train_loss < 0.8 * records[0].train_loss


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd"])
def test_losses_are_those_of_the_obvious_loop(recipe: MakeRecipe, samples: MakeSamples, kind: str) -> None:
    made = recipe(
        "loss.kind=bce+dice",
        f"optimizer={{kind: {kind}, learning_rate: 0.02, weight_decay: 0.01, momentum: 0.9}}",
        "augmentation={rotation: 30, elastic: 1, noise: 0.1}",
        "network.norm=batch",
        "training.epochs=4",
        "training.mixed_precision=false",
    )
    disks = samples(made, 6)
    state, records = _train(made, disks)
    torch.manual_seed(made.seed)
    network = UNet(made.network, 1, 1).train()
    rate, decay = made.optimizer.learning_rate, made.optimizer.weight_decay
    optimizer: torch.optim.Optimizer = {
        "adam": lambda p: torch.optim.Adam(p, rate, eps=made.optimizer.epsilon, weight_decay=decay),
        "adamw": lambda p: torch.optim.AdamW(p, rate, eps=made.optimizer.epsilon, weight_decay=decay),
        "sgd": lambda p: torch.optim.SGD(
            p, rate, momentum=0.9, nesterov=made.optimizer.nesterov, weight_decay=decay
        ),
    }[kind](network.parameters())
    batches = Batches(disks, made, network, torch.device("cpu"))
    for epoch, record in enumerate(records, start=1):
        losses = []
        for batch in batches.epoch(epoch):
            logits, truth = network(batch.images)[:, 0], batch.targets.float()
            p = torch.sigmoid(logits)
            dice = (2 * (p * truth).sum() + 1e-5) / ((p + truth).sum() + 1e-5)
            loss = torch.nn.functional.binary_cross_entropy(p, truth) + 1 - dice
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert record.train_loss == pytest.approx(sum(losses) / len(losses), rel=1e-4)
    torch.testing.assert_close(_weights(state.network), _weights(network), atol=1e-4, rtol=1e-3)


def test_without_validation_the_last_epoch_is_the_best(recipe: MakeRecipe, samples: MakeSamples) -> None:
    made = recipe("training.patience=1", "prediction.threshold=0.6")
    _, records = _train(made, samples(made))
    assert [(r.best, r.val_loss, r.val_dice, r.threshold) for r in records] == [(True, None, None, 0.6)] * 2


def test_the_caller_keeps_its_random_state(recipe: MakeRecipe, samples: MakeSamples) -> None:
    made = recipe("network.dropout=0.5")
    epochs = train_epochs(_state(made), made, samples(made), [])
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    next(epochs)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("monitor", "dices", "losses", "best"),
    [
        ("dice", [0.0, 0.0, 0.5, 0.4, 0.6], [5, 4, 3, 2, 1], [True, False, True, False, True]),
        ("loss", [0.9, 0.8, 0.7, 0.6, 0.5], [3, 3, 2, 2.5, 1], [True, False, True, False, True]),
        ("loss", [0.9, 0.8, 0.7, 0.6, 0.5], [math.nan, 3, 4, math.nan, 1], [False, True, False, False, True]),
    ],
)
def test_the_best_epoch(
    recipe: MakeRecipe, samples: MakeSamples, scores, *, monitor, dices, losses, best
) -> None:
    made = recipe("training.epochs=5", f"training.monitor={monitor}")
    scores(dices, losses)
    _, records = _train(made, samples(made, 2), samples(made, 1))
    assert [r.best for r in records] == best
    assert {r.threshold for r in records} == {0.4}


def test_patience_ends_the_run(recipe: MakeRecipe, samples: MakeSamples, scores) -> None:
    made = recipe("training.epochs=20", "training.patience=3")
    scores([0.1, 0.3, 0.2, 0.3, 0.35, 0.1, 0.35, 0.2, 0.9])
    state, records = _train(made, samples(made, 2), samples(made, 1))
    assert len(records) == 8
    assert (state.best, state.waited) == (0.35, 3)


def test_the_plateau_schedule_follows_validation(recipe: MakeRecipe, samples: MakeSamples, scores) -> None:
    made = recipe(
        "training.epochs=6",
        "schedule={kind: plateau, patience: 1, factor: 0.5}",
        "optimizer.learning_rate=0.1",
    )
    scores([0.5, 0.5, 0.5, 0.5, 0.5, 0.9])
    _, records = _train(made, samples(made, 2), samples(made, 1))
    assert [r.learning_rate for r in records] == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.025])


def test_the_schedule_goes_through_epochs(recipe: MakeRecipe, samples: MakeSamples) -> None:
    made = recipe("training.epochs=4", "schedule={kind: cosine, final: 0.1}", "optimizer.learning_rate=1e-3")
    _, records = _train(made, samples(made))
    # The last batch of an epoch begins when half of the epoch's samples are done.
    used = [(i + 0.5) / 4 for i in range(4)]
    expected = [1e-3 * (0.1 + 0.9 * (1 + math.cos(math.pi * u)) / 2) for u in used]
    assert [r.learning_rate for r in records] == pytest.approx(expected)


def test_minutes_end_the_run_within_an_epoch(recipe: MakeRecipe, samples: MakeSamples, clock) -> None:
    made = recipe("training.epochs=null", "training.minutes=1", "training.samples=1000")
    _, records = _train(made, samples(made))
    assert len(records) == 1
    assert 60 <= records[0].seconds <= 64


def test_minutes_end_the_run_between_epochs(recipe: MakeRecipe, samples: MakeSamples, clock) -> None:
    made = recipe("training.epochs=null", "training.minutes=1")
    _, records = _train(made, samples(made), samples(made, 1))
    assert len(records) > 3
    assert 60 <= records[-1].seconds <= 70
    assert all(r.seconds < 60 for r in records[:-1])


def test_epochs_end_the_run_before_the_minutes(recipe: MakeRecipe, samples: MakeSamples, clock) -> None:
    made = recipe("training.epochs=2", "training.minutes=100")
    assert len(_train(made, samples(made))[1]) == 2


def test_the_schedule_follows_the_clock(recipe: MakeRecipe, samples: MakeSamples, clock) -> None:
    made = recipe(
        "training.epochs=null", "training.minutes=1", "schedule.kind=cosine", "training.samples=1000"
    )
    _, records = _train(made, samples(made))
    assert records[-1].learning_rate < 0.01 * made.optimizer.learning_rate


def test_time_between_records_is_nobodys(recipe: MakeRecipe, samples: MakeSamples, clock) -> None:
    made = recipe("training.epochs=2", "training.minutes=10")
    epochs = train_epochs(_state(made), made, samples(made), [])
    first = next(epochs).seconds
    clock.now += 1000
    assert next(epochs).seconds < 2 * first + 5


def test_a_resumed_run_has_the_time_that_is_left(recipe: MakeRecipe, samples: MakeSamples, clock) -> None:
    made = recipe("training.epochs=null", "training.minutes=1")
    state = _state(made)
    state.seconds = 61.0
    assert not list(train_epochs(state, made, samples(made), []))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize(("count", "steps"), [(4, 2), (100, 10)])
def test_a_loss_that_is_no_number_stops(
    recipe: MakeRecipe, samples: MakeSamples, monkeypatch: pytest.MonkeyPatch, *, value, count, steps
) -> None:
    """At the end of its epoch, or within a long one."""
    monkeypatch.setattr(loop, "_STEPS_BETWEEN_CHECKS", 10)
    made = recipe(f"training.samples={count}")
    state = _state(made)
    epochs = train_epochs(state, made, samples(made), [])
    next(epochs)
    before = state.steps
    real = loop.segmentation_loss
    monkeypatch.setattr(loop, "segmentation_loss", lambda *a, **k: real(*a, **k) * value)
    with pytest.raises(TrainingError, match=r"the loss became \w+ in epoch 2; expected a number"):
        next(epochs)
    assert state.steps - before == steps


def _limit(monkeypatch: pytest.MonkeyPatch, most: int, message: str = "CUDA out of memory.") -> list[int]:
    """Make the network refuse more than `most` samples at once; returns the numbers it computed."""
    seen: list[int] = []
    forward = UNet.forward

    def limited(self: UNet, image: Tensor) -> Tensor:
        if len(image) > most:
            raise RuntimeError(message)
        seen.append(len(image))
        return forward(self, image)

    monkeypatch.setattr(UNet, "forward", limited)
    return seen


@pytest.mark.parametrize("loss", ["loss.kind=bce", "loss={kind: bce+dice, dice_over: image}"])
@pytest.mark.parametrize(
    ("count", "most", "seen"), [(4, 2, [2, 2]), (5, 2, [2, 2, 1]), (3, 1, [1] * 3), (6, 5, [3, 3])]
)
def test_parts_add_up_to_the_whole_batch(
    recipe: MakeRecipe, samples: MakeSamples, monkeypatch, *, loss, count, most, seen
) -> None:
    # In half precision the parts of a sum are rounded differently.
    exact = ("training.mixed_precision=false", "optimizer.kind=sgd")
    made = recipe(loss, f"training.batch_size={count}", "training.epochs=1", *exact)
    disks = samples(made, count)
    whole, (record,) = _train(made, disks)
    assert record.note == ""
    computed = _limit(monkeypatch, most)
    parts, (in_parts,) = _train(made, disks)
    assert computed == seen
    assert "out of memory" in in_parts.note
    assert f"{parts.parts} parts" in in_parts.note
    torch.testing.assert_close(_weights(parts.network), _weights(whole.network), atol=1e-6, rtol=1e-5)
    assert in_parts.train_loss == pytest.approx(record.train_loss, rel=1e-5)
    assert in_parts.train_dice == pytest.approx(record.train_dice)
    # The step did change something.
    assert not torch.equal(_weights(whole.network), _weights(_state(made).network))


def test_parts_are_remembered(recipe: MakeRecipe, samples: MakeSamples, monkeypatch) -> None:
    made = recipe("training.batch_size=4", "training.epochs=3")
    computed = _limit(monkeypatch, 2)
    _, records = _train(made, samples(made, 6))
    assert [bool(r.note) for r in records] == [True, False, False]
    assert computed == [2, 2, 1, 1] * 3


def test_one_sample_that_does_not_fit(recipe: MakeRecipe, samples: MakeSamples, monkeypatch) -> None:
    made = recipe()
    _limit(monkeypatch, 0)
    with pytest.raises(TrainingError, match=r"one training sample does not fit.*\[16, 16\].*training\.patch"):
        _train(made, samples(made))


def test_other_errors_are_not_swallowed(recipe: MakeRecipe, samples: MakeSamples, monkeypatch) -> None:
    made = recipe()
    _limit(monkeypatch, 0, "illegal instruction")
    with pytest.raises(RuntimeError, match="illegal instruction"):
        _train(made, samples(made))


def test_clipping_bounds_the_step(recipe: MakeRecipe, samples: MakeSamples) -> None:
    made = recipe(
        "optimizer={kind: sgd, momentum: 0, learning_rate: 1, clip_norm: 0.01}",
        "training.batch_size=4",
        "training.epochs=1",
    )
    state, _ = _train(made, samples(made))
    moved = (_weights(state.network) - _weights(_state(made).network)).norm()
    assert 0 < moved <= 0.0101


def test_the_average_is_judged(recipe: MakeRecipe, samples: MakeSamples) -> None:
    made = recipe("training.averaging=0.9", "training.epochs=1", "training.batch_size=4")
    state, _ = _train(made, samples(made))
    start, end = _weights(_state(made).network), _weights(state.network)
    assert state.judged is state.averaged
    # After one step: decay min(0.9, 2/11).
    torch.testing.assert_close(_weights(state.judged), start * 2 / 11 + end * 9 / 11)


def test_the_average_follows_running_statistics(recipe: MakeRecipe, samples: MakeSamples) -> None:
    made = recipe("training.averaging=0.9", "network.norm=batch")
    state, _ = _train(made, samples(made))
    before = dict(state.network.named_buffers())
    for name, value in state.judged.named_buffers():
        if name.endswith("num_batches_tracked"):
            assert value == before[name] == state.steps
        elif name != "unit":
            assert not torch.equal(value, dict(_state(made).network.named_buffers())[name])


def test_train_dice_is_pooled(recipe: MakeRecipe) -> None:
    logits = torch.tensor([[[[1.0, -1, 1, -1]]], [[[1.0, 1, -1, -1]]]])
    targets = torch.tensor([[[1, 1, 0, 0]], [[1, -1, 0, 0]]])
    totals = loop._Totals()
    totals.add(0.0, logits[:1], targets[:1])
    totals.add(0.0, logits[1:], targets[1:])
    assert totals.dice() == pytest.approx(2 * 2 / (3 + 3))


def test_devices() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device().type in ("cpu", "cuda", "mps")
    with pytest.raises(TrainingError, match="no device 'warp'"):
        choose_device("warp")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """More threads than samples only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
