"""Cells as objects in a volume: train on three quarters of one stack, score the fourth.

    python benchmarks/instances_3d.py --minutes 5

cuts the stack ``nuclei-3d`` along Y and X, trains ``auto`` on three of its quarters (one of which validates),
segments the whole stack, and scores the objects that have most of their voxels in the quarter that was left
out; so for each of the four. Writes ``benchmarks/results/instances-3d.json``. The data lie beside the
project, in ``../shared/data``, or where ``--data`` says.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import relabel_sequential

from machine import this_machine
from unetscope import api, io
from unetscope.evaluation.objects import InstanceCounts, count_objects
from unetscope.io.image import Image

HERE = Path(__file__).resolve().parent
OVERLAPS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.9)


def main() -> None:
    """Leave out each quarter in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data" / "nuclei-3d")
    parser.add_argument("--work", type=Path, default=Path("runs") / "instances-3d")
    arguments = parser.parse_args()
    stack = api.read(arguments.data / "img3d.tif")
    truth = api.read_mask(arguments.data / "mask3d.tif").data
    quarters = [np.s_[:, y, x] for y, x in itertools.product(*(halves(n) for n in stack.grid[1:]))]
    total, rows = InstanceCounts(), []
    for left_out, quarter in enumerate(quarters):
        work = arguments.work / str(left_out)
        for part in ("images", "masks"):
            (work / part).mkdir(parents=True, exist_ok=True)
        for index, other in enumerate(quarters):
            if other != quarter:
                pixels, labels = stack.data[other], relabel_sequential(truth[other])[0].astype(np.uint16)
                name = f"{index}.ome.tif"
                io.write_image(work / "images" / name, Image(pixels.copy(), "ZYX"))
                io.write_mask(work / "masks" / name, Image(labels, "ZYX"))
        run = api.train(
            work,
            work / "run",
            settings=[f"training.minutes={arguments.minutes}"],
            overwrite=True,
        )
        prediction = api.predict(run.path, stack)
        counts = count_objects(mostly_in(truth, quarter), mostly_in(prediction.labels.data, quarter))
        total += counts
        rows.append({"quarter": left_out, "true": counts.true, "found": counts.predicted, "tp": counts.tp[0]})
        print(rows[-1], flush=True)
    scores = {f"ap{round(100 * at)}": total.at(at).average_precision for at in OVERLAPS}
    scores |= {"merges": total.merges, "splits": total.splits}
    result = {"machine": this_machine(), "minutes": arguments.minutes, "quarters": rows, "pooled": scores}
    text = json.dumps(result, indent=1) + "\n"
    (HERE / "results" / "instances-3d.json").write_text(text, encoding="utf-8")
    print(text)


def halves(length: int) -> tuple[slice, slice]:
    """Both halves of an axis."""
    return slice(0, length // 2), slice(length // 2, length)


def mostly_in(objects: NDArray[np.integer], part: tuple[slice, ...]) -> NDArray[np.integer]:
    """The objects that have more than half of their voxels there, whole."""
    there = np.bincount(objects[part].ravel(), minlength=objects.max() + 1)
    kept = 2 * there > np.bincount(objects.ravel())
    kept[0] = False
    return np.where(kept[objects], objects, 0)


if __name__ == "__main__":
    main()
