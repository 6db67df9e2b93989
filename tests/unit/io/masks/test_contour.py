"""Contours in text files."""

from __future__ import annotations

import numpy as np
import pytest

from unetscope.errors import InputError, ReadError
from unetscope.io import Image, read_mask

PLANE = Image(np.zeros((6, 8), np.uint8), "YX")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "1.5 0.5\n4.5 0.5\n4.5 2.5\n1.5 2.5\n"),
        ("a.txt", "# points\r\n\r\n 1.5\t0.5 \r\n4.5\t0.5\r\n4.5\t2.5\r\n1.5\t2.5\r\n"),
        ("a.csv", "1.5,0.5\n4.5,0.5\n4.5,2.5\n1.5,2.5\n1.5,0.5"),
        ("a.csv", "X,Y\n1.5,0.5\n4.5,0.5\n4.5,2.5\n1.5,2.5"),
        ("a.csv", " ,X,Y\n1,1.5,0.5\n2,4.5,0.5\n3,4.5,2.5\n4,1.5,2.5"),
        ("a.csv", "y;x\n0.5;1.5\n0.5;4.5\n2.5;4.5\n2.5;1.5"),
    ],
)
def test_coordinates_count_from_the_first_center(tmp_path, name, text):
    """From x = 1.5 to 4.5 and y = 0.5 to 2.5 lie the centers of columns 2 to 4 of rows 1 and 2."""
    (tmp_path / name).write_text(text, newline="")
    mask = read_mask(tmp_path / name, on=PLANE)
    expected = np.zeros((6, 8), np.uint8)
    expected[1:3, 2:5] = 1
    np.testing.assert_array_equal(mask.data, expected)
    assert (mask.data.dtype, mask.source.format) == (np.uint8, "contour")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds 0 points"),
        ("1 2\n3 4\n", "holds 2 points"),
        ("0 0.5 0.5 0.1 0.1\n", "lines that are not two numbers"),
        ("1 2\n3 b\n5 6\n", "lines that are not two numbers"),
        ("a,b\n1,2\n", "without the columns X and Y"),
        ("x,y\n1\n2,3\n4,5\n", "lines that are not two numbers"),
        ("1 2\n3 nan\n5 6\n", "nowhere on an image"),
        ("1 2\n3 1e9\n5 6\n", "nowhere on an image"),
    ],
)
def test_other_texts_are_refused(tmp_path, text, words):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(InputError, match=rf"a\.txt.*{words}"):
        read_mask(tmp_path / "a.txt", on=PLANE)


def test_binary_is_no_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00\x93")
    with pytest.raises(ReadError, match=r"a\.txt cannot be read as a contour"):
        read_mask(tmp_path / "a.txt", on=PLANE)


def test_an_outline_beside_the_image_is_noted(tmp_path):
    (tmp_path / "a.txt").write_text("100 100\n110 100\n110 110\n")
    assert read_mask(tmp_path / "a.txt", on=PLANE).source.notes == ("In a.txt, the outline covers no pixel.",)
