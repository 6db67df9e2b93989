"""Prediction: values, axes, grids and messages."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.inference import Labeling, labels_from, object_maps, predict_image, predict_probabilities
from unetscope.inference.tiling import predict_logits
from unetscope.io.image import Image, Source
from unetscope.model import Model
from unetscope.network import UNet, network_for

Make = Callable[..., Model]


def _squares(shape: tuple[int, ...], *, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) > 0.5).astype(np.float32)


def test_labels_carry_the_values_of_the_masks(model: Make) -> None:
    data = _squares((5, 7))
    prediction = predict_image(model(values=(0, 255)), Image(data, "YX"))
    np.testing.assert_array_equal(prediction.labels.data, data * 255)
    assert prediction.labels.data.dtype == np.uint8
    np.testing.assert_allclose(prediction.probabilities.data, 1 / (1 + np.exp(-10 * (data - 0.5))), rtol=1e-5)
    assert prediction.probabilities.data.dtype == np.float32


def test_values_beyond_a_byte_and_below_zero_keep_their_numbers(model: Make) -> None:
    for value in (1000, -5, 70000):
        labels = predict_image(model(values=(0, value)), Image(np.ones((4, 4), np.float32), "YX")).labels
        assert (labels.data == value).all()


def test_threshold_is_the_models_unless_given(model: Make) -> None:
    image = Image(np.array([[0.0, 0.45, 0.5, 0.9]], np.float32), "YX")
    made = model()
    strict = Model(made.network, made.recipe, made.values, made.channels, threshold=0.9)
    assert predict_image(made, image).labels.data.tolist() == [[0, 0, 1, 1]]
    assert predict_image(strict, image).labels.data.tolist() == [[0, 0, 0, 1]]
    assert predict_image(strict, image, threshold=0.3).labels.data.tolist() == [[0, 1, 1, 1]]


@pytest.mark.parametrize("axes", ["YX", "CYX", "ZYX", "CZYX", "TYX", "TCYX", "TZYX", "TCZYX"])
def test_axes_of_the_image_without_channels(model: Make, axes: str) -> None:
    shape = tuple({"T": 3, "C": 2, "Z": 4, "Y": 5, "X": 6}[axis] for axis in axes)
    data = np.random.default_rng(0).random(shape).astype(np.float32)
    spatial = sum(axis in "ZYX" for axis in axes)
    spacing, origin = (2.0, 0.5, 0.25)[-spatial:], (-7.0, 1.0, 3.0)[-spatial:]
    image = Image(data, axes, spacing, origin, "mm", source=Source(group="p"))
    prediction = predict_image(model(channels=2 if "C" in axes else 1), image)
    gray = data.mean(axis=axes.index("C")) if "C" in axes else data
    np.testing.assert_array_equal(prediction.labels.data, gray >= 0.5)
    for result in (prediction.labels, prediction.probabilities):
        assert result.axes == axes.replace("C", "")
        assert (result.spacing, result.origin, result.units) == (spacing, origin, "mm")
        assert result.data.shape == gray.shape


@pytest.mark.parametrize("axes", ["ZYX", "TZYX", "CZYX"])
def test_a_volume_network_takes_volumes(model: Make, axes: str) -> None:
    data = _squares((3, 4, 5) if axes == "ZYX" else (2, 3, 4, 5))
    made = model("network.dimensions=3", channels=2 if "C" in axes else 1)
    labels = predict_image(made, Image(data, axes)).labels.data
    np.testing.assert_array_equal(labels, data.mean(axis=0) >= 0.5 if "C" in axes else data)


def test_a_plane_is_no_volume(model: Make) -> None:
    with pytest.raises(InputError, match="expected a volume for a 3D network"):
        predict_image(model("network.dimensions=3"), Image(np.zeros((8, 8), np.float32), "YX"))


MULTICLASS = ("target.kind=multiclass", "loss.kind=ce+dice")


@pytest.mark.parametrize(("axes", "shape"), [("YX", (4, 6)), ("ZYX", (2, 4, 6)), ("TYX", (2, 4, 6))])
def test_multiclass_has_one_map_per_class(model: Make, axes: str, shape: tuple[int, ...]) -> None:
    made = model(*MULTICLASS, values=(0, 100, 200), levels=(0.9, 0.1, 0.5))
    prediction = predict_image(made, Image(_squares(shape), axes))
    assert prediction.probabilities.axes == ("TCYX" if axes == "TYX" else "C" + axes)
    assert prediction.probabilities.channels == ("class 0", "class 100", "class 200")
    channel = prediction.probabilities.axes.index("C")
    np.testing.assert_allclose(prediction.probabilities.data.sum(axis=channel), 1, rtol=1e-5)
    # The lowest level has the highest logit everywhere.
    assert (prediction.labels.data == 100).all()


def test_outside_the_crop_is_background(model: Make) -> None:
    made = model(*MULTICLASS, "preprocess.crop=[2, 2]", values=(7, 100, 200), levels=(0.9, 0.1, 0.5))
    prediction = predict_image(made, Image(_squares((6, 6)), "YX"))
    expected = np.full((6, 6), 7)
    expected[2:4, 2:4] = 100
    np.testing.assert_array_equal(prediction.labels.data, expected)
    assert (prediction.probabilities.data[0][expected == 7] == 1).all()
    assert (prediction.probabilities.data[1:, expected == 7] == 0).all()


def test_outside_the_crop_is_no_object(model: Make) -> None:
    image = Image(np.ones((5, 6), np.float32), "YX")
    labels = predict_image(model("preprocess.crop=[2, 4]", values=(0, 255)), image).labels.data
    assert labels.sum() == 255 * 8
    assert (labels[1:3, 1:5] == 255).all()


def test_a_crop_larger_than_the_image_changes_nothing(model: Make) -> None:
    data = _squares((5, 6))
    labels = predict_image(model("preprocess.crop=[9, 16]"), Image(data, "YX")).labels.data
    np.testing.assert_array_equal(labels, data)


def test_a_resized_prediction_lies_on_the_image(model: Make) -> None:
    data = np.kron(_squares((4, 5)), np.ones((8, 8), np.float32))
    image = Image(data, "YX", (0.5, 0.5), (1.0, 2.0), "mm")
    labels = predict_image(model("preprocess.resize=[64, 80]"), image).labels
    np.testing.assert_array_equal(labels.data, data)
    assert (labels.spacing, labels.origin) == (image.spacing, image.origin)


def test_the_wrong_number_of_channels_is_one_sentence(model: Make) -> None:
    image = Image(np.zeros((3, 4, 4), np.uint8), "CYX", channels=("red", "green", "blue"))
    with pytest.raises(InputError) as caught:
        predict_image(model(), image)
    assert str(caught.value) == (
        "the array has 3 channels (red, green, blue); expected 1 (channel 0): "
        "convert the image to the kind that the model was trained on."
    )


def test_nan_pixels_are_refused(model: Make) -> None:
    with pytest.raises(InputError, match="1 of 4 pixels are NaN"):
        predict_image(model(), Image(np.array([[0, 1], [np.nan, 1]], np.float32), "YX"))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_mirroring_averages_over_all_mirrored_images(model: Make, dimensions: int) -> None:
    made = model(f"network.dimensions={dimensions}")
    # No longer symmetric: only the pixel after this one counts.
    weight = made.network.down[0][0].weight.data
    weight.zero_()
    weight[(..., *[2] * dimensions)] = 1
    data = np.random.default_rng(0).random((1, *[6] * dimensions)).astype(np.float32)
    mirrored = predict_probabilities(made.network, data, mirror=True)
    axes = range(1, dimensions + 1)
    flips = [[a for a in axes if number >> (a - 1) & 1] for number in range(2**dimensions)]
    each = [np.flip(predict_probabilities(made.network, np.flip(data, f).copy()), f) for f in flips]
    np.testing.assert_allclose(mirrored, np.mean(each, axis=0), atol=1e-6)
    flipped = predict_probabilities(made.network, np.flip(data, axis=2).copy(), mirror=True)
    np.testing.assert_allclose(np.flip(flipped, axis=2), mirrored, atol=1e-6)
    assert np.abs(mirrored - each[0]).max() > 0.1


def test_mirroring_changes_nothing_for_a_symmetric_network(model: Make) -> None:
    data = _squares((1, 6, 8))
    plain = predict_probabilities(model().network, data)
    np.testing.assert_allclose(predict_probabilities(model().network, data, mirror=True), plain, atol=1e-6)


def test_the_recipe_decides_on_mirroring(model: Make) -> None:
    results = []
    for mirror in ("false", "true"):
        made = model(f"prediction.mirror={mirror}")
        made.network.down[0][0].weight.data.zero_()
        made.network.down[0][0].weight.data[..., 1, 2] = 1
        results.append(predict_image(made, Image(_squares((6, 6)), "YX")).probabilities.data)
    assert np.abs(results[0] - results[1]).max() > 0.1


THREE = np.array(
    [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 1, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 1, 0],
    ],
    np.float32,
)


def test_instances_are_numbered_from_one(model: Make) -> None:
    made = model("target.kind=instances")
    labels = predict_image(made, Image(THREE, "YX")).labels.data
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(
        labels, [[1, 1, 0, 0, 0], [1, 1, 0, 2, 0], [0, 0, 3, 0, 0], [0, 0, 3, 3, 0]]
    )


def test_small_parts_are_removed_before_numbering(model: Make) -> None:
    made = model("target.kind=instances", "prediction.minimum_size=3")
    labels = predict_image(made, Image(THREE, "YX")).labels.data
    np.testing.assert_array_equal(
        labels, [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 2, 0, 0], [0, 0, 2, 2, 0]]
    )


def test_small_parts_of_a_class_become_background() -> None:
    maps = np.stack([1 - THREE, THREE]) * 0.9
    labels = labels_from(maps, Labeling("multiclass", (9, 4), 0.5, minimum_size=2))
    np.testing.assert_array_equal(labels == 4, THREE * (np.arange(20).reshape(4, 5) != 8) > 0)
    assert set(np.unique(labels)) == {4, 9}


@pytest.mark.parametrize("size", [0, 1])
def test_a_minimum_size_of_one_keeps_all(size: int) -> None:
    labels = labels_from(THREE[None], Labeling("binary", (0, 1), 0.5, minimum_size=size))
    np.testing.assert_array_equal(labels, THREE)


def test_an_image_without_objects(model: Make) -> None:
    for kind in ("binary", "instances"):
        made = model(f"target.kind={kind}", "prediction.minimum_size=5")
        assert not predict_image(made, Image(np.zeros((8, 9), np.float32), "YX")).labels.data.any()


def _speckles(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).random(shape).astype(np.float32)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("axes", ["YX", "TYX", "ZYX", "TZYX"])
@pytest.mark.parametrize("kind", ["binary", "instances"])
def test_another_threshold_gives_what_predicting_with_it_gives(
    model: Make, kind: str, axes: str, threshold: float
) -> None:
    made = model(f"target.kind={kind}", "prediction.minimum_size=2", values=(0, 255))
    image = Image(_speckles((2, 3, 6, 7)[-len(axes) :]), axes, units="mm")
    kept = predict_image(made, image).at(threshold)
    again = predict_image(made, image, threshold=threshold)
    np.testing.assert_array_equal(kept.labels.data, again.labels.data)
    assert kept.labels.data.dtype == again.labels.data.dtype
    assert (kept.labels.axes, kept.labels.units) == (axes, "mm")
    assert kept.labeling == again.labeling
    assert kept.labels.data.any()


def test_a_volume_of_a_volume_network_is_labeled_again(model: Make) -> None:
    made = model("network.dimensions=3", "target.kind=instances")
    image = Image(_speckles((4, 6, 8)), "ZYX")
    again = predict_image(made, image, threshold=0.7)
    np.testing.assert_array_equal(predict_image(made, image).at(0.7).labels.data, again.labels.data)
    assert again.labels.data.max() > 1


def test_several_classes_have_no_threshold(model: Make) -> None:
    made = model(*MULTICLASS, values=(0, 100, 200), levels=(0.9, 0.1, 0.5))
    image = Image(_squares((4, 6)), "YX")
    with pytest.raises(InputError, match="likeliest of 3 classes"):
        predict_image(made, image).at(0.5)
    with pytest.raises(InputError, match="likeliest of 3 classes"):
        predict_image(made, image, threshold=0.5)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0, float("nan")])
def test_a_threshold_is_a_probability(model: Make, threshold: float) -> None:
    prediction = predict_image(model(), Image(_squares((4, 6)), "YX"))
    with pytest.raises(InputError, match="expected a probability between 0 and 1"):
        prediction.at(threshold)


@pytest.mark.parametrize("settings", [(), ("prediction.mirror=true",)])
def test_progress_goes_from_nothing_to_almost_all(model: Make, settings: tuple[str, ...]) -> None:
    told: list[float] = []
    predict_image(model(*settings), Image(_squares((3, 8, 8)), "ZYX"), progress=told.append)
    # Down, below, up, merge, head; for three slices.
    assert len(told) == 5 * 3 * (4 if settings else 1)
    np.testing.assert_allclose(told, np.arange(len(told)) / len(told), atol=1e-12)


def test_what_progress_raises_stops_the_prediction(model: Make) -> None:
    made = model()
    image = Image(_squares((3, 8, 8)), "ZYX")

    def stop(done: float) -> None:
        if done > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_image(made, image, progress=stop)
    # Nothing of the watching is left in the network.
    predict_image(made, image)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")]
)
def test_too_little_memory_is_one_sentence(model: Make, error: Exception) -> None:
    def fail(done: float) -> None:
        raise error

    with pytest.raises(InputError) as caught:
        predict_image(model(), Image(_squares((3, 8, 8)), "ZYX"), progress=fail)
    assert str(caught.value) == (
        "there is not enough memory to segment the array (3 × 8 × 8); expected more free memory: "
        "close other programs, or segment parts of the image."
    )


def test_other_errors_are_not_blamed_on_memory(model: Make) -> None:
    def fail(done: float) -> None:
        raise RuntimeError("a mistake")

    with pytest.raises(RuntimeError, match="a mistake"):
        predict_image(model(), Image(_squares((8, 8)), "YX"), progress=fail)


DISKS = np.zeros((48, 64), np.float32)
for _center in ((14, 14), (14, 46), (34, 20), (32, 50)):
    DISKS[np.hypot(*np.ogrid[-_center[0] : 48 - _center[0], -_center[1] : 64 - _center[1]]) <= 8] = 1


@pytest.mark.parametrize("separate", ["boundary", "distance", "center"])
def test_guides_and_probabilities_lie_on_the_grid_of_the_image(model: Make, separate: str) -> None:
    settings = ("target.kind=instances", f"target.separate={separate}")
    made = model(*settings, *(("loss.kind=ce",) if separate == "boundary" else ()))
    network = network_for(made.recipe, 1, (0, 1), diameter=6.0).eval()
    made = replace(made, network=network)
    image = Image(np.random.default_rng(0).random((2, 20, 30)).astype(np.float32), "TYX", units="mm")
    prediction = predict_image(made, image)
    assert prediction.guides is not None
    for part in (prediction.probabilities, prediction.labels):
        assert (part.axes, part.data.shape, part.units) == ("TYX", (2, 20, 30), "mm")
    names = ("core", "offset Y", "offset X")[: 3 if separate == "center" else 1]
    assert (prediction.guides.axes, prediction.guides.channels) == ("TCYX", names)
    assert (prediction.guides.data.shape, prediction.guides.units) == ((2, len(names), 20, 30), "mm")
    maps = predict_probabilities(made.predictor, image.data[0][np.newaxis])
    maps = object_maps(maps, made.recipe.target)
    np.testing.assert_allclose(prediction.probabilities.data[0], maps[0], rtol=1e-6)
    np.testing.assert_allclose(prediction.guides.data[0], maps[1:], rtol=1e-6)
    assert [point.guides.axes for point in prediction.time_points() if point.guides] == ["CYX", "CYX"]


def test_planes_of_a_volume_are_gathered_and_linked(model: Make) -> None:
    truth = np.zeros((3, 20, 30), np.float32)
    truth[:2, 4:14, 3:13] = 1
    truth[1:, 4:14, 13:23] = 1
    place = np.indices(truth.shape)
    left = place[2] < 13
    guides = np.stack([np.ones(truth.shape), 8.5 - place[1], np.where(left, 7.5, 17.5) - place[2]])
    labeling = Labeling("instances", (0, 1), 0.5, seed=0.3, diameter=11.0)
    labels = labels_from(truth[np.newaxis], labeling, guides.astype(np.float32))
    np.testing.assert_array_equal(labels, np.where(truth > 0, np.where(left, 1, 2), 0))


def test_a_mirror_turns_offsets_around(model: Make) -> None:
    made = model("target.kind=instances")
    network = network_for(made.recipe, 1, (0, 1), diameter=6.0).eval()
    data = np.random.default_rng(0).random((1, 16, 16)).astype(np.float32)
    maps = predict_probabilities(network, data, mirror=True)
    flipped = predict_probabilities(network, data[:, ::-1].copy(), mirror=True)[:, ::-1]
    np.testing.assert_allclose(flipped[[0, 1, 3]], maps[[0, 1, 3]], atol=1e-5)
    np.testing.assert_allclose(flipped[2], -maps[2], atol=1e-5)
    assert np.abs(maps[2]).max() > 1e-3


def test_offsets_are_pixels_of_the_image_whatever_the_network_sees(model: Make) -> None:
    made = replace(model("target.kind=instances", "preprocess.diameter=8"), diameter=8.0)
    network = network_for(made.recipe, 1, (0, 1), diameter=8.0).eval()
    torch.nn.init.zeros_(network.head.weight)
    network.head.bias.data = torch.tensor([9.0, -9.0, 0.5, -1.0])
    made = replace(made, network=network)
    prediction = predict_image(made, Image(np.zeros((24, 32), np.float32), "YX"), diameter=16)
    assert prediction.guides is not None
    # In units of 4 pixels of the network, each of which is 2 of the image.
    np.testing.assert_allclose(prediction.guides.data[:, 12, 16], [1, 4, -8], atol=1e-3)
    assert prediction.labeling.diameter == 16
    # What was settled on another image does not bring the size of its objects along.
    other = replace(prediction.labeling, seed=0.4, diameter=5.0)
    assert prediction.labeled(other).labeling == replace(other, diameter=16)


def test_the_diameter_is_estimated_from_the_image_itself(
    model: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = replace(model("target.kind=instances", "preprocess.diameter=8"), diameter=8.0)
    seen = []

    def look(network: UNet, data: NDArray[np.float32], **rest: Any) -> torch.Tensor:
        seen.append(data.shape[1:])
        return predict_logits(network, data, **rest)

    monkeypatch.setattr(importlib.import_module("unetscope.inference.predict"), "predict_logits", look)
    labels = predict_image(made, Image(DISKS, "YX")).labels.data
    assert labels.max() == 4
    # First as if objects were 8 pixels wide, then as they are: 16 or 17. The second look is the last.
    assert seen == [(48, 64), (24, 32)]
    seen.clear()
    predict_image(made, Image(DISKS, "YX"), diameter=32)
    assert seen == [(12, 16)]
    seen.clear()
    predict_image(made, Image(np.zeros_like(DISKS), "YX"))
    assert seen == [(48, 64)]


def test_a_diameter_without_meaning(model: Make) -> None:
    image = Image(DISKS, "YX")
    with pytest.raises(
        InputError, match=r"takes images as they are, for which the diameter 5 has no meaning"
    ):
        predict_image(model(), image, diameter=5)
    made = model("target.kind=instances", "preprocess.diameter=8")
    for diameter in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match=r"the diameter is .*; expected pixels, above 0"):
            predict_image(made, image, diameter=diameter)
