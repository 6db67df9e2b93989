"""From image files to measured segmentations: plan, train, predict, evaluate.

python examples/train_and_predict.py --minutes 1 --out results
"""

from __future__ import annotations

import argparse
from pathlib import Path

import unetscope
from unetscope.samples import sample_folder


def main() -> None:
    heart = sample_folder("heart")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, default=heart / "training", help="images with masks")
    parser.add_argument("--test", type=Path, default=heart / "test", help="others, to measure on")
    parser.add_argument("--minutes", type=float, default=1.0, help="training time")
    parser.add_argument("--out", type=Path, default=Path("results"), help="a new or empty folder")
    arguments = parser.parse_args()

    plan = unetscope.plan(arguments.images, minutes=arguments.minutes)
    print(*plan.reasons, sep="\n")

    run = unetscope.train(
        arguments.images,
        arguments.out,
        recipe=plan.recipe,
        on_epoch=lambda epoch: print(f"epoch {epoch.epoch}: validation Dice {epoch.val_dice}"),
    )
    model = unetscope.load_model(run.model_path)

    pairs = unetscope.find_pairs(arguments.test).usable()
    report = unetscope.evaluate(
        [unetscope.predict(model, pair.image).labels for pair in pairs],
        [unetscope.read_mask(pair.mask) for pair in pairs],
        target=run.recipe.target,
    )
    print(report.table())
    print(f"the model is {run.model_path}")


if __name__ == "__main__":
    main()
