"""Read TIFF, ImageJ and OME TIFF: values, axes, spacing and channel names."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile

from unetscope.errors import ReadError
from unetscope.io._files import reading
from unetscope.io._limits import is_large, require_content, require_memory
from unetscope.io.image import AXES, Image, Source
from unetscope.io.pictures.lazy import OnDisk, in_order
from unetscope.io.pictures.ome import companions, refuse_entities, root_of
from unetscope.io.pictures.tiff_checks import (
    check_chain,
    check_segments,
    complaints,
    expansion_of,
    stored_parts,
)
from unetscope.io.pictures.tiff_facts import TiffFacts, facts_of

__all__ = ["read_tiff"]

_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    imagecodecs.DelayedImportError,
)
_KIND = "a TIFF image"
_RGB = ("red", "green", "blue")
_SLIDES = {"svs", "scn", "ndpi", "bif", "philips", "qpi", "avs"}
_EXTRAS = ("label", "macro", "thumbnail", "overview", "preview")
_DESCRIPTION, _XMP = 270, 700
# Rows and columns of a chunk on disk, about: what a screen shows is a few of them.
_SIDE = 1024


def read_tiff(path: Path, *, lazy: bool = False) -> Image:
    """Read a TIFF file.

    Axes come from OME, ImageJ or a microscope's metadata or the shape of the pages; pages without a named
    axis are slices. Values stay as stored, as in ImageJ: a palette or MINISWHITE (which scikit-image and
    ImageJ write for plain binary masks) only tells how to display them; ``source.tags["display"]`` names it.
    An alpha channel is left out; where any pixel was transparent, ``source.tags["alpha"]`` is ``"dropped"``.
    Thumbnails, labels and previews beside the one image of a file are left out. Files of `write_image` also
    tell origin, place in the patient, window and group.

    Parameters
    ----------
    path : Path
        The file; of OME files that belong together any one, the others beside it.
    lazy : bool
        Leave the pixels of large images on disk, with the coarser copies that the file holds as
        `Image.levels`. Whether any pixel is transparent is then not known.

    Returns
    -------
    Image
        Any axes in the order ``TCZYX``, any real dtype, in native byte order; 1 bit becomes uint8 0
        and 1. Spacing in µm or mm where OME, ImageJ, a microscope or resolution tags give all of it, else
        1 pixel; also where the tags hold but a default of screens and printers.

    Raises
    ------
    ReadError
        If the file is damaged, too large for the memory, part of an incomplete set, holds several unrelated
        images, or axes or colors beyond those above.
    """
    notes: list[str] = []
    with reading(path, _KIND, _DAMAGE), complaints(), ExitStack() as stack:
        file, files = _open(path)
        stack.callback(file.close)
        series = _chosen(file, path, notes)
        page = series.keyframe
        _check_values(page, series.dtype, path)
        notes += stored_parts(series)
        named = _named_axes(series.axes, series.shape, path)
        check_segments(path, page)
        require_content(path, series.shape, series.dtype, None if files else expansion_of(page))
        on_disk = lazy and is_large(series.shape, series.dtype)
        if on_disk:
            arrays = _on_disk(path, file.series.index(series), series)
        else:
            require_memory(path, series.shape, series.dtype)
            arrays = [series.asarray()]
        facts = facts_of(file, series, path)
        shown = [_prepared(array, named, page, facts) for array in arrays]
    data, axes, clear = shown[0]
    tags = {"alpha": "dropped"} if clear else {}
    if page.photometric in {tifffile.PHOTOMETRIC.MINISWHITE, tifffile.PHOTOMETRIC.PALETTE}:
        tags["display"] = tifffile.PHOTOMETRIC(page.photometric).name.lower()
    spacing, units = facts.spacing_of(axes)
    kept = facts.kept
    return Image(
        data,
        axes,
        spacing,
        kept.origin,
        units=units,
        channels=_channel_names(data, axes, page, facts),
        source=Source(
            path,
            "tiff",
            group=kept.group,
            window=kept.window,
            tags=tags,
            files=files,
            notes=(*notes, *facts.notes),
        ),
        affine=kept.affine,
        levels=tuple(level for level, _, _ in shown[1:]),
    )


def _open(path: Path) -> tuple[tifffile.TiffFile, tuple[Path, ...]]:
    """Open a file after what tifffile does not check, and list the files that belong to it."""
    check_chain(path)
    file = tifffile.TiffFile(path)
    try:
        first = file.pages.first
        for code in (_DESCRIPTION, _XMP):
            if code in first.tags:
                refuse_entities(_text(first.tags[code].value))
        if not file.is_ome:
            return file, ()
        root, text = root_of(file.ome_metadata or "", path)
        files = companions(root, path)
        if text != file.ome_metadata:
            file.close()
            file = tifffile.TiffFile(path, omexml=text)
    except BaseException:
        file.close()
        raise
    return file, files if len(files) > 1 else ()


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _chosen(file: tifffile.TiffFile, path: Path, notes: list[str]) -> tifffile.TiffPageSeries:
    """Choose the one image of a file: thumbnails and the like beside it are none."""
    full = [series for series in file.series if not (series.keyframe.is_reduced or series.keyframe.is_mask)]
    images = [series for series in full if not any(word in series.name.lower() for word in _EXTRAS)]
    images = images or full or file.series
    if images and images[0].kind in _SLIDES:
        images = [max(images, key=lambda series: series.size)]
    if len(images) != 1:
        shapes = ", ".join(" × ".join(map(str, series.shape)) for series in images[:5])
        raise ReadError(
            f"{path.name} holds {len(images)} images of different shapes ({shapes})",
            expected="one image or one stack",
            fix="save each image as its own file",
        )
    if (left := len(file.series) - 1) > 0:
        notes.append(f"Beside its largest image it holds {left} more (previews, labels), which are left out.")
    if images[0].dtype is None or 0 in images[0].shape:
        raise ValueError("it holds no pixels")
    return images[0]


def _named_axes(axes: str, shape: tuple[int, ...], path: Path) -> str:
    """Translate tifffile's axes: samples are channels, unnamed pages are slices; ``-`` is left out."""
    named = "".join(
        "-" if size == 1 and axis not in AXES else {"S": "C", "I": "Z", "Q": "Z"}.get(axis, axis)
        for axis, size in zip(axes, shape, strict=True)
    )
    kept = named.replace("-", "")
    if set(kept) - set(AXES) or len(set(kept)) < len(kept) or not {"Y", "X"} <= set(kept):
        raise ReadError(
            f"{path.name} has the axes {axes}",
            expected="time, channel, slice, row and column, each at most once",
            fix="save it with these axes, for instance from ImageJ",
        )
    return named


