"""The conventions by which data sets name folders, images and their masks."""

from __future__ import annotations

import re

__all__ = [
    "CONVENTIONS",
    "IMAGE_FOLDERS",
    "MASK_FOLDERS",
    "SPLIT_FOLDERS",
    "Key",
    "image_keys",
    "is_mask_name",
    "mask_keys",
    "mask_suffix",
]

CONVENTIONS = (
    "a folder of masks with the same names, images/ beside masks/, a subfolder masks/ or GT/, a folder per "
    "case with image and label, X.dcm beside X.png, or X_mask beside X"
)
IMAGE_FOLDERS = {"images", "image", "imgs", "img", "raw", "imagestr"}
MASK_FOLDERS = {
    "masks",
    "mask",
    "labels",
    "label",
    "labelstr",
    "gt",
    "annotations",
    "segmentation",
    "manual",
    "1st_manual",
}
SPLIT_FOLDERS = {"train", "training", "val", "valid", "validation", "test", "testing"}

Key = tuple[str, str]
"""What of a name must agree, and that part of it."""

_MASK_SUFFIX = re.compile(
    r"[_-]((cp_)?masks?|labels?|seg|segmentation|gt|truth|annotation|manual1|1stho|2ndho)$"
)
_IMAGE_SUFFIX = re.compile(r"[_-](img|image)$")
_CHANNEL = re.compile(r"_\d{4}$")
# A word counts as such before a separator, a number or the end: `seg_01`, `seg01`, `seg`, not `segment`.
_END_OF_WORD = r"(?:[_\- ]|(?=\d)|$)"
_MASK_WORD = re.compile(rf"(masks?|labels?|seg|segmentation|gt|truth|annotation){_END_OF_WORD}")
_IMAGE_WORD = re.compile(rf"(images?|img|im|imaging|volume|vol|raw|scan|ct|mri?){_END_OF_WORD}")
_CELL_TRACKING = re.compile(r"man_seg(\d+)")
_CONTOUR = re.compile(r"(.*?(\d+))-[io]contour-(manual|auto)")


def image_keys(stem: str) -> list[Key]:
    """By what a mask can find an image.

    These are its name; the name without ``_img``, and without the channel ``_0000`` of nnU-Net; what follows
    ``image_``; and its last number.
    """
    keys = [("name", stem)]
    if suffix := _IMAGE_SUFFIX.search(stem):
        keys.append(("base", stem.removesuffix(suffix.group())))
    if suffix := _CHANNEL.search(stem):
        keys.append(("channel", stem.removesuffix(suffix.group())))
    if word := _IMAGE_WORD.match(stem):
        keys.append(("role", stem[word.end() :]))
    if numbers := re.findall(r"\d+", stem):
        keys.append(("number", numbers[-1].lstrip("0")))
    return keys


def mask_keys(stem: str) -> list[Key]:
    """By what a mask looks for its image, the surest first."""
    keys = [("name", stem)]
    if word := _MASK_WORD.match(stem):
        keys += [("role", stem[word.end() :]), ("name", stem[word.end() :])]
    base = stem.removesuffix(mask_suffix(stem))
    keys += [("name", base), ("base", base), ("channel", base)]
    # Cell Tracking Challenge: man_seg012 of t012.
    if match := _CELL_TRACKING.fullmatch(stem):
        keys.append(("name", f"t{match[1]}"))
    # Sunnybrook: IM-0001-0048-icontour-manual of IM-0001-0048, or of the image with that number.
    if match := _CONTOUR.fullmatch(stem):
        keys += [("name", match[1]), ("number", match[2].lstrip("0"))]
    return keys


def mask_suffix(stem: str) -> str:
    """``"_mask"`` of ``"a_mask"``; empty if the name does not end like a mask's."""
    match = _MASK_SUFFIX.search(stem)
    return match.group() if match else ""


def is_mask_name(stem: str) -> bool:
    """Whether a name says that a file beside images is the mask of one."""
    patterns = (_MASK_WORD.match(stem), _CELL_TRACKING.fullmatch(stem), _CONTOUR.fullmatch(stem))
    return bool(mask_suffix(stem)) or any(patterns)
