"""NRRD: values, axes, place and units; and files that lie."""

from __future__ import annotations

import bz2
import gzip
import sys
import zlib

import numpy as np
import pytest

from unetscope.errors import ReadError
from unetscope.io import read
from unetscope.io._limits import LAZY_BYTES
from unetscope.io.grid import labels_on
from unetscope.io.volumes import _stored
from unetscope.io.volumes.nrrd import read_nrrd

pytest.importorskip("nrrd")

VALUES = np.arange(60, dtype="<i2").reshape(3, 4, 5)
FIELDS = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "5 4 3",
    "space directions": "(0.5,0,0) (0,0,-2) (0,3,4)",
    "kinds": "domain domain domain",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(1,2,3)",
}
AFFINE = [[0, 0, 0.5, 1], [3, 0, 0, 2], [4, -2, 0, 3], [0, 0, 0, 1]]


def make(path, content=None, keys=(), **fields):
    """Write NRRD; ``space_origin=None`` leaves out a field, ``keys`` are lines at the end of the header."""
    changed = FIELDS | {name.replace("_", " "): value for name, value in fields.items()}
    lines = ["NRRD0004", *(f"{name}: {value}" for name, value in changed.items() if value is not None), *keys]
    path.write_bytes(
        "\n".join([*lines, "", ""]).encode() + (VALUES.tobytes() if content is None else content)
    )
    return path


def test_axes_values_and_place(tmp_path):
    image = read(make(tmp_path / "a.nrrd"))
    assert (image.axes, image.units, image.source.format) == ("ZYX", "mm", "nrrd")
    assert image.data.dtype == np.int16
    np.testing.assert_array_equal(image.data, VALUES)
    np.testing.assert_array_equal(image.affine, AFFINE)
    # Slices lead 3 mm along the normal, and 4 mm across it.
    assert image.spacing == pytest.approx((3, 2, 0.5))
    assert image.source.notes == ()


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (1, 1, 1)),
        ("LPS", (1, 1, 1)),
        ("right-anterior-superior", (-1, -1, 1)),
        ("RAS", (-1, -1, 1)),
        ("left-anterior-superior", (1, -1, 1)),
        ("LAS", (1, -1, 1)),
    ],
)
def test_spaces(tmp_path, space, signs):
    path = make(tmp_path / "a.nrrd", space=space)
    image = read(path)
    np.testing.assert_array_equal(image.affine, np.diag([*signs, 1]) @ AFFINE)


def test_place_agrees_with_simpleitk(tmp_path):
    itk = pytest.importorskip("SimpleITK")
    directions = "(0.5,0,0) (0,0,-2) (0,3,0)"
    for i, space in enumerate(
        ("left-posterior-superior", "right-anterior-superior", "left-anterior-superior")
    ):
        path = make(tmp_path / f"{i}.nrrd", space=space, space_directions=directions)
        other, image = itk.ReadImage(str(path)), read(path)
        np.testing.assert_array_equal(itk.GetArrayFromImage(other), image.data)
        for column, row, slice_ in ((0, 0, 0), (4, 3, 2)):
            place = other.TransformIndexToPhysicalPoint((column, row, slice_))
            np.testing.assert_allclose(image.affine @ [slice_, row, column, 1], [*place, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("gz", gzip.compress),
        ("bzip2", bz2.compress),
        ("bz2", bz2.compress),
        ("text", lambda _: " ".join(map(str, VALUES.ravel())).encode()),
        ("ascii", lambda _: ",\n".join(map(str, VALUES.ravel())).encode()),
        ("RAW", lambda content: content),
    ],
)
def test_encodings(tmp_path, encoding, encode):
    path = make(tmp_path / "a.nrrd", encode(VALUES.tobytes()), encoding=encoding)
    image = read(path)
    assert image.data.dtype == np.int16
    np.testing.assert_array_equal(image.data, VALUES)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("signed char", "i1"),
        ("unsigned char", "u1"),
        ("int16", "i2"),
        ("unsigned short", "u2"),
        ("int", "i4"),
        ("uint32_t", "u4"),
        ("long long", "i8"),
        ("ulonglong", "u8"),
        ("float", "f4"),
        ("double", "f8"),
    ],
)
@pytest.mark.parametrize(("endian", "order"), [("little", "<"), ("big", ">")])
def test_types(tmp_path, name, kind, endian, order):
    content = VALUES.astype(f"{order}{kind}").tobytes()
    image = read(make(tmp_path / "a.nrrd", content, type=name, endian=endian))
    assert image.data.dtype == np.dtype(kind)
    np.testing.assert_array_equal(image.data, VALUES)


