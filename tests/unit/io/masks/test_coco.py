"""COCO: polygons, run lengths, crowds, and files that lie."""

from __future__ import annotations

import json

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.io import Image, Source, read_mask
from unetscope.io.masks import find_classes

SQUARE = [2.0, 1.0, 5.0, 1.0, 5.0, 3.0, 2.0, 3.0]


def plane(path, grid=(6, 8)):
    return Image(np.zeros(grid, np.uint8), "YX", source=Source(path))


@pytest.fixture
def save(tmp_path):
    """Write a COCO file with annotations of the image a.png of 6 × 8 pixels."""

    def save(
        *segmentations, categories=((1, "cell"), (5, "debris")), name="coco.json", images=None, **fields
    ):
        annotations = []
        for i, segmentation in enumerate(segmentations):
            annotation = {"id": i, "image_id": 7, "category_id": 1, "segmentation": segmentation}
            annotations.append(annotation | {key: value[i] for key, value in fields.items()})
        content = {
            "images": images or [{"id": 7, "file_name": "train/A.png", "height": 6, "width": 8}],
            "annotations": annotations,
            "categories": [{"id": i, "name": name} for i, name in categories],
        }
        (tmp_path / name).write_text(json.dumps(content))
        return tmp_path / name

    return save


def test_coordinates_count_from_the_corner(save, tmp_path):
    """A square from corner (2, 1) to corner (5, 3) covers columns 2 to 4 of rows 1 and 2."""
    mask = read_mask(save([SQUARE]), on=plane(tmp_path / "a.png"))
    expected = np.zeros((6, 8), np.uint8)
    expected[1:3, 2:5] = 1
    np.testing.assert_array_equal(mask.data, expected)
    assert mask.source.tags == {"labels": {1: "cell"}, "reading": {"classes": {"cell": 1}}}


def test_classes_or_objects(save, tmp_path):
    other = [value + 2 for value in SQUARE]
    path = save([SQUARE], [other], category_id=[5, 1])
    assert find_classes([path]) == {"cell": 1, "debris": 5}
    classes = read_mask(path, on=plane(tmp_path / "a.png"))
    assert np.unique(classes.data).tolist() == [0, 1, 5]
    assert classes.data[2, 4] == 5
    assert classes.data[3, 4] == 1
    objects = read_mask(path, on=plane(tmp_path / "a.png"), objects=True)
    assert (objects.data[1, 2], objects.data[4, 6]) == (1, 2)
    renamed = read_mask(path, on=plane(tmp_path / "a.png"), classes={"cell": 2, "debris": 3})
    assert np.unique(renamed.data).tolist() == [0, 2, 3]


def test_a_category_zero_is_no_background(save):
    path = save([SQUARE], [SQUARE], category_id=[0, 4], categories=[(0, "a"), (4, "b"), (9, "unused")])
    assert find_classes([path]) == {"a": 1, "b": 2}


def test_run_lengths_as_pycocotools_reads_them(save, tmp_path):
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(1)
    for density in (0.0, 0.1, 0.5, 1.0):
        inside = np.asfortranarray(rng.random((6, 8)) < density).astype(np.uint8)
        code = coco.encode(inside)
        text = {"size": [6, 8], "counts": code["counts"].decode()}
        changes = np.flatnonzero(np.diff(inside.ravel("F"), prepend=0)).tolist()
        plain = {"size": [6, 8], "counts": np.diff([0, *changes, 48]).tolist()}
        for segmentation in (text, plain):
            mask = read_mask(save(segmentation, name="rle.json"), on=plane(tmp_path / "a.png"))
            np.testing.assert_array_equal(mask.data, inside)


def test_a_large_run_length_code(save, tmp_path):
    coco = pytest.importorskip("pycocotools.mask")
    inside = np.asfortranarray(np.random.default_rng(2).random((700, 900)) < 0.5).astype(np.uint8)
    inside[:, 300:600] = 0
    images = [{"id": 7, "file_name": "a.png", "height": 700, "width": 900}]
    text = {"size": [700, 900], "counts": coco.encode(inside)["counts"].decode()}
    mask = read_mask(save(text, images=images), on=plane(tmp_path / "a.png", (700, 900)))
    np.testing.assert_array_equal(mask.data, inside)


def test_a_crowd_is_a_region_but_no_object(save, tmp_path):
    path = save({"size": [6, 8], "counts": [10, 20, 18]}, iscrowd=[1])
    assert read_mask(path, on=plane(tmp_path / "a.png")).data.sum() == 20
    with pytest.raises(InputError, match=r"coco\.json marks 1 regions of a\.png as crowds"):
        read_mask(path, on=plane(tmp_path / "a.png"), objects=True)


