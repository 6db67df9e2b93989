"""Folders and names made to harm: no pipe is opened, no circle is walked, any name is told plainly."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import unetscope
from unetscope.errors import InputError, OutputError, ReadError
from unetscope.io import find_pairs, find_series, list_images, read, read_mask
from unetscope.io.write import write_csv, write_json

MakeDicom = Callable[..., Path]
ZEROS = np.zeros((4, 4), np.uint8)
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs files that Windows has not")


@pytest.fixture
def strange(tmp_path: Path) -> Iterator[Path]:
    """A folder with a pipe, a socket, a device and links in circles beside one image."""
    folder = tmp_path / "strange"
    folder.mkdir()
    PIL.Image.fromarray(ZEROS).save(folder / "good.png")
    for suffix in ("", ".dcm", ".png", "_mask.png"):
        os.mkfifo(folder / f"pipe{suffix}")
        (folder / f"null{suffix}").symlink_to("/dev/zero")
        (folder / f"loop{suffix}").symlink_to(f"loop{suffix}")
        (folder / f"gone{suffix}").symlink_to("nowhere")
    (folder / "inside").symlink_to(folder)
    (folder / "masks").symlink_to(folder)
    listener = socket.socket(socket.AF_UNIX)
    before = Path.cwd()
    os.chdir(folder)
    listener.bind("socket.dcm")
    os.chdir(before)
    yield folder
    listener.close()


@posix
@pytest.mark.parametrize(
    "name", ["pipe", "null", "loop", "gone", "pipe.dcm", "null.png", "socket.dcm", "pipe.png"]
)
def test_what_is_no_file_is_not_opened(name: str, strange: Path) -> None:
    for reader in (read, read_mask):
        with pytest.raises(ReadError, match=f"{name} (is no file|does not exist)"):
            reader(strange / name)


@posix
def test_pipes_and_circles_among_dicom_files(strange: Path, make_dicom: MakeDicom) -> None:
    make_dicom("strange/slice.dcm", ZEROS)
    series, *others = find_series(strange)
    assert not series.problem
    assert all(other.problem for other in others)
    assert [file.name for file in series.files] == ["slice.dcm"]


@posix
def test_pipes_and_circles_among_pairs(strange: Path) -> None:
    assert [path.name for path in list_images(strange)] == ["good.png"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may read all")
def test_files_and_folders_without_permission(make_dicom: MakeDicom, tmp_path: Path) -> None:
    path = make_dicom("a/a.dcm", ZEROS)
    path.chmod(0)
    with pytest.raises(ReadError, match=r"a\.dcm cannot be read"):
        read(path)
    path.parent.chmod(0)
    with pytest.raises(ReadError, match="cannot be"):
        find_series(path.parent)
    path.parent.chmod(0o700)


NAMES = [
    "größe 見 🫀",
    "cafe\u0301",
    "two\nlines",
    "\u202egnp.exe",
    "\x1b[31mred\x1b[0m",
    "-rf",
    "%s{0}$HOME`ls`",
    "quote'\"",
    " space ",
    "dots...",
    "x" * 240,
    os.fsdecode(b"latin-\xe4\xff"),
]


@posix
@pytest.mark.parametrize("name", NAMES)
def test_any_name(name: str, tmp_path: Path, make_dicom: MakeDicom) -> None:
    for folder, values in (("images", ZEROS), ("masks", np.eye(4, dtype=np.uint8))):
        (tmp_path / folder).mkdir()
        PIL.Image.fromarray(values).save(tmp_path / folder / f"{name}.png")
    image, mask = (tmp_path / folder / f"{name}.png" for folder in ("images", "masks"))
    assert read(image).data.shape == read_mask(mask).data.shape == (4, 4)
    [pair] = find_pairs(tmp_path).usable()
    assert (pair.image, pair.mask) == (image, mask)
    assert read(make_dicom(f"{name}.dcm", ZEROS)).data.shape == (4, 4)
    assert [file.name for file in find_series(tmp_path)[0].files] == [f"{name}.dcm"]
    image.write_bytes(b"")
    with pytest.raises(ReadError, match="is empty") as caught:
        read(image)
    assert str(caught.value).isprintable()
    str(caught.value).encode()


@posix
@pytest.mark.parametrize("name", NAMES)
def test_any_name_in_a_table(name: str, tmp_path: Path) -> None:
    for folder, values in (("images", ZEROS), ("masks", np.eye(4, dtype=np.uint8))):
        (tmp_path / folder).mkdir()
        PIL.Image.fromarray(values).save(tmp_path / folder / f"{name}.png")
    pairing = find_pairs(tmp_path)
    write_json(tmp_path / "a.json", {"image": image_name(pairing)})
    write_csv(tmp_path / "a.csv", [{"image": image_name(pairing)}], ["image"])
    if name == NAMES[-1]:
        with pytest.raises(OutputError, match="rename the file"):
            pairing.to_csv(tmp_path / "pairs.csv")
        return
    again = find_pairs(pairing.to_csv(tmp_path / "pairs.csv"))
    assert [(pair.image.name, pair.problems) for pair in again.pairs] == [(f"{name}.png", ())]


def image_name(pairing: Any) -> str:
    return str(pairing.pairs[0].image)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b.png", "a" * 5000])
def test_names_that_no_system_has(name: str, tmp_path: Path) -> None:
    for reader in (read, read_mask, find_pairs, find_series):
        with pytest.raises(InputError):
            reader(tmp_path / name)


# --- what the sources must not do ---

_FORBIDDEN = re.compile(
    r"(?<![.\w])(eval|exec|compile|__import__)\(|pickle\.(load|Unpickler)|\bmarshal\b|\bshelve\b"
    r"|yaml\.(load|unsafe_load|full_load)\(|allow_pickle(?!=False)|torch\.load\((?!.*weights_only=True)"
    r"|os\.system\(|shell=True|extractall\("
)


def test_no_code_is_run_from_files() -> None:
    top = Path(unetscope.__file__).parent
    found = [
        f"{path.relative_to(top)}: {line.strip()}"
        for path in sorted(top.rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if _FORBIDDEN.search(line)
    ]
    assert found == []
