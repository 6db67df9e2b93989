"""What a graphics card makes of this: training, prediction, memory, and equality with the processor.

    python benchmarks/gpu.py --data ../shared/data
    python benchmarks/gpu.py --only auto --minutes 0.5
    python benchmarks/gpu.py --device cpu --quick          # does every line run? On any machine.

needs torch with CUDA and what the package needs, but no napari, and no data: without the left ventricles in
``--data``, copies of the sample images are trained on, which says something about time and nothing about
Dice. Each part is done in any case; what failed is told in its place. Writes ``benchmarks/results/gpu.json``
after each part, and never from another device.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import math
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from machine import this_machine
from peak import network_flop, product_peak, wait_for
from unetscope import api
from unetscope.errors import TrainingError, explain
from unetscope.inference.tiling import predict_logits
from unetscope.network import UNet, for_inference
from unetscope.recipe import Recipe, change
from unetscope.recipe.recipe import Augmentation, Network
from unetscope.samples import sample_folder
from unetscope.training.dataset import Sample
from unetscope.training.loop import TrainingState, choose_device, train_epochs

# How production makes a network: its first weights and its memory format.
from unetscope.training.session import _new_network as new_network

HERE = Path(__file__).resolve().parent
IMAGES = 56
GOOD_DICE = 0.9
# Largest differences of probability to float32 on the processor that are only rounding: of float32 as such,
# of products of matrices in TF32, which torch allows in convolutions, and of bfloat16.
TOLERANCES = {"float32": 1e-4, "as predicted": 1e-2, "bfloat16": 1e-1}


@dataclass(frozen=True)
class Setting:
    """Where, on what, and how thoroughly.

    Attributes
    ----------
    device : torch.device
    quick : bool
        Toy sizes.
    hearts : Path
        The folder to train on.
    work : Path
        For run folders.
    minutes : float
        Budget of `auto`.
    peak : float
        FLOP/s of the product of two matrices in bfloat16.
    """

    device: torch.device
    quick: bool
    hearts: Path
    work: Path
    minutes: float
    peak: float


def main() -> None:
    """Do all parts, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=tuple(PARTS))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--minutes", type=float, default=1.0, help="budget of auto")
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data")
    parser.add_argument("--out", type=Path, help="JSON file; benchmarks/results/gpu.json on CUDA")
    arguments = parser.parse_args()
    try:
        device, quick = choose_device(arguments.device), arguments.quick
    except TrainingError as error:
        parser.error(str(error))
    if device.type == "cuda" and not quick:
        arguments.out = arguments.out or HERE / "results" / "gpu.json"
    elif arguments.out is not None and HERE in arguments.out.resolve().parents:
        parser.error("what is kept with the project comes from CUDA, at full size")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        found = machine(device, quick=quick)
        found["hearts"], hearts = _hearts(arguments.data / "left-ventricle" / "training", work / "hearts")
        peak = found["bfloat16 TFLOP/s"] * 1e12
        setting = Setting(device, quick, hearts, work, arguments.minutes, peak)
        for name in arguments.only:
            started = time.perf_counter()
            try:
                found[name] = PARTS[name](setting)
            except Exception as error:  # noqa: BLE001
                found[name] = {"failed": explain(error)}
            free(device)
            found[name]["s of this part"] = round(time.perf_counter() - started, 1)
            print(f"\n{name}\n{json.dumps(found[name], indent=1)}", flush=True)
            if arguments.out is not None:
                arguments.out.parent.mkdir(parents=True, exist_ok=True)
                arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def machine(device: torch.device, *, quick: bool) -> dict[str, Any]:
    """What it is, and what it can do at most."""
    side = 256 if quick else 8192
    peaks = {
        f"{name} TFLOP/s": round(product_peak(device, dtype, side=side) / 1e12, 4)
        for name, dtype in (("bfloat16", torch.bfloat16), ("float32", torch.float32))
    }
    found = {"processor": this_machine(), "torch": str(torch.__version__), "side of the products": side}
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        found |= {
            "card": card.name,
            "memory, GB": round(card.total_memory / 1e9, 1),
            "CUDA": str(torch.version.cuda),
            "cuDNN": torch.backends.cudnn.version(),
        }
    return found | peaks


def train_preset(setting: Setting) -> dict[str, Any]:
    """The whole recipe `left-ventricle`: 100 epochs, from the first file read to the last score."""
    epochs = 2 if setting.quick else 100
    return _train(setting, "left-ventricle", {"training.epochs": epochs})