def test_overlaps(save, tmp_path):
    image = plane(tmp_path / "a.png")
    wide = [0.0, 0.0, 8.0, 0.0, 8.0, 6.0, 0.0, 6.0]
    mask = read_mask(save([SQUARE], [wide]), on=image, objects=True)
    assert (mask.data == 1).sum() == 6
    assert "6 pixels of coco.json on a.png" in mask.source.notes[0]
    with pytest.raises(InputError, match="object 2 lies wholly below earlier objects"):
        read_mask(save([wide], [SQUARE], name="b.json"), on=image, objects=True)


def test_an_image_without_objects_is_background(save, tmp_path):
    assert not read_mask(save(), on=plane(tmp_path / "a.png")).data.any()


def test_entries_of_one_name_are_told_apart_by_their_folders(save, tmp_path):
    entry = {"height": 6, "width": 8}
    images = [entry | {"id": i, "file_name": f"{folder}/a.png"} for i, folder in ((7, "x"), (8, "y"))]
    path = save([SQUARE], images=images)
    assert read_mask(path, on=plane(tmp_path / "x" / "a.png")).data.any()
    assert not read_mask(path, on=plane(tmp_path / "y" / "a.png")).data.any()
    with pytest.raises(InputError, match=r"does not list a\.png"):
        read_mask(path, on=plane(tmp_path / "z" / "a.png"))


def test_the_wrong_image(save, tmp_path):
    path = save([SQUARE])
    with pytest.raises(InputError, match=r"coco\.json does not list b\.png"):
        read_mask(path, on=plane(tmp_path / "b.png"))
    with pytest.raises(InputError, match=r"says 6 × 8 pixels of a\.png, which has \(8, 6\)"):
        read_mask(path, on=plane(tmp_path / "a.png", (8, 6)))
    with pytest.raises(InputError, match="does not list the array"):
        read_mask(path, on=plane(None))


@pytest.mark.parametrize(
    ("segmentation", "words"),
    [
        ({"size": [6, 8], "counts": [10, 20]}, "does not cover its image"),
        ({"size": [6, 8], "counts": [-10, 58]}, "does not cover its image"),
        ({"size": [600, 800], "counts": [480000]}, "does not cover its image"),
        ({"size": [6, 8], "counts": "0"}, "does not cover its image"),
        ({"size": [6, 8], "counts": "o" * 40}, "other letters"),
        ({"size": [6, 8], "counts": "\xff"}, "other letters"),
        ({"size": [6, 8]}, "does not cover its image"),
        ([], "an object without outline"),
        (None, "an object without outline"),
        ([[1, 2, 3, 4]], "fewer than three points"),
        ([[0, 0, 1e6, 0, 1e6, 1e6]], "far outside of its image"),
        ([[0, 0, None, 0, 1, 1]], "nowhere on an image|no numbers"),
    ],
)
def test_damaged_outlines(save, tmp_path, segmentation, words):
    with pytest.raises(InputError, match=rf"coco\.json holds .*({words})"):
        read_mask(save(segmentation), on=plane(tmp_path / "a.png"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1], "is no COCO file"),
        ({"images": []}, "is no COCO file"),
        ({"images": [{"id": "x"}], "annotations": [], "categories": []}, "whose id is missing or no number"),
        (
            {"images": [{"id": 1}], "annotations": [], "categories": []},
            "whose file_name is missing or no text",
        ),
        (
            {"images": [], "annotations": [{"image_id": 1, "category_id": 3}], "categories": []},
            "objects of the category 3",
        ),
    ],
)
def test_damaged_files(tmp_path, content, words):
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"c\.json.*{words}"):
        read_mask(tmp_path / "c.json", on=plane(tmp_path / "a.png"))


def test_a_changed_file_is_read_again(save, tmp_path):
    import os

    image = plane(tmp_path / "a.png")
    path = save([SQUARE])
    assert read_mask(path, on=image).data.any()
    save()
    os.utime(path, ns=(1, 1))
    assert not read_mask(path, on=image).data.any()


def test_two_files_must_agree_about_classes(save):
    first = save([SQUARE])
    second = save([SQUARE], categories=[(2, "cell")], category_id=[2], name="b.json")
    with pytest.raises(InputError, match=r"the class 'cell' is 2 in b\.json and 1 in another file"):
        find_classes([first, second])
    twins = save([SQUARE], [SQUARE], categories=[(1, "cell"), (2, "cell")], category_id=[1, 2], name="c.json")
    with pytest.raises(InputError, match=r"c\.json uses two categories of one name"):
        find_classes([twins])
