"""How long it takes until `auto` is good enough on patients that no training has seen.

    python benchmarks/time_to_dice.py --seeds 0 1 2

trains on ``left-ventricle/training`` and scores the best model so far on ``left-ventricle/test`` after every
epoch in which there is a new one. The clock runs from the first file that is read, through planning,
training, validation and saving; it stands still only while the test patients are scored. They decide nothing
but when this benchmark ends. Writes ``benchmarks/results/time-to-dice.json``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from machine import this_machine
from unetscope import api
from unetscope.evaluation.table import markdown
from unetscope.recipe import Recipe
from unetscope.training.dataset import Example

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Train once for every seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--dice", type=float, default=0.82)
    parser.add_argument("--recipe", default="auto")
    parser.add_argument("--set", nargs="+", default=[], help="key=value settings")
    parser.add_argument("--longest", type=float, default=600, help="seconds after which to give up")
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "time-to-dice.json")
    arguments = parser.parse_args()
    folder = arguments.data / "left-ventricle"
    runs = []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as work:
            settings = [f"seed={seed}", *arguments.set]
            runs.append({"seed": seed, **until(folder, Path(work) / "run", arguments, settings)})
        print(json.dumps(runs[-1]), flush=True)
        result = {
            "recipe": arguments.recipe,
            "settings": arguments.set,
            "dice": arguments.dice,
            "machine": this_machine(),
            "runs": runs,
        }
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(runs))


def until(data: Path, run: Path, arguments: argparse.Namespace, settings: Sequence[str]) -> dict[str, Any]:
    """Train until the mean Dice of the test patients passes, or the time is over."""
    tests, _ = api.load_examples(data / "test", data / "test" / "GT")
    started = time.perf_counter()
    training = api.prepare_training(data / "training", run, recipe=arguments.recipe, settings=settings)
    prepared, apart = time.perf_counter() - started, 0.0
    scores = []
    for record in training:
        seconds = time.perf_counter() - started - apart
        if record.best:
            dice = score(run, tests, training.recipe)
            scores.append(
                {
                    "epoch": record.epoch,
                    "s": round(seconds, 1),
                    "s of epochs": round(record.seconds, 1),
                    "validation dice": None if record.val_dice is None else round(record.val_dice, 3),
                    "dice": round(dice, 3),
                }
            )
            if dice > arguments.dice:
                break
        if seconds > arguments.longest:
            break
        apart = time.perf_counter() - started - seconds
    passed = scores[-1] if scores and scores[-1]["dice"] > arguments.dice else None
    return {"s to prepare": round(prepared, 1), "passed": passed, "epochs": scores}


def score(run: Path, tests: Sequence[Example], recipe: Recipe) -> float:
    """Mean Dice of the best model so far, as `unetscope evaluate` computes it."""
    model = api.load_model(run)
    labels = [api.predict(model, test.image).labels for test in tests]
    report = api.evaluate(labels, [test.mask for test in tests], target=recipe.target)
    return report.mean["dice"]


def table(runs: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: one row per seed."""
    head = ["seed", "prepared, s", "passed after, s", "epoch", "Dice", "validation Dice"]
    rows = []
    for run in runs:
        passed = run["passed"]
        cells = ["not passed", "–", "–", "–"]
        if passed is not None:
            cells = [str(passed[key]) for key in ("s", "epoch", "dice", "validation dice")]
        rows.append([str(run["seed"]), str(run["s to prepare"]), *cells])
    return markdown(head, rows)


if __name__ == "__main__":
    main()