def test_real_numbers_as_text(tmp_path):
    path = make(tmp_path / "a.nrrd", b"0.5 -1e3 nan", type="float", sizes="3 1 1", encoding="text")
    np.testing.assert_array_equal(read(path).data, np.array([[0.5, -1000, np.nan]], np.float32))


def test_a_single_slice_is_a_plane(tmp_path):
    image = read(make(tmp_path / "a.nrrd", sizes="5 12 1"))
    assert (image.axes, image.data.shape, image.spacing) == ("YX", (12, 5), (2, 0.5))
    np.testing.assert_array_equal(image.affine, AFFINE)


def test_a_plane_in_space(tmp_path):
    path = make(
        tmp_path / "a.nrrd",
        dimension="2",
        sizes="5 12",
        space_directions="(0.5,0,0) (0,0,-2)",
        kinds="domain domain",
    )
    image = read(path)
    assert image.axes == "YX"
    # The normal is columns × rows, 1 mm long.
    np.testing.assert_array_equal(image.affine[:3, 0], [0, 1, 0])


@pytest.mark.parametrize(
    ("kinds", "labels", "axes"),
    [
        ("list domain domain domain", None, "CZYX"),
        ("vector domain domain domain", None, "CZYX"),
        ("time domain domain domain", None, "TZYX"),
        ("list domain domain domain", '"frame" "" "" ""', "TZYX"),
        ("??? domain domain domain", None, "CZYX"),
    ],
)
def test_lists_and_times(tmp_path, kinds, labels, axes):
    path = make(
        tmp_path / "a.nrrd",
        dimension="4",
        sizes="2 5 3 2",
        kinds=kinds,
        labels=labels,
        space_directions="none (0.5,0,0) (0,0,-2) (0,3,4)",
    )
    image = read(path)
    assert image.axes == axes
    np.testing.assert_array_equal(image.data, np.moveaxis(VALUES.reshape(2, 3, 5, 2), -1, 0))
    np.testing.assert_array_equal(image.affine, AFFINE)


def test_colors(tmp_path):
    path = make(
        tmp_path / "a.nrrd",
        dimension="3",
        sizes="3 5 4",
        kinds="RGB-color domain domain",
        space=None,
        space_origin=None,
        space_directions=None,
    )
    image = read(path)
    assert (image.axes, image.is_rgb, image.data.shape) == ("CYX", True, (3, 4, 5))
    assert image.data[1, 0, 0] == 1


