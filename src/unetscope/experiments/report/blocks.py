"""A report as a list of blocks, from which Markdown and HTML are made: so both say the same.

Blocks hold plain text; whoever writes them out escapes it. Only `Foreign` holds Markdown that somebody wrote.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt

__all__ = [
    "Block",
    "Foreign",
    "Heading",
    "Items",
    "Notice",
    "Paragraph",
    "Picture",
    "Table",
    "lowered",
    "parser",
    "to_markdown",
]

# What Markdown or the HTML in it would take for something else than text.
_SPECIAL = re.compile(r"[\\`*_\[\]<>|~&]")
# What begins a list or a heading at the beginning of a line: the mark to escape.
_LEADING = re.compile(r"^(\d*)([-+#=]|(?<=\d)[.)])")
# What would close a heading, and not be of it.
_CLOSING = re.compile(r"#$")


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the title of the report."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Sentences."""

    text: str


@dataclass(frozen=True)
class Notice:
    """Sentences that nobody should miss, such as what is not finished."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list of points, each with the words that lead it (may be empty) and its sentences."""

    points: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows.

    Attributes
    ----------
    caption : str
    header : tuple of str
    rows : tuple of tuple of str
        Each as long as the header.
    aside : frozenset of int
        Rows that are no results of ours, such as published numbers.
    folded : bool
        Whether HTML shows no more than the caption until it is asked for.
    words : bool
        Whether cells hold words, flush left, and not numbers.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    aside: frozenset[int] = frozenset()
    folded: bool = False
    words: bool = False


@dataclass(frozen=True)
class Picture:
    """A figure in a file, whose path is relative to the report."""

    path: str
    title: str
    caption: str


@dataclass(frozen=True)
class Foreign:
    """Markdown that somebody wrote; its headings come below the last one of the report."""

    text: str


Block = Heading | Paragraph | Notice | Items | Table | Picture | Foreign


def parser() -> MarkdownIt:
    """What reads foreign Markdown: CommonMark and tables; no HTML, nothing loaded from elsewhere."""
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def lowered(text: str, level: int) -> str:
    """Markdown with the same headings, none higher than a level; below 6 there are none in HTML."""
    tokens = [token for token in parser().parse(text) if token.type == "heading_open" and token.level == 0]
    if not tokens:
        return text
    shift = level - min(int(token.tag[1]) for token in tokens)
    lines = text.splitlines()
    for token in tokens:
        first, after = token.map or [0, 0]
        marks = "#" * min(int(token.tag[1]) + shift, 6)
        # A heading that is underlined may have several lines; the last one is the rule.
        words = lines[first:after] if token.markup.startswith("#") else lines[first : after - 1]
        title = " ".join(line.strip() for line in words).lstrip("# ")
        lines[first:after] = [f"{marks} {title}", *[""] * (after - first - 1)]
    return "\n".join(lines)


def to_markdown(blocks: Sequence[Block]) -> str:
    """Write blocks as Markdown, as GitHub reads it."""
    return "\n\n".join(map(_markdown, blocks)) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading():
            text = f"{'#' * block.level} {_heading(block.text)}"
        case Paragraph():
            text = _paragraph(block.text)
        case Notice():
            text = f"> **{_text(block.text)}**"
        case Items():
            text = "\n".join(f"- {_point(lead, words)}" for lead, words in block.points)
        case Table():
            text = _table(block)
        case Picture():
            title = _text(block.title)
            text = f"![{title}]({block.path})\n\n*{title}.* {_text(block.caption)}"
        case Foreign():
            text = lowered(block.text, 3).strip()
    return text


def _text(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def _heading(text: str) -> str:
    return _CLOSING.sub(r"\\#", _text(text))


def _paragraph(text: str) -> str:
    return _LEADING.sub(r"\1\\\2", _text(text))


def _point(lead: str, text: str) -> str:
    return f"**{_text(lead)}** {_text(text)}" if lead else _paragraph(text)


def _table(table: Table) -> str:
    after_first = "---" if table.words else "---:"
    lines = [table.header, ("---", *[after_first] * (len(table.header) - 1))]
    text = [f"| {' | '.join(map(_text, lines[0]))} |", f"| {' | '.join(lines[1])} |"]
    for number, row in enumerate(table.rows):
        cells = [_text(cell) for cell in row]
        if number in table.aside:
            cells = [f"*{cell}*" if cell else "" for cell in cells]
        text.append(f"| {' | '.join(cells)} |")
    return f"**{_text(table.caption)}**\n\n" + "\n".join(text)
