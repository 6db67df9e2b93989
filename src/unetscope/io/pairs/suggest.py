"""Suggestions for images without a mask: what may have been meant, never what is done."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path

from unetscope.io._files import stem_of
from unetscope.io.pairs.matching import Unpaired

__all__ = ["with_suggestions"]

_ALIKE = 0.75
# Comparing names takes time; whoever has more images without a mask has another problem.
_MOST = 100


def with_suggestions(unpaired: Sequence[Unpaired], images: Iterable[Path]) -> list[Unpaired]:
    """Add the mask with the most similar name to images that have none.

    Only masks without an image are suggested, and only where all numbers of the two names agree:
    ``cell_02`` is not a slip of the pen for ``cell_01``.

    Parameters
    ----------
    unpaired : sequence of Unpaired
    images : iterable of Path
        Those of them that are images.
    """
    images = set(images)
    masks: dict[tuple[int, ...], dict[str, Path]] = defaultdict(dict)
    for file in unpaired:
        if file.path not in images:
            masks[_numbers(file.path)][stem_of(file.path)] = file.path
    asked = [file.path for file in unpaired if file.path in images][:_MOST]
    return [
        replace(file, suggestion=_suggestion(file.path, masks[_numbers(file.path)]))
        if file.path in asked and not file.suggestion
        else file
        for file in unpaired
    ]


def _suggestion(image: Path, masks: dict[str, Path]) -> str:
    stem = stem_of(image)
    found = get_close_matches(stem, list(masks)[:_MOST], n=1, cutoff=_ALIKE)
    if not found:
        return ""
    mask = masks[found[0]]
    return f"did you mean {mask.parent.name}/{mask.name}? ({_difference(stem, found[0])})"


def _difference(stem: str, other: str) -> str:
    """Say in words what to change in the name of the mask."""
    words = []
    for kind, i, j, k, m in SequenceMatcher(None, other, stem, autojunk=False).get_opcodes():
        if kind == "replace":
            words.append(f"has {other[i:j]!r} instead of {stem[k:m]!r}")
        elif kind == "delete":
            words.append(f"has {other[i:j]!r} too much")
        elif kind == "insert":
            words.append(f"lacks {stem[k:m]!r}")
    return "its name " + " and ".join(words)


def _numbers(path: Path) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", stem_of(path))))
