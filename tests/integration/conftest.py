"""Folders of tiny pairs: bright disks in noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch


@pytest.fixture
def disks(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of PNG images and masks."""

    def make(
        count: int = 6, grid: Sequence[int] = (16, 16), *, seed: int = 0, shuffled: bool = False
    ) -> Path:
        rng = np.random.default_rng(seed)
        folder = tmp_path / "data"
        rows, columns = np.mgrid[: grid[0], : grid[1]]
        for i in range(count):
            drawn = rng.uniform(0.1, 0.9, (2, 2)) * grid
            image, mask = (
                (np.hypot(rows - y, columns - x) < min(grid) / 5)
                for y, x in (drawn if shuffled else drawn[[0, 0]])
            )
            pixels = np.clip(60 + 120 * image + rng.normal(0, 20, grid), 0, 255).astype(np.uint8)
            for name, array in (("images", pixels), ("masks", mask.astype(np.uint8) * 255)):
                (folder / name).mkdir(parents=True, exist_ok=True)
                PIL.Image.fromarray(array).save(folder / name / f"disk_{i:02}.png")
        return folder

    return make


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """More threads than samples only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
