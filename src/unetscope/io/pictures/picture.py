"""Read PNG at every bit depth with its stored values; and JPEG, GIF and BMP."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageSequence

from unetscope.errors import ReadError
from unetscope.io._files import canonical, reading
from unetscope.io.image import Image, Source

__all__ = ["read_picture"]

_FORMATS = ("PNG", "JPEG", "GIF", "BMP")
_DAMAGE = (
    EOFError,
    IndexError,
    SyntaxError,
    TypeError,
    ValueError,
    imagecodecs.PngError,
    Pillow.DecompressionBombError,
    Pillow.DecompressionBombWarning,
)
_INCH_M = 0.0254
# Where a PNG states its bit depth: after signature, chunk header, width and height.
_BIT_DEPTH = 8 + 8 + 8


def read_picture(path: Path, *, lazy: bool = False, indices: bool = False) -> Image:
    """Read a PNG, JPEG, GIF or BMP file.

    Values are those of the file: 0 and 1 for 1 bit, 0…3 for 2 bits, 0…15 for 4 bits, up to 65535 for
    16 bits. Transparency is left out; where any pixel was transparent, ``source.tags["alpha"]`` is
    ``"dropped"``. Several frames (GIF, animated PNG) become slices.

    Parameters
    ----------
    path : Path
        The file.
    indices : bool
        Give a picture with a palette as its indices, not as the colors (and opacities) they stand for.
        Labels are often stored so.

    Returns
    -------
    Image
        ``"YX"`` or RGB ``"CYX"`` (with frames ``"ZYX"``, ``"CZYX"``), uint8 or uint16. Spacing in µm from
        the PNG's pixels per meter; the dots per inch of the other formats tell nothing, so 1 pixel.

    Raises
    ------
    ReadError
        If the file is damaged, in CMYK colors, or too large to be a plain picture.
    """
    with reading(path, "a picture", _DAMAGE), warnings.catch_warnings():
        warnings.simplefilter("error", Pillow.DecompressionBombWarning)
        with Pillow.open(path, formats=_FORMATS) as picture:
            kind = str(picture.format).lower()
            depth = _png_depth(path) if kind == "png" else 8
            spacing = _png_spacing(picture) if kind == "png" else None
            if depth == 16:
                frames = [_split_alpha(imagecodecs.png_decode(path.read_bytes()))]
            else:
                frames = [_frame(frame, depth, path, indices=indices) for frame in _frames(picture)]
    if len({values.shape for values, _ in frames}) > 1:
        raise ReadError(
            f"{path.name} has frames of different kinds",
            expected="frames of one size and color",
            fix="save each frame as its own file",
        )
    stack = np.stack([values for values, _ in frames])
    color = stack.ndim == 4
    data, axes = canonical(stack, "ZYXC" if color else "ZYX")
    if len(frames) == 1:
        data, axes = data.squeeze(axes.index("Z")), axes.replace("Z", "")
    else:
        spacing = None
    return Image(
        data,
        axes,
        spacing or (),
        units="µm" if spacing else "pixel",
        channels=("red", "green", "blue") if color else (),
        source=Source(path, kind, tags={"alpha": "dropped"} if any(clear for _, clear in frames) else {}),
    )


def _png_depth(path: Path) -> int:
    with path.open("rb") as file:
        return file.read(_BIT_DEPTH + 1)[_BIT_DEPTH]


def _png_spacing(picture: Pillow.Image) -> tuple[float, float] | None:
    """(Row, column) spacing in µm, from the chunk pHYs in pixels per meter."""
    if "dpi" not in picture.info or 0 in picture.info["dpi"]:
        return None
    # Pillow turns the integers of the file into dots per inch; rounding brings them back.
    across, down = (round(dpi / _INCH_M) for dpi in picture.info["dpi"])
    return 1e6 / down, 1e6 / across


def _frames(picture: Pillow.Image) -> Iterator[Pillow.Image]:
    # A JPEG's further pictures are previews of the first.
    return ImageSequence.Iterator(picture) if picture.format in {"GIF", "PNG"} else iter([picture])


def _frame(picture: Pillow.Image, depth: int, path: Path, *, indices: bool) -> tuple[NDArray[Any], bool]:
    """Give the values of a frame without alpha, and whether any pixel was transparent."""
    if picture.mode not in {"1", "L", "LA", "P", "RGB", "RGBA"}:
        raise ReadError(
            f"{path.name} has {picture.mode} colors",
            expected="grey, RGB or a palette",
            fix="convert it to RGB",
        )
    values = np.array(picture)
    if picture.mode in {"LA", "RGBA"}:
        return _split_alpha(values)
    if picture.mode == "1":
        values = values.astype(np.uint8)
    elif picture.mode == "L":
        # Pillow spreads 2 and 4 bits over 0…255.
        values //= 255 // ((1 << depth) - 1)
    if picture.mode == "P" and indices:
        return values, False
    clear = _any_transparent(values, picture)
    if picture.mode == "P":
        values = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)[values]
    return values, clear


def _split_alpha(values: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    """Separate grey or RGB, (row, column [, 3]), from a last channel of opacity."""
    if values.ndim == 2 or values.shape[2] == 3:
        return values, False
    clear = bool((values[..., -1] < np.iinfo(values.dtype).max).any())
    return (values[..., 0] if values.shape[2] == 2 else values[..., :3]), clear


def _any_transparent(values: NDArray[Any], picture: Pillow.Image) -> bool:
    """Whether a color that the file declares transparent (PNG chunk tRNS, GIF) occurs."""
    declared = picture.info.get("transparency")
    if declared is None:
        return False
    if isinstance(declared, bytes):
        return bool(np.isin(values, [i for i, alpha in enumerate(declared) if alpha < 255]).any())
    return bool((np.atleast_3d(values) == np.array(declared)).all(axis=-1).any())
