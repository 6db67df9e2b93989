"""Small pictures under any names, and what a pairing says of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from unetscope.io import Pairing

MASK = np.pad(np.full((2, 2), 255, np.uint8), 1)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Save a 4 × 4 picture, or the pixels given, under each of the names."""

    def save(*names: str, pixels: np.ndarray = MASK) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith((".nii", ".nii.gz")):
                nibabel = pytest.importorskip("nibabel")
                nibabel.save(nibabel.Nifti1Image(np.atleast_3d(pixels.T), np.eye(4)), path)
            elif name.endswith(".tif"):
                tifffile.imwrite(path, pixels)
            else:
                Pillow.fromarray(pixels).save(path)
        return tmp_path

    return save


@pytest.fixture
def names() -> Callable[[Pairing], list[tuple[str, str]]]:
    """Image and mask of each pair, by name."""
    return lambda pairing: [(pair.image.name, pair.mask.name) for pair in pairing.pairs]


@pytest.fixture
def reasons() -> Callable[[Pairing], dict[str, str]]:
    """Why a file is in no pair, by its name."""
    return lambda pairing: {file.path.name: file.why for file in pairing.unpaired}
