"""Stored pixel values: decoded from whichever encoding, in native byte order, without foreign bits."""

from __future__ import annotations

import math
import struct
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

__all__ = ["align", "highest_bit", "is_signed", "stored_dtype", "stored_pixels", "stored_range"]

# GDCM comes last: it ends the whole process where a frame is larger or smaller than the image.
_GDCM = "gdcm"
_PLUGINS = ("pydicom", "pyjpegls", "pylibjpeg", "pillow", _GDCM)
# Markers of JPEG between those that start a frame: Huffman tables, reserved, arithmetic conditioning.
_NO_FRAMES = (0xFFC4, 0xFFC8, 0xFFCC)
_FLOATS: dict[str, np.dtype[Any]] = {
    "FloatPixelData": np.dtype(np.float32),
    "DoubleFloatPixelData": np.dtype(np.float64),
}


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
        ([frames,] rows, columns [, samples]) of `stored_dtype`. YBR_FULL and YBR_FULL_422 have become RGB,
        unless ``raw=True``; overlays in unused bits are gone.

    Raises
    ------
    ReadError
        If none of the installed decoders can decode them.
    """
    if dataset.BitsAllocated == 1 and frame is not None and frame_count(dataset) > 1:
        # Frames of bits begin within bytes, which pydicom does not always find (3.0).
        everything: NDArray[Any] = stored_pixels(dataset, path, None, **options)
        return everything[frame]
    element = pixel_element(dataset) or PixelElement("PixelData")
    if element.keyword not in dataset and element.offset is None:
        dataset, element = open_dicom(path), PixelElement(element.keyword)
    if dataset.BitsAllocated == 1 and dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian:
        return _big_endian_bits(dataset, path, element)
    try:
        decoded = _decode(dataset, path, element, frame, options)
    except RuntimeError as error:
        syntax = dataset.file_meta.TransferSyntaxUID
        raise ReadError(
            f"{path.name} holds pixels compressed as {syntax.name} that no installed decoder can decode",
            expected="undamaged pixel data",
            fix="export it uncompressed (Explicit VR Little Endian)",
        ) from error
    native = decoded.astype(decoded.dtype.newbyteorder("="), copy=False)
    return native if native.dtype.kind == "f" else _aligned(native, dataset)


def _decode(
    dataset: Dataset, path: Path, element: PixelElement, frame: int | None, options: dict[str, Any]
) -> NDArray[Any]:
    with path.open("rb") if element.offset is not None else nullcontext() as file:
        if file is not None:
            file.seek(element.offset or 0)
            options = {"pixel_keyword": element.keyword, "pixel_vr": element.vr, **options}
        if dataset.file_meta.TransferSyntaxUID == JPEGExtended12Bit and dataset.BitsStored > 8:
            return _decode_12_bits(file or dataset.PixelData, dataset, frame)
        settings = as_pixel_options(dataset, correct_unused_bits=False, allow_excess_frames=False, **options)
        decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
        plugin = next((name for name in _PLUGINS if name in decoder.available_plugins), "")
        if plugin == _GDCM:
            _check_frames(file or dataset.PixelData, dataset)
        decoded: NDArray[Any] = decoder.as_array(
            file or dataset, index=frame, decoding_plugin=plugin, **settings
        )[0]
    return decoded


def _big_endian_bits(dataset: Dataset, path: Path, element: PixelElement) -> NDArray[np.uint8]:
    """Unpack single bits, lowest first in each byte or word (PS3.5 8.1.1); pydicom (3.0) knows bytes only."""
    shape = (frame_count(dataset), dataset.Rows, dataset.Columns)
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


def _check_frames(source: Any, dataset: Dataset) -> None:
    """Compare the size that each JPEG frame states with that of the image."""
    start = 0 if isinstance(source, bytes) else source.tell()
    expected = (dataset.Rows, dataset.Columns, dataset.SamplesPerPixel)
    for frame in generate_frames(source, number_of_frames=frame_count(dataset)):
        bits, *size = _jpeg_header(frame)
        if tuple(size) != expected or not dataset.BitsAllocated / 2 < bits <= dataset.BitsAllocated:
            raise ValueError(f"a frame of {size} and {bits} bits in an image of {list(expected)}")
    if not isinstance(source, bytes):
        source.seek(start)


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

    count = frame_count(dataset)
    indices = range(count) if frame is None else [frame]
    frames = [jpeg8_decode(get_frame(source, i, number_of_frames=count)) for i in indices]
    values = np.stack(frames) if len(frames) > 1 else frames[0]
    shape = (*values.shape[: len(frames) > 1], dataset.Rows, dataset.Columns)
    return values.reshape(shape).astype(stored_dtype(dataset))


def _aligned(stored: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    syntax = dataset.file_meta.TransferSyntaxUID
    bits = dataset.BitsStored
    # pydicom has done it for these, by the bits that their own headers state.
    done = (*JPEG2000TransferSyntaxes, *JPEGLSTransferSyntaxes)
    if bits == dataset.BitsAllocated or syntax in done:
        return stored
    in_place = not syntax.is_encapsulated or syntax == RLELossless
    return align(stored, bits, highest_bit(dataset) if in_place else bits - 1)


def align(stored: NDArray[Any], bits: int, high: int) -> NDArray[Any]:
    """Bring the stored bits down to the lowest place and extend their sign (PS3.5 8.1.1); in place."""
    allocated = stored.dtype.itemsize * 8
    if bits < allocated:
        np.left_shift(stored, allocated - 1 - high, out=stored)
        np.right_shift(stored, allocated - bits, out=stored)
    return stored


def highest_bit(dataset: Dataset) -> int:
    """Place of the highest stored bit in the words of an uncompressed file."""
    high = dataset.BitsStored - 1
    # Today the highest bit is always this one; files of the eighties have others.
    return int(max(high, min(dataset.get("HighBit", high), dataset.BitsAllocated - 1)))


def stored_dtype(dataset: Dataset) -> np.dtype[Any]:
    """Type of the stored values, from the header alone."""
    element = pixel_element(dataset)
    if element is not None and element.keyword in _FLOATS:
        return _FLOATS[element.keyword]
    if dataset.BitsAllocated == 1:
        return np.dtype(np.uint8)
    return np.dtype(f"{'i' if is_signed(dataset) else 'u'}{dataset.BitsAllocated // 8}")


def stored_range(dataset: Dataset) -> tuple[int, int]:
    """Smallest and largest value that the stored bits can hold."""
    bits = dataset.BitsStored
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if is_signed(dataset) else (0, (1 << bits) - 1)


def is_signed(dataset: Dataset) -> bool:
    """Whether stored values are numbers with a sign."""
    return bool(dataset.get("PixelRepresentation", 0))
