"""One file per object."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from unetscope.errors import InputError
from unetscope.io import read_mask


@pytest.fixture
def save(tmp_path):
    """Save 255 at the flat positions given, under a name, on a grid of 2 × 4."""

    def save(name, *flat, grid=(2, 4)):
        pixels = np.zeros(grid, np.uint8)
        pixels.flat[list(flat)] = 255
        path = tmp_path / "masks" / name
        path.parent.mkdir(exist_ok=True)
        if name.endswith(".tif"):
            tifffile.imwrite(path, pixels)
        else:
            Pillow.fromarray(pixels).save(path)
        return path.parent

    return save


def test_objects_are_numbered_in_natural_order(save):
    save("10.png", 6, 7)
    save("2.tif", 0, 1)
    mask = read_mask(save("9.png", 3))
    np.testing.assert_array_equal(mask.data, [[1, 1, 0, 2], [0, 0, 3, 3]])
    assert (mask.axes, mask.data.dtype, mask.source.format) == ("YX", np.uint8, "objects")
    assert [path.name for path in mask.source.files] == ["2.tif", "9.png", "10.png"]
    assert mask.source.notes == ()


def test_overlaps_are_counted_and_stay_with_the_earlier(save):
    save("a.png", 0, 1)
    mask = read_mask(save("b.png", 1, 2))
    assert mask.data[0].tolist() == [1, 1, 2, 0]
    assert mask.source.notes == ("1 pixel of masks/ in several objects went to the earliest of them.",)


def test_a_hidden_object_is_a_problem(save):
    save("a.png", 0, 1, 2)
    with pytest.raises(InputError, match=r"in masks/, b\.png lies wholly below earlier objects"):
        read_mask(save("b.png", 1, 2))


def test_empty_files_and_strangers_are_noted(save):
    save("a.png", 0)
    folder = save("b.png")
    (folder / "notes.md").write_text("x")
    (folder / "Thumbs.db").write_bytes(b"x")
    assert read_mask(folder).source.notes == (
        "In masks/, b.png covers no pixel.",
        "In masks/, notes.md is no image and was left out.",
    )


def test_sizes_must_agree(save):
    save("a.png", 0)
    with pytest.raises(InputError, match=r"b\.png has \(3, 3\) pixels and a\.png \(2, 4\)"):
        read_mask(save("b.png", 0, grid=(3, 3)))


def test_many_objects_in_a_file_are_refused(save):
    folder = save("a.png", 0)
    Pillow.fromarray(np.array([[0, 1, 2, 3]] * 2, np.uint8)).save(folder / "b.png")
    with pytest.raises(InputError, match=r"b\.png marks 3 objects with the values \[1, 2, 3\]"):
        read_mask(folder)
