"""What `unetscope pairs` prints about a data set."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unetscope._words import count
from unetscope.errors import RecipeError
from unetscope.io import Pairing
from unetscope.io.masks.colors import color_name

__all__ = ["as_record", "as_text", "read_labels"]

_MOST_LABELS = 12


def as_text(pairing: Pairing, folder: Path) -> str:
    """One line per pair, below it what is wrong with it or worth a look; then what is in no pair.

    Parameters
    ----------
    pairing : Pairing
    folder : Path
        Paths are shown as seen from here.
    """
    groups = {pair.group for pair in pairing.pairs}
    usable = len(pairing.usable())
    lines = [f"{count(len(pairing.pairs), 'pair')} in {count(len(groups), 'group')}, {usable} usable."]
    reasons = Counter(pair.reason for pair in pairing.pairs)
    lines += [f"- {reason}: {count(number, 'pair')}" for reason, number in reasons.most_common()]
    lines += list(_legend("Colors", {color_name(color): n for color, n in pairing.colors.items()}))
    lines += list(_legend("Classes", pairing.classes))
    for pair in pairing.pairs:
        sign = "ok " if pair.usable else "no "
        paths = " ← ".join(_seen_from(folder, path) for path in (pair.image, pair.mask))
        labels = ", ".join(map(str, pair.labels[:_MOST_LABELS])) + ", …" * (len(pair.labels) > _MOST_LABELS)
        belongs = f"{pair.group}, {pair.split}" if pair.split else pair.group
        lines.append(f"{sign} {paths}  [{belongs}]  labels {labels or 'unknown'}")
        lines += [f"      {sentence}" for sentence in (*pair.problems, *pair.notes)]
    if pairing.unpaired:
        lines.append(f"{count(len(pairing.unpaired), 'file')} in no pair:")
    for file in pairing.unpaired:
        suggestion = f"; {file.suggestion}" if file.suggestion else ""
        lines.append(f"    {_seen_from(folder, file.path)}: {file.why}{suggestion}")
    return "\n".join(lines)


def as_record(pairing: Pairing) -> dict[str, Any]:
    """The same for a program."""
    return {
        "pairs": [asdict(pair) | {"usable": pair.usable} for pair in pairing.pairs],
        "unpaired": [asdict(file) for file in pairing.unpaired],
        "colors": {color_name(color): label for color, label in pairing.colors.items()},
        "classes": dict(pairing.classes),
    }


def read_labels(texts: Sequence[str]) -> dict[str, int]:
    """Read ``"#ff0000=1"``.

    Raises
    ------
    RecipeError
        If a text has no label.
    """
    labels = {}
    for text in texts:
        name, _, label = text.rpartition("=")
        if not name or not label.isdecimal():
            raise RecipeError(f"{text!r} gives no label", expected="such as #ff0000=1", fix="correct it")
        labels[name] = int(label)
    return labels


def _legend(title: str, labels: Mapping[str, int]) -> Iterator[str]:
    if labels:
        yield f"{title}: " + ", ".join(f"{name} is {label}" for name, label in labels.items())


def _seen_from(folder: Path, path: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return str(path)
