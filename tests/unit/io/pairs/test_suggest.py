"""Suggestions: helpful, and never acted upon."""

from __future__ import annotations

import pytest

from unetscope.io import find_pairs, match_masks


@pytest.mark.parametrize(
    ("image", "mask", "words"),
    [
        ("cell-01", "cell_01", "its name has '_' instead of '-'"),
        ("cell_1", "cell_01", "its name has '0' too much"),
        ("nucleus_7", "nuclus_7", "its name lacks 'e'"),
    ],
)
def test_a_similar_name_is_suggested(save, image, mask, words):
    pairing = find_pairs(save(f"images/{image}.png", f"masks/{mask}.png", "images/other.png"))
    assert pairing.pairs == ()
    found = {file.path.name: file for file in pairing.unpaired}
    assert found[f"{image}.png"].suggestion == f"did you mean masks/{mask}.png? ({words})"
    assert found["other.png"].suggestion == found[f"{mask}.png"].suggestion == ""
    assert str(found[f"{image}.png"]).startswith(f"{image}.png: no mask has its name; did you mean")


def test_another_number_is_another_image(save):
    pairing = find_pairs(save("images/cell_01.png", "masks/cell_02.png"))
    assert not any(file.suggestion for file in pairing.unpaired)


def test_masks_that_have_their_image_are_not_suggested(save):
    pairing = find_pairs(save("images/cell1.png", "images/cell_1.png", "masks/cell1.png"))
    assert [file.suggestion for file in pairing.unpaired] == [""]


def test_predictions_get_suggestions_too(save):
    folder = save("predicted/cell-1.png", "truth/cell_1.png")
    pairs, alone = match_masks(folder / "predicted", folder / "truth")
    assert pairs == []
    assert "did you mean truth/cell_1.png?" in alone[0]
