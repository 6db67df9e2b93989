"""Color-coded masks: one mapping from colors to labels for a whole data set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.io.image import Image

__all__ = [
    "BLACK",
    "Color",
    "Colors",
    "as_colors",
    "color_name",
    "colors_in",
    "is_gray",
    "labels_from_colors",
    "number_colors",
    "parse_color",
    "without_label",
]

Color = tuple[int, int, int]
Colors = Mapping[Color, int] | Mapping[str, int]
"""Label of each color: (red, green, blue) as stored, or ``"#ff0000"``."""

BLACK = (0, 0, 0)
_MOST_COLORS = 256
_HEX = re.compile(r"#?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})", re.IGNORECASE)
_TRIPLE = re.compile(r"\(?(\d{1,5})[ ,]+(\d{1,5})[ ,]+(\d{1,5})\)?")
_HALF = np.uint64(21)


def colors_in(image: Image) -> dict[Color, int]:
    """Count the pixels of each color of a picture.

    Raises
    ------
    InputError
        If there are more than 256 colors.
    """
    packed, counts = np.unique(_packed(image), return_counts=True)
    if len(packed) > _MOST_COLORS:
        raise _too_many(image.name, len(packed), _unpacked(packed[counts.argmin()]))
    return {_unpacked(value): int(count) for value, count in zip(packed, counts, strict=True)}


def number_colors(found: Iterable[Color]) -> dict[Color, int]:
    """Give labels to the colors of a data set; see `find_colors`."""
    colors = sorted(set(found))
    if all(red == green == blue for red, green, blue in colors):
        return {}
    if len(colors) > _MOST_COLORS:
        raise _too_many("the masks", len(colors), colors[-1])
    if BLACK not in colors:
        raise InputError(
            f"the masks hold {len(colors)} colors ({_some(colors)}) and none of them is black",
            expected="black as the background",
            fix=f'say which color is the background, such as colors "{color_name(colors[0])}=0"',
        )
    return {color: label for label, color in enumerate(colors)}


def as_colors(colors: Colors) -> dict[Color, int]:
    """Read the names of colors.

    Raises
    ------
    InputError
        If one of them is no color.
    """
    return {parse_color(key) if isinstance(key, str) else key: label for key, label in colors.items()}


def labels_from_colors(image: Image, colors: Mapping[Color, int]) -> Image:
    """Turn a color-coded picture into labels.

    Raises
    ------
    InputError
        If the picture holds a color that the mapping lacks.
    """
    packed, inverse = np.unique(_packed(image), return_inverse=True)
    names = [_unpacked(value) for value in packed[: _MOST_COLORS + 1]]
    unknown = [color for color in names if color not in colors]
    if unknown or len(packed) > _MOST_COLORS:
        raise InputError(
            without_label(image.name, unknown),
            expected=f"only the {len(colors)} colors of the data set",
            fix="add them to the colors, or correct the mask",
        )
    values = np.array([colors[color] for color in names])
    data = values.astype(np.min_scalar_type(int(values.max(initial=0))))[
        inverse.reshape(_packed_shape(image))
    ]
    table = {color_name(color): label for color, label in colors.items()}
    tags = {**image.source.tags, "reading": {"colors": table}}
    mask = image.with_data(np.ascontiguousarray(data), axes=image.axes.replace("C", ""))
    return replace(mask, source=replace(image.source, tags=tags))


def is_gray(image: Image) -> bool:
    """Whether red, green and blue are equal in every pixel."""
    red, green, blue = np.moveaxis(image.data, image.axes.index("C"), 0)
    return bool((red == green).all() and (green == blue).all())


def without_label(name: str, colors: list[Color]) -> str:
    """Say which colors of a mask the mapping lacks."""
    return f"{name} has {len(colors)} colors without a label ({_some(colors)})"


def color_name(color: Color) -> str:
    """``"#ff0000"`` for (255, 0, 0); 16-bit colors as ``"65535,0,0"``."""
    if max(color) < 256:
        return "#{:02x}{:02x}{:02x}".format(*color)
    return ",".join(map(str, color))


def parse_color(text: str) -> Color:
    """Read what `color_name` writes.

    Raises
    ------
    InputError
        If it is no color.
    """
    if match := _HEX.fullmatch(text.strip()):
        red, green, blue = (int(part, 16) for part in match.groups())
    elif match := _TRIPLE.fullmatch(text.strip()):
        red, green, blue = map(int, match.groups())
    else:
        raise InputError(
            f"{text!r} is no color", expected="a color such as #ff0000 or 255,0,0", fix="correct it"
        )
    return red, green, blue


def _packed(image: Image) -> NDArray[np.uint64]:
    """Each pixel's color as one number, in the order of red, green, blue."""
    channels: NDArray[Any] = np.moveaxis(image.data, image.axes.index("C"), 0)
    if channels.dtype.kind != "u" or channels.dtype.itemsize > 2:
        raise InputError(
            f"{image.name} has color channels of type {channels.dtype}",
            expected="8 or 16 bits per channel",
            fix="save the mask as PNG",
        )
    red, green, blue = channels.astype(np.uint64)
    packed: NDArray[np.uint64] = (red << (2 * _HALF)) | (green << _HALF) | blue
    return packed


def _packed_shape(image: Image) -> tuple[int, ...]:
    position = image.axes.index("C")
    return image.data.shape[:position] + image.data.shape[position + 1 :]


def _unpacked(value: Any) -> Color:
    number, mask = int(value), (1 << int(_HALF)) - 1
    return number >> (2 * int(_HALF)), (number >> int(_HALF)) & mask, number & mask


def _too_many(where: str, count: int, example: Color) -> InputError:
    return InputError(
        f"{count} different colors are in {where}, such as {color_name(example)}",
        expected=f"at most {_MOST_COLORS}, one per class",
        fix="draw without smooth edges, save without loss, and check that this is a mask",
    )


def _some(colors: list[Color]) -> str:
    return ", ".join(map(color_name, colors[:4])) + (", …" if len(colors) > 4 else "")
