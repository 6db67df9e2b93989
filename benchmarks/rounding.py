"""How far predictions with learned weights are from those of PyTorch's own layers, and both from exact ones.

    python benchmarks/rounding.py

looks with the model `nuclei` at real images, each repeated until it is large enough for strips, and prints
the largest differences of the probability of being a nucleus. Exact is double precision.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from plain import with_plain_layers
from unetscope import api, io
from unetscope.inference.tiling import predict_logits
from unetscope.network import for_inference

HERE = Path(__file__).resolve().parent
SIDE = 800


def main() -> None:
    """Look, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data" / "nuclei" / "train")
    arguments = parser.parse_args()
    network = api.load_model("nuclei", device="cpu").network.eval()
    fast, plain = for_inference(network), with_plain_layers(network)
    exact = copy.deepcopy(plain).double()
    worst = {"ours, exact": 0.0, "plain PyTorch, exact": 0.0, "ours, plain PyTorch": 0.0}
    paths = sorted(path for path in arguments.data.rglob("*.png") if "mask" not in str(path))
    for path in paths[: arguments.images]:
        image = prepared(path, network.stride)
        batch = torch.from_numpy(image)[None]
        with torch.inference_mode():
            mine = torch.sigmoid(predict_logits(fast, image)[0])
            theirs = torch.sigmoid(plain(batch)[0, 0])
            true = torch.sigmoid(exact(batch.double())[0, 0])
        for name, (one, other) in zip(worst, [(mine, true), (theirs, true), (mine, theirs)], strict=True):
            worst[name] = max(worst[name], float((one - other).abs().max()))
    for name, difference in worst.items():
        print(f"{name}: {difference:.1e}")


def prepared(path: Path, stride: int) -> NDArray[np.float32]:
    """The first channel of an image (1, H, W), normalized, cut to a size for a network, and repeated."""
    pixels = io.read(path).data
    pixels = (pixels if pixels.ndim == 2 else pixels[0]).astype(np.float32)
    low, high = np.percentile(pixels, [1, 99.8])
    rows, columns = (length // stride * stride for length in pixels.shape)
    scaled = ((pixels[:rows, :columns] - low) / (high - low)).astype(np.float32)
    return np.tile(scaled, (1, -(-SIDE // rows), -(-SIDE // columns)))


if __name__ == "__main__":
    main()
