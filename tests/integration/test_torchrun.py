"""PyTorch's launcher starts several processes, which train one network; what is lost is done again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from unetscope import api
from unetscope.recipe import change
from unetscope.training.folder import RunFolder

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data" / "heart" / "training"
SLICES = [f"SAMPLE-{patient}_{number:04}" for patient in "AC" for number in (2, 3, 4, 5)]
SETTINGS = (
    "network={depth: 2, width: 4, norm: batch}",
    "training={epochs: 5, batch_size: 3, patch: [64, 64], samples: 8, averaging: 0.9}",
    "loss={kind: bce+dice, dice_over: batch}",
    "augmentation={rotation: 30, flip: [X], noise: 0.1}",
)
CLOCKS = ("seconds", "images_per_second")


def _torchrun(*arguments: str, restarts: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.Popen(
        [*command, f"--max-restarts={restarts}", "-m", "unetscope.cli", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _train(data: Path, out: Path, *, restarts: int = 0) -> subprocess.Popen[str]:
    recipe = ["--set", *SETTINGS, "--preset", "left-ventricle"]
    settings = ["train", str(data), "--out", str(out), "--device", "cpu", *recipe]
    return _torchrun(*settings, restarts=restarts)


def _until(happens: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 200
    while not happens():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _begun(out: Path) -> bool:
    return (out / "versions.json").exists()


def _history(run: RunFolder) -> list[dict[str, Any]]:
    return [{name: value for name, value in r.items() if name not in CLOCKS} for r in run.history()]


def _same_end(first: RunFolder, second: RunFolder) -> None:
    assert _history(first) == _history(second)
    weights = [load_file(run.model_path) for run in (first, second)]
    assert all(torch.equal(weights[0][name], value) for name, value in weights[1].items())
    assert first.metrics() == second.metrics()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four slices of each of two patients."""
    folder = tmp_path_factory.mktemp("data")
    for name in SLICES:
        for suffix in (".dcm", ".png"):
            shutil.copy(SAMPLES / (name + suffix), folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, str, str]:
    """The run of two processes, and what they printed."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    process = _train(data, out)
    printed, notes = process.communicate(timeout=300)
    assert process.returncode == 0, notes
    return RunFolder(out), printed, notes


def test_two_processes_end_as_one(
    data: Path, undisturbed: tuple[RunFolder, str, str], tmp_path: Path
) -> None:
    run, printed, notes = undisturbed
    recipe = change(api.find_recipe("left-ventricle"), list(SETTINGS))
    alone = api.train(data, tmp_path / "alone", recipe=recipe, device="cpu")
    assert len(alone.history()) == len(run.history()) == 5
    for mine, theirs in zip(_history(run), _history(alone), strict=True):
        assert mine == pytest.approx(theirs, abs=2e-3)
    for name, value in load_file(alone.model_path).items():
        torch.testing.assert_close(
            load_file(run.model_path)[name], value, atol=2e-3, rtol=2e-2, check_dtype=False, msg=name
        )
    assert {path.name for path in run.path.iterdir()} == {path.name for path in alone.path.iterdir()}
    assert run.status()["state"] == "finished"
    # Only the first process prints.
    assert printed.count("model: ") == 1
    assert "on cpu in 2 processes" in notes
    assert [notes.count(f"epoch {epoch:>4} ") for epoch in range(1, 6)] == [1] * 5


def test_a_lost_process_is_started_again_and_nothing_is_lost(
    data: Path, undisturbed: tuple[RunFolder, str, str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    process = _train(data, out, restarts=1)
    run = RunFolder(out)
    _until(lambda: _begun(out), process)
    # Where it waits, its state is on the disk.
    run.request_pause()
    _until(lambda: run.status().get("state") == "paused", process)
    os.kill(run.status()["pid"], signal.SIGKILL)
    run.clear_pause()
    _, notes = process.communicate(timeout=300)
    assert process.returncode == 0, notes
    assert "unetscope (process 1): another process of this training has ended" in notes
    # It has gone on, and not begun anew.
    assert [notes.count(f"epoch {epoch:>4} ") for epoch in range(1, 6)] == [1] * 5
    _same_end(undisturbed[0], run)


def test_stopped_and_resumed(data: Path, undisturbed: tuple[RunFolder, str, str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    run = RunFolder(out)
    process = _train(data, out)
    _until(lambda: _begun(out), process)
    run.request_stop()
    _, notes = process.communicate(timeout=300)
    assert process.returncode == 0, notes
    assert run.status()["state"] == "stopped"
    assert len(run.history()) < 5
    process = _torchrun("resume", str(out), "--json", "--device", "cpu")
    printed, notes = process.communicate(timeout=300)
    assert process.returncode == 0, notes
    assert json.loads(printed)["epochs"] == 5
    _same_end(undisturbed[0], run)


def test_one_sentence_says_who_failed_and_why(tmp_path: Path) -> None:
    process = _torchrun("train", str(tmp_path / "nowhere"), "--out", str(tmp_path / "run"))
    _, notes = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "unetscope (process 0): " in notes
    assert f"{tmp_path / 'nowhere'} is not a folder" in notes
    assert not (tmp_path / "run").exists()
