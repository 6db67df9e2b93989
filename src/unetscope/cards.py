"""The card of a file or folder: what an image, a folder of series, a model or a run is, in a few lines."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unetscope import api
from unetscope.errors import InputError, ModelError
from unetscope.io import Image, find_series, is_store, read
from unetscope.model_about import About
from unetscope.model_card import ModelCard

if TYPE_CHECKING:
    from unetscope.io.dicom.series import Series

__all__ = ["describe", "describe_diameter", "describe_models", "story_of", "tell_story"]


def describe(path: Path) -> dict[str, Any]:
    """Describe an image, a folder of DICOM series, a model, or a run with its model.

    Parameters
    ----------
    path : Path
        A file or a folder, or the name of a model that comes with the package.

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
    if path.suffix == ".safetensors" or (not path.exists() and str(path) in api.shipped_models()):
        return _describe_model(path)
    if (path / "recipe.yaml").is_file():
        return _describe_run(path)
    if not path.exists() and not path.suffix:
        names = ", ".join(api.shipped_models()) or "none"
        raise InputError(
            f"{path} does not exist",
            expected=f"an image, a folder, a run, a model, or the name of a model that comes along ({names})",
            fix="check the path",
        )
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
        **({} if run.start is None else {"began with": str(run.start)}),
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
    began = {} if card.start is None else {"began with": str(card.start)}
    story = {} if card.about is None else _describe_story(card.about)
    for name in ("start", "about"):
        provenance.pop(name, None)
    try:
        scores = provenance.pop("scores")
    except KeyError:
        raise ModelError(f"{path} has no scores", expected="a model that training wrote") from None
    return {
        "model": str(card.path),
        **story,
        "size": f"{card.path.stat().st_size / 1e6:.1f} MB",
        "preset": recipe.name,
        "segments": f"{recipe.target.kind}, mask values {list(card.values)}",
        "input": f"{recipe.network.dimensions}D, channels: {', '.join(card.channels)}",
        "network": f"U-Net of depth {recipe.network.depth}, {card.parameters:,} parameters",
        "threshold": card.threshold,
        **({} if card.diameter is None else {"object diameter": describe_diameter(card)}),
        **began,
        **provenance,
        **scores,
        "recipe": recipe.to_dict(),
    }


def describe_diameter(card: ModelCard) -> str:
    """How large the objects were that a model has learned, and what they are brought to."""
    if card.diameter is None:
        return "any"
    seen = card.recipe.preprocess.diameter
    return f"{card.diameter:.3g} px" + ("" if seen is None else f", brought to {seen:.3g} px")


def describe_models() -> list[dict[str, Any]]:
    """The models that come with the package, with what decides on a choice between them.

    Raises
    ------
    ModelError
        If one of them is damaged or has no story.
    """
    return [_summary(name, api.read_card(path)) for name, path in api.shipped_models().items()]


def tell_story(path: Path) -> str:
    """The whole story of a model, in Markdown.

    Parameters
    ----------
    path : Path
        As for `api.load_model`.

    Raises
    ------
    ModelError
        If there is no model, it is damaged, or nobody has written its story.
    """
    card = api.read_card(path)
    facts = _summary(api.model_name(path), card)
    shown = {
        "Object diameter": describe_diameter(card),
        "Channels": ", ".join(card.channels),
        "Size": f"{facts['bytes'] / 1e6:.1f} MB",
        "Network": f"{card.recipe.network.dimensions}D U-Net, {card.parameters:,} parameters",
    }
    return story_of(card).to_markdown(shown)


def _summary(name: str, card: ModelCard) -> dict[str, Any]:
    story = story_of(card)
    return {
        "name": name,
        "description": story.description,
        "diameter": card.diameter,
        "channels": list(card.channels),
        "bytes": card.path.stat().st_size,
        "licenses": list(story.licenses),
        "held_out": [each.model_dump(mode="json") for each in story.held_out],
    }


def story_of(card: ModelCard) -> About:
    """The story of a model that has one.

    Raises
    ------
    ModelError
        If nobody has written it.
    """
    if card.about is None:
        raise ModelError(
            f"{card.path} has no story",
            expected="a model that was made to be passed on",
            fix="see `unetscope info` for what is known of it",
        )
    return card.about


def _describe_story(story: About) -> dict[str, Any]:
    return {
        "title": story.title,
        "description": story.description,
        "learned from": "; ".join(f"{each.name} ({each.license}): {each.source}" for each in story.data),
        "training": f"{story.training} It took {story.minutes:.3g} minutes.",
        **{f"scores {i}": each.summary for i, each in enumerate(story.held_out, start=1)},
        **{f"limit {i}": limit for i, limit in enumerate(story.limits, start=1)},
        "about": story.to_dict(),
    }
