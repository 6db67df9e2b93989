"""Lengths in the units of files, and resolutions that are none."""

from __future__ import annotations

import math

import pytest

from unetscope.io._units import print_default, to_length


@pytest.mark.parametrize(
    ("size", "unit", "length"),
    [
        (2, "nm", (0.002, "µm")),
        (2, "Å", (0.0002, "µm")),
        (2, "\u00b5m", (2, "µm")),
        (2, "\u03bcm", (2, "µm")),
        (2, " Micron ", (2, "µm")),
        (2, "millimeter", (2, "mm")),
        (2, "inch", (50.8, "mm")),
        (2e-6, "m", (2, "µm")),
    ],
)
def test_lengths(size, unit, length):
    found = to_length(size, unit)
    assert found is not None
    assert found == (pytest.approx(length[0]), length[1])


@pytest.mark.parametrize(
    ("size", "unit"),
    [(0, "mm"), (-1, "mm"), (math.nan, "mm"), (math.inf, "mm"), (1, "pixel"), (1, ""), (1, "s")],
)
def test_what_is_no_length(size, unit):
    assert to_length(size, unit) is None


@pytest.mark.parametrize("dpi", [72, 96, 150, 300, 600])
def test_defaults_of_screens_and_printers(dpi):
    meter = round(dpi / 0.0254)
    for spacing, units in (((25.4 / dpi,) * 2, "mm"), ((1e6 / meter,) * 2, "µm")):
        note = print_default(spacing, units)
        assert note is not None
        assert f"Its {dpi} dots per inch" in note


@pytest.mark.parametrize("spacing", [(0.1, 0.1), (25.4 / 72, 25.4 / 96), (25.4 / 25400,) * 2, (0.35, 0.35)])
def test_other_resolutions_are_believed(spacing):
    assert print_default(spacing, "mm") is None
