"""The card of a file or folder: what an image, a folder of series, a model or a run is, in a few lines."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unetscope import api
from unetscope.errors import ModelError
from unetscope.io import Image, find_series, is_store, read

if TYPE_CHECKING:
    from unetscope.io.dicom.series import Series

__all__ = ["describe"]


def describe(path: Path) -> dict[str, Any]:
    """Describe an image, a folder of DICOM series, a model, or a run with its model.

    Parameters
    ----------
    path : Path
        A file or a folder.

    Returns
    -------
    dict
        Names and values to show; for models and runs, ``"recipe"`` holds all settings.

    Raises
    ------
    ModelError
        If it is a damaged model or run.
    InputError
        If it is nothing of all this.
    """
    if path.suffix == ".safetensors":
        return _describe_model(path)
    if (path / "recipe.yaml").is_file():
        return _describe_run(path)
    if not path.is_dir() or is_store(path):
        return _describe_image(path, read(path, lazy=True))
    series = find_series(path)
    if len(series) == 1:
        return _describe_image(path, series[0].read(lazy=True))
    rows = {f"series {i}": _describe_series(one) for i, one in enumerate(series, start=1)}
    return {"folder": str(path), **rows}


def _describe_image(path: Path, image: Image) -> dict[str, Any]:
    card: dict[str, Any] = {
        "image": str(path),
        "format": image.source.format,
        "axes": image.axes,
        "shape": _times(image.data.shape),
        "type": str(image.data.dtype),
        "values": f"{float(image.data.min()):g} to {float(image.data.max()):g}",
        "spacing": f"{_times(f'{step:.4g}' for step in image.spacing)} {image.units}",
    }
    if image.channels:
        card["channels"] = ", ".join(image.channels)
    if image.levels:
        card["coarser copies"] = len(image.levels)
    if image.affine is not None:
        card["first pixel"] = "({:.4g}, {:.4g}, {:.4g}) mm to the left, back and head".format(
            *image.affine[:3, 3]
        )
    if image.source.window is not None:
        card["window"] = "center {:g}, width {:g}".format(*image.source.window)
    if image.source.group is not None:
        card["group"] = image.source.group
    return card | {f"note {i}": note for i, note in enumerate(image.source.notes, start=1)}


def _describe_series(series: Series) -> str:
    return series.label if series.problem is None else f"{series.label}; not readable: {series.problem}"


def _times(lengths: Iterable[object]) -> str:
    return " × ".join(map(str, lengths))


def _describe_run(path: Path) -> dict[str, Any]:
    from unetscope.training.run import Run

    run = Run.open(path)
    roles = [entry.role for entry in run.data]
    history = run.history()
    card: dict[str, Any] = {
        "run": str(path),
        "training images": roles.count("training"),
        "validation images": roles.count("validation"),
        **({"test images": roles.count("test")} if "test" in roles else {}),
        "epochs": len(history),
        "seconds": round(history[-1]["seconds"], 1) if history else 0.0,
        "recipe": run.recipe.to_dict(),
    }
    if not run.model_path.exists():
        return card
    return card | _describe_model(run.model_path)


def _describe_model(path: Path) -> dict[str, Any]:
    card = api.read_card(path)
    recipe, provenance = card.recipe, dict(card.provenance)
    try:
        scores = provenance.pop("scores")
    except KeyError:
        raise ModelError(f"{path} has no scores", expected="a model that training wrote") from None
    return {
        "model": str(path),
        "size": f"{path.stat().st_size / 1e6:.1f} MB",
        "preset": recipe.name,
        "segments": f"{recipe.target.kind}, mask values {list(card.values)}",
        "input": f"{recipe.network.dimensions}D, channels: {', '.join(card.channels)}",
        "network": f"U-Net of depth {recipe.network.depth}, {card.parameters:,} parameters",
        "threshold": card.threshold,
        **provenance,
        **scores,
        "recipe": recipe.to_dict(),
    }
