"""Images larger than memory: how long, and how much memory, `unetscope predict` takes for them.

    python benchmarks/large.py --sides 8448 20000

draws planes of nuclei of a known diameter, writes them as tiled OME-TIFF, and segments them in blocks with the
model `nuclei`. Writes ``benchmarks/results/large.json``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from instances import unetscope
from machine import this_machine
from unetscope.large import LARGE_PIXELS

HERE = Path(__file__).resolve().parent
TILE = 512
DIAMETER = 24


def main() -> None:
    """Draw, segment, tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[8448, 20000])
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--work", type=Path, default=Path("runs") / "large")
    arguments = parser.parse_args()
    rows = []
    for side in arguments.sides:
        if side**2 <= LARGE_PIXELS[2]:
            parser.error(f"an image of {side} × {side} pixels is segmented at once: at least 8193 is large")
        shutil.rmtree(arguments.work / str(side), ignore_errors=True)
        (arguments.work / str(side)).mkdir(parents=True)
        image = arguments.work / str(side) / "image.ome.tif"
        draw(image, side)
        started = time.perf_counter()
        options = ["--out", arguments.work / str(side) / "found", "--diameter", DIAMETER, "--json"]
        printed, memory = unetscope("predict", arguments.model, image, *options)
        seconds = time.perf_counter() - started
        (result,) = json.loads(printed)["images"]
        rows.append(
            {
                "side": side,
                "seconds": round(seconds, 1),
                "s/Mpx": round(seconds / side**2 * 1e6, 3),
                "peak memory, GB": memory,
                "objects": len(result["pixels"]) - 1,
            }
        )
        print(rows[-1], flush=True)
        found = {"machine": this_machine(), "model": arguments.model, "rows": rows}
        text = json.dumps(found, indent=1) + "\n"
        (HERE / "results" / "large.json").write_text(text, encoding="utf-8")


def draw(path: Path, side: int) -> None:
    """Write a plane of nuclei, of which only a tile is in memory at a time."""
    tile = nuclei(np.random.default_rng(0))
    count = -(-side // TILE)

    def tiles() -> Iterator[NDArray[np.uint8]]:
        for index in range(count**2):
            # Not one tile is like another, and nuclei go on from one to the next.
            yield np.rot90(tile, index % 4).copy() if index % 3 else tile

    tifffile.imwrite(
        path, tiles(), shape=(side, side), dtype=np.uint8, tile=(TILE, TILE), compression="zlib", ome=True
    )


def nuclei(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A tile of blurred disks with the noise of counted photons."""
    light = np.full((TILE, TILE), 8.0)
    for y, x in rng.uniform(0, TILE, (120, 2)):
        rows, columns = np.ogrid[:TILE, :TILE]
        inside = (rows - y) ** 2 + (columns - x) ** 2 < (DIAMETER / 2 * rng.uniform(0.8, 1.2)) ** 2
        light[inside] = rng.uniform(60, 200)
    return rng.poisson(ndimage.gaussian_filter(light, 1)).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
