"""Is a wider net better? Several recipes, several seeds, one answer.

python examples/compare_recipes.py --minutes 1 --out comparison
"""

from __future__ import annotations

import argparse
from pathlib import Path

from unetscope.experiments import Arm, Contrast, Experiment, Results
from unetscope.experiments.run import prepare_experiment
from unetscope.samples import sample_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=sample_folder("heart"), help="training and test images")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("comparison"), help="where it is, or goes on")
    arguments = parser.parse_args()

    experiment = Experiment(
        name="width",
        title="Is a wider net better?",
        arms={
            "as planned": Arm(),
            "twice as wide": Arm(settings={"network.width": 32}),
        },
        seeds=tuple(arguments.seeds),
        contrasts=(Contrast(better="twice as wide", than="as planned"),),
    )
    run = prepare_experiment(experiment, arguments.data, arguments.out, budget=arguments.minutes)
    for step in run:
        if step.record is None:
            print(f"{step.done} of {step.of}: {step.cell.arm}, seed {step.cell.seed}")
    report = run.report()
    for answer in Results(run.folder).answers():
        print(answer.sentence)
    print(f"the report is {report}")


if __name__ == "__main__":
    main()
