"""The transforms of Winograd's minimal filtering F(4 × 4, 3 × 3), of all squares of an image at a time.

Matrices are those of Lavin and Gray ("Fast algorithms for convolutional neural networks", 2016, section 4.2).
Squares of 6 × 6 pixels overlap by 2; what is computed of each are 4 × 4 pixels. Channels are the last axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

__all__ = ["RESULT", "SEEN", "add_transposed", "back_transposed", "transform", "transform_back"]

# Side of a square of results, and of the pixels that they need.
RESULT, SEEN = 4, 6


def transform(seen: Tensor) -> Tensor:
    """Transformed squares (6, 6, b, d, across, C) of (b, 4 d + 2, 4 across + 2, C)."""
    rows = _every_fourth(seen, 1)
    turned = seen.new_empty((SEEN, *rows[0].shape))
    _transform_axis(rows, turned.unbind())
    columns = _every_fourth(turned, 3)
    squares = seen.new_empty((SEEN, *columns[0].shape))
    _transform_axis(columns, squares.unbind(1))
    return squares


def _every_fourth(seen: Tensor, axis: int) -> list[Tensor]:
    """The first pixels of all squares along an axis, the second ones, and so on."""
    count = (seen.shape[axis] - 2) // RESULT
    shifted = [seen.narrow(axis, i, (count - 1) * RESULT + 1) for i in range(SEEN)]
    step = (slice(None),) * axis + (slice(None, None, RESULT),)
    return [each[step] for each in shifted]


def transform_back(products: Tensor, result: Tensor) -> None:
    """Compute (b, d, 4, across, 4, K) from products (6, 6, b, d, across, K)."""
    rows = products.new_empty((RESULT, *products.shape[1:]))
    _transform_back_axis(products.unbind(), rows.unbind())
    _transform_back_axis(rows.unbind(1), [each.permute(2, 0, 1, 3, 4) for each in result.unbind(4)])


def back_transposed(gradient: Tensor) -> Tensor:
    """Of products (6, 6, b, d, across, K), from that of results (b, d, 4, across, 4, K)."""
    columns = [each.permute(2, 0, 1, 3, 4) for each in gradient.unbind(4)]
    rows = gradient.new_empty((RESULT, SEEN, *columns[0].shape[1:]))
    _back_transposed_axis(columns, rows.unbind(1))
    products = gradient.new_empty((SEEN, *rows.shape[1:]))
    _back_transposed_axis(rows.unbind(), products.unbind())
    return products


def add_transposed(squares: Tensor, gradient: Tensor) -> None:
    """Add to the gradient of what is seen (b, 4 d + 2, W, C) that of squares (6, 6, b, d, across, C)."""
    turned = squares.new_zeros((SEEN, *squares.shape[2:4], gradient.shape[2], squares.shape[5]))
    _add_to(_every_fourth(turned, 3), _transposed_axis(squares.unbind(1)))
    _add_to(_every_fourth(gradient, 1), _transposed_axis(turned.unbind()))


def _add_to(targets: Iterable[Tensor], more: Iterable[Tensor]) -> None:
    for target, each in zip(targets, more, strict=True):
        target.add_(each)


def _transform_axis(seen: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """Six of six, along one axis: the transposed B of the paper, in as few passes over memory as possible."""
    spare, other = torch.empty_like(out[0]), torch.empty_like(out[0])
    torch.add(seen[4], seen[0], alpha=4, out=out[0]).sub_(seen[2], alpha=5)
    torch.add(seen[5], seen[1], alpha=4, out=out[5]).sub_(seen[3], alpha=5)
    torch.sub(seen[4], seen[2], alpha=4, out=spare)
    torch.sub(seen[3], seen[1], alpha=4, out=other)
    torch.add(spare, other, out=out[1])
    torch.sub(spare, other, out=out[2])
    torch.sub(seen[4], seen[2], out=spare)
    torch.sub(seen[3], seen[1], out=other)
    torch.add(spare, other, alpha=2, out=out[3])
    torch.sub(spare, other, alpha=2, out=out[4])


def _transform_back_axis(products: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """Four of six, along one axis: the transposed A of the paper."""
    spare, other = torch.empty_like(products[0]), torch.empty_like(products[0])
    torch.add(products[1], products[2], out=spare)
    torch.add(products[3], products[4], out=other)
    torch.add(products[0], spare, out=out[0]).add_(other)
    torch.add(spare, other, alpha=4, out=out[2])
    torch.sub(products[1], products[2], out=spare)
    torch.sub(products[3], products[4], out=other)
    torch.add(spare, other, alpha=2, out=out[1])
    torch.add(products[5], spare, out=out[3]).add_(other, alpha=8)


def _back_transposed_axis(gradient: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """Six of four, along one axis: A of the paper."""
    out[0].copy_(gradient[0])
    out[5].copy_(gradient[3])
    even, odd = torch.add(gradient[0], gradient[2]), torch.add(gradient[1], gradient[3])
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])
    torch.add(gradient[0], gradient[2], alpha=4, out=even)
    torch.add(gradient[1], gradient[3], alpha=4, out=odd)
    torch.add(even, odd, alpha=2, out=out[3])
    torch.sub(even, odd, alpha=2, out=out[4])


def _transposed_axis(squares: Sequence[Tensor]) -> Iterator[Tensor]:
    """Six of six, along one axis: B of the paper, one after the other."""
    plus, minus = squares[1] + squares[2], squares[1] - squares[2]
    plus_2, minus_2 = squares[3] + squares[4], squares[3] - squares[4]
    yield 4 * squares[0]
    yield torch.sub(squares[5], minus).mul_(4).sub_(minus_2, alpha=2)
    yield torch.mul(squares[0], -5).sub_(plus, alpha=4).sub_(plus_2)
    yield torch.sub(minus, squares[5], alpha=5).add_(minus_2, alpha=2)
    yield plus.add_(plus_2).add_(squares[0])
    yield squares[5]
