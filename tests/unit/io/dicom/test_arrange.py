"""Planes into stacks: sorted in space and time, checked, placed; and series parted into stacks."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.io.dicom.arrange import arrange
from unetscope.io.dicom.plane import Plane
from unetscope.io.dicom.split import split_stacks

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def plane(name="a", position=(0, 0, 0), orientation=AXIAL, *, frame=None, clocks=None, **other) -> Plane:
    facts = {
        "kind": ("series",),
        "shape": (4, 6),
        "dtype": np.dtype(np.int16),
        "spacing": (0.5, 0.25),
    } | other
    return Plane(
        Path(f"{name}.dcm"), frame, position=position, orientation=orientation, clocks=clocks or {}, **facts
    )


def stack(depths, **other) -> list[Plane]:
    return [plane(f"{i:02}", (0, 0, z), **other) for i, z in enumerate(depths)]


def series(depths, times, clock="TriggerTime") -> list[Plane]:
    """One plane per time and depth; its name tells both: ``t1z0``."""
    return [
        plane(f"t{t}z{z}", (0, 0, depth), clocks={clock: time})
        for t, time in enumerate(times)
        for z, depth in enumerate(depths)
    ]


def names(arrangement) -> list[list[str]]:
    return [[plane.path.stem for plane in row] for row in arrangement.planes]


def test_slices_are_sorted_along_the_normal():
    arrangement = arrange(stack([6, 0, 4, 2]))
    assert names(arrangement) == [["01", "03", "02", "00"]]
    assert (arrangement.axes, arrangement.shape, arrangement.units) == ("ZYX", (4, 4, 6), "mm")
    assert arrangement.spacing == (2, 0.5, 0.25)
    np.testing.assert_array_equal(arrangement.affine @ [3, 2, 1, 1], [0.25, 1, 6, 1])


def test_an_order_of_files_changes_nothing():
    planes = series([0, 3, 6], [1.0, 2.0])
    expected = arrange(planes)
    shuffled = random.Random(0).sample(planes, len(planes))
    assert arrange(shuffled).planes == expected.planes


def test_the_normal_decides_and_not_z():
    turned = (0, 0, -1, 1, 0, 0)
    places = [(0, 5, 0), (0, 0, 0), (0, 2.5, 0)]
    arrangement = arrange([plane(f"{i}", place, turned) for i, place in enumerate(places)])
    # row × column = (0, 0, −1) × (1, 0, 0) = (0, −1, 0): the slice with the largest y comes first.
    assert names(arrangement) == [["0", "2", "1"]]
    step, down, across = arrangement.affine[:3, :3].T
    assert np.cross(across, down) @ step > 0
    np.testing.assert_array_equal(arrangement.affine[:, 0], [0, -2.5, 0, 0])
    assert arrangement.origin == (-5, 0, 0)


def test_one_plane_has_a_place_too():
    arrangement = arrange([plane(position=(1, 2, 3), thickness=5.0)])
    assert (arrangement.axes, arrangement.spacing, arrangement.origin) == ("YX", (0.5, 0.25), (2, 1))
    np.testing.assert_array_equal(arrangement.affine @ [1, 2, 4, 1], [2, 3, 8, 1])


def test_rounded_directions_and_positions_are_one_stack():
    rng = np.random.default_rng(0)
    planes = [
        plane(
            f"{i}", (0.004 * (-1) ** i, 0, round(0.7 * i, 2)), tuple(np.array(AXIAL) + rng.normal(0, 1e-5, 6))
        )
        for i in range(20)
    ]
    arrangement = arrange(planes)
    assert arrangement.spacing[0] == pytest.approx(0.7, rel=1e-3)
    assert arrangement.notes == ()


@pytest.mark.parametrize(
    ("clock", "name"),
    [("TriggerTime", "trigger time"), ("EchoTime", "echo time"), ("DiffusionBValue", "b-value")],
)
def test_planes_at_one_place_are_told_apart_by_a_clock(clock, name):
    arrangement = arrange(series([0, 5], [30.0, 10.0, 20.0], clock))
    assert names(arrangement) == [["t1z0", "t1z1"], ["t2z0", "t2z1"], ["t0z0", "t0z1"]]
    assert (arrangement.axes, arrangement.shape) == ("TZYX", (3, 2, 4, 6))
    assert arrangement.clock == name
    assert arrangement.notes == (f"The 3 time points are told apart by {name}",)


def test_the_first_clock_that_runs_everywhere_counts():
    planes = [
        plane(f"{i}", clocks={"TriggerTime": 0.0, "EchoTime": echo, "InstanceNumber": float(-i)})
        for i, echo in enumerate([2.0, 1.0, 3.0])
    ]
    arrangement = arrange(planes)
    assert names(arrangement) == [["1"], ["0"], ["2"]]
    assert (arrangement.axes, arrangement.clock) == ("TYX", "echo time")


def test_trigger_times_may_differ_from_slice_to_slice():
    planes = [
        plane(f"t{t}z{z}", (0, 0, z), clocks={"TriggerTime": 100.0 * t + z, "InstanceNumber": 1.0})
        for t in range(3)
        for z in range(2)
    ]
    assert names(arrange(planes)) == [["t0z0", "t0z1"], ["t1z0", "t1z1"], ["t2z0", "t2z1"]]


def test_two_clocks_together():
    planes = [
        plane(f"t{t}e{e}", clocks={"TemporalPositionIdentifier": float(t), "EchoTime": float(e)})
        for e in range(2)
        for t in range(2)
    ]
    arrangement = arrange(planes)
    assert names(arrangement) == [["t0e0"], ["t0e1"], ["t1e0"], ["t1e1"]]
    assert arrangement.clock == "temporal position and echo time"


def test_a_clock_that_would_mix_b_values_is_not_used():
    # Two directions at b = 1000, reconstructed in another order at the second slice.
    b_values = [0.0, 1000.0, 1000.0]
    content = {0: [1.0, 2.0, 3.0], 1: [3.0, 1.0, 2.0]}
    planes = [
        plane(
            f"d{d}z{z}",
            (0, 0, z),
            clocks={"DiffusionBValue": b, "ContentTime": content[z][d], "InstanceNumber": 10.0 * d + z},
        )
        for z in range(2)
        for d, b in enumerate(b_values)
    ]
    arrangement = arrange(planes)
    assert arrangement.clock == "instance number"
    assert names(arrangement) == [["d0z0", "d0z1"], ["d1z0", "d1z1"], ["d2z0", "d2z1"]]


def test_the_same_slice_twice_is_refused():
    planes = series([0, 5], [1.0, 1.0])
    with pytest.raises(InputError, match=r"t0z0\.dcm and t1z0\.dcm lie at the same place.*remove files"):
        arrange(planes)


def test_copies_are_left_out_with_a_note():
    planes = [
        plane("a", (0, 0, 0), uid="1"),
        plane("b", (0, 0, 2), uid="2"),
        plane("a-copy", (0, 0, 0), uid="1"),
    ]
    arrangement = arrange(planes)
    assert names(arrangement) == [["a", "b"]]
    assert arrangement.notes == ("Left out: 1 file that is a copy of another",)


def test_one_uid_for_all_files_does_not_make_them_copies():
    assert arrange(stack([0, 2, 4], uid="1")).shape == (3, 4, 6)


def test_uneven_repetition_is_counted():
    planes = series([0, 5], [1.0, 2.0])
    with pytest.raises(
        InputError, match=r"last\.dcm .* 3 slice positions, 1 with 1 plane and 2 with 2 planes"
    ):
        arrange([*planes, plane("last", (0, 0, 10), clocks={"TriggerTime": 1.0})])


def test_missing_slices_are_named():
    with pytest.raises(InputError, match=r"missing between 02\.dcm and 03\.dcm, .* 4 mm apart .* 2 mm"):
        arrange(stack([0, 2, 4, 8, 10]))


def test_uneven_slices_are_named():
    with pytest.raises(InputError, match=r"unevenly: 01\.dcm and 02\.dcm, .* 2\.2 mm"):
        arrange(stack([0, 2, 4.2, 6.2]))


def test_overlapping_slices_are_fine():
    arrangement = arrange(stack([0, 1, 2], thickness=5.0))
    assert arrangement.spacing[0] == 1
    assert arrangement.notes == ()


def test_a_tilted_gantry_is_kept_and_noted():
    planes = [plane(f"{i}", (0, 2 * i * np.tan(np.radians(15)), 2 * i)) for i in range(5)]
    arrangement = arrange(planes)
    assert arrangement.spacing == pytest.approx((2, 0.5, 0.25))
    assert "tilted by 15.0°" in arrangement.notes[0]
    for z, each in enumerate(planes):
        np.testing.assert_allclose(arrangement.affine @ [z, 0, 0, 1], [*each.position, 1], atol=1e-12)


def test_a_slice_beside_the_others_is_refused():
    planes = [*stack([0, 2, 6, 8]), plane("odd", (3, 0, 4))]
    with pytest.raises(InputError, match=r"odd\.dcm lies 3 mm beside"):
        arrange(planes)


def test_neighbors_in_one_plane_are_no_time_points():
    planes = [
        plane(f"{side}{z}", (side, 0, z), clocks={"InstanceNumber": 10.0 * side + z})
        for side in (0, 100)
        for z in (0, 1)
    ]
    with pytest.raises(InputError, match="lie in one plane, but 100 mm apart sideways"):
        arrange(planes)


def test_without_positions_the_instance_numbers_count():
    planes = [
        plane(name, None, clocks={"InstanceNumber": number}, thickness=1.5)
        for name, number in [("c", 3.0), ("a", 1.0), ("b", 2.0)]
    ]
    arrangement = arrange(planes)
    assert names(arrangement) == [["a", "b", "c"]]
    assert (arrangement.spacing, arrangement.units, arrangement.affine) == ((1.5, 0.5, 0.25), "mm", None)
    assert "no positions" in arrangement.notes[0]


def test_without_distances_all_is_in_pixels():
    numbers = [{"InstanceNumber": 1.0}, {"InstanceNumber": 2.0}]
    arrangement = arrange([plane(f"{i}", None, clocks=clocks) for i, clocks in enumerate(numbers)])
    assert (arrangement.spacing, arrangement.units) == ((1, 1, 1), "pixel")
    arrangement = arrange(stack([0, 2], spacing=None))
    assert (arrangement.spacing, arrangement.units, arrangement.affine) == ((1, 1, 1), "pixel", None)


def test_nothing_to_sort_by():
    with pytest.raises(InputError, match="neither slice positions nor distinct instance numbers"):
        arrange([plane("a", None), plane("b", None)])


def test_a_broken_orientation_gives_no_place():
    planes = stack([0, 2], orientation=(0.0,) * 6)
    with pytest.raises(InputError, match="neither slice positions"):
        arrange(planes)


def test_frames_without_positions_stay_as_they_are():
    frames = [plane("film", None, frame=i, clocks={"InstanceNumber": i + 1.0}) for i in range(3)]
    assert arrange(frames).axes == "ZYX"
    timed = [plane("film", None, frame=i, clocks={"FrameTime": 40.0 * i}) for i in range(3)]
    arrangement = arrange(timed)
    assert (arrangement.axes, arrangement.clock, arrangement.spacing) == ("TYX", "frame time", (0.5, 0.25))


def test_frames_are_named_by_their_number():
    frames = [plane("film", (0, 0, z), frame=i) for i, z in enumerate([0, 2, 4, 8])]
    with pytest.raises(InputError, match=r"film\.dcm: frames 3 and 4"):
        arrange(frames)


def test_types_of_values_are_joined():
    planes = [plane("a", (0, 0, 0)), plane("b", (0, 0, 1), dtype=np.dtype(np.float32))]
    assert arrange(planes).dtype == np.float32
    planes[0] = plane("a", (0, 0, 0), dtype=np.dtype(np.uint16))
    planes[1] = plane("b", (0, 0, 1))
    assert arrange(planes).dtype == np.int32


def test_color():
    arrangement = arrange(stack([0, 1], color=True))
    assert (arrangement.axes, arrangement.shape) == ("CZYX", (3, 2, 4, 6))


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"orientation": SAGITTAL}, "orientation"),
        ({"shape": (8, 6)}, "size or kind of pixels"),
        ({"kind": ("other",)}, "size or kind of pixels"),
        ({"spacing": (1.0, 1.0)}, "pixel spacing"),
        ({"position": None}, "having a position"),
        ({"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}, "being a localizer"),
    ],
)
def test_what_sets_planes_apart(other, difference):
    planes = [*stack([0, 1, 2]), plane("odd", **{"position": (0, 0, 3)} | other)]
    stacks = split_stacks(planes)
    assert [(len(group), why) for group, why in stacks] == [(3, (difference,)), (1, (difference,))]
    with pytest.raises(InputError, match=difference):
        arrange(planes)


def test_image_types_are_parted_where_each_covers_all_positions():
    magnitude = stack([0, 1, 2], image_type=("ORIGINAL", "PRIMARY", "M"))
    phase = stack([0, 1, 2], image_type=("ORIGINAL", "PRIMARY", "P"))
    assert [len(group) for group, _ in split_stacks(magnitude + phase)] == [3, 3]
    # One slice was derived in another way: no reason to tear the stack apart.
    assert len(split_stacks([*magnitude[:2], phase[2]])) == 1


def test_thousands_of_orientations():
    angles = np.linspace(0, np.pi, 5000)
    turned = [(np.cos(a), np.sin(a), 0.0, 0.0, 0.0, 1.0) for a in angles]
    stacks = split_stacks([plane(f"{i}", orientation=each) for i, each in enumerate(turned)])
    # Neighbors differ by less than the tolerance, every second one is a group of its own.
    assert 1000 < len(stacks) < 5000
