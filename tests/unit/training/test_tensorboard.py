"""TensorBoard scalars."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from unetscope.errors import OutputError
from unetscope.training.loop import EpochRecord
from unetscope.training.tensorboard import scalar_writer

RECORD = EpochRecord(
    epoch=3,
    train_loss=0.5,
    train_dice=0.7,
    val_loss=None,
    val_dice=0.6,
    threshold=0.5,
    learning_rate=1e-3,
    seconds=1.0,
    images_per_second=9.0,
    best=True,
)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scalars_can_be_read_back(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with scalar_writer(tmp_path) as write:
        write(RECORD)
    events = EventAccumulator(str(tmp_path)).Reload()
    names = events.Tags()["scalars"]
    assert "val/dice" in names
    assert "val/loss" not in names
    scalar = events.Scalars("train/loss")[0]
    assert (scalar.step, scalar.value) == (3, 0.5)


def test_nothing_is_written_without_a_folder(tmp_path: Path) -> None:
    with scalar_writer(None) as write:
        write(RECORD)
    assert not list(tmp_path.iterdir())


def test_a_missing_tensorboard_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(OutputError, match=r"unetscope\[tensorboard\]"), scalar_writer(tmp_path):
        pass
