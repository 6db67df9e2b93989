from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile

from unetscope import api
from unetscope.errors import InputError, ModelError
from unetscope.evaluation import read_report
from unetscope.folders import compare_run, image_of_run
from unetscope.io import Image, read, read_mask


def test_a_run_is_scored_as_training_scored_it(trained: Path) -> None:
    comparison = compare_run(trained)
    assert comparison.report == read_report(trained)
    assert comparison.names == tuple(score.name for score in comparison.report.scores)
    assert all(image is not None for image in comparison.images)


def test_training_images_can_be_looked_at_too(trained: Path) -> None:
    validation, training = (set(compare_run(trained, role=role).names) for role in ("validation", "training"))
    assert (len(validation), len(training), validation & training) == (2, 2, set())


def test_the_progress_reaches_the_end_and_can_stop(trained: Path) -> None:
    parts: list[float] = []
    compare_run(trained, progress=parts.append)
    assert parts == sorted(parts)
    assert 0.5 < parts[-1] <= 1

    def stop(part: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        compare_run(trained, progress=stop)


def test_an_image_of_a_run_is_read_with_its_mask(heart: SimpleNamespace, trained: Path) -> None:
    image, mask = image_of_run(trained, "SAMPLE-C_0003.dcm")
    np.testing.assert_array_equal(image.data, read(heart.training / "SAMPLE-C_0003.dcm").data)
    np.testing.assert_array_equal(mask.data, read_mask(heart.training / "SAMPLE-C_0003.png").data)


def test_a_time_point_of_a_series_is_an_image(tiny: dict[str, Any], tmp_path: Path) -> None:
    for name in ("a", "b"):
        labels = np.zeros((2, 32, 32), np.uint8)
        labels[0, 4:12, 4:12] = labels[1, 16:24, 16:24] = 1
        tifffile.imwrite(tmp_path / f"{name}.ome.tif", labels * 50, metadata={"axes": "TYX"})
        tifffile.imwrite(tmp_path / f"{name}_mask.ome.tif", labels, metadata={"axes": "TYX"})
    run = api.train(tmp_path, tmp_path / "run", settings=tiny, device="cpu")
    names = [score.name for score in read_report(run.path).scores]
    assert [name.split(", ")[1] for name in names] == ["time 1", "time 2"]
    image, mask = image_of_run(run.path, names[1])
    assert (image.axes, mask.axes) == ("YX", "YX")
    np.testing.assert_array_equal(image.data, mask.data * 50)
    assert mask.data[16, 16] == 1


def test_an_image_that_the_run_does_not_have(trained: Path) -> None:
    with pytest.raises(InputError, match=r"has no image other\.png"):
        image_of_run(trained, "other.png")


def test_a_run_without_such_images(trained: Path) -> None:
    with pytest.raises(InputError, match="has no test images"):
        compare_run(trained, role="test")


def test_a_run_on_arrays_keeps_none(heart: SimpleNamespace, tiny: dict[str, Any], tmp_path: Path) -> None:
    square = np.zeros((32, 32), np.uint8)
    square[4:20, 4:20] = 1
    pair = Image(square * 9.0, "YX"), Image(square, "YX")
    run = api.train([pair, pair], tmp_path / "run", settings=tiny, device="cpu")
    with pytest.raises(InputError, match="was given as an array"):
        compare_run(run.path)


def test_a_run_without_a_model_yet(trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    (run / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        compare_run(run)
