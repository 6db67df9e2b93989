from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import unetscope as package
from unetscope.cli import main

COMMANDS = ("demo", "presets", "plan", "info", "unpack", "train", "resume", "predict", "evaluate")
Call = Callable[..., Any]


def test_help_names_every_command(unetscope: Call) -> None:
    code, out, err = unetscope("--help")
    assert (code, err) == (0, "")
    assert all(f"│ {command}" in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_every_command_is_explained(command: str, unetscope: Call) -> None:
    code, out, err = unetscope(command, "--help")
    assert (code, err) == (0, "")
    assert f"Usage: unetscope {command}" in out
    rows = [line.strip("│ ") for line in out.splitlines() if line.startswith("│")]
    options = [row for row in rows if row.lstrip("* ").startswith("--")]
    assert options
    for row in options:
        assert len(row.split(maxsplit=2)) == 3, row
    assert "--no-" not in out
    assert "False" not in out


def test_version(unetscope: Call) -> None:
    assert unetscope("--version") == (0, package.__version__ + "\n", "")


def test_no_arguments_show_the_help(unetscope: Call) -> None:
    assert unetscope() == unetscope("--help")


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["train"],
        ["train", "data"],
        ["train", "data", "--out"],
        ["train", "data", "--out", "run", "--epochs", "many"],
        ["train", "data", "--out", "run", "--nonsense"],
        ["predict", "model", "images", "more", "--out", "result"],
        ["evaluate", "predicted"],
        ["presets", "--show"],
    ],
)
def test_usage_mistakes_are_one_line_and_leave_with_2(arguments: list[str], unetscope: Call) -> None:
    code, out, err = unetscope(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("unetscope: ")
    assert err.count("\n") == 1
    assert "--help`" in err


def test_debug_shows_where_an_error_came_from(unetscope: Call, tmp_path: Path) -> None:
    plain = unetscope("info", tmp_path)
    debugged = unetscope("info", tmp_path, "--debug")
    assert "Traceback" not in plain.err
    assert "Traceback" in debugged.err
    assert debugged.err.endswith(plain.err)
    assert debugged.code == plain.code


def test_interruption_leaves_with_130(unetscope: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("unetscope.cards.describe", interrupt)
    assert unetscope("info", "run") == (130, "", "unetscope: interrupted.\n")


def test_several_processes_only_train(unetscope: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "7", "WORLD_SIZE": "2", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    outcome = unetscope("presets")
    assert outcome.code == 1
    assert outcome.err.startswith("unetscope (process 1): torchrun has started several processes; expected")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert unetscope("presets").code == 0


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ZeroDivisionError("by zero"), "unexpected ZeroDivisionError: by zero ("),
        (RuntimeError("out of memory\nat line 3"), "too little memory (RuntimeError: out of memory)"),
    ],
)
def test_what_nobody_expected_is_one_sentence_too(
    unetscope: Call, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    def fail(path: Path) -> None:
        raise error

    monkeypatch.setattr("unetscope.cards.describe", fail)
    plain = unetscope("info", "run")
    assert plain.code == 1
    assert "Traceback" not in plain.err
    assert plain.err.count("\n") == 1
    assert sentence in plain.err
    assert "Traceback" in unetscope("info", "run", "--debug").err


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    env = os.environ | environment
    return subprocess.run([sys.executable, *arguments], capture_output=True, check=False, env=env)


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["presets"], ["--version"]])
def test_help_and_presets_load_no_heavy_library(arguments: list[str]) -> None:
    code = (
        "import sys; from unetscope.cli import main; main(sys.argv[1:]); "
        "heavy = {'torch', 'matplotlib', 'skimage', 'scipy', 'pydicom'} & set(sys.modules); "
        "sys.exit(','.join(sorted(heavy)) or 0)"
    )
    done = run_python("-c", code, *arguments)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_module_runs_too() -> None:
    done = run_python("-m", "unetscope.cli", "bogus")
    assert done.returncode == 2
    assert done.stdout == b""


def test_a_console_without_the_characters_gets_question_marks() -> None:
    done = run_python("-m", "unetscope.cli", "presets", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert b"128?128" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="no head")
def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"'{sys.executable}' -m unetscope.cli presets --show default | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("0", "")


@pytest.mark.parametrize(
    ("given", "told"), [({}, "3000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)]
)
def test_threads_sleep_soon_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], told: str | None
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    # So that what is set here is forgotten again.
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert main(["presets"]) == 0
    assert os.environ.get("GOMP_SPINCOUNT") == told
