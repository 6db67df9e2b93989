"""Look up what a header says, of the whole file or of one frame."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from functools import cache
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

__all__ = [
    "code",
    "frame_count",
    "frame_groups",
    "holds",
    "items",
    "macro",
    "number",
    "numbers",
    "text",
    "texts",
]

_TEXTS = {"CS", "DA", "DS", "DT", "IS", "TM", "UI"}
"""Value representations that are ASCII, with backslashes between the values (PS3.5 6.2)."""

_LOCAL_TEXTS = {"LO", "SH"}
"""The same in the character set of the file: ASCII too, where no byte is above it and none an escape."""

_ESCAPE = b"\x1b"

_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}
"""Value representations that are binary numbers, with the letters of `struct` for them."""

_EMPTY_ITEM = 8
"""Bytes of an item with nothing in it: its tag and its length (PS3.5 7.5)."""

_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")


def holds(dataset: Dataset, name: str) -> bool:
    """Whether an attribute is there, if only empty."""
    return _entry(name)[0] in dataset


def frame_count(header: Dataset) -> int:
    """Count the frames; an absent or empty number, and 0, mean one."""
    try:
        return int(text(header, "NumberOfFrames") or 1) or 1
    except ValueError:
        raise ValueError("its number of frames is not a whole number") from None


def frame_groups(header: Dataset) -> Sequence[Dataset]:
    """Give the functional groups of each frame (PS3.3 C.7.6.16); none in classic files.

    Some writers leave an empty item of them there.
    """
    element = header.get_item(_entry("PerFrameFunctionalGroupsSequence")[0])
    # Before pydicom makes a sequence of it, which takes longer than all else that is asked of a classic file.
    if isinstance(element, RawDataElement) and len(element.value or b"") <= _EMPTY_ITEM:
        return ()
    groups = _sequence(header, "PerFrameFunctionalGroupsSequence")
    return groups if any(groups) else ()


def items(header: Dataset, name: str, frame: int = 0) -> Sequence[Dataset]:
    """Find the items of a functional group for one frame (PS3.3 C.7.6.16).

    Enhanced files hold a group once for all frames, or once for each; the sequence may also lie in the
    header itself, as in classic files. Empty where it is nowhere.
    """
    frames = frame_groups(header)
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
    if "" in parts or None in parts:
        return ()
    values = tuple(map(float, parts))
    return values if all(map(math.isfinite, values)) else ()


def number(dataset: Dataset, name: str) -> float | None:
    """Take the first value of an attribute; None where there is none."""
    values = numbers(dataset, name)
    return values[0] if values else None


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


@cache
def _entry(name: str) -> tuple[BaseTag, str]:
    """Tag and value representation of an attribute, looked up once and not for thousands of headers."""
    tag = Tag(name)
    return tag, dictionary_VR(tag)


def _sequence(dataset: Dataset, name: str) -> Sequence[Dataset]:
    tag, _ = _entry(name)
    return (dataset[tag].value or ()) if tag in dataset else ()


def _values(dataset: Dataset, name: str) -> Sequence[Any]:
    tag, vr = _entry(name)
    element = dataset.get_item(tag)
    if element is None:
        return ()
    if isinstance(element, RawDataElement) and (found := _raw_values(element, element.VR or vr)) is not None:
        return found
    value = dataset.get(name)
    if value is None:
        return ()
    return value if isinstance(value, MultiValue | list) else [value]


def _raw_values(element: RawDataElement, vr: str) -> Sequence[Any] | None:
    """Split what pydicom has not looked at yet, in a tenth of its time; None for what only pydicom knows."""
    value = element.value
    if value is None:
        return None
    if vr in _TEXTS or (vr in _LOCAL_TEXTS and value.isascii() and _ESCAPE not in value):
        return [part.strip(" \0") for part in value.decode("latin-1").split("\\")]
    if vr in _NUMBERS:
        order, letter = "<" if element.is_little_endian else ">", _NUMBERS[vr]
        count = len(value) // struct.calcsize(f"<{letter}")
        return struct.unpack(f"{order}{count}{letter}", value)
    return None
