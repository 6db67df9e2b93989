"""Pixel values as measured: decoded, aligned, rescaled, larger = brighter; or red, green and blue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.datadict import dictionary_description
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    RLELossless,
)

from unetscope.errors import ReadError
from unetscope.io._limits import DEFLATE, PACKBITS, require_memory
from unetscope.io.dicom.decode import pixel_element, require_decoder
from unetscope.io.dicom.header import code, frame_count, holds, macro, number, numbers
from unetscope.io.dicom.layout import layout_of
from unetscope.io.dicom.luts import Table, gray_table, palette, palette_dtype
from unetscope.io.dicom.mapping import mapping_of
from unetscope.io.dicom.stored import stored_pixels

__all__ = [
    "RGB",
    "measured",
    "padding_of",
    "pixel_values",
    "require_image",
    "values_dtype",
    "window_of",
]

RGB = ("red", "green", "blue")
"""Names of the channels of every color image."""

_UNDEFINED = 2**32 - 1
_LAYOUT = ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation")
_GRAY = ("MONOCHROME1", "MONOCHROME2")
_PADDING = ("PixelPaddingValue", "PixelPaddingRangeLimit")
_COLORS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_ICT", "YBR_RCT")
_INSIDE_JPEG_2000 = ("YBR_ICT", "YBR_RCT")
# Decoded bytes for one of the file; twice as much for colors of which two pixels share some. Other
# compressions have no bound.
_EXPANSION = {
    ImplicitVRLittleEndian: 2,
    ExplicitVRLittleEndian: 2,
    ExplicitVRBigEndian: 2,
    DeflatedExplicitVRLittleEndian: 2 * DEFLATE,
    RLELossless: PACKBITS,
}


def pixel_values(dataset: Dataset, path: Path, *, frame: int | None = None) -> NDArray[Any]:
    """Decode the pixels of a dataset into values as measured.

    - Bits that are not stored are cut off, with the overlays that old files keep there (PS3.5 8.1.1).
    - Rescale slope and intercept, or the modality lookup table (PS3.3 C.11.1), give float32 or the type of
      the table; a slope of 1 and an intercept of 0 keep the stored integers. Doses are multiplied by their
      Dose Grid Scaling (C.8.8.3).
    - Where no rescale changes the values, a real-world value mapping does (C.7.6.16.2.11), if it is the only
      one: slope and intercept, also outside the range that it states, or its table, whose ends count for all
      values beyond. It maps stored values, past the rescale.
    - MONOCHROME1 is turned around, so that larger is brighter in every image: on the range of the stored
      bits (minimum + maximum − value) before the rescale, or on the range of the modality lookup table.
    - PALETTE COLOR and YBR become RGB (C.7.6.3.1.2). A supplemental palette colors the display only, and
      gray values stay (C.7.6.19). Overlays, VOI and presentation are for the display too.

    Parameters
    ----------
    dataset : Dataset
        From `open_dicom`. Without its pixels (``header_only``) they are read from the file.
    path : Path
        The file.
    frame : int, optional
        Index of the only frame to decode.

    Returns
    -------
    ndarray
        ([frames,] rows, columns [, 3]), of `values_dtype`, in native byte order; without the axis of frames
        for one frame.

    Raises
    ------
    ReadError
        If the dataset holds no image, its kind of color has no defined values, it is too large for the
        memory, or no decoder is installed.
    """
    require_image(dataset, path)
    layout = layout_of(dataset)
    _require_known_color(dataset, path)
    require_decoder(dataset, path)
    frames = 1 if frame is not None else frame_count(dataset)
    shape = (frames, layout.rows, layout.columns, 3 if layout.is_color else 1)
    require_memory(path, shape, values_dtype(dataset), expansion=_expansion(dataset, shape[-1]))
    if layout.photometric in _GRAY:
        return measured(stored_pixels(dataset, path, frame), dataset, frame)
    if layout.photometric == "PALETTE COLOR":
        table = palette(dataset, signed=layout.signed, little=layout.syntax.is_little_endian)
        return table(stored_pixels(dataset, path, frame))
    return _red_green_blue(dataset, path, frame)


def measured(stored: NDArray[Any], dataset: Dataset, frame: int | None = None) -> NDArray[Any]:
    """Apply what makes measured values of the stored ones of gray pixels; see `pixel_values`.

    Parameters
    ----------
    stored : ndarray
        ([frames,] rows, columns), from `stored_pixels`.
    dataset : Dataset
        The whole header.
    frame : int, optional
        Index of the frame that `stored` is; None for all of them.
    """
    layout = layout_of(dataset)
    inverted = layout.photometric == "MONOCHROME1"
    if holds(dataset, "ModalityLUTSequence"):
        table = _modality_table(dataset)
        values = table(stored)
        return np.subtract(2**table.bits - 1, values, dtype=values.dtype) if inverted else values
    if inverted:
        stored = np.subtract(sum(layout.ends), stored, dtype=stored.dtype)
    mapping = mapping_of(dataset)
    if not mapping.changes:
        return stored
    values = np.empty(stored.shape, values_dtype(dataset))
    with np.errstate(over="raise"):
        if frame is not None or stored.ndim == 2:
            values[...] = mapping.at(frame or 0)(stored)
        else:
            for i, each in enumerate(stored):
                values[i] = mapping.at(i)(each)
    return values


def require_image(dataset: Dataset, path: Path) -> None:
    """Refuse a dataset that holds no pixels or only a part of them, or does not say how they are laid out.

    Raises
    ------
    ReadError
        Naming what is missing.
    """
    element = pixel_element(dataset)
    if element is None:
        raise ReadError(
            f"{path.name} is a DICOM file without pixels (modality {code(dataset, 'Modality') or 'unknown'})",
            expected="a DICOM image",
            fix="choose the image file",
        )
    present = element.length if element.offset is None else path.stat().st_size - element.offset
    if present < element.length < _UNDEFINED:
        raise ReadError(
            f"{path.name} ends before its pixels ({present} vs {element.length} bytes)",
            expected="a complete, undamaged file",
            fix="export or copy it again",
        )
    missing = [dictionary_description(name) for name in _LAYOUT if dataset.get(name) in {None, ""}]
    if missing:
        raise ReadError(
            f"{path.name} has pixels but says nothing of their {' and '.join(missing)}",
            expected="a complete header",
            fix="export it again",
        )


def values_dtype(dataset: Dataset) -> np.dtype[Any]:
    """Type of what `pixel_values` returns, from the header alone."""
    layout = layout_of(dataset)
    if layout.photometric == "PALETTE COLOR":
        return palette_dtype(dataset)
    if holds(dataset, "ModalityLUTSequence") and not layout.is_color:
        bits = dataset.ModalityLUTSequence[0].LUTDescriptor[2]
        return np.dtype(np.uint8 if bits <= 8 else np.uint16)
    if layout.is_color or layout.dtype.kind == "f" or not mapping_of(dataset).changes:
        return layout.dtype
    return np.dtype(np.float32)


def window_of(dataset: Dataset, frame: int = 0) -> tuple[float, float] | None:
    """Center and width of the first display window, on the values that `pixel_values` returns.

    None for color, without a window, and where a real-world value mapping or the scaling of doses has changed
    the values: a window is stated for the output of the modality rescale (PS3.3 C.11.2.1.2).
    """
    layout = layout_of(dataset)
    if layout.is_color:
        return None
    stated = macro(dataset, "FrameVOILUTSequence", frame)
    center, width = number(stated, "WindowCenter"), number(stated, "WindowWidth")
    if center is None or width is None or width <= 0:
        return None
    if mapping_of(dataset).changes and not mapping_of(dataset).is_rescale:
        return None
    if layout.photometric == "MONOCHROME1":
        center = _mirror(dataset, frame) - center
    return center, width


def padding_of(dataset: Dataset) -> tuple[float, float] | None:
    """Lowest and highest of the values that stand for "no image here" (PS3.3 C.7.5.1.1.2).

    On the values that `pixel_values` returns; None where the file names none.
    """
    layout = layout_of(dataset)
    ends = [int(end) for name in _PADDING for end in numbers(dataset, name)]
    if not ends or layout.is_color or layout.dtype.kind == "f":
        return None
    values = measured(np.array([ends]).astype(layout.dtype), dataset, 0)
    return float(values.min()), float(values.max())


def _require_known_color(dataset: Dataset, path: Path) -> None:
    layout = layout_of(dataset)
    kind, samples = layout.photometric, layout.samples
    known = samples == 1 if kind in (*_GRAY, "PALETTE COLOR") else samples == 3 and kind in _COLORS
    # Its inverse is a part of decoding JPEG 2000; elsewhere the standard knows no such pixels.
    known &= kind not in _INSIDE_JPEG_2000 or layout.syntax in JPEG2000TransferSyntaxes
    # The standard defines the conversion for 8 bits.
    known &= not kind.startswith("YBR_") or kind in _INSIDE_JPEG_2000 or layout.allocated == 8
    known &= kind != "MONOCHROME1" or layout.dtype.kind != "f"
    if not known:
        raise ReadError(
            f"{path.name} has pixels of kind {code(dataset, 'PhotometricInterpretation')} with {samples} "
            f"samples of {layout.allocated} bits, encoded as {layout.syntax.name}",
            expected="MONOCHROME1, MONOCHROME2, PALETTE COLOR, RGB or YBR as the standard defines them",
            fix="export it as MONOCHROME2 or RGB",
        )


def _expansion(dataset: Dataset, samples: int) -> float | None:
    """The most bytes of values that one byte of the file can stand for, where its compression has a bound."""
    layout = layout_of(dataset)
    ratio = _EXPANSION.get(layout.syntax)
    stored = max(1, layout.allocated * layout.samples)
    return None if ratio is None else ratio * samples * values_dtype(dataset).itemsize * 8 / stored


def _red_green_blue(dataset: Dataset, path: Path, frame: int | None) -> NDArray[Any]:
    if layout_of(dataset).photometric != "YBR_PARTIAL_422":
        return np.ascontiguousarray(stored_pixels(dataset, path, frame))
    # The same layout as YBR_FULL_422, which pydicom knows; only the ranges are others.
    ybr = stored_pixels(dataset, path, frame, photometric_interpretation="YBR_FULL_422", raw=True)
    return _from_partial(ybr)


def _from_partial(ybr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert luminance in 16–235 and colors in 16–240 to RGB, the inverse of PS3.3 C.7.6.3.1.2."""
    to_ybr = np.array([[0.2568, 0.5041, 0.0979], [-0.1482, -0.2910, 0.4392], [0.4392, -0.3678, -0.0714]])
    rgb = (ybr - np.array([16.0, 128.0, 128.0])) @ np.linalg.inv(to_ybr).T
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def _mirror(dataset: Dataset, frame: int) -> float:
    """Sum of the least and the greatest value that an image of MONOCHROME1 can have."""
    if holds(dataset, "ModalityLUTSequence"):
        return float(2 ** _modality_table(dataset).bits - 1)
    ends = np.array(layout_of(dataset).ends, np.float64)
    return float(mapping_of(dataset).at(frame)(ends).sum())


def _modality_table(dataset: Dataset) -> Table:
    item, layout = dataset.ModalityLUTSequence[0], layout_of(dataset)
    return gray_table(item, signed=layout.signed, little=layout.syntax.is_little_endian)
