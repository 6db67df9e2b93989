"""Which Labels layer belongs to which Image layer: by name, or because there is no other of its size."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from unetscope._napari.layers.layer import is_ours
from unetscope._napari.layers.place import shape_of
from unetscope.io.pairs.conventions import image_keys, mask_keys

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer

__all__ = ["image_layers", "labels_layers", "match_layers", "suggest_labels"]

# Numbers in names and channels of nnU-Net say too little where nobody asked for a convention.
_WEAK = ("number", "channel")
_NUMBER = re.compile(r" \[\d+\]$")


def image_layers(layers: Sequence[Layer]) -> list[Image]:
    """Those that hold images of the user."""
    from napari.layers import Image

    return [layer for layer in layers if isinstance(layer, Image) and not is_ours(layer)]


def labels_layers(layers: Sequence[Layer]) -> list[Labels]:
    """Those that hold labels of the user, so no predictions."""
    from napari.layers import Labels

    return [layer for layer in layers if isinstance(layer, Labels) and not is_ours(layer)]


def match_layers(
    layers: Sequence[Layer], wanted: Mapping[Layer, Layer | None]
) -> tuple[list[tuple[Layer, Layer, str]], list[Layer]]:
    """Pair the images of a viewer with labels: those that the user wants, else those that are suggested.

    Parameters
    ----------
    layers : sequence of Layer
    wanted : mapping of Image layer to Labels layer
        What the user has chosen; None for no labels.

    Returns
    -------
    pairs : list of (image, labels, reason)
    alone : list of Image layers
        Those without labels.
    """
    images, labels = image_layers(layers), labels_layers(layers)
    chosen = {
        image: wanted[image] for image in images if image in wanted and wanted[image] in [None, *labels]
    }
    rest = [image for image in images if image not in chosen]
    free = [layer for layer in labels if layer not in chosen.values()]
    suggested = dict(zip(rest, suggest_labels(rest, free), strict=True))
    pairs, alone = [], []
    for image in images:
        mask, reason = (chosen[image], "chosen by you") if image in chosen else suggested[image]
        if mask is None:
            alone.append(image)
        else:
            pairs.append((image, mask, reason))
    return pairs, alone


def suggest_labels(images: Sequence[Image], labels: Sequence[Labels]) -> list[tuple[Labels | None, str]]:
    """Suggest the labels of each image.

    Names count first, as files' names do: ``a`` with ``a_mask`` or ``a labels``. What is left belongs
    together if there is only one image and one Labels layer of a size.

    Parameters
    ----------
    images : sequence of Image layers
    labels : sequence of Labels layers

    Returns
    -------
    list of (Labels layer or None, str)
        For each image, and why, in plain words; None and an empty string where nothing is sure.
    """
    found: list[tuple[Labels | None, str]] = [(None, "")] * len(images)
    free = list(labels)
    for i, image in enumerate(images):
        named = [layer for layer in free if _fit(image, layer) and _named_alike(image, layer)]
        if len(named) == 1:
            found[i] = (named[0], "by their names")
            free.remove(named[0])
    without = [image for image, (layer, _) in zip(images, found, strict=True) if layer is None]
    for i, image in enumerate(images):
        candidates = [layer for layer in free if _fit(image, layer)]
        if found[i][0] is None and len(candidates) == 1:
            rivals = [other for other in without if _fit(other, candidates[0])]
            if len(rivals) == 1:
                found[i] = (candidates[0], "the only labels of this size")
    return found


def _fit(image: Image, labels: Labels) -> bool:
    """Whether labels have the rows and columns of an image, and no more axes."""
    one, other = shape_of(image), shape_of(labels)
    return one[-2:] == other[-2:] and len(other) <= len(one)


def _named_alike(image: Image, labels: Labels) -> bool:
    of_image, of_labels = (
        {key for key in keys(_stem(layer)) if key[0] not in _WEAK and key[1]}
        for keys, layer in ((image_keys, image), (mask_keys, labels))
    )
    return bool(of_image & of_labels)


def _stem(layer: Layer) -> str:
    """The name as a file would have it, without the number that napari adds to a name that was taken."""
    return _NUMBER.sub("", layer.name).lower().replace(" ", "_")
