"""Tiles give the whole image's numbers, whatever the sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unetscope.inference import strips, tiling
from unetscope.inference.strips import can_stream, stream
from unetscope.inference.tiling import plan_tiles, predict_logits, tile_for_memory
from unetscope.network import UNet, convolution, for_inference
from unetscope.recipe.recipe import Network

UPSAMPLING = ({}, {"up_kernel": 3}, {"upsampling": "interpolate"})


def _network(seed: int, **options: object) -> UNet:
    """In evaluation mode, with running statistics and offsets as training would leave them."""
    torch.manual_seed(seed)
    network = UNet(Network(width=2, **options), 2, 2)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 1.5)
        if getattr(module, "bias", None) is not None:
            torch.nn.init.normal_(module.bias, 0, 0.3)
    return network.eval()


def _image(seed: int, grid: tuple[int, ...]) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((2, *grid)).astype(np.float32)


def _same(network: UNet, image: NDArray[np.float32], tile: tuple[int, ...]) -> None:
    whole = predict_logits(network, image, tile=image.shape[1:]).softmax(dim=0)
    tiled = predict_logits(network, image, tile=tile).softmax(dim=0)
    assert whole.shape == (2, *image.shape[1:])
    assert float((whole - tiled).abs().max()) <= 1e-4


lengths = st.integers(1, 70)
tiles = st.integers(1, 60)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 99),
    st.tuples(lengths, lengths),
    st.tuples(tiles, tiles),
    st.fixed_dictionaries(
        {
            "depth": st.integers(1, 2),
            "padding": st.sampled_from(["same", "valid"]),
            "norm": st.sampled_from(["batch", "none"]),
            "head_kernel": st.sampled_from([1, 3]),
        }
    ),
    st.sampled_from(UPSAMPLING),
)
def test_tiles_agree_with_the_whole_image(seed, grid, tile, options, up) -> None:
    network = _network(seed, convs=1, **options, **up)
    _same(network, _image(seed, grid), tile)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 99),
    st.tuples(*[st.integers(1, 20)] * 3),
    st.tuples(*[st.integers(1, 16)] * 3),
    st.sampled_from(["same", "valid"]),
    st.sampled_from(UPSAMPLING),
)
def test_tiles_agree_with_the_whole_volume(seed, grid, tile, padding, up) -> None:
    network = _network(seed, dimensions=3, depth=1, convs=1, padding=padding, norm="batch", **up)
    _same(network, _image(seed, grid), tile)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 99),
    st.integers(1, 40),
    st.tuples(lengths, st.integers(1, 20)),
    st.fixed_dictionaries(
        {
            "depth": st.integers(1, 3),
            "convs": st.integers(1, 2),
            "padding": st.sampled_from(["same", "valid"]),
            "norm": st.sampled_from(["batch", "none"]),
            "head_kernel": st.sampled_from([1, 3]),
            "up_activation": st.booleans(),
        }
    ),
    st.sampled_from(UPSAMPLING),
)
def test_strips_give_the_whole_image(seed, rows, grid, options, up) -> None:
    network = _network(seed, **options, **up)
    _streams(network, grid, rows, seed)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 99),
    st.integers(1, 40),
    st.tuples(lengths, st.integers(1, 40)),
    st.sampled_from(["same", "valid"]),
    st.sampled_from(UPSAMPLING),
)
def test_strips_of_convolutions_in_squares_give_the_whole_image(seed, rows, grid, padding, up) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # The network is narrow.
        patch.setattr(convolution, "_CHANNELS", 1)
        network = for_inference(_network(seed, depth=2, padding=padding, **up))
        _streams(network, grid, rows, seed)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 99),
    st.integers(1, 9),
    st.tuples(*[st.integers(1, 12)] * 3),
    st.sampled_from(["same", "valid"]),
    st.sampled_from(UPSAMPLING),
)
def test_strips_give_the_whole_volume(seed, rows, grid, padding, up) -> None:
    network = _network(seed, dimensions=3, depth=1, padding=padding, **up)
    _streams(network, grid, rows, seed)


@torch.inference_mode()
def _streams(network: UNet, grid: tuple[int, ...], rows: int, seed: int) -> None:
    size = [network.valid_size(length) for length in grid]
    image = torch.from_numpy(_image(seed, size))[None]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "rows_of_a_strip", lambda *_: rows)
        parts = list(stream(network, image))
    assert all(part.shape[2] for part in parts)
    torch.testing.assert_close(torch.cat(parts, dim=2), network(image), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("norm", ["instance", "group"])
def test_what_looks_at_the_whole_grid_is_not_streamed(norm: str) -> None:
    network = _network(0, depth=1, norm=norm)
    assert not can_stream(network)
    image = _image(0, (200, 8))
    with torch.inference_mode():
        whole = network(torch.from_numpy(image)[None])[0]
    torch.testing.assert_close(predict_logits(network, image), whole, atol=1e-5, rtol=1e-5)


def test_progress_is_told_for_each_strip() -> None:
    network, told = _network(0, depth=1), []
    with pytest.MonkeyPatch.context() as patch:
        for module in (strips, tiling):
            patch.setattr(module, "rows_of_a_strip", lambda *_: 10)
        predict_logits(network, _image(0, (40, 8)), progress=told.append)
    assert told == [0, 0.25, 0.5, 0.75]


@settings(max_examples=10, deadline=None)
@given(lengths, st.booleans(), st.sampled_from(["same", "valid"]))
def test_one_row_of_pixels(length: int, upright: bool, padding: str) -> None:
    network = _network(0, depth=2, padding=padding)
    _same(network, _image(0, (length, 1) if upright else (1, length)), (16, 16))


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=3),
    st.lists(st.integers(1, 60), min_size=3, max_size=3),
    st.integers(0, 20),
    st.sampled_from([1, 2, 4, 8]),
)
def test_every_pixel_is_covered_once(counts: list[int], tile: list[int], halo: int, stride: int) -> None:
    grid = [count * stride for count in counts]
    covered = np.zeros(grid, dtype=int)
    for part in plan_tiles(grid, tile[: len(grid)], halo, stride):
        covered[part.target] += 1
        for source, kept, target, length in zip(part.source, part.kept, part.target, grid, strict=True):
            assert source.start % stride == source.stop % stride == 0
            assert 0 <= source.start < source.stop <= length
            assert source.start + kept.start == target.start
            assert kept.stop - kept.start == target.stop - target.start
            assert source.start == 0 or target.start - source.start >= halo
            assert source.stop == length or source.stop - target.stop >= halo
    assert (covered == 1).all()


@settings(deadline=None)
@given(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), st.floats(0.01, 100), st.integers(1, 4))
def test_a_tile_fits_the_memory_or_is_the_least_that_makes_sense(grid, megabytes, depth) -> None:
    with torch.device("meta"):
        network = UNet(Network(depth=depth, width=8), 1, 1)
    tile = tile_for_memory(network, grid, megabytes)
    pixels = megabytes * 2**20 / (4 * 6 * 8)
    least = 2 * (network.halo + network.stride) + network.stride
    assert all(1 <= t <= n for t, n in zip(tile, grid, strict=True))
    if grid[0] * grid[1] <= pixels:
        assert tile == grid
    else:
        assert tile[0] * tile[1] <= pixels or min(tile) <= least


def test_what_is_streamed_is_never_cut_along_its_rows() -> None:
    network = _network(0, depth=2)
    assert tile_for_memory(network, (10**6, 400), 100) == (10**6, 400)
    rows, columns = tile_for_memory(network, (10**6, 10**6), 100)
    assert rows == 10**6
    assert 2 * network.halo < columns < 10**5
