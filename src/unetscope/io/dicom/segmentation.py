"""DICOM segmentation objects (PS3.3 A.51, C.8.20): segments as channels, or as one label image."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from unetscope.errors import InputError, ReadError
from unetscope.io._limits import require_memory
from unetscope.io.dicom.decode import decoding, open_dicom, patient_group, pixel_element, require_decoder
from unetscope.io.dicom.header import macro, number
from unetscope.io.dicom.mosaic import Mosaic
from unetscope.io.dicom.placing import Placing, placing_of
from unetscope.io.dicom.single import Frames
from unetscope.io.image import Image, Source

__all__ = [
    "LABEL_VALUE",
    "read_segmentation",
    "read_segmentation_labels",
    "referenced_uids",
]

LABEL_VALUE = (0x0063, "UNETSCOPE", 0x01)
"""Group, creator and element of the private attribute that keeps the value of a label in its segment.

Segments of binary objects are numbered 1, 2, 3, … (PS3.3 C.8.20.4.1), and labels need not be.
"""

_KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")


@dataclass(frozen=True, eq=False)
class _Object:
    """A segmentation object without its pixels.

    `segments` are names by number, `values` the labels that they stand for; `background` is the pixel value
    of no segment in a label map.
    """

    path: Path
    kind: str
    header: Dataset
    frames: Frames
    segments: dict[int, str]
    values: dict[int, int]
    background: int
    placing: Placing


def read_segmentation(path: Path, *, lazy: bool = False) -> Image:
    """Read a DICOM segmentation object, one channel per segment.

    Parameters
    ----------
    path : Path
    lazy : bool
        Leave the pixels of large objects on disk.

    Returns
    -------
    Image
        ``"CZYX"``, or ``"CYX"`` for one plane: uint8 0 and 1, or for fractional objects float32 in [0, 1].
        Slices and tiles that the object leaves out, because nothing was segmented there, are 0. Channels are
        named by the labels of the segments; tags hold ``segment_numbers``, ``segmentation_type`` and, for
        fractional ones, ``fractional_type`` (probability or occupancy).

    Raises
    ------
    ReadError
        If the file is damaged, no segmentation, or compressed in a way for which no decoder is installed.
    InputError
        If its frames make no regular stack.
    """
    with decoding(path):
        found = _open(path)
        shape = (len(found.segments), *found.placing.grid)
        rows, columns = int(found.header.Rows), int(found.header.Columns)
        at_once = len(found.segments) if found.kind == "LABELMAP" else 1
        mosaic = Mosaic(
            path,
            shape,
            np.dtype(np.float32 if found.kind == "FRACTIONAL" else np.uint8),
            found.placing.places,
            (at_once, rows, columns),
            lambda frame: _channels(found, frame),
            np.zeros(at_once),
        )
        data = mosaic.read(lazy=lazy)
    tags = {"segment_numbers": tuple(found.segments)}
    return _image(found, data, "CZYX", tags, tuple(found.segments.values()))


def read_segmentation_labels(path: Path) -> Image:
    """Read a DICOM segmentation object as one label image.

    Returns
    -------
    Image
        ``"ZYX"``, or ``"YX"`` for one plane, in the smallest unsigned type; 0 is background and the number
        of its segment elsewhere, or, in files written by `write_segmentation`, the label it was written
        from. ``tags["labels"]`` gives the name of each label.

    Raises
    ------
    ReadError
        If the file is damaged, no segmentation, or compressed in a way for which no decoder is installed.
    InputError
        If segments overlap, hold fractions, or their frames make no regular stack.
    """
    with decoding(path):
        found = _open(path)
        highest = max(found.values.values(), default=0)
        dtype = np.min_scalar_type(highest)
        require_memory(path, found.placing.grid, dtype)
        data = np.zeros(found.placing.grid, dtype)
        overlaps: Counter[tuple[int, int]] = Counter()
        for frame, (channel, plane, row, column) in enumerate(found.placing.places):
            labels = _labels(found, frame, int(channel), dtype)
            # Tiles at the lower and right edge may reach beyond the total pixel matrix.
            place = data[plane, row:, column:][: labels.shape[0], : labels.shape[1]]
            labels = labels[: place.shape[0], : place.shape[1]]
            both = (place != 0) & (labels != 0) & (place != labels)
            if both.any():
                overlaps.update(zip(place[both].tolist(), labels[both].tolist(), strict=True))
            np.copyto(place, labels, where=labels != 0)
    _refuse_overlap(found, overlaps)
    names = {found.values[number]: name for number, name in found.segments.items()}
    return _image(found, data, "ZYX", {"labels": names}, ())


def referenced_uids(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Identifiers of the series and of the images that a segmentation was drawn on.

    For comparing in memory only: they must not be shown or kept.

    Returns
    -------
    series, images : frozenset of str
        Series Instance UIDs and SOP Instance UIDs; empty where the object does not say.

    Raises
    ------
    ReadError
        If the file is damaged.
    """
    with decoding(path):
        header = open_dicom(path, header_only=True)
        listed = [*header.get("ReferencedSeriesSequence", [])]
        for study in header.get("StudiesContainingOtherReferencedInstancesSequence", []):
            listed += study.get("ReferencedSeriesSequence", [])
        series = {str(item.get("SeriesInstanceUID", "")) for item in listed} - {""}
        references = [image for item in listed for image in item.get("ReferencedInstanceSequence", [])]
        references += header.get("SourceImageSequence", [])
        groups = [*header.get("SharedFunctionalGroupsSequence", [])]
        groups += header.get("PerFrameFunctionalGroupsSequence", [])
        for group in groups:
            for derivation in group.get("DerivationImageSequence", []):
                references += derivation.get("SourceImageSequence", [])
        images = {str(item.get("ReferencedSOPInstanceUID", "")) for item in references} - {""}
    return frozenset(series), frozenset(images)


