"""How fast whole images are predicted, beside the plain network and MONAI's tiles; a part of ``speed.py``.

The network is 32 wide and four levels deep, with first weights, and where it normalizes, with statistics of
the image. Ours is `predict_logits` on `for_inference(network)`, the plain one is called on the whole image as
PyTorch makes it. MONAI's `sliding_window_inference` calls the plain one, on tiles of 256 pixels of which a
quarter overlaps. Alone,

    python benchmarks/speed_prediction.py --contender unetscope --network 2d-batch --side 1024

prints how much memory the process of one contender needs; ``speed.py`` starts it for every row of its table.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memory import peak_memory
from peak import network_flop
from plain import with_plain_layers
from turns import OURS, PLAIN, compared, take_turns
from unetscope.inference.tiling import predict_logits
from unetscope.network import UNet, for_inference
from unetscope.recipe.recipe import Network

__all__ = ["MONAI", "NETWORKS", "measure_memory", "measure_prediction"]

NETWORKS = ("2d-none", "2d-batch", "3d-batch")
MONAI = {"MONAI, tiles one by one": 1, "MONAI, four tiles at a time": 4}
VOLUME = (64, 128, 128)
# Side of the largest image that all contenders predict.
LONGEST = 2048
# How often an image is looked at to measure its mean and spread.
LOOKS = 30


def measure_prediction(
    names: Sequence[str], sides: Sequence[int], *, rounds: int, seconds: float, quick: bool
) -> Iterator[dict[str, Any]]:
    """One row for each network and size.

    Parameters
    ----------
    names : sequence of str
        Of `NETWORKS`.
    sides : sequence of int
        Of the images, pixels.
    rounds, seconds
        See `take_turns`.
    quick : bool
        Networks of a quarter of the width and a small volume.
    """
    rivals = MONAI if _has_monai() else {}
    for name in names:
        for grid in _grids(name, sides, quick=quick):
            network, image = network_and_image(name, grid, quick=quick)
            contenders = {OURS: ours(network, image), PLAIN: plain(network, image)}
            # Several tiles at a time took longer for all smaller images; here, a turn takes minutes.
            tried = {1} if max(grid) > LONGEST else set(rivals.values())
            if name.startswith("2d"):
                contenders |= {
                    rival: monai(network, image, at_a_time)
                    for rival, at_a_time in rivals.items()
                    if at_a_time in tried
                }
            maps = {contender: torch.sigmoid(predict()) for contender, predict in contenders.items()}
            # The first calls have just been made: of images that take long, one turn has to do.
            taken = take_turns(contenders, rounds=rounds, seconds=seconds, least=1)
            flop = network_flop(network, (1, 1, *grid), training=False)
            middle = {contender: statistics.median(times) for contender, times in taken.items()}
            megapixels = float(np.prod(grid)) / 1e6
            yield {
                "network": name,
                "grid": grid,
                "turns": len(taken[OURS]),
                "GFLOP": round(flop / 1e9, 1),
                "s/Mpx": {contender: round(s / megapixels, 4) for contender, s in middle.items()},
                "GFLOP/s": {contender: round(flop / s / 1e9, 2) for contender, s in middle.items()},
                "times ours": compared(taken),
                "difference to the whole image": {
                    contender: float((each - maps[PLAIN]).abs().max())
                    for contender, each in maps.items()
                    if contender != PLAIN
                },
                "rounding": _rounding(network, image),
            }


def _rounding(network: UNet, image: NDArray[np.float32]) -> float:
    """How far the plain network is from itself in double precision, in probability, on a corner."""
    corner = image[(slice(None), *(slice(256) for _ in image.shape[1:]))].copy()
    exact = plain(copy.deepcopy(network).double(), corner.astype(np.float64))()
    return float((torch.sigmoid(plain(network, corner)()) - torch.sigmoid(exact)).abs().max())


def measure_memory(names: Sequence[str], sides: Sequence[int], *, quick: bool) -> Iterator[dict[str, Any]]:
    """One row for each network and size: what a new process of each contender takes at most."""
    for name in names:
        for grid in _grids(name, sides, quick=quick):
            contenders = [OURS, PLAIN]
            if name.startswith("2d") and _has_monai():
                contenders += MONAI
            found = {contender: _in_new_process(contender, name, grid[-1], quick) for contender in contenders}
            yield {"network": name, "grid": grid, "GB": found}


def _in_new_process(contender: str, name: str, side: int, quick: bool) -> dict[str, float]:  # noqa: FBT001
    command = [sys.executable, __file__, "--contender", contender, "--network", name, "--side", str(side)]
    command += ["--quick"] if quick else []
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    return found


def network_and_image(name: str, grid: Sequence[int], *, quick: bool) -> tuple[UNet, NDArray[np.float32]]:
    """A network in evaluation mode, and noise for it to look at.

    Parameters
    ----------
    name : {"2d-none", "2d-batch", "3d-batch"}
    grid : sequence of int
    quick : bool

    Returns
    -------
    UNet
    (1, *grid) float32 ndarray
    """
    dimensions: Literal[2, 3] = 3 if name.startswith("3d") else 2
    width = 32 if dimensions == 2 else 16
    norm: Literal["none", "batch"] = "batch" if name.endswith("batch") else "none"
    settings = Network(
        dimensions=dimensions,
        depth=4 if dimensions == 2 else 3,
        width=width // 4 if quick else width,
        norm=norm,
    )
    torch.manual_seed(0)
    network = UNet(settings, 1, 1)
    image = np.random.default_rng(0).normal(size=(1, *grid)).astype(np.float32)
    part = torch.from_numpy(image[(slice(None), *(slice(64) for _ in grid))].copy())[None]
    with torch.no_grad():
        for _ in range(LOOKS if norm == "batch" else 0):
            network(part)
    return network.eval(), image


def ours(network: UNet, image: NDArray[np.float32]) -> Callable[[], Tensor]:
    """As production predicts; preparing the network is done once for all images there, too."""
    fast = for_inference(network)
    return lambda: predict_logits(fast, image)


def plain(network: UNet, image: NDArray[np.floating]) -> Callable[[], Tensor]:
    """The layers of PyTorch, on the whole image."""
    layers = with_plain_layers(network)

    def predict() -> Tensor:
        with torch.no_grad():
            return layers(torch.from_numpy(image)[None])[0]

    return predict


def monai(network: UNet, image: NDArray[np.float32], at_a_time: int) -> Callable[[], Tensor]:
    """MONAI's tiles of 256 pixels, or of the image if it is smaller."""
    from monai.inferers import sliding_window_inference

    layers = with_plain_layers(network)

    def predict() -> Tensor:
        with torch.no_grad():
            batch = torch.from_numpy(image)[None]
            size = [min(256, length) for length in image.shape[1:]]
            return sliding_window_inference(batch, size, at_a_time, layers, overlap=0.25)[0]

    return predict


def _grids(name: str, sides: Sequence[int], *, quick: bool) -> list[tuple[int, ...]]:
    if name.startswith("3d"):
        return [(16, 32, 32) if quick else VOLUME]
    return [(side, side) for side in sides]


def _has_monai() -> bool:
    return importlib.util.find_spec("monai") is not None


def main() -> None:
    """Predict one image, and print how much memory that took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--contender", choices=(OURS, PLAIN, *MONAI), required=True)
    parser.add_argument("--network", choices=NETWORKS, required=True)
    parser.add_argument("--side", type=int, required=True)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    (grid,) = _grids(arguments.network, [arguments.side], quick=arguments.quick)
    network, image = network_and_image(arguments.network, grid, quick=arguments.quick)
    if arguments.contender in MONAI:
        predict = monai(network, image, MONAI[arguments.contender])
    else:
        predict = (ours if arguments.contender == OURS else plain)(network, image)
    before = peak_memory()
    predict()
    found = {"before": before, "at most": peak_memory()}
    print(json.dumps({name: round(value / 1e9, 3) for name, value in found.items()}))


if __name__ == "__main__":
    main()
