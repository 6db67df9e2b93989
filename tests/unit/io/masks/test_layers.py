"""Segmentations of 3D Slicer in several layers."""

from __future__ import annotations

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.io import read_mask

nrrd = pytest.importorskip("nrrd")


@pytest.fixture
def save(tmp_path):
    """Write two layers, in each of which the segment has the label given."""

    def save(*labels, shift=2):
        layers = np.zeros((2, 4, 5, 3), np.uint8)
        layers[0, :2, 1, 1] = labels[0]
        layers[1, shift : shift + 2, 1, 1] = labels[1]
        header = {
            "space": "left-posterior-superior",
            "space directions": np.array([[np.nan] * 3, *np.eye(3)]),
            "space origin": np.zeros(3),
            "kinds": ["list", "domain", "domain", "domain"],
        }
        for i, label in enumerate(labels):
            header |= {f"Segment{i}_Layer": str(i), f"Segment{i}_LabelValue": str(label)}
            header[f"Segment{i}_Name"] = ("liver", "tumor")[i]
        nrrd.write(str(tmp_path / "a.seg.nrrd"), layers, header)
        return tmp_path / "a.seg.nrrd"

    return save


@pytest.mark.parametrize(("stored", "labels"), [((1, 1), (1, 2)), ((3, 7), (3, 7))])
def test_layers_become_one(save, stored, labels):
    mask = read_mask(save(*stored))
    assert mask.axes == "ZYX"
    assert mask.data[1, 1].tolist() == [labels[0]] * 2 + [labels[1]] * 2
    assert np.count_nonzero(mask.data) == 4
    assert mask.source.tags["labels"] == dict(zip(labels, ("liver", "tumor"), strict=True))


def test_overlapping_segments_are_named(save):
    with pytest.raises(InputError, match=r"'liver' and 'tumor' of a\.seg\.nrrd overlap in 1 pixels"):
        read_mask(save(1, 1, shift=1))
