"""PNG, JPEG, GIF and BMP: opacity, frames, pixel sizes and damage. Values: integration/test_png_odd."""

from __future__ import annotations

import struct
import warnings
import zlib

import imagecodecs
import numpy as np
import png
import pytest
from PIL import Image as Pillow

from unetscope.errors import ReadError
from unetscope.io import read


@pytest.mark.parametrize(
    "name", ["basn4a08", "basn4a16", "basn6a08", "basn6a16", "ftbbn0g04", "ftbrn2c08", "ftbbn3p08"]
)
def test_dropped_alpha_is_recorded(real_data, name):
    assert read(real_data / f"png-odd/{name}.png").source.tags == {"alpha": "dropped"}


@pytest.mark.parametrize("name", ["basn0g04", "basn2c16", "basn3p08", "ftp0n0g08"])
def test_without_alpha_nothing_is_recorded(real_data, name):
    assert read(real_data / f"png-odd/{name}.png").source.tags == {}


def test_opaque_alpha_is_no_loss(real_data):
    path = sorted((real_data / "nuclei/train/images").iterdir())[0]
    image = read(path)
    assert (image.is_rgb, image.source.tags) == (True, {})


@pytest.mark.parametrize(("bitdepth", "unit"), [(8, 1), (16, 1), (8, 0)])
def test_pixels_per_meter_are_the_spacing(tmp_path, bitdepth, unit):
    path = tmp_path / "a.png"
    writer = png.Writer(
        4,
        3,
        greyscale=True,
        bitdepth=bitdepth,
        x_pixels_per_unit=1_000_000,
        y_pixels_per_unit=2_500_000,
        unit_is_meter=bool(unit),
    )
    with path.open("wb") as file:
        writer.write(file, np.zeros((3, 4), int).tolist())
    image = read(path)
    assert (image.spacing, image.units) == (((0.4, 1.0), "µm") if unit else ((1, 1), "pixel"))


@pytest.mark.parametrize("bitdepth", [1, 8, 16])
def test_truncated_png_is_named(tmp_path, bitdepth):
    path = tmp_path / "cut.png"
    values = np.random.default_rng(0).integers(0, 2**bitdepth, (64, 64))
    with path.open("wb") as file:
        png.Writer(64, 64, greyscale=True, bitdepth=bitdepth).write(file, values.tolist())
    whole = path.read_bytes()
    for part in (0.2, 0.5, 0.8):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(ReadError, match=r"^cut\.png cannot be read"):
            read(path)


def test_only_memory_limits_a_picture(tmp_path, monkeypatch):
    path = tmp_path / "wide.png"
    Pillow.new("L", (50, 50)).save(path)
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 100)
    assert read(path).grid == (50, 50)
    whole = bytearray(path.read_bytes())
    whole[16:24] = struct.pack(">II", 2_000_000, 2_000_000)
    whole[29:33] = struct.pack(">I", zlib.crc32(whole[12:29]))
    path.write_bytes(whole)
    with pytest.raises(ReadError, match=r"^wide\.png says that it holds 2000000 × 2000000 pixels"):
        read(path)


def test_jpeg(tmp_path, real_data):
    path = real_data / "retina/train/images/Image_01L.jpg"
    image = read(path)
    with Pillow.open(path) as picture:
        np.testing.assert_array_equal(image.data, np.moveaxis(np.asarray(picture), -1, 0))
    assert (image.units, image.source.format) == ("pixel", "jpeg")
    Pillow.new("CMYK", (4, 4)).save(tmp_path / "print.jpg")
    with pytest.raises(ReadError, match=r"print\.jpg has CMYK colors"):
        read(tmp_path / "print.jpg")


def test_a_photograph_is_turned_as_viewers_turn_it(tmp_path):
    values = np.zeros((16, 24, 3), np.uint8)
    values[:8, :8] = 255
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.fromarray(values).save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    image = read(tmp_path / "a.jpg")
    assert image.grid == (24, 16)
    np.testing.assert_allclose(image.data[0], np.rot90(values[..., 0], -1), atol=2)
    assert image.source.notes == ("It is turned or mirrored as its EXIF orientation 6 says.",)
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(whole.replace(b"Exif\0\0MM", b"Exif\0\0XX"))
    assert read(tmp_path / "b.jpg").grid == (16, 24)


