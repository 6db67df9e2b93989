"""What other libraries make of odd files; nothing here knows unetscope.

Pixels come on two ways that share no code: SimpleITK (its own GDCM) reads the whole file; and the bytes of
the frames are decoded by imagecodecs (PackBits, libjpeg-turbo, CharLS, OpenJPEG) or by plain NumPy and turned
into values here, step by step. Attributes of headers are read with pydicom, as in unetscope.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
import png
import SimpleITK
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames

__all__ = [
    "PIXELS",
    "Volume",
    "as_promised",
    "by_position",
    "pixels_of",
    "place",
    "png_values",
    "segments",
    "simple_itk",
    "slide",
    "spacing",
    "stack_of",
]

Array = NDArray[Any]
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_DECODERS = {
    "JPEG 2000": imagecodecs.jpeg2k_decode,
    "JPEG-LS": imagecodecs.jpegls_decode,
    "JPEG Lossless": imagecodecs.ljpeg_decode,
}


class Volume(NamedTuple):
    """What SimpleITK reads: ([slices,] rows, columns [, 3]), and where it lies."""

    data: Array
    spacing: tuple[float, ...]
    affine: Array


def simple_itk(path: Path, image_io: str) -> Volume:
    """Read a whole file. Run it in a process of its own: GDCM aborts on some files."""
    SimpleITK.ProcessObject.GlobalWarningDisplayOff()
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(image_io)
    image = reader.Execute()
    data = SimpleITK.GetArrayFromImage(image)
    if image.GetDimension() > 2 and len(data) == 1:
        data = data[0]
    affine = np.eye(4)
    if image.GetDimension() == 3:
        steps = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
        affine[:3] = np.column_stack([steps[:, ::-1], image.GetOrigin()])
    return Volume(data, image.GetSpacing()[::-1], affine)


def stack_of(path: Path) -> tuple[str, tuple[float, ...]]:
    """Series and orientation of a DICOM file, as SimpleITK reads them."""
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO("GDCMImageIO")
    reader.ReadImageInformation()
    stated = [reader.GetMetaData(k) if reader.HasMetaDataKey(k) else "" for k in ("0020|000e", "0020|0037")]
    orientation = tuple(round(float(number), 4) for number in stated[1].split("\\") if number.strip())
    return stated[0], orientation


# ---- stored values, without pydicom's decoders


def pixels_of(header: Dataset) -> Array:
    """Decode the stored values: (frames, rows, columns, samples).

    Only the stored bits are kept, with the sign that the header tells. YBR compressed as JPEG or JPEG 2000
    comes out as RGB; chroma subsampled without compression is repeated.
    """
    frames = int(header.get("NumberOfFrames") or 1)
    shape = (frames, header.Rows, header.Columns, header.get("SamplesPerPixel", 1))
    if header.file_meta.TransferSyntaxUID.is_encapsulated:
        parts = generate_frames(header.PixelData, number_of_frames=frames)
        return _stored_bits(np.stack([_decode(part, header) for part in parts]).reshape(shape), header)
    return _native(header, shape)


def _native(header: Dataset, shape: tuple[int, ...]) -> Array:
    """Take values that are not compressed from the bytes."""
    count, bits = int(np.prod(shape)), header.BitsAllocated
    order = "<" if header.file_meta.TransferSyntaxUID.is_little_endian else ">"
    name = next(name for name in PIXELS if name in header)
    data = header[name].value
    if name != "PixelData":
        return np.frombuffer(data, f"{order}f{bits // 8}")[:count].reshape(shape)
    if bits <= 8 and order == ">" and header["PixelData"].VR == "OW":
        # Words of 16 bits, the low byte last.
        data = np.frombuffer(data, ">u2").astype("<u2").tobytes()
    if bits == 1:
        # The first one lowest (PS3.5 8.1.1).
        return np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[:count].reshape(shape)
    values = np.frombuffer(data, f"{order}u{bits // 8}")
    if header.PhotometricInterpretation == "YBR_FULL_422":
        # Y1 Y2 CB CR of two neighbors (PS3.3 C.7.6.3.1.2) → Y1 CB CR Y2 CB CR.
        values = values[: count // 3 * 2].reshape(-1, 4)[:, [0, 2, 3, 1, 2, 3]].ravel()
    values = values[:count]
    if header.get("PlanarConfiguration") == 1:
        frames, rows, columns, samples = shape
        values = np.moveaxis(values.reshape(frames, samples, rows, columns), 1, -1)
    return _stored_bits(values.reshape(shape), header)


def _decode(part: bytes, header: Dataset) -> Array:
    name = header.file_meta.TransferSyntaxUID.name
    if name.startswith("RLE"):
        return _run_lengths(part, header)
    for beginning, decode in _DECODERS.items():
        if name.startswith(beginning):
            return decode(part)
    if header.PhotometricInterpretation == "RGB":
        # Without a marker of Adobe's, libjpeg would take the components for YCbCr.
        return imagecodecs.jpeg_decode(part, colorspace="RGB", outcolorspace="RGB")
    return imagecodecs.jpeg_decode(part, bitspersample=12 if header.BitsStored == 12 else None)


def _run_lengths(part: bytes, header: Dataset) -> Array:
    """Undo RLE (PS3.5 annex G): for each sample one segment per byte, the most significant first."""
    count, *starts = np.frombuffer(part[:64], "<u4")
    edges = [*starts[:count], len(part)]
    segments = [
        np.frombuffer(imagecodecs.packbits_decode(part[start:end]), np.uint8)
        for start, end in pairwise(edges)
    ]
    pixels = header.Rows * header.Columns
    size = header.BitsAllocated // 8
    together = np.stack([segment[:pixels] for segment in segments], axis=-1)
    return together.reshape(pixels, -1, size).copy().view(f">u{size}")


def _stored_bits(values: Array, header: Dataset) -> Array:
    bits = header.BitsStored
    kept = values.astype(np.int64) & ((1 << bits) - 1)
    signed = bool(header.get("PixelRepresentation"))
    if signed:
        kept -= (kept >> (bits - 1)) << bits
    # Single bits (in JPEG 2000) take a byte.
    return kept.astype(f"{'i' if signed else 'u'}{max(header.BitsAllocated // 8, 1)}")


# ---- stored values → what `read` promises


def as_promised(stored: Array, header: Dataset) -> Array:
    """Turn stored values into (frames, rows, columns [, 3]) values as `unetscope.io.read` promises them."""
    photometric = header.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        return _palette_colors(stored[..., 0], header)
    if stored.shape[-1] > 1:
        # What these compress as YBR they give back as RGB.
        inside = header.file_meta.TransferSyntaxUID.name.startswith(("JPEG Baseline", "JPEG 2000"))
        return stored if photometric == "RGB" or inside else _to_rgb(stored)
    values = stored[..., 0]
    if photometric == "MONOCHROME1":
        # Largest + smallest value of the stored bits − value; of signed values they add up to −1.
        ends = -1 if header.PixelRepresentation else (1 << header.BitsStored) - 1
        values = (ends - values.astype(np.int64)).astype(values.dtype)
    slopes, intercepts = _mappings(header).T
    if (slopes == 1).all() and (intercepts == 0).all():
        return values
    return (values * slopes[:, None, None] + intercepts[:, None, None]).astype(np.float32)


def _mappings(header: Dataset) -> Array:
    """Slope and intercept of each frame, or of all: (frames or 1, 2)."""
    if "DoseGridScaling" in header:
        return np.array([[float(header.DoseGridScaling), 0.0]])
    items = _functional_group(header, "PixelValueTransformationSequence") or [header]
    return np.array([[float(i.get("RescaleSlope", 1)), float(i.get("RescaleIntercept", 0))] for i in items])


def _functional_group(header: Dataset, name: str) -> list[Dataset]:
    shared = [s[name][0] for s in header.get("SharedFunctionalGroupsSequence", []) if name in s]
    return shared or [f[name][0] for f in header.get("PerFrameFunctionalGroupsSequence", []) if name in f]


def _palette_colors(indices: Array, header: Dataset) -> Array:
    """Look colors up (PS3.3 C.7.6.3.1.5), at the depth of the table's entries."""
    channels = []
    for color in ("Red", "Green", "Blue"):
        entries, first, bits = header[f"{color}PaletteColorLookupTableDescriptor"].value
        data = header[f"{color}PaletteColorLookupTableData"].value
        order = "<" if header.file_meta.TransferSyntaxUID.is_little_endian else ">"
        wide = len(data) >= 2 * (entries or 65536)
        table = np.frombuffer(data, f"{order}u2" if wide else "u1")
        place = np.clip(indices.astype(np.int64) - first, 0, len(table) - 1)
        channels.append(table[place].astype(np.uint8 if bits == 8 else np.uint16))
    return np.stack(channels, axis=-1)


