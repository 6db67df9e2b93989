from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive of two files."""
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("images/a.txt", "image")
        file.writestr("masks/a.txt", "mask")
    return path


def test_unpack_says_how_many_files_lie_where(archive: Path, unetscope: Call, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert unetscope("unpack", archive, "--out", out) == (0, f"2 files in {out}\n", "")
    assert (out / "images" / "a.txt").read_text() == "image"


def test_unpacked_files_as_json(archive: Path, unetscope: Call, tmp_path: Path) -> None:
    out = tmp_path / "out"
    files = json.loads(unetscope("unpack", archive, "--out", out, "--json").out)
    assert files == [str(out / "images" / "a.txt"), str(out / "masks" / "a.txt")]


def test_a_refused_archive(archive: Path, unetscope: Call, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("../escaped.txt", "no")
    code, out, err = unetscope("unpack", archive, "--out", tmp_path / "out")
    assert (code, out) == (3, "")
    assert "data.zip holds a file named '../escaped.txt'" in err
    assert [path.name for path in tmp_path.iterdir()] == ["data.zip"]


def test_a_filled_folder_is_not_touched(archive: Path, unetscope: Call, tmp_path: Path) -> None:
    code, _, err = unetscope("unpack", archive, "--out", tmp_path)
    assert code == 7
    assert "not empty" in err
