from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]


def test_the_demonstration_goes_from_files_to_a_report(unetscope: Call, tmp_path: Path) -> None:
    code, out, err = unetscope("demo", "--minutes", 0.01, "--out", tmp_path / "demo")
    assert code == 0
    assert "over 16 images" in out
    assert "(mm)" in out
    assert out.splitlines()[-1] == f"report: {tmp_path / 'demo' / 'report' / 'report.md'}"
    assert "a third patient, whom the training never saw" in err
    for name in ("run/model.safetensors", "predictions/predictions.json", "report/cases.png"):
        assert (tmp_path / "demo" / name).is_file()


@pytest.mark.parametrize("minutes", [0, -1])
def test_the_demonstration_needs_time(minutes: float, unetscope: Call, tmp_path: Path) -> None:
    code, _, err = unetscope("demo", f"--minutes={minutes}", "--out", tmp_path / "demo")
    assert code == 4
    assert "training.minutes is" in err


def test_an_earlier_demonstration_is_not_replaced_unasked(unetscope: Call, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = unetscope("demo", "--out", tmp_path)
    assert code == 7
    assert "holds files already" in err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