@pytest.mark.parametrize(
    ("fields", "spacing", "units"),
    [
        ({"spacings": "0.5 2 3"}, (3, 2, 0.5), "pixel"),
        ({"spacings": "0.5 2 3", "units": '"mm" "mm" "mm"'}, (3, 2, 0.5), "mm"),
        ({"spacings": "0.5 2 3", "units": '"um" "um" "um"'}, (3, 2, 0.5), "µm"),
        ({"spacings": "0.5 2 3", "units": '"cm" "cm" "cm"'}, (30, 20, 5), "mm"),
        ({"spacings": "0.5 2 3", "units": '"microns" "microns" ""'}, (3, 2, 0.5), "µm"),
        ({"spacings": "0.5 2 3", "space_units": '"Millimeters"'}, (3, 2, 0.5), "mm"),
        ({"spacings": "nan 2 3"}, (1, 1, 1), "pixel"),
        ({}, (1, 1, 1), "pixel"),
        ({"space_dimension": "3", "space_directions": "(0.5,0,0) (0,0,-2) (0,3,4)"}, (5, 2, 0.5), "pixel"),
    ],
)
def test_spacing_without_an_anatomical_space(tmp_path, fields, spacing, units):
    nowhere = {"space": None, "space_origin": None, "space_directions": None}
    content = make(tmp_path / "a.nrrd", **(nowhere | fields)).read_bytes()
    # The dimension of a space stands before what lies in it.
    head, _, rest = content.partition(b"space dimension: 3\n")
    (tmp_path / "a.nrrd").write_bytes(
        head.replace(b"sizes", b"space dimension: 3\nsizes") + rest if rest else head
    )
    image = read(tmp_path / "a.nrrd")
    assert (image.affine, image.spacing, image.units) == (None, spacing, units)


def test_units_of_a_place(tmp_path):
    image = read(make(tmp_path / "a.nrrd", space_units='"um" "um" "um"'))
    assert image.units == "mm"
    np.testing.assert_allclose(image.affine[:3], np.array(AFFINE)[:3] / 1000)
    image = read(make(tmp_path / "a.nrrd", space_units='"parsecs" "parsecs" "parsecs"'))
    assert (image.affine, image.units) == (None, "pixel")
    assert image.source.notes == ("The header measures lengths in parsec, which is no unit of length.",)


def test_no_origin_no_place(tmp_path):
    image = read(make(tmp_path / "a.nrrd", space_origin=None))
    assert (image.affine, image.spacing) == (None, (5, 2, 0.5))
    assert "does not say where the first pixel lies" in image.source.notes[0]


def test_directions_that_span_no_space(tmp_path):
    with pytest.raises(ReadError, match="do not span the space"):
        read(make(tmp_path / "a.nrrd", space_directions="(1,0,0) (2,0,0) (0,0,1)"))


@pytest.mark.parametrize("name", ["a.raw", "./a.raw", "ä b.raw"])
def test_pixels_in_a_file_beside(tmp_path, name):
    (tmp_path / name).write_bytes(b"one\ntwo\n!!" + VALUES.tobytes())
    path = make(tmp_path / "a.nhdr", b"", data_file=name, line_skip="2", byte_skip="2")
    np.testing.assert_array_equal(read(path).data, VALUES)
    path = make(tmp_path / "b.nhdr", b"", data_file=name, byte_skip="-1")
    np.testing.assert_array_equal(read(path).data, VALUES)


@pytest.mark.parametrize("name", ["../a.raw", "sub/a.raw", "{}/a.raw", "link.raw", "sub/../../a.raw"])
def test_pixels_from_another_folder_are_refused(tmp_path, name):
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "a.raw").write_bytes(VALUES.tobytes())
    (folder / "link.raw").symlink_to(tmp_path / "a.raw")
    path = make(folder / "a.nhdr", b"", data_file=name.format(tmp_path))
    with pytest.raises(ReadError, match=r"a\.nhdr asks for pixels from another folder"):
        read(path)


@pytest.mark.parametrize("name", ["LIST", "slice%02d.raw 1 3 1"])
def test_pixels_in_several_files_are_refused(tmp_path, name):
    with pytest.raises(ReadError, match=r"a\.nhdr has its pixels in several files"):
        read(make(tmp_path / "a.nhdr", b"", data_file=name))


