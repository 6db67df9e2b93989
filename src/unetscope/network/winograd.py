"""Convolutions of 3 × 3 pixels, and their gradients, with a quarter of the multiplications.

Winograd's minimal filtering, as Lavin and Gray use it ("Fast algorithms for convolutional neural networks",
2016): squares of 6 × 6 pixels are transformed (`unetscope.network.squares`), multiplied with the transformed
weights one pixel at a time, and transformed back to 4 × 4 pixels of the result. What is left of the
convolution are 36 products of matrices of squares × channels, for which every processor has fast code. The
transforms only add, but pass over memory: with few channels they take longer than they save. Gradients go
the same way back, with all three steps transposed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from unetscope.network.squares import RESULT, SEEN, add_transposed, back_transposed, transform, transform_back

__all__ = ["convolve_squares", "count_squares", "learn_squares", "transform_weights"]

# G of the paper: what becomes of three weights.
_WEIGHTS = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
# The product that every result contains just once, and to which a bias is therefore added.
_EVERYWHERE = 1 * SEEN + 1
# Numbers of transformed squares that are worked on at a time: more would leave the caches of a processor,
# and with fewer, the calls show.
_AT_A_TIME = 2_400_000
# Numbers of transformed squares that a layer keeps from a training step for its gradients. Otherwise they are
# computed twice.
_KEPT = 2**27


def count_squares(shape: Sequence[int], padding: Sequence[int]) -> int:
    """Of how many squares the result for a (B, C, H, W) is put together."""
    down, across = _squares_along(shape, padding)
    return shape[0] * down * across


def transform_weights(weight: Tensor) -> Tensor:
    """What weights (K, C, 3, 3) are in squares, (36, C, K), for `convolve_squares`."""
    out_channels, in_channels = weight.shape[:2]
    flat = weight.permute(2, 3, 1, 0).reshape(9, -1)
    return (_of_weights(weight) @ flat).view(SEEN**2, in_channels, out_channels)


def learn_squares(features: Tensor, weight: Tensor, bias: Tensor | None, padding: Sequence[int]) -> Tensor:
    """The convolution as autograd knows it.

    Parameters
    ----------
    features : (B, C, H, W) Tensor
    weight : (K, C, 3, 3) Tensor
    bias : (K,) Tensor or None
    padding : two int
        Zeros above and below, and on both sides.

    Returns
    -------
    (B, K, H', W') Tensor
        In channels-last format. In single precision it is about four times as far from the exact result as
        that of torch: 2e-6 of its standard deviation.
    """
    result: Tensor = _Learned.apply(features, weight, bias, padding)
    return result


def convolve_squares(
    features: Tensor,
    transformed: Tensor,
    bias: Tensor | None,
    padding: Sequence[int],
    *,
    kept: list[Tensor] | None = None,
) -> Tensor:
    """The same from weights that are transformed already; without gradients.

    Parameters
    ----------
    features : (B, C, H, W) Tensor
    transformed : (36, C, K) Tensor
        Of `transform_weights`.
    bias : (K,) Tensor or None
    padding : two int
    kept : list of Tensor, optional
        Gets the transformed features, part by part.

    Returns
    -------
    (B, K, H', W') Tensor
    """
    padded = _padded(features, padding)
    batch, rows, columns, _ = padded.shape
    whole = torch.empty(
        (batch, transformed.shape[2], rows - 2, columns - 2),
        dtype=features.dtype,
        memory_format=torch.channels_last,
    )
    for seen, part in _parts(padded, _in_squares(whole.permute(0, 2, 3, 1))):
        squares = transform(seen)
        products = torch.bmm(_flat(squares), transformed)
        if bias is not None:
            products[_EVERYWHERE] += bias
        transform_back(products.view(*squares.shape[:5], -1), part)
        if kept is not None:
            kept.append(squares)
    return _cut(whole, _result_grid(features.shape, padding))


class _Learned(torch.autograd.Function):
    """`convolve_squares` with gradients."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, padding: Sequence[int]
    ) -> Tensor:
        transformed = transform_weights(weight)
        numbers = count_squares(features.shape, padding) * SEEN**2 * features.shape[1]
        kept: list[Tensor] | None = [] if numbers <= _KEPT else None
        result = convolve_squares(features, transformed, bias, padding, kept=kept)
        ctx.save_for_backward(weight, transformed, *([features] if kept is None else kept))
        ctx.kept, ctx.has_bias = kept is not None, bias is not None
        ctx.padding, ctx.grid = padding, features.shape[2:]
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None]:
        weight, transformed, *saved = ctx.saved_tensors
        of_result = _fill_up(gradients[0].permute(0, 2, 3, 1))
        results = _in_squares(of_result)
        batch, rows, columns, _ = of_result.shape
        of_padded = of_result.new_zeros((batch, rows + 2, columns + 2, weight.shape[1]))
        of_weights = torch.zeros_like(transformed)
        of_bias = weight.new_zeros(len(weight)) if ctx.has_bias else None
        kept: Iterable[Tensor] = saved
        if not ctx.kept:
            kept = (transform(seen) for seen, _ in _parts(_padded(saved[0], ctx.padding), results))
        for squares, (of_seen, part) in zip(kept, _parts(of_padded, results), strict=True):
            of_products = _flat(back_transposed(part))
            of_weights.baddbmm_(_flat(squares).transpose(1, 2), of_products)
            if of_bias is not None:
                of_bias += of_products[_EVERYWHERE].sum(0)
            of_squares = torch.bmm(of_products, transformed.transpose(1, 2))
            add_transposed(of_squares.view(*squares.shape), of_seen)
        (top, left), (height, width) = ctx.padding, ctx.grid
        of_features = of_padded[:, top : top + height, left : left + width].permute(0, 3, 1, 2)
        nine = _of_weights(weight).T @ of_weights.flatten(1)
        of_weight = nine.view(3, 3, *of_weights.shape[1:]).permute(3, 2, 0, 1)
        return of_features, of_weight, of_bias, None


