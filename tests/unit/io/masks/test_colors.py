"""Color-coded masks: one mapping for all, and nothing guessed."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from unetscope.errors import InputError
from unetscope.io import read_mask
from unetscope.io.masks import find_colors
from unetscope.io.masks.colors import color_name, parse_color

BLACK, RED, GREEN, WHITE = (0, 0, 0), (255, 0, 0), (0, 255, 0), (255, 255, 255)


@pytest.fixture
def paint(tmp_path):
    """Save rows of colors under a name."""

    def paint(name, rows):
        pixels = np.array(rows, np.uint8)
        if name.endswith(".tif"):
            tifffile.imwrite(tmp_path / name, pixels, photometric="rgb")
        else:
            Pillow.fromarray(pixels).save(tmp_path / name)
        return tmp_path / name

    return paint


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_colors_become_labels(paint, suffix):
    path = paint(f"a.{suffix}", [[BLACK, RED], [GREEN, RED]])
    colors = find_colors([path])
    assert colors == {BLACK: 0, GREEN: 1, RED: 2}
    mask = read_mask(path, colors=colors)
    assert (mask.axes, mask.data.dtype) == ("YX", np.uint8)
    np.testing.assert_array_equal(mask.data, [[0, 2], [1, 2]])


def test_one_mapping_for_all_masks(paint):
    paths = [
        paint("a.png", [[BLACK, RED]]),
        paint("b.png", [[GREEN, WHITE]]),
        paint("c.png", [[WHITE, WHITE]]),
    ]
    colors = find_colors(paths)
    assert colors == {BLACK: 0, GREEN: 1, RED: 2, WHITE: 3} == find_colors(paths[::-1])
    values = [read_mask(path, colors=colors).data.tolist() for path in paths]
    assert values == [[[0, 2]], [[1, 3]], [[3, 3]]]


def test_the_user_knows_better(paint):
    path = paint("a.png", [[WHITE, RED, GREEN]])
    mask = read_mask(path, colors={"#ffffff": 0, "#ff0000": 7, (0, 255, 0): 7})
    assert mask.data.tolist() == [[0, 7, 7]]
    again = read_mask(path, **mask.source.tags["reading"])
    np.testing.assert_array_equal(again.data, mask.data)


def test_gray_and_indexed_masks_have_no_colors(tmp_path, paint):
    indices = Pillow.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    indices.putpalette([0, 0, 0, 255, 0, 0])
    indices.save(tmp_path / "p.png")
    gray = paint("g.png", [[BLACK, WHITE]])
    assert find_colors([tmp_path / "p.png", gray]) == {}
    assert read_mask(tmp_path / "p.png", colors={BLACK: 0, RED: 9}).data.tolist() == [[0, 1]]
    assert read_mask(gray).data.tolist() == [[0, 255]]


def test_without_black_the_background_is_not_guessed(paint):
    with pytest.raises(
        InputError, match=r'3 colors \(#00ff00, #ff0000, #ffffff\) and none.*colors "#00ff00=0"'
    ):
        find_colors([paint("a.png", [[WHITE, RED, GREEN]])])


def test_a_photograph_is_no_mask(paint):
    pixels = np.random.default_rng(0).integers(0, 255, (20, 20, 3))
    with pytest.raises(InputError, match=r"400 different colors are in a\.png, such as #.*at most 256"):
        find_colors([paint("a.png", pixels)])


def test_many_colors_over_all_masks_are_none(paint):
    rows = [[[(i, j, 9) for j in range(150)]] for i in (1, 2)]
    with pytest.raises(InputError, match="300 different colors are in the masks"):
        find_colors([paint(f"{i}.png", row) for i, row in enumerate(rows)])


def test_unknown_colors_are_named(paint):
    with pytest.raises(InputError, match=r"a\.png has 1 colors without a label \(#00ff00\)"):
        read_mask(paint("a.png", [[BLACK, GREEN]]), colors={BLACK: 0, RED: 1})


def test_sixteen_bits(tmp_path):
    pixels = np.array([[(0, 0, 0), (1, 2, 65535)]], np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb")
    colors = find_colors([tmp_path / "a.tif"])
    assert colors == {BLACK: 0, (1, 2, 65535): 1}
    assert read_mask(tmp_path / "a.tif", colors=colors).data.tolist() == [[0, 1]]


@pytest.mark.parametrize("color", [BLACK, (1, 2, 255), (1, 2, 65535)])
def test_names_of_colors(color):
    assert parse_color(color_name(color)) == color


def test_no_color():
    assert parse_color("FF8000") == (255, 128, 0)
    with pytest.raises(InputError, match="'reddish' is no color"):
        parse_color("reddish")
