"""Cells as objects: train on nuclei, predict, and count the objects that are found.

    python benchmarks/instances.py                                 # the number that is reported
    python benchmarks/instances.py --sizes 5 20 60 180 --minutes 5
    python benchmarks/instances.py --on held-out --set target.separate=boundary loss.kind=ce+dice

runs ``unetscope train``, ``predict`` and ``evaluate`` as a user would and writes
``benchmarks/results/instances-NAME.json``. The data lie beside the project, in ``../shared/data``, or where
``--data`` says. ``--on held-out`` trains on four fifths of the training images and scores the others: this is
for tuning, so that test images are used once, for the final number.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from machine import this_machine
from unetscope.evaluation.table import markdown

HERE = Path(__file__).resolve().parent
COLUMNS = {
    "ap50": "AP .5",
    "ap60": ".6",
    "ap70": ".7",
    "ap75": ".75",
    "ap80": ".8",
    "ap90": ".9",
    "object_f1": "F1 .5",
    "panoptic_quality": "PQ",
    "aji": "AJI",
    "seg": "SEG",
    "merges": "merges",
    "splits": "splits",
    "count_error": "count error",
}


def main() -> None:
    """Run the benchmark that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="auto", help="of the JSON file")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--sizes", type=int, nargs="+", help="training images; all unless given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", nargs="+", default=[], help="key=value settings")
    parser.add_argument("--start", help="a model whose weights training begins with")
    parser.add_argument("--on", choices=["test", "held-out"], default="test")
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data" / "nuclei")
    parser.add_argument("--work", type=Path, default=Path("runs"))
    arguments = parser.parse_args()
    everything = pairs(arguments.data / "train")
    everything = [everything[i] for i in np.random.default_rng(0).permutation(len(everything))]
    held_out = [] if arguments.on == "test" else everything[::5]
    training = [pair for pair in everything if pair not in held_out]
    tests = held_out or pairs(arguments.data / "test")
    runs = [
        run(training[:size], tests, arguments, seed)
        for size in arguments.sizes or [len(training)]
        for seed in arguments.seeds
    ]
    result = {
        "on": arguments.on,
        "minutes": arguments.minutes,
        "settings": arguments.set,
        "start": arguments.start,
        "machine": this_machine(),
        "runs": runs,
    }
    path = HERE / "results" / f"instances-{arguments.name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(runs))


def pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Images and masks of a folder, in the order of their names."""
    listed = json.loads(unetscope("pairs", folder, "--json")[0])
    return sorted((Path(pair["image"]), Path(pair["mask"])) for pair in listed["pairs"])


def run(
    training: list[tuple[Path, Path]],
    tests: list[tuple[Path, Path]],
    arguments: argparse.Namespace,
    seed: int,
) -> dict:
    """One training, prediction and evaluation."""
    work = arguments.work / f"instances-{arguments.name}-{len(training)}-{seed}"
    shutil.rmtree(work, ignore_errors=True)
    for part, chosen in (("images", 0), ("masks", 1)):
        (work / part).mkdir(parents=True)
        for pair in tests:
            (work / part / pair[chosen].name).symlink_to(pair[chosen])
    with (work / "training.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "mask"), *training])
    command = ["train", work / "training.csv", "--out", work / "run", "--minutes", arguments.minutes]
    command += ["--seed", seed]
    if arguments.set:
        command += ["--set", *arguments.set]
    if arguments.start:
        command += ["--from", arguments.start]
    started = time.perf_counter()
    _, train_memory = unetscope(*command)
    trained = time.perf_counter() - started
    printed, memory = unetscope("predict", work / "run", work / "images", "--out", work / "found", "--json")
    scores = work / "scores.json"
    unetscope("evaluate", work / "found", work / "masks", "--json", scores, "--out", work / "report")
    card = json.loads(unetscope("info", work / "run", "--json")[0])
    report = json.loads(scores.read_text(encoding="utf-8"))
    pixels = sum(sum(image["counts"]["0"].values()) for image in report["images"])
    return {
        "seed": seed,
        "training images": len(training),
        "test images": report["n"],
        "epochs": card["epochs"],
        "train command, s": round(trained, 1),
        "predict, s/Mpx": round(json.loads(printed)["seconds"] / pixels * 1e6, 3),
        "train memory, GB": train_memory,
        "predict memory, GB": memory,
        "dice": report["mean"]["dice"],
        "pooled": report["pooled"],
        "worst": sorted((image["ap50"], image["name"]) for image in report["images"])[:10],
    }


def unetscope(*arguments: object) -> tuple[str, float]:
    """Run a command: what it printed, and the most memory that it had, in GB."""
    command = [sys.executable, "-m", "unetscope.cli", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(process.returncode)
    return printed, round(used.ru_maxrss / 1e6, 2)


def table(runs: list[dict]) -> str:
    """Markdown: one row per training."""
    head = ["images", "seed", "epochs", "train s", *COLUMNS.values(), "Dice", "s/Mpx", "GB"]
    rows = [
        [
            str(run["training images"]),
            str(run["seed"]),
            str(run["epochs"]),
            f"{run['train command, s']:.0f}",
            *(f"{run['pooled'][key]:.3f}".removesuffix(".000") for key in COLUMNS),
            f"{run['dice']:.3f}",
            f"{run['predict, s/Mpx']:.2f}",
            f"{run['predict memory, GB']:.1f}",
        ]
        for run in runs
    ]
    return markdown(head, rows)


if __name__ == "__main__":
    main()
