"""Normalization holds its promises for any finite image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unetscope.preprocess import fit, fit_dataset, normalize
from unetscope.recipe.recipe import Normalize

DTYPES = st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32])


@st.composite
def images(draw):
    dtype = np.dtype(draw(DTYPES))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 6)), draw(st.integers(1, 6)))
    # Eighths between −1000 and 1000, so that differences are exact.
    eighths = st.integers(-8000, 8000).map(lambda n: n / 8) if dtype.kind == "f" else None
    return draw(hnp.arrays(dtype, shape, elements=eighths))


@given(images(), st.sampled_from(["percentile", "minmax"]), st.sampled_from(["image", "channel"]))
def test_results_are_within_0_and_1(image, method, scope):
    result = normalize(image, Normalize(method=method, scope=scope))
    assert result.shape == image.shape
    assert result.dtype == np.float32
    assert 0 <= result.min() <= result.max() <= 1


@given(images(), st.sampled_from(["percentile", "minmax", "zscore"]))
def test_order_is_kept(image, method):
    result = normalize(image, Normalize(method=method)).ravel()
    assert (np.diff(result[np.argsort(image.ravel(), kind="stable")]) >= 0).all()


@given(images(), st.floats(0.01, 100), st.floats(-1000, 1000))
def test_brightness_and_contrast_of_the_device_do_not_matter(image, gain, offset):
    image = image.astype(np.uint8)
    for method in ("percentile", "minmax", "zscore"):
        settings = Normalize(method=method)
        other = normalize(gain * image.astype(np.float64) + offset, settings)
        np.testing.assert_allclose(other, normalize(image, settings), atol=1e-5)


@given(images(), st.sampled_from(["percentile", "minmax", "zscore"]))
def test_a_dataset_of_one_image_is_that_image_by_channel(image, method):
    one = fit_dataset([image], Normalize(method=method, scope="dataset"))
    assert one == fit(image, Normalize(method=method, scope="channel"))


@given(st.floats(-1e6, 1e6), st.floats(1.5, 1e6))
def test_a_window_s_edges_become_0_and_1(center, width):
    low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2
    result = normalize(np.array([[[low, high]]]), Normalize(method="window"), window=(center, width))
    assert result.ravel().tolist() == pytest.approx([0, 1], abs=1e-5)
