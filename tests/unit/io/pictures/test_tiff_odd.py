"""TIFF as programs and instruments write it: depths, layouts, compressions, sets, pyramids, previews."""

from __future__ import annotations

import struct
import time
from pathlib import Path

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


OME = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{own}">
<Image ID="Image:0" Name="a"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="5" SizeY="4"
 SizeZ="2" SizeC="1" SizeT="1" PhysicalSizeX="0.5" PhysicalSizeY="0.5" PhysicalSizeZ="2">
<Channel ID="Channel:0:0" SamplesPerPixel="1"/>
<TiffData IFD="0" FirstZ="0" PlaneCount="1"><UUID FileName="{first}">urn:uuid:1</UUID></TiffData>
<TiffData IFD="0" FirstZ="1" PlaneCount="1"><UUID FileName="{second}">urn:uuid:2</UUID></TiffData>
</Pixels></Image></OME>"""


def write_ome_set(folder: Path, first: str = "a.ome.tif", second: str = "b.ome.tif") -> Path:
    for name, own in (("a.ome.tif", 1), ("b.ome.tif", 2)):
        description = OME.format(own=own, first=first, second=second).encode()
        values = np.full((4, 5), own, np.uint8)
        tifffile.imwrite(folder / name, values, description=description, metadata=None, ome=False)
    return folder / "a.ome.tif"


def test_ome_files_that_belong_together(tmp_path):
    path = write_ome_set(tmp_path)
    for name in ("a.ome.tif", "b.ome.tif"):
        image = read(tmp_path / name)
        assert (image.axes, image.spacing, image.units) == ("ZYX", (2, 0.5, 0.5), "µm")
        assert image.data[:, 0, 0].tolist() == [1, 2]
        assert image.source.files == (path, tmp_path / "b.ome.tif")
    (tmp_path / "b.ome.tif").unlink()
    with pytest.raises(ReadError, match=r"part of a set of OME files, of which b\.ome\.tif is missing"):
        read(path)


@pytest.mark.parametrize(
    "name", ["../b.ome.tif", "/etc/passwd", "x/b.ome.tif", r"..\b.ome.tif", "C:b.tif", ".."]
)
def test_ome_files_lie_beside_each_other(tmp_path, name):
    path = write_ome_set(tmp_path, second=name)
    with pytest.raises(ReadError, match="refers to a file in another folder"):
        read(path)


def test_ome_companion_file(tmp_path):
    write_ome_set(tmp_path)
    (tmp_path / "set.companion.ome").write_text(OME.format(own=9, first="a.tif", second="b.tif"))
    names = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
    for own, name in ((1, "a.tif"), (2, "b.tif")):
        reference = f'MetadataFile="set.companion.ome" UUID="urn:uuid:{own}"'
        tifffile.imwrite(
            tmp_path / name,
            np.full((4, 5), own, np.uint8),
            description=f'<OME {names} UUID="urn:uuid:{own}"><BinaryOnly {reference}/></OME>',
            metadata=None,
        )
    for name in ("a.tif", "b.tif"):
        image = read(tmp_path / name)
        assert (image.axes, image.spacing) == ("ZYX", (2, 0.5, 0.5))
        assert image.data[:, 0, 0].tolist() == [1, 2]
    (tmp_path / "set.companion.ome").unlink()
    with pytest.raises(ReadError, match=r"set\.companion\.ome is missing"):
        read(tmp_path / "a.tif")


def test_entities_are_never_expanded(tmp_path):
    bomb = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><OME>&b;</OME>'
    tifffile.imwrite(tmp_path / "a.tif", GREY, description=bomb, metadata=None)
    with pytest.raises(ReadError, match="its XML declares entities"):
        read(tmp_path / "a.tif")


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
    sizes = tuple(size * (1000 if image.units == "mm" else 1) for size in image.spacing)
    assert sizes == pytest.approx(spacing)


def make_tiff(pages: list[tuple[int, ...]], following: list[int]) -> bytes:
    """A TIFF of uncompressed 4×4 pages; each page is followed by the page of that number, or none (-1)."""
    tags = ((256, 4), (257, 4), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 4), (279, 16))
    size = 2 + 12 * len(tags) + 4
    starts = [24 + i * size for i in range(len(pages))]
    content = struct.pack("<2sHI", b"II", 42, starts[0]) + bytes(16)
    for i in range(len(pages)):
        content += struct.pack("<H", len(tags))
        content += b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in tags)
        content += struct.pack("<I", starts[following[i]] if following[i] >= 0 else 0)
    return content


@pytest.mark.parametrize(("count", "back"), [(1, 0), (3, 0), (3, 2), (150, 0), (500, 120)])
def test_pages_in_a_circle_are_refused(tmp_path, count, back):
    following = [*range(1, count), back]
    (tmp_path / "a.tif").write_bytes(make_tiff([()] * count, following))
    start = time.perf_counter()
    with pytest.raises(ReadError, match="its pages run in a circle"):
        read(tmp_path / "a.tif")
    assert time.perf_counter() - start < 2


def test_pages_beyond_patience_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("unetscope.io.pictures.tiff_checks._MOST_PAGES", 20)
    for count, fits in ((20, True), (21, False)):
        (tmp_path / "a.tif").write_bytes(make_tiff([()] * count, [*range(1, count), -1]))
        if fits:
            assert read(tmp_path / "a.tif").data.shape == (20, 4, 4)
        else:
            with pytest.raises(ReadError, match="more than 20 pages"):
                read(tmp_path / "a.tif")


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_a_stack_that_lost_pages_is_refused(tmp_path, keep, capfd):
    """A reader that stops at the first missing page gives a shorter stack, without a word."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for i in range(10):
            writer.write(GREY + np.uint8(i), contiguous=False, metadata=None)
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(ReadError, match=r"^a\.tif cannot be read"):
        read(tmp_path / "a.tif")
    assert capfd.readouterr() == ("", "")


def test_an_absurd_size_is_refused(tmp_path):
    content = bytearray(make_tiff([()], [-1]))
    for code in (256, 257, 278):
        position = content.index(struct.pack("<HHI", code, 4, 1))
        content[position + 8 : position + 12] = struct.pack("<I", 2_000_000)
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(ReadError, match=r"^a\.tif (would take|says that it holds 2000000)"):
        read(tmp_path / "a.tif")


def test_several_images_are_named_by_their_shapes(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(np.zeros((4, 5), np.uint8))
        writer.write(np.zeros((6, 7), np.uint8))
    with pytest.raises(ReadError, match=r"holds 2 images of different shapes \(4 × 5, 6 × 7\)"):
        read(tmp_path / "a.tif")