def save_frames(path, mode, colors, **options):
    frames = [Pillow.new(mode, (6, 4), color) for color in colors]
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)


@pytest.mark.parametrize(("options", "along"), [({}, "Z"), ({"duration": 100}, "T")])
@pytest.mark.parametrize("name", ["a.gif", "a.png"])
def test_frames_are_time_points_where_they_last(tmp_path, options, along, name):
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    save_frames(tmp_path / name, "RGB", colors, **options)
    image = read(tmp_path / name)
    frames = np.moveaxis(image.data, image.axes.index(along), 0)
    assert sorted(image.axes) == sorted("CYX" + along)
    assert [tuple(frame[:, 0, 0].tolist()) for frame in frames] == colors
    assert image.is_rgb


def test_a_gif_is_read_as_it_is_displayed(tmp_path):
    first = np.zeros((6, 8, 4), np.uint8)
    first[...] = (255, 0, 0, 255)
    second = np.zeros((6, 8, 4), np.uint8)
    second[2:4, 2:4] = (0, 255, 0, 255)
    frames = [Pillow.fromarray(first), Pillow.fromarray(second)]
    for disposal, corner in ((0, (255, 0, 0)), (1, (255, 0, 0))):
        frames[0].save(
            tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=10, disposal=disposal
        )
        shown = read(tmp_path / "a.gif").data[1]
        assert tuple(shown[:, 0, 0].tolist()) == corner
        assert tuple(shown[:, 2, 2].tolist()) == (0, 255, 0)


def test_the_stand_in_of_an_animated_png_is_no_frame(tmp_path):
    save_frames(tmp_path / "a.png", "L", [9, 1, 2, 3], duration=50, default_image=True)
    image = read(tmp_path / "a.png")
    assert (image.axes, image.data[:, 0, 0].tolist()) == ("TYX", [1, 2, 3])


def test_an_animation_with_16_bits_is_refused(tmp_path):
    frames = np.arange(48, dtype=np.uint16).reshape(2, 4, 6) * 1000
    (tmp_path / "a.png").write_bytes(imagecodecs.apng_encode(frames))
    with pytest.raises(ReadError, match=r"a\.png is an animation with 16 bits"):
        read(tmp_path / "a.png")


def test_one_frame_is_one_picture(tmp_path):
    save_frames(tmp_path / "b.gif", "RGB", [(255, 0, 0)], duration=100)
    assert read(tmp_path / "b.gif").axes == "CYX"


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_damaged_pixel_is_never_read(tmp_path, depth):
    """Decoders do not compare the checksums of pixels; a flipped bit would pass for a value."""
    path = tmp_path / "a.png"
    values = np.random.default_rng(0).integers(0, 2**depth, (16, 16))
    with path.open("wb") as file:
        # Without compression every flipped bit is another pixel.
        png.Writer(16, 16, greyscale=True, bitdepth=depth, compression=0).write(file, values.tolist())
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"IDAT") + 20] ^= 4
    path.write_bytes(whole)
    with pytest.raises(ReadError, match=r"its (chunk IDAT is|pixels are) damaged"):
        read(path)


@pytest.mark.parametrize(("dpi", "units"), [(72, "pixel"), (96, "pixel"), (300, "pixel"), (25400, "µm")])
def test_dots_per_inch_of_screens_are_no_spacing(tmp_path, dpi, units):
    Pillow.new("L", (4, 4)).save(tmp_path / "a.png", dpi=(dpi, dpi))
    image = read(tmp_path / "a.png")
    assert image.units == units
    assert bool(image.source.notes) == (units == "pixel")


def test_bmp_with_one_bit(tmp_path):
    pixels = np.eye(8, dtype=bool)
    Pillow.fromarray(pixels).save(tmp_path / "a.bmp")
    image = read(tmp_path / "a.bmp")
    assert image.data.dtype == np.uint8
    np.testing.assert_array_equal(image.data, pixels)


def test_reading_leaves_the_warning_filters_alone(real_data):
    before = warnings.filters[:]
    read(real_data / "png-odd/basn3p08.png")
    assert warnings.filters == before
