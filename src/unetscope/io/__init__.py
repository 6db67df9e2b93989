"""Files ↔ images and masks: the one door to what lies on disk."""

from __future__ import annotations

from unetscope.io._files import bare_name, is_image_file, is_store, kind_by_name
from unetscope.io.image import Image, Source
from unetscope.io.masks import read_mask
from unetscope.io.pairs import Pair, Pairing, Role, Unpaired, find_pairs, list_images, match_masks
from unetscope.io.reader import find_series, read, read_series
from unetscope.io.write import (
    atomic,
    output_folder,
    write_csv,
    write_float,
    write_image,
    write_json,
    write_mask,
    write_text,
)

__all__ = [
    "Image",
    "Pair",
    "Pairing",
    "Role",
    "Source",
    "Unpaired",
    "atomic",
    "bare_name",
    "find_pairs",
    "find_series",
    "is_image_file",
    "is_store",
    "kind_by_name",
    "list_images",
    "match_masks",
    "output_folder",
    "read",
    "read_mask",
    "read_series",
    "write_csv",
    "write_float",
    "write_image",
    "write_json",
    "write_mask",
    "write_text",
]
