"""Write labels as a DICOM segmentation object on the images that they lie on."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import generate_uid

from unetscope import __version__
from unetscope.errors import OutputError
from unetscope.io._files import StrPath
from unetscope.io.dicom.segmentation import LABEL_VALUE
from unetscope.io.image import Image
from unetscope.io.write.colors import color_of
from unetscope.io.write.files import atomic
from unetscope.io.write.source_images import SourceImages, source_images

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription

__all__ = ["write_segmentation"]

_REFUSALS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
_SERIES_NUMBER = 1000
_FIX = "write .nrrd or .nii.gz, which need no images"
_MOST_SEGMENTS = 65535
_MOST_CHARACTERS = 64
_PATIENT_AND_STUDY = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "StudyDescription",
    "AccessionNumber",
    "ReferringPhysicianName",
)


def write_segmentation(
    path: StrPath, labels: Image, *, names: Mapping[int, str] | None = None, overwrite: bool = False
) -> Path:
    """Write labels as a binary DICOM segmentation object (PS3.3 A.51), one segment per label.

    The images that the labels lie on are `labels.source.files`, or `labels.source.path`; their headers are
    read again. **The standard requires that a segmentation belongs to the patient and the study of its
    images: name, identifiers and dates are taken over from them into the file, as they are.** Files of other
    formats get none of these.

    Segments are numbered from 1 in the order of the labels. Where a label has another value, that is kept in
    a private attribute, so that reading the file again gives the labels as they were. Slices without any
    label are left out, as usual.

    Parameters
    ----------
    path : path
        The file to write, usually ending in ``.dcm``.
    labels : Image
        ``"YX"`` or ``"ZYX"``, integers, 0 is background; on the grid of the images.
    names : mapping of int to str, optional
        What the labels stand for, at most 64 characters each; "label 1", … unless given.
    overwrite : bool
        Whether a file of this name may be replaced.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    OutputError
        If the labels do not lie on DICOM images one by one, hold none or too many labels, a name does not
        fit, highdicom is not installed, or the file cannot be written.
    """
    path = Path(path)
    _require_highdicom(path)
    data = _plain_labels(path, labels)
    sources = source_images(labels)
    numbers, values = _numbered(path, data, names or {})
    segments = [_described(path, i, value, names or {}) for i, value in enumerate(values, 1)]
    with warnings.catch_warnings():
        # The odd values of a header are warned of again when they are written.
        warnings.simplefilter("ignore", UserWarning)
        segmentation = _built(path, numbers, segments, sources)
        with atomic(path, overwrite=overwrite) as temporary:
            _save(path, segmentation, sources.header, temporary)
    return path


def _require_highdicom(path: Path) -> None:
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise OutputError(
            f"{path.name} cannot be written, as DICOM segmentations need highdicom, which is not installed",
            fix='run pip install "unetscope[dicom]", or write .nrrd',
        ) from error


def _plain_labels(path: Path, labels: Image) -> NDArray[Any]:
    """Labels as (slices, rows, columns)."""
    if "T" in labels.axes or "C" in labels.axes:
        what = "a time series" if "T" in labels.axes else "labels in several channels"
        raise OutputError(
            f"{labels.name} is {what}, which do not fit into {path.name}",
            expected="labels on rows and columns, or slices too",
            fix="write one time point or channel at a time",
        )
    data = np.asarray(labels.data)
    if data.dtype.kind not in "bui" or data.min(initial=0) < 0:
        raise OutputError(
            f"the labels for {path.name} are of type {data.dtype} from {data.min(initial=0)}",
            expected="integers from 0",
            fix="convert them to labels",
        )
    return data.reshape(-1, *data.shape[-2:])


def _numbered(path: Path, data: NDArray[Any], names: Mapping[int, str]) -> tuple[NDArray[Any], list[int]]:
    """Replace labels by segment numbers 1, 2, 3, …; and give the labels of these numbers."""
    values = [value for value in map(int, np.unique(data)) if value] or sorted(set(names) - {0})
    if not values or len(values) > _MOST_SEGMENTS:
        raise OutputError(
            f"the labels for {path.name} hold {len(values) or 'no'} labels",
            expected=f"1 to {_MOST_SEGMENTS}",
            fix="write .nrrd or .tif",
        )
    dtype = np.min_scalar_type(len(values))
    if values[-1] == len(values):
        return data.astype(dtype, copy=False), values
    numbers = np.searchsorted([0, *values], data)
    return numbers.astype(dtype), values


def _described(path: Path, number: int, value: int, names: Mapping[int, str]) -> SegmentDescription:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    name = " ".join(names.get(value, "").split()) or f"label {value}"
    if len(name) > _MOST_CHARACTERS or "\\" in name:
        raise OutputError(
            f"the name {name!r} of label {value} does not fit into {path.name}",
            expected=f"at most {_MOST_CHARACTERS} characters without backslashes",
            fix="shorten it",
        )
    segment = SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=codes.SCT.Tissue,
        segmented_property_type=codes.SCT.Tissue,
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            "UNetScope", codes.DCM.ArtificialIntelligence, __version__
        ),
        display_color=CIELabColor.from_rgb(*(round(255 * part) for part in color_of(number - 1))),
    )
    if value != number:
        group, creator, element = LABEL_VALUE
        segment.private_block(group, creator, create=True).add_new(element, "UL", value)
    return segment


def _built(
    path: Path, numbers: NDArray[Any], segments: Sequence[SegmentDescription], sources: SourceImages
) -> Segmentation:
    from highdicom import PlanePositionSequence
    from highdicom.seg import Segmentation

    places = [plane.position for plane in sources.planes if plane.position is not None]
    try:
        return Segmentation(
            source_images=sources.images,
            pixel_array=numbers,
            segmentation_type="BINARY",
            segment_descriptions=segments,
            series_instance_uid=generate_uid(),
            series_number=_SERIES_NUMBER,
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer="UNetScope",
            manufacturer_model_name="UNetScope",
            software_versions=__version__,
            device_serial_number="0",
            content_label="SEGMENTATION",
            series_description="UNetScope segmentation",
            specific_character_set="ISO_IR 192",
            tile_pixel_array=sources.tiled,
            # Slides and images without a place are described by themselves.
            plane_positions=[PlanePositionSequence("PATIENT", place) for place in places] or None,
        )
    except _REFUSALS as error:
        raise OutputError(
            f"{path.name} cannot describe its images as a DICOM segmentation must ({error})",
            expected="images whose headers follow the standard",
            fix=_FIX,
        ) from error


def _save(path: Path, segmentation: Segmentation, header: Dataset, temporary: Path) -> None:
    """Write the object with patient and study of its images, word for word: viewers find them by these."""
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    measures = shared.get("PixelMeasuresSequence")
    if measures and "PixelSpacing" not in measures[0]:
        del shared.PixelMeasuresSequence
    elif measures and "SliceThickness" not in measures[0]:
        # highdicom itself reads no measures without it, empty or not.
        measures[0].SliceThickness = None
    if "PlaneOrientationSequence" not in shared:
        # Must be there where the patient's coordinates are not, and may be empty (PS3.3 C.7.6.1).
        segmentation.PatientOrientation = header.get("PatientOrientation") or ""
    try:
        header.decode()
        for name in _PATIENT_AND_STUDY:
            if name in header:
                element = header[name]
                value = str(element.value) if element.VR == "PN" else element.value
                segmentation.add_new(element.tag, element.VR, value)
        segmentation.save_as(temporary, enforce_file_format=True)
    except _REFUSALS as error:
        # What pydicom says may quote a name.
        raise OutputError(
            f"{path.name} cannot take over patient and study of its images ({type(error).__name__})",
            expected="images whose headers follow the standard",
            fix=_FIX,
        ) from error
