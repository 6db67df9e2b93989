"""What commands print: progress and messages on standard error, results on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from unetscope._words import count

if TYPE_CHECKING:
    from unetscope.recipe import Recipe
    from unetscope.training.loop import EpochRecord

__all__ = [
    "describe_budget",
    "note",
    "progress",
    "say",
    "show_epoch",
    "training_progress",
    "write_result",
]

_messages = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Print a result for a person."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def note(text: str) -> None:
    """Print a message that is no result."""
    _messages.print(text, markup=False)


def write_result(result: dict[str, Any] | list[Any]) -> None:
    """Print a result for a program, as JSON."""
    from unetscope.io.write import to_plain

    sys.stdout.write(json.dumps(to_plain(result), indent=2) + "\n")


@contextmanager
def progress(total: int | None, label: str) -> Iterator[Any]:
    """A progress bar on standard error; yields a function that sets what is done and says so."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_messages, transient=True, disable=not _messages.is_terminal) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done, of=None, text=None: bar.update(task, completed=done, total=of, description=text)


@contextmanager
def training_progress(recipe: Recipe) -> Iterator[Callable[[EpochRecord], None]]:
    """A bar of the training's budget with the time left; yields a function that takes note of an epoch."""
    from unetscope.training.budget import budget_used

    columns = (TextColumn("training"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_messages, transient=True, disable=not _messages.is_terminal) as bar:
        task = bar.add_task("training", total=1.0)

        def update(record: EpochRecord) -> None:
            bar.update(task, completed=budget_used(recipe, record.epoch, record.seconds))

        yield update


def describe_budget(recipe: Recipe) -> str:
    """How long a recipe trains, in words."""
    budgets = []
    if recipe.training.epochs is not None:
        budgets.append(count(recipe.training.epochs, "epoch"))
    if recipe.training.minutes is not None:
        budgets.append(f"{recipe.training.minutes:g} minutes")
    return " or ".join(budgets)


def show_epoch(record: EpochRecord) -> str:
    """One line about an epoch."""
    parts = [f"epoch {record.epoch:>4}", f"{record.seconds:6.0f} s", f"loss {record.train_loss:.4f}"]
    if record.val_loss is not None and record.val_dice is not None:
        parts.append(f"validation loss {record.val_loss:.4f}, Dice {record.val_dice:.4f}")
    else:
        parts.append(f"training Dice {record.train_dice:.4f}")
    parts.append(f"{record.images_per_second:.1f} images/s")
    line = "  ".join(parts) + ("  best" if record.best else "")
    return f"{line}\n  {record.note}" if record.note else line