def _check_values(page: tifffile.TiffPage, dtype: np.dtype[Any], path: Path) -> None:
    known = {"MINISBLACK", "MINISWHITE", "PALETTE", "RGB"}
    # tifffile turns YCbCr into RGB only as part of decoding JPEG.
    if page.compression in {tifffile.COMPRESSION.JPEG, tifffile.COMPRESSION.OJPEG}:
        known.add("YCBCR")
    name = tifffile.PHOTOMETRIC(page.photometric).name
    if name not in known or dtype.kind not in "buif":
        raise ReadError(
            f"{path.name} holds {name} values of type {dtype}",
            expected="grey or RGB numbers",
            fix="convert it to grey or RGB",
        )


def _on_disk(path: Path, position: int, series: tifffile.TiffPageSeries) -> list[Any]:
    """Give each level of a pyramid as a dask array that opens the file when asked for pixels."""
    return [
        OnDisk(
            path,
            _KIND,
            _DAMAGE,
            partial(_open_level, path, position, i),
            shape=level.shape,
            dtype=level.dtype,
        ).as_dask(_chunks(level))
        for i, level in enumerate(series.levels)
    ]


def _open_level(path: Path, index: int, level: int) -> tuple[Any, Callable[[], None]]:
    import zarr

    with complaints():
        file, _ = _open(path)
        store = file.series[index].aszarr(level=level)
        return zarr.open_array(store, mode="r"), file.close


def _chunks(series: tifffile.TiffPageSeries) -> tuple[int, ...]:
    """Whole tiles or strips, as many as make about what a screen shows."""
    page = series.keyframe
    inner = [
        min(size, chunk * max(1, _SIDE // chunk)) if axis in "YX" else chunk
        for axis, size, chunk in zip(page.axes, page.shape, page.chunks, strict=True)
    ]
    return (*(1,) * (len(series.shape) - len(inner)), *inner)


def _prepared(data: Any, named: str, page: tifffile.TiffPage, facts: TiffFacts) -> tuple[Any, str, bool]:
    """Bring an array into our axes, without opacity; the flag tells whether any pixel was transparent."""
    data = data[tuple(0 if axis == "-" else slice(None) for axis in named)]
    axes = named.replace("-", "")
    if data.dtype.kind == "b":
        data = data.astype(np.uint8)
    data, axes, clear = _drop_alpha(data, axes, page)
    if set(axes) <= set(facts.axes) <= set(AXES):
        single = "".join(axis for axis in facts.axes if axis not in axes)
        data, axes = data[(np.newaxis,) * len(single)], single + axes
    return *in_order(data, axes), clear


def _drop_alpha(data: Any, axes: str, page: tifffile.TiffPage) -> tuple[Any, str, bool]:
    """Leave out the samples that the file declares as opacity."""
    opacity = (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)
    if "C" not in axes or not any(sample in opacity for sample in page.extrasamples):
        return data, axes, False
    channels = np.moveaxis(data, axes.index("C"), -1)
    count = page.samplesperpixel - len(page.extrasamples)
    alpha = channels[..., count:]
    clear = isinstance(alpha, np.ndarray) and bool((alpha < alpha.max(initial=0)).any())
    axes = axes.replace("C", "")
    return (channels[..., 0], axes, clear) if count == 1 else (channels[..., :count], axes + "C", clear)


def _channel_names(data: Any, axes: str, page: tifffile.TiffPage, facts: TiffFacts) -> tuple[str, ...]:
    count = data.shape[axes.index("C")] if "C" in axes else 0
    rgb = page.photometric in {tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR}
    if rgb and count == len(_RGB):
        return _RGB
    return facts.channels if len(facts.channels) == count else ()
