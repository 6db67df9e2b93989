"""The door: what a file is, and what is said of files that are none."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from unetscope.errors import InputError, ReadError
from unetscope.io import is_image_file, read


def test_importing_loads_no_decoder():
    libraries = "{'pydicom', 'tifffile', 'PIL', 'imagecodecs', 'torch', 'scipy', 'skimage', 'matplotlib'}"
    code = f"import sys, unetscope.io; loaded = {libraries} & set(sys.modules); sys.exit(str(loaded or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif"])
def test_content_counts_and_not_the_name(tmp_path, suffix):
    pixels = np.full((4, 6), 200, np.uint8)
    path = tmp_path / f"a.{suffix}"
    Pillow.fromarray(pixels).save(path)
    renamed = path.rename(tmp_path / "b.dcm")
    image = read(renamed)
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.data, pixels)
    assert image.source.path == renamed


def test_dicom_without_suffix(make_dicom):
    for name in ("IM0001", "1.2.840.113"):
        path = make_dicom(name, np.ones((2, 4), np.uint16))
        assert is_image_file(path)
        assert read(str(path)).source.format == "dicom"


def test_what_is_an_image_file(tmp_path):
    for name in ("a.PNG", "b.dcm", "c.TIFF", "d.txt", "e", "f.tar.gz"):
        (tmp_path / name).write_bytes(b"content")
    (tmp_path / "folder.png").mkdir()
    images = {path.name for path in tmp_path.iterdir() if is_image_file(path)}
    assert images == {"a.PNG", "b.dcm", "c.TIFF"}
    assert not is_image_file(tmp_path / "missing.png")


def test_missing_empty_and_foreign_files(tmp_path):
    with pytest.raises(
        ReadError, match=r"gone\.png does not exist; expected a DICOM, PNG.*: check the path\."
    ):
        read(tmp_path / "gone.png")
    for name in ("a.png", "a.dcm", "a.tif"):
        (tmp_path / name).touch()
        with pytest.raises(ReadError, match=f"^{name} is empty"):
            read(tmp_path / name)
        (tmp_path / name).write_text("This is a letter and no image at all.")
        with pytest.raises(ReadError, match=f"^{name} does not begin like any known kind of image"):
            read(tmp_path / name)


def test_whatever_is_damaged_only_our_errors_come_out(tmp_path, make_dicom):
    pixels = np.arange(4 * 400, dtype=np.uint16).reshape(4, 20, 20)
    ome = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 1}
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels, metadata=ome)
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, compression="zlib", metadata={"unit": "um"})
    picture = Pillow.fromarray(pixels[0].astype(np.uint8))
    for name in ("a.png", "a.gif", "a.bmp", "a.jpg"):
        picture.save(tmp_path / name)
    make_dicom("a.dcm", pixels, NumberOfFrames=4)
    chance = random.Random(0)
    refused = 0
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        for _ in range(40):
            damaged = bytearray(whole[: chance.randrange(len(whole))] if chance.random() < 0.3 else whole)
            for _ in range(min(chance.choice([1, 3, 20]), len(damaged))):
                damaged[chance.randrange(min(len(damaged), 1000))] = chance.randrange(256)
            path.write_bytes(damaged)
            try:
                read(path)
            except InputError:
                refused += 1
    assert refused > 100
