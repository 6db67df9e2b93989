"""Read one DICOM file: pixel values as measured, physical spacing, no identifiers."""

from __future__ import annotations

import hashlib
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.pixels import apply_color_lut, apply_modality_lut, get_decoder, pixel_array

from unetscope.errors import ReadError
from unetscope.io._files import canonical, reading
from unetscope.io.image import Image, Source

__all__ = [
    "RGB",
    "decoding",
    "is_color",
    "open_dicom",
    "patient_group",
    "pixel_values",
    "plane_spacing",
    "read_dicom",
    "slice_distance",
    "source_of",
]

_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
RGB = ("red", "green", "blue")


def read_dicom(path: Path, *, lazy: bool = False) -> Image:
    """Read one DICOM file.

    Rescale slope and intercept are applied (float32), unless they change nothing: then the stored
    integer type is kept. MONOCHROME1 is inverted on the range of the stored bits (minimum + maximum −
    value), so that larger is brighter in every image. PALETTE COLOR and YBR become RGB. Frames are
    kept in the order of the file: time points where the file gives a frame time, slices otherwise.

    Returns
    -------
    Image
        ``"YX"``, ``"CYX"``, and with several frames ``"ZYX"``, ``"TYX"``, ``"CZYX"`` or ``"TCYX"``.
        Spacing is in mm; (1, …) ``"pixel"`` where the file does not give all of it.

    Raises
    ------
    ReadError
        If the file is damaged, holds no image, is a segmentation object or a tiled slide, or is
        compressed in a way for which no decoder is installed.
    """
    with decoding(path):
        dataset = open_dicom(path)
        values = pixel_values(dataset, path)
        color = is_color(dataset)
        frames = _frame_axis(dataset) if values.ndim > 2 + color else ""
        data, axes = canonical(values, f"{frames}YX" + "C" * color)
        spacing, units = plane_spacing(dataset)
        if "Z" in axes:
            distance = slice_distance(dataset)
            known = distance is not None and units == "mm"
            spacing, units = ((distance or 1.0, *spacing), "mm") if known else ((1.0, 1.0, 1.0), "pixel")
        source = source_of(dataset, path)
    return Image(data, axes, spacing, units=units, channels=RGB if color else (), source=source)


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn what pydicom raises into `ReadError`, and keep its remarks on odd headers to itself.

    Scanners write identifiers, dates and numbers that break the standard's letter without harm to the
    pixels; pydicom warns of each, whenever it is looked at.
    """
    with reading(path, "DICOM", _DAMAGE), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def open_dicom(path: Path, *, header_only: bool = False) -> Dataset:
    """Read a file's header, and its pixel data unless told otherwise."""
    return dcmread(path, stop_before_pixels=header_only)


def pixel_values(dataset: Dataset, path: Path) -> NDArray[Any]:
    """Decode the pixels of a dataset into values as measured.

    Returns
    -------
    ndarray
        ([frames,] rows, columns [, 3]): grey values larger = brighter, or red, green, blue.

    Raises
    ------
    ReadError
        If the dataset holds no image that can be given as one array, or no decoder is installed.
    """
    _refuse_other_objects(dataset, path)
    _require_decoder(dataset, path)
    stored = pixel_array(dataset)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        return apply_color_lut(stored, dataset)
    if dataset.get("SamplesPerPixel", 1) > 1:
        return stored
    if "ModalityLUTSequence" in dataset:
        return apply_modality_lut(stored, dataset)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        stored = _invert(stored, dataset)
    return _rescale(stored, dataset)


def _refuse_other_objects(dataset: Dataset, path: Path) -> None:
    modality = dataset.get("Modality", "unknown")
    if not any(name in dataset for name in _PIXELS):
        raise ReadError(
            f"{path.name} is a DICOM file without pixels (modality {modality})",
            expected="a DICOM image",
            fix="choose the image file",
        )
    if "SegmentSequence" in dataset:
        raise ReadError(
            f"{path.name} is a DICOM segmentation object, whose frames are segments and not slices",
            expected="a DICOM image",
            fix="export the segmentation as one label image (PNG or TIFF)",
        )
    if "TotalPixelMatrixColumns" in dataset and dataset.get("NumberOfFrames", 1) > 1:
        raise ReadError(
            f"{path.name} is a slide in {dataset.NumberOfFrames} tiles",
            expected="a whole image",
            fix="export the region of interest as TIFF",
        )
    if "ModalityLUTSequence" in dataset and dataset.PhotometricInterpretation == "MONOCHROME1":
        raise ReadError(
            f"{path.name} is MONOCHROME1 with a modality lookup table, whose brightness has no defined order",
            expected="MONOCHROME2, or a rescale slope",
            fix="export it as MONOCHROME2",
        )


def _require_decoder(dataset: Dataset, path: Path) -> None:
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError as error:
        raise ReadError(
            f"{path.name} has the transfer syntax {syntax}, which no decoder reads",
            expected="a syntax of pixel data",
            fix="export it uncompressed (Explicit VR Little Endian)",
        ) from error
    if not available:
        raise ReadError(
            f"{path.name} is compressed as {syntax.name} and no decoder for it is installed",
            fix='run pip install "unetscope[dicom]"',
        )


