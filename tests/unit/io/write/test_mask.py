"""One door for labels: the suffix chooses the format, and what is read again is what was written."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydicom.uid import MRImageStorage

from unetscope.errors import OutputError
from unetscope.io import Image, Source, read, read_mask, write_mask
from unetscope.io.grid import affine_of, geometry_of

MASK = np.array([[0, 1, 2], [3, 4, 300]])
OBLIQUE = affine_of((10, 20, 30), (0.6, 0.8, 0), (0, 0, -1), (0.5, 0.25), (2.4, -1.8, 0))


def placed(data):
    axes = "TZYX"[-data.ndim :]
    spacing, origin = geometry_of(OBLIQUE, axes.removeprefix("T"))
    return Image(data, axes, spacing, origin, "mm", affine=OBLIQUE)


@settings(max_examples=25, deadline=None)
@given(
    labels=hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.int32, np.int64]),
        hnp.array_shapes(min_dims=2, max_dims=3, max_side=6),
        elements=st.integers(0, 127),
    ),
    largest=st.sampled_from([1, 255, 256, 65535]),
)
def test_round_trip(labels, largest):
    labels = labels.astype(np.int64)
    labels.flat[0] = largest
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".tif", ".ome.tif", ".nii", ".nii.gz", ".nrrd", ".seg.nrrd", ".png"):
            if suffix == ".png" and labels.ndim > 2:
                continue
            mask = read_mask(write_mask(Path(folder) / f"a{suffix}", labels))
            # In some formats a single slice is a plane: the values and the plane are the same.
            np.testing.assert_array_equal(mask.data.reshape(labels.shape), labels)
            assert mask.data.dtype == (np.uint8 if largest < 256 else np.uint16)


@settings(max_examples=20, deadline=None)
@given(
    spacing=st.tuples(*[st.floats(1e-3, 1e3)] * 3),
    units=st.sampled_from(["mm", "µm"]),
    largest=st.sampled_from([9, 999, 10**6]),
)
def test_spacing_round_trip(spacing, units, largest):
    labels = np.zeros((2, 3, 4), np.int64)
    labels[0, 0, 0] = largest
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".tif", ".ome.tif", ".nii.gz", ".nrrd"):
            path = Path(folder) / f"a{suffix}"
            mask = read_mask(write_mask(path, labels, spacing=spacing, units=units))
            np.testing.assert_array_equal(mask.data, labels)
            assert mask.spacing == pytest.approx(spacing, rel=1e-5)
            assert mask.units == units


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".seg.nrrd"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (4, 5)])
def test_a_place_is_kept(tmp_path, suffix, shape):
    labels = placed(np.arange(np.prod(shape)).reshape(shape))
    mask = read_mask(write_mask(tmp_path / f"a{suffix}", labels))
    assert (mask.axes, mask.units) == (labels.axes, "mm")
    np.testing.assert_array_equal(mask.data, labels.data)
    np.testing.assert_allclose(mask.affine, labels.affine, rtol=1e-6, atol=1e-5)
    assert mask.spacing == pytest.approx(labels.spacing)
    assert mask.source.notes == ()


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif", ".nii.gz", ".ome.zarr"])
def test_time_series(tmp_path, suffix):
    labels = np.arange(120).reshape(2, 3, 4, 5)
    image = read(write_mask(tmp_path / f"a{suffix}", labels, spacing=(3, 2, 1), units="mm"))
    assert (image.axes, image.spacing, image.units) == ("TZYX", pytest.approx((3, 2, 1)), "mm")
    np.testing.assert_array_equal(image.data, labels)


@pytest.mark.parametrize("suffix", [".ome.zarr", ".zarr"])
def test_zarr(tmp_path, suffix):
    labels = Image(np.arange(60).reshape(3, 4, 5), "ZYX", (3, 2, 1), units="µm")
    mask = read_mask(write_mask(tmp_path / f"a{suffix}", labels, names={1: "cell"}))
    np.testing.assert_array_equal(mask.data, labels.data)
    assert (mask.spacing, mask.units) == ((3, 2, 1), "µm")


def test_dicom(tmp_path, make_series):
    pytest.importorskip("highdicom")
    series = make_series(
        [0, 3, 6],
        SOPClassUID=MRImageStorage,
        SOPInstanceUID=[f"1.2.5.{i}" for i in range(3)],
        StudyInstanceUID="1.2.3",
        FrameOfReferenceUID="1.2.4",
    )
    image = read(series)
    labels = image.with_data(np.arange(72).reshape(image.data.shape) % 3)
    path = write_mask(tmp_path / "a.dcm", labels, names={1: "cell"})
    np.testing.assert_array_equal(read_mask(path, on=image).data, labels.data)
    with pytest.raises(OutputError, match="not read from DICOM"):
        write_mask(tmp_path / "b.dcm", MASK)


def test_names_come_from_the_call_or_from_the_file_that_was_read(tmp_path):
    labels = placed(np.arange(3).reshape(1, 1, 3))
    path = write_mask(tmp_path / "a.seg.nrrd", labels, names={1: "liver"})
    mask = read(path)
    assert mask.source.tags["labels"] == {1: "liver", 2: "Segment_2"}
    again = read(write_mask(tmp_path / "b.seg.nrrd", mask))
    assert again.source.tags["labels"] == mask.source.tags["labels"]


def test_lazy_labels_of_a_pyramid_are_written(tmp_path):
    dask = pytest.importorskip("dask.array")
    data = np.arange(12).reshape(3, 4)
    image = Image(dask.from_array(data), "YX", levels=(data[::2, ::2],))
    np.testing.assert_array_equal(read_mask(write_mask(tmp_path / "a.png", image)).data, data)


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (4, 4), (3, 5, 3), (4, 5, 4)])
def test_a_narrow_mask_is_no_color_picture(tmp_path, shape):
    labels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    mask = read_mask(write_mask(tmp_path / "a.tif", labels))
    np.testing.assert_array_equal(mask.data, labels)


@pytest.mark.parametrize(
    "labels",
    [
        np.array([[-1]]),
        np.array([[0.5]]),
        np.array([1]),
        np.array(1),
        np.array([[2**32]]),
        np.zeros((0, 4), int),
        np.zeros((1, 1, 1, 1, 1), int),
        Image(np.zeros((3, 2, 2), int), "CYX"),
        Image(np.zeros((2, 2)), "YX"),
    ],
)
def test_what_is_no_mask(tmp_path, labels):
    with pytest.raises(OutputError, match=r"for a\.tif is no mask"):
        write_mask(tmp_path / "a.tif", labels)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.jpg", "a.nhdr", "a", "a.txt"])
def test_other_endings(tmp_path, name):
    with pytest.raises(OutputError, match=rf"{name} ends in .*expected \.png, \.tif"):
        write_mask(tmp_path / name, MASK)


def test_spacing_that_does_not_fit(tmp_path):
    with pytest.raises(OutputError, match="expected 2 numbers, along YX"):
        write_mask(tmp_path / "a.tif", MASK, spacing=(1, 2, 3), units="mm")
    for own in ({"spacing": (1, 1)}, {"units": "mm"}):
        with pytest.raises(OutputError, match="beside an image, which has its own"):
            write_mask(tmp_path / "a.tif", Image(MASK, "YX"), **own)


def test_labels_keep_their_source_out_of_the_file(tmp_path):
    labels = replace(placed(MASK), source=Source(Path("Jane_Doe.dcm"), "dicom", notes=("Jane Doe",)))
    for suffix in (".png", ".tif", ".nii", ".nrrd", ".seg.nrrd"):
        assert b"Jane" not in write_mask(tmp_path / f"a{suffix}", labels).read_bytes()
