"""A current prediction of one image in the run folder, on request."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from unetscope.errors import UNetScopeError
from unetscope.inference import predict_image
from unetscope.model import Model
from unetscope.training.dataset import Example
from unetscope.training.folder import Preview
from unetscope.training.loop import EpochRecord
from unetscope.training.run import Run

__all__ = ["preview_writer"]

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN = 5.0
# At most a tenth of the time goes into what is only looked at.
_TIMES_ITS_OWN = 10


@contextmanager
def preview_writer(
    run: Run, examples: Sequence[Example], *, device: torch.device
) -> Iterator[Callable[[EpochRecord], None]]:
    """A function that takes note of an epoch and, from time to time, has the best model predict one image.

    Parameters
    ----------
    run : Run
    examples : sequence of Example
        In the order of the run's data. The first validation image is predicted; without any, the first
        training image.
    device : torch.device
    """
    writer = _Writer(run, examples, device)
    yield writer.update
    writer.write()


class _Writer:
    def __init__(self, run: Run, examples: Sequence[Example], device: torch.device) -> None:
        roles = [entry.role for entry in run.data]
        self._example = examples[roles.index("validation" if "validation" in roles else "training")]
        self._run = run
        self._device = device
        self._new: int | None = None
        self._next = time.monotonic()

    def update(self, record: EpochRecord) -> None:
        """Take note of an epoch."""
        if record.best:
            self._new = record.epoch
        if time.monotonic() >= self._next:
            self.write()

    def write(self) -> None:
        """Predict, if the best model is another than the last time."""
        if self._new is None:
            return
        started = time.monotonic()
        try:
            model = Model.load(self._run.model_path, device=self._device)
            labels = predict_image(model, self._example.image).labels
            self._run.write_preview(Preview(self._example.name, self._new, labels))
        except (UNetScopeError, MemoryError, RuntimeError) as error:
            # Training goes on without something to look at.
            _LOG.warning("no prediction of %s to look at: %s", self._example.name, error)
        self._new = None
        ended = time.monotonic()
        self._next = ended + max(_SECONDS_BETWEEN, _TIMES_ITS_OWN * (ended - started))
