"""Masks: integer labels, or a sentence."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from unetscope.errors import InputError, ReadError
from unetscope.io import Image, read, read_mask

LABELS = np.array([[0, 1, 2], [2, 2, 0]], np.uint8)


def test_one_bit_png(tmp_path, real_data):
    Pillow.fromarray(np.eye(8, dtype=bool)).save(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png")
    assert (mask.axes, mask.data.dtype) == ("YX", np.uint8)
    np.testing.assert_array_equal(mask.data, np.eye(8))
    retina = read_mask(real_data / "retina/train/masks/Image_01L.png")
    assert np.unique(retina.data).tolist() == [0, 1]


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp"])
def test_palette_gives_indices(tmp_path, suffix):
    picture = Pillow.fromarray(LABELS, mode=None)
    picture = picture.convert("P")
    picture.putpalette([0, 0, 0, 200, 0, 0, 0, 0, 200])
    picture.save(tmp_path / f"a.{suffix}", **({"optimize": False} if suffix == "gif" else {}))
    np.testing.assert_array_equal(read_mask(tmp_path / f"a.{suffix}").data, LABELS)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_equal_channels_are_one(tmp_path, mode):
    Pillow.fromarray(LABELS).convert(mode).save(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png")
    assert mask.axes == "YX"
    np.testing.assert_array_equal(mask.data, LABELS)


def test_colors_are_counted(tmp_path):
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[0, 0] = (255, 0, 0)
    pixels[1, 1] = (0, 255, 0)
    Pillow.fromarray(pixels).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png has 3 different colors.*say what the colors stand for"):
        read_mask(tmp_path / "a.png")


def test_labels_hidden_in_alpha_are_not_lost(tmp_path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[1:3, 1:3, 3] = 255
    for mode in ("RGBA", "LA"):
        Pillow.fromarray(pixels).convert(mode).save(tmp_path / "a.png")
        with pytest.raises(InputError, match="transparent"):
            read_mask(tmp_path / "a.png")


def test_a_transparent_index_is_still_a_label(tmp_path):
    picture = Pillow.fromarray(LABELS).convert("P")
    picture.save(tmp_path / "a.png", transparency=0)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png").data, LABELS)


def test_whole_floats_become_integers(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", LABELS.astype(np.float32) * 200)
    mask = read_mask(tmp_path / "a.tif")
    assert mask.data.dtype == np.uint16
    np.testing.assert_array_equal(mask.data, LABELS * 200.0)


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf, 1e30])
def test_fractions_are_no_labels(tmp_path, value):
    values = LABELS.astype(np.float32)
    values[0, 0] = value
    tifffile.imwrite(tmp_path / "a.tif", values)
    with pytest.raises(InputError, match=r"a\.tif has 1 pixels that are fractions, too large or not numbers"):
        read_mask(tmp_path / "a.tif")


def test_negative_labels_are_refused(tmp_path):
    for dtype in (np.int16, np.float32):
        tifffile.imwrite(tmp_path / "a.tif", LABELS.astype(dtype) - 1)
        with pytest.raises(InputError, match="negative labels down to -1"):
            read_mask(tmp_path / "a.tif")


def test_jpeg_is_refused(tmp_path):
    Pillow.fromarray(LABELS).save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"a\.jpg is a JPEG.*PNG"):
        read_mask(tmp_path / "a.jpg")


def test_different_channels_are_refused(tmp_path):
    stack = np.stack([LABELS, LABELS + 1])
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", metadata={"axes": "CYX"})
    with pytest.raises(InputError, match="2 different channels"):
        read_mask(tmp_path / "a.tif")


def test_a_time_series_has_labels_for_each_point(tmp_path):
    stack = np.stack([LABELS, LABELS + 1])
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack", metadata={"axes": "TYX"})
    mask = read_mask(tmp_path / "a.tif", on=Image(stack.astype(np.float32), "TYX"))
    assert mask.axes == "TYX"
    np.testing.assert_array_equal(mask.data, stack)
    for wrong in (Image(LABELS, "YX"), Image(np.stack([LABELS] * 3), "TYX")):
        with pytest.raises(
            InputError, match=r"a\.tif has 2 time points and the array has (no|3) time points"
        ):
            read_mask(tmp_path / "a.tif", on=wrong)


def test_a_mask_takes_the_place_of_its_image(tmp_path, make_dicom):
    Pillow.fromarray(LABELS).save(tmp_path / "a.png")
    place = {"ImagePositionPatient": [1, 2, 3], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    image = read(make_dicom("a.dcm", LABELS.astype(np.int16), **place))
    mask = read_mask(tmp_path / "a.png", on=image)
    np.testing.assert_array_equal(mask.affine, image.affine)
    assert (mask.spacing, mask.units, mask.source.notes) == (image.spacing, "mm", ())


def test_a_mask_of_another_grid_is_refused(tmp_path):
    Pillow.fromarray(LABELS).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"the image has 3 by 2 pixels and the mask 2 by 3 \(a\.png\)"):
        read_mask(tmp_path / "a.png", on=Image(LABELS.T, "YX"))


def test_a_plane_is_a_stack_of_one_slice(tmp_path):
    Pillow.fromarray(LABELS).save(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png", on=Image(LABELS[None], "ZYX"))
    assert (mask.axes, mask.data.shape) == ("ZYX", (1, 2, 3))


def test_a_nifti_mask_is_turned_onto_its_series(tmp_path, make_series):
    nibabel = pytest.importorskip("nibabel")
    image = read(make_series([0.0, 2.0, 4.0]))
    labels = np.zeros(image.grid, np.uint8)
    labels[2, 1, 4] = 3
    # The same voxels in another order: x to the right, y to the front, z down.
    affine = image.affine.copy()
    affine[:, 3] = affine @ np.array([*(np.array(image.grid) - 1), 1.0])
    affine[:, :3] *= -1
    ras = (np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)[:, [2, 1, 0, 3]]
    stored = nibabel.Nifti1Image(labels[::-1, ::-1, ::-1].T, ras)
    stored.header.set_xyzt_units("mm")
    nibabel.save(stored, tmp_path / "a.nii.gz")
    mask = read_mask(tmp_path / "a.nii.gz", on=image)
    np.testing.assert_array_equal(mask.data, labels)
    assert "flipped" in mask.source.notes[-1]


def test_dicom_mask(make_dicom):
    stored = np.array([[0, 1, 2, 3]], np.uint16)
    mask = read_mask(make_dicom("a.dcm", stored, RescaleSlope=1, RescaleIntercept=1))
    assert mask.data.dtype == np.uint8
    np.testing.assert_array_equal(mask.data, stored + 1)
    assert mask.units == "mm"


def test_unreadable(tmp_path):
    with pytest.raises(ReadError, match="does not exist"):
        read_mask(tmp_path / "a.png")


def test_half_precision_has_labels_too(tmp_path):
    labels = np.array([[0, 1], [2, 2048]], np.float16)
    tifffile.imwrite(tmp_path / "a.tif", labels)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif").data, labels.astype(int))
