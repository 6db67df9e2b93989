"""The images of an experiment: which train, which validate, which test; cut, thinned out, made noisy."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope import api
from unetscope.errors import InputError
from unetscope.experiments.experiment import Arm, Material
from unetscope.io import Image
from unetscope.recipe.recipe import Split
from unetscope.training.dataset import Example
from unetscope.training.split import divide

__all__ = ["Dataset", "draw", "examples_of", "load_dataset", "noisy"]

_TRAINING_FOLDERS, _TEST_FOLDERS = ("training", "train"), ("test", "testing")
# Draws what is drawn once for all arms and seeds.
_SEED = 0


@dataclass(frozen=True, eq=False)
class Dataset:
    """The images of an experiment, the same for all of its cells.

    Attributes
    ----------
    examples : tuple of Example
        For training and validation; `Example.split` says which.
    tests : tuple of Example
        What the models are scored on.
    left_out : tuple of str
        A sentence for each file that cannot be used.
    """

    examples: tuple[Example, ...]
    tests: tuple[Example, ...]
    left_out: tuple[str, ...] = ()

    def of(self, role: str) -> list[Example]:
        """The examples that train or validate."""
        return [example for example in self.examples if example.split == role]

    def describe(self) -> list[dict[str, str]]:
        """Name, group, role and hashes of every image, for the folder of the experiment."""
        return [
            {
                "name": example.name,
                "group": example.group,
                "role": role,
                "image": _hash(example.image),
                "mask": _hash(example.mask),
            }
            for examples, fixed in ((self.examples, ""), (self.tests, "test"))
            for example in examples
            for role in (fixed or example.split,)
        ]


def load_dataset(
    data: Path, material: Material, *, test: Path | None = None, masks: Path | None = None
) -> Dataset:
    """Read a dataset and settle who trains, validates and tests.

    Parameters
    ----------
    data : Path
        A folder of pairs, a table, or a folder with the folders ``training`` (or ``train``) and ``test``.
    material : Material
    test : Path, optional
        A folder of test pairs. Without it, the images that a table marks, or `material.test_part`.
    masks : Path, optional
        The masks of `data`, when they are not where `find_pairs` looks.

    Raises
    ------
    InputError
        If images cannot be used, a test image is also one to train on, or too few groups are left.
    """
    objects = material.target.kind == "instances"
    if test is None:
        data, test = _places(data)
    loaded, left_out = api.load_examples(data, masks, group=material.split.group, objects=objects)
    tests = [example for example in loaded if example.split == "test"]
    examples = [example for example in loaded if example.split != "test"]
    if test is not None:
        # Images of one patient are not independent, whatever the split makes of that.
        group = "auto" if material.split.group == "file" else material.split.group
        more, unusable = api.load_examples(test, group=group, objects=objects)
        tests, left_out = tests + more, left_out + unusable
    if not tests:
        examples, tests = _draw_tests(examples, material)
    _refuse_known(examples, tests)
    examples = _spread(examples, material.images)
    tests = _spread(tests, material.test)
    if material.tile is not None:
        examples = [tile for example in examples for tile in _tiles(example, material.tile)]
        tests = [tile for example in tests for tile in _tiles(example, material.tile)]
    return Dataset(tuple(_with_roles(examples, material.split)), tuple(tests), left_out)


def examples_of(dataset: Dataset, arm: Arm, *, seed: int) -> list[Example]:
    """What one cell of an experiment trains and validates on.

    Parameters
    ----------
    dataset : Dataset
    arm : Arm
        Its `images` and `noise` count here.
    seed : int
        Draws which images where the arm takes only some.

    Raises
    ------
    InputError
        If there are fewer images than the arm asks for.
    """
    examples = draw(dataset, arm, seed=seed) + dataset.of("validation")
    if arm.noise:
        examples += [
            replace(
                example,
                name=f"{example.name} (noisy)",
                image=noisy(example.image, arm.noise),
                mask=_without_file(example.mask, f"{example.name} (noisy)"),
            )
            for example in examples
        ]
    return examples


def draw(dataset: Dataset, arm: Arm, *, seed: int) -> list[Example]:
    """The images that an arm trains on, without noisy copies; see `examples_of`."""
    training = dataset.of("training")
    if arm.images is None:
        return training
    if arm.images > len(training):
        raise InputError(
            f"there are {len(training)} images to train on",
            expected=f"at least {arm.images}, which an arm of the experiment asks for",
            fix="add images or leave out the arm",
        )
    order = np.random.default_rng(seed).permutation(len(training))
    return [training[index] for index in sorted(order[: arm.images])]


def noisy(image: Image, sigma: float) -> Image:
    """Add Gaussian noise, the same for the same image every time.

    Parameters
    ----------
    image : Image
    sigma : float
        Standard deviation in the values of the image.

    Returns
    -------
    Image
        Of the same dtype; integers are rounded and clipped to what the type can hold.
    """
    rng = np.random.default_rng([_SEED, zlib.crc32(image.name.encode())])
    data = np.asarray(image.data)
    values = data + rng.normal(0, sigma, data.shape)
    if np.issubdtype(data.dtype, np.integer):
        limits = np.iinfo(data.dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return _without_file(image.with_data(values.astype(data.dtype)), f"{image.name} (noisy)")


def _places(data: Path) -> tuple[Path, Path | None]:
    """The folders of a dataset that is divided into training and test already."""
    here = {path.name.lower(): path for path in data.iterdir() if path.is_dir()} if data.is_dir() else {}
    training = next((here[name] for name in _TRAINING_FOLDERS if name in here), None)
    test = next((here[name] for name in _TEST_FOLDERS if name in here), None)
    return (data, None) if training is None else (training, test)


def _draw_tests(examples: Sequence[Example], material: Material) -> tuple[list[Example], list[Example]]:
    settings = Split(validation=material.test_part)
    drawn = set(divide([example.group for example in examples], settings, seed=_SEED).validation)
    rest = [example for index, example in enumerate(examples) if index not in drawn]
    return rest, [replace(examples[index], split="test") for index in sorted(drawn)]


def _refuse_known(examples: Sequence[Example], tests: Sequence[Example]) -> None:
    """Test images must be new: neither they nor their patient may be trained on."""
    known = {_hash(example.image): example.name for example in examples}
    groups = {g for example in examples if (g := example.image.source.group) is not None}
    for example in tests:
        twin = known.get(_hash(example.image))
        if twin is not None:
            raise InputError(
                f"the test image {example.name} is also the training image {twin}",
                expected="test images that no training sees",
                fix="take it out of one of the folders",
            )
        if example.image.source.group in groups:
            raise InputError(
                f"the patient of the test image {example.name} is also trained on",
                expected="test patients that no training sees",
                fix="take the patient out of one of the folders",
            )


def _spread(examples: list[Example], number: int | None) -> list[Example]:
    """So many examples, evenly over their sorted names."""
    if number is None or number >= len(examples):
        return examples
    ordered = sorted(examples, key=lambda example: example.name)
    return [ordered[int(index)] for index in np.linspace(0, len(ordered) - 1, number).round()]


def _with_roles(examples: Sequence[Example], split: Split) -> Iterator[Example]:
    groups, roles = [example.group for example in examples], [example.split for example in examples]
    division = divide(groups, split, seed=_SEED, roles=roles)
    validating = set(division.validation)
    for index, example in enumerate(examples):
        yield replace(example, split="validation" if index in validating else "training")


def _tiles(example: Example, size: int) -> Iterator[Example]:
    image, mask = example.image, example.mask
    if image.spatial_axes != "YX" or "T" in image.axes:
        raise InputError(
            f"{example.name} has the axes {image.axes}", expected="a plane, to be cut into tiles"
        )
    rows, columns = (length // size for length in image.grid)
    if not rows or not columns:
        raise InputError(
            f"{example.name} has {image.grid[0]}×{image.grid[1]} pixels",
            expected=f"at least {size}×{size}, the size of a tile",
        )
    for row in range(rows):
        for column in range(columns):
            name = f"{example.name} tile {row + 1}-{column + 1}"
            part = np.s_[..., row * size : (row + 1) * size, column * size : (column + 1) * size]
            yield replace(example, name=name, image=_cut(image, part, name), mask=_cut(mask, part, name))


def _cut(image: Image, part: Any, name: str) -> Image:
    """A part of a plane, at its own place."""
    first = [span.start for span in part[1:]]
    origin = tuple(o + f * s for o, f, s in zip(image.origin, first, image.spacing, strict=True))
    affine: NDArray[np.float64] | None = None
    if image.affine is not None:
        affine = image.affine.copy()
        affine[:, 3] += image.affine @ np.array([0, *first, 0], float)
    cut = replace(image, data=np.ascontiguousarray(image.data[part]), origin=origin, affine=affine, levels=())
    return _without_file(cut, name)


def _without_file(image: Image, name: str) -> Image:
    """An image that is no longer what its file holds."""
    tags = {key: value for key, value in image.source.tags.items() if key != "reading"}
    source = replace(image.source, path=None, files=(), tags=tags | {"name": name})
    return replace(image, source=source)


def _hash(image: Image) -> str:
    """SHA-256 of shape, type and pixels."""
    data = np.ascontiguousarray(image.data)
    digest = hashlib.sha256(f"{data.shape} {data.dtype}".encode())
    digest.update(data.tobytes())
    return digest.hexdigest()
