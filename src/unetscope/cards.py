"""The card of a model file or a run folder: what it is and where it comes from, in a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unetscope import api
from unetscope.errors import ModelError

__all__ = ["describe"]


def describe(path: Path) -> dict[str, Any]:
    """Describe a model, or a run with its model.

    Parameters
    ----------
    path : Path
        A model file or a run folder.

    Returns
    -------
    dict
        Names and values to show; ``"recipe"`` holds all settings.

    Raises
    ------
    ModelError
        If it is neither.
    """
    from unetscope.training.run import Run

    if path.is_file():
        return _describe_model(path)
    run = Run.open(path)
    roles = [entry.role for entry in run.data]
    history = run.history()
    card: dict[str, Any] = {
        "run": str(path),
        "training images": roles.count("training"),
        "validation images": roles.count("validation"),
        "epochs": len(history),
        "seconds": round(history[-1]["seconds"], 1) if history else 0.0,
        "recipe": run.recipe.to_dict(),
    }
    if not run.model_path.exists():
        return card
    return card | _describe_model(run.model_path)


def _describe_model(path: Path) -> dict[str, Any]:
    model = api.load_model(path, device="cpu")
    recipe, provenance = model.recipe, dict(model.provenance)
    try:
        scores = provenance.pop("scores")
    except KeyError:
        raise ModelError(f"{path} has no scores", expected="a model that training wrote") from None
    parameters = sum(parameter.numel() for parameter in model.network.parameters())
    return {
        "model": str(path),
        "size": f"{path.stat().st_size / 1e6:.1f} MB",
        "preset": recipe.name,
        "segments": f"{recipe.target.kind}, mask values {list(model.values)}",
        "input": f"{recipe.network.dimensions}D, channels: {', '.join(model.channels)}",
        "network": f"U-Net of depth {recipe.network.depth}, {parameters:,} parameters",
        "threshold": model.threshold,
        **provenance,
        **scores,
        "recipe": recipe.to_dict(),
    }
