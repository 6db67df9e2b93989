"""Experiments that were shown before, and the images that they were begun with; knows no Qt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from unetscope._napari.experiments.begin import Data, known_data

__all__ = ["Recent"]

_MOST = 8


class Recent:
    """A short list of folders, the latest first.

    Parameters
    ----------
    kept : iterable
        What `settings` gave the last time; whatever else it holds is forgotten.
    """

    def __init__(self, kept: Iterable[Any] = ()) -> None:
        self._data: dict[Path, Data] = {}
        for entry in kept:
            with suppress(TypeError, ValueError):
                folder, *places = (Path(name) if name else None for name in entry)
                if folder is not None and len(places) == 2:
                    self._data[folder] = Data(None, *places)

    @property
    def folders(self) -> Sequence[Path]:
        """Those that are still there."""
        return [folder for folder in self._data if folder.is_dir()]

    def add(self, folder: Path, data: Data | None = None) -> None:
        """Put a folder first; without data, what is known of it stays."""
        known = self._data.pop(folder, Data())
        # A dataset of the viewer holds layers, and was written beside the folder.
        kept = known if data is None else Data(None, data.folder, data.test)
        self._data = {folder: kept, **self._data}
        self._data = dict(list(self._data.items())[:_MOST])

    def data_of(self, folder: Path) -> Data | None:
        """The images that an experiment was begun with; None if nobody knows."""
        known = known_data(folder) or self._data.get(folder, Data())
        return known if known.folder is not None else None

    def settings(self) -> list[list[str]]:
        """What should survive a restart."""
        return [
            [str(place) if place is not None else "" for place in (folder, data.folder, data.test)]
            for folder, data in self._data.items()
        ]
