"""NIfTI: labels where 3D Slicer and others look for them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from unetscope.errors import OutputError
from unetscope.io import Image, find_series, read, write_mask
from unetscope.io.grid import affine_of, geometry_of, labels_on

nibabel = pytest.importorskip("nibabel")

OBLIQUE = affine_of((10, 20, 30), (0.6, 0.8, 0), (0, 0, -1), (0.5, 0.25), (2.4, -1.8, 0))
TILTED = affine_of((10, 20, 30), (1, 0, 0), (0, 1, 0), (0.5, 0.25), (0, 1, 3))


def placed(data, affine=OBLIQUE):
    axes = "TZYX"[-data.ndim :]
    spacing, origin = geometry_of(affine, axes.removeprefix("T"))
    return Image(data, axes, spacing, origin, "mm", affine=affine)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_what_nibabel_reads(tmp_path, name):
    labels = placed(np.arange(60).reshape(3, 4, 5))
    image = nibabel.load(write_mask(tmp_path / name, labels))
    assert image.shape == (5, 4, 3)
    assert (image.get_data_dtype(), image.header.get_intent()[0]) == (np.uint8, "label")
    assert image.header.get_xyzt_units()[0] == "mm"
    np.testing.assert_array_equal(np.asarray(image.dataobj), labels.data.T)
    (sform, s), (qform, q) = image.get_sform(coded=True), image.get_qform(coded=True)
    assert (s, q) == (1, 1)
    np.testing.assert_allclose(sform, qform, atol=1e-5)
    # The first pixel lies 10 mm to the left and 20 mm to the back.
    np.testing.assert_allclose(sform @ [0, 0, 0, 1], [-10, -20, 30, 1], atol=1e-5)


@pytest.mark.parametrize(("largest", "dtype"), [(255, np.uint8), (256, np.uint16), (65536, np.uint32)])
def test_types(tmp_path, largest, dtype):
    path = write_mask(tmp_path / "a.nii", np.array([[0, largest]]))
    assert nibabel.load(path).get_data_dtype() == dtype
    np.testing.assert_array_equal(read(path).data, [[0, largest]])


def test_a_tilted_stack_has_a_sform_only(tmp_path):
    labels = placed(np.arange(60).reshape(3, 4, 5), TILTED)
    path = write_mask(tmp_path / "a.nii", labels)
    header = nibabel.load(path).header
    assert (header["sform_code"], header["qform_code"]) == (1, 0)
    np.testing.assert_allclose(read(path).affine, TILTED, atol=1e-5)


def test_without_a_place_there_is_a_spacing_only(tmp_path):
    path = write_mask(tmp_path / "a.nii", np.ones((2, 3, 4), int), spacing=(3, 2, 1), units="µm")
    header = nibabel.load(path).header
    assert (header["sform_code"], header["qform_code"], header.get_xyzt_units()[0]) == (0, 0, "micron")
    assert header.get_zooms() == (1, 2, 3)
    assert (read(path).spacing, read(path).units) == ((3, 2, 1), "µm")
    path = write_mask(tmp_path / "b.nii", np.ones((2, 3, 4), int), spacing=(3, 2, 1))
    assert (read(path).spacing, read(path).units) == ((1, 1, 1), "pixel")


def test_equal_labels_give_equal_files(tmp_path):
    labels = placed(np.arange(60).reshape(3, 4, 5))
    first, second = (write_mask(tmp_path / name, labels).read_bytes() for name in ("a.nii.gz", "b.nii.gz"))
    assert first == second


def test_axes_that_are_too_long(tmp_path):
    with pytest.raises(OutputError, match=r"do not fit a\.nii; expected for NIfTI, at most 32767"):
        write_mask(tmp_path / "a.nii", np.zeros((1, 40000), np.uint8))


def test_nibabel_is_an_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(OutputError, match=r'a\.nii needs nibabel.*pip install "unetscope\[volumes\]"'):
        write_mask(tmp_path / "a.nii", np.ones((2, 2), int))


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.seg.nrrd"])
def test_labels_of_a_real_series_lie_on_it(tmp_path, real_data, name):
    (series,) = find_series(real_data / "dicom-series")
    image = series.read().take("T", 0)
    labels = image.with_data((image.data > np.median(image.data)).astype(np.uint8))
    path = write_mask(tmp_path / name, labels)
    mask = read(path)
    np.testing.assert_array_equal(mask.data, labels.data)
    np.testing.assert_allclose(mask.affine, image.affine, atol=1e-4)
    np.testing.assert_array_equal(labels_on(mask, image).data, labels.data)
    itk = pytest.importorskip("SimpleITK")
    other = itk.ReadImage(str(path))
    for place in ((0, 0, 0), (1, 2, 3), tuple(n - 1 for n in image.grid)):
        in_patient = other.TransformIndexToPhysicalPoint(place[::-1])
        np.testing.assert_allclose(image.affine @ [*place, 1], [*in_patient, 1], atol=1e-3)
    np.testing.assert_array_equal(itk.GetArrayFromImage(other), labels.data)
