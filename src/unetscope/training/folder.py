"""The run folder as a protocol: what a training writes there, and the requests that it obeys.

```
data/                the dataset, when it was put together in the viewer: its table, and copies of layers
recipe.yaml          the recipe
start.json           name and hash of the model that the training begins with, if it begins with one
start.safetensors    a copy of that model
data.json            every image and mask with its group, role and hash
versions.json        program, libraries, machine
status.json          what the training does now, or how it ended
history.jsonl        one line per epoch, appended as it ends
checkpoint.pt        full state, to go on later
model.safetensors    the best model so far
metrics.json         how that model does on the validation images
curves.png           loss and Dice, drawn at the end
preview.npz          what it says about one of them, on request
log.txt              what the command line printed, when the viewer started it
pause, stop          put there by whoever wants the run to wait, or to end
```

Whoever watches a run, on this machine or another, needs nothing else; and not torch.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from unetscope.errors import InputError, ModelError, OutputError
from unetscope.io.image import Image, Source
from unetscope.io.write import atomic, write_json
from unetscope.model_card import Start
from unetscope.recipe import Recipe, read_recipe

__all__ = ["COPIES", "ENDED", "LOG", "TABLE", "DataEntry", "Preview", "RunFolder", "WatchedFolder", "damaged"]

COPIES, LOG = "data", "log.txt"
"""What may lie in the folder of a run before it begins."""

TABLE = "pairs.csv"
"""The table of the dataset among the copies."""

ENDED = ("finished", "stopped", "failed")
"""The last states of a run; before them come preparing, training, paused and scoring."""

# What reading a preview that is none may end in.
_UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, zipfile.BadZipFile, InputError)


@dataclasses.dataclass(frozen=True)
class DataEntry:
    """One image of a run.

    Attributes
    ----------
    name, group : str
    role : str
        ``"training"``, ``"validation"``, or ``"test"`` for an image that takes no part.
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


@dataclasses.dataclass(frozen=True, eq=False)
class Preview:
    """What the best model so far says about one image.

    Attributes
    ----------
    name : str
        Of the image, as in the run's data.
    epoch : int
        The epoch of the model.
    labels : Image
        On the image's grid; its source is that of the image.
    """

    name: str
    epoch: int
    labels: Image