def _to_rgb(ybr: Array) -> Array:
    """Convert YBR_FULL (PS3.3 C.7.6.3.1.2), rounded to the nearest."""
    y, cb, cr = np.moveaxis(ybr.astype(float) - [0, 128, 128], -1, 0)
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    return np.clip(np.floor(rgb + 0.5), 0, 255).astype(np.uint8)


def by_position(frames: Array, header: Dataset) -> Array:
    """Sort frames along the normal of the slices, where the header gives each a place of its own."""
    distances = _distances(header, len(frames))
    return frames if distances is None else frames[np.argsort(distances, kind="stable")]


def _distances(header: Dataset, count: int) -> Array | None:
    """Place of each frame along the normal (row × column), mm."""
    if "GridFrameOffsetVector" in header and count > 1:
        return np.array(header.GridFrameOffsetVector, float)
    orientations = _functional_group(header, "PlaneOrientationSequence")
    positions = _functional_group(header, "PlanePositionSequence")
    if not orientations or len(positions) != count:
        return None
    axes = np.array(orientations[0].ImageOrientationPatient, float)
    places = np.array([item.ImagePositionPatient for item in positions], float)
    return places @ np.cross(axes[:3], axes[3:])


# ---- place


def place(header: Dataset, count: int) -> Array | None:
    """Matrix from (slice, row, column, 1) to (x, y, z, 1) in mm, by PS3.3 C.7.6.2.1.1; None if not stated.

    Slices run along their normal. That of a single slice is 1 mm long.
    """
    if "ImagePositionPatient" in header:
        positions = orientations = measures = [header]
    else:
        positions = _functional_group(header, "PlanePositionSequence")
        orientations = _functional_group(header, "PlaneOrientationSequence")
        measures = _functional_group(header, "PixelMeasuresSequence")
    if not (positions and orientations and measures and "PixelSpacing" in measures[0]):
        return None
    across, down = np.array(orientations[0].ImageOrientationPatient, float).reshape(2, 3)
    spacing = measures[0].PixelSpacing
    affine = np.eye(4)
    affine[:3] = np.column_stack(
        [np.cross(across, down), down * spacing[0], across * spacing[1], positions[0].ImagePositionPatient]
    )
    distances = _distances(header, count)
    if distances is not None and count > 1:
        affine[:3, 0] *= _step(distances)
    if distances is not None and len(positions) == count:
        affine[:3, 3] = positions[int(np.argmin(distances))].ImagePositionPatient
    return affine


