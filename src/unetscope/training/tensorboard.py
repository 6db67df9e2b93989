"""TensorBoard scalars, on request."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from unetscope.errors import OutputError
from unetscope.training.loop import EpochRecord

__all__ = ["scalar_writer"]

_SCALARS = ("train_loss", "train_dice", "val_loss", "val_dice", "learning_rate", "images_per_second")


@contextmanager
def scalar_writer(folder: Path | None) -> Iterator[Callable[[EpochRecord], None]]:
    """A function that writes an epoch's numbers for TensorBoard.

    Parameters
    ----------
    folder : Path or None
        The run folder; nothing is written without one.

    Raises
    ------
    OutputError
        If TensorBoard is not installed.
    """
    if folder is None:
        yield lambda record: None  # noqa: ARG005
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise OutputError(
            "TensorBoard is not installed", expected="it", fix='pip install "unetscope[tensorboard]"'
        ) from None
    with SummaryWriter(str(folder)) as writer:

        def write(record: EpochRecord) -> None:
            for name, value in dataclasses.asdict(record).items():
                if name in _SCALARS and value is not None:
                    writer.add_scalar(name.replace("_", "/", 1), value, record.epoch)

        yield write
