"""What never straddles a split: the patient, the case, the file, or a part of its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from unetscope.errors import InputError
from unetscope.io._files import SUFFIXES, bare_name, suffix_of
from unetscope.io.image import Image

__all__ = ["GroupRule", "group_rule"]

GroupRule = Callable[[Path, str, Image | None], str]
"""From the path of an image, its case and the image, if it was readable, to the group."""


def group_rule(group: str) -> GroupRule:
    """Turn the name of a grouping into a function; see `find_pairs`.

    Raises
    ------
    InputError
        If there is no such grouping, or the pattern is no regular expression.
    """
    if group.startswith("regex:"):
        return _by_pattern(group.removeprefix("regex:"))
    rules: dict[str, GroupRule] = {
        "auto": _by_patient_case_or_file,
        "file": _by_file,
        "patient": _by_patient,
    }
    if group not in rules:
        raise InputError(
            f"the grouping is {group!r}",
            expected="auto, file, patient or regex:PATTERN",
            fix="choose one of these",
        )
    return rules[group]


def _by_file(path: Path, case: str, image: Image | None) -> str:  # noqa: ARG001
    # Folders and files named by numbers with points have no suffix to take away.
    name = bare_name(path) if suffix_of(path) in SUFFIXES else path.name
    return f"{case}/{name}" if case else name


def _by_patient_case_or_file(path: Path, case: str, image: Image | None) -> str:
    return (image and image.source.group) or case or _by_file(path, case, image)


def _by_patient(path: Path, case: str, image: Image | None) -> str:
    # An unreadable image is a problem of its pair already, and never comes to a split.
    if image is None:
        return _by_file(path, case, image)
    if image.source.group is None:
        raise InputError(
            f"{path.name} names no patient",
            expected="DICOM images with a patient identifier, to group by patient",
            fix="group by file, by a pattern of the names, or by a column of a table",
        )
    return image.source.group


def _by_pattern(text: str) -> GroupRule:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise InputError(
            f"the pattern {text!r} is no regular expression ({error})",
            expected="a pattern such as (.+)_",
            fix="correct it",
        ) from error

    def rule(path: Path, case: str, image: Image | None) -> str:  # noqa: ARG001
        found = pattern.search(path.name)
        part = found and (found.group(1) if pattern.groups else found.group())
        if not part:
            raise InputError(
                f"{path.name} has no part that matches {text!r}",
                expected="a match in every image's name, to group by",
                fix="correct the pattern",
            )
        return part

    return rule
