"""NIfTI: values, axes, place and units; and files that lie."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest

from unetscope.errors import ReadError
from unetscope.io import read
from unetscope.io._limits import LAZY_BYTES
from unetscope.io.volumes import _stored
from unetscope.io.volumes.nifti import read_nifti

nibabel = pytest.importorskip("nibabel")

# Columns lead right and up, rows to the front, slices down.
RAS = np.array([[2, 0, 0, -10], [0, 0, -3, 20], [1, 0.5, 0, 30], [0, 0, 0, 1]], float)
RAS[:3, :3] = [[0.6, 0, -2.4], [0, 0.5, 0], [0.8, 0, 1.8]]


def make(path, shape=(5, 4, 3), dtype=np.int16, *, affine=RAS, code=1, kind="Nifti1Image", **fields):
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    image = getattr(nibabel, kind)(values, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(affine, code)
    image.set_qform(affine, code)
    image.to_filename(path)
    if fields:
        rewrite(path, **fields)
    return path, values


@pytest.mark.parametrize("kind", ["Nifti1Image", "Nifti2Image"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_axes_values_and_place(tmp_path, kind, suffix):
    path, values = make(tmp_path / f"a{suffix}", kind=kind)
    image = read(path)
    assert (image.axes, image.data.dtype, image.units, image.source.format) == (
        "ZYX",
        np.int16,
        "mm",
        "nifti",
    )
    np.testing.assert_array_equal(image.data, values.T)
    assert image.data.flags.c_contiguous
    assert image.spacing == pytest.approx((3, 0.5, 1))
    for column, row, slice_ in ((0, 0, 0), (4, 1, 2)):
        right, front, up, _ = RAS @ [column, row, slice_, 1]
        np.testing.assert_allclose(
            image.affine @ [slice_, row, column, 1], [-right, -front, up, 1], atol=1e-5
        )
    assert image.source.notes == ()


def test_place_agrees_with_simpleitk(tmp_path):
    itk = pytest.importorskip("SimpleITK")
    path, _ = make(tmp_path / "a.nii.gz")
    other, image = itk.ReadImage(str(path)), read(path)
    np.testing.assert_array_equal(itk.GetArrayFromImage(other), image.data)
    for column, row, slice_ in ((0, 0, 0), (4, 3, 2)):
        place = other.TransformIndexToPhysicalPoint((column, row, slice_))
        np.testing.assert_allclose(image.affine @ [slice_, row, column, 1], [*place, 1], atol=1e-5)


def test_a_header_with_its_pixels_beside(tmp_path):
    path, values = make(tmp_path / "a.hdr", kind="Nifti1Pair")
    np.testing.assert_array_equal(read(path).data, values.T)
    (tmp_path / "a.img").unlink()
    with pytest.raises(ReadError, match=r"a\.hdr is a header without its pixels; expected a\.img beside it"):
        read(path)


@pytest.mark.parametrize(
    "name",
    [
        "anatomical.nii",
        "example4d.nii.gz",
        "example_nifti2.nii.gz",
        "functional.nii",
        "reoriented_anat_moved.nii",
        "resampled_anat_moved.nii",
        "standard.nii.gz",
    ],
)
def test_real_files_as_nibabel_reads_them(name):
    path = Path(nibabel.__file__).parent / "tests" / "data" / name
    expected, image = nibabel.load(path), read(path)
    np.testing.assert_allclose(image.data, np.asarray(expected.dataobj).T, rtol=1e-6)
    to_ras = image.affine[:, [2, 1, 0, 3]] * [[-1], [-1], [1], [1]]
    np.testing.assert_allclose(to_ras, expected.affine, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 4), "YX"),
        ((5, 4, 1), "YX"),
        ((1, 4, 3), "ZYX"),
        ((5, 4, 3, 2), "TZYX"),
        ((5, 4, 1, 2), "TYX"),
        ((5, 4, 3, 1, 6), "CZYX"),
        ((5, 4, 3, 2, 6), "TCZYX"),
        ((5, 4, 3, 1, 1, 1), "ZYX"),
    ],
)
def test_axes(tmp_path, shape, axes):
    path, values = make(tmp_path / "a.nii", shape)
    image = read(path)
    assert image.axes == axes
    expected = values.T.reshape([n for n in values.T.shape if n > 1]) if 1 not in shape[:2] else values.T
    if axes == "TCZYX":
        expected = np.swapaxes(expected, 0, 1)
    np.testing.assert_array_equal(image.data, expected)
    assert image.affine.shape == (4, 4)


def test_time_spacing_in_seconds(tmp_path):
    path, _ = make(tmp_path / "a.nii", (5, 4, 3, 2), xyzt_units=2 + 16, pixdim=[1, 1, 0.5, 3, 40, 1, 1, 1])
    assert read(path).source.tags == {"time_spacing": pytest.approx(0.04)}
    path, _ = make(tmp_path / "b.nii", (5, 4, 3, 2), xyzt_units=2)
    assert "how much time" in read(path).source.notes[0]
    # Parts per million are no time.
    path, _ = make(tmp_path / "c.nii", (5, 4, 3, 2), xyzt_units=2 + 40)
    assert read(path).axes == "CZYX"


def test_without_codes_only_the_spacing_is_known(tmp_path):
    path, _ = make(tmp_path / "a.nii", code=0)
    image = read(path)
    assert (image.affine, image.units) == (None, "mm")
    assert image.spacing == pytest.approx((3, 0.5, 1))
    path, _ = make(tmp_path / "b.nii", code=0, xyzt_units=3)
    assert (read(path).units, read(path).spacing) == ("µm", pytest.approx((3, 0.5, 1)))
    path, _ = make(tmp_path / "c.nii", code=0, affine=np.eye(4), xyzt_units=0)
    assert (read(path).units, read(path).spacing) == ("pixel", (1, 1, 1))
    path, _ = make(tmp_path / "d.nii", code=0, pixdim=[1, 0, 0.5, 3, 0, 0, 0, 0])
    assert (read(path).units, read(path).spacing) == ("pixel", (1, 1, 1))


@pytest.mark.parametrize(("units", "scale"), [(1, 1e3), (2, 1), (3, 1e-3), (0, 1)])
def test_places_are_in_millimeters(tmp_path, units, scale):
    path, _ = make(tmp_path / "a.nii", xyzt_units=units)
    image = read(path)
    assert image.units == "mm"
    assert image.spacing == pytest.approx((3 * scale, 0.5 * scale, scale))
    np.testing.assert_allclose(image.affine[:3, 3], np.array([10, -20, 30]) * scale, rtol=1e-6)


def test_the_sform_wins_and_disagreement_is_noted(tmp_path):
    path, _ = make(tmp_path / "a.nii", qoffset_x=-13)
    image = read(path)
    np.testing.assert_allclose(image.affine[:3, 3], [10, -20, 30], atol=1e-5)
    assert image.source.notes == ("The header's sform and qform lie up to 3 mm apart; the sform was taken.",)


def test_the_qform_alone_places(tmp_path):
    path, _ = make(tmp_path / "a.nii", sform_code=0, srow_x=[0, 0, 0, 0])
    image = read(path)
    np.testing.assert_allclose(image.affine[:3, 3], [10, -20, 30], atol=1e-5)
    # A handedness of -1 lets the slices lead the other way; 0 stands for 1.
    for handedness, sign in ((-1, -1), (0, 1)):
        rewrite(path, pixdim=[handedness, 1, 0.5, 3, 1, 1, 1, 1])
        np.testing.assert_allclose(read(path).affine[:3, 0], sign * image.affine[:3, 0], atol=1e-5)


def test_a_damaged_qform_is_left_out_with_a_note(tmp_path):
    path, _ = make(tmp_path / "a.nii", sform_code=0, quatern_b=3)
    image = read(path)
    assert (image.affine, image.spacing) == (None, pytest.approx((3, 0.5, 1)))
    assert image.source.notes == ("The qform of the header is damaged and was left out.",)


def test_a_damaged_sform_is_left_out_with_a_note(tmp_path):
    path, _ = make(tmp_path / "a.nii", srow_x=[0, 0, 0, 0])
    image = read(path)
    assert image.source.notes == ("The sform of the header is damaged and was left out.",)
    np.testing.assert_allclose(image.affine[:3, 3], [10, -20, 30], atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "expected"), [(np.uint8, np.float32), (np.int16, np.float32), (np.int32, np.float64)]
)
def test_slope_and_intercept(tmp_path, dtype, expected):
    path, values = make(tmp_path / "a.nii", dtype=dtype)
    rewrite(path, scl_slope=0.5, scl_inter=-3)
    image = read(path)
    assert image.data.dtype == expected
    np.testing.assert_array_equal(image.data, values.T * 0.5 - 3)


@pytest.mark.parametrize("fields", [{"scl_slope": 1, "scl_inter": 0}, {"scl_slope": 0, "scl_inter": 7}])
def test_slopes_that_change_nothing(tmp_path, fields):
    path, values = make(tmp_path / "a.nii")
    rewrite(path, **fields)
    assert read(path).data.dtype == np.int16
    np.testing.assert_array_equal(read(path).data, values.T)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_types_and_byte_orders(tmp_path, kind, order):
    values = np.arange(24, dtype=f"{order}{kind}").reshape(2, 3, 4)
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(values.dtype)
    nibabel.Nifti1Image(values, None, header).to_filename(tmp_path / "a.nii")
    image = read(tmp_path / "a.nii")
    assert image.data.dtype == np.dtype(kind)
    np.testing.assert_array_equal(image.data, values.T)


@pytest.mark.parametrize(("names", "tags"), [("RGB", {}), ("RGBA", {"alpha": "dropped"})])
def test_colors(tmp_path, names, tags):
    values = np.zeros((5, 4, 3), [(name, "u1") for name in names])
    for i, name in enumerate(names):
        values[name] = np.arange(60).reshape(5, 4, 3) + i
    nibabel.Nifti1Image(values, RAS).to_filename(tmp_path / "a.nii")
    image = read(tmp_path / "a.nii")
    assert (image.axes, image.is_rgb, image.source.tags) == ("CZYX", True, tags)
    np.testing.assert_array_equal(image.data[1], values["G"].T)


def test_complex_values_are_refused(tmp_path):
    path, _ = make(tmp_path / "a.nii", dtype=np.complex64)
    with pytest.raises(ReadError, match=r"a\.nii holds values of type complex64.*float32"):
        read(path)


def test_more_than_five_axes_are_refused(tmp_path):
    path, _ = make(tmp_path / "a.nii", (2, 2, 2, 1, 1, 3))
    with pytest.raises(ReadError, match=r"a\.nii has 6 axes"):
        read(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kept", [0.3, 0.98])
def test_truncated_files(tmp_path, suffix, kept):
    path, _ = make(tmp_path / f"a{suffix}", (64, 32, 16))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ReadError, match=r"^a\.nii.*(complete|undamaged)"):
        read(path)


def test_a_wrong_checksum(tmp_path):
    path, _ = make(tmp_path / "a.nii.gz")
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"a\.nii\.gz cannot be read.*CRC"):
        read(path)


def test_a_header_that_promises_too_much(tmp_path):
    path, _ = make(tmp_path / "a.nii")
    rewrite(path, dim=[3, 32767, 32767, 32767, 1, 1, 1, 1])
    with pytest.raises(ReadError, match="32767 × 32767 × 32767 pixels"):
        read(path)
    packed = tmp_path / "b.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(ReadError, match="32767 × 32767 × 32767 pixels"):
        read(packed)


@pytest.mark.parametrize(
    "fields",
    [
        {"dim": [3, -5, 4, 3, 1, 1, 1, 1]},
        {"dim": [3, 0, 4, 3, 1, 1, 1, 1]},
        {"dim": [9, 5, 4, 3, 1, 1, 1, 1]},
        {"dim": [1, 60, 1, 1, 1, 1, 1, 1]},
        {"datatype": 999},
        {"datatype": 1},
        {"vox_offset": 100},
        {"vox_offset": 1e9},
        {"vox_offset": np.inf},
        {"vox_offset": np.nan},
        {"scl_slope": 2, "scl_inter": np.inf},
    ],
)
def test_headers_that_make_no_sense(tmp_path, fields):
    path, _ = make(tmp_path / "a.nii")
    rewrite(path, **fields)
    with pytest.raises(ReadError, match=r"^a\.nii (cannot be read|says|has|holds)"):
        read(path)


def test_something_else_in_gzip(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(b"no volume" * 100))
    with pytest.raises(ReadError, match=r"a\.nii\.gz cannot be read as a NIfTI volume .*no NIfTI header"):
        read(tmp_path / "a.nii.gz")


def test_bytes_after_the_pixels_are_not_read(tmp_path, monkeypatch):
    path, values = make(tmp_path / "a.nii")
    bomb = path.read_bytes() + bytes(2**24)
    packed = tmp_path / "a.nii.gz"
    packed.write_bytes(gzip.compress(bomb))
    read_bytes = 0

    def count(self, size=-1, read=gzip.GzipFile.read):
        nonlocal read_bytes
        piece = read(self, size)
        read_bytes += len(piece)
        return piece

    monkeypatch.setattr(gzip.GzipFile, "read", count)
    np.testing.assert_array_equal(read(packed).data, values.T)
    assert read_bytes < 2000


def test_large_files_stay_on_disk(tmp_path, monkeypatch):
    path, _ = make(tmp_path / "a.nii", (5, 4, 3, 2), scl_slope=2, scl_inter=1)
    eager = read(path)
    monkeypatch.setattr(_stored, "is_large", lambda shape, dtype: True)
    image = read_nifti(path, lazy=True)
    assert image.data.chunksize == (1, 1, 4, 5)
    assert (image.data.dtype, image.axes, image.data.shape) == (np.float32, "TZYX", (2, 3, 4, 5))
    np.testing.assert_array_equal(image.load().data, eager.data)
    np.testing.assert_array_equal(image.take("T", 1).take("Z", 2).load().data, eager.data[1, 2])
    assert isinstance(read_nifti(path).data, np.ndarray)


def test_a_large_file_is_opened_at_once(tmp_path):
    path, _ = make(tmp_path / "a.nii", (2, 2, 2))
    planes = LAZY_BYTES // (2 * 1024**2) + 1
    rewrite(path, dim=[3, 1024, 1024, planes, 1, 1, 1, 1])
    with path.open("rb+") as file:
        file.truncate(352 + 2 * 1024**2 * planes)
    image = read(path, lazy=True)
    assert image.data.shape == (planes, 1024, 1024)
    assert not image.take("Z", planes - 1).load().data.any()


def test_nibabel_is_an_extra(tmp_path, monkeypatch):
    path, _ = make(tmp_path / "a.nii")
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(ReadError, match=r'a\.nii needs nibabel.*pip install "unetscope\[volumes\]"'):
        read(path)


def test_no_names_from_the_header(tmp_path):
    path, _ = make(tmp_path / "a.nii", descrip=b"Jane Doe", db_name=b"Jane Doe", aux_file=b"Jane Doe")
    assert "Jane" not in repr(read(path))


def rewrite(path, **fields):
    """Change fields of the header in place, without nibabel's opinion on them."""
    content = bytearray(path.read_bytes())
    header = nibabel.Nifti1Header(bytes(content[:348]), check=False)
    for name, value in fields.items():
        header.structarr[name] = value
    content[:348] = header.binaryblock
    path.write_bytes(content)
