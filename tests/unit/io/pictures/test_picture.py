"""PNG at every bit depth and color type against pypng; JPEG, GIF and BMP."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import png
import pytest
from PIL import Image as Pillow

from unetscope.errors import ReadError
from unetscope.io import read
from unetscope.io.pictures.picture import read_picture


def decode_with_pypng(path: Path) -> tuple[np.ndarray, dict]:
    """Stored samples (row, column, plane) and the header's facts."""
    width, height, rows, info = png.Reader(bytes=path.read_bytes()).read()
    dtype = np.uint16 if info["bitdepth"] == 16 else np.uint8
    return np.array([list(row) for row in rows], dtype).reshape(height, width, info["planes"]), info


def test_every_file_of_pngsuite(real_data):
    files = sorted((real_data / "png-odd").rglob("*.png"))
    assert len(files) == 60
    for path in files:
        stored, info = decode_with_pypng(path)
        if "palette" in info:
            indices = read_picture(path, indices=True)
            np.testing.assert_array_equal(indices.data, stored[..., 0], path.name)
            stored = np.array(info["palette"], np.uint8)[stored[..., 0], :3]
        elif info["alpha"]:
            stored = stored[..., :-1]
        image = read(path)
        assert image.axes == ("YX" if stored.shape[-1] == 1 else "CYX"), path.name
        assert image.data.dtype == stored.dtype, path.name
        np.testing.assert_array_equal(
            image.data.reshape(stored.shape[-1], 32, 32), np.moveaxis(stored, -1, 0)
        )


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


def test_too_large_a_picture_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "huge.png"
    Pillow.new("L", (50, 50)).save(path)
    for limit in (2000, 100):
        monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ReadError, match=r"huge\.png.*exceeds limit"):
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


def test_frames_of_a_gif_are_slices(tmp_path):
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    frames = [Pillow.new("RGB", (6, 4), color) for color in colors]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    image = read(tmp_path / "a.gif")
    assert (image.axes, image.data.shape) == ("CZYX", (3, 3, 4, 6))
    assert [tuple(image.data[:, z, 0, 0].tolist()) for z in range(3)] == colors
    frames[0].save(tmp_path / "b.gif")
    assert read(tmp_path / "b.gif").axes == "CYX"


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
