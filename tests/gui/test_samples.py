"""Each set of samples opens as images with labels that lie on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unetscope._napari.layers.layer import image_of
from unetscope.samples import SAMPLES

AXES = {"heart": "TZYX", "fundus": "TCYX", "xray": "TYX", "cells": "TYX"}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.usefixtures("plugin")
def test_a_sample_opens_as_images_with_labels(viewer_model: Any, name: str) -> None:
    layers = viewer_model.open_sample("unetscope", name)
    assert len(layers) == (6 if name == "heart" else 2)
    for image, labels in zip(layers[::2], layers[1::2], strict=True):
        assert labels.name == f"{image.name} labels"
        one, other = image_of(image), image_of(labels)
        assert one.axes == AXES[name]
        assert other.axes == AXES[name].replace("C", "")
        assert (one.grid, one.spacing, one.origin, one.units) == (
            other.grid,
            other.spacing,
            other.origin,
            other.units,
        )
        assert np.unique(other.data).size > 1
    assert [layer.visible for layer in layers] == [False] * (len(layers) - 2) + [True, True]


def test_the_heart_has_millimeters_in_all_directions(viewer_model: Any, plugin: Any) -> None:
    image = image_of(viewer_model.open_sample("unetscope", "heart")[-2])
    np.testing.assert_allclose(image.spacing, (8, 1.4, 1.4))
    assert image.units == "mm"
    assert image.affine is not None


def test_all_samples_are_in_the_menu(plugin: Any) -> None:
    samples = plugin.get_manifest("unetscope").contributions.sample_data
    assert [sample.key for sample in samples] == list(SAMPLES)
