"""Images larger than memory: how long, and how much memory, `unetscope predict` takes for them.

    python benchmarks/large.py --sides 8448 20000 --kills 3

draws planes of nuclei of a known diameter, writes them as tiled OME-TIFF, and segments them in blocks with
the model `nuclei`. With ``--kills``, the smallest is segmented once more by a process that is killed after a
random time, again and again, and goes on each time; the labels have to be the same. Writes
``benchmarks/results/large.json``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import tifffile
import zarr
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
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--work", type=Path, default=Path("runs") / "large")
    arguments = parser.parse_args()
    rows = []
    for side in sorted(arguments.sides):
        if side**2 <= LARGE_PIXELS[2]:
            parser.error(f"an image of {side} × {side} pixels is segmented at once: at least 8193 is large")
        work = arguments.work / str(side)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        draw(work / "image.ome.tif", side)
        started = time.perf_counter()
        printed, memory = unetscope(*command(arguments.model, work, "found"), "--json")
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
        if arguments.kills and len(rows) == 1:
            rows[0]["killed"] = killed(arguments.model, work, arguments.kills, seconds)
        print(rows[-1], flush=True)
        found = {"machine": this_machine(), "model": arguments.model, "rows": rows}
        text = json.dumps(found, indent=1) + "\n"
        (HERE / "results" / "large.json").write_text(text, encoding="utf-8")


def command(model: str, work: Path, out: str) -> list[object]:
    """The arguments that segment the image of a folder."""
    return ["predict", model, work / "image.ome.tif", "--out", work / out, "--diameter", DIAMETER]


def killed(model: str, work: Path, kills: int, seconds: float) -> dict:
    """Segment an image again, with a process that is killed so often, and compare."""
    rng = np.random.default_rng(0)
    arguments = [*map(str, command(model, work, "killed"))]
    started, kept = time.perf_counter(), []
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-m", "unetscope.cli", *arguments])
        time.sleep(seconds * rng.uniform(0.5, 1.5) / kills)
        process.kill()
        process.wait()
        kept.append(len(list((work / "killed").glob("*.blocks/*.npz"))))
    unetscope(*arguments)
    total = time.perf_counter() - started
    one, other = (zarr.open_array(work / each / "image.ome.zarr" / "0") for each in ("found", "killed"))
    bands = (slice(row, row + TILE) for row in range(0, one.shape[0], TILE))
    same = all(np.array_equal(one[band], other[band]) for band in bands)
    return {"blocks after each kill": kept, "seconds": round(total, 1), "same labels": same}


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
