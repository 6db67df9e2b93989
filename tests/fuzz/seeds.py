"""Small valid files of every kind, made in code: what the mutators start from."""

from __future__ import annotations

import gc
import gzip
import io
import json
import struct
import tempfile
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import imagecodecs
import nibabel
import nrrd
import numpy as np
import tifffile
import zarr
from PIL import Image as Pillow
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

__all__ = ["SECRET", "SEEDS", "Case", "make_seed"]

Case = dict[str, bytes]
"""Names and contents of files in one folder; the first is the file to read, unless it is named ``*/``."""

SECRET = "Zxqvjk"
"""Name and identifier of the patient in every DICOM seed; no message may hold it."""

PIXELS = (np.arange(8 * 6, dtype=np.uint16) * 37 % 256).reshape(8, 6)
GREY = PIXELS.astype(np.uint8)
COLOR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)
VOLUME = np.stack([PIXELS, PIXELS + 1, PIXELS + 2]).astype(np.int16)


# --- DICOM ---


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


def _jpeg(pixels: np.ndarray, **options: Any) -> bytes:
    return _pillow(pixels, "JPEG", **options)


# --- pictures ---


def _pillow(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _frames(kind: str) -> bytes:
    later = [Pillow.fromarray(np.roll(COLOR, shift, 0)) for shift in (1, 2)]
    return _pillow(COLOR, kind, save_all=True, append_images=later, duration=100)


def _png_palette() -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(COLOR).quantize(16).save(buffer, "PNG", transparency=3, dpi=(1000, 1000))
    return buffer.getvalue()


def png(pixels: np.ndarray, depth: int) -> bytes:
    """Write a grey PNG of 1 to 16 bits by hand; rows are padded to bytes."""
    bits = (pixels[:, :, None] >> np.arange(depth)[::-1]) & 1
    rows = np.packbits(bits.reshape(len(pixels), -1).astype(np.uint8), axis=1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], depth, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def _tiff(pixels: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def _tiff_pyramid() -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(np.tile(PIXELS, (8, 8)), subifds=1, tile=(16, 16))
        file.write(np.tile(PIXELS, (4, 4)), subfiletype=1, tile=(16, 16))
    return buffer.getvalue()


def _zarr(version: int) -> Case:
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"]
    steps = [{"type": "scale", "scale": [2.0, 0.5, 0.5]}]
    multiscales = {
        "version": "0.4",
        "axes": axes,
        "datasets": [{"path": "0", "coordinateTransformations": steps}],
    }
    attributes: dict[str, Any] = {"multiscales": [multiscales]}
    if version == 3:
        del multiscales["version"]
        attributes = {"ome": {"version": "0.5", **attributes}}
    with tempfile.TemporaryDirectory() as folder:
        store = zarr.open_group(folder, mode="w", zarr_format=version)
        store.attrs.update(attributes)
        array = store.create_array("0", shape=VOLUME.shape, dtype=VOLUME.dtype, chunks=(1, 8, 6))
        array[:] = VOLUME
        paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        files = {f"a.zarr/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in paths}
    return {"a.zarr/": b""} | files


# --- volumes ---


def _nifti(kind: type, **header: Any) -> bytes:
    image = kind(VOLUME.T, np.diag([0.5, 0.25, 2, 1]))
    for name, value in header.items():
        image.header[name] = value
    content: bytes = image.to_bytes()
    return content


def _nrrd(encoding: str) -> Case:
    header = {
        "encoding": encoding,
        "space": "left-posterior-superior",
        "space directions": np.diag([0.5, 0.25, 2.0]),
        "space origin": [1.0, 2.0, 3.0],
        "kinds": ["domain", "domain", "domain"],
    }
    with tempfile.TemporaryDirectory() as folder:
        nrrd.write(f"{folder}/a.nrrd", VOLUME.T, header, index_order="F")
        return {"a.nrrd": Path(folder, "a.nrrd").read_bytes()}


def _nrrd_detached() -> Case:
    with tempfile.TemporaryDirectory() as folder:
        nrrd.write(f"{folder}/a.nhdr", VOLUME.T, {"encoding": "raw"}, detached_header=True)
        return {name: Path(folder, name).read_bytes() for name in ("a.nhdr", "a.raw")}


# --- pairs ---

_PAIR = {"images/a.png": _pillow(GREY, "PNG"), "images/b.png": _pillow(GREY, "PNG")}
_RING = [[1, 1], [4, 1], [4, 6], [1, 6], [1, 1]]


def _coco() -> Case:
    table = {
        "images": [{"id": 1, "file_name": "a.png", "width": 6, "height": 8}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "iscrowd": 0,
                "segmentation": [[1, 1, 4, 1, 4, 6, 1, 6]],
            },
            {
                "id": 2,
                "image_id": 1,
                "category_id": 1,
                "iscrowd": 1,
                "segmentation": {"size": [8, 6], "counts": [3, 2, 43]},
            },
        ],
    }
    return {"images/": b"", "images/annotations.json": json.dumps(table).encode(), **_PAIR}


def _geojson() -> Case:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [_RING]},
            "properties": {"classification": {"name": "tumor"}},
        },
        {
            "type": "Feature",
            "geometry": {"type": "MultiPolygon", "coordinates": [[_RING], [_RING]]},
            "properties": {"classification": {"name": "tumor"}},
        },
    ]
    table = {"type": "FeatureCollection", "features": features}
    return {"images/": b"", "images/a.geojson": json.dumps(table).encode(), **_PAIR}


