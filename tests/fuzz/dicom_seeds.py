"""Small valid DICOM files of many encodings and kinds, made in code."""

from __future__ import annotations

import gc
import io
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from pydicom import FileDataset, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.fileset import FileSet
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
    generate_uid,
)

from fuzz.pixels import COLOR, GREY, PIXELS, SECRET, VOLUME, Case, picture, single

__all__ = ["DICOM_SEEDS"]


def _dataset(pixels: np.ndarray, syntax: str = ExplicitVRLittleEndian, **attributes: Any) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = attributes.get("SOPClassUID", MRImageStorage)
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[repr(attributes)])
    meta.TransferSyntaxUID = syntax
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    color = pixels.ndim == 3 and pixels.shape[-1] == 3
    bits = pixels.dtype.itemsize * 8
    values = {
        "SOPClassUID": meta.MediaStorageSOPClassUID,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "PatientName": f"{SECRET}^",
        "PatientID": SECRET,
        "StudyID": "1",
        "StudyDate": "20200101",
        "StudyTime": "120000",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "Modality": "MR",
        "SamplesPerPixel": 3 if color else 1,
        "PhotometricInterpretation": "RGB" if color else "MONOCHROME2",
        "Rows": 8,
        "Columns": 6,
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "PixelSpacing": [0.5, 0.25],
        "SliceThickness": 2,
        "ImagePositionPatient": [0, 0, 0],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "WindowCenter": [40, 50],
        "WindowWidth": [80, 90],
        "RescaleSlope": 2,
        "RescaleIntercept": -3,
    }
    if color:
        values["PlanarConfiguration"] = 0
    for keyword, value in (values | attributes).items():
        setattr(dataset, keyword, value)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    dataset.add_new("PixelData", "OB" if bits == 8 else "OW", _in_order(pixels, order))
    return dataset


def _in_order(pixels: np.ndarray, order: str) -> bytes:
    return pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()


def _saved(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _compressed(syntax: str, frames: list[bytes], pixels: np.ndarray) -> Case:
    dataset = _dataset(pixels, syntax, NumberOfFrames=len(frames))
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].is_undefined_length = True
    return {"a.dcm": _saved(dataset)}


def _dicom_rle() -> Case:
    dataset = _dataset(PIXELS)
    dataset.compress(RLELossless)
    return {"a.dcm": _saved(dataset)}


