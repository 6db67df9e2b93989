"""What is settled about an image before its first block, and the folder in which its blocks collect."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unetscope.errors import OutputError
from unetscope.io.write import atomic, write_json
from unetscope.large.blocks import Block, plan_blocks
from unetscope.preprocess import Scaling

__all__ = ["Job", "JobFolder", "Request", "request_for"]

_JOB = "job.json"


@dataclass(frozen=True)
class Request:
    """What was asked for; blocks of one request never go with another.

    Attributes
    ----------
    model, image : str
        Absolute paths.
    model_sha256 : str
    image_state : str
        Changes when the file of the image does.
    threshold, diameter : float or None
        See `unetscope.api.predict`.
    """

    model: str
    model_sha256: str
    image: str
    image_state: str
    threshold: float | None
    diameter: float | None


@dataclass(frozen=True)
class Job:
    """Everything that decides what a block becomes.

    Attributes
    ----------
    request : Request
    grid : tuple of int
    side, margin : int
        See `plan_blocks`.
    scaling : Scaling
        Of the whole image.
    diameter : float or None
        Given or estimated, where the model brings objects to one size.
    """

    request: Request
    grid: tuple[int, ...]
    side: int
    margin: int
    scaling: Scaling
    diameter: float | None

    def blocks(self) -> Iterator[Block]:
        """All of them; see `plan_blocks`."""
        return plan_blocks(self.grid, self.side, self.margin)


class JobFolder:
    """Blocks that are finished, each a file that is there whole or not at all.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Job | None:
        """The job, or None where there is none, or one of another version."""
        try:
            content = json.loads((self.path / _JOB).read_text(encoding="utf-8"))
            scaling = content["scaling"]
            return Job(
                Request(**content["request"]),
                tuple(content["grid"]),
                content["side"],
                content["margin"],
                Scaling(tuple(scaling["offset"]), tuple(scaling["factor"]), scaling["clip"]),
                content["diameter"],
            )
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def begin(self, job: Job) -> None:
        """Write the job before its first block.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be made ({error.strerror})",
                expected="a folder that you may write to",
                fix="choose another place",
            ) from error
        write_json(self.path / _JOB, asdict(job))

    def has(self, block: Block) -> bool:
        """Whether a block is finished."""
        return self._file(block).is_file()

    def put(self, block: Block, arrays: dict[str, NDArray[Any]]) -> None:
        """Keep what a block became."""
        with atomic(self._file(block), overwrite=True) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    def take(self, block: Block, *names: str) -> list[NDArray[Any]]:
        """Some arrays of a finished block."""
        with np.load(self._file(block), allow_pickle=False) as arrays:
            return [arrays[name] for name in names]

    def _file(self, block: Block) -> Path:
        return self.path / f"{block.name}.npz"


def request_for(model: Path, image: Path, threshold: float | None, diameter: float | None) -> Request:
    """The request for an image, with what tells whether the files are still the same."""
    from unetscope.training.run import file_hash

    digest = hashlib.sha256()
    for part in [image] if image.is_file() else sorted(image.rglob("*")):
        status = part.stat()
        digest.update(f"{os.fspath(part)} {status.st_size} {status.st_mtime_ns}\n".encode(errors="replace"))
    return Request(
        str(model.resolve()), file_hash(model), str(image.resolve()), digest.hexdigest(), threshold, diameter
    )
