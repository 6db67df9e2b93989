"""Segmentations of 3D Slicer in several layers."""

from __future__ import annotations

import numpy as np
import pytest

from unetscope.errors import InputError, ReadError
from unetscope.io import read_mask
from unetscope.io.volumes.segments import read_nrrd_labels

pytest.importorskip("nrrd")


def make(path, layers, *segments):
    """Write layers (C, Z, Y, X) of uint8; a segment is a mapping of its fields."""
    layers = np.asarray(layers, np.uint8)
    sizes = " ".join(map(str, (layers.shape[0], *layers.shape[:0:-1])))
    lines = [
        "NRRD0004",
        "type: unsigned char",
        "dimension: 4",
        "space: left-posterior-superior",
        f"sizes: {sizes}",
        "space directions: none (1,0,0) (0,1,0) (0,0,2)",
        "kinds: list domain domain domain",
        "encoding: raw",
        "space origin: (0,0,0)",
    ]
    lines += [
        f"Segment{i}_{key}:={value}" for i, facts in enumerate(segments) for key, value in facts.items()
    ]
    path.write_bytes("\n".join([*lines, "", ""]).encode() + np.moveaxis(layers, 0, -1).tobytes())
    return path


def segment(name, layer, label):
    return {"Name": name, "Layer": layer, "LabelValue": label}


def test_layers_become_one(tmp_path):
    layers = np.zeros((2, 2, 2, 3))
    layers[0, 0, 0], layers[1, 1, 1] = [1, 2, 0], [0, 5, 5]
    path = make(tmp_path / "a.seg.nrrd", layers, segment("a", 0, 1), segment("b", 0, 2), segment("c", 1, 5))
    image = read_nrrd_labels(path)
    assert (image.axes, image.data.dtype, image.source.notes) == ("ZYX", np.uint8, ())
    np.testing.assert_array_equal(image.data, layers.sum(axis=0))
    assert image.source.tags["labels"] == {1: "a", 2: "b", 5: "c"}
    assert image.affine is not None


def test_masks_are_read_so(tmp_path):
    layers = np.zeros((2, 2, 2, 3))
    layers[0, 0, 0], layers[1, 1, 1] = 1, 2
    mask = read_mask(make(tmp_path / "a.seg.nrrd", layers, segment("a", 0, 1), segment("b", 1, 2)))
    np.testing.assert_array_equal(mask.data, layers.sum(axis=0))


def test_labels_that_repeat_are_numbered(tmp_path):
    layers = np.zeros((2, 2, 2, 3))
    layers[0, 0, 0], layers[1, 1, 1] = 1, 1
    image = read_nrrd_labels(make(tmp_path / "a.seg.nrrd", layers, segment("a", 0, 1), segment("b", 1, 1)))
    np.testing.assert_array_equal(image.data, layers[0] + 2 * layers[1])
    assert image.source.tags["labels"] == {1: "a", 2: "b"}
    assert "numbered anew" in image.source.notes[0]


def test_segments_without_layers_have_one_each(tmp_path):
    layers = np.zeros((2, 2, 2, 3))
    layers[0, 0, 0], layers[1, 1, 1] = 1, 1
    image = read_nrrd_labels(make(tmp_path / "a.seg.nrrd", layers, {"Name": "a"}, {"Name": "b"}))
    np.testing.assert_array_equal(image.data, layers[0] + 2 * layers[1])


def test_segments_that_overlap(tmp_path):
    layers = np.zeros((2, 2, 2, 3))
    layers[0, 0, 0], layers[1, 0, 0, :2] = 1, 1
    path = make(tmp_path / "a.seg.nrrd", layers, segment("liver", 0, 1), segment("tumor", 1, 1))
    with pytest.raises(InputError, match=r"segments 'liver' and 'tumor' of a\.seg\.nrrd overlap in 2 pixels"):
        read_nrrd_labels(path)


def test_pixels_of_no_segment_are_counted(tmp_path):
    layers = np.zeros((2, 2, 2, 3))
    layers[0, 0, 0], layers[1, 1, 1] = 1, 9
    image = read_nrrd_labels(make(tmp_path / "a.seg.nrrd", layers, segment("a", 0, 1), segment("b", 1, 2)))
    assert image.source.notes == ("3 pixels have a label that belongs to no segment and were left out.",)


def test_a_layer_that_is_not_there(tmp_path):
    path = make(tmp_path / "a.seg.nrrd", np.zeros((2, 2, 2, 3)), segment("a", 0, 1), segment("b", 4, 1))
    with pytest.raises(ReadError, match="in layer 4 of 2"):
        read_nrrd_labels(path)


def test_lists_of_another_kind_stay(tmp_path):
    image = read_nrrd_labels(make(tmp_path / "a.nrrd", np.zeros((2, 2, 2, 3))))
    assert image.axes == "CZYX"
