"""The same number for the same object over time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unetscope.inference.linking import link_frames


def series(*rows: str) -> np.ndarray:
    """One row of digits per time point."""
    return np.array([[int(digit) for digit in row] for row in rows], np.int32)[:, np.newaxis]


@pytest.mark.parametrize(
    ("given_labels", "expected"),
    [
        (("1100220", "2200110"), ("1100220", "1100220")),
        # One moves, one is new, one leaves.
        (("1110000", "0111022"), ("1110000", "0111022")),
        (("1110022", "0220000"), ("1110022", "0110000")),
        # Of a cell that divides, the larger daughter keeps the number.
        (("1111110", "1112200"), ("1111110", "1112200")),
        (("1111110", "1122220"), ("1111110", "2211110")),
        # Missed for a while.
        (("110", "000", "110"), ("110", "000", "220")),
        # A touch of one pixel in eleven is no overlap.
        (("111111000000", "000002222222"), ("111111000000", "000002222222")),
        (("0", "0"), ("0", "0")),
    ],
)
def test_objects_keep_their_number(given_labels: tuple[str, ...], expected: tuple[str, ...]) -> None:
    np.testing.assert_array_equal(link_frames(series(*given_labels)), series(*expected))


def test_a_number_is_never_used_for_two_objects() -> None:
    linked = link_frames(series("1100000", "0000011", "1100000"))
    np.testing.assert_array_equal(linked, series("1100000", "0000022", "3300000"))


@given(hnp.arrays(np.int32, (3, 4, 5), elements=st.integers(0, 4)))
def test_linking_only_renames(labels: np.ndarray) -> None:
    linked = link_frames(labels)
    for before, after in zip(labels, linked, strict=True):
        pairs = set(zip(before.ravel().tolist(), after.ravel().tolist(), strict=True))
        assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
        np.testing.assert_array_equal(before == 0, after == 0)
