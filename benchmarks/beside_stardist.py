"""Prediction beside StarDist: the same images, the same process, in turn.

    pip install unetscope stardist tensorflow
    python benchmarks/beside_stardist.py RUN --minutes 4

segments the test images with the model of a run folder and with StarDist's default network, which is trained
for some minutes first, because what its last step costs depends on what is found. Writes
``benchmarks/results/beside-stardist.json``; seconds are medians over rounds, images are in memory already.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from machine import this_machine
from unetscope import api
from unetscope.io.image import Image
from unetscope.training.dataset import Example

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Train StarDist, and let both predict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", type=float, default=4, help="for StarDist to train")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data" / "nuclei")
    arguments = parser.parse_args()
    images = [example.image for example in examples(arguments.data / "test")]
    model = api.load_model(arguments.run)
    star = trained_stardist(arguments.data / "train", arguments.minutes)
    tools: dict[str, Callable[[], list[int]]] = {
        "unetscope": lambda: [int(api.predict(model, image).labels.data.max()) for image in images],
        "stardist": lambda: [int(star(gray(image)).max()) for image in images],
    }
    seconds: dict[str, list[float]] = {name: [] for name in tools}
    objects = {name: sum(tool()) for name, tool in tools.items()}
    for _ in range(arguments.rounds):
        for name, tool in tools.items():
            started = time.perf_counter()
            tool()
            seconds[name].append(time.perf_counter() - started)
    megapixels = sum(np.prod(image.grid) for image in images) / 1e6
    speeds = {name: statistics.median(times) / megapixels for name, times in seconds.items()}
    result = {
        "machine": this_machine(),
        "versions": {name: version(name) for name in ("unetscope", "torch", "stardist", "tensorflow-cpu")},
        "images": len(images),
        "megapixels": round(megapixels, 2),
        "objects found": objects,
        "rounds, s": {name: [round(each, 2) for each in times] for name, times in seconds.items()},
        "s/Mpx": {name: round(each, 3) for name, each in speeds.items()},
        "ratio": round(speeds["stardist"] / speeds["unetscope"], 2),
    }
    text = json.dumps(result, indent=1)
    (HERE / "results" / "beside-stardist.json").write_text(text + "\n", encoding="utf-8")
    print(text)


def examples(folder: Path) -> list[Example]:
    """Images and masks, read."""
    return api.load_examples(folder, None, group="file", objects=True)[0]


def gray(image: Image) -> np.ndarray:
    """(Y, X) float32, normalized as StarDist's examples do."""
    from csbdeep.utils import normalize

    data = np.asarray(image.data)
    plane = data[0] if "C" in image.axes else data
    return normalize(plane.astype(np.float32), 1, 99.8)


def trained_stardist(folder: Path, minutes: float) -> Callable[[np.ndarray], np.ndarray]:
    """StarDist's default network, trained for some minutes."""
    from stardist import fill_label_holes
    from stardist.models import Config2D, StarDist2D
    from tensorflow.keras.callbacks import Callback

    class Budget(Callback):
        """Stops when the time is over."""

        def __init__(self) -> None:
            super().__init__()
            self.end = time.monotonic() + 60 * minutes

        def on_train_batch_end(self, *_: object, **__: object) -> None:
            if time.monotonic() > self.end:
                self.model.stop_training = True

        on_epoch_end = on_train_batch_end

    pairs = examples(folder)
    images = [gray(pair.image) for pair in pairs]
    masks = [fill_label_holes(np.asarray(pair.mask.data).astype(np.int32)) for pair in pairs]
    with tempfile.TemporaryDirectory() as base:
        star = StarDist2D(Config2D(train_tensorboard=False), name="beside", basedir=base)
        star.prepare_for_training()
        star.callbacks.append(Budget())
        # Epochs of a few steps, so that the budget is kept.
        star.train(images[10:], masks[10:], (images[:10], masks[:10]), epochs=1000, steps_per_epoch=20)
        star.optimize_thresholds(images[:10], masks[:10])
    return lambda plane: star.predict_instances(plane)[0]


if __name__ == "__main__":
    main()