class WatchedFolder:
    """A folder that work fills, which tells how it goes and can be asked to wait or to end.

    Parameters
    ----------
    path : Path
        The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def status_path(self) -> Path:
        """What is done now."""
        return self.path / "status.json"

    @property
    def log_path(self) -> Path:
        """What the command line printed."""
        return self.path / LOG

    def status(self) -> dict[str, Any]:
        """What is done now, or how it ended; empty where nothing is known."""
        return _facts_in(self.status_path)

    def write_status(self, **facts: Any) -> None:
        """Change what the status says; facts that are not named stay."""
        # A watcher that holds the file open, as Windows takes it, must not end a training.
        with suppress(OutputError):
            write_json(self.status_path, {**self.status(), **facts}, overwrite=True)

    @property
    def stop_requested(self) -> bool:
        """Whether somebody wants the work to end after its current epoch, or soon if that takes long."""
        return (self.path / "stop").exists()

    @property
    def pause_requested(self) -> bool:
        """Whether somebody wants the work to wait after its current epoch, or soon if that takes long."""
        return (self.path / "pause").exists()

    def request_stop(self) -> None:
        """Ask the work to end; what it has is kept.

        Raises
        ------
        OutputError
            If the folder cannot be written to.
        """
        self._request("stop")

    def request_pause(self) -> None:
        """Ask the work to wait, until `clear_pause`.

        Raises
        ------
        OutputError
            If the folder cannot be written to.
        """
        self._request("pause")

    def clear_pause(self) -> None:
        """Let work that waits go on."""
        (self.path / "pause").unlink(missing_ok=True)

    def clear_requests(self) -> None:
        """Forget what was asked for."""
        for name in ("pause", "stop"):
            (self.path / name).unlink(missing_ok=True)

    def _request(self, name: str) -> None:
        try:
            (self.path / name).touch()
        except OSError as error:
            raise OutputError(
                f"{self.path / name} cannot be written ({error.strerror or error})",
                expected="a folder that you may write to",
                fix="ask whoever trains there",
            ) from error


class RunFolder(WatchedFolder):
    """A run folder, to look at and to ask for things.

    Parameters
    ----------
    path : Path
        The folder.
    """

    @classmethod
    def open(cls, path: Path) -> Self:
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
            raise damaged(self.path / "data.json") from None

    @property
    def start(self) -> Start | None:
        """The model that the training begins with; None if it begins with new weights.

        Raises
        ------
        ModelError
            If it is not known which.
        """
        path = self.path / "start.json"
        if not path.exists() and not self.start_path.exists():
            return None
        try:
            return Start(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            raise damaged(path) from None

    @property
    def start_path(self) -> Path:
        """The copy of the model that the training begins with."""
        return self.path / "start.safetensors"

    @property
    def model_path(self) -> Path:
        """The best model so far."""
        return self.path / "model.safetensors"

    @property
    def history_path(self) -> Path:
        """The epochs, one line each."""
        return self.path / "history.jsonl"

    @property
    def metrics_path(self) -> Path:
        """How the best model does on the validation images."""
        return self.path / "metrics.json"

    @property
    def preview_path(self) -> Path:
        """What the best model says about one image."""
        return self.path / "preview.npz"

    def status(self) -> dict[str, Any]:
        """What the training does now, or how it ended.

        Returns
        -------
        dict
            ``"state"``: preparing, training, paused, scoring, finished, stopped or failed;
            ``"message"``: why it failed, in one sentence; ``"device"``; ``"pid"``; ``"epoch"``: the last that
            ended; ``"left_out"`` and ``"warnings"``: sentences about the data. Empty where nothing is known.
        """
        return _facts_in(self.status_path)

    def metrics(self) -> dict[str, Any]:
        """What ``metrics.json`` says of the best model; empty where there is none yet."""
        return _facts_in(self.metrics_path)

    def history(self) -> list[dict[str, Any]]:
        """One mapping per finished epoch, with the keys of `EpochRecord`."""
        return self.history_from(0)[0]

    def history_from(self, offset: int) -> tuple[list[dict[str, Any]], int]:
        """The epochs whose lines begin at a byte of the file or later, and where the next one will begin.

        Raises
        ------
        ModelError
            If the file is damaged.
        """
        try:
            with self.history_path.open("rb") as file:
                file.seek(offset)
                text = file.read()
        except FileNotFoundError:
            return [], offset
        # A last line without an end is being written, or was when the program was killed.
        whole = text[: text.rfind(b"\n") + 1]
        try:
            return [json.loads(line) for line in whole.splitlines()], offset + len(whole)
        except ValueError:
            raise damaged(self.history_path) from None

    def preview(self) -> Preview | None:
        """What the best model so far says about one image; None if nobody asked for it."""
        try:
            with np.load(self.preview_path, allow_pickle=False) as file:
                labels, facts = file["labels"], json.loads(str(file["facts"]))
            path, affine = facts.pop("path"), facts.pop("affine")
            source = Source() if path is None else Source(path=Path(path))
            placed = None if affine is None else np.asarray(affine, float)
            name, epoch = facts.pop("name"), facts.pop("epoch")
            grid: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()}
            return Preview(name, epoch, Image(labels, source=source, affine=placed, **grid))
        except FileNotFoundError:
            return None
        except _UNREADABLE:
            raise damaged(self.preview_path) from None

    def write_preview(self, preview: Preview) -> None:
        """Replace the preview, whole or not at all.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        labels = preview.labels
        facts: Mapping[str, Any] = {
            "name": preview.name,
            "epoch": preview.epoch,
            "path": None if labels.source.path is None else str(labels.source.path),
            "axes": labels.axes,
            "spacing": labels.spacing,
            "origin": labels.origin,
            "units": labels.units,
            "affine": None if labels.affine is None else labels.affine.tolist(),
        }
        with atomic(self.preview_path, overwrite=True) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, labels=labels.data, facts=np.array(json.dumps(facts)))


def damaged(path: Path) -> ModelError:
    """The error for a file of a run that is not what training wrote."""
    return ModelError(f"{path} is damaged", expected="what training wrote", fix="train anew")


def _facts_in(path: Path) -> dict[str, Any]:
    """The content of a JSON file; empty where it is missing, damaged, or no mapping."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
