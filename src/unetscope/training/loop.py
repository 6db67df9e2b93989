"""The training loop: one generator of epoch records.

Whoever consumes it decides what to do with a record: show it, write it, save the model, or stop.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from unetscope.errors import TrainingError, is_out_of_memory
from unetscope.network import UNet, class_logits
from unetscope.recipe import Recipe
from unetscope.training.budget import budget_used
from unetscope.training.dataset import Batch, Batches, Sample
from unetscope.training.losses import segmentation_loss
from unetscope.training.optimize import Plateau, learning_rate, make_optimizer
from unetscope.training.precision import gains_from_half
from unetscope.training.shared_norm import share_statistics
from unetscope.training.team import ALONE, Team
from unetscope.training.validate import validate

__all__ = ["EpochRecord", "TrainingState", "choose_device", "train_epochs"]

# Asking a graphics card for a number waits until all that it was told before is done.
_STEPS_BETWEEN_CHECKS = 32


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch did.

    Attributes
    ----------
    epoch : int
        From 1.
    train_loss, train_dice : float
        Over the epoch's augmented samples; Dice is pooled over them, mean over classes.
    val_loss, val_dice : float or None
        Mean over validation images; None without any.
    threshold : float
        See `Validation`.
    learning_rate : float
        At the end of the epoch.
    seconds : float
        Since the start of the run, interruptions left out.
    images_per_second : float
        Training samples per second of training, validation left out.
    best : bool
        Whether this is the epoch to keep so far.
    note : str
        What a user should know, such as a batch that was halved.
    """

    epoch: int
    train_loss: float
    train_dice: float
    val_loss: float | None
    val_dice: float | None
    threshold: float
    learning_rate: float
    seconds: float
    images_per_second: float
    best: bool
    note: str = ""


class TrainingState:
    """Everything that changes during training, and all that is needed to go on later.

    Parameters
    ----------
    recipe : Recipe
    network : UNet
        On the device to train on.
    """

    def __init__(self, recipe: Recipe, network: UNet) -> None:
        self.network = network
        self.averaged = copy.deepcopy(network).eval() if recipe.training.averaging > 0 else None
        self.optimizer = make_optimizer(network.parameters(), recipe.optimizer)
        self.plateau = Plateau(recipe.schedule)
        self.epoch = 0
        self.steps = 0
        self.seconds = 0.0
        self.best: float | None = None
        self.waited = 0
        self.parts = 1

    @property
    def judged(self) -> UNet:
        """The network that is validated and kept: the averaged one, if there is one."""
        return self.network if self.averaged is None else self.averaged

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers and nested dicts of both, for `torch.save`."""
        return {
            "network": self.network.state_dict(),
            "averaged": None if self.averaged is None else self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "plateau": {"factor": self.plateau.factor, "waited": self.plateau.waited},
            "numbers": {name: getattr(self, name) for name in self._NUMBERS},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a saved state."""
        self.network.load_state_dict(state["network"])
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, value in state["plateau"].items():
            setattr(self.plateau, name, value)
        for name in self._NUMBERS:
            setattr(self, name, state["numbers"][name])

    _NUMBERS = ("epoch", "steps", "seconds", "best", "waited", "parts")


def train_epochs(
    state: TrainingState,
    recipe: Recipe,
    training: Sequence[Sample],
    validation: Sequence[Sample],
    *,
    team: Team = ALONE,
    go_on: Callable[[], bool] = lambda: True,
) -> Iterator[EpochRecord]:
    """Train, one epoch per record, until the budget is used or validation stands still.

    Parameters
    ----------
    state : TrainingState
        Changed in place; a fresh one starts, a loaded one goes on.
    recipe : Recipe
    training, validation : sequence of Sample
        Without validation samples, the last epoch counts as the best.
    team : Team
        The processes that train together; each calls this with the same state and samples.
    go_on : callable
        Asked before every batch, by the first process. It may wait, which takes no time from the budget;
        where it says no, the training ends, and `state` is that of an unfinished epoch.

    Yields
    ------
    EpochRecord
        When it arrives, `state` is that of the epoch's end.

    Raises
    ------
    TrainingError
        If the loss is no longer a number, or not even one sample fits in memory.
    """
    device = next(state.network.parameters()).device
    batches = Batches(training, recipe, state.network, device)
    clock = _Clock(state.seconds)
    note = _settle_parts(state, recipe, batches, team) if team.size > 1 else ""
    while not _finished(state, recipe):
        state.epoch += 1
        totals = _Totals()
        started = clock.seconds
        state.network.train()
        with _seeded(recipe.seed, state.epoch, device, team):
            for batch in batches.epoch(state.epoch):
                going, seconds = team.ask(lambda: clock.asking(go_on))
                if not going:
                    return
                rate = _set_learning_rate(state, recipe, seconds, totals.samples / batches.per_epoch)
                note = _step_with_less_memory(state, recipe, batch, totals, team) or note
                if _timed(recipe) and team.ask(lambda: _out_of_time(recipe, clock.seconds)):
                    break
        train_loss = _mean_loss(totals, state)
        images_per_second = totals.samples / (clock.seconds - started)
        state.network.eval()
        judged = team.ask(lambda: validate(state.judged, validation, recipe)) if validation else None
        improved = _improved(state, recipe, judged.loss if judged else None, judged.dice if judged else None)
        state.seconds = team.ask(lambda: clock.seconds)
        yield EpochRecord(
            epoch=state.epoch,
            train_loss=train_loss,
            train_dice=totals.dice(),
            val_loss=judged.loss if judged else None,
            val_dice=judged.dice if judged else None,
            threshold=judged.threshold if judged else _fixed_threshold(recipe),
            learning_rate=rate,
            seconds=state.seconds,
            images_per_second=images_per_second,
            best=improved,
            note=note,
        )
        clock.go_on_from(state.seconds)
        note = ""


