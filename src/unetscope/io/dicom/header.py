"""Look up what a header says, of the whole file or of one frame."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue
from pydicom.tag import Tag

__all__ = ["code", "frame_count", "items", "macro", "number", "numbers", "text", "texts"]

_TEXTS = {"CS", "DA", "DS", "DT", "IS", "TM", "UI"}
"""Value representations that are ASCII, with backslashes between the values (PS3.5 6.2)."""

_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")


def frame_count(header: Dataset) -> int:
    """Count the frames; an absent or empty number, and 0, mean one."""
    try:
        return int(text(header, "NumberOfFrames") or 1) or 1
    except ValueError:
        raise ValueError("its number of frames is not a whole number") from None


def items(header: Dataset, name: str, frame: int = 0) -> Sequence[Dataset]:
    """Find the items of a functional group for one frame (PS3.3 C.7.6.16).

    Enhanced files hold a group once for all frames, or once for each; the sequence may also lie in the
    header itself, as in classic files. Empty where it is nowhere.
    """
    frames = _sequence(header, "PerFrameFunctionalGroupsSequence")
    places = [frames[frame]] if frame < len(frames) else []
    for place in (*places, *_sequence(header, "SharedFunctionalGroupsSequence"), header):
        if found := _sequence(place, name):
            return found
    return []


def macro(header: Dataset, name: str, frame: int = 0) -> Dataset:
    """Find the first item of a functional group for one frame.

    A classic file holds the same attributes itself, so that there the answer is the header.
    """
    found = items(header, name, frame)
    return found[0] if found else header


def numbers(dataset: Dataset, name: str) -> tuple[float, ...]:
    """All values of an attribute; none where it is absent, empty, or holds anything but finite numbers."""
    parts = _values(dataset, name)
    if any(part in {"", None} for part in parts):
        return ()
    values = tuple(map(float, parts))
    return values if all(map(math.isfinite, values)) else ()


def number(dataset: Dataset, name: str) -> float | None:
    """Take the first value of an attribute; None where there is none."""
    return next(iter(numbers(dataset, name)), None)


def texts(dataset: Dataset, name: str) -> tuple[str, ...]:
    """All values of an attribute as text; none where it is absent or empty."""
    parts = tuple(map(str, _values(dataset, name)))
    return parts if any(parts) else ()


def text(dataset: Dataset, name: str) -> str:
    """Give all of an attribute as one text; empty where it is absent."""
    return "\\".join(texts(dataset, name))


def code(dataset: Dataset, name: str) -> str:
    """Give a coded word, such as a modality; empty where it is absent or none.

    In damaged headers other elements run into it, and names of patients are among them.
    """
    word = text(dataset, name)
    return word if _CODE.fullmatch(word) else ""


# Names are looked up once and not for each of thousands of headers.
_tag = cache(Tag)


def _sequence(dataset: Dataset, name: str) -> Sequence[Dataset]:
    tag = _tag(name)
    return (dataset[tag].value or ()) if tag in dataset else ()


def _values(dataset: Dataset, name: str) -> Sequence[Any]:
    element = dataset.get_item(_tag(name))
    if element is None:
        return ()
    # Split here what pydicom has not looked at yet: that takes a tenth of the time, and a series has
    # thousands of headers.
    if isinstance(element, RawDataElement) and element.VR in _TEXTS and element.value is not None:
        return [part.strip(" \0") for part in element.value.decode("latin-1").split("\\")]
    value = dataset.get(name)
    if value is None:
        return ()
    return value if isinstance(value, MultiValue | list) else [value]
