"""Models, those that come with the package among them, and what they say about themselves."""

from __future__ import annotations

import dataclasses
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from unetscope.api.data import StrPath
from unetscope.errors import ModelError
from unetscope.model_about import About
from unetscope.model_card import ModelCard
from unetscope.training.folder import RunFolder

if TYPE_CHECKING:
    from unetscope.model import Model

__all__ = [
    "find_model",
    "load_model",
    "model_name",
    "publish_model",
    "read_card",
    "shipped_models",
]

SHIPPED = Path(str(files("unetscope"))) / "models"
"""Where the models lie that come with the package."""

_ENDING = ".safetensors"


def load_model(path: StrPath, *, device: str = "auto") -> Model:
    """Load a model: its file, the best one of a run folder, or one that comes with the package, by its name.

    Parameters
    ----------
    path : path or str
        A file or run folder of that name wins over a model that comes with the package.
    device : str
        See `unetscope.train`.

    Raises
    ------
    ModelError
        If there is no model, or it is damaged, foreign or of a newer format.
    """
    from unetscope.model import Model
    from unetscope.training.loop import choose_device

    return Model.load(find_model(path), device=choose_device(device))


def read_card(path: StrPath) -> ModelCard:
    """What a model says about itself, found as by `load_model`; without loading torch.

    Raises
    ------
    ModelError
        As `load_model`.
    """
    return ModelCard.read(find_model(path))


def shipped_models() -> dict[str, Path]:
    """The models that come with the package: name → file, in alphabetical order."""
    return {path.stem: path for path in sorted(SHIPPED.glob(f"*{_ENDING}"))}


def find_model(path: StrPath) -> Path:
    """The file of a model, found as by `load_model`.

    Raises
    ------
    ModelError
        If there is none.
    """
    found, name = Path(path), str(path)
    shipped = shipped_models()
    if found.is_file():
        return found
    # A folder of images that happens to have the name of a model is none.
    if found.is_dir() and (name not in shipped or _is_run(found)):
        return RunFolder.open(found).model_path
    if name in shipped:
        return shipped[name]
    names = f"one of the names {', '.join(shipped)}" if shipped else "a name (this version comes with none)"
    raise ModelError(
        f"{path} is not a readable model (no such file)",
        expected=f"a model.safetensors, the folder of a run, or {names}",
        fix="check the path, or see `unetscope models`",
    )


def model_name(path: StrPath) -> str:
    """What to call a model: the name of one that comes with the package, else of its run folder or file."""
    file = find_model(path)
    if file.parent == SHIPPED:
        return file.stem
    return file.parent.name if (file.parent / "recipe.yaml").is_file() else file.name


def publish_model(model: StrPath, about: About, out: Path, *, overwrite: bool = False) -> Path:
    """Write a model with its story, to be passed on.

    Parameters
    ----------
    model : path or str
        Found as by `load_model`.
    about : About
        Replaces an earlier story.
    out : Path
        The file to write, ending in ``.safetensors``.
    overwrite : bool
        Whether it may be replaced.

    Raises
    ------
    ModelError
        As `load_model`.
    OutputError
        If the file exists or cannot be written.
    """
    loaded = load_model(model, device="cpu")
    provenance = {**loaded.provenance, "about": about.to_dict()}
    return dataclasses.replace(loaded, provenance=provenance).save(out, overwrite=overwrite)


def _is_run(folder: Path) -> bool:
    return (folder / "recipe.yaml").is_file() and (folder / "data.json").is_file()
