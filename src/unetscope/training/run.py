"""A run folder as the training that fills it sees it; see `unetscope.training.folder` for what is in it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import pickle
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import torch

from unetscope.errors import InputError, OutputError
from unetscope.io.write import atomic, output_folder, write_json, write_text
from unetscope.model import Model
from unetscope.model_card import Start, unfitting_model
from unetscope.network import UNet
from unetscope.recipe import Recipe, to_yaml
from unetscope.training.folder import COPIES, LOG, DataEntry, Preview, RunFolder, damaged
from unetscope.training.loop import EpochRecord, TrainingState
from unetscope.training.team import ALONE, Team

__all__ = ["DataEntry", "FollowedRun", "Run", "file_hash", "has_begun"]

_OF_A_RUN = (
    "status.json",
    "history.jsonl",
    "checkpoint.pt",
    "model.safetensors",
    "metrics.json",
    "curves.png",
    "preview.npz",
    "start.json",
    "start.safetensors",
    "pause",
    "stop",
)
# What reading a damaged or foreign checkpoint may end in.
_UNREADABLE = (OSError, RuntimeError, LookupError, ValueError, TypeError, EOFError, pickle.UnpicklingError)


class Run(RunFolder):
    """A run folder that a training fills."""

    @classmethod
    def create(
        cls,
        path: Path,
        recipe: Recipe,
        data: Sequence[DataEntry],
        *,
        start: tuple[Start, bytes] | None = None,
        team: Team = ALONE,
        overwrite: bool = False,
    ) -> Self:
        """Start a run folder.

        Parameters
        ----------
        path : Path
        recipe : Recipe
        data : sequence of DataEntry
        start : (Start, bytes), optional
            The model whose weights the training begins with, and all of its file, because the run that it
            comes from may be the one that is replaced.
        team : Team
            Who trains. It may replace what it left unfinished here itself; see `has_begun`.
        overwrite : bool
            Whether an existing run in the folder may be replaced.

        Raises
        ------
        OutputError
            If the folder holds something already, apart from the dataset, or cannot be written.
        """
        run = cls(path)
        overwrite = overwrite or _is_by(run, team)
        output_folder(path, overwrite=overwrite, apart_from=(COPIES, LOG))
        for name in _OF_A_RUN:
            (path / name).unlink(missing_ok=True)
        if team.launchers:
            run.write_status(launchers=team.launchers, pid=os.getpid())
        if start is not None:
            run._keep_start(*start)
        write_text(path / "recipe.yaml", to_yaml(recipe), overwrite=overwrite)
        write_json(path / "data.json", [dataclasses.asdict(entry) for entry in data], overwrite=overwrite)
        write_json(path / "versions.json", _versions(), overwrite=overwrite)
        return run

    def append(self, record: EpochRecord) -> None:
        """Add an epoch to the history.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        path = self.history_path
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

    def load_start(self, network: UNet) -> bool:
        """Give a network the weights that the training begins with, if those of a model.

        Raises
        ------
        ModelError
            If the copy of that model is missing or damaged, or the network is another one.
        """
        if self.start is None:
            return False
        self.check_start()
        try:
            network.load_state_dict(Model.load(self.start_path).network.state_dict())
        except RuntimeError as error:
            raise unfitting_model(self.start_path, error) from error
        return True

    def check_start(self) -> None:
        """Make sure that the copy of the model that the training begins with is whole, if there is one.

        Raises
        ------
        ModelError
            If it is missing or damaged.
        """
        start = self.start
        if start is None:
            return
        if not self.start_path.exists() or file_hash(self.start_path) != start.sha256:
            raise damaged(self.start_path)

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
                raise damaged(path) from error
        self._forget_after(state.epoch)
        return found

    def _forget_after(self, epoch: int) -> None:
        kept = [json.dumps(record) for record in self.history() if record["epoch"] <= epoch]
        write_text(self.history_path, "".join(line + "\n" for line in kept), overwrite=True)

    def _keep_start(self, start: Start, content: bytes) -> None:
        with atomic(self.start_path, overwrite=True) as temporary:
            temporary.write_bytes(content)
        write_json(self.path / "start.json", dataclasses.asdict(start), overwrite=True)

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Replace the final metrics."""
        write_json(self.metrics_path, dict(metrics), overwrite=True)

    def check_same(self, data: Sequence[DataEntry]) -> None:
        """Make sure that images and masks that were found anew are those that the run began with.

        Raises
        ------
        InputError
            If they are others.
        """
        mine, theirs = (
            [(one.name, one.role, one.image_sha256, one.mask_sha256) for one in each]
            for each in (self.data, data)
        )
        if mine != theirs:
            raise InputError(
                f"the images or masks are not those that the run in {self.path} began with",
                expected="the same data for every process, and as long as it trains",
                fix="put them where all machines see the same files, and train anew",
            )

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


class FollowedRun(Run):
    """The same folder for a process of a team that does not lead it: read, and never written."""

    def append(self, record: EpochRecord) -> None:
        """Left to the first process, as all that follows."""

    def save_model(self, model: Model) -> None:
        """See `append`."""

    def save_checkpoint(self, state: TrainingState) -> None:
        """See `append`."""

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """See `append`."""

    def write_status(self, **facts: Any) -> None:
        """See `append`."""

    def write_preview(self, preview: Preview) -> None:
        """See `append`."""

    def clear_requests(self) -> None:
        """See `append`."""

    def _forget_after(self, epoch: int) -> None:
        pass


def has_begun(path: Path, team: Team) -> bool:
    """Whether a folder holds a run that this very team has begun.

    So it is after processes were lost and torchrun has started all of them again with the same arguments.

    Parameters
    ----------
    path : Path
    team : Team
    """
    # The versions are the last that `create` writes.
    return _is_by(RunFolder(path), team) and (path / "versions.json").exists()


def _is_by(run: RunFolder, team: Team) -> bool:
    status = run.status()
    # A process that is still there has lost nothing, and may well train twice.
    same = status.get("pid") == os.getpid()
    return not same and not set(team.launchers).isdisjoint(status.get("launchers", ()))


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
