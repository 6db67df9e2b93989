"""A process that works on a folder, without Qt: started, ended, and asked for its last words."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from unetscope.errors import TrainingError
from unetscope.io.write import output_folder
from unetscope.recipe import Recipe, to_yaml
from unetscope.training.folder import WatchedFolder

__all__ = ["Child"]

_SECONDS_TO_TERMINATE = 3.0
_PREFIX = "unetscope: "


class Child:
    """The command line in a process of its own, which logs to the folder that it fills.

    Its standard input is a pipe that nothing is written to: when it is closed, by us or because the viewer
    has crashed, the child ends (see `unetscope.cli.child`).

    Parameters
    ----------
    folder : Path
        The folder of a run or an experiment; made if it is not there.
    command : sequence of str
        Arguments of the command line.
    recipe : Recipe, optional
        Given to the command as a file.
    what : str
        What the process does, for messages: ``"training"``.

    Raises
    ------
    UNetScopeError
        If the folder cannot be written to, or the process cannot be started.
    """

    def __init__(
        self, folder: Path, command: Sequence[str], recipe: Recipe | None = None, *, what: str = "training"
    ) -> None:
        output_folder(folder, overwrite=True)
        self._what = what
        self._log = WatchedFolder(folder).log_path
        self._log_start = self._log.stat().st_size if self._log.exists() else 0
        self._recipe = _write_recipe(recipe) if recipe is not None else None
        options = [] if self._recipe is None else ["--recipe", str(self._recipe)]
        self._asked_to_end = False
        try:
            with self._log.open("ab") as log:
                # -P: not from the current folder, which may hold a torch.py of the user's.
                self._process = subprocess.Popen(  # noqa: S603
                    [_python(), "-P", "-m", "unetscope.cli.child", str(folder), *command, *options],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, "PYTHONIOENCODING": "utf-8"},
                    **_apart(),
                )
        except OSError as error:
            self._forget_recipe()
            raise TrainingError(
                f"no process can be started for the {what} ({error.strerror or error})",
                expected="room for another program",
                fix=f"close other programs, or use `unetscope {command[0]}`",
            ) from error

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        if self._process.poll() is None:
            return True
        self._forget_recipe()
        self._close_input()
        return False

    @property
    def asked_to_end(self) -> bool:
        """Whether it was us who ended it."""
        return self._asked_to_end

    @property
    def code(self) -> int:
        """The exit code of a process that has ended."""
        return int(self._process.returncode)

    @property
    def killed(self) -> bool:
        """Whether the system ended it: by a signal, or with one of the large codes of Windows."""
        return not 0 <= self.code < 256

    def last_words(self) -> str:
        """The sentence with which the command line ended, or what else it printed last."""
        try:
            with self._log.open("rb") as log:
                log.seek(self._log_start)
                lines = log.read().decode("utf-8", "replace").split("\n")
        except OSError:
            lines = []
        printed = [line.strip() for line in lines if line.strip()]
        last = printed[-1] if printed else f"nothing printed, exit code {self.code}"
        if last.startswith(_PREFIX):
            return last.removeprefix(_PREFIX)
        return f"The {self._what} ended with an error ({last}); {self._log} tells more."

    def terminate(self) -> None:
        """End it now, within some seconds; returns at once."""
        self._asked_to_end = True
        self._process.terminate()
        self._in_background(self._end)

    def close(self, seconds: float) -> None:
        """Let it end by itself, and wait for that; end it when the time is over."""
        self._asked_to_end = True
        self._close_input()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        if self.running:
            self._process.kill()
            self._process.wait()
            self._forget_recipe()

    def abandon(self) -> None:
        """Let it end by itself, and do not wait for that."""
        self._close_input()
        self._in_background(self._process.wait)

    def _end(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS_TO_TERMINATE)
        self._process.kill()
        self._process.wait()

    def _in_background(self, function: Any) -> None:
        threading.Thread(target=function, name=f"unetscope: end of the {self._what}", daemon=True).start()

    def _close_input(self) -> None:
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _forget_recipe(self) -> None:
        if self._recipe is not None:
            self._recipe.unlink(missing_ok=True)


def _write_recipe(recipe: Recipe) -> Path:
    # Not in the run folder: it may hold an earlier run, which stays as it is if the new one cannot begin.
    handle, name = tempfile.mkstemp(prefix="unetscope-", suffix=".yaml")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(to_yaml(recipe))
    return Path(name)


def _python() -> str:
    if not sys.executable:
        raise TrainingError(
            "this program does not say where its Python is",
            expected="sys.executable",
            fix="use the command line `unetscope`",
        )
    return sys.executable


def _apart() -> dict[str, Any]:
    """Not in the viewer's group, so that a Ctrl-C in its terminal is the viewer's alone."""
    if sys.platform == "win32":
        return {
            "creationflags": subprocess.CREATE_NO_WINDOW
            | subprocess.CREATE_NEW_PROCESS_GROUP
            | subprocess.BELOW_NORMAL_PRIORITY_CLASS
        }
    return {"start_new_session": True}
