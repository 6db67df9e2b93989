"""Stored pixel values: decoded from whichever encoding, in native byte order, without foreign bits."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames, get_frame
from pydicom.pixels import as_pixel_options, get_decoder
from pydicom.uid import (
    ExplicitVRBigEndian,
    JPEG2000TransferSyntaxes,
    JPEGExtended12Bit,
    JPEGLSTransferSyntaxes,
    RLELossless,
)

from unetscope.errors import ReadError
from unetscope.io.dicom.decode import PixelElement, open_dicom, pixel_element
from unetscope.io.dicom.header import frame_count
from unetscope.io.dicom.layout import Layout, layout_of

__all__ = ["align", "stored_pixels"]

# GDCM comes last: it ends the whole process where a frame is larger or smaller than the image.
_GDCM = "gdcm"
_PLUGINS = ("pydicom", "pyjpegls", "pylibjpeg", "pillow", _GDCM)
# How a file of JPEG 2000 begins; most frames are a bare codestream.
_JP2 = b"\0\0\0\x0cjP  "
# Markers of JPEG between those that start a frame: Huffman tables, reserved, arithmetic conditioning.
_NO_FRAMES = (0xFFC4, 0xFFC8, 0xFFCC)


def stored_pixels(dataset: Dataset, path: Path, frame: int | None, **options: Any) -> NDArray[Any]:
    """Decode the pixels of a dataset, or of one of its frames.

    Parameters
    ----------
    dataset : Dataset
        From `open_dicom`. Pixels that it does not hold are read from the file.
    path : Path
        The file.
    frame : int or None
        Index of the only frame to decode; None for all.
    **options
        Of pydicom's decoders.

    Returns
    -------
    ndarray
        ([frames,] rows, columns [, samples]), of the dtype of its layout. YBR_FULL and YBR_FULL_422 have
        become RGB, unless ``raw=True``; overlays in unused bits are gone.

    Raises
    ------
    ReadError
        If none of the installed decoders can decode them.
    """
    layout = layout_of(dataset)
    if layout.allocated == 1 and frame is not None and frame_count(dataset) > 1:
        # Frames of bits begin within bytes, which pydicom does not always find (3.0).
        everything: NDArray[Any] = stored_pixels(dataset, path, None, **options)
        return everything[frame]
    element = pixel_element(dataset) or PixelElement("PixelData")
    if element.keyword not in dataset and element.offset is None:
        dataset, element = open_dicom(path), PixelElement(element.keyword)
    if layout.allocated == 1 and layout.syntax == ExplicitVRBigEndian:
        return _big_endian_bits(dataset, path, element)
    try:
        decoded = _decode(dataset, path, element, frame, options)
    except RuntimeError as error:
        raise ReadError(
            f"{path.name} holds pixels compressed as {layout.syntax.name} "
            "that no installed decoder can decode",
            expected="undamaged pixel data",
            fix="export it uncompressed (Explicit VR Little Endian)",
        ) from error
    native = decoded.astype(decoded.dtype.newbyteorder("="), copy=False)
    return native if native.dtype.kind == "f" else _aligned(native, layout)


def _decode(
    dataset: Dataset, path: Path, element: PixelElement, frame: int | None, options: dict[str, Any]
) -> NDArray[Any]:
    layout = layout_of(dataset)
    with path.open("rb") if element.offset is not None else nullcontext() as file:
        if file is not None:
            file.seek(element.offset or 0)
            options = {"pixel_keyword": element.keyword, "pixel_vr": element.vr, **options}
        if layout.syntax == JPEGExtended12Bit and layout.bits > 8:
            return _decode_12_bits(file or dataset.PixelData, dataset, frame)
        settings = as_pixel_options(dataset, correct_unused_bits=False, allow_excess_frames=False, **options)
        decoder = get_decoder(layout.syntax)
        plugin = next((name for name in _PLUGINS if name in decoder.available_plugins), "")
        if plugin == _GDCM or layout.syntax in JPEG2000TransferSyntaxes:
            check = _check_boxes if layout.syntax in JPEG2000TransferSyntaxes else _check_size
            for each in _encoded_frames(file or dataset.PixelData, dataset, frame):
                check(each, layout)
        decoded: NDArray[Any] = decoder.as_array(
            file or dataset, index=frame, decoding_plugin=plugin, **settings
        )[0]
    return decoded


def _big_endian_bits(dataset: Dataset, path: Path, element: PixelElement) -> NDArray[np.uint8]:
    """Unpack single bits, lowest first in each byte or word (PS3.5 8.1.1); pydicom (3.0) knows bytes only."""
    layout = layout_of(dataset)
    shape = (frame_count(dataset), layout.rows, layout.columns)
    if element.offset is None:
        vr, packed = dataset["PixelData"].VR, dataset.PixelData
    else:
        with path.open("rb") as file:
            file.seek(element.offset)
            vr, packed = element.vr, file.read(math.prod(shape) // 8 + 2)
    if len(packed) * 8 < math.prod(shape):
        raise EOFError(f"{len(packed)} bytes for {math.prod(shape)} bits")
    if vr == "OW":
        packed = np.frombuffer(packed, ">u2", len(packed) // 2).astype("<u2").tobytes()
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=math.prod(shape), bitorder="little")
    return bits.reshape(shape if shape[0] > 1 else shape[1:])


def _encoded_frames(source: Any, dataset: Dataset, frame: int | None) -> Iterator[bytes]:
    """Give one frame or all of them as they are encoded, and put the file back to where it was."""
    start = 0 if isinstance(source, bytes) else source.tell()
    count = frame_count(dataset)
    if frame is None:
        yield from generate_frames(source, number_of_frames=count)
    else:
        yield get_frame(source, frame, number_of_frames=count)
    if not isinstance(source, bytes):
        source.seek(start)


def _check_size(frame: bytes, layout: Layout) -> None:
    """Compare the size that a JPEG frame states with that of the image."""
    bits, *size = _jpeg_header(frame)
    expected = [layout.rows, layout.columns, layout.samples]
    if size != expected or not layout.allocated / 2 < bits <= layout.allocated:
        raise ValueError(f"a frame of {size} and {bits} bits in an image of {expected}")


def _check_boxes(frame: bytes, layout: Layout) -> None:  # noqa: ARG001
    """Refuse a JP2 file whose boxes have no length: pydicom (3.0) stays at such a box for ever."""
    at = 0
    while frame.startswith(_JP2) and at + 8 <= len(frame) and frame[at + 4 : at + 8] != b"jp2c":
        length = int.from_bytes(frame[at : at + 4], "big")
        if length == 0:
            raise ValueError("a box of no length in its JPEG 2000")
        at += length


def _jpeg_header(frame: bytes) -> tuple[int, int, int, int]:
    """Bits per sample, rows, columns and samples of a JPEG stream, from its start of frame (T.81 B.2.2)."""
    at = 2
    while at + 10 <= len(frame):
        marker, length = struct.unpack_from(">HH", frame, at)
        if 0xFFC0 <= marker <= 0xFFCF and marker not in _NO_FRAMES:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", frame, at + 4)
            return bits, rows, columns, samples
        at += 2 + length
    raise ValueError("a frame without a JPEG header")


def _decode_12_bits(source: Any, dataset: Dataset, frame: int | None) -> NDArray[Any]:
    """Decode JPEG of 12 bits, for which pydicom has a decoder under the GPL only."""
    from imagecodecs import jpeg8_decode

    count, layout = frame_count(dataset), layout_of(dataset)
    indices = range(count) if frame is None else [frame]
    frames = [jpeg8_decode(get_frame(source, i, number_of_frames=count)) for i in indices]
    values = np.stack(frames) if len(frames) > 1 else frames[0]
    shape = (*values.shape[: len(frames) > 1], layout.rows, layout.columns)
    return values.reshape(shape).astype(layout.dtype)


def _aligned(stored: NDArray[Any], layout: Layout) -> NDArray[Any]:
    # pydicom has done it for these, by the bits that their own headers state.
    done = (*JPEG2000TransferSyntaxes, *JPEGLSTransferSyntaxes)
    if layout.bits == layout.allocated or layout.syntax in done:
        return stored
    in_place = not layout.syntax.is_encapsulated or layout.syntax == RLELossless
    return align(stored, layout.bits, layout.high if in_place else layout.bits - 1)


def align(stored: NDArray[Any], bits: int, high: int) -> NDArray[Any]:
    """Bring the stored bits down to the lowest place and extend their sign (PS3.5 8.1.1); in place."""
    allocated = stored.dtype.itemsize * 8
    if bits < allocated:
        np.left_shift(stored, allocated - 1 - high, out=stored)
        np.right_shift(stored, allocated - bits, out=stored)
    return stored
