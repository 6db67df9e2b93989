"""Pairs: every convention, nothing guessed, every problem in words."""

from __future__ import annotations

import numpy as np
import pytest

from unetscope.errors import InputError, OutputError
from unetscope.io import find_pairs


def test_folder_of_masks(save, names, reasons):
    folder = save("in/im10.png", "in/im2.jpg", "out/im2_mask.png", "out/IM10.png", "out/im3.png")
    pairing = find_pairs(folder / "in", folder / "out")
    assert names(pairing) == [("im2.jpg", "im2_mask.png"), ("im10.png", "IM10.png")]
    assert {pair.reason for pair in pairing.pairs} == {"same name in out/"}
    assert reasons(pairing) == {"im3.png": "no image has this name"}
    assert len(pairing.usable()) == 2


@pytest.mark.parametrize("images", ["images", "image", "Imgs", "IMG", "raw"])
@pytest.mark.parametrize(
    "masks", ["masks", "Mask", "labels", "label", "GT", "annotations", "segmentation", "manual", "1st_manual"]
)
def test_two_subfolders(save, images, masks, names):
    pairing = find_pairs(save(f"{images}/a.png", f"{masks}/a.png"))
    assert names(pairing) == [("a.png", "a.png")]
    assert pairing.pairs[0].reason == f"same name in {masks}/"


def test_files_outside_the_two_subfolders_are_told(save, reasons):
    pairing = find_pairs(save("images/a.png", "masks/a.png", "b.png"))
    assert reasons(pairing) == {"b.png": "lies outside images/"}


def test_two_folders_of_images_are_refused(save):
    with pytest.raises(InputError, match="holds images/ and raw/"):
        find_pairs(save("images/a.png", "raw/a.png", "masks/a.png"))


def test_mask_subfolder(save, names, reasons):
    pairing = find_pairs(save("a.png", "b.png", "GT/a.png"))
    assert names(pairing) == [("a.png", "a.png")]
    assert reasons(pairing) == {"b.png": "no mask has its name"}


def test_second_observer_is_not_used(save):
    folder = save("images/a.png", "masks/a.png", "masks_2nd/a.png")
    assert find_pairs(folder).pairs[0].mask.parent.name == "masks"
    assert find_pairs(folder / "images", folder / "masks_2nd").pairs[0].mask.parent.name == "masks_2nd"


@pytest.mark.parametrize(
    "suffix", ["_mask", "-mask", "_Masks", "_label", "_labels", "_seg", "_gt", "_manual1", "_1stHO", "_2ndHO"]
)
def test_suffix_beside_the_image(save, suffix, names, reasons):
    pairing = find_pairs(save("a.tif", f"a{suffix}.png", "b.tif"))
    assert names(pairing) == [("a.tif", f"a{suffix}.png")]
    assert suffix.lower() in pairing.pairs[0].reason
    assert reasons(pairing) == {"b.tif": "no mask has its name"}


@pytest.mark.parametrize("mask", ["a.png", "A.png", "a.dcm.png", "a.tif"])
def test_picture_beside_a_dicom_file(save, make_dicom, mask, names):
    make_dicom("a.dcm", np.zeros((4, 4), np.int16))
    assert names(find_pairs(save(mask))) == [("a.dcm", mask)]


def test_two_pictures_of_one_name_are_no_pair(save, reasons):
    pairing = find_pairs(save("a.tif", "a.png"))
    assert pairing.pairs == ()
    assert set(reasons(pairing)) == {"a.tif", "a.png"}


@pytest.mark.parametrize(
    ("files", "two"),
    [
        (["a.tif", "a_1stHO.png", "a_2ndHO.png"], ["a_1stHO.png", "a_2ndHO.png"]),
        (["a.tif", "a_mask.png", "GT/a.png"], ["a_mask.png", "GT/a.png"]),
        (["images/a.tif", "masks/a.png", "labels/a.png"], ["masks/a.png", "labels/a.png"]),
        (["images/a.tif", "masks/a.png", "masks/a_mask.png"], ["masks/a.png", "masks/a_mask.png"]),
    ],
)
def test_two_masks_for_an_image_are_named(save, files, two, reasons):
    pairing = find_pairs(save(*files))
    assert pairing.pairs == ()
    why = reasons(pairing)["a.tif"]
    assert why.startswith("several masks fit")
    assert all(name in why for name in two)


