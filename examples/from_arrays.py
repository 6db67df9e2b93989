"""Train on NumPy arrays and segment another one, without any image file.

python examples/from_arrays.py --epochs 5 --out results
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import unetscope
from unetscope.io import Image, write_mask


def disks(random: np.random.Generator, size: int = 64) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A noisy picture of bright disks, and its mask; put your own arrays in its place."""
    rows, columns = np.mgrid[:size, :size]
    mask = np.zeros((size, size), np.uint8)
    for _ in range(4):
        row, column = random.uniform(8, size - 8, 2)
        radius = random.uniform(4, 9)
        mask[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = 1
    noise = random.normal(0, 0.3, mask.shape)
    return (mask + noise).astype(np.float32), mask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10, help="how many to train on")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("results"), help="a new or empty folder")
    arguments = parser.parse_args()

    random = np.random.default_rng(0)
    pairs = [disks(random) for _ in range(arguments.images)]
    # The axes are named, and pixels may have a size: here 0.5 µm.
    grid = {"axes": "YX", "spacing": (0.5, 0.5), "units": "µm"}
    data = [(Image(image, **grid), Image(mask, **grid)) for image, mask in pairs]

    run = unetscope.train(
        data,
        arguments.out / "run",
        settings={"training.epochs": arguments.epochs, "training.minutes": None, "network.width": 8},
        on_epoch=lambda epoch: print(f"epoch {epoch.epoch}: training Dice {epoch.train_dice:.3f}"),
    )

    image, truth = (Image(array, **grid) for array in disks(random))
    prediction = unetscope.predict(run.path, image)
    print(unetscope.evaluate([prediction.labels], [truth], names=["new image"]).table())
    labels = prediction.labels
    path = write_mask(arguments.out / "labels.tif", labels.data, spacing=labels.spacing, units=labels.units)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
