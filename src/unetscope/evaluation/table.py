"""Tables as text: aligned for a terminal, or Markdown."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["aligned", "markdown"]


def aligned(header: Sequence[str], blocks: Sequence[Sequence[Sequence[str]]]) -> str:
    """Columns of equal width, the first flush left and the others flush right.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    blocks : sequence of blocks of rows of cells
        A rule is drawn above each block that has rows.
    """
    rows = [row for block in blocks for row in block]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join([first, *others]).rstrip()

    rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
    lines = [line(header)]
    for block in filter(None, blocks):
        lines += [rule, *map(line, block)]
    return "\n".join(lines)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Build a Markdown table with right-aligned columns after the first."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)
