"""Blosc without its blind spot: numcodecs trusts the length that a chunk states of itself."""

from __future__ import annotations

import struct
from dataclasses import replace
from functools import cached_property
from typing import Any

import numcodecs
import zarr
from numcodecs.compat import ensure_contiguous_ndarray
from zarr.codecs import BloscCodec, ShardingCodec

__all__ = ["with_checked_blosc"]

# Two versions, flags and item size, then the lengths inflated, of a block, and as stored.
_HEADER = struct.Struct("<BBBBIII")


def with_checked_blosc(array: zarr.Array[Any]) -> zarr.Array[Any]:
    """Give the same array, refusing Blosc chunks that are shorter or longer than they say.

    Of a chunk that is cut off, numcodecs reads on in whatever lies behind it in memory: at best the pixels
    are wrong, at worst the program ends.
    """
    metadata = array.metadata
    if metadata.zarr_format == 2:
        checked: Any = replace(metadata, compressor=_checked(metadata.compressor))
    else:
        checked = replace(metadata, codecs=tuple(_checked(codec) for codec in metadata.codecs))
    return zarr.Array(zarr.AsyncArray(checked, array.store_path))


def _checked(codec: Any) -> Any:
    if isinstance(codec, numcodecs.Blosc):
        return _Blosc(codec.cname, codec.clevel, codec.shuffle, codec.blocksize)
    if isinstance(codec, BloscCodec):
        return _BloscCodec.from_dict(codec.to_dict())
    if isinstance(codec, ShardingCodec):
        return replace(codec, codecs=tuple(_checked(inner) for inner in codec.codecs))
    return codec


class _Blosc(numcodecs.Blosc):
    def decode(self, buf: Any, out: Any = None) -> Any:
        chunk = ensure_contiguous_ndarray(buf)
        if chunk.nbytes < _HEADER.size or _HEADER.unpack_from(chunk)[-1] != chunk.nbytes:
            raise ValueError("a chunk is cut off")
        return super().decode(buf, out)


class _BloscCodec(BloscCodec):
    @cached_property
    def _blosc_codec(self) -> numcodecs.Blosc:
        plain = super()._blosc_codec
        return _Blosc(plain.cname, plain.clevel, plain.shuffle, plain.blocksize)
