"""GeoJSON as QuPath exports it, and as attackers do."""

from __future__ import annotations

import json

import numpy as np
import pytest

from unetscope.errors import InputError, ReadError
from unetscope.io import Image, read_mask
from unetscope.io.masks import _json, find_classes

PLANE = Image(np.zeros((6, 8), np.uint8), "YX")


def square(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


def feature(coordinates, name=None, kind="Polygon"):
    properties = {"objectType": "annotation"}
    if name:
        properties["classification"] = {"name": name, "color": [200, 0, 0]}
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "id": "x", "geometry": geometry, "properties": properties}


@pytest.fixture
def save(tmp_path):
    def save(*features, name="a.geojson"):
        path = tmp_path / name
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        return path

    return save


def test_coordinates_count_from_the_corner(save):
    """A square from corner (2, 1) to corner (5, 3) covers columns 2 to 4 of rows 1 and 2."""
    mask = read_mask(save(feature([square(2, 1, 5, 3)])), on=PLANE)
    expected = np.zeros((6, 8), np.uint8)
    expected[1:3, 2:5] = 1
    np.testing.assert_array_equal(mask.data, expected)
    assert (mask.data.dtype, mask.source.format, mask.source.tags) == (np.uint8, "geojson", {})


def test_holes_parts_and_collections(save):
    ring, hole = square(0, 0, 5, 5), square(1, 1, 4, 4)
    multi = feature([[ring, hole], [square(6, 0, 8, 1)]], kind="MultiPolygon")
    expected = np.zeros((6, 8), np.uint8)
    expected[:5, :5] = 1
    expected[1:4, 1:4] = 0
    expected[0, 6:] = 1
    np.testing.assert_array_equal(read_mask(save(multi), on=PLANE).data, expected)
    parts = [{"type": "Polygon", "coordinates": part} for part in multi["geometry"]["coordinates"]]
    collection = multi | {"geometry": {"type": "GeometryCollection", "geometries": parts}}
    np.testing.assert_array_equal(read_mask(save(collection), on=PLANE).data, expected)


def test_classes_are_numbered_over_all_files(save):
    first = save(feature([square(0, 0, 2, 2)], "Tumor"), feature([square(3, 0, 5, 2)], "Stroma"))
    second = save(feature([square(0, 0, 2, 2)], "Tumor"), name="b.geojson")
    classes = find_classes([first, second])
    assert classes == {"Stroma": 1, "Tumor": 2}
    mask = read_mask(first, on=PLANE, classes=classes)
    assert mask.data[0].tolist() == [2, 2, 0, 1, 1, 0, 0, 0]
    assert mask.source.tags["labels"] == {1: "Stroma", 2: "Tumor"}
    again = read_mask(first, on=PLANE, **mask.source.tags["reading"])
    np.testing.assert_array_equal(again.data, mask.data)
    assert read_mask(second, on=PLANE, classes=classes).data.max() == 2


def test_one_file_does_not_know_the_labels_of_a_data_set(save):
    with pytest.raises(InputError, match=r"a\.geojson holds an object of class 'Tumor'"):
        read_mask(save(feature([square(0, 0, 2, 2)], "Tumor")), on=PLANE)
    with pytest.raises(InputError, match="an object without a class"):
        read_mask(save(feature([square(0, 0, 2, 2)])), on=PLANE, classes={"Tumor": 1})


def test_objects_are_numbered_whatever_their_class(save):
    path = save(feature([square(0, 0, 2, 2)], "Tumor"), feature([square(1, 0, 4, 1)]))
    mask = read_mask(path, on=PLANE, objects=True)
    assert mask.data[0].tolist() == [1, 1, 2, 2, 0, 0, 0, 0]
    assert "1 pixel of a.geojson" in mask.source.notes[0]
    assert mask.source.tags == {"reading": {"objects": True}}


def test_points_and_lines_are_noted(save):
    path = save(
        feature([1, 1], kind="Point"),
        feature([square(0, 0, 2, 2)]),
        feature([[0, 0], [1, 1]], kind="LineString"),
    )
    mask = read_mask(path, on=PLANE)
    assert mask.source.notes == ("a.geojson also holds 2 points or lines, which were left out.",)


def test_outlines_need_their_image(save):
    path = save(feature([square(0, 0, 2, 2)]))
    with pytest.raises(InputError, match=r"a\.geojson holds outlines, not pixels.*on="):
        read_mask(path)
    with pytest.raises(InputError, match="outlines of one plane and the array has the axes ZYX"):
        read_mask(path, on=Image(np.zeros((2, 6, 8)), "ZYX"))
    with pytest.raises(ReadError, match="does not exist"):
        read_mask(path.with_name("gone.geojson"), on=PLANE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read as a GeoJSON file"),
        ("[" * 100_000, "cannot be read as a GeoJSON file"),
        ('{"type": "FeatureCollection"}', "is no GeoJSON"),
        ("[1, 2]", "is no GeoJSON"),
        ("7", "is no GeoJSON"),
        (json.dumps(feature([[[0, 0], [1, 1]]])), "fewer than three points"),
        (json.dumps(feature([[[0, 0], [1, float("nan")], [2, 2]]])), "nowhere on an image"),
        (json.dumps(feature([[[0, 0], [1, 1e300], [2, 2]]])), "nowhere on an image"),
        (json.dumps(feature([[["a", 0], [1, 1], [2, 2]]])), "no numbers"),
        (json.dumps(feature([[[0, 0], [1], [2, 2]]])), "no numbers"),
        (json.dumps(feature("abc")), "a polygon without outline"),
        (json.dumps(feature([[[[[0, 0]]]]])), "fewer than three points"),
    ],
)
def test_damaged_files(tmp_path, text, words):
    (tmp_path / "a.geojson").write_text(text)
    with pytest.raises(InputError, match=rf"a\.geojson.*{words}"):
        read_mask(tmp_path / "a.geojson", on=PLANE)


def test_a_collection_of_collections_is_refused(save):
    inner = {"type": "GeometryCollection", "geometries": []}
    item = feature([]) | {"geometry": {"type": "GeometryCollection", "geometries": [inner]}}
    with pytest.raises(InputError, match="collections of collections"):
        read_mask(save(item), on=PLANE)


def test_files_of_any_size_are_not_read(save, monkeypatch):
    monkeypatch.setattr(_json, "_MOST_BYTES", 2**20)
    path = save()
    path.write_bytes(b" " * (2**20 + 1))
    with pytest.raises(ReadError, match=r"a\.geojson has 1 MB; expected a GeoJSON file of at most 1 MB"):
        read_mask(path, on=PLANE)
