"""The command line as the viewer starts it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from unetscope.cli import child
from unetscope.training.folder import RunFolder


class Ended(BaseException):
    """Instead of leaving the process."""


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happens after standard input was closed, without waiting and without ending the tests."""
    happened: list[str] = []

    def leave(code: int) -> None:
        happened.append(f"exit {code}")
        raise Ended

    monkeypatch.setattr(child._thread, "interrupt_main", lambda: happened.append("interrupt"))
    monkeypatch.setattr(threading.Event, "wait", lambda _, seconds: happened.append(f"{seconds} s"))
    monkeypatch.setattr(child.os, "_exit", leave)
    monkeypatch.setattr(child.os, "read", lambda *_: b"")
    return happened


def test_a_closed_input_stops_interrupts_and_ends(tmp_path: Path, interrupted: list[str]) -> None:
    folder = RunFolder(tmp_path)
    folder.write_status(state="training")
    with pytest.raises(Ended):
        child.ParentWatch(tmp_path)._wait_and_end()
    assert folder.stop_requested
    assert interrupted == ["1 s", "interrupt"] * 8 + ["exit 130"]
    assert folder.status()["state"] == "stopped"


@pytest.mark.parametrize(("state", "told"), [("failed", "stopped"), ("finished", "finished")])
def test_an_error_that_an_interrupt_has_become_is_none(
    tmp_path: Path, interrupted: list[str], monkeypatch: pytest.MonkeyPatch, state: str, told: str
) -> None:
    folder = RunFolder(tmp_path)
    folder.write_status(state="training")
    monkeypatch.setattr(
        child._thread, "interrupt_main", lambda: folder.write_status(state=state, message="half imported")
    )
    with pytest.raises(Ended):
        child.ParentWatch(tmp_path)._wait_and_end()
    assert folder.status()["state"] == told


@pytest.mark.parametrize("state", ["finished", "failed"])
def test_what_has_ended_before_stays_so(tmp_path: Path, interrupted: list[str], state: str) -> None:
    RunFolder(tmp_path).write_status(state=state)
    with pytest.raises(Ended):
        child.ParentWatch(tmp_path)._wait_and_end()
    assert RunFolder(tmp_path).status()["state"] == state


def test_a_run_that_has_not_begun_is_not_begun(tmp_path: Path, interrupted: list[str]) -> None:
    with pytest.raises(Ended):
        child.ParentWatch(tmp_path / "run")._wait_and_end()
    assert not (tmp_path / "run").exists()


# The main thread is interrupted while it writes down that it was interrupted before, as on a busy machine.
_SLOW_TO_STOP = """
import runpy, sys, threading, time
from unetscope import cli
from unetscope.training.folder import RunFolder

def wait():
    # A simulated interrupt does not shorten a sleep.
    for _ in range(600):
        time.sleep(0.1)

def main(arguments):
    folder = RunFolder(__import__("pathlib").Path(arguments[0]))
    folder.write_status(state="training")
    print("begun", flush=True)
    try:
        wait()
    except KeyboardInterrupt:
        wait()
        folder.write_status(state="stopped")
    return 0

cli.main = main
sys.argv = ["child", sys.argv[1], sys.argv[1]]
runpy.run_module("unetscope.cli.child", run_name="__main__")
"""


def test_a_second_interrupt_does_not_leave_a_run_that_seems_to_train(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _SLOW_TO_STOP, str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout as printed:
        assert printed.readline() == b"begun\n"
        process.stdin.close()
        assert process.wait(60) == 130
    assert RunFolder(tmp_path).status()["state"] == "stopped"
