from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_windowing

from unetscope.errors import InputError
from unetscope.preprocess import Scaling, fit, fit_dataset, normalize
from unetscope.preprocess.normalize import _PIXELS_PER_IMAGE
from unetscope.recipe.recipe import Normalize

METHODS = ("percentile", "minmax", "zscore")


def noise(*shape, dtype=np.int16, low=0, high=1000):
    return np.random.default_rng(0).integers(low, high, shape).astype(dtype)


def report_normalize(image):
    """The formula of the left-ventricle report: 5th to 95th percentile, clipped."""
    low, high = np.percentile(image, [5, 95])
    return np.clip(np.array((image - low) / (high - low), dtype=np.float32), 0.0, 1.0)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float64])
def test_percentile_is_the_report_s_formula(dtype):
    image = noise(1, 31, 47, dtype=dtype, high=250)
    np.testing.assert_allclose(normalize(image, Normalize()), report_normalize(image), atol=1e-6)


def test_percentile_is_the_report_s_formula_on_real_images(real_data):
    from unetscope.io import read

    for path in sorted((real_data / "left-ventricle" / "training").glob("*.dcm"))[:3]:
        image = read(path).channel_first()
        np.testing.assert_allclose(normalize(image, Normalize()), report_normalize(image), atol=1e-6)


def test_percentile_without_clipping_goes_beyond():
    image = np.arange(101.0).reshape(1, 1, 101)
    result = normalize(image, Normalize(low=10, high=60, clip=False))[0, 0]
    assert result[[0, 10, 60, 100]].tolist() == pytest.approx([-0.2, 0.0, 1.0, 1.8])


def test_a_mostly_constant_image_falls_back_to_its_extremes():
    image = np.zeros((1, 20, 20))
    image[0, 3, 3], image[0, 4, 4] = 50, 200
    result = normalize(image, Normalize())
    assert result[0, [0, 3, 4], [0, 3, 4]].tolist() == [0.0, 0.25, 1.0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0, 7, 0.1, 1 / 3, -5.0, 1e6 + 0.1])
@pytest.mark.parametrize("scope", ["image", "channel"])
def test_a_constant_image_becomes_zero(method, value, scope):
    # 0.1 has no exact sum, so its standard deviation comes out a little above 0.
    result = normalize(np.full((2, 7, 7), value), Normalize(method=method, scope=scope))
    assert np.abs(result).max() < 1e-9


def test_minmax_reaches_exactly_0_and_1():
    result = normalize(noise(1, 9, 9), Normalize(method="minmax"))
    assert (result.min(), result.max()) == (0.0, 1.0)


def test_zscore_has_mean_0_and_deviation_1():
    result = normalize(noise(2, 40, 40), Normalize(method="zscore")).astype(np.float64)
    assert result.mean() == pytest.approx(0, abs=1e-6)
    assert result.std() == pytest.approx(1, abs=1e-6)


def test_none_changes_nothing_but_the_type():
    image = noise(2, 5, 5)
    for scope in ("image", "channel", "dataset"):
        result = normalize(image, Normalize(method="none", scope=scope))
        np.testing.assert_array_equal(result, image.astype(np.float32))


@pytest.mark.parametrize("method", [*METHODS, "none"])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint32, np.int64, np.float16, np.float32])
def test_every_type_becomes_float32_and_the_input_stays(method, dtype):
    image = np.eye(6, dtype=dtype)[np.newaxis]
    before = image.copy()
    result = normalize(image, Normalize(method=method))
    assert result.dtype == np.float32
    assert result.max() > result.min()
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("dtype", [np.uint32, np.int64, np.float64])
def test_small_differences_on_large_values_survive(dtype):
    # float32 has a step of 256 here, and would see one value.
    image = (np.arange(4) + 4_000_000_000).astype(dtype).reshape(1, 2, 2)
    result = normalize(image, Normalize(method="minmax"))
    np.testing.assert_allclose(result.ravel(), [0, 1 / 3, 2 / 3, 1], atol=1e-6)


def test_scopes_image_and_channel_differ():
    image = np.stack([np.array([[0.0, 10.0]]), np.array([[0.0, 100.0]])])
    whole = normalize(image, Normalize(method="minmax", scope="image"))
    each = normalize(image, Normalize(method="minmax", scope="channel"))
    assert whole[:, 0, 1].tolist() == pytest.approx([0.1, 1.0])
    assert each[:, 0, 1].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("bits", "signed"), [(8, False), (12, False), (16, False), (12, True), (16, True)])
@pytest.mark.parametrize("part", [(0.5, 0.5), (0.3, 0.2), (0.0, 0.1), (0.9, 1.5)])
def test_window_is_the_one_of_the_dicom_standard(bits, signed, part):
    """PS3.3 C.11.2.1.2; pydicom is the oracle, whose results span the stored range."""
    low = -(2 ** (bits - 1)) if signed else 0
    top = low + 2**bits - 1
    center, width = low + round(part[0] * 2**bits), round(part[1] * 2**bits)
    dataset = Dataset()
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsStored, dataset.PixelRepresentation = bits, int(signed)
    dataset.WindowCenter, dataset.WindowWidth = center, width
    ramp = np.linspace(low, top, 400).astype(np.int16 if signed else np.uint16)[np.newaxis]
    expected = (apply_windowing(ramp, dataset) - low) / (top - low)
    result = normalize(ramp, Normalize(method="window"), window=(center, width))
    np.testing.assert_allclose(result, expected, atol=2e-6)
    assert 0 <= result.min() <= result.max() <= 1


