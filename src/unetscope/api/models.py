"""Models and what they say about themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unetscope.api.data import StrPath
from unetscope.model_card import ModelCard
from unetscope.training.folder import RunFolder

if TYPE_CHECKING:
    from unetscope.model import Model

__all__ = ["load_model", "read_card"]


def load_model(path: StrPath, *, device: str = "auto") -> Model:
    """Load a model file, or the best model of a run folder.

    Raises
    ------
    ModelError
        If there is no model, or it is damaged, foreign or of a newer format.
    """
    from unetscope.model import Model
    from unetscope.training.loop import choose_device

    return Model.load(_model_file(path), device=choose_device(device))


def read_card(path: StrPath) -> ModelCard:
    """What a model file, or the best model of a run folder, says about itself; without loading torch.

    Raises
    ------
    ModelError
        As `load_model`.
    """
    return ModelCard.read(_model_file(path))


def _model_file(path: StrPath) -> Path:
    path = Path(path)
    return RunFolder.open(path).model_path if path.is_dir() else path
