"""How fast training, prediction and starting are, beside plain PyTorch, MONAI, and what the machine can do.

    python benchmarks/speed.py
    python benchmarks/speed.py --only training --cases left-ventricle auto
    python benchmarks/speed.py --only prediction memory --sides 4096

All contenders of a row take turns in one process, so ratios hold where seconds depend on the hour; the
machine's peak, the product of two matrices, is measured in the same run. Writes
``benchmarks/results/speed.json``, in which parts that were not run this time stay, and prints tables. MONAI
is left out, saying so, where it is not installed.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from keras_unet import KERAS
from machine import this_machine
from peak import product_peak
from speed_prediction import MONAI, NETWORKS, measure_memory, measure_prediction
from speed_start import measure_start
from speed_training import AS_PLANNED, CASES, measure_training
from turns import OURS, PLAIN
from unetscope.evaluation.table import markdown

HERE = Path(__file__).resolve().parent
PARTS = ("training", "prediction", "memory", "start")


def main() -> None:
    """Run the parts that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, help="of training")
    parser.add_argument("--sides", nargs="+", type=int, help="of images to predict, pixels")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS, help="that predict")
    parser.add_argument("--large", action="store_true", help="predict 4096 × 4096 pixels, too")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=40, help="after which no turn of a row begins")
    parser.add_argument("--quick", action="store_true", help="toy sizes: does everything run?")
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data")
    parser.add_argument("--out", type=Path, help="JSON file; benchmarks/results/speed.json unless quick")
    arguments = parser.parse_args()
    if importlib.util.find_spec("monai") is None:
        print("MONAI is not installed, so nothing is measured beside it.", flush=True)
    out = arguments.out or (None if arguments.quick else HERE / "results" / "speed.json")
    found = json.loads(out.read_text(encoding="utf-8")) if out is not None and out.exists() else {}
    for part in arguments.only:
        machine = machine_now()
        print(f"\n{part}: {describe(machine)}", flush=True)
        rows = []
        for row in measured(part, arguments, machine["GFLOP/s"] * 1e9):
            rows.append(row)
            print(json.dumps(row), flush=True)
        # Other programs may have slowed down one of the two.
        machine["GFLOP/s"] = max(machine["GFLOP/s"], machine_now()["GFLOP/s"])
        for row in rows:
            if "GFLOP/s" in row:
                row["fraction of peak"] = fractions(row["GFLOP/s"], machine["GFLOP/s"])
        found[part] = {"machine": machine, "rows": rows}
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for part in arguments.only:
        print(f"\n{describe(found[part]['machine'])}\n\n{TABLES[part](found[part]['rows'])}")


def measured(part: str, arguments: argparse.Namespace, peak: float) -> Iterator[dict[str, Any]]:
    """The rows of one part."""
    rounds, quick = 2 if arguments.quick else arguments.rounds, arguments.quick
    sides = arguments.sides or ([64, 128] if quick else [512, 1024, 2048])
    sides = [*sides, 4096] if arguments.large else sides
    limits = {"rounds": rounds, "seconds": arguments.seconds}
    match part:
        case "training":
            return measure_training(arguments.cases, arguments.data, peak, **limits, quick=quick)
        case "prediction":
            return measure_prediction(arguments.networks, sides, **limits, quick=quick)
        case "memory":
            return measure_memory(arguments.networks, sides, quick=quick)
        case _:
            return measure_start(rounds=rounds)


def fractions(reached: Mapping[str, float], peak: float) -> dict[str, float]:
    """Of the peak, for each contender."""
    return {name: round(each / peak, 3) for name, each in reached.items()}


def machine_now() -> dict[str, Any]:
    """What the numbers of a part are measured on and beside."""
    return {
        "name": this_machine(),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "GFLOP/s": round(product_peak(torch.device("cpu")) / 1e9, 1),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
    }


def describe(machine: Mapping[str, Any]) -> str:
    """The same in a line."""
    return (
        f"{machine['name']}; torch {machine['torch']} on {machine['threads']} threads; "
        f"product of matrices {machine['GFLOP/s']:.0f} GFLOP/s; load {machine['load']}; {machine['date']}"
    )


def training_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many images are learned from, and how long a step takes."""
    head = [
        "case",
        "batch (of the recipe)",
        "ours, images/s",
        "s per step",
        "plain, s",
        "times ours",
        "of the minima",
    ]
    head += ["fraction of peak", "augmented, s", "Keras, s", "difference of loss"]
    lines = []
    for row in rows:
        step, ratio = row["s per step"], row["times ours"][PLAIN]
        lines.append(
            [
                f"{row['case']} ({row['data']})",
                f"{' × '.join(map(str, row['batch']))} ({row['batch of the recipe']})",
                f"{row['images/s'][OURS]:.1f}",
                f"{step[OURS]:.3f}",
                f"{step[PLAIN]:.3f}",
                f"{ratio['medians']:.2f}",
                f"{ratio['minima']:.2f}",
                f"{row['fraction of peak'][OURS]:.2f}",
                *(f"{step[other]:.3f}" if other in step else "–" for other in (AS_PLANNED, KERAS)),
                f"{row['difference of loss']:.0e}",
            ]
        )
    return markdown(head, lines)


def prediction_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Seconds for a million pixels, and how far one is from the whole image."""
    head = ["network, pixels", "", "s/Mpx", "times ours", "of the minima", "fraction of peak", "difference"]
    lines = []
    for row in rows:
        for contender, seconds in row["s/Mpx"].items():
            ratio = row["times ours"].get(contender, {"medians": 1, "minima": 1})
            # That of the plain network is to itself in double precision.
            difference = row["difference to the whole image"].get(contender, row["rounding"])
            lines.append(
                [
                    _size(row),
                    contender,
                    f"{seconds:.2f}",
                    f"{ratio['medians']:.2f}",
                    f"{ratio['minima']:.2f}",
                    f"{row['fraction of peak'][contender]:.2f}",
                    f"{difference:.1e}",
                ]
            )
    return markdown(head, lines)


def memory_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """GB of whole processes."""
    contenders = [OURS, PLAIN, *MONAI]
    head = ["network, pixels", *(f"{name}: GB (before)" for name in contenders)]
    lines = [
        [
            _size(row),
            *(
                f"{row['GB'][name]['at most']:.2f} ({row['GB'][name]['before']:.2f})"
                if name in row["GB"]
                else "–"
                for name in contenders
            ),
        ]
        for row in rows
    ]
    return markdown(head, lines)


def start_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Seconds of whole processes."""
    columns = ("s", "least, s", "without Python, s", "target, s")
    cells = [["–" if row[column] is None else f"{row[column]:.3f}" for column in columns] for row in rows]
    named = [[row["command"], *cell] for row, cell in zip(rows, cells, strict=True)]
    return markdown(["command", *columns], named)


def _size(row: Mapping[str, Any]) -> str:
    return f"{row['network']}, {' × '.join(map(str, row['grid']))}"


TABLES = {
    "training": training_table,
    "prediction": prediction_table,
    "memory": memory_table,
    "start": start_table,
}


if __name__ == "__main__":
    main()