def train_auto(setting: Setting) -> dict[str, Any]:
    """What `auto` reaches in its budget."""
    minutes = 0.1 if setting.quick else setting.minutes
    return _train(setting, "auto", {"training.minutes": minutes})


def _train(setting: Setting, recipe: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    reset_memory(setting.device)
    run = setting.work / recipe
    started = time.perf_counter()
    training = api.prepare_training(
        setting.hearts, run, recipe=recipe, settings=settings, device=str(setting.device), overwrite=True
    )
    prepared = time.perf_counter() - started
    records, good = [], None
    for record in training:
        records.append(record)
        if good is None and record.val_dice is not None and record.val_dice >= GOOD_DICE:
            good = {"epoch": record.epoch, "s": round(time.perf_counter() - started, 2)}
    trained = time.perf_counter() - started
    training.finish()
    return {
        "s, all": round(time.perf_counter() - started, 2),
        "s to read, plan and begin": round(prepared, 2),
        "s until the last epoch": round(trained, 2),
        "s of epochs": round(records[-1].seconds, 2),
        "epochs": len(records),
        "images/s, median": round(statistics.median(record.images_per_second for record in records), 1),
        "best validation dice": round(max(record.val_dice or 0.0 for record in records), 4),
        f"validation dice {GOOD_DICE}": good,
        "GB": most_memory(setting.device),
    }


def predict(setting: Setting) -> dict[str, Any]:
    """Millions of pixels a second, by the length of a side."""
    network = for_inference(classical(8 if setting.quick else 32).to(setting.device))
    rows = {}
    for side in (64, 128) if setting.quick else (1024, 2048, 4096, 8192):
        image = noise(side)
        reset_memory(setting.device)
        predict_logits(network, image)
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            # Its logits are in the memory of the processor, so there is nothing to wait for.
            predict_logits(network, image)
            seconds.append(time.perf_counter() - started)
        flop = network_flop(network, (1, 1, side, side), training=False)
        middle = statistics.median(seconds)
        rows[side] = {
            "s": round(middle, 4),
            "Mpx/s": round(side**2 / middle / 1e6, 2),
            "TFLOP/s": round(flop / middle / 1e12, 3),
            "GB": most_memory(setting.device),
        }
    return {"sides": rows}


def fill(setting: Setting) -> dict[str, Any]:
    """Training at 512 × 512 with the largest batch that has room: what part of the peak is used."""
    side, steps = (64, 2) if setting.quick else (512, 10)
    planned = api.plan(setting.hearts, device=str(setting.device)).recipe.augmentation
    rows = []
    for width in (8,) if setting.quick else (32, 64):
        samples = drawn(side)
        augmented = _recipe(width, planned)
        # What is augmented needs more room, if any.
        batch = largest_batch(setting, augmented, samples)
        flop = network_flop(classical(width), (batch, 1, side, side), training=True)
        for name, recipe in (("as they are", _recipe(width, Augmentation())), ("augmented", augmented)):
            seconds, memory, note = learn(setting, recipe, samples, batch, steps)
            row = {"width": width, "samples": name, "batch": batch, "GB": memory, "note": note}
            if not note:
                row |= {
                    "s per step": round(seconds, 4),
                    "images/s": round(batch / seconds, 1),
                    "TFLOP/s": round(flop / seconds / 1e12, 3),
                    "fraction of peak": round(flop / seconds / setting.peak, 3),
                }
            rows.append(row)
    return {"side": side, "rows": rows}


def largest_batch(setting: Setting, recipe: Recipe, samples: list[Sample]) -> int:
    """Doubled until there is no room, then two steps of bisection."""
    limit = 8 if setting.quick else 4096
    fits, too_large = 1, limit + 1
    for batch in itertools.takewhile(lambda b: b <= limit, (2**n for n in itertools.count(1))):
        if not has_room(setting, recipe, samples, batch):
            too_large = batch
            break
        fits = batch
    for _ in range(2):
        middle = (fits + too_large) // 2
        if middle > fits and middle <= limit:
            if has_room(setting, recipe, samples, middle):
                fits = middle
            else:
                too_large = middle
    return fits


def has_room(setting: Setting, recipe: Recipe, samples: list[Sample], batch: int) -> bool:
    """Whether a batch is learned from at once, not in parts."""
    _, _, note = learn(setting, recipe, samples, batch, 1)
    return not note


def learn(
    setting: Setting, recipe: Recipe, samples: list[Sample], batch: int, steps: int
) -> tuple[float, float | None, str]:
    """Seconds for a step after the first ones, most memory in GB, and a note if there was not enough.

    Of a single step only the two others are known.
    """
    free(setting.device)
    reset_memory(setting.device)
    recipe = change(recipe, {"training": {"batch_size": batch, "samples": steps * batch}})
    network = new_network(recipe, samples, (0, 1), setting.device)
    epochs = train_epochs(TrainingState(recipe, network), recipe, samples, [])
    note = next(epochs).note
    seconds = math.nan
    if steps > 1 and not note:
        wait_for(setting.device)
        started = time.perf_counter()
        note = next(epochs).note
        wait_for(setting.device)
        seconds = (time.perf_counter() - started) / steps
    return seconds, most_memory(setting.device), note


def equality(setting: Setting) -> dict[str, Any]:
    """Largest difference of probability to float32 on the processor, with the same weights and image."""
    side = 64 if setting.quick else 512
    network, image = classical(8 if setting.quick else 32), noise(side)
    expected = torch.sigmoid(predict_logits(for_inference(network), image))
    there = for_inference(network.to(setting.device))
    found: dict[str, Any] = {"side": side}
    for name, predicted in _ways(there, image, setting.device):
        difference = float((torch.sigmoid(predicted) - expected).abs().max())
        within = difference <= TOLERANCES[name]
        found[name] = {"difference": difference, "tolerance": TOLERANCES[name], "within": within}
    return found


def _ways(
    network: UNet, image: NDArray[np.float32], device: torch.device
) -> Iterator[tuple[str, torch.Tensor]]:
    """The logits of an image in float32, as production computes them, and in bfloat16."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield "float32", predict_logits(network, image)
    finally:
        torch.backends.cudnn.allow_tf32 = allowed
    yield "as predicted", predict_logits(network, image)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        yield "bfloat16", network(torch.from_numpy(image)[None].to(device))[0].float().cpu()


def classical(width: int) -> UNet:
    """Four levels with batch norm, which has seen some noise, in evaluation mode, on the processor."""
    torch.manual_seed(0)
    network = UNet(Network(depth=4, width=width, norm="batch"), 1, 1)
    with torch.no_grad():
        for _ in range(30):
            network(torch.randn(1, 1, 64, 64))
    return network.eval()


def _recipe(width: int, augmentation: Augmentation) -> Recipe:
    network = {"depth": 4, "width": width, "norm": "batch"}
    training = {"epochs": 10**6, "minutes": None, "averaging": 0.99}
    recipe = change(Recipe(), {"network": network, "training": training, "loss.kind": "bce+dice"})
    return recipe.model_copy(update={"augmentation": augmentation})


def noise(side: int) -> NDArray[np.float32]:
    """(1, side, side), normally distributed."""
    return np.random.default_rng(0).normal(size=(1, side, side)).astype(np.float32)


def drawn(side: int, count: int = 8) -> list[Sample]:
    """Noise with a disk in it, and where the disk is."""
    rng = np.random.default_rng(0)
    rows, columns = np.ogrid[:side, :side]
    samples = []
    for number in range(count):
        disk = np.hypot(rows - side / 2, columns - side / 2) < side * (number + 1) / (3 * count)
        array = np.stack([disk + rng.normal(size=(side, side)), disk]).astype(np.float32)
        nowhere = np.empty((0, 2), np.int_)
        samples.append(Sample(f"disk {number}", array, 1, centers=nowhere, labeled=nowhere))
    return samples


def _hearts(real: Path, copies: Path) -> tuple[str, Path]:
    """What is trained on, in a word, and its folder."""
    if real.is_dir():
        return "real", real
    copies.mkdir()
    images = sorted((sample_folder("heart") / "training").glob("*.dcm"))
    for number, image in zip(range(IMAGES), itertools.cycle(images), strict=False):
        for file in (image, image.with_suffix(".png")):
            shutil.copy(file, copies / f"{number:02}-{file.name}")
    return "copies of sample images", copies


def reset_memory(device: torch.device) -> None:
    """From here on the most memory is measured."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def most_memory(device: torch.device) -> float | None:
    """GB of tensors on the card since then; None without a card."""
    return round(torch.cuda.max_memory_allocated(device) / 1e9, 2) if device.type == "cuda" else None


def free(device: torch.device) -> None:
    """Give back what the last part needed."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


PARTS: dict[str, Callable[[Setting], dict[str, Any]]] = {
    "equality": equality,
    "left-ventricle": train_preset,
    "auto": train_auto,
    "prediction": predict,
    "full batch": fill,
}


if __name__ == "__main__":
    main()
