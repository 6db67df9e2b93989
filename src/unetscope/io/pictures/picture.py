"""Read PNG at every bit depth with its stored values; and JPEG, GIF and BMP."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, GifImagePlugin, ImageFile, ImageOps, ImageSequence, JpegImagePlugin
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngImageFile

from unetscope.errors import ReadError
from unetscope.io._files import canonical, kind_of, reading
from unetscope.io._limits import DEFLATE, require_memory
from unetscope.io._units import print_default
from unetscope.io.image import Image, Source
from unetscope.io.pictures.png import pixel_chunks, read_png_header

__all__ = ["read_picture"]

# By class and not by Pillow's `open`, whose limit on pixels knows nothing of this machine's memory, and which
# takes a JPEG's further pictures, previews of the first, for frames.
_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    "png": PngImageFile,
    "jpeg": JpegImagePlugin.JpegImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
}
_DAMAGE = (
    EOFError,
    IndexError,
    KeyError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    struct.error,
    imagecodecs.PngError,
    Pillow.DecompressionBombError,
)
# Values for one byte of the file. PNG: a bit can be an index, and that three values. GIF: a code of LZW, 1.5
# bytes, is a string of fewer than 4096 indices.
_EXPANSION = {"PNG": 24 * DEFLATE, "GIF": 3 * 2731}
_MODES = {"1", "L", "LA", "P", "RGB", "RGBA"}
_ORIENTATION = 0x0112


def read_picture(path: Path, *, lazy: bool = False, indices: bool = False) -> Image:  # noqa: ARG001 (as all readers)
    """Read a PNG, JPEG, GIF or BMP file.

    Values are those of the file: 0 and 1 for 1 bit, 0…3 for 2 bits, 0…15 for 4 bits, up to 65535 for
    16 bits. Transparency is left out; where any pixel was transparent, ``source.tags["alpha"]`` is
    ``"dropped"``. The frames of a GIF or an animated PNG, as displayed one after the other, become time
    points where the file gives them durations, else slices. A photograph is turned upright as its EXIF
    orientation says, which is how viewers and annotation tools show it.

    Parameters
    ----------
    path : Path
        The file.
    lazy : bool
        Without effect: these formats can only be decoded as a whole.
    indices : bool
        Give a picture with a palette as its indices, not as the colors (and opacities) they stand for.
        Labels are often stored so.

    Returns
    -------
    Image
        ``"YX"`` or RGB ``"CYX"`` (with frames also T or Z), uint8 or uint16. Spacing in µm from the PNG's
        pixels per meter, unless those are a default of screens and printers; the dots per inch of the other
        formats tell nothing, so 1 pixel.

    Raises
    ------
    ReadError
        If the file is damaged, in CMYK colors, or too large for the memory.
    """
    kind = kind_of(path)
    notes: list[str] = []
    with reading(path, "a picture", _DAMAGE), warnings.catch_warnings():
        # Pillow warns where it goes on with less than the file holds.
        warnings.simplefilter("error")
        header = read_png_header(path) if kind == "png" else None
        depth = header.depth if header else 8
        with _PLUGINS[kind](path) as picture:
            count = getattr(picture, "n_frames", 1)
            _check(path, picture, count, depth)
            if depth == 16 or (header and header.is_plain and count == 1):
                frames = [_split_alpha(imagecodecs.png_decode(pixel_chunks(path)))]
            else:
                upright = _turned(picture, notes) if kind == "jpeg" else picture
                frames = [_frame(frame, depth, indices=indices) for frame in _frames(upright)]
            timed = bool(picture.info.get("duration"))
    data, axes = _stack(path, frames, "T" if timed else "Z")
    spacing = header.spacing if header else None
    if spacing is not None and (note := print_default(spacing, "µm")):
        notes.append(note)
        spacing = None
    if "Z" in axes:
        notes.append("Its frames are taken for slices at unknown distances.")
        spacing = None
    return Image(
        data,
        axes,
        spacing or (),
        units="µm" if spacing else "pixel",
        channels=("red", "green", "blue") if "C" in axes else (),
        source=Source(
            path,
            kind,
            tags={"alpha": "dropped"} if any(clear for _, clear in frames) else {},
            notes=tuple(notes),
        ),
    )


def _check(path: Path, picture: ImageFile.ImageFile, count: int, depth: int) -> None:
    """Refuse what does not fit into memory or into grey and RGB, before anything is decoded."""
    width, height = picture.size
    one = (height, width) + (3,) * (picture.mode not in {"1", "L", "LA", "I;16"})
    dtype = np.uint16 if depth == 16 else np.uint8
    # At least the first frame of an animation fills it.
    require_memory(path, one, dtype, expansion=_EXPANSION.get(str(picture.format)))
    require_memory(path, (count, *one), dtype)
    if depth == 16 and count > 1:
        raise ReadError(
            f"{path.name} is an animation with 16 bits per sample",
            expected="8 bits, or one picture",
            fix="save each frame as its own file",
        )
    if depth < 16 and picture.mode not in _MODES:
        reason = (
            ", for which no RGB is defined without the printer's profile" if picture.mode == "CMYK" else ""
        )
        raise ReadError(
            f"{path.name} has {picture.mode} colors{reason}",
            expected="grey, RGB or a palette",
            fix="convert it to RGB",
        )


def _turned(picture: ImageFile.ImageFile, notes: list[str]) -> Pillow.Image:
    """Turn a photograph upright."""
    try:
        orientation = picture.getexif().get(_ORIENTATION, 1)
    except _DAMAGE:
        # Viewers too show a photograph whose EXIF data are damaged, unturned.
        return picture
    if orientation not in range(2, 9):
        return picture
    notes.append(f"It is turned or mirrored as its EXIF orientation {orientation} says.")
    return ImageOps.exif_transpose(picture)


def _frames(picture: Pillow.Image) -> Iterator[Pillow.Image]:
    frames = (
        iter(ImageSequence.Iterator(picture)) if getattr(picture, "is_animated", False) else iter([picture])
    )
    if getattr(picture, "default_image", False):
        # The first picture of such a PNG is a stand-in for programs that cannot play the others.
        next(frames)
    return frames


def _frame(picture: Pillow.Image, depth: int, *, indices: bool) -> tuple[NDArray[Any], bool]:
    """Give the values of a frame without alpha, and whether any pixel was transparent."""
    # Decoding can change the mode of a GIF's frame, and an array of another shape than its bytes has no end.
    picture.load()
    values = np.asarray(picture)
    if picture.mode in {"LA", "RGBA"}:
        return _split_alpha(values)
    if picture.mode == "1":
        values = values.astype(np.uint8)
    elif picture.mode == "L" and depth < 8:
        # Pillow spreads 2 and 4 bits over 0…255.
        values = values // np.uint8(255 // ((1 << depth) - 1))
    if picture.mode == "P" and indices:
        return values, False
    clear = _any_transparent(values, picture)
    if picture.mode == "P":
        palette = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
        values = np.moveaxis(np.stack([palette[:, i][values] for i in range(3)]), 0, -1)
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


def _stack(path: Path, frames: list[tuple[NDArray[Any], bool]], along: str) -> tuple[NDArray[Any], str]:
    """Put frames on one another along T or Z; a single one has no such axis."""
    arrays = [values for values, _ in frames]
    if len({values.shape for values in arrays}) > 1:
        raise ReadError(
            f"{path.name} has frames of different kinds",
            expected="frames of one size and color",
            fix="save each frame as its own file",
        )
    color = "C" if arrays[0].ndim == 3 else ""
    if len(arrays) > 1:
        return canonical(np.stack(arrays), along + "YX" + color)
    data, axes = canonical(arrays[0], "YX" + color)
    # Pillow's own memory may not be written to.
    return (data if data.flags.writeable else data.copy()), axes
