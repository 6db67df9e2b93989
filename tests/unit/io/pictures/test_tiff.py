"""TIFF: axes, spacing and values of plain, ImageJ and OME files."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from unetscope.errors import ReadError
from unetscope.io import read

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64"]
)
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_every_type_in_native_order(tmp_path, dtype, byteorder):
    values = RANDOM.integers(0, 100, (5, 7)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, byteorder=byteorder, photometric="minisblack")
    image = read(tmp_path / "a.tif")
    assert image.data.dtype == dtype
    assert image.data.dtype.isnative
    np.testing.assert_array_equal(image.data, values)
    assert (image.axes, image.spacing, image.units) == ("YX", (1, 1), "pixel")


@pytest.mark.parametrize(
    ("stored", "axes"),
    [("ZYX", "ZYX"), ("CYX", "CYX"), ("ZCYX", "CZYX"), ("TZCYX", "TCZYX"), ("TYX", "TYX"), ("QYX", "ZYX")],
)
def test_axes_come_into_order(tmp_path, stored, axes):
    values = RANDOM.integers(0, 100, (2, 3, 4, 5, 6)[5 - len(stored) :]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", metadata={"axes": stored})
    image = read(tmp_path / "a.tif")
    assert image.axes == axes
    order = [stored.replace("Q", "Z").index(axis) for axis in axes]
    np.testing.assert_array_equal(image.data, values.transpose(order))
    assert not image.is_rgb


def test_rgb_and_its_alpha(tmp_path):
    values = RANDOM.integers(0, 255, (5, 7, 4), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values[..., :3], photometric="rgb")
    tifffile.imwrite(tmp_path / "b.tif", values, photometric="rgb", extrasamples=["unassalpha"])
    values[..., 3] = 255
    tifffile.imwrite(tmp_path / "c.tif", values, photometric="rgb", extrasamples=["unassalpha"])
    planes = np.moveaxis(values[..., :3], -1, 0)
    tifffile.imwrite(tmp_path / "d.tif", planes, photometric="rgb", planarconfig="separate")
    for name, tags in (("a", {}), ("b", {"alpha": "dropped"}), ("c", {}), ("d", {})):
        image = read(tmp_path / f"{name}.tif")
        assert (image.axes, image.is_rgb, image.source.tags) == ("CYX", True, tags)
        np.testing.assert_array_equal(image.data, np.moveaxis(values[..., :3], -1, 0))


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_bits_become_zero_and_one(tmp_path, photometric):
    tifffile.imwrite(tmp_path / "a.tif", np.eye(8, dtype=bool), photometric=photometric)
    image = read(tmp_path / "a.tif")
    assert image.data.dtype == np.uint8
    np.testing.assert_array_equal(image.data, np.eye(8))


def test_display_colors_leave_the_values_alone(tmp_path):
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    colors = RANDOM.integers(0, 65536, (3, 256), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "b.tif", values, photometric="palette", colormap=colors)
    for name, tags in (("a", {"display": "miniswhite"}), ("b", {"display": "palette"})):
        image = read(tmp_path / f"{name}.tif")
        np.testing.assert_array_equal(image.data, values)
        assert image.source.tags == tags


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


def test_unrelated_pages_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(np.zeros((4, 5), np.uint8))
        writer.write(np.zeros((6, 7), np.uint8))
    with pytest.raises(ReadError, match=r"a\.tif holds 2 images of different shapes"):
        read(tmp_path / "a.tif")


def test_other_axes_and_values_are_refused(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((2, 4, 5), np.uint8), photometric="minisblack", metadata={"axes": "RYX"}
    )
    with pytest.raises(ReadError, match="has the axes RYX"):
        read(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((4, 5), np.complex64))
    with pytest.raises(ReadError, match="type complex64"):
        read(tmp_path / "b.tif")
    tifffile.imwrite(tmp_path / "c.tif", np.zeros((4, 5, 4), np.uint8), photometric="separated")
    with pytest.raises(ReadError, match="SEPARATED"):
        read(tmp_path / "c.tif")


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
def test_truncated_file_is_named(tmp_path, compression):
    path = tmp_path / "cut.tif"
    tifffile.imwrite(path, RANDOM.integers(0, 255, (64, 64), dtype=np.uint8), compression=compression)
    whole = path.read_bytes()
    for keep in (4, 6, 100, len(whole) // 2, len(whole) - 16):
        path.write_bytes(whole[:keep])
        with pytest.raises(ReadError, match=r"cut\.tif"):
            read(path)


def test_real_stack(real_data):
    image, mask = read(real_data / "nuclei-3d/img3d.tif"), read(real_data / "nuclei-3d/mask3d.tif")
    assert image.axes == "ZYX"
    assert image.grid == mask.grid == (31, 61, 57)
