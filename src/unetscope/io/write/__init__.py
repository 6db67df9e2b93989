"""Results to files: whole or not at all, and never over a file without being told."""

from __future__ import annotations

from unetscope.io.write.files import (
    atomic,
    output_folder,
    refuse_existing,
    to_plain,
    write_csv,
    write_json,
    write_text,
)
from unetscope.io.write.image import write_image
from unetscope.io.write.mask import write_mask
from unetscope.io.write.tiff import write_float

__all__ = [
    "atomic",
    "output_folder",
    "refuse_existing",
    "to_plain",
    "write_csv",
    "write_float",
    "write_image",
    "write_json",
    "write_mask",
    "write_text",
]
