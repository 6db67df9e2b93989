"""Blocks as one page of HTML that needs nothing else: style and figures are in it, scripts are not."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from unetscope.experiments.report.blocks import (
    Block,
    Foreign,
    Heading,
    Items,
    Notice,
    Paragraph,
    Picture,
    Table,
    lowered,
    parser,
)

__all__ = ["to_html"]

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --text: #1f2328; --faint: #59636e; --line: #d1d9e0;
  --band: #f4f6f8; --link: #0b5cad; --notice: #fff4d6; --edge: #c47f00; }
@media (prefers-color-scheme: dark) { :root { --page: #14181d; --text: #e4e7eb; --faint: #9aa5b1;
  --line: #3a424c; --band: #1d232a; --link: #79b8ff; --notice: #3a2f10; --edge: #e0a020; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1rem 1rem 4rem; max-width: 62rem; background: var(--page);
  color: var(--text); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  overflow-wrap: break-word; }
h1, h2, h3 { line-height: 1.25; text-wrap: balance; }
h2 { margin-top: 2.5rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
a { color: var(--link); }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: 1rem 0; font-size: .9rem; }
li { margin: .4rem 0; }
code, pre { font-family: ui-monospace, Consolas, monospace; font-size: .9em; }
pre { overflow-x: auto; padding: .6rem; background: var(--band); }
.notice { padding: .6rem 1rem; background: var(--notice); border-left: 4px solid var(--edge); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; margin: 1rem 0; }
caption, summary { text-align: left; font-weight: 600; padding: .3rem 0; }
summary { cursor: pointer; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
thead th { background: var(--band); vertical-align: bottom; }
tbody th { font-weight: 600; min-width: 8rem; position: sticky; left: 0; background: var(--page); }
.numbers td, .numbers thead th + th { text-align: right; white-space: nowrap; }
.words td { min-width: 6rem; }
.aside th, .aside td { font-style: italic; font-weight: 400; color: var(--faint); }
figure { margin: 2rem 0; }
figure img { display: block; width: 100%; min-width: 40rem; max-width: 62rem; background: #ffffff; }
figcaption { margin-top: .5rem; font-size: .9rem; color: var(--faint); }
figcaption b { color: var(--text); }
@media print { details > * { display: block; } body { max-width: none; } nav { display: none; } }
"""


def to_html(blocks: Sequence[Block], pictures: Mapping[str, bytes]) -> str:
    """Write blocks as one HTML page.

    Parameters
    ----------
    blocks : sequence of Block
        The first is the title.
    pictures : mapping of str to bytes
        The PNG files, by the paths that the blocks name.
    """
    places = _places(block.text for block in blocks if isinstance(block, Heading) and block.level == 2)
    title = next((block.text for block in blocks if isinstance(block, Heading)), "Report")
    body = [_html(block, pictures, places) for block in blocks]
    links = "\n".join(f'<a href="#{place}">{escape(text)}</a>' for text, place in places.items())
    body.insert(1, f'<nav aria-label="Sections">\n{links}\n</nav>')
    content = "\n".join(body)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
{content}
</main>
</body>
</html>
"""


def _html(block: Block, pictures: Mapping[str, bytes], places: Mapping[str, str]) -> str:
    match block:
        case Heading():
            place = f' id="{places[block.text]}"' if block.level == 2 else ""
            text = f"<h{block.level}{place}>{escape(block.text)}</h{block.level}>"
        case Paragraph():
            text = f"<p>{escape(block.text)}</p>"
        case Notice():
            text = f'<p class="notice" role="note">{escape(block.text)}</p>'
        case Items():
            points = "\n".join(f"<li>{_point(lead, words)}</li>" for lead, words in block.points)
            text = f"<ul>\n{points}\n</ul>"
        case Table():
            text = _table(block)
        case Picture():
            text = _figure(block, pictures[block.path])
        case Foreign():
            text = parser().render(lowered(block.text, 3)).strip()
    return text


def _point(lead: str, text: str) -> str:
    return f"<strong>{escape(lead)}</strong> {escape(text)}" if lead else escape(text)


def _table(table: Table) -> str:
    header = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.header)
    rows = "\n".join(_row(row, aside=number in table.aside) for number, row in enumerate(table.rows))
    caption = "" if table.folded else f"<caption>{escape(table.caption)}</caption>\n"
    kind = "words" if table.words else "numbers"
    text = (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.caption)}">\n'
        f'<table class="{kind}">\n{caption}<thead><tr>{header}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n'
        "</table>\n</div>"
    )
    if table.folded:
        text = f"<details>\n<summary>{escape(table.caption)}</summary>\n{text}\n</details>"
    return text


def _row(cells: Sequence[str], *, aside: bool) -> str:
    first, *others = map(escape, cells)
    values = "".join(f"<td>{cell}</td>" for cell in others)
    mark = ' class="aside"' if aside else ""
    return f'<tr{mark}><th scope="row">{first}</th>{values}</tr>'


def _figure(picture: Picture, data: bytes) -> str:
    encoded = base64.b64encode(data).decode("ascii")
    return (
        '<figure>\n<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{escape(picture.title)}">'
        f'<img alt="{escape(picture.title)}" src="data:image/png;base64,{encoded}"></div>\n'
        f"<figcaption><b>{escape(picture.title)}.</b> {escape(picture.caption)}</figcaption>\n</figure>"
    )


def _places(titles: Iterable[str]) -> dict[str, str]:
    """Names to link to, by the headings."""
    return {title: re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") for title in titles}
