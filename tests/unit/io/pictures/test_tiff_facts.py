"""Pixel sizes and channel names of TIFF files, whoever wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from unetscope.io import read
from unetscope.io.pictures.tiff_facts import facts_of

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 200, (70, 90), dtype=np.uint8)


def test_channel_names_and_units_of_ome(tmp_path):
    metadata = {
        "axes": "CZYX",
        "Channel": {"Name": ["DAPI", "GFP"]},
        "PhysicalSizeX": 250,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.25,
        "PhysicalSizeZ": 0.002,
        "PhysicalSizeZUnit": "mm",
    }
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((2, 3, 4, 5), np.uint16), metadata=metadata)
    image = read(tmp_path / "a.ome.tif")
    assert image.channels == ("DAPI", "GFP")
    assert (image.spacing, image.units) == (pytest.approx((2, 0.25, 0.25)), "µm")


@pytest.mark.parametrize(("dpi", "units"), [(72, "pixel"), (96, "pixel"), (300, "pixel"), (50_800, "mm")])
def test_dots_per_inch_of_screens_are_no_spacing(tmp_path, dpi, units):
    for unit, factor in (("inch", 1), ("centimeter", 1 / 2.54)):
        resolution = (dpi * factor, dpi * factor)
        tifffile.imwrite(tmp_path / "a.tif", GREY, resolution=resolution, resolutionunit=unit)
        image = read(tmp_path / "a.tif")
        assert image.units == units
        assert bool(image.source.notes) == (units == "pixel")


@pytest.mark.parametrize(
    ("tag", "text", "spacing"),
    [
        (34682, "[Scan]\r\nPixelWidth=2e-9\r\nPixelHeight=3e-9\r\n", (0.003, 0.002)),
        (34118, "\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 2.5 nm\r\n", (0.0025, 0.0025)),
    ],
)
def test_pixel_sizes_of_electron_microscopes(tmp_path, tag, text, spacing):
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[(tag, 2, None, text, True)], metadata=None)
    image = read(tmp_path / "a.tif")
    assert (image.spacing, image.units) == (pytest.approx(spacing), "µm")


@pytest.mark.parametrize(
    ("unit", "spacing", "units"),
    [("centimeter", (5, 2.5), "mm"), ("inch", (12.7, 6.35), "mm"), ("none", (1, 1), "pixel")],
)
def test_resolution_tags(tmp_path, unit, spacing, units):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5), np.uint8), resolution=(4, 2), resolutionunit=unit)
    image = read(tmp_path / "a.tif")
    assert (image.spacing, image.units) == (pytest.approx(spacing), units)


@pytest.mark.parametrize(
    ("unit", "factor", "units"),
    [
        ("micron", 1, "µm"),
        ("um", 1, "µm"),
        (r"\u00B5m", 1, "µm"),
        ("nm", 1e-3, "µm"),
        ("mm", 1, "mm"),
        ("cm", 10, "mm"),
    ],
)
def test_imagej_units(tmp_path, unit, factor, units):
    values = np.zeros((3, 4, 5), np.uint16)
    metadata = {"axes": "ZYX", "unit": unit, "spacing": 2.5}
    tifffile.imwrite(tmp_path / "a.tif", values, imagej=True, resolution=(4, 2), metadata=metadata)
    image = read(tmp_path / "a.tif")
    assert image.spacing == pytest.approx((2.5 * factor, 0.5 * factor, 0.25 * factor))
    assert image.units == units


def test_imagej_leaves_out_a_slice_distance_of_one(tmp_path):
    values = np.zeros((3, 4, 5), np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif", values, imagej=True, resolution=(4, 2), metadata={"axes": "ZYX", "unit": "um"}
    )
    assert read(tmp_path / "a.tif").spacing == (1, 0.5, 0.25)


def test_unknown_slice_distance_means_pixels(tmp_path):
    values = np.zeros((3, 4, 5), np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif", values, resolution=(4, 2), resolutionunit="centimeter", photometric="minisblack"
    )
    image = read(tmp_path / "a.tif")
    assert (image.spacing, image.units) == ((1, 1, 1), "pixel")


@pytest.mark.parametrize(
    ("unit", "expected", "units"),
    [("µm", (2, 0.5, 0.25), "µm"), ("nm", (0.002, 0.0005, 0.00025), "µm"), ("mm", (2, 0.5, 0.25), "mm")],
)
def test_ome_sizes(tmp_path, unit, expected, units):
    sizes = {"Z": 2, "Y": 0.5, "X": 0.25}
    metadata = {"axes": "TCZYX"} | {f"PhysicalSize{a}": size for a, size in sizes.items()}
    metadata |= {f"PhysicalSize{a}Unit": unit for a in sizes}
    values = RANDOM.integers(0, 100, (2, 2, 3, 4, 5)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", values, metadata=metadata)
    image = read(tmp_path / "a.ome.tif")
    assert (image.axes, image.units) == ("TCZYX", units)
    assert image.spacing == pytest.approx(expected)
    np.testing.assert_array_equal(image.data, values)


class Told:
    """A file of a kind that tifffile reads and cannot write, with what tifffile makes of its metadata."""

    def __init__(self, kind: str, metadata: Any) -> None:
        self.kind, self.metadata = kind, metadata

    def __getattr__(self, name: str) -> Any:
        kind, _, what = name.rpartition("_")
        if name.startswith("is_"):
            return name == f"is_{self.kind}"
        return self.metadata if (kind, what) == (self.kind, "metadata") else None


@pytest.mark.parametrize(
    ("kind", "metadata", "spacing", "units", "channels"),
    [
        (
            "lsm",
            {
                "VoxelSizeX": 2e-7,
                "VoxelSizeY": 3e-7,
                "VoxelSizeZ": 1e-6,
                "ChannelColors": {"ColorNames": ["Ch1", "Ch2"]},
            },
            (1, 0.3, 0.2),
            "µm",
            ("Ch1", "Ch2"),
        ),
        (
            "stk",
            {
                "XCalibration": 0.5,
                "YCalibration": 0.25,
                "CalibrationUnits": "um",
                "ZDistance": np.array([2.0, 2.0]),
            },
            (2, 0.25, 0.5),
            "µm",
            (),
        ),
        (
            "stk",
            {
                "XCalibration": 0.5,
                "YCalibration": 0.25,
                "CalibrationUnits": "um",
                "ZDistance": np.array([2.0, 3.0]),
            },
            (),
            "pixel",
            (),
        ),
        (
            "micromanager",
            {"Summary": {"PixelSize_um": 0.65, "z-step_um": -2, "ChNames": ["DAPI", "Cy5"]}},
            (2, 0.65, 0.65),
            "µm",
            ("DAPI", "Cy5"),
        ),
        (
            "micromanager",
            {"Summary": {"PixelSize_um": 0, "z-step_um": "?", "ChNames": ["", "Cy5"]}},
            (),
            "pixel",
            (),
        ),
    ],
)
def test_what_microscopes_tell(kind, metadata, spacing, units, channels):
    facts = facts_of(Told(kind, metadata), None, Path("a"))
    found, found_units = facts.spacing_of("CZYX")
    assert found == pytest.approx(spacing)
    assert (found_units, facts.channels) == (units, channels)


@pytest.mark.parametrize("spacing", ["nan", "-1", "much", "inf"])
def test_nonsense_is_no_slice_distance(tmp_path, spacing):
    metadata = {"axes": "ZYX", "unit": "um", "spacing": spacing}
    values = np.zeros((3, 4, 5), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, imagej=True, resolution=(4, 2), metadata=metadata)
    assert read(tmp_path / "a.tif").units == "pixel"