def _open(path: Path) -> _Object:
    header = open_dicom(path, header_only=True)
    kind = header.get("SegmentationType")
    if not header.get("SegmentSequence") or kind not in _KINDS or pixel_element(header) is None:
        raise ReadError(
            f"{path.name} is no DICOM segmentation object with pixels",
            expected="a segmentation of type binary, fractional or label map",
            fix="choose the file of the segmentation",
        )
    require_decoder(header, path)
    # A palette colors the display of a label map; the pixels are numbers of segments.
    header.PhotometricInterpretation = "MONOCHROME2"
    require_memory(path, (int(header.Rows), int(header.Columns)), np.uint8)
    frames = Frames(path, header)
    background = int(number(header, "PixelPaddingValue") or 0) if kind == "LABELMAP" else 0
    segments = _names(header, background)
    order = {segment: i for i, segment in enumerate(segments)}

    def channel_of(frame: int) -> int:
        if kind == "LABELMAP":
            return 0
        segment = number(macro(header, "SegmentIdentificationSequence", frame), "ReferencedSegmentNumber")
        if segment not in order:
            raise ReadError(
                f"{path.name} holds a frame of a segment that it does not describe",
                expected="the number of a segment for each frame, and a description of each segment",
                fix="export it again",
            )
        return order[int(segment)]

    placing = placing_of(path, header, 1 if kind == "LABELMAP" else len(segments), channel_of)
    return _Object(path, kind, header, frames, segments, _values(header, segments), background, placing)


def _names(header: Dataset, background: int) -> dict[int, str]:
    """Names of the segments by number, in the order of the file, each name once."""
    names: dict[int, str] = {}
    for item in header.SegmentSequence:
        segment = int(item.SegmentNumber)
        if segment == background:
            continue
        name = str(item.get("SegmentLabel") or "").strip() or f"segment {segment}"
        names[segment] = f"{name} ({segment})" if name in names.values() else name
    return names


def _values(header: Dataset, segments: dict[int, str]) -> dict[int, int]:
    group, creator, element = LABEL_VALUE
    values = {segment: segment for segment in segments}
    for item in header.SegmentSequence:
        try:
            kept = item.private_block(group, creator)[element].value
        except KeyError:
            continue
        # Where the encoding does not say what private attributes are, they are bytes.
        value = int.from_bytes(kept[:4], "little") if isinstance(kept, bytes) else int(kept)
        values[int(item.SegmentNumber)] = value
    return values


def _channels(found: _Object, frame: int) -> NDArray[Any]:
    """Decode a frame into (channels, rows, columns)."""
    stored = found.frames[frame]
    if found.kind == "LABELMAP":
        numbers = np.array(list(found.segments)).reshape(-1, 1, 1)
        return (stored == numbers).astype(np.uint8)
    if found.kind == "FRACTIONAL":
        return (stored[np.newaxis] / np.float32(found.header.MaximumFractionalValue)).astype(np.float32)
    return (stored[np.newaxis] != 0).astype(np.uint8)


def _labels(found: _Object, frame: int, channel: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Decode a frame into labels."""
    stored = found.frames[frame]
    if found.kind == "LABELMAP":
        return _mapped(found, stored, dtype)
    if found.kind == "FRACTIONAL":
        fractions = (stored != 0) & (stored != found.header.MaximumFractionalValue)
        if fractions.any():
            raise InputError(
                f"{found.path.name} holds fractions of {len(found.segments)} segments, not labels",
                expected="a binary segmentation",
                fix="threshold it first, for example in 3D Slicer",
            )
    segment = list(found.segments)[channel]
    return np.where(stored != 0, dtype.type(found.values[segment]), dtype.type(0))


def _mapped(found: _Object, stored: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    present, index = np.unique(stored, return_inverse=True)
    unknown = set(present.tolist()) - {found.background, *found.segments}
    if unknown:
        raise InputError(
            f"{found.path.name} holds pixels of the segment {min(unknown)}, which it does not describe",
            expected="a description of each segment",
            fix="export it again",
        )
    labels = [found.values.get(value, 0) for value in present.tolist()]
    return np.array(labels, dtype)[index].reshape(stored.shape)


def _refuse_overlap(found: _Object, overlaps: Counter[tuple[int, int]]) -> None:
    if not overlaps:
        return
    names = {found.values[segment]: f"{name!r} ({segment})" for segment, name in found.segments.items()}
    (one, other), pixels = overlaps.most_common(1)[0]
    raise InputError(
        f"{found.path.name} has segments {names[one]} and {names[other]} that overlap in {pixels} pixels",
        expected="at most one segment per pixel",
        fix="choose one of the segments, or separate them, for example in 3D Slicer",
    )


def _image(
    found: _Object, data: NDArray[Any], axes: str, tags: dict[str, Any], channels: tuple[str, ...]
) -> Image:
    placing, header = found.placing, found.header
    tags = {"modality": "SEG", "segmentation_type": found.kind, **tags}
    if found.kind == "FRACTIONAL":
        tags["fractional_type"] = header.get("SegmentationFractionalType")
    source = Source(found.path, "dicom", patient_group(header), tags=tags, notes=placing.notes)
    image = Image(
        data, axes, placing.spacing, placing.origin, placing.units, channels, source, placing.affine
    )
    return image.take("Z", 0) if placing.grid[0] == 1 else image
