"""Where a layer lies: its axes by name, the step from pixel to pixel, and results laid on its grid.

napari takes indices to world coordinates by ``affine · (rotate · shear · scale · index + translate)``, and
it tells axes by their position counted from the last, not by their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import InputError
from unetscope.io._units import to_length
from unetscope.io.image import AXES, Image

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer
    from napari.layers import Labels

__all__ = ["Grid", "axes_of", "grid_of", "is_named", "place_on", "shape_of", "spatial_units"]

_SPATIAL = "ZYX"
_GUESSES = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TCZYX"}
_NAMES = {
    "T": ("t", "time"),
    "C": ("c", "ch", "channel", "channels"),
    "Z": ("z", "slice", "plane", "depth"),
    "Y": ("y", "row", "rows", "height"),
    "X": ("x", "col", "cols", "column", "columns", "width"),
}
_LETTERS = {name: axis for axis, names in _NAMES.items() for name in names}
_UM_PER_MM = 1000.0


@dataclass(frozen=True)
class Grid:
    """The spatial grid of a layer, along its own axes; see `unetscope.io.Image` for the words.

    Attributes
    ----------
    axes : str
        ``"YX"`` or ``"ZYX"``.
    spacing, origin : tuple of float
        Along `axes`, in `units`.
    units : str
        ``"µm"``, ``"mm"`` or, where the layer has no lengths, ``"pixel"``.
    upright : bool
        Whether the layer is neither turned, mirrored nor sheared.
    """

    axes: str
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    units: str
    upright: bool


def axes_of(layer: ImageLayer | Labels, axes: str | None = None) -> str:
    """Name the axes of a layer, in its own order and without the colors of an RGB layer.

    Parameters
    ----------
    layer : Image or Labels layer
    axes : str, optional
        What they are. Unless given, the layer's axis labels say it, and where those are unknown the number of
        axes: YX, ZYX, TZYX or TCZYX.

    Raises
    ------
    InputError
        If these are no names for the axes of this layer.
    """
    if axes is not None:
        return _checked(layer, axes.upper())
    letters = _letters(layer)
    if letters is None:
        letters = _GUESSES.get(layer.ndim)
    if letters is None:
        raise InputError(
            f"the layer {layer.name!r} has {layer.ndim} axes",
            expected="two to five",
            fix="take a part of it, or name its axes (axis_labels)",
        )
    return _checked(layer, letters)


def is_named(layer: ImageLayer | Labels) -> bool:
    """Whether the axis labels of a layer say what its axes are."""
    return _letters(layer) is not None


def _letters(layer: ImageLayer | Labels) -> str | None:
    """What the axis labels of a layer say about its axes; None if that is not enough."""
    letters = "".join(_LETTERS.get(str(label).strip().lower(), "") for label in layer.axis_labels)
    whole = len(letters) == layer.ndim == len(set(letters)) and {"Y", "X"} <= set(letters)
    return letters if whole else None


def _checked(layer: ImageLayer | Labels, axes: str) -> str:
    kept = axes.replace("C", "") if getattr(layer, "rgb", False) else axes
    if len(kept) != layer.ndim or len(set(kept)) != len(kept) or not {"Y", "X"} <= set(kept) <= set(AXES):
        raise InputError(
            f"the axes of the layer {layer.name!r} of shape {shape_of(layer)} are {axes!r}",
            expected=f"{layer.ndim} different letters of {AXES!r}, with Y and X",
            fix="name the axes that it has",
        )
    return kept


def shape_of(layer: ImageLayer | Labels) -> tuple[int, ...]:
    """Number of elements along each axis of a layer, of the finest level and without the colors."""
    data = layer.data[0] if layer.multiscale else layer.data
    return tuple(int(n) for n in data.shape[: layer.ndim])


def grid_of(layer: ImageLayer | Labels, axes: str) -> Grid:
    """Measure the spatial grid of a layer whose axes are `axes`."""
    spatial = [axes.index(axis) for axis in _SPATIAL if axis in axes]
    factors, units = _lengths(layer, spatial)
    linear, translate = _to_world(layer)
    steps = factors[:, np.newaxis] * linear[np.ix_(spatial, spatial)]
    start = factors * translate[spatial]
    diagonal = np.diagonal(steps)
    if np.array_equal(steps, np.diag(diagonal)):
        # Exact, where the general way would round.
        spacing, origin = np.abs(diagonal), start * np.sign(diagonal)
    else:
        spacing = np.linalg.norm(steps, axis=0)
        origin = np.linalg.solve(steps / spacing, start)
    upright = np.array_equal(steps, np.diag(spacing))
    names = "".join(axes[i] for i in spatial)
    return Grid(names, tuple(spacing.tolist()), tuple(origin.tolist()), units, upright)


def spatial_units(image: Image) -> str:
    """The unit of an image as napari knows it."""
    return image.units if to_length(1.0, image.units) else "pixel"


def _lengths(layer: ImageLayer | Labels, spatial: list[int]) -> tuple[NDArray[np.float64], str]:
    """Factors that bring the world coordinates of the spatial axes into one unit, and that unit."""
    lengths = [to_length(1.0, layer.units[i]) for i in spatial]
    known = [length for length in lengths if length is not None]
    if len(known) < len(lengths):
        return np.ones(len(spatial)), "pixel"
    if len({unit for _, unit in known}) == 1:
        return np.array([factor for factor, _ in known]), known[0][1]
    return np.array([_in_um(*length) for length in known]), "µm"


def _in_um(length: float, unit: str) -> float:
    return length * (_UM_PER_MM if unit == "mm" else 1.0)


def _to_world(layer: ImageLayer | Labels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    affine = np.asarray(layer.affine.affine_matrix, np.float64)
    linear = affine[:-1, :-1] @ _linear(layer)
    return linear, affine[:-1, :-1] @ np.asarray(layer.translate, np.float64) + affine[:-1, -1]


def _linear(layer: ImageLayer | Labels) -> NDArray[np.float64]:
    return np.asarray(layer.rotate @ _shear(layer) @ np.diag(layer.scale), np.float64)


def _shear(layer: ImageLayer | Labels) -> NDArray[np.float64]:
    shear = np.asarray(layer.shear, np.float64)
    if shear.ndim == 2:
        return shear
    matrix = np.eye(layer.ndim)
    matrix[np.triu_indices(layer.ndim, 1)] = shear
    return matrix


def place_on(image: Image, layer: ImageLayer | Labels, *, rgb: bool = False) -> tuple[str, dict[str, Any]]:
    """Lay an image that was made from a layer into the world as that layer lies in it.

    The image may be a part of the layer, coarser or finer, and have fewer or more axes: spacing and origin
    say where on the layer's grid it lies. An axis that the image lacks is left out where nothing comes before
    it, for napari counts axes from the last; elsewhere it becomes one element that spans the whole axis.
    Further axes come first.

    Parameters
    ----------
    image : Image
    layer : Image or Labels layer
    rgb : bool
        Whether the channels of the image are to be its colors, and no axis.

    Returns
    -------
    axes : str
        The axes that the new layer's data must have, in this order, without colors.
    options : dict
        scale, translate, rotate, shear, affine, units and axis_labels of the new layer.

    Raises
    ------
    InputError
        If the two grids cannot be compared: one has lengths, the other only pixels, and their sizes differ.
    """
    own = image.axes.replace("C", "") if rgb else image.axes
    named = is_named(layer)
    # Whoever took the image from a layer without names has named its axes.
    old = own if len(own) == layer.ndim and not named else axes_of(layer)
    new = "".join(axis for axis in own if axis not in old)
    ratios, offsets = _on_grid(image, layer, old, own)
    scale = np.concatenate([_new_scale(image, new), layer.scale * ratios])
    translate = np.concatenate([_new_translate(image, new), layer.translate + _linear(layer) @ offsets])
    extra = len(new)
    rotate, shear = _embed(layer.rotate, extra), _embed(_shear(layer), extra)
    affine = _embed(np.asarray(layer.affine.affine_matrix), extra)
    labels = tuple(new + old) if new and not named else (*new, *layer.axis_labels)
    spatial = layer.units[old.index("X")]
    units = tuple(spatial if axis in _SPATIAL else "pixel" for axis in new) + tuple(layer.units)
    first = _first_kept(own, new + old, rotate @ shear, affine)
    options = {
        "scale": scale[first:],
        "translate": translate[first:],
        "rotate": rotate[first:, first:],
        "shear": shear[first:, first:],
        "affine": affine[first:, first:],
        "units": units[first:],
        "axis_labels": labels[first:],
    }
    return (new + old)[first:], options


def _on_grid(
    image: Image, layer: ImageLayer | Labels, old: str, own: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Step and first pixel of an image along the axes of a layer, in pixels of the layer."""
    grid = grid_of(layer, old)
    shape = dict(zip(old, shape_of(layer), strict=True))
    factor = _factor(image, grid, tuple(shape[axis] for axis in grid.axes))
    ratios, offsets = np.ones(len(old)), np.zeros(len(old))
    for i, axis in enumerate(old):
        if axis not in own:
            ratios[i], offsets[i] = shape[axis], (shape[axis] - 1) / 2
        elif axis in _SPATIAL and factor is not None:
            at, on = image.spatial_axes.index(axis), grid.axes.index(axis)
            ratios[i] = factor * image.spacing[at] / grid.spacing[on]
            offsets[i] = (factor * image.origin[at] - grid.origin[on]) / grid.spacing[on]
    return ratios, offsets


