"""DICOM files of the sample heart: the MR Image Storage object, with nothing that changes between runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

__all__ = ["SLICE_DISTANCE", "Slice", "write_slice"]

SLICE_DISTANCE = 8.0
"""Between the centers of neighboring slices, and their thickness, mm."""
ROW_DIRECTION = np.array((0.8, 0.48, -0.36))
COLUMN_DIRECTION = np.array((0.0, -0.6, -0.8))
FIRST_POSITION = np.array((-91.2, -12.5, 140.0))
"""Center of the first pixel of the basal slice, mm, in the patient's coordinates."""
HEART_RATES = {"A": 66, "B": 72, "C": 60}


@dataclass(frozen=True)
class Slice:
    """What tells one file of a stack from another.

    Attributes
    ----------
    patient : str
        Letter of the patient.
    index : int
        Place in the stack, from the base.
    phase : int
        Place in the heartbeat.
    instance : int
        Number of the file within the series, from 1.
    trigger_time : float
        Time after the R wave, ms.
    spacing : float
        Distance between pixels in both directions, mm.
    """

    patient: str
    index: int
    phase: int
    instance: int
    trigger_time: float
    spacing: float


def write_slice(path: Path, pixels: NDArray[np.int16], facts: Slice) -> None:
    """Write one slice as an uncompressed DICOM file."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = _uid("implementation")
    dataset.file_meta.ImplementationVersionName = "UNETSCOPE_SAMPLE"
    _describe_study(dataset, facts.patient)
    _describe_plane(dataset, facts)
    _describe_pixels(dataset, pixels)
    path.parent.mkdir(parents=True, exist_ok=True)
    dcmwrite(path, dataset, enforce_file_format=True)


def _uid(name: str) -> UID:
    """Return the same identifier for the same name, of the kind that anybody may make from a UUID."""
    return UID(f"2.25.{uuid5(NAMESPACE_OID, f'unetscope sample data: {name}').int}")


def _describe_study(dataset: Dataset, patient: str) -> None:
    """Patient, study, series and equipment; what the standard demands but nobody knows stays empty."""
    dataset.PatientName = f"Sample^{patient}"
    dataset.PatientID = f"SAMPLE-{patient}"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = ""
    dataset.StudyInstanceUID = _uid(f"study {patient}")
    dataset.StudyDate = ""
    dataset.StudyTime = ""
    dataset.StudyID = ""
    dataset.ReferringPhysicianName = ""
    dataset.AccessionNumber = ""
    dataset.Modality = "MR"
    dataset.SeriesInstanceUID = _uid(f"series {patient}")
    dataset.SeriesNumber = 1
    dataset.SeriesDescription = "Synthetic short-axis cine"
    dataset.PatientPosition = "HFS"
    dataset.FrameOfReferenceUID = _uid(f"frame {patient}")
    dataset.PositionReferenceIndicator = ""
    dataset.Manufacturer = "UNetScope sample data"
    dataset.ScanningSequence = "GR"
    dataset.SequenceVariant = "SS"
    dataset.ScanOptions = "CG"
    dataset.MRAcquisitionType = "2D"
    dataset.RepetitionTime = 3.2
    dataset.EchoTime = 1.6
    dataset.EchoTrainLength = 1
    dataset.HeartRate = HEART_RATES[patient]
    dataset.CardiacNumberOfImages = 2


def _describe_plane(dataset: Dataset, facts: Slice) -> None:
    """Where and when the slice was taken."""
    normal = np.cross(ROW_DIRECTION, COLUMN_DIRECTION)
    position = FIRST_POSITION + facts.index * SLICE_DISTANCE * normal
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = _uid(f"image {facts.patient} {facts.instance}")
    dataset.ImageType = ["DERIVED", "PRIMARY", "OTHER"]
    dataset.InstanceNumber = facts.instance
    dataset.TemporalPositionIdentifier = facts.phase + 1
    dataset.TriggerTime = facts.trigger_time
    dataset.ImageOrientationPatient = [*ROW_DIRECTION.tolist(), *COLUMN_DIRECTION.tolist()]
    dataset.ImagePositionPatient = np.round(position, 4).tolist()
    dataset.SliceThickness = SLICE_DISTANCE
    dataset.SpacingBetweenSlices = SLICE_DISTANCE
    dataset.SliceLocation = facts.index * SLICE_DISTANCE
    dataset.PixelSpacing = [facts.spacing, facts.spacing]


def _describe_pixels(dataset: Dataset, pixels: NDArray[np.int16]) -> None:
    """Pixel values, and the window that shows them well."""
    bright = int(np.percentile(pixels, 99.5))
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = 16
    dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 1
    dataset.WindowCenter = bright // 2
    dataset.WindowWidth = bright
    dataset.PixelData = pixels.astype("<i2").tobytes()
