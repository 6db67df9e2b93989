"""The values that were put into a DICOM file come out again, in every encoding and also frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from unetscope.io import Image, read

NATIVE = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]
COMPRESSED = [RLELossless, JPEG2000Lossless, JPEGLSLossless]

shapes = st.tuples(st.integers(1, 3), st.integers(2, 9), st.integers(2, 9))
seeds = st.integers(0, 2**32 - 1)


@contextmanager
def written(pixels: NDArray[Any], syntax: UID, **attributes: Any) -> Iterator[Path]:
    """Write (frames, rows, columns) or (frames, 3, rows, columns) stored values."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == RLELossless else syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = len(pixels), *pixels.shape[-2:]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 3 else 3
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    stored = {"BitsStored": dataset.BitsAllocated, "PhotometricInterpretation": "MONOCHROME2"} | attributes
    for keyword, value in stored.items():
        setattr(dataset, keyword, value)
    dataset.HighBit = dataset.BitsStored - 1
    if dataset.get("PlanarConfiguration") == 0:
        pixels = np.moveaxis(pixels, 1, -1)
    dataset.add_new("PixelData", "OB" if pixels.dtype.itemsize == 1 else "OW", _encoded(pixels, dataset))
    dataset["PixelData"].is_undefined_length = dataset.file_meta.TransferSyntaxUID.is_encapsulated
    if syntax == RLELossless:
        # Not by GDCM, which aborts the process at 32 bits.
        dataset.compress(syntax, encoding_plugin="pydicom", generate_instance_uid=False)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "image.dcm"
        dataset.save_as(path, enforce_file_format=True)
        yield path


def _encoded(pixels: NDArray[Any], dataset: Dataset) -> bytes:
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax == JPEG2000Lossless:
        options = {"level": 0, "reversible": True, "codecformat": "j2k", "mct": False}
        bits = dataset.BitsStored
        return encapsulate(
            [imagecodecs.jpeg2k_encode(each, bitspersample=bits, **options) for each in pixels]
        )
    if syntax == JPEGLSLossless:
        return encapsulate([imagecodecs.jpegls_encode(each) for each in pixels])
    data = pixels.astype(pixels.dtype.newbyteorder("<" if syntax.is_little_endian else ">")).tobytes()
    return data + bytes(len(data) % 2)


def read_both_ways(path: Path) -> Image:
    """Read at once and frame by frame, which must give the same."""
    image = read(path)
    with patch("unetscope.io._limits.LAZY_BYTES", 0):
        by_frame = read(path, lazy=True).load()
    np.testing.assert_array_equal(by_frame.data, image.data, strict=True)
    return image


def without_single_frame(values: NDArray[Any]) -> NDArray[Any]:
    return values[0] if len(values) == 1 else values


@pytest.mark.parametrize("syntax", NATIVE + COMPRESSED, ids=lambda syntax: syntax.name)
@settings(max_examples=20)
@given(data=st.data(), shape=shapes, seed=seeds)
def test_gray_values(syntax: UID, data: st.DataObject, shape: tuple[int, ...], seed: int) -> None:
    allocated = data.draw(st.sampled_from([8, 16] if syntax in COMPRESSED else [8, 16, 32]), "bits allocated")
    bits = data.draw(st.integers(max(2, allocated - 7), allocated), "bits stored")
    # JPEG-LS has no signed values of its own.
    signed = syntax != JPEGLSLossless and data.draw(st.booleans(), "signed")
    inverted = data.draw(st.booleans(), "inverted")
    slope, intercept = data.draw(st.sampled_from([(1, 0), (1, -1024), (-0.5, 3), (2.3, 0.1)]), "rescale")
    lowest = -(1 << (bits - 1)) if signed else 0
    rng = np.random.default_rng(seed)
    stored = rng.integers(lowest, lowest + (1 << bits), shape)
    # Old files keep overlays in the bits above.
    overlay = rng.integers(0, 1 << (allocated - bits), shape) << bits if syntax in NATIVE else 0
    dtype = np.dtype(f"{'i' if signed else 'u'}{allocated // 8}")
    in_file = (
        (stored & ((1 << bits) - 1) | overlay).astype(dtype) if syntax in NATIVE else stored.astype(dtype)
    )
    attributes = {
        "BitsStored": bits,
        "PhotometricInterpretation": "MONOCHROME1" if inverted else "MONOCHROME2",
        "RescaleSlope": slope,
        "RescaleIntercept": intercept,
    }
    with written(in_file, syntax, **attributes) as path:
        image = read_both_ways(path)
    bright = 2 * lowest + (1 << bits) - 1 - stored if inverted else stored
    rescaled = (bright * slope + intercept).astype(np.float32)
    expected = bright.astype(dtype) if (slope, intercept) == (1, 0) else rescaled
    np.testing.assert_array_equal(image.data, without_single_frame(expected), strict=True)


@pytest.mark.parametrize("syntax", NATIVE + COMPRESSED, ids=lambda syntax: syntax.name)
@settings(max_examples=20)
@given(shape=shapes, seed=seeds, dtype=st.sampled_from([np.uint8, np.uint16]), by_plane=st.booleans())
def test_color_values(
    syntax: UID, shape: tuple[int, ...], seed: int, dtype: type[np.unsignedinteger[Any]], by_plane: bool
) -> None:
    frames, rows, columns = shape
    top = np.iinfo(dtype).max
    stored = np.random.default_rng(seed).integers(0, top, (frames, 3, rows, columns), dtype, endpoint=True)
    planar = int(by_plane and syntax in NATIVE)
    with written(stored, syntax, PhotometricInterpretation="RGB", PlanarConfiguration=planar) as path:
        image = read_both_ways(path)
    expected = stored[0] if frames == 1 else stored.swapaxes(0, 1)
    np.testing.assert_array_equal(image.data, expected, strict=True)


@pytest.mark.parametrize("syntax", [*NATIVE, RLELossless], ids=lambda syntax: syntax.name)
@settings(max_examples=20)
@given(shape=shapes, seed=seeds, dtype=st.sampled_from([np.uint8, np.uint16]), first=st.integers(0, 9))
def test_palette_colors(
    syntax: UID, shape: tuple[int, ...], seed: int, dtype: type[np.unsignedinteger[Any]], first: int
) -> None:
    rng = np.random.default_rng(seed)
    entries = rng.integers(0, 2**16, (3, 200), np.uint16)
    indices = rng.integers(0, 256, shape, dtype)
    order = "<u2" if syntax.is_little_endian else ">u2"
    tables: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for color, table in zip(("Red", "Green", "Blue"), entries, strict=True):
        tables[f"{color}PaletteColorLookupTableDescriptor"] = [200, first, 16]
        tables[f"{color}PaletteColorLookupTableData"] = table.astype(order).tobytes()
    with written(indices, syntax, **tables) as path:
        image = read_both_ways(path)
    colors = entries[:, np.clip(indices.astype(int) - first, 0, 199)]
    expected = colors[:, 0] if len(indices) == 1 else colors
    np.testing.assert_array_equal(image.data, expected, strict=True)
