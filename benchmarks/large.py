"""Images larger than memory: how long, and how much memory, `unetscope predict` takes for them.

    python benchmarks/large.py --sides 8448 20000

draws planes of nuclei of a known diameter, writes them as tiled OME-TIFF, and segments them in blocks with
the model `nuclei`. Writes ``benchmarks/results/large.json``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import time
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
    tiles = itertools.repeat(tile, (-(-side // TILE)) ** 2)
    tifffile.imwrite(
        path, tiles, shape=(side, side), dtype=np.uint8, tile=(TILE, TILE), compression="zlib", ome=True
    )


def nuclei(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A tile of blurred disks and counted photons; what leaves it comes in on the other side."""
    light = np.full((TILE, TILE), 8.0)
    middle = TILE // 2
    distance = np.hypot(*(np.ogrid[:TILE, :TILE][axis] - middle for axis in range(2)))
    for y, x in rng.integers(0, TILE, (120, 2)):
        inside = distance < DIAMETER / 2 * rng.uniform(0.8, 1.2)
        light[np.roll(inside, (y, x), axis=(0, 1))] = rng.uniform(60, 200)
    return rng.poisson(ndimage.gaussian_filter(light, 1, mode="wrap")).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
