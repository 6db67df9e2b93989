from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.io.image import Image, Source
from unetscope.preprocess import GridTransform, Preparation, Scaling
from unetscope.recipe.recipe import Normalize, Preprocess

RGB = ("red", "green", "blue")
NONE = Normalize(method="none")
MINMAX = Normalize(method="minmax", scope="dataset")


def gray(data, **source):
    return Image(np.asarray(data), "YX", source=Source(**source))


def unreadable():
    """Images that must not be looked at."""
    raise AssertionError("an image was read")
    yield


def test_a_gray_image_gets_a_channel_axis():
    result = Preparation(Preprocess(normalize=NONE)).normalized(gray([[1, 2]]))
    assert result.dtype == np.float32
    assert result.tolist() == [[[1, 2]]]


def test_gray_is_the_luminance_of_a_color_image():
    pixels = np.array([[[255, 0, 0, 100]], [[0, 255, 0, 100]], [[0, 0, 255, 100]]], np.uint8)
    image = Image(pixels, "CYX", channels=RGB)
    result = Preparation(Preprocess(color="gray", normalize=NONE)).normalized(image)
    np.testing.assert_allclose(result, [[[54.213, 182.376, 18.411, 100.0]]], rtol=1e-6)
    kept = Preparation(Preprocess(normalize=NONE)).normalized(image)
    np.testing.assert_array_equal(kept, pixels.astype(np.float32))


def test_channels_that_are_no_colors_are_kept():
    image = Image(np.ones((3, 2, 2)), "CYX", channels=("nuclei", "membrane", "actin"))
    assert Preparation(Preprocess(color="gray", normalize=NONE)).normalized(image).shape == (3, 2, 2)


def test_the_file_s_window_is_used():
    image = gray([[8, 11]], window=(10.0, 4.0))
    result = Preparation(Preprocess(normalize=Normalize(method="window"))).normalized(image)
    assert result.tolist() == [[[0, 1]]]


@pytest.mark.parametrize(
    "normalize",
    [
        Normalize(),
        Normalize(scope="channel"),
        Normalize(method="none", scope="dataset"),
        Normalize(method="window", scope="dataset"),
    ],
)
def test_images_are_read_only_for_statistics_of_the_dataset(normalize):
    settings = Preprocess(normalize=normalize)
    assert Preparation.fit(settings, unreadable()) == Preparation(settings, None)


def test_statistics_of_the_dataset_are_kept_and_applied():
    preparation = Preparation.fit(Preprocess(normalize=MINMAX), [gray([[0, 5]]), gray([[10, 20]])])
    assert preparation.scaling == Scaling((0.0,), (1 / 20,), clip=False)
    assert preparation.normalized(gray([[5, 40]])).tolist() == [[[0.25, 2.0]]]


def test_statistics_of_the_dataset_are_those_of_the_gray_images():
    image = Image(np.stack([np.full((1, 2), value) for value in (0, 0, 100)]), "CYX", channels=RGB)
    preparation = Preparation.fit(Preprocess(color="gray", normalize=MINMAX), [image])
    assert preparation.scaling is not None
    assert preparation.scaling.offset == pytest.approx((7.22,))


def test_the_transform_resizes_and_crops():
    preparation = Preparation(Preprocess(resize=(20, 20), crop=(16, 16)))
    assert preparation.transform((30, 40)) == GridTransform((30, 40), (20, 20), (16, 16))
    assert Preparation(Preprocess()).transform((30, 40)) == GridTransform((30, 40), (30, 40), (30, 40))


@pytest.mark.parametrize(
    ("data", "normalize", "scaling", "sentence"),
    [
        (
            [[1, np.nan]],
            Normalize(),
            None,
            "a.png: 1 of 2 pixels are NaN or infinite; expected finite values: ",
        ),
        ([[1, 2]], Normalize(method="window"), None, "a.png: an image without a display window is to be "),
        (
            [[1, 2]],
            MINMAX,
            None,
            "a.png: one image is to be normalized by the statistics of a training set; ",
        ),
        (
            [[1, 2]],
            MINMAX,
            Scaling((0,) * 3, (1,) * 3, clip=False),
            "a.png: the image has 1 channels; expected 3, ",
        ),
    ],
)
def test_errors_name_the_image_once(data, normalize, scaling, sentence):
    with pytest.raises(InputError) as caught:
        Preparation(Preprocess(normalize=normalize), scaling).normalized(gray(data, path=Path("x/a.png")))
    assert str(caught.value).startswith(sentence)
    assert str(caught.value).count("a.png") == 1
    assert caught.value.fix


def test_a_time_series_is_refused():
    series = Image(np.zeros((2, 4, 4)), "TYX", source=Source(Path("a.tif")))
    with pytest.raises(InputError, match=r"^a\.tif is a time series of 2 points; expected one image: take"):
        Preparation(Preprocess()).normalized(series)
