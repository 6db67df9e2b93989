"""Labels as OME-Zarr: read again by us, by zarr alone, and validated by two libraries."""

from __future__ import annotations

import errno
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaozarrs
import zarr

from unetscope.errors import OutputError
from unetscope.io import Image, read
from unetscope.io.write.zarr import write_zarr

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.uint32, np.int64])
@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("YX", (30, 20)),
        ("ZYX", (7, 30, 20)),
        ("ZYX", (1, 30, 20)),
        ("TYX", (3, 9, 8)),
        ("TZYX", (1, 1, 9, 8)),
    ],
)
def test_labels_come_back(tmp_path, axes, shape, dtype):
    values = RANDOM.integers(0, 2, shape).astype(dtype)
    spatial = "".join(axis for axis in axes if axis in "ZYX")
    spacing, origin = (3.0, 0.5, 0.25)[-len(spatial) :], (-7.0, 8.0, 9.5)[-len(spatial) :]
    labels = Image(values, axes, spacing, origin, "µm")
    image = read(write_zarr(tmp_path / "a.ome.zarr", labels, names={1: "cell"}))
    assert (image.axes, image.spacing, image.origin, image.units) == (axes, spacing, origin, "µm")
    assert image.source.tags == {"labels": {1: "cell"}}
    assert image.source.notes == ()
    assert image.data.dtype == (np.uint8 if dtype is bool else dtype)
    np.testing.assert_array_equal(image.data, values)


def test_the_place_in_the_patient_comes_back(tmp_path):
    affine = np.array([[0, 0, 0.5, 3], [0, 0.6, 0, 4], [2, 0.1, 0, 5], [0, 0, 0, 1.0]])
    labels = Image(np.ones((2, 3, 4), np.uint8), "ZYX", (2, 0.6, 0.5), units="mm", affine=affine)
    image = read(write_zarr(tmp_path / "a.zarr", labels))
    np.testing.assert_array_equal(image.affine, affine)


@pytest.mark.parametrize(
    ("axes", "shape", "levels"),
    [
        ("YX", (512, 512), [(512, 512)]),
        ("YX", (1100, 600), [(1100, 600), (550, 300), (275, 300)]),
        ("ZYX", (65, 200, 64), [(65, 200, 64), (33, 100, 64), (33, 50, 64)]),
        ("TYX", (2, 513, 9), [(2, 513, 9), (2, 257, 9)]),
    ],
)
def test_coarser_copies_hold_no_new_labels_and_lie_on_the_finest(tmp_path, axes, shape, levels):
    values = RANDOM.integers(0, 2**16, shape, dtype=np.uint16)
    path = write_zarr(tmp_path / "a.zarr", Image(values, axes))
    group = zarr.open_group(path, mode="r")
    [multiscale] = group.attrs["multiscales"]
    assert [group[dataset["path"]].shape for dataset in multiscale["datasets"]] == levels
    for dataset in multiscale["datasets"]:
        scale, translation = (t[t["type"]] for t in dataset["coordinateTransformations"])
        taken = tuple(slice(None, None, int(step)) for step in scale)
        np.testing.assert_array_equal(group[dataset["path"]][...], values[taken])
        assert translation == [0] * len(shape)
        assert max(group[dataset["path"]].chunks) <= 512


def test_valid_by_yaozarrs_and_ome_zarr_models(tmp_path):
    labels = Image(RANDOM.integers(0, 9, (70, 80, 90)).astype(np.uint8), "ZYX", (2, 1, 1), units="mm")
    path = write_zarr(tmp_path / "a.ome.zarr", labels, names={2: "two", 1: "one"})
    yaozarrs.validate_zarr_store(str(path))
    model = yaozarrs.validate_ome_json((path / ".zattrs").read_text(), yaozarrs.v04.LabelImage)
    assert [one.label_value for one in model.image_label.properties] == [1, 2]
    models = pytest.importorskip("ome_zarr_models.v04")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models.ImageLabel.from_zarr(zarr.open_group(path, mode="r"))


def test_pixels_have_no_unit(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", Image(np.ones((3, 4), np.uint8), "YX"))
    [multiscale] = json.loads((path / ".zattrs").read_text())["multiscales"]
    assert multiscale["axes"] == [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    assert read(path).units == "pixel"


def test_only_a_store_is_replaced_and_only_when_told(tmp_path):
    path = tmp_path / "a.zarr"
    first, second = (Image(np.full((3, 4), value, np.uint8), "YX") for value in (1, 2))
    write_zarr(path, first)
    with pytest.raises(OutputError, match=r"a\.zarr exists already"):
        write_zarr(path, second)
    assert (read(path).data == 1).all()
    write_zarr(path, second, overwrite=True)
    assert (read(path).data == 2).all()
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/precious.txt").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(path)
    for name in ("folder", "file", "link"):
        with pytest.raises(OutputError, match=f"{name} exists and is no Zarr store"):
            write_zarr(tmp_path / name, first, overwrite=True)
    assert (tmp_path / "folder/precious.txt").exists()


@pytest.mark.parametrize("broken", ["zarr.Group.create_array", "pathlib.Path.rename"])
def test_a_failure_leaves_the_earlier_store(tmp_path, monkeypatch, broken):
    path = tmp_path / "a.zarr"
    write_zarr(path, Image(np.full((3, 4), 1, np.uint8), "YX"))

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(broken, full)
    with pytest.raises(OutputError, match=r"a\.zarr cannot be written .No space left on device"):
        write_zarr(path, Image(np.full((3, 4), 2, np.uint8), "YX"), overwrite=True)
    monkeypatch.undo()
    assert (read(path).data == 1).all()
    assert list(tmp_path.iterdir()) == [path]


def test_the_earlier_store_comes_back_where_the_new_one_cannot_take_its_name(tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    write_zarr(path, Image(np.full((3, 4), 1, np.uint8), "YX"))
    rename, calls = Path.rename, []

    def second_fails(self, target):
        calls.append(self)
        if len(calls) == 2:
            raise OSError(errno.EACCES, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", second_fails)
    with pytest.raises(OutputError, match="Permission denied"):
        write_zarr(path, Image(np.full((3, 4), 2, np.uint8), "YX"), overwrite=True)
    assert (read(path).data == 1).all()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "labels",
    [
        Image(np.array([[-1, 2]]), "YX"),
        Image(np.array([[0.5, 2]]), "YX"),
        Image(np.ones((2, 3, 4), np.uint8), "CYX"),
        Image(np.ones((0, 4), np.uint8), "YX"),
    ],
)
def test_what_is_no_mask(tmp_path, labels):
    with pytest.raises(OutputError, match=r"for a\.zarr is no mask"):
        write_zarr(tmp_path / "a.zarr", labels)
    assert list(tmp_path.iterdir()) == []
