from __future__ import annotations

import math

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.evaluation import Report, pair_reports, score_image


def score(name, found, size=10, **settings):
    """One object of `size` pixels, of which `found` are found: recall found/size, precision 1."""
    truth = np.arange(20)[np.newaxis] < size
    return score_image(name, truth, truth & (np.arange(20)[np.newaxis] < found), **settings)


def test_differences_are_taken_image_by_image():
    first = Report((score("a", 2), score("b", 4), score("c", 6)))
    second = Report((score("c", 7), score("a", 4), score("b", 4)))
    paired = pair_reports(first, second)
    recall = paired.differences["recall"]
    assert (paired.names, paired.left_out) == (("a", "b", "c"), ())
    assert recall.first == (pytest.approx(0.4), pytest.approx(np.std([0.2, 0.4, 0.6])))
    assert recall.second == (pytest.approx(0.5), pytest.approx(np.std([0.4, 0.4, 0.7])))
    assert recall.mean == pytest.approx(np.mean([0.2, 0.0, 0.1]))
    assert recall.std == pytest.approx(np.std([0.2, 0.0, 0.1]))
    assert recall.n == 3
    assert list(paired.differences) == list(first.columns)


def test_only_images_of_both_count_and_the_others_are_named():
    first = Report((score("a", 2), score("b", 4), score("other mask", 5)))
    second = Report((score("b", 5), score("c", 9), score("other mask", 5, size=12)))
    paired = pair_reports(first, second)
    assert paired.names == ("b",)
    assert paired.left_out == ("a", "other mask", "c")
    assert paired.differences["recall"].mean == pytest.approx(0.1)


def test_undefined_distances_are_left_out():
    first = Report((score("a", 0), score("b", 10)))
    second = Report((score("a", 10), score("b", 10)))
    assert pair_reports(first, second).differences["hausdorff95"].n == 1
    nothing = pair_reports(Report((score("a", 0),)), second).differences["hausdorff95"]
    assert (nothing.n, math.isnan(nothing.mean)) == (0, True)


def test_a_score_of_one_report_alone_is_not_compared():
    without = Report((score("a", 5, surface=False),))
    assert "hausdorff95" not in pair_reports(without, Report((score("a", 5),))).differences


def test_nothing_in_common_is_refused():
    with pytest.raises(InputError, match="no image in common"):
        pair_reports(Report((score("a", 2),)), Report((score("b", 2),)))


def test_names_must_tell_images_apart():
    with pytest.raises(InputError, match="2 images of the report are called a;"):
        pair_reports(Report((score("a", 2), score("a", 3))), Report((score("a", 2),)))


def test_units_are_not_mixed():
    with pytest.raises(InputError, match="in pixel and mm"):
        pair_reports(Report((score("a", 5),)), Report((score("a", 5, units="mm"),)))