def test_the_window_s_corners():
    # Width 4 around 10: from 8 to 11, as pixel values are whole numbers.
    image = np.array([[[7, 8, 9.5, 11, 12]]])
    assert normalize(image, Normalize(method="window"), window=(10, 4)).ravel().tolist() == [0, 0, 0.5, 1, 1]
    open_ended = normalize(image, Normalize(method="window", clip=False), window=(10, 4)).ravel()
    assert open_ended.tolist() == pytest.approx([-1 / 3, 0, 0.5, 1, 4 / 3])


def test_the_recipe_s_window_comes_before_the_file_s():
    settings = Normalize(method="window", center=100, width=50)
    assert fit(noise(1, 3, 3), settings, window=(1, 2)) == fit(noise(1, 3, 3), settings)


def test_no_window_anywhere():
    with pytest.raises(InputError) as caught:
        normalize(noise(1, 3, 3), Normalize(method="window"))
    assert str(caught.value) == (
        "an image without a display window is to be normalized by its window; expected a DICOM window: "
        "set preprocess.normalize.center and width, or choose another method."
    )


@pytest.mark.parametrize("width", [1, 0.5])
def test_a_window_without_extent(width):
    with pytest.raises(InputError, match=f"the display window is {width:g} wide; expected more than 1: "):
        normalize(noise(1, 3, 3), Normalize(method="window"), window=(5, width))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", [*METHODS, "window", "none"])
def test_pixels_that_are_no_numbers(bad, method):
    image = np.ones((1, 4, 5))
    image[0, 1, 1] = image[0, 2, 2] = bad
    with pytest.raises(InputError) as caught:
        normalize(image, Normalize(method=method), window=(1, 2))
    assert str(caught.value) == (
        "2 of 20 pixels are NaN or infinite; expected finite values: replace them or leave the image out."
    )


def test_an_image_without_pixels():
    with pytest.raises(InputError, match=r"the image is empty \(shape \(1, 0, 4\)\); expected pixels: leave"):
        normalize(np.zeros((1, 0, 4)), Normalize())


@pytest.mark.parametrize("method", METHODS)
def test_one_image_has_no_statistics_of_a_dataset(method):
    with pytest.raises(InputError) as caught:
        normalize(noise(1, 3, 3), Normalize(method=method, scope="dataset"))
    assert str(caught.value) == (
        "one image is to be normalized by the statistics of a training set; expected the scaling of that "
        "set: use a trained model, or set preprocess.normalize.scope=image."
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_dataset_s_scaling_is_that_of_all_its_pixels_by_channel(method):
    images = [noise(2, 8, 9), noise(2, 5, 4, low=500, high=3000)]
    pooled = np.concatenate([image.reshape(2, 1, -1) for image in images], axis=2)
    settings = Normalize(method=method, scope="dataset")
    assert fit_dataset(iter(images), settings) == fit(pooled, Normalize(method=method, scope="channel"))


@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_dataset_s_extremes_are_found_in_large_images(place):
    side = int(np.sqrt(5 * _PIXELS_PER_IMAGE))
    image = np.zeros((1, side, side), np.uint8)
    image.ravel()[place] = 200
    assert fit_dataset([image], Normalize(method="minmax")) == Scaling((0.0,), (1 / 200,), clip=False)


def test_a_dataset_s_percentiles_hardly_differ_in_large_images():
    side = int(np.sqrt(3 * _PIXELS_PER_IMAGE))
    image = noise(1, side, side)
    sampled, whole = fit_dataset([image], Normalize()), fit(image, Normalize())
    assert sampled.offset == pytest.approx(whole.offset, abs=5)
    assert sampled.factor == pytest.approx(whole.factor, rel=0.01)


def test_a_dataset_without_images():
    with pytest.raises(InputError, match=r"there is no training image; expected at least one: add images\."):
        fit_dataset([], Normalize())


def test_a_dataset_with_different_channels():
    with pytest.raises(InputError) as caught:
        fit_dataset([noise(3, 4, 4), noise(1, 4, 4)], Normalize())
    assert str(caught.value) == (
        "the training images have [1, 3] channels; expected the same number in all: "
        "convert them to the same kind, or set preprocess.color=gray."
    )


def test_a_dataset_with_a_pixel_that_is_no_number():
    with pytest.raises(InputError, match="1 of 4 pixels are NaN or infinite"):
        fit_dataset([np.ones((1, 2, 2)), np.array([[[1, 2], [3, np.nan]]])], Normalize())


def test_a_scaling_applies_channel_by_channel_and_clips_on_request():
    data = np.array([[[0, 10]], [[5, 10]]])
    assert Scaling((0, 5), (0.1, 1), clip=False).apply(data).tolist() == [[[0, 1]], [[0, 5]]]
    assert Scaling((0, 5), (0.1, 1), clip=True).apply(data).tolist() == [[[0, 1]], [[0, 1]]]
    assert Scaling((5,), (1,), clip=False).apply(data).tolist() == [[[-5, 5]], [[0, 5]]]


def test_a_scaling_of_one_number_fits_any_number_of_channels():
    assert Scaling((1.0,), (2.0,), clip=False).apply(np.ones((3, 2, 2))).tolist() == [[[0.0, 0.0]] * 2] * 3


@pytest.mark.parametrize(("channels", "given"), [(3, 1), (3, 2), (2, 1), (2, 3)])
def test_a_scaling_of_other_channels_is_refused(channels, given):
    scaling = Scaling((0.0,) * channels, (1.0,) * channels, clip=False)
    with pytest.raises(InputError) as caught:
        scaling.apply(np.ones((given, 2, 2)))
    assert str(caught.value) == (
        f"the image has {given} channels; expected {channels}, as the training images had: "
        "convert it to their kind."
    )