def test_one_mask_for_two_images_is_none(save, reasons):
    pairing = find_pairs(save("images/a.tif", "images/a.png", "masks/a.png"))
    assert pairing.pairs == ()
    assert reasons(pairing)["a.tif"] == "the mask a.png fits other images too"


def test_orphans_clutter_and_other_files(save, reasons):
    folder = save("a.tif", "a_mask.png", "z_mask.png")
    for name in (".hidden.png", "Thumbs.db", "desktop.ini", "notes.txt"):
        (folder / name).write_bytes(b"x")
    assert reasons(find_pairs(folder)) == {
        "notes.txt": "not an image",
        "z_mask.png": "named like a mask, but no image z is beside it",
    }


def test_no_images(tmp_path, save):
    with pytest.raises(InputError, match=r"holds no images; expected .*images/ beside masks/"):
        find_pairs(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        find_pairs(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is not a folder"):
        find_pairs(save("a.png"), tmp_path / "nowhere")


def test_what_is_known_of_a_pair(save):
    pair = find_pairs(save("a.png", "a_mask.png")).pairs[0]
    assert (pair.labels, pair.grid, pair.foreground, pair.group) == ((0, 255), (4, 4), 0.25, "a")
    assert pair.usable


def test_many_objects_keep_the_first_labels(save):
    save("a.png", pixels=np.zeros((20, 20), np.uint8))
    folder = save("a_mask.tif", pixels=np.arange(400, dtype=np.uint16).reshape(20, 20))
    assert find_pairs(folder).pairs[0].labels == tuple(range(256))


def test_problems_are_told_in_words(save):
    float_image = np.zeros((4, 4), np.float32)
    float_image[0, :2] = np.nan, np.inf
    save("nan.tif", pixels=float_image)
    save("size.png", pixels=np.zeros((3, 5), np.uint8))
    save("color_mask.png", pixels=np.random.default_rng(0).integers(0, 255, (4, 4, 3), dtype=np.uint8))
    folder = save(
        "size_mask.png", "nan_mask.png", "color.png", "cut.png", "cut_mask.png", "good.png", "good_mask.png"
    )
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:40])
    pairing = find_pairs(folder)
    problems = {pair.image.stem: " ".join(pair.problems) for pair in pairing.pairs}
    assert problems["good"] == ""
    assert "the image has 3 by 5 pixels and the mask 4 by 4 (size_mask.png)" in problems["size"]
    assert problems["nan"] == "2 pixels of the image are no finite numbers"
    assert "the masks hold 16 colors" in problems["color"]
    assert "cut.png cannot be read" in problems["cut"]
    assert [pair.image.stem for pair in pairing.usable()] == ["good"]
    pairing.check()


def test_an_empty_mask_is_a_note(save):
    save("a_mask.png", pixels=np.zeros((4, 4), np.uint8))
    save("b_mask.png", pixels=np.ones((4, 4), np.uint8))
    pairing = find_pairs(save("a.png", "b.png"))
    assert [pair.notes for pair in pairing.pairs] == [
        ("the mask has no foreground",),
        ("the whole mask is 1",),
    ]
    assert len(pairing.usable()) == 2
    pairing.check()


def test_nothing_to_learn_from(save):
    folder = save("a.png", "b.png")
    with pytest.raises(
        InputError, match=r"found 0 pairs and 2 unpaired files.*first: a\.png: no mask has its name"
    ):
        find_pairs(folder).check()
    save("a_mask.png", pixels=np.zeros((4, 4), np.uint8))
    with pytest.raises(
        InputError, match=r"all 1 masks hold nothing but background, the first is a_mask\.png"
    ):
        find_pairs(folder).check()
    save("a_mask.png", pixels=np.zeros((5, 4), np.uint8))
    with pytest.raises(
        InputError, match=r"found 1 pairs.*first: a\.png: the image has 4 by 4 pixels and the mask 5 by 4"
    ):
        find_pairs(folder).check()


