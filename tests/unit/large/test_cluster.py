"""Blocks on a Dask cluster of other processes, one of which dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import dask
import numpy as np
import pytest

from unetscope import io
from unetscope.errors import InputError
from unetscope.inference import predict_image
from unetscope.io.image import Image
from unetscope.large import predict_large, settle
from unetscope.model import Model

distributed = pytest.importorskip("distributed")


@pytest.fixture
def cluster() -> Iterator[distributed.LocalCluster]:
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as made:
        yield made


def test_the_result_is_the_same_when_a_worker_dies(
    cluster: distributed.LocalCluster,
    model: Callable[..., Model],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settle, "_MEMORY", 0)
    monkeypatch.setattr(settle, "_UNIT", {2: 16, 3: 8})
    made, pixels = model(), np.random.default_rng(0).random((60, 70), np.float32)
    made.save(tmp_path / "model.safetensors")
    io.write_image(tmp_path / "image.ome.tif", Image(pixels, "YX"))
    asked = (tmp_path / "model.safetensors", tmp_path / "image.ome.tif", tmp_path / "out.ome.zarr")
    steps = predict_large(*asked, device="cpu", scheduler=cluster.scheduler_address)
    assert next(steps).total == 20
    next(steps)
    os.kill(next(iter(cluster.workers.values())).process.pid, signal.SIGKILL)
    *_, last = steps
    assert last.done == 20
    found = np.asarray(io.read(asked[2]).data)
    np.testing.assert_array_equal(found, predict_image(made, Image(pixels, "YX")).labels.data)


def test_a_scheduler_that_is_not_there(model: Callable[..., Model], tmp_path: Path) -> None:
    model().save(tmp_path / "model.safetensors")
    io.write_image(tmp_path / "image.ome.tif", Image(np.zeros((9, 9), np.float32), "YX"))
    steps = predict_large(
        tmp_path / "model.safetensors",
        tmp_path / "image.ome.tif",
        tmp_path / "out.ome.zarr",
        device="cpu",
        scheduler="tcp://127.0.0.1:9",
    )
    soon = dask.config.set({"distributed.comm.timeouts.connect": "1s"})
    with soon, pytest.raises(InputError, match="no Dask scheduler answers"):
        list(steps)
