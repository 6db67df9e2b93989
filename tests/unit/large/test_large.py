"""Images segmented block by block: the labels of the whole, however often it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pytest
import torch
import zarr
from numpy.typing import NDArray
from scipy import ndimage

from unetscope import api, io
from unetscope.errors import InputError, OutputError
from unetscope.evaluation.objects import count_objects
from unetscope.inference import predict_image
from unetscope.io.image import Image
from unetscope.large import Step, blocks, predict_large, settle
from unetscope.large import segment as segment_module
from unetscope.large.job import JobFolder
from unetscope.model import Model
from unetscope.network import network_for
from unetscope.recipe import Recipe, change

Make = Callable[..., Model]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "_MEMORY", 0)
    monkeypatch.setattr(settle, "_UNIT", {2: 16, 3: 8})


def speckles(*shape: int, smooth: float = 1.5) -> NDArray[np.float32]:
    noise = np.random.default_rng(0).normal(size=shape)
    smoothed = ndimage.gaussian_filter(noise, [0] * (len(shape) - 3) + [smooth] * min(len(shape), 3))
    return (0.5 + smoothed / smoothed.std() / 4).astype(np.float32)


def segment(
    model: Model, image: Image, folder: Path, **options: object
) -> tuple[NDArray[np.generic], list[Step]]:
    """Labels of an image that is segmented in blocks, and the steps."""
    saved, file = folder / "model.safetensors", folder / "image.ome.tif"
    if not saved.exists():
        model.save(saved)
        io.write_image(file, image)
    steps = list(predict_large(saved, file, folder / "out.ome.zarr", device="cpu", **options))
    return np.asarray(io.read(folder / "out.ome.zarr").data), steps


def by_first_pixel(labels: NDArray[np.integer]) -> NDArray[np.integer]:
    """The same objects, numbered in the order of their first pixels."""
    numbers, first = np.unique(labels, return_index=True)
    order = np.zeros(labels.max() + 1, int)
    objects = numbers > 0
    order[numbers[objects][np.argsort(first[objects])]] = np.arange(1, objects.sum() + 1)
    return order[labels]


@pytest.mark.parametrize(
    ("axes", "shape", "settings"),
    [
        ("YX", (50, 71), []),
        ("YX", (50, 71), ["prediction.minimum_size=9"]),
        ("YX", (50, 71), ["preprocess.normalize.method=percentile"]),
        ("ZYX", (9, 18, 27), ["network.dimensions=3"]),
    ],
)
def test_labels_are_those_of_the_whole(
    model: Make, tmp_path: Path, axes: str, shape: tuple[int, ...], settings: list[str]
) -> None:
    made, image = model(*settings, values=(0, 7)), Image(speckles(*shape), axes)
    found, steps = segment(made, image, tmp_path)
    np.testing.assert_array_equal(found, predict_image(made, image).labels.data)
    assert steps[-1].done == steps[-1].total > 4
    assert steps[-1].pixels == {
        int(v): int(n) for v, n in zip(*np.unique(found, return_counts=True), strict=True)
    }


def test_classes_of_an_image_with_channels(model: Make, tmp_path: Path) -> None:
    made = model(
        "target.kind=multiclass", "loss.kind=ce", levels=(0.2, 0.5, 0.8), channels=2, values=(0, 3, 300)
    )
    image = Image(speckles(2, 40, 37), "CYX")
    found, _ = segment(made, image, tmp_path)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, predict_image(made, image).labels.data)


@pytest.mark.parametrize("separate", ["gap", "center", "boundary", "distance"])
def test_objects_are_those_of_the_whole(tmp_path: Path, separate: str) -> None:
    torch.manual_seed(0)
    settings = ["target.kind=instances", f"target.separate={separate}", "network.depth=2", "network.width=4"]
    if separate == "boundary":
        settings.append("loss.kind=ce+dice")
    recipe = change(Recipe(), settings)
    made = Model(network_for(recipe, 1, (0, 1)).eval(), recipe, (0, 1), ("gray",), diameter=9.0)
    image = Image(speckles(90, 110), "YX")
    maps = predict_image(made, image)
    # Whatever the network says, a good part of the image is objects, and a part of these is core.
    seed = 0.1 if separate == "center" or maps.guides is None else float(np.percentile(maps.guides.data, 60))
    threshold = float(np.percentile(maps.probabilities.data, 55))
    made = replace(made, threshold=threshold, seed=seed, minimum_size=3)
    whole = predict_image(made, image).labels.data
    assert whole.max() > 20
    found, _ = segment(made, image, tmp_path)
    if separate == "boundary":
        # A watershed floods pixels of one height in an order that depends on all of the image.
        assert count_objects(whole, found).mean_ap > 0.97
    else:
        np.testing.assert_array_equal(found, by_first_pixel(whole))


def test_an_object_that_no_block_sees_whole_is_one(model: Make, tmp_path: Path) -> None:
    pixels = np.zeros((70, 90), np.float32)
    pixels[5:60, 3], pixels[59, 3:88], pixels[5:60, 87] = 1, 1, 1
    pixels[20, 40] = pixels[33:36, 30:50] = 1
    made = replace(model("target.kind=instances", "target.separate=gap"), diameter=1.0)
    found, steps = segment(made, Image(pixels, "YX"), tmp_path)
    np.testing.assert_array_equal(found, by_first_pixel(ndimage.label(pixels)[0]))
    assert steps[-1].pixels == {0: int((pixels == 0).sum()), 1: 55 + 55 + 83, 2: 1, 3: 60}


def test_neighbors_that_both_reach_over_a_seam_stay_two(model: Make, tmp_path: Path) -> None:
    pixels = np.zeros((16, 64), np.float32)
    pixels[4], pixels[6] = 1, 1
    made = replace(model("target.kind=instances", "target.separate=gap"), diameter=1.0)
    found, _ = segment(made, Image(pixels, "YX"), tmp_path)
    assert [found[4, 0], found[6, 0], found.max()] == [1, 2, 2]
    assert (found[4] == 1).all()
    assert (found[6] == 2).all()


def test_it_goes_on_where_it_stopped(model: Make, tmp_path: Path) -> None:
    made, image = model(), Image(speckles(50, 71), "YX")
    whole = predict_image(made, image).labels.data
    made.save(tmp_path / "model.safetensors")
    io.write_image(tmp_path / "image.ome.tif", image)
    asked = (tmp_path / "model.safetensors", tmp_path / "image.ome.tif", tmp_path / "out.ome.zarr")
    running = predict_large(*asked, device="cpu")
    assert [next(running).done for _ in range(4)] == [0, 1, 2, 3]
    running.close()
    assert not asked[2].exists()
    unfinished = tmp_path / "out.ome.zarr.blocks"
    kept = {file: file.stat().st_mtime_ns for file in unfinished.glob("*.npz")}
    assert len(kept) == 3
    again = predict_large(*asked, device="cpu")
    assert next(again).done == 3
    next(again)
    assert kept.items() <= {file: file.stat().st_mtime_ns for file in unfinished.glob("*.npz")}.items()
    *_, last = again
    assert last.pixels is not None
    assert not unfinished.exists()
    np.testing.assert_array_equal(np.asarray(io.read(asked[2]).data), whole)


def test_blocks_of_another_request_are_not_mixed(model: Make, tmp_path: Path) -> None:
    made, image = model(), Image(speckles(50, 71), "YX")
    made.save(tmp_path / "model.safetensors")
    io.write_image(tmp_path / "image.ome.tif", image)
    asked = (tmp_path / "model.safetensors", tmp_path / "image.ome.tif", tmp_path / "out.ome.zarr")
    running = predict_large(*asked, device="cpu")
    next(running), next(running)
    running.close()
    with pytest.raises(OutputError, match="unfinished blocks of another image"):
        next(predict_large(*asked, threshold=0.7, device="cpu"))
    *_, last = predict_large(*asked, threshold=0.7, device="cpu", overwrite=True)
    assert last.done == last.total
    expected = predict_image(made, image, threshold=0.7).labels.data
    np.testing.assert_array_equal(np.asarray(io.read(asked[2]).data), expected)
    with pytest.raises(OutputError, match="exists already"):
        next(predict_large(*asked, device="cpu"))


def test_a_block_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    store = JobFolder(tmp_path)
    (block,) = blocks.plan_blocks((4, 4), 8, 0)
    with pytest.raises(ValueError, match="Object arrays"):
        store.put(block, {"a": np.zeros(3), "b": np.array([object()])})
    assert not store.has(block)
    assert not list(tmp_path.iterdir())


def test_the_result_lies_where_the_image_lies(model: Make, tmp_path: Path) -> None:
    image = Image(speckles(40, 600), "YX", spacing=(0.5, 0.25), origin=(3.0, 4.0), units="µm")
    found, _ = segment(model(), image, tmp_path)
    result = io.read(tmp_path / "out.ome.zarr")
    assert (result.spacing, result.origin, result.units) == (image.spacing, image.origin, "µm")
    coarser = zarr.open_array(tmp_path / "out.ome.zarr" / "1", mode="r")
    np.testing.assert_array_equal(np.asarray(coarser), found[:, ::2])


def test_progress_is_that_of_the_whole(model: Make, tmp_path: Path) -> None:
    told: list[float] = []
    segment(model(), Image(speckles(30, 30), "YX"), tmp_path, progress=told.append)
    assert told == sorted(told)
    assert 0.75 <= told[-1] < 1


@pytest.mark.parametrize(
    ("settings", "axes", "expected"),
    [
        ([], "TYX", "one plane"),
        ([], "ZYX", "one plane"),
        (["network.dimensions=3"], "TZYX", "one volume"),
        (["preprocess.resize=[8,8]"], "YX", "takes images as they are"),
    ],
)
def test_what_cannot_be_cut_is_refused(
    model: Make, tmp_path: Path, settings: list[str], axes: str, expected: str
) -> None:
    image = Image(np.zeros((4, 8, 8, 8)[4 - len(axes) :], np.float32), axes)
    with pytest.raises(InputError, match=expected):
        segment(model(*settings), image, tmp_path)
    assert not (tmp_path / "out.ome.zarr.blocks").exists()


def test_what_fails_at_once_leaves_nothing(model: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the threshold is 2"):
        segment(model(), Image(speckles(30, 30), "YX"), tmp_path, threshold=2.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.ome.tif", "model.safetensors"]


def test_folders_may_be_named_from_where_one_is(
    model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found, _ = segment(model(), Image(speckles(30, 30), "YX"), Path())
    assert found.any()


def test_objects_are_brought_to_one_size(tmp_path: Path, trained_objects: Path) -> None:
    model = api.load_model(trained_objects)
    recipe = change(model.recipe, ["preprocess.diameter=12"])
    made = replace(model, recipe=recipe)
    image = Image((100 * speckles(60, 50)).astype(np.float32), "YX")
    _, steps = segment(made, image, tmp_path)
    assert steps[-1].diameter == predict_image(made, image).diameter


def test_pixels_on_disk_are_read_by_this_process_alone() -> None:
    def elsewhere(*_: object, **__: object) -> None:
        raise AssertionError("another scheduler was asked")

    pixels = speckles(20, 30)
    lazy = Image(da.from_array(pixels, chunks=(7, 8)), "YX")
    with dask.config.set(scheduler=elsewhere):
        part = segment_module.cut_out(lazy, (slice(3, 12), slice(None, None, 4)))
    np.testing.assert_array_equal(part.data, pixels[3:12, ::4])


@pytest.mark.parametrize(("dimensions", "length"), [(2, 100_000), (3, 4000)])
def test_blocks_are_as_large_as_memory_allows(
    model: Make, monkeypatch: pytest.MonkeyPatch, dimensions: int, length: int
) -> None:
    made = model(f"network.dimensions={dimensions}", "network.width=32", "network.depth=4")
    image = Image(np.broadcast_to(np.uint8(0), (length,) * dimensions), "ZYX"[-dimensions:])
    sides = []
    for gigabytes in (1, 2, 4):
        monkeypatch.setattr(settle, "_MEMORY", gigabytes * 2**30)
        side, margin = settle._sizes(image, made, None)
        assert 0 <= margin - made.network.halo < made.network.stride
        taken = settle._bytes(made.network, side + 2 * margin, 1.0)
        assert taken <= gigabytes * 2**30 or side == settle._UNIT[dimensions]
        sides.append(side)
    assert sides == sorted(sides)
    assert sides[0] < sides[-1] < length
