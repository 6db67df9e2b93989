"""What all tests share: where real data lies."""

from __future__ import annotations

from pathlib import Path

import pytest

REAL_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real images and masks; the test is skipped, saying so, where it is absent."""
    if not REAL_DATA.is_dir():
        pytest.skip("real data (../shared/data) is not on this machine")
    return REAL_DATA
