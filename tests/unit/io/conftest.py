"""DICOM files made for the tests: small, valid, and different in exactly what a test asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

MakeDicom = Callable[..., Path]


@pytest.fixture
def make_dicom(tmp_path: Path) -> MakeDicom:
    """Write a DICOM file: ``make_dicom(name, pixels, Keyword=value, …)``; None removes an attribute."""

    def make(name: str, pixels: np.ndarray, **attributes: Any) -> Path:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = MRImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        color = pixels.shape[-1] == 3
        bits = pixels.dtype.itemsize * 8
        defaults = {
            "Modality": "MR",
            "PatientID": "nobody",
            "SamplesPerPixel": 3 if color else 1,
            "PhotometricInterpretation": "RGB" if color else "MONOCHROME2",
            "Rows": pixels.shape[-3] if color else pixels.shape[-2],
            "Columns": pixels.shape[-2] if color else pixels.shape[-1],
            "BitsAllocated": bits,
            "BitsStored": bits,
            "HighBit": bits - 1,
            "PixelRepresentation": int(pixels.dtype.kind == "i"),
            "PixelSpacing": [0.5, 0.25],
        }
        if color:
            defaults["PlanarConfiguration"] = 0
        for keyword, value in (defaults | attributes).items():
            if value is not None:
                setattr(dataset, keyword, value)
        dataset.add_new("PixelData", "OB" if bits == 8 else "OW", pixels.tobytes())
        dataset.save_as(path, enforce_file_format=True)
        return path

    return make


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