def _flat(squares: Tensor) -> Tensor:
    """(36, b × d × across, C) of (6, 6, b, d, across, C)."""
    return squares.flatten(2, 4).flatten(0, 1)


def _cut(whole: Tensor, grid: Sequence[int]) -> Tensor:
    if whole.shape[2:] == tuple(grid):
        return whole
    return whole[:, :, : grid[0], : grid[1]].contiguous(memory_format=torch.channels_last)


def _fill_up(result: Tensor) -> Tensor:
    """(B, H, W, K) with zeros after it, until squares fill it."""
    more = [-length % RESULT for length in result.shape[1:3]]
    return functional.pad(result, (0, 0, 0, more[1], 0, more[0])).contiguous()


def _of_weights(weight: Tensor) -> Tensor:
    """What turns the nine weights of a kernel into 36."""
    along_one = weight.new_tensor(_WEIGHTS)
    return torch.kron(along_one, along_one)


def _result_grid(shape: Sequence[int], padding: Sequence[int]) -> tuple[int, int]:
    rows, columns = (length + 2 * pad - 2 for length, pad in zip(shape[2:], padding, strict=True))
    return rows, columns


def _squares_along(shape: Sequence[int], padding: Sequence[int]) -> tuple[int, int]:
    rows, columns = _result_grid(shape, padding)
    return -(-rows // RESULT), -(-columns // RESULT)


def _padded(features: Tensor, padding: Sequence[int]) -> Tensor:
    """Features (B, H, W, C) with zeros around them, and so many more after them that squares fill them."""
    batch, channels, height, width = features.shape
    down, across = _squares_along(features.shape, padding)
    top, left = padding
    padded = features.new_empty((batch, down * RESULT + 2, across * RESULT + 2, channels))
    padded[:, :top] = 0
    padded[:, top + height :] = 0
    padded[:, :, :left] = 0
    padded[:, :, left + width :] = 0
    padded[:, top : top + height, left : left + width] = features.permute(0, 2, 3, 1)
    return padded


def _in_squares(result: Tensor) -> Tensor:
    """A view (B, down, 4, across, 4, K) of (B, H, W, K)."""
    return result.unflatten(2, (-1, RESULT)).unflatten(1, (-1, RESULT))


def _parts(padded: Tensor, results: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """What to work on at a time: views (b, 4 d + 2, W, C) of what is seen and (b, d, 4, across, 4, K)."""
    batch, down, _, across, _, channels = results.shape
    rows = max(1, round(_AT_A_TIME / (SEEN**2 * across * max(channels, padded.shape[3]))))
    images = max(1, rows // down)
    for image in range(0, batch, images):
        for row in range(0, down, rows):
            part = results[image : image + images, row : row + rows]
            first = row * RESULT
            yield padded[image : image + images, first : first + part.shape[1] * RESULT + 2], part
