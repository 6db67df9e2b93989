from __future__ import annotations

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.evaluation.object_overlay import OBJECT_OUTCOMES, object_outcomes, paint_objects
from unetscope.evaluation.overlay import CLASSES, OUTCOMES, rgb, slice_to_look_at

LETTERS = {"found": "+", "false": "f", "missed": "m", "merged": "M", "split": "S"}
SHOWN = np.array([".", *(LETTERS[name] for name in OBJECT_OUTCOMES)])


def line(text):
    return np.array([[0 if letter == "." else int(letter) for letter in text]])


def seen(truth, predicted, **settings):
    """The outcomes as letters."""
    return "".join(SHOWN[object_outcomes(line(truth), line(predicted), **settings)[0]])


@pytest.mark.parametrize(
    ("truth", "predicted", "outcome"),
    [
        ("11111.", "77777.", "+++++."),
        ("1111..", "..7777", "mmffff"),  # half missed, and what is there instead
        ("......", "..7777", "..ffff"),
        ("1111..", "......", "mmmm.."),
        ("111122", "777777", "MMMMMM"),
        ("11.222", "777777", "MMMMMM"),
        ("111111", "777888", "SS.SSS"),  # a line parts the two
        ("111222", "777888", "++.+++"),
        ("111222", "......", "mm.mmm"),
    ],
)
def test_every_object_has_its_outcome(truth, predicted, outcome):
    assert seen(truth, predicted) == outcome


def test_the_smaller_object_is_in_front_so_that_both_are_seen():
    assert seen("11111111", "..777...") == "mmfffmmm"
    assert seen("..111...", "77777777") == "ffmmmfff"


def test_a_merge_that_matches_one_of_its_objects_is_a_merge():
    # IoU 8 / 10 with the first.
    assert seen("1111111122", "7777777777") == "MMMMMMMMMM"


def test_a_speck_is_missed_or_false_and_no_merge_or_split():
    assert seen("11111111112", "77777777777") == "++++++++++m"
    assert seen("11111111111", "77777777778") == "+++++++++.f"


def test_part_of_a_split_that_matches_is_a_part():
    assert seen("1111111111", "7777777888") == "SSSSSS.SSS"


def test_what_is_left_of_a_found_or_merged_object_is_not_missed():
    assert seen("11111.", ".7777.") == ".++++."
    assert seen("111222", ".7777.") == ".MMMM."


def test_pixels_that_do_not_count_show_nothing():
    valid = line("111000") > 0
    assert seen("111122", "777722", valid=valid) == "+++..."


def test_any_dimension_and_bool():
    truth = np.zeros((2, 3, 4), np.uint16)
    truth[0, :2], truth[1, 2] = 40_000, 3
    outcomes = object_outcomes(truth, truth > 40)
    assert outcomes.dtype == np.uint8
    assert outcomes.tolist() == np.where(truth > 40, 1, np.where(truth > 0, 3, 0)).tolist()
    # The slice with the most mistakes.
    assert slice_to_look_at(outcomes) == 1


def test_other_shapes_are_refused():
    with pytest.raises(InputError, match="shapes"):
        object_outcomes(line("11"), line("111"))


def test_colors_are_those_of_pixels_where_they_mean_the_same():
    assert list(OBJECT_OUTCOMES.values())[:3] == list(OUTCOMES.values())[:3]
    assert len(set(OBJECT_OUTCOMES.values())) == 5


def test_objects_have_the_color_of_the_true_one_that_they_cover_most():
    truth, predicted = line("1111.222.33"), line("777777...99")
    true, painted = paint_objects(truth, truth)[0], paint_objects(truth, predicted)[0]
    assert [true[i].tolist() for i in (0, 5, 9)] == [rgb(CLASSES[i]).tolist() for i in range(3)]
    assert painted[5].tolist() == rgb(CLASSES[0]).tolist()
    assert painted[10].tolist() == rgb(CLASSES[2]).tolist()
    assert not painted[7].any()
    assert paint_objects(truth * 0, truth)[0, 5].tolist() == rgb("#999999").tolist()
    assert not paint_objects(line("1122"), line("1122"))[0, 1].any()
