"""What is new in a folder that work fills, without Qt: looked at often, read only where it has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Generic, TypeVar

from unetscope.training.folder import RunFolder, WatchedFolder

__all__ = ["FolderWatcher", "RunWatcher"]

_Folder = TypeVar("_Folder", bound=WatchedFolder)

# What a file was when it was last read: time of change, size, and the number of the file of that name.
_Stamp = tuple[int, int, int]


class FolderWatcher(Generic[_Folder]):
    """Gives every piece of news of a folder once.

    Parameters
    ----------
    folder : WatchedFolder
    begun : bool
        False while work is being started, which may first replace what was there before: nothing is news
        then before the work says something for the first time.

    Attributes
    ----------
    begun : bool
        Whether the folder is that of the work.
    status : dict
        The last one; empty as long as nothing is known.
    """

    def __init__(self, folder: _Folder, *, begun: bool) -> None:
        self.folder = folder
        self.begun = begun
        self.status: dict[str, Any] = {}
        self._of_status = None if begun else _stamp(folder.status_path)

    def new_status(self) -> dict[str, Any] | None:
        """The status, if it has changed."""
        stamp = _stamp(self.folder.status_path)
        if stamp is None or stamp == self._of_status:
            return None
        status = self.folder.status()
        if not status:
            # It is being replaced at this moment.
            return None
        self._of_status, self.begun = stamp, True
        if status == self.status:
            return None
        self.status = status
        return status


class RunWatcher(FolderWatcher[RunFolder]):
    """Gives every piece of news of a run folder once."""

    def __init__(self, folder: RunFolder, *, begun: bool) -> None:
        super().__init__(folder, begun=begun)
        self._of_history: _Stamp | None = None
        self._of_preview: _Stamp | None = None
        self._offset = 0

    def new_records(self) -> list[dict[str, Any]]:
        """The epochs that ended since the last time; all of them when a training was resumed.

        Raises
        ------
        ModelError
            If the history is damaged.
        """
        # While it is being prepared, a training that goes on has not yet forgotten what it will do again.
        if not self.begun or self.status.get("state") == "preparing":
            return []
        stamp = _stamp(self.folder.history_path)
        if stamp is None or stamp == self._of_history:
            return []
        if self._of_history is not None and (stamp[2] != self._of_history[2] or stamp[1] < self._offset):
            self._offset = 0
        records, self._offset = self.folder.history_from(self._offset)
        self._of_history = stamp
        return records

    def new_preview(self) -> bool:
        """Whether there is another preview to read."""
        if not self.begun:
            return False
        stamp = _stamp(self.folder.preview_path)
        changed = stamp is not None and stamp != self._of_preview
        self._of_preview = stamp
        return changed


def _stamp(path: Path) -> _Stamp | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
