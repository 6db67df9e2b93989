"""DICOM files made for the tests: small, valid, and different in exactly what a test asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, generate_uid

MakeDicom = Callable[..., Path]


@pytest.fixture
def make_dicom(tmp_path: Path) -> MakeDicom:
    """Write a DICOM file: ``make_dicom(name, pixels, Keyword=value, …)``; None removes an attribute.

    `syntax` is the transfer syntax; a file that is `bare` has neither preamble nor meta information. Pixels
    are (rows, columns), (frames, rows, columns) with NumberOfFrames, or end in an axis of 3 colors.
    """

    def make(
        name: str,
        pixels: np.ndarray,
        *,
        syntax: UID = ExplicitVRLittleEndian,
        bare: bool = False,
        **attributes: Any,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = MRImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax.is_encapsulated else syntax
        dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        for keyword, value in (_image_attributes(pixels) | attributes).items():
            if value is not None:
                setattr(dataset, keyword, value)
        _add_pixels(
            dataset, pixels.astype(pixels.dtype.newbyteorder("<" if syntax.is_little_endian else ">"))
        )
        if syntax.is_encapsulated:
            dataset.compress(syntax)
        if bare:
            dataset.preamble, dataset.file_meta = None, FileMetaDataset()
            pydicom.dcmwrite(
                path,
                dataset,
                implicit_vr=syntax.is_implicit_VR,
                little_endian=syntax.is_little_endian,
                force_encoding=True,
            )
        else:
            pydicom.dcmwrite(path, dataset, enforce_file_format=True)
        return path

    return make


def _image_attributes(pixels: np.ndarray) -> dict[str, Any]:
    color = pixels.ndim > 2 and pixels.shape[-1] == 3
    bits = pixels.dtype.itemsize * 8
    attributes = {
        "Modality": "MR",
        "PatientID": "nobody",
        "SamplesPerPixel": 3 if color else 1,
        "PhotometricInterpretation": "RGB" if color else "MONOCHROME2",
        "Rows": pixels.shape[-3] if color else pixels.shape[-2],
        "Columns": pixels.shape[-2] if color else pixels.shape[-1],
        "BitsAllocated": bits,
        "PixelSpacing": [0.5, 0.25],
    }
    if pixels.dtype.kind != "f":
        signed = int(pixels.dtype.kind == "i")
        attributes |= {"BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": signed}
    if color:
        attributes["PlanarConfiguration"] = 0
    return attributes


def _add_pixels(dataset: FileDataset, pixels: np.ndarray) -> None:
    keywords = {np.float32: ("FloatPixelData", "OF"), np.float64: ("DoubleFloatPixelData", "OD")}
    plain = ("PixelData", "OB" if pixels.dtype.itemsize == 1 else "OW")
    keyword, vr = keywords.get(pixels.dtype.type, plain)
    dataset.add_new(keyword, vr, pixels.tobytes())


@pytest.fixture
def make_series(make_dicom: MakeDicom) -> Callable[..., Path]:
    """Write slices at the given positions along z, in the given order; each is filled with its index."""

    def make(positions: list[float], folder: str = "series", **columns: Any) -> Path:
        uid = columns.pop("SeriesInstanceUID", None) or generate_uid()
        path = Path(folder)
        for i, z in enumerate(positions):
            own = {key: value[i] if isinstance(value, list) else value for key, value in columns.items()}
            geometry = {"ImagePositionPatient": [0, 0, z], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
            path = make_dicom(
                f"{folder}/{i:02}.dcm",
                np.full((4, 6), i, np.int16),
                **({"SeriesInstanceUID": uid, "InstanceNumber": i + 1} | geometry | own),
            )
        return path.parent

    return make
