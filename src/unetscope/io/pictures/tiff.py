"""Read TIFF, ImageJ and OME TIFF: values, axes and spacing."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from unetscope.errors import ReadError
from unetscope.io._files import canonical, reading
from unetscope.io.image import AXES, Image, Source

__all__ = ["read_tiff"]

_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    imagecodecs.DelayedImportError,
)
_RGB = ("red", "green", "blue")
# Length of one of the file's units, in one of ours.
_UNITS = {
    "nm": (1e-3, "µm"),
    "nanometer": (1e-3, "µm"),
    "um": (1.0, "µm"),
    "µm": (1.0, "µm"),
    "μm": (1.0, "µm"),
    r"\u00b5m": (1.0, "µm"),
    "micron": (1.0, "µm"),
    "microns": (1.0, "µm"),
    "micrometer": (1.0, "µm"),
    "mm": (1.0, "mm"),
    "millimeter": (1.0, "mm"),
    "cm": (10.0, "mm"),
    "centimeter": (10.0, "mm"),
    "inch": (25.4, "mm"),
}


def read_tiff(path: Path, *, lazy: bool = False) -> Image:
    """Read a TIFF file.

    Axes come from OME or ImageJ metadata or the shape of the pages; pages without a named axis are
    slices. Values stay as stored, as in ImageJ: a palette or MINISWHITE (which scikit-image and ImageJ
    write for plain binary masks) only tells how to display them; ``source.tags["display"]`` names it.
    An alpha channel is left out; where any
    pixel was transparent, ``source.tags["alpha"]`` is ``"dropped"``.

    Returns
    -------
    Image
        Any axes in the order ``TCZYX``, any real dtype, in native byte order; 1 bit becomes uint8 0
        and 1. Spacing in µm or mm where OME, ImageJ or resolution tags give all of it, else 1 pixel.

    Raises
    ------
    ReadError
        If the file is damaged, holds several unrelated images, or axes or colors beyond those above.
    """
    with reading(path, "a TIFF image", _DAMAGE), tifffile.TiffFile(path) as file:
        series = _only_series(file, path)
        page = series.keyframe
        axes = _named_axes(series.axes, path)
        data = _values(series.asarray(), page, path)
        data, axes, clear = _drop_alpha(data, axes, page)
        data, axes = canonical(data, axes)
        spacing, units = _spacing(file, page, axes)
    rgb = page.photometric in {tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR}
    color = rgb and "C" in axes and data.shape[axes.index("C")] == 3
    tags = {"alpha": "dropped"} if clear else {}
    if page.photometric in {tifffile.PHOTOMETRIC.MINISWHITE, tifffile.PHOTOMETRIC.PALETTE}:
        tags["display"] = tifffile.PHOTOMETRIC(page.photometric).name.lower()
    return Image(
        data,
        axes,
        spacing,
        units=units,
        channels=_RGB if color else (),
        source=Source(path, "tiff", tags=tags),
    )


def _only_series(file: tifffile.TiffFile, path: Path) -> tifffile.TiffPageSeries:
    if len(file.series) != 1:
        raise ReadError(
            f"{path.name} holds {len(file.series)} images of different shapes",
            expected="one image or one stack",
            fix="save each image as its own file",
        )
    return file.series[0]


def _named_axes(axes: str, path: Path) -> str:
    """Translate tifffile's axes: samples are channels, unnamed pages are slices."""
    named = axes.replace("S", "C").replace("I", "Z").replace("Q", "Z")
    if set(named) - set(AXES) or len(set(named)) < len(named) or not {"Y", "X"} <= set(named):
        raise ReadError(
            f"{path.name} has the axes {axes}",
            expected="time, channel, slice, row and column, each at most once",
            fix="save it with these axes, for instance from ImageJ",
        )
    return named


def _values(data: NDArray[Any], page: tifffile.TiffPage, path: Path) -> NDArray[Any]:
    photometric = page.photometric
    known = {"MINISBLACK", "MINISWHITE", "PALETTE", "RGB"}
    # tifffile turns YCbCr into RGB only as part of decoding JPEG.
    if page.compression in {tifffile.COMPRESSION.JPEG, tifffile.COMPRESSION.OJPEG}:
        known.add("YCBCR")
    name = tifffile.PHOTOMETRIC(photometric).name
    if name not in known or data.dtype.kind not in "buif":
        raise ReadError(
            f"{path.name} holds {name} values of type {data.dtype}",
            expected="grey or RGB numbers",
            fix="convert it to grey or RGB",
        )
    return data.astype(np.uint8) if data.dtype.kind == "b" else data


def _drop_alpha(data: NDArray[Any], axes: str, page: tifffile.TiffPage) -> tuple[NDArray[Any], str, bool]:
    """Leave out the samples that the file declares as opacity; the flag tells whether any was clear."""
    opacity = (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)
    if "C" not in axes or not any(sample in opacity for sample in page.extrasamples):
        return data, axes, False
    channels = np.moveaxis(data, axes.index("C"), -1)
    count = page.samplesperpixel - len(page.extrasamples)
    clear = bool((channels[..., count:] < channels[..., count:].max(initial=0)).any())
    return channels[..., :count], axes.replace("C", "") + "C", clear


def _spacing(file: tifffile.TiffFile, page: tifffile.TiffPage, axes: str) -> tuple[tuple[float, ...], str]:
    """Spacing along the spatial axes and its unit, if the file gives it for all of them."""
    found = _ome_spacing(file) if file.is_ome else _tag_spacing(file, page)
    spatial = [axis for axis in axes if axis in "ZYX"]
    if all(axis in found for axis in spatial) and len({found[axis][1] for axis in spatial}) == 1:
        return tuple(found[axis][0] for axis in spatial), found["X"][1]
    return (), "pixel"


def _ome_spacing(file: tifffile.TiffFile) -> dict[str, tuple[float, str]]:
    image = tifffile.xml2dict(file.ome_metadata or "")["OME"]["Image"]
    pixels = (image[0] if isinstance(image, list) else image)["Pixels"]
    found = {}
    for axis in "ZYX":
        factor, unit = _UNITS.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"), (1.0, ""))
        size = float(pixels.get(f"PhysicalSize{axis}", 0))
        if size > 0 and unit:
            found[axis] = (size * factor, unit)
    return found


def _tag_spacing(file: tifffile.TiffFile, page: tifffile.TiffPage) -> dict[str, tuple[float, str]]:
    """From the resolution tags, with the unit and slice distance of ImageJ's or our own description."""
    shaped = file.shaped_metadata[0] if file.shaped_metadata else {}
    described = file.imagej_metadata or shaped
    unit = str(described.get("unit") or _resolution_unit(page)).lower()
    factor, name = _UNITS.get(unit, (1.0, ""))
    found = {}
    for axis, tag in (("Y", "YResolution"), ("X", "XResolution")):
        pixels, units = page.tags[tag].value if tag in page.tags else (0, 1)
        if name and pixels > 0 and units > 0:
            found[axis] = (units / pixels * factor, name)
    # ImageJ leaves the slice distance out where it is 1.
    distance = float(described.get("spacing", 1.0 if file.is_imagej else 0.0))
    if name and distance > 0:
        found["Z"] = (distance * factor, name)
    return found


def _resolution_unit(page: tifffile.TiffPage) -> str:
    tag = page.tags.get("ResolutionUnit")
    return tifffile.RESUNIT(tag.value).name if tag is not None else ""
