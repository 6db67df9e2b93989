"""A grid cut into blocks, each of which sees some pixels around it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Block", "plan_blocks"]


@dataclass(frozen=True)
class Block:
    """A part of a grid.

    Attributes
    ----------
    index : tuple of int
        Which one it is along each axis.
    core : tuple of slice
        The pixels that it answers for.
    outer : tuple of slice
        The pixels that it looks at, which are some more where the grid goes on.
    """

    index: tuple[int, ...]
    core: tuple[slice, ...]
    outer: tuple[slice, ...]

    @property
    def name(self) -> str:
        """For its file."""
        return "-".join(map(str, self.index))

    @property
    def inner(self) -> tuple[slice, ...]:
        """Where the core lies in what is looked at."""
        return tuple(
            slice(core.start - outer.start, core.stop - outer.start)
            for core, outer in zip(self.core, self.outer, strict=True)
        )

    def before(self, axis: int) -> tuple[int, ...]:
        """Index of the neighbor before it along an axis."""
        return tuple(place - (each == axis) for each, place in enumerate(self.index))


def plan_blocks(grid: Sequence[int], side: int, margin: int) -> Iterator[Block]:
    """Blocks that cover a grid, the last axis fastest.

    Parameters
    ----------
    grid : sequence of int
        Lengths, pixels.
    side : int
        Of a block's core; shorter at the end of the grid.
    margin : int
        How far a block sees beyond its core.

    Yields
    ------
    Block
    """
    for index in itertools.product(*(range(-(-length // side)) for length in grid)):
        core, outer = [], []
        for place, length in zip(index, grid, strict=True):
            start, stop = place * side, min((place + 1) * side, length)
            core.append(slice(start, stop))
            outer.append(slice(max(start - margin, 0), min(stop + margin, length)))
        yield Block(index, tuple(core), tuple(outer))