def _dicom_palette() -> Case:
    table = np.arange(256, dtype=np.uint16).tobytes()
    colors: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for color in ("Red", "Green", "Blue"):
        colors[f"{color}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        colors[f"{color}PaletteColorLookupTableData"] = table
    return {"a.dcm": _saved(_dataset(GREY, **colors))}


def _dicom_float() -> Case:
    dataset = _dataset(PIXELS)
    del dataset.PixelData
    dataset.FloatPixelData = PIXELS.astype("<f4").tobytes()
    dataset.BitsAllocated = 32
    return {"a.dcm": _saved(dataset)}


def _group(**attributes: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def _dicom_enhanced() -> Case:
    measures = _group(PixelSpacing=[0.5, 0.25], SliceThickness=2, SpacingBetweenSlices=2)
    orientation = _group(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    frames = [
        _group(
            PlanePositionSequence=[_group(ImagePositionPatient=[0, 0, 2 * i])],
            FrameContentSequence=[_group(StackID="1", InStackPositionNumber=i + 1, DimensionIndexValues=[i])],
            PixelValueTransformationSequence=[
                _group(RescaleSlope=1 + i, RescaleIntercept=0, RescaleType="US")
            ],
        )
        for i in range(3)
    ]
    shared = _group(PixelMeasuresSequence=[measures], PlaneOrientationSequence=[orientation])
    dataset = _dataset(
        VOLUME,
        SOPClassUID=EnhancedMRImageStorage,
        NumberOfFrames=3,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=frames,
    )
    return {"a.dcm": _saved(dataset)}


def _dicom_slices() -> Case:
    return {
        f"{i}.dcm": _saved(
            _dataset(
                PIXELS + i, ImagePositionPatient=[0, 0, 2 * i], InstanceNumber=i + 1, AcquisitionNumber=i
            )
        )
        for i in range(3)
    }


def _dicom_segments() -> Case:
    import highdicom

    slices = [_dataset(PIXELS, ImagePositionPatient=[0, 0, 2 * i], InstanceNumber=i + 1) for i in range(3)]
    for i, item in enumerate(slices):
        item.SOPInstanceUID = f"1.2.3.4.{i}"
        for keyword in ("FrameOfReferenceUID", "PatientBirthDate", "PatientSex", "AccessionNumber"):
            setattr(item, keyword, "1.2.3" if keyword.endswith("UID") else "")
        item.ReferringPhysicianName = ""
    code = highdicom.sr.CodedConcept("85756007", "SCT", "Tissue")
    segments = [
        highdicom.seg.SegmentDescription(number, f"part {number}", code, code, "MANUAL") for number in (1, 2)
    ]
    mask = (np.stack([PIXELS] * 3) % 3).astype(np.uint8)
    dataset = highdicom.seg.Segmentation(
        slices, mask, "BINARY", segments, "1.2.5", 1, "1.2.6", 1, "maker", "model", "1", "2"
    )
    return {"a.dcm": _saved(dataset)}


def _dicom_slide() -> Case:
    tiles = np.stack([COLOR] * 4)
    dataset = _dataset(COLOR, SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.6", Modality="SM")
    dataset.PixelData = tiles.tobytes()
    dataset.update(
        _group(
            ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
            NumberOfFrames=4,
            TotalPixelMatrixRows=14,
            TotalPixelMatrixColumns=11,
            DimensionOrganizationType="TILED_FULL",
            NumberOfOpticalPaths=1,
            TotalPixelMatrixFocalPlanes=1,
            ImagedVolumeWidth=1.0,
            ImagedVolumeHeight=1.0,
            ImageOrientationSlide=[0, -1, 0, -1, 0, 0],
            OpticalPathSequence=[_group(OpticalPathIdentifier="1")],
            SharedFunctionalGroupsSequence=[
                _group(PixelMeasuresSequence=[_group(PixelSpacing=[0.01, 0.01], SliceThickness=0.001)])
            ],
        )
    )
    return {"a.dcm": _saved(dataset)}


def _dicom_directory() -> Case:
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        files = FileSet()
        for name, content in _dicom_slices().items():
            (top / name).write_bytes(content)
            files.add(top / name)
        files.write(top / "set")
        with warnings.catch_warnings():
            # It tidies up its own temporary folder only when it is collected.
            warnings.simplefilter("ignore", ResourceWarning)
            del files
            gc.collect()
        paths = sorted(path for path in (top / "set").rglob("*") if path.is_file())
        paths.sort(key=lambda path: path.name != "DICOMDIR")
        return {path.relative_to(top / "set").as_posix(): path.read_bytes() for path in paths}


DICOM_SEEDS: dict[str, Callable[[], Case]] = {
    "dicom": single("a.dcm", lambda: _saved(_dataset(PIXELS))),
    "dicom-color": single("a.dcm", lambda: _saved(_dataset(COLOR))),
    "dicom-implicit": single("a.dcm", lambda: _saved(_dataset(PIXELS, ImplicitVRLittleEndian))),
    "dicom-big-endian": single("a.dcm", lambda: _saved(_dataset(PIXELS, ExplicitVRBigEndian))),
    "dicom-deflated": single("a.dcm", lambda: _saved(_dataset(PIXELS, DeflatedExplicitVRLittleEndian))),
    "dicom-rle": _dicom_rle,
    "dicom-jpeg": lambda: _compressed(
        JPEGBaseline8Bit, [picture(GREY, "JPEG"), picture(GREY.T.reshape(8, 6), "JPEG")], GREY
    ),
    "dicom-jpeg2000": lambda: _compressed(
        JPEG2000Lossless, [imagecodecs.jpeg2k_encode(PIXELS, codecformat="J2K", reversible=True)], PIXELS
    ),
    "dicom-jpegls": lambda: _compressed(JPEGLSLossless, [imagecodecs.jpegls_encode(PIXELS)], PIXELS),
    "dicom-palette": _dicom_palette,
    "dicom-float": _dicom_float,
    "dicom-enhanced": _dicom_enhanced,
    "dicom-segments": _dicom_segments,
    "dicom-slide": _dicom_slide,
    "dicom-series": lambda: {"./": b"", **_dicom_slices()},
    "dicomdir": _dicom_directory,
}