def test_a_missing_file_of_pixels(tmp_path):
    with pytest.raises(ReadError, match=r"a\.nhdr cannot be read as an NRRD volume .*No such file"):
        read(make(tmp_path / "a.nhdr", b"", data_file="a.raw"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "block"}, "type block"),
        ({"encoding": "hex"}, "encoding hex"),
        ({"kinds": "complex domain domain"}, "kinds complex"),
        ({"dimension": "1", "sizes": "60", "kinds": "domain", "space_directions": "(1,0,0)"}, "kinds domain"),
        ({"sizes": "5 4 0"}, "at least one pixel"),
        ({"sizes": "5 4 -3"}, "at least one pixel"),
        ({"sizes": "5 4 nan"}, "cannot be read"),
        ({"sizes": "5 4 1e30"}, "a.nrrd"),
        ({"sizes": "99999 99999 99999"}, "99999 × 99999 × 99999 pixels"),
        ({"sizes": "5 4 30"}, "do not fit into its"),
        ({"sizes": None}, "lacks the field sizes"),
        ({"sizes": "5 4 3 2"}, "cannot be read"),
        ({"type": None}, "lacks the field type"),
        ({"endian": None}, "does not say the order of bytes"),
        ({"endian": "middle"}, "does not say the order of bytes"),
        ({"space_directions": "(1,0) (0,1) (1,1)"}, "cannot be read"),
        ({"space_directions": "(1,0,0) (0,1,0)"}, "cannot be read"),
        ({"space_directions": "rubbish"}, "cannot be read"),
        ({"space_origin": "(1,2)"}, "cannot be read"),
        ({"byte_skip": "-7"}, "cannot be read"),
        ({"byte_skip": "99999999999"}, "cannot be read"),
        ({"line_skip": "99999999999"}, "a.nrrd"),
        ({"labels": '"open'}, "cannot be read"),
    ],
)
def test_headers_that_make_no_sense(tmp_path, fields, message):
    with pytest.raises(ReadError, match=message):
        read(make(tmp_path / "a.nrrd", **fields))


def test_a_header_without_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr("unetscope.io.volumes.nrrd._LONGEST_HEADER", 1000)
    (tmp_path / "a.nrrd").write_bytes(b"NRRD0004\n" + b"# comment\n" * 1000)
    with pytest.raises(ReadError, match="header does not end"):
        read(tmp_path / "a.nrrd")


@pytest.mark.parametrize("content", [b"", b"\n", b"NRRD9999\n\n", b"NRRD\n\n", b"no header"])
def test_what_is_no_nrrd(tmp_path, content):
    (tmp_path / "a.nrrd").write_bytes(content)
    with pytest.raises(ReadError, match=r"a\.nrrd cannot be read as an NRRD volume"):
        read_nrrd(tmp_path / "a.nrrd")


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("raw", VALUES.tobytes()[:-1]),
        ("gzip", gzip.compress(VALUES.tobytes(), mtime=0)[:-20]),
        ("gzip", zlib.compress(VALUES.tobytes())),
        ("gzip", gzip.compress(VALUES.tobytes()[:-2], mtime=0)),
        ("bzip2", bz2.compress(VALUES.tobytes())[:-20]),
        ("bzip2", b"rubbish"),
        ("text", b"1 2 3"),
        ("text", b"one " * 60),
        ("text", b"99999 " * 60),
        ("raw", b""),
    ],
)
def test_damaged_pixels(tmp_path, encoding, content):
    with pytest.raises(ReadError, match=r"^a\.nrrd"):
        read(make(tmp_path / "a.nrrd", content, encoding=encoding))


def test_large_files_stay_on_disk(tmp_path, monkeypatch):
    path = make(tmp_path / "a.nrrd", VALUES.astype(">i2").tobytes(), endian="big")
    monkeypatch.setattr(_stored, "is_large", lambda shape, dtype: True)
    image = read_nrrd(path, lazy=True)
    assert image.data.chunksize == (1, 4, 5)
    assert image.data.dtype == np.dtype("=i2")
    np.testing.assert_array_equal(image.load().data, VALUES)


