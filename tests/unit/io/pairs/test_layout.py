"""The layouts in which people keep data sets, one by one."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image as Pillow

from unetscope.errors import InputError
from unetscope.io import find_pairs, list_images, read
from unetscope.io.pairs import layout


def where(pairing, folder):
    """Image and mask of each usable pair, as seen from a folder."""
    return [
        tuple(path.relative_to(folder).as_posix() for path in (pair.image, pair.mask))
        for pair in pairing.usable()
    ]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("image_01.tif", "mask_01.tif"),
        ("img01.png", "seg01.png"),
        ("volume-0.tif", "segmentation-0.tif"),
        ("im 3.png", "label 3.png"),
        ("image.tif", "label.tif"),
        ("x.tif", "x_masks.tif"),
        ("x.tif", "x_cp_masks.png"),
        ("x_img.png", "x_masks.png"),
        ("t012.tif", "man_seg012.tif"),
    ],
)
def test_masks_beside_images(save, names, image, mask):
    pairing = find_pairs(save(image, mask))
    assert names(pairing) == [(image, mask)]
    assert pairing.unpaired == ()


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("01.png", "mask_01.png"),
        ("image_01.png", "01_mask.png"),
        ("segment.png", "label.png"),
        ("ctx.png", "mask.png"),
    ],
)
def test_words_are_not_torn_apart(save, names, image, mask):
    pairing = find_pairs(save(image, mask))
    assert names(pairing) == ([("01.png", "mask_01.png")] if image == "01.png" else [])


def test_words_in_two_folders(save, names):
    folder = save("images/image_1.png", "images/image_2.png", "masks/mask_2.png", "masks/mask_1.png")
    assert names(find_pairs(folder)) == [("image_1.png", "mask_1.png"), ("image_2.png", "mask_2.png")]


def test_cellpose_pickles_stay_closed(save, names, reasons):
    folder = save("a.tif", "a_cp_masks.png")
    (folder / "a_seg.npy").write_bytes(b"\x93NUMPY")
    pairing = find_pairs(folder)
    assert names(pairing) == [("a.tif", "a_cp_masks.png")]
    assert "can hold programs (pickle) and is not opened" in reasons(pairing)["a_seg.npy"]


def test_a_folder_per_case(save):
    folder = save(*(f"{case}/{role}.nii.gz" for case in ("p10", "p2") for role in ("image", "label")))
    pairing = find_pairs(folder)
    assert where(pairing, folder) == [
        ("p2/image.nii.gz", "p2/label.nii.gz"),
        ("p10/image.nii.gz", "p10/label.nii.gz"),
    ]
    assert [pair.group for pair in pairing.pairs] == ["p2", "p10"]
    assert {pair.group for pair in find_pairs(folder, group="file").pairs} == {
        "p2/image",
        "p10/image",
    }
    assert list_images(folder) == [folder / case / "image.nii.gz" for case in ("p2", "p10")]


def test_two_folders_per_case(save):
    folder = save("p1/images/a.png", "p1/images/b.png", "p1/masks/a.png", "p1/masks/b.png", "p2/images/a.png")
    pairing = find_pairs(folder)
    assert where(pairing, folder) == [(f"p1/images/{x}.png", f"p1/masks/{x}.png") for x in "ab"]
    assert [pair.group for pair in pairing.pairs] == ["p1", "p1"]


def test_nnunet(save, reasons):
    folder = save(
        "imagesTr/heart_001_0000.nii.gz",
        "imagesTr/heart_002_0000.nii.gz",
        "imagesTr/heart_002_0001.nii.gz",
        "imagesTs/heart_009_0000.nii.gz",
        "labelsTr/heart_001.nii.gz",
        "labelsTr/heart_002.nii.gz",
    )
    pairing = find_pairs(folder)
    assert where(pairing, folder) == [("imagesTr/heart_001_0000.nii.gz", "labelsTr/heart_001.nii.gz")]
    assert reasons(pairing) == {
        "heart_002_0000.nii.gz": "one of 2 files with the channels of heart_002: join them",
        "heart_002_0001.nii.gz": "one of 2 files with the channels of heart_002: join them",
        "heart_002.nii.gz": "its image lies in 2 files, one per channel",
    }


def test_cell_tracking_challenge(save, reasons):
    folder = save(*(f"{n}/t00{i}.tif" for n in ("01", "02") for i in range(3)), "01_GT/SEG/man_seg001.tif")
    save("01_GT/TRA/man_track000.tif", "02_GT/SEG/man_seg002.tif", "02_ST/SEG/man_seg000.tif")
    pairing = find_pairs(folder)
    assert where(pairing, folder) == [
        ("01/t001.tif", "01_GT/SEG/man_seg001.tif"),
        ("02/t002.tif", "02_GT/SEG/man_seg002.tif"),
    ]
    assert [pair.group for pair in pairing.pairs] == ["01", "02"]
    assert set(reasons(pairing)) == {"t000.tif", "t001.tif", "t002.tif"}


@pytest.mark.parametrize("part", ["train", "Training", "test"])
def test_the_only_part_is_taken(save, part):
    folder = save(f"{part}/images/a.png", f"{part}/labels/a.png")
    assert where(find_pairs(folder), folder / part) == [("images/a.png", "labels/a.png")]


def test_several_parts_are_never_mixed(save):
    folder = save(*(f"{part}/{kind}/a.png" for part in ("test", "train") for kind in ("images", "masks")))
    with pytest.raises(InputError, match=r"holds test/ and train/.*such as .*train\."):
        find_pairs(folder)


def test_parts_inside_of_images_and_masks(save):
    folder = save(*(f"{kind}/{part}/a.png" for part in ("train", "val") for kind in ("images", "masks")))
    with pytest.raises(InputError, match=r"holds train/ and val/.*images/train and masks/train"):
        find_pairs(folder)


def test_data_science_bowl(save):
    """X/images/X.png with one file per object in X/masks/."""
    folder = save("abc/images/abc.png", "def/images/def.png", pixels=np.zeros((4, 4), np.uint8))
    objects = np.zeros((3, 4, 4), np.uint8)
    objects[0, 0], objects[1, 2], objects[2, 3] = 255, 255, 255
    for name, pixels in zip(
        ("abc/masks/f.png", "abc/masks/e.png", "def/masks/only.png"), objects, strict=True
    ):
        save(name, pixels=pixels)
    pairing = find_pairs(folder)
    assert where(pairing, folder) == [
        ("abc/images/abc.png", "abc/masks"),
        ("def/images/def.png", "def/masks"),
    ]
    assert {pair.reason for pair in pairing.pairs} == {"one file per object in masks/"}
    assert [pair.labels for pair in pairing.pairs] == [(0, 1, 2), (0, 1)]
    _, mask = pairing.read(pairing.pairs[0])
    assert mask.data[:, 0].tolist() == [2, 0, 1, 0]


def test_one_mask_of_another_name_is_not_taken_for_objects(save, reasons):
    pairing = find_pairs(save("images/a.png", "masks/zzz.png"))
    assert reasons(pairing) == {"a.png": "no mask has its name", "zzz.png": "no image has this name"}


def test_a_folder_of_objects_per_image(save, reasons):
    folder = save("images/a.png", "images/b.png", "images/c.png", pixels=np.zeros((4, 4), np.uint8))
    corner = np.zeros((4, 4), np.uint8)
    corner[0, 0] = 9
    save("masks/a/1.png", "masks/a/2.png", "masks/b/x.png", "masks/zzz/x.png", pixels=corner)
    save("masks/a/2.png", pixels=corner[::-1])
    pairing = find_pairs(folder)
    assert where(pairing, folder) == [("images/a.png", "masks/a"), ("images/b.png", "masks/b")]
    assert [pair.labels for pair in pairing.pairs] == [(0, 1, 2), (0, 1)]
    assert reasons(pairing) == {"c.png": "no mask has its name", "zzz": "no image has this name"}


def test_a_hidden_object_is_a_problem_of_its_pair(save):
    folder = save("images/a.png", "masks/a/1.png", "masks/a/2.png")
    assert "2.png lies wholly below earlier objects" in find_pairs(folder).pairs[0].problems[0]


# --- series ---


def nifti_of(series, path, labels):
    nibabel = pytest.importorskip("nibabel")
    image = read(series)
    ras = (np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine)[:, [2, 1, 0, 3]]
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(labels.T, ras), path)


def test_series_with_volumes_of_the_same_names(make_series, tmp_path):
    labels = np.zeros((3, 4, 6), np.uint8)
    labels[1, 2, 3] = 4
    for case in ("p1", "p2"):
        nifti_of(make_series([0.0, 1.0, 2.0], f"images/{case}"), tmp_path / f"masks/{case}.nii.gz", labels)
    pairing = find_pairs(tmp_path)
    assert where(pairing, tmp_path) == [(f"images/{case}", f"masks/{case}.nii.gz") for case in ("p1", "p2")]
    assert pairing.pairs[0].labels == (0, 4)
    image, mask = pairing.read(pairing.pairs[0])
    np.testing.assert_array_equal(mask.data, labels)
    assert image.grid == mask.grid == pairing.pairs[0].grid == (3, 4, 6)
    given = find_pairs(tmp_path / "images", tmp_path / "masks")
    assert where(given, tmp_path) == where(pairing, tmp_path)
    assert list_images(tmp_path) == [tmp_path / "images" / case for case in ("p1", "p2")]


@pytest.mark.parametrize(
    ("slices", "volume"),
    [("p1", "p1/truth.nii.gz"), ("p1/dicom", "p1/anything.nii.gz"), ("images", "masks/liver.nii.gz")],
)
def test_the_only_volume_beside_the_only_series(make_series, tmp_path, slices, volume):
    nifti_of(
        make_series([0.0, 1.0, 2.0], slices),
        tmp_path / volume,
        np.eye(4, 6, dtype=np.uint8)[None].repeat(3, 0),
    )
    pairing = find_pairs(tmp_path)
    assert where(pairing, tmp_path) == [(slices, volume)]
    assert pairing.pairs[0].reason == "the only volume beside the only series"
    assert pairing.unpaired == ()


def test_two_volumes_are_one_too_many(make_series, tmp_path, reasons):
    for name in ("one", "two"):
        nifti_of(make_series([0.0, 1.0], "p1"), tmp_path / f"p1/{name}.nii.gz", np.ones((2, 4, 6), np.uint8))
    pairing = find_pairs(tmp_path)
    assert pairing.pairs == ()
    assert {"one.nii.gz", "two.nii.gz"} <= set(reasons(pairing))


@pytest.mark.parametrize("place", ["p1", "p1/masks"])
def test_a_segmentation_belongs_to_the_series_it_refers_to(real_data, tmp_path, place):
    pytest.importorskip("highdicom")
    source = real_data / "dicom-odd/dcmqi/segmentations/24x38x3"
    shutil.copytree(source / "image", tmp_path / "p1")
    (tmp_path / place).mkdir(exist_ok=True)
    shutil.copy(source / "seg/label.seg", tmp_path / place / "label.dcm")
    pairing = find_pairs(tmp_path / "p1")
    assert where(pairing, tmp_path) == [("p1", f"{place}/label.dcm")]
    assert pairing.pairs[0].reason == "refers to the image"
    _, mask = pairing.read(pairing.pairs[0])
    expected = read(source / "nrrd/label.nrrd")
    assert np.count_nonzero(mask.data) == np.count_nonzero(expected.data)


def test_two_segmentations_of_a_series_are_named(real_data, tmp_path, reasons):
    source = real_data / "dicom-odd/dcmqi/segmentations/24x38x3"
    shutil.copytree(source / "image", tmp_path / "p1")
    for name in ("one.dcm", "two.dcm"):
        shutil.copy(source / "seg/label.seg", tmp_path / "p1" / name)
    pairing = find_pairs(tmp_path / "p1")
    assert pairing.pairs == ()
    assert reasons(pairing)["p1"] == "several masks fit: p1/one.dcm and p1/two.dcm"


def test_series_in_folders_named_by_identifiers_are_groups_of_their_own(make_series, tmp_path):
    for name in ("1.2.840.1", "1.2.840.2"):
        nifti_of(
            make_series([0.0, 1.0], f"images/{name}", PatientID=None),
            tmp_path / f"masks/{name}.nii.gz",
            np.ones((2, 4, 6), np.uint8),
        )
    assert [pair.group for pair in find_pairs(tmp_path).pairs] == ["1.2.840.1", "1.2.840.2"]


def test_a_mask_file_is_no_folder_of_masks(save):
    with pytest.raises(InputError, match=r"m\.png is not a folder"):
        find_pairs(save("images/a.png", "m.png") / "images", save() / "m.png")


def test_a_segmentation_of_other_images_stays_alone(real_data, make_dicom, tmp_path, reasons):
    make_dicom("a.dcm", np.zeros((4, 4), np.int16))
    source = real_data / "dicom-odd/dcmqi/segmentations/24x38x3"
    shutil.copy(source / "seg/label.seg", tmp_path / "label.dcm")
    assert reasons(find_pairs(tmp_path)) == {
        "a.dcm": "no mask has its name",
        "label.dcm": "refers to none of these images",
    }


# --- outlines ---


def coco(path, *files, category="cell"):
    square = [1.0, 1, 3, 1, 3, 3, 1, 3]
    content = {
        "images": [{"id": i, "file_name": file, "height": 4, "width": 4} for i, file in enumerate(files)],
        "annotations": [{"image_id": 0, "category_id": 3, "segmentation": [square]}],
        "categories": [{"id": 3, "name": category}],
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("images", "file"),
    [
        ("images", "annotations/instances.json"),
        ("images", "data.json"),
        (".", "_annotations.coco.json"),
        ("train", "train/_annotations.coco.json"),
    ],
)
def test_one_coco_file_for_all_images(save, reasons, images, file):
    folder = save(f"{images}/a.jpg", f"{images}/b.jpg", f"{images}/c.jpg")
    coco(folder / file, "a.jpg", "b.jpg")
    pairing = find_pairs(folder)
    assert [(pair.image.name, pair.labels) for pair in pairing.pairs] == [("a.jpg", (0, 3)), ("b.jpg", (0,))]
    assert pairing.classes == {"cell": 3}
    assert reasons(pairing) == {"c.jpg": "no mask has its name"}
    assert find_pairs(folder, objects=True).pairs[0].labels == (0, 1)
    given = find_pairs(folder / images, folder / file)
    assert [pair.labels for pair in given.pairs] == [(0, 3), (0,)]


def test_two_coco_files_for_an_image_are_named(save, reasons):
    folder = save("images/a.png")
    for name in ("one.json", "two.json"):
        coco(folder / "annotations" / name, "a.png")
    assert "annotations/one.json and annotations/two.json" in reasons(find_pairs(folder))["a.png"]


def test_other_json_is_not_an_image(save, reasons):
    folder = save("a.png", "a_mask.png")
    (folder / "meta.json").write_text("{}")
    (folder / "bad.json").write_text("{")
    coco(folder / "other.json", "z.png")
    found = reasons(find_pairs(folder))
    assert found["meta.json"] == "not an image"
    assert "cannot be read as a COCO file" in found["bad.json"]
    assert found["other.json"] == "lists none of these images"


@pytest.mark.parametrize("mask", ["a.geojson", "a.png.geojson", "masks/a.geojson"])
def test_geojson_beside_the_image(save, mask):
    folder = save("a.png", "b.png", "masks/b.png")
    square = [[1, 1], [3, 1], [3, 3], [1, 3], [1, 1]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [square]},
        "properties": {"classification": {"name": "Tumor"}},
    }
    (folder / mask).write_text(json.dumps(feature))
    pairing = find_pairs(folder)
    assert where(pairing, folder) == [("a.png", mask), ("b.png", "masks/b.png")]
    assert pairing.classes == {"Tumor": 1}
    assert pairing.pairs[0].labels == (0, 1)
    assert pairing.pairs[0].foreground == 0.25


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("IM-0001-0048.png", "contours/IM-0001-0048-icontour-manual.txt"),
        ("SC-HF-I-1_0048.png", "contours/IM-0001-0048-ocontour-manual.txt"),
        ("x.png", "contours/x.csv"),
        ("IM-0001-0048.png", "IM-0001-0048-icontour-manual.txt"),
    ],
)
def test_contours(save, image, mask):
    folder = save(f"in/{image}", "in/other_0007.png")
    path = folder / "in" / mask
    path.parent.mkdir(exist_ok=True)
    path.write_text("0.5 0.5\n2.5 0.5\n2.5 2.5\n0.5 2.5\n")
    masks = path.parent if "contours" in mask else None
    pairing = find_pairs(folder / "in", masks)
    assert where(pairing, folder / "in") == [(image, mask)]
    assert pairing.pairs[0].foreground == 0.25


def test_inner_and_outer_contour_are_not_chosen_from(save, reasons):
    folder = save("in/IM-0001-0048.png")
    for kind in "io":
        (folder / f"in/IM-0001-0048-{kind}contour-manual.txt").write_text("0 0\n2 0\n2 2\n")
    assert reasons(find_pairs(folder / "in"))["IM-0001-0048.png"].startswith("several masks fit")


def test_text_beside_images_is_not_an_image(save, reasons):
    folder = save("a.png", "a_mask.png")
    (folder / "a.txt").write_text("notes")
    assert reasons(find_pairs(folder)) == {"a.txt": "not an image"}


# --- stores and bounds ---


def test_a_zarr_store_is_an_image(save, tmp_path, names):
    from unetscope.io import Image
    from unetscope.io.write.zarr import write_zarr

    save("masks/a.png")
    (tmp_path / "images").mkdir()
    write_zarr(tmp_path / "images/a.ome.zarr", Image(np.ones((4, 4), np.uint8), "YX"))
    pairing = find_pairs(tmp_path)
    assert names(pairing) == [("a.ome.zarr", "a.png")]
    assert pairing.usable()


def test_folders_without_bounds_are_refused(save, monkeypatch):
    monkeypatch.setattr(layout, "_MOST_FILES", 2)
    with pytest.raises(InputError, match="holds 3 files; expected at most 2"):
        find_pairs(save("a.png", "b.png", "c.png"))


def test_links_in_a_circle_end(save, tmp_path):
    save("case/a.png", "case/a_mask.png")
    (tmp_path / "case" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert len(find_pairs(tmp_path).pairs) == 1


def test_colors_are_found_once_for_all_pairs(save):
    red, green = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint8)
    red[0, :, 0], green[:2, :, 1] = 255, 255
    save("images/a.png", "images/b.png", "images/c.png", pixels=np.zeros((4, 4), np.uint8))
    save("masks/a.png", pixels=red)
    folder = save("masks/b.png", pixels=green)
    save("masks/c.png", pixels=np.array([[7, 7, 0, 0]] * 4, np.uint8))
    pairing = find_pairs(folder)
    assert pairing.colors == {(0, 0, 0): 0, (0, 255, 0): 1, (255, 0, 0): 2}
    assert [pair.labels for pair in pairing.pairs] == [(0, 2), (0, 1), (0, 7)]
    assert [pair.foreground for pair in pairing.pairs] == [0.25, 0.5, 0.5]
    assert "has no colors, unlike others" in pairing.pairs[2].notes[0]
    _, mask = pairing.read(pairing.pairs[0])
    assert mask.data[0, 0] == 2
    mine = find_pairs(folder, colors={"#000000": 0, "#ff0000": 1})
    assert mine.pairs[0].labels == (0, 1)
    assert "1 colors without a label (#00ff00)" in mine.pairs[1].problems[0]


def test_a_photograph_does_not_spoil_the_colors_of_others(save):
    red = np.zeros((20, 20, 3), np.uint8)
    red[0, :, 0] = 255
    noise = np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8)
    save("a.png", "b.png", pixels=np.zeros((20, 20), np.uint8))
    save("a_mask.png", pixels=red)
    pairing = find_pairs(save("b_mask.png", pixels=noise))
    assert pairing.colors == {(0, 0, 0): 0, (255, 0, 0): 1}
    assert "different colors are in b_mask.png" in pairing.pairs[1].problems[0]


def test_colors_without_black_are_a_problem_of_every_pair(save):
    white = np.full((4, 4, 3), 255, np.uint8)
    white[0] = (255, 0, 0)
    pairing = find_pairs(save("a.png") and save("a_mask.png", pixels=white))
    assert "none of them is black" in pairing.pairs[0].problems[0]
    assert find_pairs(pairing.pairs[0].image.parent, colors={"#ffffff": 0, "#ff0000": 1}).usable()


def test_palette_masks_keep_their_indices(save, tmp_path):
    picture = Pillow.fromarray(np.eye(4, dtype=np.uint8) * 3).convert("P")
    picture.putpalette([0, 0, 0, 9, 9, 9, 8, 8, 8, 255, 0, 0])
    save("a.png")
    picture.save(tmp_path / "a_mask.png")
    pairing = find_pairs(tmp_path)
    assert (pairing.pairs[0].labels, pairing.colors) == ((0, 3), {})


def test_a_time_series_with_labels_for_every_point(tmp_path):
    import tifffile

    stack = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    for name, data in (
        ("a.tif", stack),
        ("a_mask.tif", stack % 3),
        ("b.tif", stack),
        ("b_mask.tif", stack[0]),
    ):
        tifffile.imwrite(
            tmp_path / name, data, metadata={"axes": "TYX"[-data.ndim :]}, photometric="minisblack"
        )
    good, bad = find_pairs(tmp_path).pairs
    assert good.usable
    assert good.labels == (0, 1, 2)
    assert "b_mask.tif has no time points and b.tif has 3 time points" in bad.problems[0]
