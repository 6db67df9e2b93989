"""Layers and images: nothing is lost on the way, and results lie on their source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer
from napari.layers import Labels, Points
from napari.utils._proxies import PublicOnlyProxy

from unetscope._napari.layers.layer import add_layer, image_of, is_ours, layer_data, replace_data
from unetscope._napari.layers.place import axes_of, shape_of
from unetscope.errors import InputError
from unetscope.io import Image, Source

SIZES = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}
ALL_AXES = [
    "".join(axis for axis, kept in zip("TCZ", keep, strict=True) if kept) + "YX"
    for keep in product([False, True], repeat=3)
]


def ramp(axes: str, dtype: str = "uint16") -> np.ndarray[Any, Any]:
    shape = [SIZES[axis] for axis in axes]
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def layer_of(image: Image, *, kind: Any = "image") -> Any:
    data, options, kind = layer_data(image, kind=kind)
    return {"image": ImageLayer, "labels": Labels}[kind](data, **options)


def corners(layer: Any) -> np.ndarray[Any, Any]:
    """World coordinates of the corners of the first and the last pixel of each axis."""
    ends = [(-0.5, n - 0.5) for n in shape_of(layer)]
    return np.array([layer.data_to_world(corner) for corner in product(*ends)])


def assert_same(one: Image, other: Image) -> None:
    for field in fields(Image):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name in {"data", "affine", "levels"}:
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=field.name)
        else:
            assert a == b, field.name
    assert one.data.dtype == other.data.dtype


@st.composite
def images(draw: st.DrawFn) -> Image:
    axes = draw(st.sampled_from(ALL_AXES))
    dtype = draw(st.sampled_from(["bool", "uint8", "int16", "uint16", "int32", "float32", "float64"]))
    count = len(axes.translate(str.maketrans("", "", "TC")))
    step = st.floats(1e-3, 1e3)
    place = st.floats(-1e4, 1e4)
    names: tuple[str, ...] = ()
    if "C" in axes:
        names = draw(st.sampled_from([("red", "green", "blue"), ("DAPI", "GFP", "tubulin")]))
    window = draw(st.none() | st.tuples(st.floats(-100, 100), st.floats(1, 1000)))
    affine = draw(st.none() | st.just(np.diag([2.0, 3.0, 4.0, 1.0])))
    return Image(
        ramp(axes, dtype),
        axes,
        tuple(draw(st.lists(step, min_size=count, max_size=count))),
        tuple(draw(st.lists(place, min_size=count, max_size=count))),
        draw(st.sampled_from(["mm", "µm", "pixel"])),
        names,
        Source(Path("a.dcm"), "dicom", "someone", window, {"modality": "MR"}, (), ("A note.",)),
        affine,
    )


@given(images())
@settings(max_examples=80, deadline=None)
def test_an_image_is_the_same_after_it_was_a_layer(image: Image) -> None:
    assert_same(image_of(layer_of(image)), image)


@given(images())
@settings(max_examples=30, deadline=None)
def test_labels_are_the_same_after_they_were_a_layer(image: Image) -> None:
    labels = image.with_data(ramp(image.axes.replace("C", "")), axes=image.axes.replace("C", ""))
    assert_same(image_of(layer_of(labels, kind="labels")), labels)


@st.composite
def transforms(draw: st.DrawFn, axes: str) -> dict[str, Any]:
    """All ways in which napari moves a layer; time and channels are not mixed with space."""
    ndim, spatial = len(axes), len(set(axes) & set("ZYX"))
    lead = ndim - spatial

    def whole(matrix: Any) -> Any:
        full = np.eye(ndim)
        full[lead:, lead:] = matrix
        return full

    def lists(values: st.SearchStrategy[float], size: int) -> Any:
        return draw(st.lists(values, min_size=size, max_size=size))

    entries = np.reshape(lists(st.floats(-1, 1), spatial**2), (spatial, spatial))
    turn, _ = np.linalg.qr(entries + 3 * np.eye(spatial))
    shear = np.eye(spatial)
    shear[np.triu_indices(spatial, 1)] = lists(st.floats(-0.5, 0.5), spatial * (spatial - 1) // 2)
    affine = np.eye(ndim + 1)
    affine[lead:-1, lead:-1] += np.diag(lists(st.floats(0, 2), spatial))
    affine[lead:-1, -1] = lists(st.floats(-50, 50), spatial)
    return {
        "scale": lists(st.floats(0.1, 10) | st.floats(-10, -0.1), ndim),
        "translate": lists(st.floats(-100, 100), ndim),
        "rotate": whole(turn),
        "shear": whole(shear),
        "affine": affine,
        "units": ["pixel"] * lead + [draw(st.sampled_from(["mm", "micrometer", "nm", "pixel"]))] * spatial,
    }


@st.composite
def moved_layers(draw: st.DrawFn) -> Any:
    axes = draw(st.sampled_from(["YX", "ZYX", "CYX", "TYX", "TZYX", "CZYX", "TCZYX", "XZY"]))
    options = draw(transforms(axes))
    labels = tuple(axes) if draw(st.booleans()) or axes in {"CYX", "TYX", "CZYX", "XZY"} else None
    return ImageLayer(ramp(axes), axis_labels=labels, name="moved", **options)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@given(moved_layers())
@settings(max_examples=40, deadline=None)
def test_a_result_lies_exactly_on_its_source(layer: Any) -> None:
    image = image_of(layer)
    axes = image.axes.replace("C", "")
    labels = image.with_data(np.ones([SIZES[axis] for axis in axes], np.uint8), axes=axes)
    viewer = ViewerModel()
    viewer.add_layer(layer)
    result = add_layer(viewer, labels, kind="labels", name="labels", like=layer)
    shared = layer.ndim - result.ndim
    # An axis that was left out is one along which the corners of the source repeat.
    expected = {tuple(np.round(corner[shared:], 6) + 0.0) for corner in corners(layer)}
    assert {tuple(np.round(corner, 6) + 0.0) for corner in corners(result)} == expected
    again = image_of(result, axes=None if axes_known(result) else axes_of(layer)[shared:])
    np.testing.assert_array_equal(again.data, labels.data)
    np.testing.assert_allclose(again.spacing, image.spacing)
    np.testing.assert_allclose(again.origin, image.origin, atol=1e-6)
    assert again.units == image.units
    assert result.units == layer.units[shared:]


def axes_known(layer: Any) -> bool:
    return not layer.axis_labels[-1].startswith("-")


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
@given(moved_layers(), st.sampled_from([(1, 2, 1), (2, 1, 3)]), st.sampled_from([0.5, 1.0, 2.0]))
@settings(max_examples=25, deadline=None)
def test_a_crop_or_another_resolution_keeps_its_place(
    layer: Any, start: tuple[int, int, int], zoom: float
) -> None:
    image = image_of(layer)
    first = dict(zip("ZYX", start, strict=True))
    spatial = image.spatial_axes
    part = Image(
        np.ones([1 if axis in "TC" else 2 for axis in image.axes], np.float32),
        image.axes,
        tuple(step * zoom for step in image.spacing),
        tuple(o + first[a] * s for a, o, s in zip(spatial, image.origin, image.spacing, strict=True)),
        image.units,
    )
    viewer = ViewerModel()
    viewer.add_layer(layer)
    result = add_layer(viewer, part, name="part", like=layer)
    axes = axes_of(layer)
    for index in product([0, 1], repeat=layer.ndim):
        there = [i if axis in "TC" else first[axis] + zoom * i for axis, i in zip(axes, index, strict=True)]
        if any(i and axis in "TC" for axis, i in zip(axes, index, strict=True)):
            continue
        np.testing.assert_allclose(result.data_to_world(index), layer.data_to_world(there), atol=1e-6)


def test_anisotropic_shifted_layers_have_spacing_origin_and_units() -> None:
    layer = ImageLayer(ramp("ZYX"), scale=(2, 0.5, 0.5), translate=(10, 20, 30), units="nm", name="stack")
    image = image_of(layer)
    assert (image.axes, image.units, image.name) == ("ZYX", "µm", "stack")
    np.testing.assert_allclose(image.spacing, (0.002, 0.0005, 0.0005))
    np.testing.assert_allclose(image.origin, (0.01, 0.02, 0.03))


@pytest.mark.parametrize(
    ("units", "expected", "factors"),
    [
        (("mm", "micrometer"), "µm", (1000, 1)),
        (("cm", "cm"), "mm", (10, 10)),
        (("pixel", "mm"), "pixel", (1, 1)),
        (("second", "second"), "pixel", (1, 1)),
    ],
)
def test_units_become_one_length(units: Any, expected: str, factors: tuple[float, float]) -> None:
    image = image_of(ImageLayer(ramp("YX"), units=units, scale=(2, 3)))
    assert image.units == expected
    np.testing.assert_allclose(image.spacing, np.multiply(factors, (2, 3)))


@pytest.mark.parametrize("colors", [3, 4])
def test_rgb_becomes_channels_without_transparency(colors: int) -> None:
    data = np.arange(5 * 6 * colors, dtype=np.uint8).reshape(5, 6, colors)
    image = image_of(ImageLayer(data, rgb=True))
    assert (image.axes, image.channels) == ("CYX", ("red", "green", "blue"))
    np.testing.assert_array_equal(image.data, np.moveaxis(data[..., :3], -1, 0))
    assert image.source.tags.get("alpha") == (None if colors == 3 else "dropped")


def test_labels_on_an_rgb_series_lie_on_it(viewer_model: Any) -> None:
    data = np.zeros((4, 5, 6, 3), np.uint8)
    layer = viewer_model.add_image(data, rgb=True, scale=(1, 2, 3), axis_labels=("t", "y", "x"))
    image = image_of(layer)
    assert image.axes == "TCYX"
    labels = image.with_data(np.ones((4, 5, 6), np.uint8), axes="TYX")
    result = add_layer(viewer_model, labels, kind="labels", name="labels", like=layer)
    np.testing.assert_array_equal(corners(result), corners(layer))
    assert result.axis_labels == ("t", "y", "x")


def test_labels_without_channels_show_on_every_channel(viewer_model: Any) -> None:
    layer = viewer_model.add_image(ramp("TCYX"), axis_labels=("T", "C", "Y", "X"), scale=(1, 2, 1, 1))
    labels = image_of(layer).with_data(ramp("TYX") + 1, axes="TYX")
    result = add_layer(viewer_model, labels, kind="labels", name="labels", like=layer)
    for time, channel in product(range(2), range(3)):
        viewer_model.dims.point = (time, 2 * channel, 0, 0)
        value = result.get_value((time, 2 * channel, 3, 4), world=True)
        assert value == labels.data[time, 3, 4]
    assert_same(image_of(result), labels)


@pytest.mark.parametrize("labels", [("z", "y", "x"), None])
def test_probabilities_get_an_axis_of_their_own(viewer_model: Any, labels: tuple[str, ...] | None) -> None:
    named = {"axis_labels": labels} if labels else {}
    layer = viewer_model.add_image(ramp("ZYX"), scale=(3, 1, 1), rotate=30, **named)
    image = image_of(layer)
    probabilities = image.with_data(np.zeros((2, 4, 5, 6), np.float32), axes="CZYX")
    result = add_layer(viewer_model, probabilities, name="probability", like=layer)
    assert result.axis_labels == ("C", *(labels or "ZYX"))
    assert image_of(result).axes == "CZYX"
    np.testing.assert_allclose(result.data_to_world((1, 2, 3, 4))[1:], layer.data_to_world((2, 3, 4)))


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_a_plane_of_a_turned_stack_spans_it(viewer_model: Any) -> None:
    turn = np.array([[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]])
    layer = viewer_model.add_image(ramp("ZYX"), rotate=turn, scale=(3, 1, 1))
    plane = image_of(layer).take("Z", 0)
    result = add_layer(viewer_model, plane, name="plane", like=layer)
    assert result.data.shape == (1, 5, 6)
    np.testing.assert_allclose(corners(result), corners(layer))


def test_axes_are_named_by_the_caller_then_by_labels_then_guessed() -> None:
    layer = ImageLayer(ramp("CYX"), axis_labels=("channel", "row", "column"))
    assert image_of(layer).axes == "CYX"
    assert image_of(layer, axes="tyx").axes == "TYX"
    assert image_of(ImageLayer(ramp("CYX"))).axes == "ZYX"
    assert image_of(ImageLayer(ramp("YX"))).axes == "YX"
    assert image_of(ImageLayer(ramp("TZYX"))).axes == "TZYX"
    assert image_of(ImageLayer(ramp("TCZYX"))).axes == "TCZYX"


def test_unnamed_axes_keep_their_place_in_the_result(viewer_model: Any) -> None:
    layer = viewer_model.add_image(ramp("TYX"), translate=(5, 0, 0))
    labels = image_of(layer, axes="TYX").with_data(np.ones((2, 5, 6), np.uint8))
    result = add_layer(viewer_model, labels, kind="labels", name="labels", like=layer)
    np.testing.assert_array_equal(corners(result), corners(layer))


@pytest.mark.parametrize("axes", ["YX", "ZZYX", "ZYC", "ZYQ"])
def test_wrong_axes_are_refused_with_the_name_of_the_layer(axes: str) -> None:
    with pytest.raises(InputError, match="'stack'"):
        image_of(ImageLayer(ramp("ZYX"), name="stack"), axes=axes)


def test_other_layers_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="'spots' is a Points layer"):
        image_of(Points(np.zeros((2, 2)), name="spots"))
    with pytest.raises(InputError, match="has 6 axes"):
        image_of(ImageLayer(np.zeros((1, 1, 1, 1, 2, 2))))


def test_several_levels_and_data_on_disk_stay_what_they_are() -> None:
    fine = dask.array.from_array(ramp("CYX"), chunks=(1, 5, 6))
    image = Image(fine, "CYX", levels=(fine[:, ::2, ::2],))
    layer = layer_of(image)
    assert layer.multiscale
    again = image_of(layer)
    assert hasattr(again.data, "__dask_graph__")
    assert_same(again, image)


def test_arrays_of_other_libraries_stay_on_disk() -> None:
    import zarr

    stored = zarr.array(ramp("YX"))
    image = image_of(ImageLayer(stored))
    assert hasattr(image.data, "__dask_graph__")
    np.testing.assert_array_equal(image.load().data, ramp("YX"))


def test_labels_painted_on_any_channel_count() -> None:
    data = np.zeros((3, 5, 6), np.uint8)
    data[0, 1, 1], data[2, 2, 2], data[1, 2, 2] = 1, 2, 2
    names = ("C", "Y", "X")
    labels = image_of(Labels(data, axis_labels=names))
    assert labels.axes == "YX"
    assert (labels.data[1, 1], labels.data[2, 2], labels.data.sum()) == (1, 2, 3)
    data[1, 1, 1] = 3
    with pytest.raises(InputError, match="different labels in different channels"):
        image_of(Labels(data, axis_labels=names))


def test_the_window_becomes_contrast_limits() -> None:
    image = Image(ramp("YX", "int16"), "YX", source=Source(window=(40, 400)))
    assert layer_of(image).contrast_limits == [-160, 240]


def test_the_place_in_the_patient_moves_with_the_layer() -> None:
    affine = np.array([[0, 0, 2.0, 5], [0, 3.0, 0, 6], [4.0, 0, 0, 7], [0, 0, 0, 1]])
    image = Image(ramp("ZYX"), "ZYX", (4, 3, 2), (7, 6, 5), "mm", source=Source(Path("a")), affine=affine)
    layer = layer_of(image)
    assert image_of(layer).affine is affine
    layer.translate += np.array([8, 0, 2])
    moved = image_of(layer).affine
    assert moved is not None
    np.testing.assert_allclose(moved[:3, 3], (7, 6, 15))
    np.testing.assert_allclose(moved[:3, :3], affine[:3, :3])
    layer.rotate = 10
    assert image_of(layer).affine is None


def test_how_the_viewer_shows_a_layer_changes_nothing(viewer_model: Any) -> None:
    layer = viewer_model.add_image(ramp("TZYX"), scale=(1, 3, 2, 1), axis_labels=("T", "Z", "Y", "X"))
    flat = viewer_model.add_image(ramp("YX"), scale=(2, 1))
    before = image_of(layer), image_of(flat)
    viewer_model.dims.ndisplay = 3
    viewer_model.dims.order = (0, 3, 2, 1)
    viewer_model.dims.set_point(0, 1)
    for one, other in zip(before, (image_of(layer), image_of(flat)), strict=True):
        assert_same(one, other)


def test_what_is_ours_is_known_and_copies_are_the_users(viewer_model: Any) -> None:
    image = Image(ramp("YX"), "YX")
    data, options, _ = layer_data(image, name="opened")
    opened = viewer_model.add_image(data, **options)
    ours = add_layer(PublicOnlyProxy(viewer_model), image, name="result")
    assert is_ours(ours)
    assert is_ours(viewer_model.layers["result"])
    assert not is_ours(opened)
    copy = viewer_model.add_layer(type(viewer_model.layers["result"])(*_copied(ours)))
    assert not is_ours(copy)
    with pytest.raises(InputError, match="'opened' belongs to the user"):
        replace_data(opened, image)


def _copied(layer: Any) -> tuple[Any]:
    data, _, _ = layer.as_layer_data_tuple()
    return (data,)


@pytest.mark.parametrize("make", [lambda v: v, PublicOnlyProxy])
def test_replaced_data_lie_where_they_belong(viewer_model: Any, make: Callable[[Any], Any]) -> None:
    viewer = make(viewer_model)
    source = viewer_model.add_image(ramp("ZYX"), scale=(3, 2, 1), rotate=20, axis_labels=("z", "y", "x"))
    image = image_of(source)
    layer = add_layer(viewer, image.with_data(ramp("ZYX") + 1), kind="labels", name="labels", like=source)
    seen: list[str] = []
    layer.events.scale.connect(lambda: seen.append("scale"))
    replace_data(layer, image.with_data(np.full((4, 5, 6), 7, np.uint16)))
    assert (layer.data == 7).all()
    assert not seen
    part = Image(np.ones((2, 5, 6), np.uint8), "ZYX", image.spacing, image.origin, image.units)
    replace_data(layer, part)
    np.testing.assert_allclose(layer.data_to_world((1, 2, 3)), source.data_to_world((1, 2, 3)))


def test_labels_have_no_channels(viewer_model: Any) -> None:
    with pytest.raises(InputError, match="3 channels"):
        add_layer(viewer_model, Image(ramp("CYX"), "CYX"), kind="labels", name="labels")


def test_results_without_a_common_unit_need_the_same_size(viewer_model: Any) -> None:
    layer = viewer_model.add_image(ramp("YX"), units="mm", scale=(3, 3), translate=(1, 1))
    same = add_layer(viewer_model, Image(ramp("YX"), "YX"), name="same", like=layer)
    np.testing.assert_array_equal(corners(same), corners(layer))
    with pytest.raises(InputError, match="2 × 2 pixels in pixel"):
        add_layer(viewer_model, Image(np.ones((2, 2)), "YX"), name="other", like=layer)
