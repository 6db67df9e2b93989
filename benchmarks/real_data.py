"""Train, predict and evaluate on real data, as a user would: through the command line.

    python benchmarks/real_data.py left-ventricle --seeds 0 1 2 --minutes 5
    python benchmarks/real_data.py left-ventricle --recipe left-ventricle --seeds 0

writes ``benchmarks/results/NAME-RECIPE.json`` and prints a table. The data lie beside the project, in
``../shared/data``, or where ``--data`` says. Test images are used once, for the final number.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from machine import this_machine
from unetscope.evaluation.table import markdown

HERE = Path(__file__).resolve().parent
# Training folder, what to predict, and the masks to compare with.
SETS = {
    "left-ventricle": ("left-ventricle/training", "left-ventricle/test", "left-ventricle/test/GT"),
    "retina": ("retina/train", "retina/test", "retina/test/masks"),
    "battery": ("battery/train", "battery/test", "battery/test/masks"),
    "nuclei": ("nuclei/train", "nuclei/test", "nuclei/test/masks"),
}
KEYS = ("precision", "recall", "dice", "iou")


def main() -> None:
    """Run the benchmark that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=SETS)
    parser.add_argument("--recipe", default="auto")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--set", nargs="+", default=[], help="key=value settings")
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data")
    parser.add_argument("--work", type=Path, default=Path("runs"))
    parser.add_argument("--results", type=Path, default=HERE / "results")
    arguments = parser.parse_args()
    runs = [run(arguments, seed) for seed in arguments.seeds]
    result = {
        "data": arguments.name,
        "recipe": arguments.recipe,
        "minutes": arguments.minutes,
        "settings": arguments.set,
        "machine": this_machine(),
        "runs": runs,
    }
    arguments.results.mkdir(parents=True, exist_ok=True)
    path = arguments.results / f"{arguments.name}-{arguments.recipe}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(runs))


def run(arguments: argparse.Namespace, seed: int) -> dict:
    """One training, prediction and evaluation."""
    training, test, truth = (arguments.data / part for part in SETS[arguments.name])
    work = arguments.work / f"{arguments.name}-{arguments.recipe}-{seed}"
    shutil.rmtree(work, ignore_errors=True)
    settings = ["--seed", str(seed)]
    if arguments.minutes:
        settings += ["--minutes", str(arguments.minutes)]
    if arguments.set:
        settings += ["--set", *arguments.set]
    recipe = [] if arguments.recipe == "auto" else ["--preset", arguments.recipe]
    started = time.perf_counter()
    unetscope("train", training, "--out", work / "run", *recipe, *settings)
    trained = time.perf_counter() - started
    card = json.loads(unetscope("info", work / "run", "--json"))
    predicted = json.loads(unetscope("predict", work / "run", test, "--out", work / "predictions", "--json"))
    scores = work / "scores.json"
    unetscope("evaluate", work / "predictions", truth, "--json", scores, "--out", work / "report")
    report = json.loads(scores.read_text(encoding="utf-8"))
    return {
        "seed": seed,
        "epochs": card["epochs"],
        "train command, s": round(trained, 1),
        "predict, s": round(predicted["seconds"], 2),
        "validation dice": card["validation dice"],
        "threshold": card["threshold"],
        **{part: report[part] for part in ("n", "mean", "std", "pooled", "per_class")},
        "worst": min((image["dice"], image["name"]) for image in report["images"]),
    }


def unetscope(*arguments: object) -> str:
    """Run a command; its progress goes to the terminal, its result comes back."""
    command = [sys.executable, "-m", "unetscope.cli", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def table(runs: list[dict]) -> str:
    """Markdown: one row per seed."""
    head = ["seed", "epochs", "train s", "predict s", *KEYS, "pooled dice", "worst dice"]
    rows = [
        [
            str(run["seed"]),
            str(run["epochs"]),
            f"{run['train command, s']:.0f}",
            f"{run['predict, s']:.1f}",
            *(f"{run['mean'][key]:.3f} ± {run['std'][key]:.3f}" for key in KEYS),
            f"{run['pooled']['dice']:.3f}",
            f"{run['worst'][0]:.3f}",
        ]
        for run in runs
    ]
    lines = [markdown(head, rows)]
    if len(runs) > 1:
        dice = [run["mean"]["dice"] for run in runs]
        spread = f"{min(dice):.3f} to {max(dice):.3f}"
        lines.append(f"\nMean Dice over {len(runs)} seeds: {np.mean(dice):.3f}, {spread}.")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
