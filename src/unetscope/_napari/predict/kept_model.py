"""The model that predicted last, kept in memory so that the next prediction begins at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unetscope import api
from unetscope._napari.jobs.warm import import_torch

if TYPE_CHECKING:
    from unetscope.model import Model

__all__ = ["KeptModel"]


class KeptModel:
    """One model at most."""

    def __init__(self) -> None:
        self._model: Model | None = None
        self._key: tuple[Path, int] | None = None

    def load(self, file: Path) -> Model:
        """The model of a file, read again only if the file has changed; call it in a job.

        Raises
        ------
        ModelError
            As `api.load_model`.
        """
        import_torch()
        key = file, file.stat().st_mtime_ns if file.exists() else 0
        if self._model is None or key != self._key:
            # The memory of the last one is needed for the next.
            self._model = None
            self._model, self._key = api.load_model(file), key
        return self._model
