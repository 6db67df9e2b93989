"""A folder with images that are too large for memory, as ``unetscope predict`` meets it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unetscope import io
from unetscope.errors import InputError
from unetscope.folders import predict_files
from unetscope.folders.index import read_index
from unetscope.inference import predict_image
from unetscope.io.image import Image
from unetscope.large import predict as large
from unetscope.large import settle
from unetscope.model import Model


@pytest.fixture
def asked(model: Callable[..., Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, ...]:
    """Model, images (one of them small) and a folder for results."""
    monkeypatch.setattr(settle, "_MEMORY", 0)
    monkeypatch.setattr(settle, "_UNIT", {2: 16, 3: 8})
    monkeypatch.setattr(large, "LARGE_PIXELS", {2: 1000, 3: 1000})
    (tmp_path / "images").mkdir()
    for name, shape in (("a", (40, 50)), ("b", (20, 20)), ("c", (50, 40))):
        pixels = np.random.default_rng(len(name)).random(shape, np.float32)
        io.write_image(tmp_path / "images" / f"{name}.ome.tif", Image(pixels, "YX"))
    model("prediction.minimum_size=2").save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors", tmp_path / "images", tmp_path / "out"


def segment(asked: tuple[Path, ...], **options: object) -> list[str]:
    return [result.labels for result, _ in predict_files(*asked, device="cpu", **options)]


def check(asked: tuple[Path, ...]) -> None:
    model, images, out = asked
    for result in read_index(out).values():
        expected = predict_image(Model.load(model), io.read(Path(result["image"]))).labels.data
        np.testing.assert_array_equal(np.asarray(io.read(out / result["labels"]).data), expected)
        assert sum(result["pixels"].values()) == expected.size
    assert {Path(result["image"]).parent for result in read_index(out).values()} == {images}


def test_small_and_large_images_side_by_side(asked: tuple[Path, ...]) -> None:
    assert segment(asked) == ["a.ome.zarr", "b.png", "c.ome.zarr"]
    check(asked)


@pytest.mark.parametrize("name", ["a", "c"])
def test_the_same_call_goes_on_after_a_kill(asked: tuple[Path, ...], name: str) -> None:
    out = asked[2]
    code = f"""
import os, sys
from pathlib import Path
from unetscope.folders import predict_files
from unetscope.large import predict, settle
settle._MEMORY, settle._UNIT, predict.LARGE_PIXELS = 0, {{2: 16}}, {{2: 1000}}
def die(part):
    if part > 0.5 and Path({str(out / name)!r} + ".ome.zarr.blocks").exists():
        os.kill(os.getpid(), 9)
list(predict_files(*map(Path, {[str(path) for path in asked]!r}), device="cpu", progress=die))
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -9
    kept = {file: file.stat().st_mtime_ns for file in out.glob("*.blocks/*.npz")}
    assert kept
    assert not list(out.glob("*.part"))
    assert segment(asked) == ["a.ome.zarr", "b.png", "c.ome.zarr"]
    assert not list(out.glob("*.blocks"))
    check(asked)


def test_a_kill_while_blocks_are_put_together_leaves_nothing(asked: tuple[Path, ...]) -> None:
    out = asked[2]
    code = f"""
import os
from pathlib import Path
from unetscope.folders import predict_files
from unetscope.io.write import zarr
from unetscope.large import predict, settle
settle._MEMORY, settle._UNIT, predict.LARGE_PIXELS = 0, {{2: 16}}, {{2: 1000}}
zarr._put = lambda *arguments: os.kill(os.getpid(), 9)
list(predict_files(*map(Path, {[str(path) for path in asked]!r}), device="cpu"))
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -9
    assert [path.name for path in out.glob(".*.part")] == []
    assert len(list(out.glob("*.blocks/.*.part"))) == 1
    assert segment(asked) == ["a.ome.zarr", "b.png", "c.ome.zarr"]
    assert not list(out.glob("*.blocks"))
    check(asked)


@pytest.mark.parametrize("options", [{"file_format": "tiff"}, {"probabilities": True}])
def test_what_blocks_do_not_give_is_refused(asked: tuple[Path, ...], options: dict[str, object]) -> None:
    with pytest.raises(InputError, match="segmented in blocks"):
        segment(asked, **options)
