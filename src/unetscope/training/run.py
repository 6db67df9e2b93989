"""The run folder: what one training writes, and all that is needed to rebuild it or go on.

```
recipe.yaml          the recipe
data.json            every image and mask with its group, role and hash
versions.json        program, libraries, machine
history.jsonl        one line per epoch, appended as it ends
checkpoint.pt        full state, to go on later
model.safetensors    the best model so far
metrics.json         how that model does on the validation images
stop                 put there by whoever wants the run to end after its current epoch
```
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import pickle
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from unetscope.errors import InputError, ModelError, OutputError
from unetscope.io.write import atomic, output_folder, write_json, write_text
from unetscope.model import Model
from unetscope.recipe import Recipe, read_recipe, to_yaml
from unetscope.training.loop import EpochRecord, TrainingState

__all__ = ["DataEntry", "Run", "file_hash"]

# What reading a damaged or foreign checkpoint may end in.
_UNREADABLE = (OSError, RuntimeError, LookupError, ValueError, TypeError, EOFError, pickle.UnpicklingError)


@dataclasses.dataclass(frozen=True)
class DataEntry:
    """One image of a run.

    Attributes
    ----------
    name, group : str
    role : str
        ``"training"`` or ``"validation"``.
    image, mask : str
        Absolute paths; empty for arrays that never were files.
    image_sha256, mask_sha256 : str
        Of the files, or of the arrays' bytes.
    reading : dict
        How the mask is read: arguments of `read_mask`, such as the label of each color.
    """

    name: str
    group: str
    role: str
    image: str
    mask: str
    image_sha256: str
    mask_sha256: str
    reading: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.reading, dict) or self.reading.keys() - {"colors", "classes", "objects"}:
            raise ValueError(f"a mask is not read with {self.reading!r}")


class Run:
    """A run folder.

    Parameters
    ----------
    path : Path
        The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, recipe: Recipe, data: Sequence[DataEntry], *, overwrite: bool = False) -> Run:
        """Start a run folder.

        Parameters
        ----------
        path : Path
        recipe : Recipe
        data : sequence of DataEntry
        overwrite : bool
            Whether an existing run in the folder may be replaced.

        Raises
        ------
        OutputError
            If the folder holds something already, or cannot be written.
        """
        output_folder(path, overwrite=overwrite)
        run = cls(path)
        for name in ("history.jsonl", "checkpoint.pt", "model.safetensors", "metrics.json", "stop"):
            (path / name).unlink(missing_ok=True)
        write_text(path / "recipe.yaml", to_yaml(recipe), overwrite=overwrite)
        write_json(path / "data.json", [dataclasses.asdict(entry) for entry in data], overwrite=overwrite)
        write_json(path / "versions.json", _versions(), overwrite=overwrite)
        return run

    @classmethod
    def open(cls, path: Path) -> Run:
        """Open an existing run folder.

        Raises
        ------
        ModelError
            If the folder is not a run.
        """
        if not (path / "recipe.yaml").is_file() or not (path / "data.json").is_file():
            raise ModelError(
                f"{path} is not a run folder",
                expected="a folder that `unetscope train` wrote",
                fix="check the path",
            )
        return cls(path)

    @property
    def model_path(self) -> Path:
        """The best model so far."""
        return self.path / "model.safetensors"

    @property
    def recipe(self) -> Recipe:
        """The recipe of the run."""
        return read_recipe(self.path / "recipe.yaml")

    @property
    def data(self) -> list[DataEntry]:
        """The images of the run."""
        try:
            entries = json.loads((self.path / "data.json").read_text(encoding="utf-8"))
            return [DataEntry(**entry) for entry in entries]
        except (OSError, ValueError, TypeError):
            raise _damaged(self.path / "data.json") from None

    @property
    def stop_requested(self) -> bool:
        """Whether somebody wants the run to end after its current epoch."""
        return (self.path / "stop").exists()

    def clear_stop(self) -> None:
        """Forget a request to stop."""
        (self.path / "stop").unlink(missing_ok=True)

    def history(self) -> list[dict[str, Any]]:
        """One mapping per finished epoch, with the keys of `EpochRecord`."""
        path = self.path / "history.jsonl"
        if not path.exists():
            return []
        # A last line without an end was being written when the program was killed.
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        try:
            return [json.loads(line) for line in lines]
        except ValueError:
            raise _damaged(path) from None

    def append(self, record: EpochRecord) -> None:
        """Add an epoch to the history.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        path = self.path / "history.jsonl"
        line = json.dumps(dataclasses.asdict(record))
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise OutputError(
                f"{path} cannot be written ({error.strerror or error})",
                expected="free space in a folder that you may write to",
                fix="make room and resume the run",
            ) from error

    def save_model(self, model: Model) -> None:
        """Replace the best model."""
        model.save(self.model_path, overwrite=True)

    def save_checkpoint(self, state: TrainingState) -> None:
        """Replace the full state."""
        # Through memory: torch reports a full disk as a RuntimeError, Python as an OSError.
        buffer = io.BytesIO()
        torch.save(state.state_dict(), buffer)
        with atomic(self.path / "checkpoint.pt", overwrite=True) as temporary:
            temporary.write_bytes(buffer.getbuffer())

    def load_checkpoint(self, state: TrainingState) -> bool:
        """Go back to the saved state, if there is one, and forget what the history has beyond it.

        Raises
        ------
        ModelError
            If the checkpoint is damaged or of another recipe.
        """
        path = self.path / "checkpoint.pt"
        found = path.exists()
        if found:
            try:
                device = next(state.network.parameters()).device
                state.load_state_dict(torch.load(path, map_location=device, weights_only=True))
            except _UNREADABLE as error:
                raise _damaged(path) from error
        kept = [json.dumps(record) for record in self.history() if record["epoch"] <= state.epoch]
        write_text(self.path / "history.jsonl", "".join(line + "\n" for line in kept), overwrite=True)
        return found

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Replace the final metrics."""
        write_json(self.path / "metrics.json", dict(metrics), overwrite=True)

    def check_data(self) -> None:
        """Make sure that the files are still those that the run began with.

        Raises
        ------
        InputError
            Naming the first file that is missing or changed.
        """
        for entry in self.data:
            if not entry.image:
                raise InputError(
                    "the run was trained on arrays, which it does not keep",
                    expected="images in files",
                    fix="train anew",
                )
            for path, expected in ((entry.image, entry.image_sha256), (entry.mask, entry.mask_sha256)):
                if not Path(path).exists() or file_hash(Path(path)) != expected:
                    raise InputError(
                        f"{path} is missing or has changed since the run began",
                        expected="the same data",
                        fix="put it back, or train anew",
                    )


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, or of the files of a folder (a DICOM series), as hex digits."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        return hashlib.sha256("".join(map(file_hash, files)).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions() -> dict[str, str]:
    packages = ("unetscope", "torch", "numpy", "scikit-image", "pydicom")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _damaged(path: Path) -> ModelError:
    return ModelError(f"{path} is damaged", expected="what training wrote", fix="train anew")
