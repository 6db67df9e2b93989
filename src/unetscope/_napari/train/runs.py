"""Names, places and plain words for runs; knows no Qt."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unetscope import api
from unetscope._words import count
from unetscope.training.folder import COPIES, TABLE

if TYPE_CHECKING:
    from unetscope._napari.dataset.dataset import Dataset

__all__ = [
    "command_line",
    "dataset_name",
    "default_parent",
    "describe_device",
    "describe_scores",
    "describe_time",
    "is_free",
    "next_folder",
]

_RUNS = "unetscope-runs"
_LAYERS = "layers"
# Folders that say nothing about what is in them.
_GENERIC = ("images", "imgs", "image", "masks", "data", "training", "train")


def dataset_name(dataset: Dataset | None) -> str:
    """A name for the runs of a dataset: that of its folder, or ``"layers"``."""
    folder = _folder_of(dataset)
    return _LAYERS if folder is None else folder.name or _LAYERS


def default_parent(dataset: Dataset | None, documents: Path) -> Path:
    """Where the runs of a dataset go unless the user knows better.

    Parameters
    ----------
    dataset : Dataset or None
    documents : Path
        The user's folder for documents, for layers, and where data lie in a place that is not the user's.

    Returns
    -------
    Path
        ``unetscope-runs`` beside the folder of the dataset, or in the documents.
    """
    folder = _folder_of(dataset)
    if folder is None or _belongs_to_package(folder) or not os.access(folder.parent, os.W_OK):
        return documents / _RUNS
    return folder.parent / _RUNS


def next_folder(parent: Path, name: str) -> Path:
    """The first of ``name-1``, ``name-2``, … that is not there yet."""
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"


def is_free(folder: Path) -> bool:
    """Whether a run may be written there without touching anything: no such folder, or an empty one."""
    try:
        return next(folder.iterdir(), None) is None
    except FileNotFoundError:
        return True
    except OSError:
        return False


def command_line(run: Path, start: Path | None = None) -> str:
    """What to type to train the same again, in the next folder.

    Parameters
    ----------
    run : Path
        The folder of a run that was started in the viewer.
    start : Path, optional
        The model whose weights it begins with.
    """
    again = run.with_name(f"{run.name}-again")
    words = ["unetscope", "train", str(run / COPIES / TABLE), "--recipe", str(run / "recipe.yaml")]
    if start is not None:
        names = {path: name for name, path in api.shipped_models().items()}
        words += ["--from", names.get(start, str(start))]
    words += ["--out", str(again)]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def describe_time(seconds: float) -> str:
    """About how long that is, for a person who waits."""
    if seconds < 90:
        return f"{max(round(seconds / 5) * 5, 5)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def describe_device(device: str) -> str:
    """What a torch device is, in words; empty for an empty name."""
    if device == "cpu":
        return f"CPU, {os.cpu_count()} cores"
    kinds = {"cuda": "GPU (CUDA)", "mps": "GPU (Apple)"}
    return kinds.get(device.partition(":")[0], device)


def describe_scores(
    metrics: Mapping[str, Any], history: Sequence[Mapping[str, Any]], *, sparse: bool = False
) -> str:
    """How good the model of a run is, and what that was measured on.

    Parameters
    ----------
    metrics : mapping
        Of ``metrics.json``; only with images to validate on are there a mean and its spread.
    history : sequence of mapping
        One per finished epoch.
    sparse : bool
        Whether only strokes were scored.
    """
    if not history:
        return "No epoch was finished, so there is no model."
    if "n" not in metrics:
        return f"The model is that of epoch {history[-1]['epoch']}; there was nothing to validate it on."
    mean, std, n = metrics["mean"]["dice"], metrics["std"]["dice"], metrics["n"]
    where = f"{'the strokes of ' if sparse else ''}{count(n, 'validation image')}"
    return f"Dice {mean:.3f} ± {std:.3f} (mean ± std) on {where}."


def _folder_of(dataset: Dataset | None) -> Path | None:
    """The folder that all images lie in, or the one above if its name says nothing."""
    images = [] if dataset is None else [entry.image for entry in dataset.entries]
    # Each folder once: to resolve a path on a network drive takes time.
    folders = {image.parent for image in images if isinstance(image, Path)}
    if not folders:
        return None
    folder = Path(os.path.commonpath([folder.resolve() for folder in folders]))
    while folder.name.lower() in _GENERIC:
        folder = folder.parent
    return folder


def _belongs_to_package(folder: Path) -> bool:
    samples = Path(str(files("unetscope"))) / "sample_data"
    return folder.is_relative_to(samples.resolve())
