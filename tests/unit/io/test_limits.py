from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from unetscope.errors import ReadError
from unetscope.io import _limits
from unetscope.io._limits import DEFLATE, LAZY_BYTES, available_memory, is_large, require_memory


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of 100 bytes."""
    path = tmp_path / "a.png"
    path.write_bytes(bytes(100))
    return path


def with_free(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(_limits, "available_memory", lambda: free)


def test_half_of_the_free_memory_may_be_taken(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_free(monkeypatch, 4000)
    require_memory(file, (10, 100), np.uint16)
    with pytest.raises(
        ReadError, match=r"a\.png would take .* for its 10 × 101 pixels.*half of what is free"
    ):
        require_memory(file, (10, 101), np.uint16)


def test_no_image_takes_more_than_64_gb(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_free(monkeypatch, 2**50)
    require_memory(file, (64, 2**30), np.uint8)
    with pytest.raises(ReadError, match=r"at most 64\.0 GB"):
        require_memory(file, (65, 2**30), np.uint8)


@pytest.mark.parametrize("shape", [(0, 5), (5, -5), (-5, -5)])
def test_a_size_without_pixels(file: Path, shape: tuple[int, int]) -> None:
    with pytest.raises(ReadError, match=f"holds {shape[0]} × {shape[1]} pixels; expected at least one"):
        require_memory(file, shape, np.uint8)


def test_a_product_beyond_64_bits_is_no_small_number(file: Path) -> None:
    absurd = tuple(np.array([2**32, 2**32, 2], np.int64))
    with pytest.raises(ReadError, match="memory"):
        require_memory(file, absurd, np.uint8)
    assert is_large(absurd, np.uint8)


def test_a_file_cannot_hold_more_than_its_compression_allows(file: Path) -> None:
    require_memory(file, (100,), np.uint8, expansion=1)
    require_memory(file, (100, 1032), np.uint8, expansion=DEFLATE)
    with pytest.raises(ReadError, match="101 pixels, which do not fit into its 100 bytes"):
        require_memory(file, (101,), np.uint8, expansion=1)
    with pytest.raises(ReadError, match="do not fit"):
        require_memory(file, (100, 1033), np.uint8, expansion=DEFLATE)


def test_large_images_are_those_above_the_limit() -> None:
    assert not is_large((LAZY_BYTES // 2,), np.uint16)
    assert is_large((LAZY_BYTES // 2 + 1,), np.uint16)


# --- what is free ---


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the system's own files about memory."""
    if sys.platform == "win32":
        pytest.skip("Windows tells by a function")
    for name in ("_SYSTEM_MEMORY", "_CONTAINER_LIMIT", "_CONTAINER_USED", "_CONTAINER_PARTS"):
        monkeypatch.setattr(_limits, name, tmp_path / name)
    (tmp_path / "_SYSTEM_MEMORY").write_text("MemTotal: 900 kB\nMemAvailable:   500 kB\n")
    return tmp_path


def test_this_machine_tells() -> None:
    assert available_memory() > 2**20


def test_linux_tells_what_is_free(system: Path) -> None:
    assert available_memory() == 500 * 1024


def test_a_container_may_take_less_than_its_machine_has(system: Path) -> None:
    (system / "_CONTAINER_LIMIT").write_text("3000\n")
    (system / "_CONTAINER_USED").write_text("1000\n")
    (system / "_CONTAINER_PARTS").write_text("anon 700\nfile 300\ninactive_file 200\n")
    assert available_memory() == 2200
    (system / "_CONTAINER_USED").write_text("3500\n")
    assert available_memory() == 0


def test_a_container_without_a_limit(system: Path) -> None:
    (system / "_CONTAINER_LIMIT").write_text("max\n")
    (system / "_CONTAINER_USED").write_text("1000\n")
    assert available_memory() == 500 * 1024


def test_other_systems_tell_what_is_installed(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (system / "_SYSTEM_MEMORY").unlink()
    assert available_memory() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    monkeypatch.delattr(os, "sysconf")
    monkeypatch.setattr(os, "sysconf", int, raising=False)
    assert available_memory() == _limits._UNKNOWN_MEMORY
