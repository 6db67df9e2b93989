"""Run a built-in experiment on the real data, and keep its numbers where the documentation finds them.

    python benchmarks/results.py retina
    python benchmarks/results.py left-ventricle --budget full --device cuda

runs ``unetscope experiment`` as a user would, writes ``benchmarks/results/experiment-NAME-BUDGET.json`` and
the table of ``docs/results.md``. The data lie beside the project, in ``../shared/data``, or where ``--data``
says. Called again it goes on where it stopped; ``--tables`` only writes the tables anew, from the JSON files.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "results.md"
SETS = {
    "retina": "retina",
    "left-ventricle": "left-ventricle",
    "xray": "battery",
    "cells": "nuclei",
    "hela": "nuclei",
}


def main() -> None:
    """Run what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    # Without any, argparse compares the empty list with the choices.
    parser.add_argument("names", nargs="*", choices=[*SETS, []], help="all unless given")
    parser.add_argument("--budget")
    parser.add_argument("--arms", nargs="+", help="only these rows")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--tables", action="store_true", help="run nothing")
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data")
    parser.add_argument("--work", type=Path, default=Path("experiments"))
    arguments = parser.parse_args()
    if not arguments.tables:
        for name in arguments.names or SETS:
            run(name, arguments)
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def run(name: str, arguments: argparse.Namespace) -> None:
    """One experiment through the command line; its numbers go to ``benchmarks/results``."""
    out = arguments.work / f"{name}-{arguments.budget or 'default'}"
    command = [sys.executable, "-m", "unetscope.cli", "experiment", name, arguments.data / SETS[name]]
    command += ["--out", out, "--device", arguments.device, "--json"]
    if arguments.budget:
        command += ["--budget", arguments.budget]
    if arguments.arms:
        command += ["--arms", *arguments.arms]
    printed = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout
    result = json.loads(printed)
    (budget,) = result["experiment"].get("budgets") or {"none": {}}
    path = HERE / "results" / f"experiment-{name}-{budget.replace(' ', '-')}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{path}\n{out / 'report.html'}")


def with_tables(page: str) -> str:
    """The page with every table between its two marks written anew."""
    for path in sorted((HERE / "results").glob("experiment-*.json")):
        first, last = f"<!-- {path.stem} -->", f"<!-- end of {path.stem} -->"
        if first not in page:
            sys.exit(f"{PAGE.name} has no place for {path.stem}: add the lines {first} and {last}")
        before, rest = page.split(first)
        after = rest.split(last)[1]
        result = json.loads(path.read_text(encoding="utf-8"))
        page = f"{before}{first}\n\n{block(result)}\n\n{last}{after}"
    return page


def block(result: dict) -> str:
    """Table and answers of an experiment, in Markdown."""
    from unetscope.evaluation.report import TITLES

    metrics = result["experiment"].get("metrics", ["precision", "recall", "dice", "iou"])
    conditions = list(dict.fromkeys(summary["condition"] for summary in result["summaries"]))
    parts = []
    for condition in conditions:
        rows = [["arm", *(TITLES[key] for key in metrics), "published", "epochs", "training, s"]]
        rows += [row(each, metrics) for each in result["summaries"] if each["condition"] == condition]
        everything = result.get("everything", {}).get(condition)
        if everything:
            rows.append(
                ["every pixel is the object", *(f"{everything[key]:.3f}" for key in metrics), "", "", ""]
            )
        rows.insert(1, ["---"] * len(rows[0]))
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
        parts.append(f"Scored: {condition}\n\n{table}" if len(conditions) > 1 else table)
    parts.append("\n".join(f"- {answer['sentence']}" for answer in result["answers"]))
    return "\n\n".join(part for part in parts if part)


def row(summary: dict, metrics: list[str]) -> list[str]:
    """One line of a table."""
    from unetscope.evaluation.report import TITLES

    def spread(key: str) -> str:
        std = summary["std"][key]
        return f"{summary['mean'][key]:.3f}" + ("" if std is None else f" ± {std:.3f}")

    published = ", ".join(
        f"{TITLES.get(key, key.replace('_', ' '))} {value:g}" for key, value in summary["published"].items()
    )
    seconds = summary["train_seconds"][0]
    return [summary["arm"], *map(spread, metrics), published, f"{summary['epochs']:.0f}", f"{seconds:.0f}"]


if __name__ == "__main__":
    main()
