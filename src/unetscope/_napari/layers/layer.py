"""Layer ↔ `Image`: where data, place and source go between napari and the rest of the package."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from unetscope._napari.layers.place import Grid, axes_of, grid_of, place_on, spatial_units
from unetscope.errors import InputError
from unetscope.io._files import bare_name
from unetscope.io.image import AXES, Image, Source

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer
    from napari.layers import Labels, Layer

__all__ = [
    "PASSING",
    "Kind",
    "add_layer",
    "image_of",
    "is_ours",
    "layer_data",
    "release",
    "replace_data",
    "selection_kept",
]

Kind = Literal["image", "labels"]
PASSING = "unetscope preview"
"""Key in the metadata of layers that come and go by themselves, and are nothing to work on."""

_KEY = "unetscope"
_RGB = ("red", "green", "blue")
# Layers that widgets made. A mark in the metadata would be on copies too, which users make to correct them.
_OURS: WeakSet[Layer] = WeakSet()


def image_of(layer: Layer, *, axes: str | None = None) -> Image:
    """Take the image that a layer shows, with its grid and source; nothing is copied if it need not be.

    Parameters
    ----------
    layer : Image or Labels layer
        Of any orientation, of several levels, or on disk (dask). How the viewer shows it does not matter.
    axes : str, optional
        Names of the layer's axes in their order, such as ``"CYX"``, without the colors of an RGB layer.
        Unless given, its axis labels say it, and where those are unknown the number of axes: YX, ZYX, TZYX
        or TCZYX.

    Returns
    -------
    Image
        With axes in the order of ``"TCZYX"``. Spacing and origin are measured along the layer's own axes in
        µm or mm, or in pixels where the layer has no lengths. Transparency is left out, and so are the
        channels of a Labels layer, of which each pixel may be painted in any.

    Raises
    ------
    InputError
        If it is another kind of layer, these are no names for its axes, or the labels of its channels
        contradict each other.
    """
    kind = _kind(layer)
    letters = axes_of(layer, axes)
    levels = [_array(level) for level in (layer.data if layer.multiscale else [layer.data])]
    tags: dict[str, Any] = {}
    if kind == "image" and layer.rgb:
        if levels[0].shape[-1] > len(_RGB):
            tags = _transparency(levels[0])
            levels = [level[..., : len(_RGB)] for level in levels]
        letters += "C"
    levels = [_sorted(level, letters) for level in levels]
    names = "".join(axis for axis in AXES if axis in letters)
    if kind == "labels" and "C" in names:
        levels = [_without_channels(level, names.index("C"), layer.name) for level in levels]
        names = names.replace("C", "")
    grid = grid_of(layer, letters)
    known = layer.metadata.get(_KEY, {})
    return Image(
        levels[0],
        names,
        grid.spacing,
        grid.origin,
        grid.units,
        channels=_channels(layer, known, levels[0], names),
        source=_source(layer, known, tags),
        affine=_affine(known, grid),
        levels=tuple(levels[1:]),
    )


def layer_data(
    image: Image, *, kind: Kind = "image", name: str | None = None
) -> tuple[Any, dict[str, Any], Kind]:
    """Make a layer-data tuple of an image, as napari's readers and samples return it.

    Parameters
    ----------
    image : Image
        Any axes; red, green and blue become an RGB layer, other channels an axis.
    kind : {"image", "labels"}
    name : str, optional
        Of the layer; that of the file unless given.

    Returns
    -------
    (data, options, kind)
        The options hold scale, translate, units, axis_labels and metadata; for images also rgb, multiscale
        and, if the source has a display window, contrast_limits.

    Raises
    ------
    InputError
        If labels have channels.
    """
    rgb = kind == "image" and _fits_rgb(image)
    axes = image.axes.replace("C", "") if rgb else image.axes
    around = len(axes) - len(image.spatial_axes)
    options: dict[str, Any] = {
        "name": name or _name(image, kind),
        "scale": (1.0,) * around + image.spacing,
        "translate": (0.0,) * around + image.origin,
        "units": ("pixel",) * around + (spatial_units(image),) * len(image.spacing),
        "axis_labels": tuple(axes),
        "metadata": {_KEY: _remembered(image)},
    }
    if kind == "image":
        options["rgb"] = rgb
        if image.source.window is not None and not rgb:
            center, width = image.source.window
            options["contrast_limits"] = (center - width / 2, center + width / 2)
    data, multiscale = _shown(image, axes, kind=kind, rgb=rgb)
    return data, options | {"multiscale": multiscale}, kind


def add_layer(
    viewer: ViewerModel,
    image: Image,
    *,
    kind: Kind = "image",
    name: str,
    like: Layer | None = None,
    **options: Any,
) -> Layer:
    """Add a new layer, which is ours.

    Parameters
    ----------
    viewer : napari.Viewer
    image : Image
        What it shows.
    kind : {"image", "labels"}
    name : str
        Of the layer.
    like : Image or Labels layer, optional
        What the image was made from. The new layer lies in the world as that one does, also if it is rotated,
        sheared or has an affine: scale, translate, rotate, shear, affine, units and axis_labels are its own,
        moved and scaled where `image` is a part of it or resized.
    **options
        Passed on to ``viewer.add_image`` or ``viewer.add_labels``; `metadata` is added to ours.

    Returns
    -------
    Layer

    Raises
    ------
    InputError
        If labels have channels, or the image cannot lie on `like`.
    """
    data, made, kind = layer_data(image, kind=kind, name=name)
    if like is not None:
        _kind(like)
        rgb = made.get("rgb", False)
        axes, place = place_on(image, like, rgb=rgb)
        data, _ = _shown(image, axes, kind=kind, rgb=rgb)
        made |= place
    options["metadata"] = options.get("metadata", {}) | made.pop("metadata")
    add = viewer.add_image if kind == "image" else viewer.add_labels
    with warnings.catch_warnings():
        # napari draws random label colors beyond what a screen can show, and a user would be told.
        warnings.filterwarnings("ignore", "Conversion from CIE-LAB", UserWarning)
        layer = add(data, **(made | options))
    _OURS.add(_bare(layer))
    return layer


def is_ours(layer: Layer) -> bool:
    """Whether a layer was made by `add_layer`; all others belong to the user, also copies of ours."""
    return _bare(layer) in _OURS


def release(layer: Layer) -> None:
    """Give a layer of ours to the user, who has changed it: it is never written to again."""
    _OURS.discard(_bare(layer))


def replace_data(layer: Layer, image: Image) -> None:
    """Show another image in a layer of ours, at that image's place on the layer's grid.

    Parameters
    ----------
    layer : Layer
        Made by `add_layer`; its look (colors, contrast, visibility) stays.
    image : Image

    Raises
    ------
    InputError
        If the layer belongs to the user, or the image does not fit it.
    """
    if not is_ours(layer):
        raise InputError(f"the layer {layer.name!r} belongs to the user", fix="add a new layer")
    kind = _kind(layer)
    rgb = kind == "image" and bool(layer.rgb)
    if rgb != (kind == "image" and _fits_rgb(image)):
        raise InputError(
            f"the layer {layer.name!r} shows {'colors' if rgb else 'no colors'}",
            expected="an image of the same kind",
            fix="add a new layer",
        )
    axes, place = place_on(image, layer, rgb=rgb)
    layer.data, _ = _shown(image, axes, kind=kind, rgb=rgb)
    for option, value in place.items():
        if not _same(getattr(layer, option), value):
            setattr(layer, option, value)
    layer.metadata = layer.metadata | {_KEY: _remembered(image)}


@contextmanager
def selection_kept(viewer: ViewerModel) -> Iterator[None]:
    """Leave selected what is selected, though napari selects every layer that is added.

    It is what the user works on next, perhaps with a brush in hand. Where nothing is selected, the new layer
    may be.
    """
    selection = viewer.layers.selection
    chosen, active = set(selection), selection.active
    yield
    if active is not None:
        selection.select_only(active)
    elif chosen:
        selection.intersection_update(chosen)
    selection.update(chosen)


def _bare(layer: Layer) -> Layer:
    # What plugins get from their viewer is a proxy, a new one each time.
    return getattr(layer, "__wrapped__", layer)


def _kind(layer: Layer) -> Kind:
    from napari.layers import Image as ImageLayer
    from napari.layers import Labels

    if isinstance(layer, Labels):
        return "labels"
    if isinstance(layer, ImageLayer):
        return "image"
    raise InputError(
        f"the layer {layer.name!r} is a {type(_bare(layer)).__name__} layer",
        expected="an Image or a Labels layer",
        fix="choose another layer, or convert it",
    )


def _array(data: Any) -> NDArray[Any]:
    if isinstance(data, np.ndarray) or hasattr(data, "__dask_graph__"):
        return data
    # Zarr, HDF5, tensorstore, …: they stay on disk.
    import dask.array

    return dask.array.from_array(data)


def _sorted(data: NDArray[Any], axes: str) -> NDArray[Any]:
    return data.transpose([axes.index(axis) for axis in AXES if axis in axes])


def _transparency(data: NDArray[Any]) -> dict[str, Any]:
    alpha = data[..., len(_RGB)]
    clear = isinstance(alpha, np.ndarray) and bool((alpha < alpha.max(initial=0)).any())
    return {"alpha": "dropped"} if clear else {}


def _without_channels(labels: NDArray[Any], axis: int, name: str) -> NDArray[Any]:
    """One label per pixel, painted on whichever channel."""
    index: list[Any] = [slice(None)] * labels.ndim
    index[axis] = 0
    if labels.shape[axis] == 1:
        return labels[tuple(index)]
    merged = labels.max(axis=axis, keepdims=True)
    if bool(((labels != 0) & (labels != merged)).any()):
        raise InputError(
            f"the layer {name!r} has different labels in different channels of the same pixel",
            expected="one label per pixel",
            fix="paint all labels on one channel",
        )
    merged_array: NDArray[Any] = merged[tuple(index)]
    return merged_array


def _channels(
    layer: ImageLayer | Labels, known: Mapping[str, Any], data: NDArray[Any], axes: str
) -> tuple[str, ...]:
    if "C" not in axes:
        return ()
    if layer.rgb:
        return _RGB
    names = tuple(known.get("channels", ()))
    return names if len(names) == data.shape[axes.index("C")] else ()


def _source(layer: Layer, known: Mapping[str, Any], tags: dict[str, Any]) -> Source:
    if isinstance(source := known.get("source"), Source):
        return source
    path = None if layer.source.path is None else Path(layer.source.path)
    return Source(path, tags={"name": layer.name, **tags})


def _affine(known: Mapping[str, Any], grid: Grid) -> NDArray[np.float64] | None:
    """Place in the patient, which moves with the layer; None if it cannot be told any more."""
    affine = known.get("affine")
    if affine is None or not grid.upright or known["units"] != grid.units:
        return None
    spacing, origin = known["spacing"], known["origin"]
    if (spacing, origin) == (grid.spacing, grid.origin):
        return affine
    if len(spacing) != len(grid.spacing):
        return None
    missing = 3 - len(spacing)
    ratios = np.ones(3)
    offsets = np.zeros(3)
    ratios[missing:] = np.divide(grid.spacing, spacing)
    offsets[missing:] = np.subtract(grid.origin, origin) / spacing
    moved = np.array(affine, np.float64)
    moved[:, 3] += moved[:, :3] @ offsets
    moved[:, :3] *= ratios
    return moved


def _fits_rgb(image: Image) -> bool:
    """Whether napari can show an image in color: bytes, 16 bits or fractions."""
    return image.is_rgb and (image.data.dtype.kind == "f" or image.data.dtype in (np.uint8, np.uint16))


def _name(image: Image, kind: Kind) -> str:
    path = image.source.path
    return kind if path is None else bare_name(path) or path.name


def _remembered(image: Image) -> dict[str, Any]:
    return {
        "source": image.source,
        "affine": image.affine,
        "spacing": image.spacing,
        "origin": image.origin,
        "units": image.units,
        "channels": image.channels,
    }


def _shown(image: Image, axes: str, *, kind: Kind, rgb: bool) -> tuple[Any, bool]:
    """Arrange the data as a layer with these axes shows it, and say whether it has several levels."""
    if kind == "labels" and "C" in image.axes:
        raise InputError(
            f"{image.name} has {len(image.channels)} channels",
            expected="labels, one number per pixel",
            fix="take one channel",
        )
    levels = [_arranged(data, image.axes, axes, rgb=rgb) for data in (image.data, *image.levels)]
    if kind == "labels" and levels[0].dtype.kind == "b":
        levels = [level.astype(np.uint8) for level in levels]
    return (levels, True) if len(levels) > 1 else (levels[0], False)


def _arranged(data: NDArray[Any], own: str, axes: str, *, rgb: bool) -> NDArray[Any]:
    present = [axis for axis in axes if axis in own]
    data = data.transpose([own.index(axis) for axis in (*present, *("C" if rgb else ""))])
    return data[tuple(slice(None) if axis in own else np.newaxis for axis in axes)]


def _same(one: Any, other: Any) -> bool:
    one = getattr(one, "affine_matrix", one)
    if isinstance(one, np.ndarray):
        if one.ndim < np.ndim(other):
            # Of a shear without a lower triangle, napari gives the upper one.
            other = other[np.triu_indices(len(other), 1)]
        return bool(np.array_equal(one, other))
    return tuple(map(str, one)) == tuple(map(str, other))