def test_a_large_file_is_opened_at_once(tmp_path):
    planes = LAZY_BYTES // (2 * 1024**2) + 1
    path = make(tmp_path / "a.nrrd", sizes=f"1024 1024 {planes}")
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size + 2 * 1024**2 * planes)
    image = read(path, lazy=True)
    assert image.data.shape == (planes, 1024, 1024)
    assert image.take("Z", 0).load().data[0, 59] == 59


SEGMENTS = (
    "Segment0_ID:=Segment_1",
    "Segment0_LabelValue:=3",
    "Segment0_Layer:=0",
    "Segment0_Name:=Leber, größer",
    "Segment1_LabelValue:=7",
    "Segment1_Layer:=0",
    "Segment1_Name:=kidney: left",
    "Segmentation_MasterRepresentation:=Binary labelmap",
)


def test_segments_of_3d_slicer(tmp_path):
    image = read(make(tmp_path / "a.seg.nrrd", keys=SEGMENTS))
    assert image.source.tags["labels"] == {3: "Leber, größer", 7: "kidney: left"}
    assert image.source.tags["segments"] == ((0, 3, "Leber, größer"), (0, 7, "kidney: left"))


def test_pynrrd_is_an_extra(tmp_path, monkeypatch):
    path = make(tmp_path / "a.nrrd")
    monkeypatch.setitem(sys.modules, "nrrd", None)
    with pytest.raises(ReadError, match=r'a\.nrrd needs pynrrd.*pip install "unetscope\[volumes\]"'):
        read(path)


def test_no_names_from_the_header(tmp_path):
    path = make(tmp_path / "a.nrrd", keys=["content: Jane Doe", "patient:=Jane Doe"])
    assert "Jane" not in repr(read(path))


# Sum of the values and place of the last pixel, as SimpleITK 2.5 gives them.
REAL = {
    "paramaps/pm-example-3slices-252x255": ((3, 252, 255), "i2", 115918069, (87.4829, 58.8804, 28.7590)),
    "paramaps/pm-example-3slices-256x256": ((3, 256, 256), "i2", 115918069, (88.1708, 61.6533, 29.2507)),
    "paramaps/pm-example-float": ((20, 256, 256), "f4", 714.2030689, (88.1261, 59.0452, 44.0217)),
    "paramaps/pm-example": ((20, 256, 256), "i2", 714203068, (88.1261, 59.0452, 44.0217)),
    "segmentations/23x38x3/nrrd/label": ((3, 38, 23), "i2", 322, (61.8649, 30.9188, -172.75)),
    "segmentations/24x38x3/nrrd/label": ((3, 38, 24), "i2", 315, (62.5649, 30.9188, -172.75)),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_as_simpleitk_reads_them(real_data, name):
    shape, kind, total, last = REAL[name]
    image = read(real_data / "dicom-odd" / "dcmqi" / f"{name}.nrrd")
    assert (image.data.shape, image.data.dtype, image.units) == (shape, np.dtype(kind), "mm")
    assert image.data.sum(dtype=np.float64) == pytest.approx(total, rel=1e-9)
    np.testing.assert_allclose(image.affine @ [*(n - 1 for n in shape), 1], [*last, 1], atol=1e-4)
    assert image.source.notes == ()


@pytest.mark.parametrize("name", ["23x38x3", "24x38x3"])
def test_real_labels_lie_on_their_series_and_its_slices(real_data, name):
    folder = real_data / "dicom-odd" / "dcmqi" / "segmentations" / name
    labels = read(folder / "nrrd" / "label.nrrd")
    put = labels_on(labels, read(folder / "image"))
    np.testing.assert_array_equal(put.data, labels.data)
    assert put.source.notes == ()
    # The three files are numbered from the feet.
    for index in range(3):
        plane = labels_on(labels, read(folder / "image" / f"IMG000{index + 1}.dcm"))
        np.testing.assert_array_equal(plane.data, labels.data[index])
