"""Read images and masks once, and say what is wrong with each pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from unetscope.errors import InputError
from unetscope.io.image import Image
from unetscope.io.masks import find_classes
from unetscope.io.masks.colors import Color, colors_in, is_gray, number_colors, without_label
from unetscope.io.masks.mask import DRAWN, placed_on, read_mask, read_values
from unetscope.io.masks.values import as_labels
from unetscope.io.pairs.groups import GroupRule
from unetscope.io.pairs.matching import Match
from unetscope.io.pairs.table import Pair
from unetscope.io.reader import read

__all__ = ["examine"]

_MOST_LABELS = 256
_T = TypeVar("_T")


def examine(
    matches: Sequence[Match],
    rule: GroupRule,
    *,
    groups: Sequence[str] = (),
    colors: Mapping[Color, int],
    classes: Mapping[str, int] | None = None,
    objects: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[tuple[Pair, ...], dict[Color, int], dict[str, int]]:
    """Read all files once and note what is wrong with them.

    Parameters
    ----------
    matches : sequence of Match
    rule : GroupRule
        Gives the group where `groups` gives none.
    groups : sequence of str
        One per match, or nothing.
    colors, classes : mapping
        Labels, if they are known; otherwise (empty colors, no classes) they are found in the masks.
    objects : bool
        Whether outlines number their objects.
    progress : callable, optional
        Called with the number of pairs read and of all, before each; what it raises ends the reading.

    Returns
    -------
    pairs : tuple of Pair
        One per match.
    colors, classes : dict
        The mappings of the data set; empty if its masks need none.

    Raises
    ------
    InputError
        If the masks name classes in ways that don't fit together, or an image has no group.
    """
    if classes is None:
        classes = {} if objects else _classes_of(matches)
    # One by one: threads take 0.6 of the time, but decoders' warnings, which tell damage, know no threads.
    seen: list[_Look] = []
    for match in matches:
        if progress is not None:
            progress(len(seen), len(matches))
        seen.append(_look_at(match, rule, classes, objects=objects))
    table, problem = dict(colors), ""
    if not table:
        try:
            table = number_colors(color for look in seen for color in look.colors)
        except InputError as error:
            problem = str(error)
    for look in seen:
        if look.colors:
            look.take_colors(table, problem)
        elif table and look.foreground and not look.problems:
            look.notes.append("the mask has no colors, unlike others: its values are taken as they are")
    pairs = (
        look.pair(match, group)
        for look, match, group in zip(seen, matches, groups or [""] * len(matches), strict=True)
    )
    return tuple(pairs), table, dict(classes)


@dataclass
class _Look:
    """What one look at a pair told; `colors` counts the pixels of each color in a color-coded mask."""

    group: str = ""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    labels: tuple[int, ...] = ()
    grid: tuple[int, ...] = ()
    foreground: float = 0.0
    colors: dict[Color, int] = field(default_factory=dict)

    def take_colors(self, table: Mapping[Color, int], problem: str) -> None:
        """Settle labels and foreground of a color-coded mask, once the colors of all masks are known."""
        if not table and not problem:
            # All masks are gray: their values are labels, and noted already.
            return
        if problem or (unknown := [color for color in self.colors if color not in table]):
            self.problems.append(problem or without_label("the mask", unknown))
            return
        counts: Counter[int] = Counter()
        for color, count in self.colors.items():
            counts[table[color]] += count
        self.labels = tuple(sorted(counts))[:_MOST_LABELS]
        self.foreground = 1 - counts[0] / counts.total()

    def pair(self, match: Match, group: str) -> Pair:
        """Sum it up."""
        notes = list(self.notes)
        if len(self.labels) == 1:
            only = self.labels[0]
            notes.append(f"the whole mask is {only}" if only else "the mask has no foreground")
        return Pair(
            match.image,
            match.mask,
            group or self.group,
            match.reason,
            tuple(self.problems),
            tuple(dict.fromkeys(notes)),
            self.labels,
            self.grid,
            self.foreground,
        )


def _classes_of(matches: Iterable[Match]) -> dict[str, int]:
    """The classes of all masks that can be read; what is wrong with the others, their pairs will say."""
    drawn = dict.fromkeys(match.mask for match in matches if match.mask.suffix.lower() in DRAWN)
    readable = []
    for path in drawn:
        with suppress(InputError):
            find_classes([path])
            readable.append(path)
    return find_classes(readable)


def _look_at(match: Match, rule: GroupRule, classes: Mapping[str, int], *, objects: bool) -> _Look:
    look = _Look()
    image = _attempt(lambda: read(match.image, lazy=True), look.problems)
    look.group = rule(match.image, match.case, image)
    if image is not None:
        look.grid = image.grid
        look.notes += image.source.notes
        if image.data.dtype.kind == "f" and (odd := int((~np.isfinite(image.data)).sum())):
            look.problems.append(f"{odd} pixels of the image are no finite numbers")
    if match.mask.suffix.lower() in DRAWN:
        # Outlines are nothing without their image, whose problem is told already.
        if image is not None:
            mask = _attempt(
                lambda: read_mask(match.mask, on=image, classes=classes or None, objects=objects),
                look.problems,
            )
            _note_labels(look, mask)
        return look
    pixels = _attempt(lambda: read_values(match.mask), look.problems)
    if pixels is not None:
        _look_at_pixels(pixels, image, look)
    return look


def _look_at_pixels(pixels: Image, image: Image | None, look: _Look) -> None:
    if pixels.is_rgb:
        # Gray pictures in RGB may hold any number of labels.
        gray = is_gray(pixels)
        look.colors = _attempt(lambda: colors_in(pixels), [] if gray else look.problems) or {}
    if not pixels.is_rgb or gray:
        _note_labels(look, _attempt(lambda: as_labels(pixels), look.problems))
    look.grid = look.grid or pixels.grid
    if image is not None:
        on_grid = _attempt(lambda: placed_on(pixels, image), look.problems)
        look.notes += on_grid.source.notes if on_grid is not None else ()


def _note_labels(look: _Look, mask: Image | None) -> None:
    if mask is not None:
        look.notes += mask.source.notes
        look.labels = tuple(np.unique(mask.data)[:_MOST_LABELS].tolist())
        look.foreground = float(np.count_nonzero(mask.data) / max(mask.data.size, 1))


def _attempt(reader: Callable[[], _T], problems: list[str]) -> _T | None:
    try:
        return reader()
    except InputError as error:
        problems.append(str(error))
        return None
