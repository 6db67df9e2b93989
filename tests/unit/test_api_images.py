from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from unetscope import api
from unetscope.errors import InputError
from unetscope.io import Image, Source, read
from unetscope.recipe.recipe import Normalize, Preprocess

AS_IT_IS = Normalize(method="none")
PERCENTILE = Normalize(low=5, high=95)


def series(shape: tuple[int, ...], axes: str, **more: object) -> Image:
    data = np.random.default_rng(0).normal(100, 20, shape).astype(np.float32)
    return Image(data, axes, **more)  # type: ignore[arg-type]


# --- prepare ---


def test_the_network_sees_what_prepare_gives(heart: SimpleNamespace) -> None:
    from unetscope.preprocess import Preparation

    image = read(heart.test / "SAMPLE-B_0001.dcm")
    settings = Preprocess(resize=(48, 40), crop=(32, 32))
    preparation = Preparation(settings)
    expected = preparation.transform(image.grid).image(preparation.normalized(image))
    prepared = api.prepare(image, settings)
    np.testing.assert_array_equal(prepared.data, expected[0])
    assert (prepared.axes, prepared.units, prepared.grid) == ("YX", "mm", (32, 32))


def test_a_crop_moves_the_origin_and_padding_moves_it_back() -> None:
    image = series((10, 20), "YX", spacing=(2.0, 0.5), origin=(7.0, -3.0))
    prepared = api.prepare(image, Preprocess(normalize=AS_IT_IS, crop=(4, 24)))
    assert prepared.spacing == (2.0, 0.5)
    assert prepared.origin == (7.0 + 3 * 2.0, -3.0 - 2 * 0.5)
    np.testing.assert_array_equal(prepared.data[:, 2:-2], image.data[3:7])


def test_resizing_keeps_the_border() -> None:
    image = series((10, 20), "YX", spacing=(2.0, 0.5), origin=(7.0, -3.0))
    prepared = api.prepare(image, Preprocess(normalize=AS_IT_IS, resize=(5, 40)))
    assert prepared.spacing == (4.0, 0.25)
    # Half a pixel before the first center, and half a pixel after the last.
    for own, new in zip(borders(image), borders(prepared), strict=True):
        assert new == pytest.approx(own)


def borders(image: Image) -> list[tuple[float, float]]:
    parts = zip(image.origin, image.spacing, image.grid, strict=True)
    return [(o - s / 2, o + (n - 0.5) * s) for o, s, n in parts]


def test_a_volume_is_prepared_slice_by_slice_for_a_2d_network() -> None:
    volume = series((3, 12, 12), "ZYX", spacing=(4.0, 1.0, 1.0), origin=(5.0, 0.0, 0.0))
    settings = Preprocess(normalize=PERCENTILE, crop=(8, 8))
    prepared = api.prepare(volume, settings)
    assert (prepared.grid, prepared.spacing, prepared.origin) == ((3, 8, 8), (4, 1, 1), (5, 2, 2))
    for index in range(3):
        one = api.prepare(volume.take("Z", index), settings)
        np.testing.assert_array_equal(prepared.data[index], one.data)


