"""What is decided about a whole image before its first block."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from unetscope import api
from unetscope.errors import InputError
from unetscope.io import Image
from unetscope.large.job import Job, Request
from unetscope.large.segment import cut_out

if TYPE_CHECKING:
    from unetscope.model import Model
    from unetscope.network import UNet

__all__ = ["check", "settle"]

# Bytes for all of a block, and what one of its pixels takes, in all and for each map of the network, while
# it is normalized, predicted and labeled: 60 to 80 bytes with four maps, measured on planes of nuclei.
_MEMORY = 2**30
_BYTES_PER_PIXEL = 48
_BYTES_PER_MAP = 8
# Sides of blocks are multiples of this, in planes and in volumes, and so of the network's stride.
_UNIT = {2: 256, 3: 32}
# How far an object may reach beyond a block's core, in typical diameters, before it has to be joined.
_REACH = 3
# Parts smaller than the least size are told from larger ones up to this many pixels.
_LEAST_SIZE = 512
# Statistics of the whole image are taken over about so many evenly spaced pixels.
_SAMPLE = 2**24
# Where the diameter is estimated: windows around these places, of this side.
_PLACES = (0.5, 0.25, 0.75)
_WINDOW = {2: 1024, 3: 96}


def check(image: Image, model: Model) -> None:
    """Make sure that an image can be segmented in blocks by a model.

    Raises
    ------
    InputError
        If it is not one plane or volume, or the recipe brings whole images to one size.
    """
    dimensions = model.recipe.network.dimensions
    if "T" in image.axes or len(image.spatial_axes) != dimensions:
        raise InputError(
            f"{image.name} has the axes {image.axes} and {math.prod(image.grid):,} pixels",
            expected=f"one {'plane' if dimensions == 2 else 'volume'} where an image is too large for memory",
            fix="cut it into its time points or slices",
        )
    preprocess = model.recipe.preprocess
    if preprocess.resize is not None or preprocess.crop is not None:
        raise InputError(
            f"the model brings whole images to one size, and {image.name} is too large for that",
            expected="a model that takes images as they are",
            fix="train one without preprocess.resize and preprocess.crop",
        )


def settle(request: Request, image: Image, model: Model) -> Job:
    """Decide how an image is cut, normalized and, if the model asks for it, resized.

    Parameters
    ----------
    request : Request
    image : Image
        May lie on disk.
    model : Model

    Returns
    -------
    Job
    """
    scaling = model.preparation.scaling_of(_sampled(image))
    model = replace(model, scaling=scaling)
    wanted, diameter = model.recipe.preprocess.diameter, request.diameter
    if wanted is not None and diameter is None:
        diameter = _estimate(image, model)
    side, margin = _sizes(image, model, diameter)
    return Job(request, image.grid, side, margin, scaling, diameter)


def _sampled(image: Image) -> Image:
    """Evenly spaced pixels of an image, in memory."""
    step = math.ceil((math.prod(image.grid) / _SAMPLE) ** (1 / len(image.grid)))
    return cut_out(image, (slice(None, None, step),) * len(image.grid))


def _estimate(image: Image, model: Model) -> float:
    """The median over windows in which objects are found."""
    half = _WINDOW[len(image.grid)] // 2
    found = []
    for place in _PLACES:
        middles = [round(length * place) for length in image.grid]
        window = tuple(slice(max(middle - half, 0), middle + half) for middle in middles)
        prediction = api.predict(model, cut_out(image, window))
        if prediction.diameter is not None and prediction.labels.data.any():
            found.append(prediction.diameter)
    return float(np.median(found)) if found else float(model.diameter or 1.0)


def _sizes(image: Image, model: Model, diameter: float | None) -> tuple[int, int]:
    """Side and margin of blocks."""
    dimensions, network, recipe = len(image.grid), model.network, model.recipe
    reach = float(min(recipe.prediction.minimum_size, _LEAST_SIZE))
    if recipe.target.kind == "instances":
        reach = _REACH * (diameter or model.diameter or 0.0)
    wanted = recipe.preprocess.diameter
    factor = wanted / diameter if wanted and diameter else 1.0
    margin = math.ceil((network.halo / factor + reach) / network.stride) * network.stride
    unit = side = _UNIT[dimensions]
    while side < max(image.grid) and _bytes(network, side + unit + 2 * margin, factor) <= _MEMORY:
        side += unit
    return side, margin


def _bytes(network: UNet, length: int, factor: float) -> float:
    """Memory for one block that looks at this many pixels along each axis, about."""
    from unetscope.inference.tiling import feature_bytes

    seen = (math.ceil(length * factor),) * network.settings.dimensions
    per_pixel = _BYTES_PER_PIXEL + _BYTES_PER_MAP * network.out_channels
    return feature_bytes(network, seen) + per_pixel * max(length ** len(seen), math.prod(seen))
