"""What all tests share: where real data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
REAL_DATA = Path(os.environ.get("UNETSCOPE_REAL_DATA", BESIDE))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real images and masks; the test is skipped, saying so, where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip(f"there are no real images at {REAL_DATA}; see CONTRIBUTING.md")
    return REAL_DATA
