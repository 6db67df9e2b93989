"""Finished experiments that were never trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unetscope.experiments import ExperimentFolder

from .fake import make_experiment, write_experiment


@pytest.fixture
def finished_experiment(tmp_path: Path) -> Callable[..., ExperimentFolder]:
    """Make the folder of a finished experiment.

    Called with the arms, seeds and other fields of `make_experiment`, and ``images``, ``groups``,
    ``finished``, ``epochs`` and ``mistakes`` of `write_experiment`. Each call makes another folder.
    """
    made: list[Path] = []

    def make(arms=("plain", "augmented"), seeds=(0, 1, 2), images=4, **values) -> ExperimentFolder:
        of_folder = {
            key: values.pop(key) for key in ("groups", "finished", "epochs", "mistakes") if key in values
        }
        made.append(tmp_path / f"experiment-{len(made)}")
        return write_experiment(made[-1], make_experiment(arms, seeds, **values), images=images, **of_folder)

    return make
