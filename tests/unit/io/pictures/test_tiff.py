"""TIFF: axes, spacing and values of plain, ImageJ and OME files."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from unetscope.errors import ReadError
from unetscope.io import _limits, read

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 200, (70, 90), dtype=np.uint8)
COLOR = np.repeat(np.repeat(RANDOM.integers(0, 255, (9, 12, 3), dtype=np.uint8), 8, 0), 8, 1)


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


def test_grey_and_its_alpha(tmp_path):
    values = RANDOM.integers(0, 255, (5, 7, 2), dtype=np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif",
        values,
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"],
    )
    image = read(tmp_path / "a.tif")
    assert (image.axes, image.source.tags) == ("YX", {"alpha": "dropped"})
    np.testing.assert_array_equal(image.data, values[..., 0])


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


@pytest.mark.parametrize("bits", [*range(1, 17), 24, 31])
def test_packed_bits(tmp_path, bits):
    dtype = np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32
    values = RANDOM.integers(0, 2**bits, (5, 7)).astype(dtype)
    options = {"bitspersample": bits} if bits not in (8, 16) else {}
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", **options)
    image = read(tmp_path / "a.tif")
    assert image.data.dtype == dtype
    np.testing.assert_array_equal(image.data, values)


@pytest.mark.parametrize("dtype", ["uint64", "int64"])
def test_long_integers(tmp_path, dtype):
    values = np.array([[0, 2**62 + 1], [5, 2**40]], dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    np.testing.assert_array_equal(read(tmp_path / "a.tif").data, values)


@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize(
    ("compression", "predictor"),
    [
        ("none", False),
        ("lzw", False),
        ("lzw", True),
        ("adobe_deflate", True),
        ("zstd", False),
        ("lzma", False),
        ("packbits", False),
        ("lerc", False),
        ("jpeg2000", False),
        ("png", False),
    ],
)
def test_lossless_compressions(tmp_path, compression, predictor, tile):
    values = GREY.astype(np.uint16) * 3 if compression not in {"packbits"} else GREY
    tifffile.imwrite(
        tmp_path / "a.tif",
        values,
        compression=compression,
        predictor=predictor,
        tile=tile,
        photometric="minisblack",
    )
    np.testing.assert_array_equal(read(tmp_path / "a.tif").data, values)


def test_fractions_with_their_predictor(tmp_path):
    values = RANDOM.normal(size=(40, 30)).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", values, compression="zlib", predictor=True)
    np.testing.assert_array_equal(read(tmp_path / "a.tif").data, values)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_fax(tmp_path, compression):
    bits = GREY > 100
    Pillow.fromarray(bits).save(tmp_path / "a.tif", compression=compression)
    image = read(tmp_path / "a.tif")
    # Pillow says MINISWHITE or MINISBLACK as the compression asks; values are as stored.
    stored = ~bits if image.source.tags.get("display") == "miniswhite" else bits
    np.testing.assert_array_equal(image.data, stored)


@pytest.mark.parametrize("photometric", ["rgb", "ycbcr"])
def test_color_as_jpeg(tmp_path, photometric):
    tifffile.imwrite(tmp_path / "a.tif", COLOR, photometric=photometric, compression="jpeg", tile=(32, 32))
    image = read(tmp_path / "a.tif")
    assert image.is_rgb
    with Pillow.open(tmp_path / "a.tif") as picture:
        np.testing.assert_array_equal(image.data, np.moveaxis(np.asarray(picture.convert("RGB")), -1, 0))


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_layouts_of_color(tmp_path, planarconfig, tile, bigtiff):
    values = COLOR if planarconfig == "contig" else np.moveaxis(COLOR, -1, 0)
    tifffile.imwrite(
        tmp_path / "a.tif",
        values,
        photometric="rgb",
        planarconfig=planarconfig,
        tile=tile,
        bigtiff=bigtiff,
        compression="zlib",
    )
    image = read(tmp_path / "a.tif")
    assert image.is_rgb
    np.testing.assert_array_equal(image.data, np.moveaxis(COLOR, -1, 0))


@pytest.mark.parametrize("order", ["TCZYX", "TZCYX", "CTZYX", "CZTYX", "ZTCYX", "ZCTYX"])
def test_every_order_of_ome(tmp_path, order):
    values = RANDOM.integers(0, 100, (2, 3, 4, 5, 6), dtype=np.uint8)
    shape = dict(zip("TCZYX", values.shape, strict=True))
    stored = values.transpose(["TCZYX".index(axis) for axis in order])
    assert stored.shape == tuple(shape[axis] for axis in order)
    tifffile.imwrite(tmp_path / "a.ome.tif", stored, metadata={"axes": order}, photometric="minisblack")
    image = read(tmp_path / "a.ome.tif")
    assert image.axes == "TCZYX"
    np.testing.assert_array_equal(image.data, values)


def test_previews_are_left_out(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(GREY, photometric="minisblack")
        writer.write(GREY[::4, :20], photometric="minisblack", subfiletype=1)
    image = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, GREY)
    assert image.source.notes == (
        "Beside its largest image it holds 1 more (previews, labels), which are left out.",
    )


def test_a_slide_is_its_largest_image(tmp_path):
    slide = np.repeat(np.repeat(COLOR, 4, 0), 4, 1)
    with tifffile.TiffWriter(tmp_path / "a.svs") as writer:
        options = {"photometric": "rgb", "metadata": None}
        writer.write(
            slide, tile=(64, 64), description="Aperio Image Library v10\n|MPP = 0.4990|AppMag = 20", **options
        )
        writer.write(slide[::8, ::8], description="Aperio Image Library v10", **options)
        writer.write(slide[::2, ::2], tile=(64, 64), description="Aperio Image Library v10", **options)
        writer.write(
            slide[:20, :20], description="Aperio Image Library v10\nlabel 20x20", subfiletype=1, **options
        )
    image = read(tmp_path / "a.svs")
    np.testing.assert_array_equal(image.data, np.moveaxis(slide, -1, 0))
    assert (image.spacing, image.units) == ((0.499, 0.499), "µm")
    assert "left out" in image.source.notes[0]


def test_large_images_stay_on_disk(tmp_path, monkeypatch):
    stack = RANDOM.integers(0, 99, (3, 150, 200), dtype=np.uint16)
    monkeypatch.setattr(_limits, "LAZY_BYTES", 1000)
    for tile in (None, (32, 48)):
        tifffile.imwrite(
            tmp_path / "a.tif",
            stack,
            tile=tile,
            compression="zlib",
            metadata={"axes": "ZYX"},
            byteorder=">",
            photometric="minisblack",
        )
        image = read(tmp_path / "a.tif", lazy=True)
        assert isinstance(image.data, da.Array)
        assert image.data.chunksize == (1, 150, 200)
        np.testing.assert_array_equal(image.load().data, stack)
        np.testing.assert_array_equal(image.data[1, 20:30, 40:170].compute(), stack[1, 20:30, 40:170])
        assert image.axes == "ZYX"
        assert image.data.dtype.isnative


def test_a_large_image_is_damaged_when_it_is_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(_limits, "LAZY_BYTES", 1000)
    tifffile.imwrite(tmp_path / "a.tif", GREY, compression="zlib", rowsperstrip=10)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        offset = file.pages.first.dataoffsets[3]
    whole = bytearray((tmp_path / "a.tif").read_bytes())
    whole[offset : offset + 50] = bytes(50)
    (tmp_path / "a.tif").write_bytes(whole)
    image = read(tmp_path / "a.tif", lazy=True)
    with pytest.raises(ReadError, match=r"a\.tif cannot be read as a TIFF image"):
        image.load()


def test_a_pyramid_has_levels(tmp_path, monkeypatch):
    monkeypatch.setattr(_limits, "LAZY_BYTES", 1000)
    slide = np.repeat(np.repeat(COLOR, 4, 0), 4, 1)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as writer:
        options = {"photometric": "rgb", "tile": (64, 64), "compression": "zlib"}
        writer.write(slide, subifds=2, metadata={"axes": "YXS"}, **options)
        writer.write(slide[::2, ::2], subfiletype=1, **options)
        writer.write(slide[::4, ::4], subfiletype=1, **options)
    image = read(tmp_path / "a.ome.tif", lazy=True)
    assert [level.shape for level in image.levels] == [(3, 144, 192), (3, 72, 96)]
    np.testing.assert_array_equal(image.data, np.moveaxis(slide, -1, 0))
    np.testing.assert_array_equal(image.levels[1], np.moveaxis(slide[::4, ::4], -1, 0))
    whole = read(tmp_path / "a.ome.tif")
    assert (type(whole.data), whole.levels) == (np.ndarray, ())
    assert whole.is_rgb
    assert image.is_rgb


def test_unnamed_axes_of_length_one_are_left_out(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY[np.newaxis], photometric="minisblack")
    assert read(tmp_path / "a.tif").axes == "YX"
    tifffile.imwrite(tmp_path / "b.tif", GREY[np.newaxis], metadata={"axes": "ZYX"}, photometric="minisblack")
    assert read(tmp_path / "b.tif").axes == "ZYX"


def test_several_images_are_named_by_their_shapes(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(np.zeros((4, 5), np.uint8))
        writer.write(np.zeros((6, 7), np.uint8))
    with pytest.raises(ReadError, match=r"holds 2 images of different shapes \(4 × 5, 6 × 7\)"):
        read(tmp_path / "a.tif")
