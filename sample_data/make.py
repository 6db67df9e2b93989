"""Make the sample data of UNetScope: ``python sample_data/make.py [--out FOLDER]``.

Everything is drawn from fixed seeds, so that each run writes the same files. See README.md for what is what.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _make_cells import write_cells
from _make_fundus import write_fundus
from _make_heart import write_heart
from _make_xray import write_xray

__all__ = ["make"]


def make(folder: Path) -> None:
    """Write all four sets below a folder.

    Parameters
    ----------
    folder : Path
        Gets the subfolders ``heart``, ``fundus``, ``xray`` and ``cells``; older files are replaced.
    """
    write_heart(folder / "heart")
    write_fundus(folder / "fundus")
    write_xray(folder / "xray")
    write_cells(folder / "cells")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the sample data of UNetScope.")
    here = Path(__file__).parent
    parser.add_argument(
        "--out", type=Path, default=here, help="folder to write to (default: that of the script)"
    )
    make(parser.parse_args().out)
