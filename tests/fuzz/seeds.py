"""Small valid files of every kind, made in code: what the mutators start from."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tempfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import tifffile
import zarr
from PIL import Image as Pillow

from fuzz.dicom_seeds import DICOM_SEEDS
from fuzz.pixels import COLOR, GREY, PIXELS, SECRET, VOLUME, Case, picture, single

__all__ = ["SECRET", "SEEDS", "Case", "make_seed", "write_case"]

# --- pictures ---


def _frames(kind: str) -> bytes:
    later = [Pillow.fromarray(np.roll(COLOR, shift, 0)) for shift in (1, 2)]
    return picture(COLOR, kind, save_all=True, append_images=later, duration=100)


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

_PAIR = {"images/a.png": picture(GREY, "PNG"), "images/b.png": picture(GREY, "PNG")}
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


SEEDS: dict[str, Callable[[], Case]] = {
    **DICOM_SEEDS,
    "png-1": single("a.png", lambda: png(PIXELS & 1, 1)),
    "png-4": single("a.png", lambda: png(PIXELS & 15, 4)),
    "png-8": single("a.png", lambda: picture(GREY, "PNG", dpi=(72, 72))),
    "png-16": single("a.png", lambda: png(PIXELS * 250, 16)),
    "png-color": single("a.png", lambda: picture(COLOR, "PNG")),
    "png-alpha": single("a.png", lambda: picture(np.dstack([COLOR, GREY]), "PNG")),
    "png-palette": single("a.png", _png_palette),
    "png-animated": single("a.png", lambda: _frames("PNG")),
    "jpeg": single("a.jpg", lambda: picture(COLOR, "JPEG")),
    "jpeg-progressive": single("a.jpg", lambda: picture(COLOR, "JPEG", progressive=True)),
    "gif": single("a.gif", lambda: _frames("GIF")),
    "bmp": single("a.bmp", lambda: picture(COLOR, "BMP")),
    "tiff": single("a.tif", lambda: _tiff(PIXELS, resolution=(1000, 1000), resolutionunit="CENTIMETER")),
    "tiff-color": single("a.tif", lambda: _tiff(COLOR, photometric="rgb", compression="lzw")),
    "tiff-stack": single(
        "a.tif", lambda: _tiff(VOLUME, photometric="minisblack", compression="zlib", predictor=True)
    ),
    "tiff-tiles": single("a.tif", lambda: _tiff(np.tile(PIXELS, (4, 4)), tile=(16, 16), compression="zstd")),
    "tiff-jpeg": single("a.tif", lambda: _tiff(np.tile(COLOR, (4, 4, 1)), compression="jpeg")),
    "tiff-big": single("a.tif", lambda: _tiff(PIXELS, bigtiff=True, byteorder=">", compression="packbits")),
    "tiff-imagej": single(
        "a.tif",
        lambda: _tiff(VOLUME.astype(np.uint16), imagej=True, metadata={"axes": "ZYX", "spacing": 2.0}),
    ),
    "tiff-ome": single("a.ome.tif", lambda: _tiff(VOLUME, ome=True, metadata={"axes": "CYX"})),
    "tiff-pyramid": single("a.tif", _tiff_pyramid),
    "zarr-2": lambda: _zarr(2),
    "zarr-3": lambda: _zarr(3),
    "nifti": single("a.nii", lambda: _nifti(nibabel.Nifti1Image)),
    "nifti-2": single("a.nii", lambda: _nifti(nibabel.Nifti2Image)),
    "nifti-gz": single("a.nii.gz", lambda: gzip.compress(_nifti(nibabel.Nifti1Image), mtime=0)),
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


def write_case(case: Case, folder: Path) -> Path:
    """Write the files; return what to read."""
    for name, content in case.items():
        path = folder / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(content)
    return folder / next(iter(case))
