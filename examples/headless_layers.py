"""Layers in, labels layers out, without a window: on a cluster, or within another program.

python examples/headless_layers.py --epochs 20 --out results

`ViewerModel` holds layers as the viewer does, and needs neither Qt nor a screen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from napari.components import ViewerModel

import unetscope
from unetscope.io import write_mask
from unetscope.viewer import add_layer, image_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("results"), help="a new or empty folder")
    arguments = parser.parse_args()

    # Four stacks of bright balls, of which three have labels; slices lie further apart than pixels.
    viewer, random = ViewerModel(), np.random.default_rng(0)
    place = {"scale": (2, 0.5, 0.5), "units": ("µm",) * 3, "axis_labels": "zyx"}
    z, y, x = np.mgrid[:8, :48, :48]
    for name in ("first", "second", "third", "new"):
        balls = np.zeros(z.shape, np.uint8)
        for center in random.uniform((1, 8, 8), (7, 40, 40), (6, 3)):
            balls[np.linalg.norm([z - center[0], y - center[1], x - center[2]], axis=0) < 5] = 1
        viewer.add_image(balls + random.normal(0, 0.5, z.shape), name=name, **place)
        if name != "new":
            viewer.add_labels(balls, name=f"{name} labels", **place)
    # Wherever a layer was moved to, its prediction lies there too.
    viewer.layers["new"].translate = (0, 100, 50)

    data = [
        (image_of(viewer.layers[name]), image_of(viewer.layers[f"{name} labels"]))
        for name in ("first", "second", "third")
    ]
    settings = {"training.epochs": arguments.epochs, "training.minutes": None, "training.samples": 24}
    run = unetscope.train(data, arguments.out / "run", settings=settings)

    new = viewer.layers["new"]
    prediction = unetscope.predict(run.path, image_of(new))
    labels = add_layer(viewer, prediction.labels, kind="labels", name="prediction", like=new)
    path = write_mask(arguments.out / "prediction.ome.tif", image_of(labels))
    print(f"wrote {path}: {np.mean(labels.data > 0):.0%} of the stack at {labels.translate} µm")


if __name__ == "__main__":
    main()
