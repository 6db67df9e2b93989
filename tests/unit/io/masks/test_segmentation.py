"""DICOM segmentations as masks, and how they are told from images."""

from __future__ import annotations

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.io import read, read_mask
from unetscope.io.masks.segmentation import instance_of, is_segmentation


def test_segmentations_are_told_from_images(real_data, make_dicom, tmp_path):
    folder = real_data / "dicom-odd"
    assert is_segmentation(folder / "dcmqi/segmentations/24x38x3/seg/label.seg")
    assert is_segmentation(folder / "pydicom-data/liver_deflate.dcm")
    image = make_dicom("a.dcm", np.zeros((4, 4), np.int16))
    bare = make_dicom("b.dcm", np.zeros((4, 4), np.int16), bare=True)
    (tmp_path / "c.dcm").write_bytes(b"\0" * 128 + b"DICM\x02")
    assert not any(map(is_segmentation, (image, bare, tmp_path / "c.dcm", tmp_path / "gone.dcm")))
    assert instance_of(image)
    assert instance_of(image) != instance_of(make_dicom("d.dcm", np.zeros((4, 4), np.int16)))
    assert instance_of(bare) == instance_of(tmp_path / "c.dcm") == ""


def test_a_segmentation_is_labels_on_its_series(real_data):
    pytest.importorskip("highdicom")
    folder = real_data / "dicom-odd/dcmqi/segmentations/24x38x3"
    image = read(folder / "image")
    mask = read_mask(folder / "seg/label.seg", on=image)
    assert mask.grid == image.grid
    # The label map that the segmentation was made from, on the same grid.
    expected = read_mask(folder / "nrrd/label.nrrd", on=image)
    np.testing.assert_array_equal(mask.data > 0, expected.data > 0)
    assert np.count_nonzero(mask.data)


def test_overlapping_segments_are_no_labels(real_data):
    pytest.importorskip("highdicom")
    with pytest.raises(InputError, match=r"seg_image_ct_binary_overlap\.dcm.*overlap"):
        read_mask(real_data / "dicom-odd/highdicom/seg_image_ct_binary_overlap.dcm")
