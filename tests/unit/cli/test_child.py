"""The command line as the viewer starts it."""

from __future__ import annotations

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
    monkeypatch.setattr(child.time, "sleep", lambda seconds: happened.append(f"{seconds} s"))
    monkeypatch.setattr(child.os, "_exit", leave)
    monkeypatch.setattr(child.os, "read", lambda *_: b"")
    return happened


def test_a_closed_input_stops_interrupts_and_ends(tmp_path: Path, interrupted: list[str]) -> None:
    folder = RunFolder(tmp_path)
    folder.write_status(state="training")
    with pytest.raises(Ended):
        child._wait_and_end(folder)
    assert folder.stop_requested
    assert interrupted == ["1 s", "interrupt"] * 8 + ["exit 130"]
    assert folder.status()["state"] == "stopped"


@pytest.mark.parametrize("state", ["finished", "failed"])
def test_what_has_ended_before_stays_so(tmp_path: Path, interrupted: list[str], state: str) -> None:
    RunFolder(tmp_path).write_status(state=state)
    with pytest.raises(Ended):
        child._wait_and_end(RunFolder(tmp_path))
    assert RunFolder(tmp_path).status()["state"] == state


def test_a_run_that_has_not_begun_is_not_begun(tmp_path: Path, interrupted: list[str]) -> None:
    with pytest.raises(Ended):
        child._wait_and_end(RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