def test_a_volume_is_prepared_whole_for_a_3d_network() -> None:
    volume = series((4, 12, 12), "ZYX")
    low, high = np.percentile(volume.data, [5, 95])
    prepared = api.prepare(volume, Preprocess(normalize=PERCENTILE), dimensions=3)
    np.testing.assert_allclose(prepared.data, np.clip((volume.data - low) / (high - low), 0, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("axes", "shape"), [("TYX", (3, 8, 8)), ("TCYX", (3, 2, 8, 8)), ("TCZYX", (2, 2, 3, 8, 8))]
)
def test_series_and_channels_stay_what_they_are(axes: str, shape: tuple[int, ...]) -> None:
    image = series(shape, axes)
    prepared = api.prepare(image, Preprocess(normalize=AS_IT_IS, crop=(4, 4)))
    assert (prepared.axes, prepared.channels) == (image.axes, image.channels)
    np.testing.assert_allclose(prepared.data, image.data[..., 2:6, 2:6])


def test_a_single_channel_stays_a_channel() -> None:
    image = series((1, 8, 8), "CYX", channels=("nuclei",))
    prepared = api.prepare(image, Preprocess(normalize=AS_IT_IS))
    assert (prepared.axes, prepared.channels) == ("CYX", ("nuclei",))


@pytest.mark.parametrize(("axes", "shape", "left"), [("CYX", (3, 8, 8), "YX"), ("TCYX", (2, 3, 8, 8), "TYX")])
def test_gray_has_no_channels(axes: str, shape: tuple[int, ...], left: str) -> None:
    image = series(shape, axes, channels=("red", "green", "blue"))
    prepared = api.prepare(image, Preprocess(color="gray", normalize=AS_IT_IS))
    assert (prepared.axes, prepared.channels) == (left, ())
    weights = np.reshape([0.2126, 0.7152, 0.0722], (3, 1, 1))
    np.testing.assert_allclose(prepared.data, (image.data * weights).sum(axis=axes.index("C")), rtol=1e-5)


def test_the_display_window_is_gone_with_its_values() -> None:
    image = series((8, 8), "YX", source=Source(path=Path("a.dcm"), window=(40.0, 400.0)))
    prepared = api.prepare(image, Preprocess(normalize=Normalize(method="window")))
    assert prepared.source.window is None
    assert prepared.name == "a.dcm"


@pytest.mark.parametrize(
    ("settings", "dimensions", "words"),
    [
        (Preprocess(crop=(4, 4)), 3, "crop has 2 numbers; expected 3"),
        (Preprocess(crop=(4, 4), resize=(4, 4, 4)), None, "crop has 2 numbers; expected 3"),
        (Preprocess(normalize=Normalize(scope="dataset")), None, "statistics of a training set"),
        (Preprocess(normalize=Normalize(method="window")), None, "without a display window"),
    ],
)
def test_what_cannot_be_prepared_is_said(settings: Preprocess, dimensions: int | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        api.prepare(series((4, 8, 8), "ZYX"), settings, dimensions=dimensions)


def test_a_plane_is_nothing_for_a_3d_network() -> None:
    with pytest.raises(InputError, match="expected a volume for a 3D network"):
        api.prepare(series((8, 8), "YX"), dimensions=3)


def test_preparing_can_be_stopped() -> None:
    told: list[float] = []

    def stop(done: float) -> None:
        told.append(done)
        if len(told) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        api.prepare(series((4, 8, 8), "ZYX"), Preprocess(crop=(4, 4)), progress=stop)
    assert told == [0, 0.25, 0.5]


# --- preview ---


def test_a_preview_tells_what_becomes_0_and_1() -> None:
    image = Image(np.arange(101.0).reshape(1, 101) + np.zeros((10, 1)), "YX")
    shown = api.preview(image, Preprocess(normalize=PERCENTILE))
    np.testing.assert_allclose(shown.limits, [[[5, 95]]])
    assert shown.describe(PERCENTILE) == "5th percentile 5 → 0, 95th percentile 95 → 1."
    assert shown.before.counts.sum() == image.data.size
    assert (shown.after.edges[0], shown.after.edges[-1]) == (0, 1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            Normalize(method="percentile", low=1, high=99.5),
            "1st percentile 1 → 0, 99.5th percentile 99.5 → 1.",
        ),
        (Normalize(method="percentile", low=2, high=12), "2nd percentile 2 → 0, 12th percentile 12 → 1."),
        (Normalize(method="percentile", low=0, high=100), "minimum 0 → 0, maximum 100 → 1."),
        (Normalize(method="minmax"), "minimum 0 → 0, maximum 100 → 1."),
        (Normalize(method="zscore"), "mean 50 → 0, mean plus standard deviation 79.15 → 1."),
        (Normalize(method="window", center=50.5, width=11), "window from 45 → 0, to 55 → 1."),
        (AS_IT_IS, "Values stay as they are."),
    ],
)
def test_a_preview_speaks_the_words_of_its_method(settings: Normalize, words: str) -> None:
    image = Image(np.arange(101.0).reshape(1, 101), "YX")
    assert api.preview(image, Preprocess(normalize=settings)).describe(settings) == words


def test_percentiles_that_say_nothing_are_not_named() -> None:
    data = np.zeros((20, 20), np.uint8)
    data[0, 0] = 200
    shown = api.preview(Image(data, "YX"), Preprocess(normalize=PERCENTILE))
    assert shown.describe(PERCENTILE) == "minimum 0 → 0, maximum 200 → 1."


def test_a_preview_says_what_is_taken_by_itself() -> None:
    volume = Image(np.arange(4.0).reshape(2, 2, 1, 1) * 10 + np.arange(5.0).reshape(1, 1, 1, 5), "CZYX")
    each = Normalize(method="minmax", scope="channel")
    shown = api.preview(volume, Preprocess(normalize=each), dimensions=2)
    assert shown.describe(each) == (
        "In each of 2 frames and each of 2 channels by itself: minimum 0 to 30 → 0, maximum 4 to 34 → 1."
    )


# --- histogram ---


def test_whole_numbers_get_a_bin_each() -> None:
    found = api.histogram(Image(np.array([[3, 3, 5], [7, 7, 7]], np.int16), "YX"))
    np.testing.assert_array_equal(found.edges, [2.5, 3.5, 4.5, 5.5, 6.5, 7.5])
    np.testing.assert_array_equal(found.counts, [2, 0, 1, 0, 3])


def test_a_histogram_counts_every_so_many_pixels_of_a_large_image() -> None:
    image = Image(np.random.default_rng(0).uniform(-1, 1, (2000, 2000)).astype(np.float32), "YX")
    found = api.histogram(image, bins=50)
    assert (found.edges[0], found.edges[-1]) == (image.data.min(), image.data.max())
    assert 500_000 < found.counts.sum() <= 1_000_000
    np.testing.assert_allclose(found.counts / found.counts.sum(), 1 / 50, rtol=0.1)


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((4, 4)),
        np.full((4, 4), np.nan),
        np.zeros((2, 2), bool),
        np.array([[np.inf, 1.0], [2.0, np.nan]]),
    ],
)
def test_odd_images_have_a_histogram(data: np.ndarray) -> None:
    found = api.histogram(Image(data, "YX"))
    assert len(found.edges) == len(found.counts) + 1
    assert (np.diff(found.edges) > 0).all()
    assert found.counts.sum() == np.isfinite(data).sum()
