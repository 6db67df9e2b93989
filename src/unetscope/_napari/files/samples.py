"""The sample data under File > Open Sample > UNetScope: each set as images with their labels."""

from __future__ import annotations

from unetscope._napari.files.opening import LayerData, open_pairs
from unetscope.samples import sample_folder

__all__ = ["cells", "fundus", "heart", "xray"]


def heart() -> list[LayerData]:
    """Cardiac MR of three made-up patients, two phases of eight slices each; only the first is visible."""
    folder = sample_folder("heart")
    test = open_pairs(folder / "test").layers
    hidden = [(data, options | {"visible": False}, kind) for data, options, kind in test]
    return hidden + open_pairs(folder / "training").layers


def fundus() -> list[LayerData]:
    """Six photographs of the back of the eye, with vessels."""
    return open_pairs(sample_folder("fundus")).layers


def xray() -> list[LayerData]:
    """Six slices of a battery electrode, with binder and particles."""
    return open_pairs(sample_folder("xray")).layers


def cells() -> list[LayerData]:
    """Six pictures of crowded cells, with a number for each cell."""
    return open_pairs(sample_folder("cells")).layers
