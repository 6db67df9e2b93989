"""The table of pairs: what people and spreadsheets do to it, and back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from unetscope.errors import InputError, OutputError
from unetscope.io import Pairing, find_pairs
from unetscope.io.pairs import Pair

RED = np.zeros((4, 4, 3), np.uint8)
RED[0, :, 0] = 255


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_tables_of_spreadsheets(save, encoding, delimiter, newline):
    folder = save("bilder/grün.png", "wahr/x.png")
    rows = [[" Image", "MASK ", "group", "remark"], ["bilder/grün.png", " wahr/x.png ", "Fall 7", "schön"]]
    text = newline.join(delimiter.join(row) for row in rows)
    (folder / "t.csv").write_bytes(text.encode(encoding))
    pairing = find_pairs(folder / "t.csv")
    assert [(pair.image.name, pair.mask.name, pair.group) for pair in pairing.usable()] == [
        ("grün.png", "x.png", "Fall 7")
    ]


def test_the_separator_line_of_excel(save):
    folder = save("a.png", "b.png")
    (folder / "t.csv").write_text("sep=;\nimage;mask\na.png;b.png\n")
    assert len(find_pairs(folder / "t.csv").usable()) == 1


def test_other_encodings_are_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes("image,mask\ngrün.png,b.png\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"t\.csv cannot be read as a CSV table"):
        find_pairs(tmp_path / "t.csv")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "'=", "''-"])
def test_nothing_becomes_a_formula(save, tmp_path, start):
    folder = save(f"{start}a.png", "b.png")
    pairing = Pairing((Pair(folder / f"{start}a.png", folder / "b.png", f"{start}cmd|' /C calc'!A0", ""),))
    text = pairing.to_csv(folder / "t.csv").read_text()
    assert not any(cell.lstrip('"').startswith(tuple("=+-@")) for cell in text.replace("\n", ",").split(","))
    again = find_pairs(folder / "t.csv")
    assert again.pairs[0].group == pairing.pairs[0].group
    assert again.pairs[0].image == pairing.pairs[0].image
    assert again.usable()


def test_colors_travel_with_the_table(save):
    save("images/a.png", "images/b.png", pixels=np.zeros((4, 4), np.uint8))
    folder = save("masks/a.png", "masks/b.png", pixels=RED)
    pairing = find_pairs(folder, colors={(0, 0, 0): 0, (255, 0, 0): 5})
    again = find_pairs(pairing.to_csv(folder / "t.csv"))
    assert again.colors == pairing.colors
    assert [pair.labels for pair in again.pairs] == [(0, 5), (0, 5)]
    # A person changes one row and empties the others.
    rows = (folder / "t.csv").read_text().splitlines()
    rows[1] = rows[1].replace(": 5", ": 2")
    (folder / "t.csv").write_text("\n".join(rows))
    with pytest.raises(InputError, match=r"the rows of t\.csv disagree in the column colors"):
        find_pairs(folder / "t.csv")
    rows[2] = "images/b.png,masks/b.png,b,"
    (folder / "t.csv").write_text("\n".join(rows))
    assert [pair.labels for pair in find_pairs(folder / "t.csv").pairs] == [(0, 2), (0, 2)]


def test_classes_travel_with_the_table(save):
    folder = save("a.png", "b.png")
    square = [[1, 1], [3, 1], [3, 3], [1, 3], [1, 1]]
    geometry = {"type": "Polygon", "coordinates": [square]}
    for name, kind in (("a", "Tumor; grade=3"), ("b", "Stroma")):
        feature = {"type": "Feature", "geometry": geometry, "properties": {"classification": {"name": kind}}}
        (folder / f"{name}.geojson").write_text(json.dumps(feature))
    pairing = find_pairs(folder)
    assert pairing.classes == {"Stroma": 1, "Tumor; grade=3": 2}
    table = pairing.to_csv(folder / "t.csv")
    # Without the first row, the numbers stay what they were.
    rows = table.read_text().splitlines()
    table.write_text("\n".join([rows[0], rows[1]]))
    again = find_pairs(table)
    assert (again.classes, again.pairs[0].labels) == (pairing.classes, (0, 2))


@pytest.mark.parametrize(
    "cell", ["red", "[1]", '{""#ff0000"": -1}', '{""#ff0000"": true}', '{""reddish"": 1}']
)
def test_damaged_mappings(save, cell):
    folder = save("a.png", "b.png")
    (folder / "t.csv").write_text(f'image,mask,colors\na.png,b.png,"{cell}"\n')
    with pytest.raises(InputError, match=r"in the column colors|is no color"):
        find_pairs(folder / "t.csv")


def test_names_that_are_no_text(tmp_path):
    pairing = Pairing((Pair(tmp_path / "a\udcff.png", tmp_path / "b.png", "g", ""),))
    with pytest.raises(OutputError, match="characters that no text file can hold"):
        pairing.to_csv(tmp_path / "t.csv")


def test_blanks_belong_to_names_that_have_them(save):
    folder = save(" a .png", "b.png")
    pairing = Pairing((Pair(folder / " a .png", folder / "b.png", "g", ""),))
    assert find_pairs(pairing.to_csv(folder / "t.csv")).usable()


def test_a_table_is_not_read_without_bounds(tmp_path, monkeypatch):
    from unetscope.io.pairs import table

    monkeypatch.setattr(table, "_MOST_BYTES", 2**20)
    (tmp_path / "t.csv").write_bytes(b"image,mask\n" + b"a,b\n" * 2**19)
    with pytest.raises(InputError, match=r"t\.csv has more than 1 MB"):
        find_pairs(tmp_path / "t.csv")


# --- the column split ---


@pytest.mark.parametrize(
    ("cells", "roles"),
    [
        (["train", "val", "test", ""], ["training", "validation", "test", ""]),
        (["Training", " validation ", "TEST", "valid"], ["training", "validation", "test", "validation"]),
    ],
)
def test_a_table_says_what_images_are_for(save, cells, roles):
    for i in range(4):
        folder = save(f"{i}.png", f"m{i}.png")
    lines = [f"{i}.png,m{i}.png,{cell}" for i, cell in enumerate(cells)]
    (folder / "t.csv").write_text("\n".join(["image,mask,split", *lines]))
    pairing = find_pairs(folder / "t.csv")
    assert [pair.split for pair in pairing.pairs] == roles
    again = find_pairs(pairing.to_csv(folder / "again.csv"))
    assert [pair.split for pair in again.pairs] == roles


def test_without_roles_there_is_no_such_column(save):
    pairing = find_pairs(save("a.png", "a_mask.png"))
    assert pairing.to_csv(pairing.pairs[0].image.with_name("t.csv")).read_text().splitlines()[0] == (
        "image,mask,group"
    )


def test_unknown_words_for_a_role(save):
    folder = save("a.png", "b.png")
    (folder / "t.csv").write_text("image,mask,split\na.png,b.png,holdout\n")
    with pytest.raises(InputError) as caught:
        find_pairs(folder / "t.csv")
    assert str(caught.value) == (
        "t.csv has 'holdout' in the column split; expected train, validation, test, or nothing: correct it."
    )
