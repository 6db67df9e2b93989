"""The DICOM images that labels lie on, described anew for whatever refers to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.uid import generate_uid

from unetscope.errors import OutputError, ReadError
from unetscope.io._files import kind_of
from unetscope.io.dicom.decode import decoding, open_dicom
from unetscope.io.dicom.frames import planes_of
from unetscope.io.dicom.header import macro, number
from unetscope.io.dicom.plane import Plane
from unetscope.io.grid import geometry_of
from unetscope.io.image import Image

__all__ = ["SourceImages", "source_images"]

_IDENTITY = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_EMPTY = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID")
_SLIDE = (
    "DimensionOrganizationType",
    "ImageOrientationSlide",
    "NumberOfFrames",
    "PerFrameFunctionalGroupsSequence",
    "SharedFunctionalGroupsSequence",
    "TotalPixelMatrixColumns",
    "TotalPixelMatrixFocalPlanes",
    "TotalPixelMatrixOriginSequence",
    "TotalPixelMatrixRows",
)
_KEPT = (
    *_IDENTITY,
    "FrameOfReferenceUID",
    "LossyImageCompression",
    "LossyImageCompressionMethod",
    "LossyImageCompressionRatio",
    "Modality",
    "PositionReferenceIndicator",
    *_SLIDE,
)
_MEASURES = ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices")
_SAME_DIRECTION = 1e-3
_SAME_SPACING = 1e-3
_SAME_PLACE = 0.1  # pixels
_ROUNDING_MM = 0.02
_FIX = "write .nrrd or .nii.gz, which need no images"


@dataclass(frozen=True, eq=False)
class SourceImages:
    """Images that labels lie on.

    Attributes
    ----------
    header : Dataset
        The first image's header, without pixels, as it is in the file.
    images : list of Dataset
        What each image is and where it lies, without patient and study, in one form for all kinds of DICOM:
        one per slice of the labels, or a single one with all its frames.
    planes : list of Plane
        The image plane under each slice of the labels; none for a slide. Their position is None where the
        image has none.
    tiled : bool
        Whether it is a slide in tiles.
    """

    header: Dataset
    images: list[Dataset]
    planes: list[Plane]
    tiled: bool = False


def source_images(labels: Image) -> SourceImages:
    """Read the headers again of the images that labels were made from.

    Raises
    ------
    OutputError
        If the images are gone, no DICOM, or do not lie under the labels one by one.
    """
    paths = _paths(labels)
    with decoding(paths[0]):
        return _found(labels, {path: _header(path) for path in paths})


def _found(labels: Image, headers: Mapping[Path, Dataset]) -> SourceImages:
    path, header = next(iter(headers.items()))
    if "TotalPixelMatrixColumns" in header:
        _require_whole_slide(labels, path, header)
        return SourceImages(header, [_identity(header)], [], tiled=True)
    found = {path: planes_of(path, header) for path, header in headers.items()}
    planes = _planes_under(labels, [plane for each in found.values() for plane in each])
    used = list(dict.fromkeys(plane.path for plane in planes))
    if len(used) > 1 and any(len(found[path]) > 1 for path in used):
        raise OutputError(
            f"{labels.name} was made from {len(used)} multi-frame files",
            expected="one of them, or files of one image each",
            fix=_FIX,
        )
    place = _place(headers[used[0]], planes[0], labels)
    images = [_described(headers[path], found[path], place) for path in used]
    return SourceImages(headers[used[0]], images, planes)


def _paths(labels: Image) -> Sequence[Path]:
    paths = labels.source.files or (labels.source.path,)
    if labels.source.format != "dicom" or None in paths:
        raise OutputError(
            f"{labels.name} was not read from DICOM",
            expected="labels on DICOM images, to write a DICOM segmentation",
            fix=_FIX,
        )
    return [path for path in paths if path is not None]


def _header(path: Path) -> Dataset:
    try:
        if kind_of(path) != "dicom":
            raise ReadError(f"{path.name} is no DICOM file")
        with decoding(path):
            header = open_dicom(path, header_only=True)
            missing = [name for name in _IDENTITY if not header.get(name)]
    except ReadError as error:
        raise OutputError(
            f"{error.found}, and a DICOM segmentation names the images that it lies on",
            expected="the images that the labels were made from, where they were",
            fix=f"put them back, or {_FIX}",
        ) from error
    if missing or "SegmentSequence" in header:
        what = f"without {missing[0]}" if missing else "a segmentation itself"
        raise OutputError(
            f"{path.name}, which the labels were made from, is {what}",
            expected="DICOM images that can be referred to",
            fix=_FIX,
        )
    return header


def _require_whole_slide(labels: Image, path: Path, header: Dataset) -> None:
    matrix = (int(header.TotalPixelMatrixRows), int(header.TotalPixelMatrixColumns))
    if labels.data.shape != matrix:
        raise OutputError(
            f"the labels of shape {labels.data.shape} do not cover {path.name} with its {matrix} pixels",
            expected="one plane of the whole slide",
            fix="write .tif or .zarr",
        )


def _planes_under(labels: Image, planes: Sequence[Plane]) -> list[Plane]:
    """Find the plane of the images under each slice of the labels."""
    slices = labels.grid[0] if "Z" in labels.axes else 1
    if labels.affine is None or not all(_is_placed(plane) for plane in planes):
        if len(planes) == slices == 1 and planes[0].shape == labels.grid[-2:]:
            return list(planes)
        raise OutputError(
            f"{labels.name} does not say where its {len(planes)} planes lie",
            expected="images with their position and orientation",
            fix="write .tif or .nrrd",
        )
    positions = np.array([plane.position for plane in planes])
    reach = max(_SAME_PLACE * np.linalg.norm(labels.affine[:3, 1:3], axis=0).min(), _ROUNDING_MM)
    found = []
    for z in range(slices):
        corner = labels.affine[:3, 3] + z * labels.affine[:3, 0]
        distances = np.linalg.norm(positions - corner, axis=1)
        near = [planes[i] for i in np.flatnonzero(distances <= reach).tolist()]
        _require_one_file(labels, z, near)
        _require_same_lattice(labels, near[0])
        found.append(near[0])
    return found


def _is_placed(plane: Plane) -> bool:
    return None not in (plane.position, plane.orientation, plane.spacing)


def _require_one_file(labels: Image, z: int, near: Sequence[Plane]) -> None:
    files = {plane.path.name for plane in near}
    if len(files) == 1:
        return
    what = f"lies on {len(files)} images at once" if files else "lies on none of the images"
    raise OutputError(
        f"slice {z} of the labels of {labels.name} {what}",
        expected="one image under each slice",
        fix="read one time point as an image of its own" if files else "put the labels on the images first",
    )


def _require_same_lattice(labels: Image, plane: Plane) -> None:
    assert labels.affine is not None
    assert plane.spacing is not None
    assert plane.orientation is not None
    steps = labels.affine[:3, 1:3]
    lengths = np.linalg.norm(steps, axis=0)
    down, across = (steps / lengths).T
    orientation = np.reshape(plane.orientation, (2, 3))
    turned = abs(np.array([across, down]) - orientation / np.linalg.norm(orientation, axis=1, keepdims=True))
    stretched = abs(lengths / plane.spacing - 1)
    if plane.shape != labels.grid[-2:] or turned.max() > _SAME_DIRECTION or stretched.max() > _SAME_SPACING:
        raise OutputError(
            f"the labels of {labels.name} do not lie on the pixels of {plane.path.name}",
            expected="the same rows, columns, spacing and orientation",
            fix="put the labels on the images first",
        )


def _identity(header: Dataset) -> Dataset:
    """Keep what refers to an image and says how it is made up; no patient, no study."""
    image = Dataset()
    image.update({header[name].tag: header[name] for name in _KEPT if name in header})
    image.Rows, image.Columns = header.Rows, header.Columns
    # Must be there, and may be empty.
    for name in _EMPTY:
        setattr(image, name, "")
    image.StudyDate = image.StudyTime = None
    return image


def _place(header: Dataset, plane: Plane, labels: Image) -> Dataset:
    """Say what all images of a stack have in common, by one of them.

    A segmentation has one orientation, spacing and frame of reference. Scanners round the orientation of each
    image differently, and some tools that remove names give each image a frame of reference of its own.
    """
    place = Dataset()
    if plane.spacing is not None:
        stated = number(macro(header, "PixelMeasuresSequence"), "SliceThickness")
        place.PixelSpacing = list(plane.spacing)
        place.SliceThickness = stated or plane.thickness
    if labels.affine is not None:
        place.SpacingBetweenSlices = geometry_of(labels.affine, "ZYX")[0][0]
    if plane.orientation is not None and plane.position is not None:
        place.ImageOrientationPatient = list(plane.orientation)
        place.FrameOfReferenceUID = header.get("FrameOfReferenceUID") or generate_uid()
    return place


def _described(header: Dataset, planes: Sequence[Plane], place: Dataset) -> Dataset:
    """Say where an image lies, both as single images and as enhanced multi-frame images do."""
    image = _identity(header)
    image.update(place)
    image.NumberOfFrames = len(planes)
    shared = _group("PixelMeasures", place, *_MEASURES)
    image.SharedFunctionalGroupsSequence = [shared]
    if planes[0].position is None:
        return image
    image.ImagePositionPatient = list(planes[0].position)
    shared.update(_group("PlaneOrientation", place, "ImageOrientationPatient"))
    frames = []
    for plane in planes:
        position = Dataset()
        position.ImagePositionPatient = list(plane.position or ())
        frames.append(_group("PlanePosition", position, "ImagePositionPatient"))
    image.PerFrameFunctionalGroupsSequence = frames
    return image


def _group(name: str, values: Dataset, *attributes: str) -> Dataset:
    item, group = Dataset(), Dataset()
    item.update({values[attribute].tag: values[attribute] for attribute in attributes if attribute in values})
    setattr(group, f"{name}Sequence", [item])
    return group