def spacing(header: Dataset) -> tuple[float, float] | None:
    """Distance between rows and between columns, mm, as the header states it."""
    items = _functional_group(header, "PixelMeasuresSequence") or [header]
    for name in ("PixelSpacing", "ImagerPixelSpacing"):
        if name in items[0] and min(items[0][name].value) > 0:
            rows, columns = items[0][name].value
            return float(rows), float(columns)
    regions = [r for r in header.get("SequenceOfUltrasoundRegions", []) if r.RegionSpatialFormat == 1]
    if len(regions) == 1 and regions[0].PhysicalUnitsXDirection == 3:
        return 10 * float(regions[0].PhysicalDeltaY), 10 * float(regions[0].PhysicalDeltaX)
    return None


def _step(distances: Array) -> float:
    """Smallest distance between slices that occurs."""
    return float(np.diff(np.unique(distances.round(3))).min(initial=np.inf))


# ---- segmentations and slides


def segments(frames: Array, header: Dataset) -> Array:
    """Sort frames of a segmentation into (segments, [slices,] rows, columns).

    Slices lie on a regular grid with the smallest distance that occurs; those without a frame are zero.
    Fractions are float32 in [0, 1]. Where more frames are described than there are, the first ones count.
    """
    if header.SegmentationType == "FRACTIONAL":
        frames = (frames / header.MaximumFractionalValue).astype(np.float32)
    numbers = [int(item.SegmentNumber) for item in header.SegmentSequence]
    owners = _functional_group(header, "SegmentIdentificationSequence")
    channel = [numbers.index(int(owner.ReferencedSegmentNumber)) for owner in owners]
    if len(channel) == 1:
        channel *= len(frames)
    if "TotalPixelMatrixColumns" in header:
        return _tiled(frames, channel, len(numbers), header)
    distances = _distances(header, len(frames))
    rows = np.zeros(len(frames), int)
    if distances is not None and np.ptp(distances):
        rows = np.rint((distances - distances.min()) / _step(distances)).astype(int)
    volume = np.zeros((len(numbers), max(rows) + 1, *frames.shape[1:]), frames.dtype)
    for frame, c, z in zip(frames, channel, rows, strict=False):
        volume[c, z] = frame
    return volume[:, 0] if volume.shape[1] == 1 else volume


