"""Run a command and see what it prints, where, and with which exit code."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from unetscope.cli import main


class Outcome(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def unetscope(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Call the command line: ``unetscope("info", path)``."""

    def call(*arguments: object) -> Outcome:
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return call


@pytest.fixture
def settings(tiny: dict[str, int]) -> list[str]:
    """``--set`` with settings that train in a moment."""
    return ["--set", *(f"{key}={value}" for key, value in tiny.items())]