def _table() -> Case:
    rows = "image,mask,group\nimages/a.png,masks/a.png,p1\nimages/b.png,masks/b.png,p2\n"
    masks = {name.replace("images", "masks"): content for name, content in _PAIR.items()}
    return {"pairs.csv": rows.encode(), **_PAIR, **masks}


def _contour() -> Case:
    points = "\n".join(f"{x}.5 {y}.25" for x, y in _RING)
    return {
        "images/": b"",
        "images/IM-0001-0048-icontour-manual.txt": points.encode(),
        "images/IM-0001-0048.png": _PAIR["images/a.png"],
    }


def _single(name: str, make: Callable[[], bytes]) -> Callable[[], Case]:
    return lambda: {name: make()}


SEEDS: dict[str, Callable[[], Case]] = {
    "dicom": _single("a.dcm", lambda: _saved(_dataset(PIXELS))),
    "dicom-color": _single("a.dcm", lambda: _saved(_dataset(COLOR))),
    "dicom-implicit": _single("a.dcm", lambda: _saved(_dataset(PIXELS, ImplicitVRLittleEndian))),
    "dicom-big-endian": _single("a.dcm", lambda: _saved(_dataset(PIXELS, ExplicitVRBigEndian))),
    "dicom-deflated": _single("a.dcm", lambda: _saved(_dataset(PIXELS, DeflatedExplicitVRLittleEndian))),
    "dicom-rle": _dicom_rle,
    "dicom-jpeg": lambda: _compressed(JPEGBaseline8Bit, [_jpeg(GREY), _jpeg(GREY.T.reshape(8, 6))], GREY),
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
    "png-1": _single("a.png", lambda: png(PIXELS & 1, 1)),
    "png-4": _single("a.png", lambda: png(PIXELS & 15, 4)),
    "png-8": _single("a.png", lambda: _pillow(GREY, "PNG", dpi=(72, 72))),
    "png-16": _single("a.png", lambda: png(PIXELS * 250, 16)),
    "png-color": _single("a.png", lambda: _pillow(COLOR, "PNG")),
    "png-alpha": _single("a.png", lambda: _pillow(np.dstack([COLOR, GREY]), "PNG")),
    "png-palette": _single("a.png", _png_palette),
    "png-animated": _single("a.png", lambda: _frames("PNG")),
    "jpeg": _single("a.jpg", lambda: _jpeg(COLOR)),
    "jpeg-progressive": _single("a.jpg", lambda: _jpeg(COLOR, progressive=True)),
    "gif": _single("a.gif", lambda: _frames("GIF")),
    "bmp": _single("a.bmp", lambda: _pillow(COLOR, "BMP")),
    "tiff": _single("a.tif", lambda: _tiff(PIXELS, resolution=(1000, 1000), resolutionunit="CENTIMETER")),
    "tiff-color": _single("a.tif", lambda: _tiff(COLOR, photometric="rgb", compression="lzw")),
    "tiff-stack": _single(
        "a.tif", lambda: _tiff(VOLUME, photometric="minisblack", compression="zlib", predictor=True)
    ),
    "tiff-tiles": _single("a.tif", lambda: _tiff(np.tile(PIXELS, (4, 4)), tile=(16, 16), compression="zstd")),
    "tiff-jpeg": _single("a.tif", lambda: _tiff(np.tile(COLOR, (4, 4, 1)), compression="jpeg")),
    "tiff-big": _single("a.tif", lambda: _tiff(PIXELS, bigtiff=True, byteorder=">", compression="packbits")),
    "tiff-imagej": _single(
        "a.tif",
        lambda: _tiff(VOLUME.astype(np.uint16), imagej=True, metadata={"axes": "ZYX", "spacing": 2.0}),
    ),
    "tiff-ome": _single("a.ome.tif", lambda: _tiff(VOLUME, ome=True, metadata={"axes": "CYX"})),
    "tiff-pyramid": _single("a.tif", _tiff_pyramid),
    "zarr-2": lambda: _zarr(2),
    "zarr-3": lambda: _zarr(3),
    "nifti": _single("a.nii", lambda: _nifti(nibabel.Nifti1Image)),
    "nifti-2": _single("a.nii", lambda: _nifti(nibabel.Nifti2Image)),
    "nifti-gz": _single("a.nii.gz", lambda: gzip.compress(_nifti(nibabel.Nifti1Image), mtime=0)),
    "nrrd": lambda: _nrrd("raw"),
    "nrrd-gz": lambda: _nrrd("gzip"),
    "nrrd-text": lambda: _nrrd("ascii"),
    "nrrd-detached": _nrrd_detached,
    "coco": _coco,
    "geojson": _geojson,
    "csv": _table,
    "contour": _contour,
}
"""Valid cases by name; the word before the first hyphen is the format."""


@cache
def make_seed(name: str) -> Case:
    """Make a case once."""
    return SEEDS[name]()