def _stored_range(dataset: Dataset) -> tuple[int, int]:
    """Smallest and largest value that the stored bits can hold."""
    bits = dataset.BitsStored
    return (
        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if dataset.PixelRepresentation else (0, (1 << bits) - 1)
    )


def _invert(stored: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    return np.subtract(sum(_stored_range(dataset)), stored, dtype=stored.dtype)


def _rescale(stored: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    """Apply slope · value + intercept (PS3.3 C.11.1.1.2), which enhanced files give per frame."""
    slopes, intercepts = np.array(_rescale_terms(dataset)).T
    if (slopes == 1).all() and (intercepts == 0).all():
        return stored
    if len(slopes) > 1:
        slopes, intercepts = slopes[:, np.newaxis, np.newaxis], intercepts[:, np.newaxis, np.newaxis]
    return (stored * slopes + intercepts).astype(np.float32)


def _rescale_terms(dataset: Dataset) -> list[tuple[float, float]]:
    items = _functional_group(dataset, "PixelValueTransformationSequence")
    return [(_number(item, "RescaleSlope", 1.0), _number(item, "RescaleIntercept", 0.0)) for item in items]


def _functional_group(dataset: Dataset, name: str) -> list[Dataset]:
    """Find the items of an enhanced file's functional group: one for all frames, or one each.

    A classic file holds the same attributes itself, so that there the answer is the dataset.
    """
    shared = [
        getattr(item, name)[0] for item in dataset.get("SharedFunctionalGroupsSequence", []) if name in item
    ]
    frames = dataset.get("PerFrameFunctionalGroupsSequence", [])
    return shared or [getattr(frame, name)[0] for frame in frames if name in frame] or [dataset]


def _number(dataset: Dataset, name: str, default: float) -> float:
    """Take the first value of an attribute, or the default where it is absent or empty."""
    value = dataset.get(name)
    if value is None or value == "":
        return default
    return float(value[0] if isinstance(value, MultiValue) else value)


def is_color(dataset: Dataset) -> bool:
    """Whether the decoded pixels are red, green and blue."""
    return dataset.get("SamplesPerPixel", 1) > 1 or dataset.PhotometricInterpretation == "PALETTE COLOR"


def _frame_axis(dataset: Dataset) -> str:
    return "T" if "FrameTime" in dataset or "FrameTimeVector" in dataset else "Z"


def plane_spacing(dataset: Dataset) -> tuple[tuple[float, ...], str]:
    """Distance between rows and between columns, with its unit.

    Taken from PixelSpacing, else from the spacing at the detector (ImagerPixelSpacing,
    NominalScannedPixelSpacing); (1, 1) ``"pixel"`` where the file gives none.
    """
    measures = _functional_group(dataset, "PixelMeasuresSequence")[0]
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        value = measures.get(name)
        # Zeros stand for "not calibrated" in files of projection radiography.
        if value is not None and len(value) == 2 and min(value) > 0:
            return (float(value[0]), float(value[1])), "mm"
    return (1.0, 1.0), "pixel"


def slice_distance(dataset: Dataset) -> float | None:
    """Distance between slices in mm as the header states it, or None."""
    measures = _functional_group(dataset, "PixelMeasuresSequence")[0]
    stated = (_number(measures, name, 0.0) for name in ("SpacingBetweenSlices", "SliceThickness"))
    return next((distance for distance in stated if distance > 0), None)


def source_of(dataset: Dataset, path: Path) -> Source:
    """Where the image came from, without any identifier."""
    tags = {
        "modality": dataset.get("Modality"),
        "photometric": dataset.PhotometricInterpretation,
        "bits_stored": dataset.get("BitsStored"),
    }
    return Source(path, "dicom", patient_group(dataset), _window(dataset), tags)


def patient_group(dataset: Dataset) -> str | None:
    """Name the patient without telling who it is.

    The first 12 hexadecimal digits of the SHA-256 of PatientID, after IssuerOfPatientID and a
    backslash (which no value can contain) where there is an issuer; None without a PatientID.
    """
    patient = str(dataset.get("PatientID") or "").strip()
    issuer = str(dataset.get("IssuerOfPatientID") or "").strip()
    if not patient:
        return None
    text = f"{issuer}\\{patient}" if issuer else patient
    return f"patient-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _window(dataset: Dataset) -> tuple[float, float] | None:
    """Center and width of the first display window, on the values that `pixel_values` returns."""
    item = _functional_group(dataset, "FrameVOILUTSequence")[0]
    center, width = _number(item, "WindowCenter", np.nan), _number(item, "WindowWidth", np.nan)
    if not (np.isfinite(center) and width > 0):
        return None
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        slope, intercept = _rescale_terms(dataset)[0]
        center = slope * sum(_stored_range(dataset)) + 2 * intercept - center
    return center, width