def _factor(image: Image, grid: Grid, shape: tuple[int, ...]) -> float | None:
    """From the image's unit to the grid's; None if there is none and the pixels are the same."""
    if image.units == grid.units:
        return 1.0
    own, other = to_length(1.0, image.units), to_length(1.0, grid.units)
    if own and other:
        return _in_um(*own) / _in_um(*other)
    if image.grid == shape:
        return None
    raise InputError(
        f"{image.name} has {' × '.join(map(str, image.grid))} pixels in {image.units}, "
        f"and the layer that it is to lie on {' × '.join(map(str, shape))} in {grid.units}",
        expected="grids of the same size, or both with their spacing",
        fix="set the units of the layer",
    )


def _new_scale(image: Image, new: str) -> list[float]:
    return [image.spacing[image.spatial_axes.index(axis)] if axis in _SPATIAL else 1.0 for axis in new]


def _new_translate(image: Image, new: str) -> list[float]:
    return [image.origin[image.spatial_axes.index(axis)] if axis in _SPATIAL else 0.0 for axis in new]


def _embed(matrix: NDArray[np.float64], extra: int) -> NDArray[np.float64]:
    size = extra + len(matrix)
    full = np.eye(size)
    full[extra:, extra:] = matrix
    return full


def _first_kept(own: str, axes: str, linear: NDArray[np.float64], affine: NDArray[np.float64]) -> int:
    """How many of the first axes can be left out: those that the image lacks and no rotation mixes in."""
    first = 0
    for i, axis in enumerate(axes):
        mixed = any(np.count_nonzero([m[i], m[:, i]]) > 2 for m in (linear, affine[:-1, :-1]))
        if axis in own or mixed:
            break
        first += 1
    return first
