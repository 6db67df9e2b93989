"""Images and masks, prepared once and kept in memory, and the batches that are drawn from them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unetscope.errors import InputError
from unetscope.io.image import Image
from unetscope.io.pairs import Role
from unetscope.network import UNet
from unetscope.preprocess import (
    IGNORED,
    Preparation,
    median_diameter,
    object_distances,
    split_frames,
    to_classes,
    true_labels,
)
from unetscope.recipe import Recipe
from unetscope.training.augment import Placement, change_values, place, resample
from unetscope.training.centers import center_offsets, contacts
from unetscope.training.weights import weight_map

__all__ = ["Batch", "Batches", "Example", "Sample", "check_channels", "extra_maps", "prepare_samples"]

# Pixels remembered per sample, to center patches on.
_CENTERS = 4096


@dataclass(frozen=True, eq=False)
class Example:
    """An image with its mask, as read.

    Attributes
    ----------
    name : str
        For tables and messages.
    group : str
        What must stay on one side of the split.
    image, mask : Image
        On the same grid.
    split : {"", "training", "validation", "test"}
        What the image is for; empty where the recipe decides.
    """

    name: str
    group: str
    image: Image
    mask: Image
    split: Role = ""


@dataclass(frozen=True, eq=False)
class Sample:
    """One prepared frame: normalized image, the maps that are needed, class indices; in one array.

    Attributes
    ----------
    name : str
        Of the example it comes from.
    array : (C + E + 1, *grid) float32 ndarray
        Image channels, the maps that `extra_maps` names, class indices.
    channels : int
        C.
    centers : (N, D) int ndarray
        Some foreground pixels.
    labeled : (N, D) int ndarray
        Some labeled pixels, if only strokes are labeled; otherwise none.
    objects : int
        How many there are, where the mask numbers them; otherwise 0.
    diameter, diameter_seen : float
        Their median diameter, in pixels of the image and of the array; 0 without any of them.
    """

    name: str
    array: NDArray[np.float32]
    channels: int
    centers: NDArray[np.int_]
    labeled: NDArray[np.int_]
    objects: int = 0
    diameter: float = 0.0
    diameter_seen: float = 0.0

    @property
    def image(self) -> NDArray[np.float32]:
        """(C, *grid) float32."""
        return self.array[: self.channels]

    @property
    def target(self) -> NDArray[np.float32]:
        """(*grid) class indices, as float32."""
        return self.array[-1]

    @property
    def grid(self) -> tuple[int, ...]:
        """Lengths of the spatial axes."""
        return self.array.shape[1:]


@dataclass(frozen=True, eq=False)
class Batch:
    """What one step learns from.

    Attributes
    ----------
    images : (B, C, *size) float32 Tensor
    targets : (B, *output size) int64 Tensor
        Smaller than the images with valid padding.
    weights, distances : (B, *output size) float32 Tensor or None
        Where the recipe asks for them.
    contacts : (B, *output size) bool Tensor or None
        Where objects meet, if they are told apart by center.
    offsets : (B, D, *output size) float32 Tensor or None
        To the centers, in the unit of the network, then.
    """

    images: Tensor
    targets: Tensor
    weights: Tensor | None = None
    distances: Tensor | None = None
    contacts: Tensor | None = None
    offsets: Tensor | None = None

    @classmethod
    def of(cls, images: Tensor, rest: Tensor, recipe: Recipe, unit: Tensor, *, objects: int) -> Batch:
        """A batch from images and what else the arrays of its samples hold, (B, E + 1, *output size).

        Where objects are told apart by center, `objects` is the highest number that one of them can have.
        """
        maps = dict(zip(extra_maps(recipe), rest[:, :-1].unbind(1), strict=True))
        if "objects" in maps:
            numbers = maps.pop("objects")
            maps |= {"contacts": contacts(numbers), "offsets": center_offsets(numbers, objects) / unit}
        return cls(images, rest[:, -1].long(), **maps)

    @property
    def maps(self) -> dict[str, Tensor]:
        """Weights, distances, contacts and offsets that are there, as `segmentation_loss` takes them."""
        named = {name: getattr(self, name) for name in ("weights", "distances", "contacts", "offsets")}
        return {name: each for name, each in named.items() if each is not None}

    def parts(self, count: int) -> Iterator[Batch]:
        """The same in so many parts, or one per sample if there are fewer."""
        images, targets = self.images.chunk(count), self.targets.chunk(count)
        maps = {name: each.chunk(count) for name, each in self.maps.items()}
        for part, (image, target) in enumerate(zip(images, targets, strict=True)):
            yield Batch(image, target, **{name: each[part] for name, each in maps.items()})


def extra_maps(recipe: Recipe) -> tuple[str, ...]:
    """What a sample holds between image and class indices: "weights", "distances" and "objects", or less."""
    target = recipe.target
    wanted = {
        "weights": recipe.loss.border is not None,
        "distances": target.by_distance,
        "objects": target.by_center,
    }
    return tuple(name for name, is_wanted in wanted.items() if is_wanted)


def prepare_samples(
    examples: Sequence[Example], recipe: Recipe, preparation: Preparation, values: Sequence[int]
) -> list[Sample]:
    """Normalize, resize and crop examples, turn masks into classes, and weigh their pixels.

    Parameters
    ----------
    examples : sequence of Example
    recipe : Recipe
    preparation : Preparation
        Fitted to the training set.
    values : sequence of int
        Label of each class.

    Returns
    -------
    list of Sample
        One per frame. Frames in which nothing is labeled teach and judge nothing, and are left out.

    Raises
    ------
    InputError
        Naming the example, if its image or mask cannot be used; or if nothing is labeled in all of them, or
        strokes mark only objects or only background.
    """
    samples = []
    for example in examples:
        dimensions = recipe.network.dimensions
        frames = zip(
            split_frames(example.image, dimensions), split_frames(example.mask, dimensions), strict=True
        )
        made = [_sample(example.name, *frame, recipe, preparation, values=values) for frame in frames]
        samples += [sample for sample in made if (sample.target != IGNORED).any()]
    if examples:
        _check_labels(samples, examples, recipe)
    check_channels(samples)
    return samples


def check_channels(samples: Sequence[Sample]) -> None:
    """Make sure that all samples, for training and validation, have the same number of channels.

    Raises
    ------
    InputError
        If they differ.
    """
    counts = sorted({sample.channels for sample in samples})
    if len(counts) > 1:
        raise InputError(
            f"the images have {counts} channels",
            expected="the same number in all",
            fix="convert them to the same kind, or set preprocess.color=gray",
        )


class Batches:
    """Draws augmented batches from samples; the same seed and epoch give the same batches.

    Parameters
    ----------
    samples : sequence of Sample
    recipe : Recipe
    network : UNet
        Tells which sizes it can take.
    device : torch.device

    Raises
    ------
    InputError
        If whole images of different sizes are to share a batch, or samples are too small for the depth.
    """

    def __init__(
        self, samples: Sequence[Sample], recipe: Recipe, network: UNet, device: torch.device
    ) -> None:
        self.samples = samples
        self.recipe = recipe
        self.device = device
        self._arrays = _kept([sample.array for sample in samples], device)
        grids = {sample.grid for sample in samples}
        if recipe.training.patch is None and len(grids) > 1 and recipe.training.batch_size > 1:
            raise InputError(
                f"the images have {len(grids)} different sizes, such as {min(grids)} and {max(grids)}",
                expected="one size when whole images are trained together",
                fix="set training.patch, preprocess.resize, or training.batch_size=1",
            )
        self._check_spread(min(max(recipe.training.patch or grid) for grid in grids), network.stride)
        self._labels = 1 + ("objects" in extra_maps(recipe))
        self._unit = network.unit
        self._most = max(sample.objects for sample in samples)
        self._size_for = network.valid_size
        self._margin = network.margin
        self.per_epoch = recipe.training.samples or len(samples)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of one epoch.

        Parameters
        ----------
        number : int
            Decides, with the recipe's seed, all that is random.
        """
        # No random state survives an epoch, so a run that is resumed after it draws the same batches.
        rng = np.random.default_rng([self.recipe.seed, number])
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(2**63)))
        order = self._order(rng)
        size = self.recipe.training.batch_size
        for start in range(0, len(order), size):
            yield self._batch(order[start : start + size], rng, generator)

    def _order(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Indices of the samples of an epoch."""
        if self.recipe.training.draw == "equally":
            rounds = math.ceil(self.per_epoch / len(self.samples))
            return np.concatenate([rng.permutation(len(self.samples)) for _ in range(rounds)])[
                : self.per_epoch
            ]
        weights = np.sqrt([max(sample.objects, 1) for sample in self.samples])
        # Evenly spaced, not drawn one by one: every epoch holds each sample about as often as it should.
        places = (rng.random() + np.arange(self.per_epoch)) / self.per_epoch
        first = rng.permutation(len(self.samples))
        ends = np.cumsum(weights[first]) / weights.sum()
        return rng.permutation(first[np.minimum(np.searchsorted(ends, places), len(first) - 1)])

    def _check_spread(self, side: int, stride: int) -> None:
        """Make sure that normalization has more than one value to take a spread from."""
        norm, batch_size = self.recipe.network.norm, self.recipe.training.batch_size
        alone = norm == "instance" or (norm == "batch" and min(batch_size, len(self.samples)) == 1)
        if alone and side <= stride:
            raise InputError(
                f"{norm} norm sees a single pixel where samples of {side} pixels are halved "
                f"{self.recipe.network.depth} times",
                expected=f"samples of more than {stride} pixels",
                fix="set a smaller network.depth or a larger training.patch",
            )

    def _batch(self, drawn: NDArray[np.intp], rng: np.random.Generator, generator: torch.Generator) -> Batch:
        samples = [self.samples[i] for i in drawn]
        patch = self.recipe.training.patch or samples[0].grid
        size = [self._size_for(length) for length in patch]
        placements = [self._place(sample, size, rng) for sample in samples]
        arrays = resample([self._arrays[i] for i in drawn], placements, size, labels=self._labels)
        arrays = arrays.to(self.device)
        channels = samples[0].channels
        images = change_values(arrays[:, :channels], self.recipe.augmentation, generator)
        rest = arrays[
            (slice(None), slice(channels, None), *(slice(self._margin, n - self._margin) for n in size))
        ]
        return Batch.of(images, rest, self.recipe, self._unit, objects=self._most)

    def _place(self, sample: Sample, size: Sequence[int], rng: np.random.Generator) -> Placement:
        grid = np.asarray(sample.grid)
        if self.recipe.training.patch is None:
            center = (grid - 1) / 2
        else:
            half = np.minimum((np.asarray(size) - 2 * self._margin) / 2, grid / 2)
            on_object = len(sample.centers) and rng.random() < self.recipe.training.foreground
            # Where only strokes are labeled, a patch drawn anywhere would often hold none.
            points = sample.centers if on_object else sample.labeled
            if len(points):
                center = points[rng.integers(len(points))] + rng.uniform(-0.5, 0.5, len(grid)) * half
            else:
                center = rng.uniform(half - 0.5, np.maximum(grid - half - 0.5, half - 0.5))
            center = np.clip(center, half - 0.5, grid - half - 0.5)
        return place(center, size, self.recipe.augmentation, rng)


def _kept(arrays: Sequence[NDArray[np.float32]], device: torch.device) -> list[Tensor]:
    """Arrays on the device that trains, if they leave half of its free memory; otherwise where they are."""
    kept = [torch.from_numpy(array) for array in arrays]
    if device.type != "cuda":
        return kept
    free, _ = torch.cuda.mem_get_info(device)
    return [each.to(device) for each in kept] if 2 * sum(each.nbytes for each in kept) <= free else kept


def _sample(
    name: str, image: Image, mask: Image, recipe: Recipe, preparation: Preparation, *, values: Sequence[int]
) -> Sample:
    if image.grid != mask.grid:
        raise InputError(
            f"{name}: the mask is {mask.grid} but the image {image.grid}",
            expected="a mask on the image's grid",
            fix="correct or leave out this pair",
        )
    objects = _objects(mask, recipe)
    numbered = recipe.target.kind == "instances"
    diameter = median_diameter(objects) if numbered else 0.0
    transform = preparation.transform(image.grid, diameter=diameter)
    pixels = transform.image(preparation.normalized(image))
    try:
        # Gaps and rims are one pixel wide for the network, whatever the size of the image.
        classes = to_classes(transform.mask(mask.data, fill=0), recipe.target, values)
    except InputError as error:
        raise InputError(f"{name}: {error.found}", expected=error.expected, fix=error.fix) from error
    classes[transform.mask(np.zeros(mask.grid, np.int16), fill=IGNORED) == IGNORED] = IGNORED
    objects = transform.mask(objects, fill=0)
    parts = [pixels]
    if recipe.loss.border is not None:
        parts.append(weight_map(objects, classes, recipe.loss.border)[np.newaxis])
    if recipe.target.by_distance:
        parts.append(object_distances(objects, mask.spacing)[np.newaxis])
    if recipe.target.by_center:
        parts.append(objects[np.newaxis].astype(np.float32))
    parts.append(classes[np.newaxis].astype(np.float32))
    labeled = _some(classes != IGNORED) if recipe.target.sparse else np.empty((0, classes.ndim), np.int_)
    return Sample(
        name=name,
        array=np.concatenate(parts),
        channels=len(pixels),
        centers=_some(classes > 0),
        labeled=labeled,
        objects=int(objects.max(initial=0)) if numbered else 0,
        diameter=diameter,
        diameter_seen=median_diameter(objects) if numbered else 0.0,
    )


def _check_labels(samples: Sequence[Sample], examples: Sequence[Example], recipe: Recipe) -> None:
    """Make sure that there is something to learn from, or to judge by."""
    background = any((sample.target == 0).any() for sample in samples)
    objects = any((sample.target > 0).any() for sample in samples)
    if (background and objects) or (samples and not recipe.target.sparse):
        return
    found = "only objects are" if objects else "only background is" if background else "nothing is"
    names = [example.name for example in examples]
    raise InputError(
        f"{', '.join(names[:3])}{', …' if len(names) > 3 else ''}: {found} labeled",
        expected="labels on objects and on background where images train, and where they validate",
        fix="paint more, or choose other images to validate on",
    )


def _some(where: NDArray[np.bool_]) -> NDArray[np.int_]:
    positions = np.argwhere(where)
    return positions[:: max(1, len(positions) // _CENTERS)]


def _objects(mask: Image, recipe: Recipe) -> NDArray[np.int32]:
    """Objects as 1, 2, …: those of the mask, or its connected parts where their borders have weights."""
    from scipy import ndimage

    data = np.maximum(true_labels(mask.data, recipe.target), 0)
    if recipe.target.kind == "instances":
        return np.where(data > 0, np.searchsorted(np.unique(data[data > 0]), data) + 1, 0).astype(np.int32)
    if recipe.loss.border is None:
        return np.zeros(mask.grid, np.int32)
    labels, _ = ndimage.label(data > recipe.target.threshold, output=np.int32)
    return labels
