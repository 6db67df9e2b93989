"""Segmentation objects and slides made for the tests, as bare as the readers accept them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ExplicitVRLittleEndian,
    SegmentationStorage,
    VLWholeSlideMicroscopyImageStorage,
    generate_uid,
)

MakeObject = Callable[..., Path]


def item(**attributes: Any) -> Dataset:
    """A dataset of these attributes."""
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def group(name: str, **attributes: Any) -> Dataset:
    """A functional group of one item."""
    return item(**{f"{name}Sequence": [item(**attributes)]})


def save(path: Path, sop_class: str, attributes: dict[str, Any], pixels: bytes, syntax: str) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = syntax
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    attributes = {"SOPClassUID": sop_class, "PixelRepresentation": 0} | attributes
    for keyword, value in attributes.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.add_new("PixelData", "OB", pixels)
    dataset["PixelData"].is_undefined_length = meta.TransferSyntaxUID.is_encapsulated
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def make_segmentation(tmp_path: Path) -> MakeObject:
    """Write a segmentation: ``make_segmentation(name, [(segment, z or position or None, pixels), …])``."""

    def make(
        name: str,
        frames: Sequence[tuple[int, Any, Any]],
        kind: str = "BINARY",
        names: Sequence[str] = ("one", "two", "three"),
        distance: float | None = None,
        **attributes: Any,
    ) -> Path:
        pixels = np.array([frame for _, _, frame in frames], np.uint8)
        bits = 1 if kind == "BINARY" else 8
        shared = group("PlaneOrientation", ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
        shared.update(group("PixelMeasures", PixelSpacing=[0.5, 0.25], SliceThickness=1))
        if distance is not None:
            shared.PixelMeasuresSequence[0].SpacingBetweenSlices = distance
        per_frame = []
        for segment, place, _ in frames:
            one = Dataset()
            if kind != "LABELMAP":
                one.update(group("SegmentIdentification", ReferencedSegmentNumber=segment))
            if place is not None:
                position = [3, 4, place] if np.isscalar(place) else list(place)
                one.update(group("PlanePosition", ImagePositionPatient=position))
            per_frame.append(one)
        described = [item(SegmentNumber=i, SegmentLabel=label) for i, label in enumerate(names, 1)]
        packed = np.packbits(pixels.ravel(), bitorder="little") if bits == 1 else pixels
        data = packed.tobytes()
        defaults = {
            "PatientID": "nobody",
            "Modality": "SEG",
            "SegmentationType": kind,
            "SegmentSequence": described,
            "SharedFunctionalGroupsSequence": [shared],
            "PerFrameFunctionalGroupsSequence": per_frame,
            "NumberOfFrames": len(frames),
            "Rows": pixels.shape[1],
            "Columns": pixels.shape[2],
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "BitsAllocated": bits,
            "BitsStored": bits,
            "HighBit": bits - 1,
        }
        path = tmp_path / name
        return save(
            path,
            SegmentationStorage,
            defaults | attributes,
            data + b"\0" * (len(data) % 2),
            ExplicitVRLittleEndian,
        )

    return make


@pytest.fixture
def make_slide(tmp_path: Path) -> MakeObject:
    """Write a slide cut into tiles: ``make_slide(name, planes, tile)``, each plane (rows, columns[, 3]).

    With `places`, a sequence of (plane, row, column) counted from 0, it is sparse and has these tiles only.
    With `encode`, tiles are compressed by it to the transfer syntax `syntax`.
    """

    def make(
        name: str,
        planes: Sequence[Any],
        tile: tuple[int, int] = (4, 6),
        *,
        places: Sequence[tuple[int, int, int]] | None = None,
        encode: Callable[[Any], bytes] | None = None,
        syntax: str = ExplicitVRLittleEndian,
        offset_table: bool = True,
        **attributes: Any,
    ) -> Path:
        stack = np.array(planes, np.uint8)
        rows, columns = stack.shape[1:3]
        samples = stack.shape[3] if stack.ndim == 4 else 1
        starts = [(r, c) for r in range(0, rows, tile[0]) for c in range(0, columns, tile[1])]
        full = places is None
        wanted = [(z, r, c) for z in range(len(stack)) for r, c in starts] if places is None else places
        # Tiles at the edge are whole ones, too.
        margin = [(0, 0), (0, tile[0]), (0, tile[1])] + [(0, 0)] * (stack.ndim - 3)
        padded = np.pad(stack, margin)
        tiles = [padded[z, r : r + tile[0], c : c + tile[1]] for z, r, c in wanted]
        defaults: dict[str, Any] = {
            "PatientID": "nobody",
            "Modality": "SM",
            "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
            "DimensionOrganizationType": "TILED_FULL" if full else "TILED_SPARSE",
            "TotalPixelMatrixRows": rows,
            "TotalPixelMatrixColumns": columns,
            "TotalPixelMatrixFocalPlanes": len(stack),
            "TotalPixelMatrixOriginSequence": [
                item(XOffsetInSlideCoordinateSystem=20, YOffsetInSlideCoordinateSystem=40)
            ],
            "ImageOrientationSlide": [0, -1, 0, -1, 0, 0],
            "OpticalPathSequence": [item(OpticalPathIdentifier="1", OpticalPathDescription="Brightfield")],
            "SharedFunctionalGroupsSequence": [group("PixelMeasures", PixelSpacing=[0.002, 0.001])],
            "NumberOfFrames": len(tiles),
            "Rows": tile[0],
            "Columns": tile[1],
            "SamplesPerPixel": samples,
            "PhotometricInterpretation": "RGB" if samples == 3 else "MONOCHROME2",
            "BitsAllocated": 8,
            "BitsStored": 8,
            "HighBit": 7,
        }
        if samples == 3:
            defaults["PlanarConfiguration"] = 0
        if not full:
            defaults["PerFrameFunctionalGroupsSequence"] = [
                group(
                    "PlanePositionSlide",
                    RowPositionInTotalImagePixelMatrix=r + 1,
                    ColumnPositionInTotalImagePixelMatrix=c + 1,
                    ZOffsetInSlideCoordinateSystem=2.5 * z,
                )
                for z, r, c in wanted
            ]
        if encode is None:
            data = b"".join(part.tobytes() for part in tiles)
            data += b"\0" * (len(data) % 2)
        else:
            data = encapsulate([encode(np.ascontiguousarray(part)) for part in tiles], has_bot=offset_table)
        path = tmp_path / name
        return save(path, VLWholeSlideMicroscopyImageStorage, defaults | attributes, data, syntax)

    return make
