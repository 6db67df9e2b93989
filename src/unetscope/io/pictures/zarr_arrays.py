"""The arrays of a Zarr store: checked, then read or left on disk."""

from __future__ import annotations

import lzma
import math
import struct
import warnings
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from unetscope.errors import ReadError
from unetscope.io._limits import require_memory
from unetscope.io.pictures.lazy import OnDisk
from unetscope.io.pictures.zarr_blosc import with_checked_blosc

__all__ = ["DAMAGE", "KIND", "check_array", "chunks_note", "in_memory", "on_disk"]

KIND = "an OME-Zarr image"
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    SystemError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zlib.error,
)
"""What zarr and its codecs raise on a damaged store."""

_MOST_CHUNKS = 100_000


def check_array(path: Path, array: zarr.Array[Any]) -> None:
    """Refuse what is no image of numbers, or would take too much memory or run code when decoded."""
    if array.dtype.kind not in "buif":
        raise ReadError(
            f"{path.name} holds values of type {array.dtype}", expected="real numbers", fix="convert it"
        )
    if 0 in array.shape:
        raise ValueError("it holds no pixels")
    # Only in Zarr 2 may a codec be a pickle; zarr 3.1 refuses it by itself, earlier ones open it.
    filters = getattr(array.metadata, "filters", None) or ()
    codecs = [*filters, getattr(array.metadata, "compressor", None)]
    if any(getattr(codec, "codec_id", "") == "pickle" for codec in codecs):
        raise ReadError(
            f"{path.name} is stored as Python pickles, which can run programs",
            expected="numbers, plain or compressed",
            fix="ask whoever made it to save it without",
        )
    require_memory(path, array.chunks, array.dtype)


def in_memory(path: Path, array: zarr.Array[Any]) -> NDArray[Any]:
    """Read all of an array; 1 bit becomes uint8 0 and 1."""
    require_memory(path, array.shape, array.dtype)
    data = np.asarray(with_checked_blosc(array)[...])
    return data.astype(np.uint8) if data.dtype.kind == "b" else data


def on_disk(path: Path, array: zarr.Array[Any]) -> Any:
    """Give an array as a dask array that opens the store when asked for pixels."""
    opener = partial(_open, path, array.path)
    chunks = _wide_chunks(path, array)
    data = OnDisk(path, KIND, DAMAGE, opener, shape=array.shape, dtype=array.dtype).as_dask(chunks)
    return data.astype(np.uint8) if data.dtype.kind == "b" else data


def _open(path: Path, name: str) -> tuple[Any, Callable[[], None]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = zarr.open_array(path, path=name, mode="r")
    return with_checked_blosc(array), lambda: None


def _wide_chunks(path: Path, array: zarr.Array[Any]) -> tuple[int, ...]:
    """Give the stored chunks, or several of them together where they are too many to keep a list of."""
    chunks = list(array.chunks)
    while (
        math.prod(-(-size // chunk) for size, chunk in zip(array.shape, chunks, strict=True)) > _MOST_CHUNKS
    ):
        chunks = [min(size, 2 * chunk) for size, chunk in zip(array.shape, chunks, strict=True)]
        require_memory(path, chunks, array.dtype)
    return tuple(chunks)


def chunks_note(array: zarr.Array[Any]) -> tuple[str, ...]:
    """Tell of chunks that are not stored: empty ones need not be, but neither are those lost on the way."""
    if array.nchunks > _MOST_CHUNKS or (missing := array.nchunks - array.nchunks_initialized) <= 0:
        return ()
    return (f"Of its {array.nchunks} chunks {missing} are not stored and read as {array.fill_value}.",)
