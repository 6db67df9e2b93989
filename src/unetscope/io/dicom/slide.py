"""Slide microscopy (PS3.3 A.32.8, C.8.12): tiles put together, and the sizes of one slide as a pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from unetscope.errors import InputError, ReadError
from unetscope.io._limits import require_memory
from unetscope.io.dicom.decode import decoding, open_dicom, pixel_element, require_decoder
from unetscope.io.dicom.header import macro, number, numbers
from unetscope.io.dicom.layout import layout_of
from unetscope.io.dicom.mosaic import Mosaic
from unetscope.io.dicom.placing import placing_of
from unetscope.io.dicom.single import Frames
from unetscope.io.dicom.source import source_of
from unetscope.io.dicom.values import RGB, values_dtype
from unetscope.io.image import Image

__all__ = ["read_pyramid", "read_slide"]

_VOLUME = "VOLUME"
_SAME_EXTENT = 0.05
_WHITE = 255


def read_slide(path: Path, *, lazy: bool = False) -> Image:
    """Read a slide whose planes are stored in tiles.

    Parameters
    ----------
    path : Path
    lazy : bool
        Leave the pixels of large slides on disk: only the tiles that are looked at are decoded.

    Returns
    -------
    Image
        ``"CYX"`` in red, green and blue, or ``"YX"`` in gray, the whole total pixel matrix; several optical
        paths of gray pixels are channels with their descriptions, several focal planes slices. Spacing is in
        mm. The origin is that on the slide, which has a frame of reference of its own, so that there is no
        affine. Where tiles are absent the color is the one that the file recommends, else white in color and
        0 in gray; a note says so.

    Raises
    ------
    ReadError
        If the file is damaged, no slide, a part of one, or compressed in a way for which no decoder is
        installed.
    InputError
        If it holds several optical paths in color, or focal planes at unequal distances.
    """
    with decoding(path):
        header = open_dicom(path, header_only=True)
        _refuse_others(path, header)
        names = _channel_names(path, header)
        paths = _paths(header)

        def channel_of(frame: int) -> int:
            named = macro(header, "OpticalPathIdentificationSequence", frame).get("OpticalPathIdentifier")
            return paths.index(str(named)) if len(paths) > 1 else 0

        placing = placing_of(path, header, len(paths), channel_of)
        samples = 3 if layout_of(header).is_color else 1
        frames = Frames(path, header)
        mosaic = Mosaic(
            path,
            (len(names) or 1, *placing.grid),
            values_dtype(header),
            placing.places,
            (samples, int(header.Rows), int(header.Columns)),
            lambda frame: np.moveaxis(np.atleast_3d(frames[frame]), -1, 0),
            _background(header),
        )
        notes = placing.notes
        if mosaic.missing():
            notes += ("Tiles that the file does not hold are filled with the background",)
        data = mosaic.read(lazy=lazy)
        source = source_of(header, path)
    source = replace(source, notes=source.notes + notes)
    if not names:
        data = data[0]
    axes = "CZYX" if names else "ZYX"
    image = Image(data, axes, placing.spacing, placing.origin, placing.units, names, source)
    return image.take("Z", 0) if placing.grid[0] == 1 else image


def read_pyramid(files: Sequence[Path], *, lazy: bool = False) -> Image:
    """Read the sizes in which one slide is stored.

    Images of the label, overviews and thumbnails, which lie in the same series, are left out.

    Parameters
    ----------
    files : sequence of Path
        The files of a series, in any order.
    lazy : bool
        Leave the pixels of large sizes on disk.

    Returns
    -------
    Image
        The finest size, as `read_slide` gives it, with the others as `Image.levels`.

    Raises
    ------
    ReadError
        If none of the files is a slide, or one is damaged.
    InputError
        If the sizes are not of one slide, or one is there twice.
    """
    sizes: dict[int, Path] = {}
    for path in files:
        with decoding(path):
            header = open_dicom(path, header_only=True)
            if _flavor(header) != _VOLUME:
                continue
            columns = int(header.TotalPixelMatrixColumns)
        if columns in sizes:
            raise InputError(
                f"{sizes[columns].name} and {path.name} are of one slide and equally large",
                expected="one file per size",
                fix="read them one by one",
            )
        sizes[columns] = path
    if not sizes:
        raise ReadError(
            f"{len(files)} files of a slide hold labels, overviews and thumbnails only",
            expected="the slide itself (image type VOLUME)",
            fix="export it too",
        )
    finest, *coarser = (read_slide(path, lazy=lazy) for _, path in sorted(sizes.items(), reverse=True))
    for level in coarser:
        _require_same_slide(finest, level)
    used = tuple(path for _, path in sorted(sizes.items(), reverse=True))
    source = replace(finest.source, files=used if coarser else ())
    return replace(finest, source=source, levels=tuple(level.data for level in coarser))


def _refuse_others(path: Path, header: Dataset) -> None:
    tiled = "TotalPixelMatrixColumns" in header and "TotalPixelMatrixRows" in header
    if not tiled or "SegmentSequence" in header or pixel_element(header) is None:
        raise ReadError(
            f"{path.name} is no slide in tiles",
            expected="a DICOM whole slide image",
            fix="choose the file of the slide",
        )
    parts = number(header, "InConcatenationTotalNumber")
    if "ConcatenationUID" in header and parts != 1:
        raise ReadError(
            f"{path.name} is part {header.get('InConcatenationNumber')} of a slide that was cut into files",
            expected="the whole slide in one file",
            fix="export it as one file",
        )
    require_decoder(header, path)
    require_memory(path, (int(header.Rows), int(header.Columns)), values_dtype(header))


def _flavor(header: Dataset) -> str:
    """Third value of the image type: VOLUME, LABEL, OVERVIEW or THUMBNAIL (C.8.12.4.1.1)."""
    kind = tuple(header.get("ImageType") or ())
    return str(kind[2]) if len(kind) > 2 else _VOLUME


def _paths(header: Dataset) -> list[str]:
    """Identifiers of the optical paths, in the order of the file; one without a name if there are none."""
    found = [str(item.get("OpticalPathIdentifier")) for item in header.get("OpticalPathSequence") or []]
    return found or [""]


def _channel_names(path: Path, header: Dataset) -> tuple[str, ...]:
    """Names of the channels; none for one optical path in gray."""
    described = header.get("OpticalPathSequence") or []
    if layout_of(header).is_color:
        if len(described) > 1:
            raise InputError(
                f"{path.name} holds {len(described)} optical paths in color",
                expected="one, or several in gray",
                fix="export each optical path into a file of its own",
            )
        return RGB
    if len(described) < 2:
        return ()
    names = [
        str(item.get("OpticalPathDescription") or "").strip() or f"optical path {i}"
        for i, item in enumerate(described, 1)
    ]
    return tuple(name if names.count(name) == 1 else f"{name} ({i})" for i, name in enumerate(names, 1))


def _background(header: Dataset) -> NDArray[Any]:
    """Value of each channel where there is no tile (C.8.12.4)."""
    if not layout_of(header).is_color:
        return np.zeros(1)
    lab = numbers(header, "RecommendedAbsentPixelCIELabValue")
    if len(lab) != 3:
        return np.full(3, _WHITE)
    from skimage.color import lab2rgb

    # Scaled to 16 bits: L* from 0 to 100, a* and b* from -128 to 127 (PS3.3 C.10.7.1.1).
    scaled = np.array(lab) / 65535 * [100, 255, 255] - [0, 128, 128]
    return np.rint(lab2rgb(scaled) * _WHITE)


def _require_same_slide(finest: Image, level: Image) -> None:
    """Refuse sizes that differ in more than their resolution."""
    same = level.data.ndim == finest.data.ndim and level.data.shape[:-2] == finest.data.shape[:-2]
    down, across = np.divide(finest.grid[-2:], level.grid[-2:])
    # The coarser ones are rounded to whole pixels.
    rounding = 1 / min(level.grid[-2:])
    if not same or abs(down / across - 1) > _SAME_EXTENT + rounding:
        raise InputError(
            f"{finest.name} holds {finest.data.shape} pixels and {level.name} {level.data.shape}",
            expected="sizes of one slide, with the same channels and planes",
            fix="put each slide into its own folder",
        )