def _tiled(frames: Array, channel: list[int], count: int, header: Dataset) -> Array:
    """Lay tiles into (segments, rows, columns): where they say, else row by row, segment by segment."""
    rows, columns = header.TotalPixelMatrixRows, header.TotalPixelMatrixColumns
    height, width = frames.shape[1:3]
    across, down = -(-columns // width), -(-rows // height)
    planes = np.zeros((count, down * height, across * width, *frames.shape[3:]), frames.dtype)
    positions = _functional_group(header, "PlanePositionSlideSequence")
    for i, frame in enumerate(frames):
        if positions:
            c = channel[i]
            top = int(positions[i].RowPositionInTotalImagePixelMatrix) - 1
            left = int(positions[i].ColumnPositionInTotalImagePixelMatrix) - 1
        else:
            c, tile = divmod(i, across * down)
            top, left = tile // across * height, tile % across * width
        planes[c, top : top + height, left : left + width] = frame
    return planes[:, :rows, :columns]


def slide(frames: Array, header: Dataset) -> Array:
    """Lay the tiles of a slide into one plane: (rows, columns [, 3])."""
    return _tiled(frames, [0] * len(frames), 1, header)[0]


# ---- pictures


def png_values(path: Path) -> Array:
    """Read a PNG with pypng: stored values without alpha, palettes as colors; (rows, columns [, 3])."""
    width, height, rows, info = png.Reader(str(path)).read()
    values = np.vstack([np.asarray(row) for row in rows]).reshape(height, width, info["planes"])
    if "palette" in info:
        return np.array(info["palette"], np.uint8)[values[..., 0], :3]
    kept = info["planes"] - info["alpha"]
    values = values[..., :kept].astype(np.uint16 if info["bitdepth"] == 16 else np.uint8)
    return values[..., 0] if kept == 1 else values