def choose_device(name: str = "auto") -> torch.device:
    """The device to compute on.

    Parameters
    ----------
    name : str
        ``"auto"`` takes CUDA, else Apple's MPS, else the CPU; or any torch device.

    Raises
    ------
    TrainingError
        If the named device is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError):
        raise TrainingError(
            f"there is no device {name!r} here", expected="auto, cpu, cuda or mps", fix="use auto"
        ) from None


class _Clock:
    """Seconds of the run so far; what happens while a record is consumed is not counted."""

    def __init__(self, before: float) -> None:
        self.go_on_from(before)

    def go_on_from(self, before: float) -> None:
        """Forget the time since."""
        self._before = before
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        return self._before + time.perf_counter() - self._started

    def asking(self, go_on: Callable[[], bool]) -> tuple[bool, float]:
        """Whether to go on, and the seconds so far; the time that the answer takes does not count."""
        stopped = time.perf_counter()
        going = go_on()
        self._started += time.perf_counter() - stopped
        return going, self.seconds


class _Totals:
    """Loss and counts summed over an epoch, on the device until asked for."""

    def __init__(self) -> None:
        self.samples = 0
        self.loss: Tensor | float = 0.0
        self._counts: Tensor | None = None

    def add(self, loss: Tensor | float, logits: Tensor, targets: Tensor) -> None:
        self._add(len(targets), loss * len(targets), _dice_counts(logits, targets))

    def merge(self, other: _Totals) -> None:
        if other._counts is not None:
            self._add(other.samples, other.loss, other._counts)

    def _add(self, samples: int, loss: Tensor | float, counts: Tensor) -> None:
        self.samples += samples
        self.loss = self.loss + loss
        self._counts = counts if self._counts is None else self._counts + counts

    def dice(self) -> float:
        if self._counts is None:
            return math.nan
        both, either = self._counts
        present = either > 0
        return float((2 * both[present] / either[present]).mean()) if present.any() else 1.0


def _dice_counts(logits: Tensor, targets: Tensor) -> Tensor:
    """(2, classes): pixels in both, and pixels in truth plus pixels in prediction, per foreground class."""
    labeled = targets >= 0
    classes = logits.shape[1]
    predicted = (logits[:, 0] >= 0).long() if classes == 1 else logits.argmax(1)
    both, either = [], []
    for index in range(1, max(classes, 2)):
        p, r = (predicted == index) & labeled, targets == index
        both.append((p & r).sum())
        either.append(p.sum() + r.sum())
    return torch.stack([torch.stack(both), torch.stack(either)])


def _settle_parts(state: TrainingState, recipe: Recipe, batches: Batches, team: Team) -> str:
    """Find out in how many parts every process of a team can compute its share of a batch.

    By one step of a copy, in which nobody waits for the others: within a real step, a process that runs out
    of memory could not tell those who wait for its results.
    """
    rehearsing = replace(team, rehearses=True)
    copied = TrainingState(recipe, copy.deepcopy(state.network))
    copied.parts = state.parts
    share_statistics(copied.network, rehearsing)
    device = next(copied.network.parameters()).device
    with _seeded(recipe.seed, 0, device, team):
        _step_with_less_memory(copied, recipe, next(batches.epoch(0)), _Totals(), rehearsing)
    before, state.parts = state.parts, team.most(copied.parts)
    return _in_parts(state.parts) if state.parts > before else ""


def _step_with_less_memory(
    state: TrainingState, recipe: Recipe, batch: Batch, totals: _Totals, team: Team
) -> str:
    """One step; when memory runs out, the batch is computed in more parts, from now on."""
    note = ""
    while True:
        try:
            _step(state, recipe, batch, totals, team)
        except RuntimeError as error:
            if not is_out_of_memory(error) or team.talks:
                raise
        else:
            return note
        state.optimizer.zero_grad(set_to_none=True)
        if state.parts >= len(batch.images):
            raise TrainingError(
                "one training sample does not fit in memory",
                expected=f"room for a {list(batch.images.shape[2:])} sample",
                fix="set a smaller training.patch or network.width",
            )
        if batch.images.device.type == "cuda":
            torch.cuda.empty_cache()
        state.parts *= 2
        note = _in_parts(state.parts)


def _in_parts(parts: int) -> str:
    return f"out of memory: batches are now computed in {parts} parts and added up"


def _step(state: TrainingState, recipe: Recipe, batch: Batch, totals: _Totals, team: Team) -> None:
    device = batch.images.device.type
    half = recipe.training.mixed_precision and gains_from_half(device)
    done = _Totals()
    for part in batch.parts(state.parts):
        with torch.autocast(device, torch.bfloat16) if half else contextlib.nullcontext():
            logits = _logits(state.network, part.images, team)
        loss = segmentation_loss(logits, part.targets, recipe.loss, **part.maps)
        (loss * (len(part.images) / len(batch.images))).backward()
        done.add(loss.detach(), class_logits(state.network, logits.detach()), part.targets)
    team.add_gradients(state.network.parameters())
    if recipe.optimizer.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), recipe.optimizer.clip_norm)
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=True)
    state.steps += 1
    totals.merge(done)
    if state.steps % _STEPS_BETWEEN_CHECKS == 0:
        _mean_loss(totals, state)
    if state.averaged is not None:
        _average(state.averaged, state.network, recipe.training.averaging, state.steps)


def _mean_loss(totals: _Totals, state: TrainingState) -> float:
    """The mean over the samples of an epoch so far.

    Raises
    ------
    TrainingError
        If it is not a number. The weights are lost by then; what was kept of earlier epochs is not.
    """
    mean = float(totals.loss / totals.samples)
    if not math.isfinite(mean):
        raise TrainingError(
            f"the loss became {mean} in epoch {state.epoch}",
            expected="a number",
            fix="lower optimizer.learning_rate or set optimizer.clip_norm=1",
        )
    return mean


def _logits(network: UNet, images: Tensor, team: Team) -> Tensor:
    """Logits of a whole batch, of which this process computes its share, the only part with a gradient."""
    own = team.share(images)
    count = len(own)
    if not count and network.settings.norm == "instance":
        # torch cannot normalize no image, and in a batch norm one more would count.
        own = images[:1]
    return team.whole(network(own)[:count], len(images))


@torch.no_grad()
def _average(averaged: UNet, network: UNet, decay: float, steps: int) -> None:
    """Exponential moving average; it forgets the random start quickly at first."""
    decay = min(decay, (1 + steps) / (10 + steps))
    means, values = list(averaged.state_dict().values()), list(network.state_dict().values())
    numbers = [place for place, mean in enumerate(means) if mean.is_floating_point()]
    torch._foreach_lerp_([means[i] for i in numbers], [values[i] for i in numbers], 1 - decay)
    for mean, value in zip(means, values, strict=True):
        if not mean.is_floating_point():
            mean.copy_(value)


def _set_learning_rate(state: TrainingState, recipe: Recipe, seconds: float, part: float) -> float:
    """Set and return the rate at this point; `part` of the current epoch is done."""
    used = budget_used(recipe, state.epoch - 1 + part, seconds)
    rate = learning_rate(recipe.optimizer.learning_rate, recipe.schedule, used, state.plateau.factor)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    return rate


def _improved(state: TrainingState, recipe: Recipe, loss: float | None, dice: float | None) -> bool:
    """Whether this epoch is the best so far; counts the epochs since the last that was."""
    if loss is None or dice is None:
        return True
    # At equal Dice (often 0 in the first epochs) the first one stays.
    value = -loss if recipe.training.monitor == "loss" else dice
    improved = math.isfinite(value) and (state.best is None or value > state.best)
    if improved:
        state.best = value
    state.waited = 0 if improved else state.waited + 1
    state.plateau.update(improved=improved)
    return improved


def _finished(state: TrainingState, recipe: Recipe) -> bool:
    training = recipe.training
    return (
        (training.epochs is not None and state.epoch >= training.epochs)
        or _out_of_time(recipe, state.seconds)
        or (training.patience is not None and state.waited >= training.patience)
    )


def _timed(recipe: Recipe) -> bool:
    return recipe.training.minutes is not None


def _out_of_time(recipe: Recipe, seconds: float) -> bool:
    return recipe.training.minutes is not None and seconds >= 60 * recipe.training.minutes


def _fixed_threshold(recipe: Recipe) -> float:
    return 0.5 if recipe.prediction.threshold == "auto" else recipe.prediction.threshold


@contextlib.contextmanager
def _seeded(seed: int, epoch: int, device: torch.device, team: Team) -> Iterator[None]:
    """Dropout's randomness from seed, epoch and process, without touching the caller's generators."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed((team.rank << 52) + (seed << 20) + epoch)
        yield