def test_groups(save, make_dicom):
    for i, patient in enumerate(("p", "p", "q", "")):
        make_dicom(f"d/s1_{i}.dcm", np.zeros((4, 4), np.int16), PatientID=patient)
    folder = save(*(f"d/s1_{i}.png" for i in range(4))) / "d"

    def groups(group):
        return [pair.group for pair in find_pairs(folder, group=group).pairs]

    auto = groups("auto")
    assert auto[0] == auto[1] != auto[2]
    assert auto[0].startswith("patient-")
    assert auto[3] == "s1_3"
    assert groups("file") == ["s1_0", "s1_1", "s1_2", "s1_3"]
    assert groups("regex:^[^_]+") == ["s1"] * 4
    assert groups(r"regex:_(\d)") == ["0", "1", "2", "3"]
    with pytest.raises(InputError, match=r"s1_3\.dcm names no patient"):
        groups("patient")
    with pytest.raises(InputError, match=r"s1_0\.dcm has no part that matches 'zz'"):
        groups("regex:zz")
    for wrong in ("patients", "regex:("):
        with pytest.raises(InputError, match="expected"):
            groups(wrong)


def test_table(save, names, reasons):
    folder = save("pictures/a.png", "pictures/b.png", "truth/x.png")
    table = folder / "pairs.csv"
    rows = [
        "image,mask,group",
        "pictures/a.png,truth/x.png,slide 7",
        "pictures/b.png,,",
        "pictures/c.png,truth/x.png,",
    ]
    table.write_text("\n".join(rows), encoding="utf-8-sig")
    pairing = find_pairs(table)
    assert names(pairing) == [("a.png", "x.png"), ("c.png", "x.png")]
    assert [pair.group for pair in pairing.pairs] == ["slide 7", "c"]
    assert pairing.pairs[0].reason == "listed in pairs.csv"
    assert "c.png does not exist" in pairing.pairs[1].problems[0]
    assert reasons(pairing) == {"b.png": "pairs.csv names no mask for it"}
    assert find_pairs(table, group="file").pairs[0].group == "a"
    with pytest.raises(InputError, match="names the masks already"):
        find_pairs(table, folder / "truth")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty file"),
        ("image;masks\na;b", "has the columns image, masks"),
        ("image,mask\n", "lists no images"),
    ],
)
def test_wrong_tables(tmp_path, text, words):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        find_pairs(tmp_path / "t.csv")


def test_missing_table(tmp_path):
    with pytest.raises(InputError, match=r"gone\.csv cannot be read as a CSV table"):
        find_pairs(tmp_path / "gone.csv")


def test_table_round_trip(save, tmp_path):
    pairing = find_pairs(save("images/a.png", "images/b.png", "masks/a.png", "masks/b.png"), group="regex:^.")
    (tmp_path / "tables").mkdir()
    table = pairing.to_csv(tmp_path / "tables/t.csv")
    assert table.read_text().splitlines()[1] == "../images/a.png,../masks/a.png,a"
    again = find_pairs(table)
    assert [(p.image.resolve(), p.mask.resolve(), p.group) for p in again.pairs] == [
        (p.image.resolve(), p.mask.resolve(), p.group) for p in pairing.pairs
    ]
    with pytest.raises(OutputError, match="exists already"):
        pairing.to_csv(table)


@pytest.mark.parametrize(
    ("folder", "pairs", "groups", "labels"),
    [
        ("left-ventricle/training", 56, 3, {0, 255}),
        ("left-ventricle/test", 40, 2, {0, 255}),
        ("retina/train", 20, 20, {0, 1}),
        ("battery/train", 9, 9, {0, 1, 2}),
        ("nuclei/train", 180, 180, None),
    ],
)
def test_real_data(real_data, folder, pairs, groups, labels):
    pairing = find_pairs(real_data / folder)
    pairing.check()
    assert (len(pairing.pairs), len(pairing.usable()), pairing.unpaired) == (pairs, pairs, ())
    assert len({pair.group for pair in pairing.pairs}) == groups
    assert labels is None or {label for pair in pairing.pairs for label in pair.labels} == labels


def test_progress_is_told_and_can_end_the_search(save):
    folder = save("a.png", "a_mask.png", "b.png", "b_mask.png")
    seen = []
    find_pairs(folder, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 2), (1, 2)]

    def enough(done, total):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        find_pairs(folder, progress=enough)
